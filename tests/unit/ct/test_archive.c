/* Volumes in zip archives are as good as unpacked ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zip.h>

#include "base/file.h"
#include "ct/dataset.h"
#include "ct/volume.h"
#include "temporary_folder.h"

enum { DEPTH = 20, ROWS = 30, COLUMNS = 40, SLICE = ROWS * COLUMNS };

static int16_t voxels[DEPTH * SLICE];
static struct error err;

static const char *header(void)
{
    return "ObjectType = Image\nNDims = 3\nDimSize = 40 30 20\nElementSpacing = 1 1 2\n"
           "ElementType = MET_SHORT\nElementByteOrderMSB = False\n"
           "ElementDataFile = scan.raw\n";
}

static void put(zip_t *z, const char *name, const void *data, size_t bytes,
                zip_int32_t method)
{
    zip_int64_t i =
        zip_file_add(z, name, zip_source_buffer(z, data, bytes, 0), ZIP_FL_OVERWRITE);
    assert_true(i >= 0);
    assert_int_equal(zip_set_file_compression(z, (zip_uint64_t)i, method, 0), 0);
}

/* root/subset3.zip with a scan and what else lies in archives; returns its path. */
static const char *make_archive(zip_int32_t method)
{
    char *path = temporary_path("subset3.zip");
    for (int i = 0; i < DEPTH * SLICE; i++)
        voxels[i] = (int16_t)((i * 7919) % 2000 - 1000);
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    assert_non_null(z);
    zip_dir_add(z, "subset3", 0);
    put(z, "subset3/scan.mhd", header(), strlen(header()), method);
    put(z, "subset3/scan.raw", voxels, sizeof voxels, method);
    put(z, "__MACOSX/subset3/._scan.mhd", "junk", 4, method);
    put(z, "subset3/notes.txt", "junk", 4, method);
    assert_int_equal(zip_close(z), 0);
    return path;
}

static struct volume *open_scan(void)
{
    struct volume *v;
    if (volume_open(temporary_path("subset3.zip/subset3/scan.mhd"), NULL, &v, &err))
        fail_msg("%s", err.message);
    return v;
}

static void check_slices(struct volume *v, int64_t first, int64_t count)
{
    static float hu[DEPTH * SLICE];
    if (volume_read(v, first, count, hu, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (int64_t i = 0; i < count * SLICE; i++)
        assert_true(hu[i] == voxels[first * SLICE + i]);
}

static void slabs_of_a_packed_volume_come_in_any_order(zip_int32_t method)
{
    make_archive(method);
    struct volume *v = open_scan();
    assert_int_equal(volume_file_bytes(v), sizeof voxels + strlen(header()));
    check_slices(v, 0, 8);
    check_slices(v, 5, 10);
    check_slices(v, 19, 1);
    check_slices(v, 2, 3);
    check_slices(v, 0, DEPTH);
    volume_close(v);
}

static void a_stored_volume_reads_as_unpacked(void **state)
{
    (void)state;
    slabs_of_a_packed_volume_come_in_any_order(ZIP_CM_STORE);
}

static void a_deflated_volume_reads_as_unpacked(void **state)
{
    (void)state;
    slabs_of_a_packed_volume_come_in_any_order(ZIP_CM_DEFLATE);
}

static struct hash128 content_of(struct volume *v)
{
    struct hash128 content;
    assert_int_equal(volume_content(v, &content, NULL), STATUS_OK);
    volume_close(v);
    return content;
}

static void packed_and_unpacked_have_the_same_content(void **state)
{
    (void)state;
    struct volume *v;
    make_archive(ZIP_CM_STORE);
    struct hash128 stored = content_of(open_scan());
    make_archive(ZIP_CM_DEFLATE);
    struct hash128 deflated = content_of(open_scan());
    temporary_file("scan.raw", voxels, sizeof voxels);
    assert_int_equal(volume_open(temporary_text("scan.mhd", header()), NULL, &v, NULL),
                     STATUS_OK);
    struct hash128 plain = content_of(v);
    assert_true(hash_equal(stored, plain) && hash_equal(deflated, plain));
}

static struct hash128 identity_of(const char *name)
{
    struct hash128 identity;
    struct volume *v;
    if (volume_open(temporary_path(name), NULL, &v, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(volume_identity(v, &identity, NULL), STATUS_OK);
    volume_close(v);
    return identity;
}

static void members_differ_in_identity_and_change_with_their_archive(void **state)
{
    (void)state;
    make_archive(ZIP_CM_DEFLATE);
    zip_t *z = zip_open(temporary_path("subset3.zip"), 0, NULL);
    put(z, "subset3/other.mhd", header(), strlen(header()), ZIP_CM_DEFLATE);
    assert_int_equal(zip_close(z), 0);
    struct hash128 one = identity_of("subset3.zip/subset3/scan.mhd");
    struct hash128 again = identity_of("subset3.zip/subset3/scan.mhd");
    struct hash128 other = identity_of("subset3.zip/subset3/other.mhd");
    assert_true(hash_equal(one, again));
    assert_false(hash_equal(one, other));
    voxels[17]++;
    z = zip_open(temporary_path("subset3.zip"), 0, NULL);
    put(z, "subset3/scan.raw", voxels, sizeof voxels, ZIP_CM_DEFLATE);
    assert_int_equal(zip_close(z), 0);
    assert_false(hash_equal(one, identity_of("subset3.zip/subset3/scan.mhd")));
}

/* ---- in a tree ---- */

static void a_subset_may_stand_as_its_archive(void **state)
{
    (void)state;
    struct dataset d;
    make_archive(ZIP_CM_DEFLATE);
    if (dataset_init(&d, temporary_folder, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(d.count, 1);
    assert_string_equal(d.scans[0].seriesuid, "scan");
    assert_string_equal(d.scans[0].path, temporary_path("subset3.zip/subset3/scan.mhd"));
    assert_int_equal(d.scans[0].subset, 3);
    assert_int_equal(d.scans[0].bytes, sizeof voxels + strlen(header()));
    assert_true(d.has_subsets && d.subset_present[3]);
    assert_int_equal(d.problem_count, 0);
    dataset_release(&d);

    assert_int_equal(
        dataset_init_scan(&d, temporary_path("subset3.zip/subset3/scan.mhd"), &err),
        STATUS_OK);
    assert_int_equal(d.count, 1);
    dataset_release(&d);
    assert_int_equal(
        dataset_init_scan(&d, temporary_path("subset3.zip/subset3/no.mhd"), &err),
        STATUS_JOB_CONFIG);
    dataset_release(&d);
}

static void an_absolute_name_is_no_file_outside_the_archive(void **state)
{
    (void)state;
    struct dataset d;
    struct volume *v;
    const char *outside = temporary_text("outside.mhd", header());
    temporary_file("scan.raw", voxels, sizeof voxels);
    zip_t *z = zip_open(temporary_path("subset3.zip"), ZIP_CREATE | ZIP_TRUNCATE, NULL);
    put(z, outside, "not a header", 12, ZIP_CM_STORE);
    assert_int_equal(zip_close(z), 0);
    assert_int_equal(volume_open(outside, NULL, &v, &err), STATUS_OK);
    volume_close(v);
    assert_int_equal(dataset_init(&d, temporary_folder, NULL, &err), STATUS_OK);
    assert_int_equal(d.count, 1);
    assert_non_null(strstr(d.scans[0].path, "subset3.zip/"));
    assert_true(status_is_item(volume_open(d.scans[0].path, NULL, &v, &err)));
    dataset_release(&d);
}

static void an_unpacked_folder_counts_before_its_archive(void **state)
{
    (void)state;
    struct dataset d;
    make_archive(ZIP_CM_DEFLATE);
    mkdir(temporary_path("subset3"), 0777);
    assert_int_equal(dataset_init(&d, temporary_folder, NULL, &err), STATUS_OK);
    assert_non_null(strstr(d.scans[0].path, "subset3.zip")); /* nothing unpacked yet */
    assert_int_equal(d.problem_count, 0);
    dataset_release(&d);

    temporary_text("subset3/scan.mhd", header());
    assert_int_equal(dataset_init(&d, temporary_folder, NULL, &err), STATUS_OK);
    assert_int_equal(d.count, 1);
    assert_null(strstr(d.scans[0].path, "subset3.zip"));
    assert_int_equal(d.problem_count, 1);
    assert_non_null(strstr(d.problems[0].sentence, "subset3.zip: not used"));
    dataset_release(&d);
}

/* ---- bad archives ---- */

static void read_archive(char **data, size_t *bytes)
{
    assert_int_equal(file_read(temporary_path("subset3.zip"), 1 << 20, data, bytes, NULL),
                     STATUS_OK);
}

static void a_download_that_was_cut_off_is_named(void **state)
{
    (void)state;
    struct dataset d;
    make_archive(ZIP_CM_STORE);
    assert_int_equal(truncate(temporary_path("subset3.zip"), 30000), 0);
    assert_int_equal(dataset_init(&d, temporary_folder, NULL, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "subset3.zip: no zip archive, or one that was"));
    dataset_release(&d);
    temporary_text("subset3.zip", "");
    assert_int_equal(dataset_init(&d, temporary_folder, NULL, &err), STATUS_JOB_CONFIG);
    dataset_release(&d);
    temporary_text("subset3.zip", "<!doctype html><title>404</title>");
    assert_int_equal(dataset_init(&d, temporary_folder, NULL, &err), STATUS_JOB_CONFIG);
    dataset_release(&d);
}

/* Status and message of opening and reading all of the scan. */
static enum status try_to_read(void)
{
    static float hu[DEPTH * SLICE];
    struct volume *v;
    enum status status =
        volume_open(temporary_path("subset3.zip/subset3/scan.mhd"), NULL, &v, &err);
    if (status != STATUS_OK)
        return status;
    status = volume_read(v, 0, DEPTH, hu, &err);
    volume_close(v);
    return status;
}

static void a_damaged_member_is_a_bad_scan(void **state)
{
    (void)state;
    const zip_int32_t methods[] = {ZIP_CM_STORE, ZIP_CM_DEFLATE};
    for (int i = 0; i < 2; i++) {
        char *data;
        size_t bytes;
        make_archive(methods[i]);
        read_archive(&data, &bytes);
        data[bytes / 2] ^= 0x20;
        temporary_file("subset3.zip", data, bytes);
        free(data);
        assert_int_equal(try_to_read(), STATUS_ITEM_FORMAT);
        assert_non_null(strstr(err.message, "subset3.zip/subset3/scan.raw: "));
    }
}

/* Sets bytes of every header of scan.raw, in place and in the directory. */
static void change_headers(size_t local, size_t central, char value)
{
    char *data;
    size_t bytes;
    read_archive(&data, &bytes);
    for (size_t i = 0; i + 46 < bytes; i++) {
        bool is_local = memcmp(data + i, "PK\3\4", 4) == 0;
        if (!is_local && memcmp(data + i, "PK\1\2", 4) != 0)
            continue;
        if (memcmp(data + i + (is_local ? 30 : 46), "subset3/scan.raw", 16) == 0)
            data[i + (is_local ? local : central)] = value;
    }
    temporary_file("subset3.zip", data, bytes);
    free(data);
}

static void a_method_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    make_archive(ZIP_CM_DEFLATE);
    change_headers(8, 10, 9); /* Deflate64 */
    assert_int_equal(try_to_read(), STATUS_ITEM_FORMAT);
    assert_non_null(strstr(err.message, "scan.raw: packed by method 9"));
}

static void an_encrypted_member_is_named(void **state)
{
    (void)state;
    make_archive(ZIP_CM_DEFLATE);
    change_headers(6, 8, 1);
    assert_int_equal(try_to_read(), STATUS_ITEM_FORMAT);
    assert_non_null(strstr(err.message, "scan.raw: is encrypted"));
}

static void a_member_that_is_not_there_is_named(void **state)
{
    (void)state;
    make_archive(ZIP_CM_DEFLATE);
    zip_t *z = zip_open(temporary_path("subset3.zip"), 0, NULL);
    zip_delete(z, (zip_uint64_t)zip_name_locate(z, "subset3/scan.raw", 0));
    assert_int_equal(zip_close(z), 0);
    assert_int_equal(try_to_read(), STATUS_ITEM_IO);
    assert_non_null(strstr(err.message, "scan.raw: no such file in the archive"));
}

/* Whatever byte of an archive is wrong, nothing crashes and no voxel is. */
static void no_flipped_byte_gives_wrong_voxels(void **state)
{
    (void)state;
    char *data;
    size_t bytes;
    make_archive(ZIP_CM_DEFLATE);
    read_archive(&data, &bytes);
    for (size_t at = 0; at < bytes; at += bytes - at < 600 || at < 400 ? 1 : 331) {
        struct volume *v;
        static float hu[DEPTH * SLICE];
        data[at] ^= 0x41;
        temporary_file("subset3.zip", data, bytes);
        data[at] ^= 0x41;
        if (volume_open(temporary_path("subset3.zip/subset3/scan.mhd"), NULL, &v, NULL))
            continue;
        if (memcmp(volume_geometry(v)->size, (const int64_t[]){DEPTH, ROWS, COLUMNS},
                   3 * sizeof(int64_t)) == 0 &&
            volume_read(v, 0, DEPTH, hu, NULL) == STATUS_OK)
            for (int i = 0; i < DEPTH * SLICE; i++)
                assert_true(hu[i] == voxels[i]);
        volume_close(v);
    }
    free(data);
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stored_volume_reads_as_unpacked),
        TEST(a_deflated_volume_reads_as_unpacked),
        TEST(packed_and_unpacked_have_the_same_content),
        TEST(members_differ_in_identity_and_change_with_their_archive),
        TEST(a_subset_may_stand_as_its_archive),
        TEST(an_absolute_name_is_no_file_outside_the_archive),
        TEST(an_unpacked_folder_counts_before_its_archive),
        TEST(a_download_that_was_cut_off_is_named),
        TEST(a_damaged_member_is_a_bad_scan),
        TEST(a_method_that_cannot_be_read_is_named),
        TEST(an_encrypted_member_is_named),
        TEST(a_member_that_is_not_there_is_named),
        TEST(no_flipped_byte_gives_wrong_voxels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
