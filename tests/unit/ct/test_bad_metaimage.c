/* MetaImage volumes that cannot be read: each is refused with path, key and value, and
 * cheaply. */
#include "metaimage_maker.h"

#include <math.h>
#include <sys/stat.h>

#include "base/memory.h"

static void a_data_file_that_is_not_as_stated_is_refused(void **state)
{
    unsigned char raw[VOXELS * 2 + 1] = {0};
    put_header(*state, "v.mhd", PLAIN);
    assert_refused(*state, "v.mhd", STATUS_ITEM_IO, "v.raw: No such file");
    folder_put(*state, "v.raw", raw, VOXELS * 2 - 1);
    assert_refused(*state, "v.mhd", STATUS_ITEM_IO, "119 bytes, fewer than the 120");
    folder_put(*state, "v.raw", raw, VOXELS * 2 + 1);
    assert_refused(*state, "v.mhd", STATUS_ITEM_IO, "121 bytes, more than the 120");
    char *pipe;
    assert_true(asprintf(&pipe, "%s/pipe", (char *)*state) > 0);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    free(pipe);
    put_header(*state, "v.mhd", "ElementType = MET_SHORT\nElementDataFile = pipe\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_IO, "not a regular file");
}

static void put_compressed(const char *folder, const char *size, const void *data,
                           size_t bytes)
{
    char rest[200];
    snprintf(rest, sizeof rest,
             "CompressedData = True\n%sElementType = MET_SHORT\n"
             "ElementDataFile = LOCAL\n",
             size);
    put_mha(folder, "c.mha", rest, data, bytes);
}

static void a_compressed_stream_that_is_damaged_is_refused(void **state)
{
    unsigned char raw[VOXELS * 2 + 2] = {0}, packed[1024], damaged[1024];
    char size[60];
    fill(&SHORT, false, raw);
    size_t n = deflated(raw, VOXELS * 2, packed, sizeof packed);

    snprintf(size, sizeof size, "CompressedDataSize = %zu\n", n);
    put_compressed(*state, size, packed, n);
    assert_reads(*state, "c.mha", &SHORT);
    snprintf(size, sizeof size, "CompressedDataSize = %zu\n", n + 1);
    put_compressed(*state, size, packed, n);
    assert_refused(*state, "c.mha", STATUS_ITEM_FORMAT, "CompressedDataSize = ");

    put_compressed(*state, "", packed, n - 1);
    assert_refused(*state, "c.mha", STATUS_ITEM_FORMAT, "cut off");
    put_compressed(*state, "", packed, n / 2);
    assert_refused(*state, "c.mha", STATUS_ITEM_FORMAT, "cut off");
    for (size_t i = 0; i < n; i++) {
        memcpy(damaged, packed, n);
        damaged[i] ^= 0xff;
        put_compressed(*state, "", damaged, n);
        assert_refused(*state, "c.mha", STATUS_ITEM_FORMAT, "c.mha");
    }
    memcpy(damaged, packed, n);
    damaged[n] = 0;
    put_compressed(*state, "", damaged, n + 1);
    assert_refused(*state, "c.mha", STATUS_ITEM_FORMAT, "1 bytes follow the end");

    n = deflated(raw, VOXELS * 2 - 2, packed, sizeof packed);
    put_compressed(*state, "", packed, n);
    assert_refused(*state, "c.mha", STATUS_ITEM_FORMAT,
                   "ends after 118 bytes, 120 are needed");
    n = deflated(raw, VOXELS * 2 + 2, packed, sizeof packed);
    put_compressed(*state, "", packed, n);
    assert_refused(*state, "c.mha", STATUS_ITEM_FORMAT, "holds more than the 120");
}

static void sizes_that_cannot_be_are_refused_without_allocating_them(void **state)
{
    static const struct {
        const char *sizes;
        enum status code;
    } CASES[] = {
        {"0 4 3", STATUS_ITEM_FORMAT},
        {"5 -4 3", STATUS_ITEM_FORMAT},
        {"5 4", STATUS_ITEM_FORMAT},
        {"5 4 3 1", STATUS_ITEM_FORMAT},
        {"5 4 3.5", STATUS_ITEM_FORMAT},
        {"5 4 x", STATUS_ITEM_FORMAT},
        {"99999999999999999999 4 3", STATUS_ITEM_FORMAT},
        {"4294967296 4294967296 3", STATUS_ITEM_LIMIT},
        {"2097152 2097152 1048576", STATUS_ITEM_LIMIT},
        {"100000 100000 100000", STATUS_ITEM_IO},
        {"5 4 1000000000000", STATUS_ITEM_IO},
    };
    static const char *const DATA[] = {"v.raw", "LOCAL", "s%d.raw"};
    unsigned char raw[VOXELS * 2] = {0};
    char text[300];
    int64_t before = memory_peak_bytes();
    folder_put(*state, "v.raw", raw, sizeof raw);
    folder_put(*state, "s1.raw", raw, X * Y * 2);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int k = 0; k < 6; k++) {
            snprintf(
                text, sizeof text,
                "NDims = 3\nDimSize = %s\nCompressedData = %d\nElementType = MET_SHORT\n"
                "ElementDataFile = %s\nxxxxxxxx",
                CASES[i].sizes, k / 3, DATA[k % 3]);
            folder_put(*state, "v.mhd", text, strlen(text));
            assert_refused(*state, "v.mhd", CASES[i].code,
                           k % 3 == 2 && CASES[i].code == STATUS_ITEM_IO ? "raw"
                                                                         : "DimSize = ");
        }
    assert_true(memory_peak_bytes() - before < 64 << 20);
}

static void values_that_cannot_be_are_refused_by_key(void **state)
{
    static const char *const CASES[] = {
        "ElementSpacing = 1 nan 1",
        "ElementSpacing = 1 -1 1",
        "ElementSpacing = 0 1 1",
        "ElementSpacing = 1 1",
        "ElementSpacing = inf 1 1",
        "ElementSize = 1 1 -2",
        "Offset = 0 0 nan",
        "Offset = 0 0 zero",
        "TransformMatrix = 1 0 0 0 1",
        "BinaryData = False",
        "BinaryData = perhaps",
        "ElementNumberOfChannels = 3",
        "CompressedDataSize = -5",
        "HeaderSize = 1e3",
        "ObjectType = Mesh",
        "DimSize = 5 4 2",
        "ElementType = MET_OTHER",
        "ElementType = MET_SHORT_ARRAY",
        "NDims = 2",
        "NDims = 4",
    };
    unsigned char raw[VOXELS * 2] = {0};
    char text[300], shown[80];
    folder_put(*state, "v.raw", raw, sizeof raw);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *key = CASES[i];
        snprintf(text, sizeof text, "%s\n%s%s%sElementDataFile = v.raw\n", key,
                 strncmp(key, "NDims", 5) ? "NDims = 3\n" : "",
                 strncmp(key, "DimSize", 7) ? "DimSize = 5 4 3\n" : "",
                 strncmp(key, "ElementType", 11) ? "ElementType = MET_SHORT\n" : "");
        folder_put(*state, "v.mhd", text, strlen(text));
        snprintf(shown, sizeof shown, "%s",
                 strncmp(key, "ElementSize", 11) ? key : "1 1 -2");
        assert_refused(*state, "v.mhd", i == 15 ? STATUS_ITEM_IO : STATUS_ITEM_FORMAT,
                       shown);
    }
    put_header(*state, "v.mhd",
               "TransformMatrix = 1 0 0 1 0 0 0 0 1\nElementType = MET_SHORT\n"
               "ElementDataFile = v.raw\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "singular");
}

static void headers_that_contradict_themselves_or_break_off_are_refused(void **state)
{
    unsigned char raw[VOXELS * 2] = {0};
    folder_put(*state, "v.raw", raw, sizeof raw);
    put_header(*state, "v.mhd",
               "Offset = 1 2 3\nPosition = 1 2 4\nElementType = MET_SHORT\n"
               "ElementDataFile = v.raw\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "line 5: Position = 1 2 4");
    put_header(*state, "v.mhd",
               "DimSize = 5 4 3\nElementType = MET_SHORT\n"
               "ElementDataFile = v.raw\n");
    struct volume *v; /* said twice, the same both times */
    struct error err;
    assert_int_equal(open_in(*state, "v.mhd", &v, &err), STATUS_OK);
    volume_close(v);
    put_header(*state, "v.mhd", "ElementType = MET_SHORT\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "ElementDataFile is missing");
    put_header(*state, "v.mhd", "ElementDataFile = v.raw\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "ElementType is missing");
    put_header(*state, "v.mhd", "ElementType = MET_SHORT\nElementDataFile =\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "ElementDataFile = : no name");
}

static void a_name_outside_the_folder_needs_permission(void **state)
{
    static const char *const NAMES[] = {"../v.raw", "a/../../v.raw", "/tmp/v.raw",
                                        "../s%d.raw 1 3 1"};
    char rest[100];
    for (int i = 0; i < 4; i++) {
        snprintf(rest, sizeof rest, "ElementType = MET_SHORT\nElementDataFile = %s\n",
                 NAMES[i]);
        put_header(*state, "v.mhd", rest);
        assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "allow_outside");
    }
    put_header(*state, "v.mhd",
               "ElementType = MET_SHORT\nElementDataFile = LIST\na.raw\n/b.raw\nc.raw\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "/b.raw is absolute");

    struct volume_options options = {.allow_outside = true};
    unsigned char raw[VOXELS * 2] = {0};
    char *path;
    struct volume *v;
    struct error err;
    folder_put(*state, "v.raw", raw, sizeof raw);
    snprintf(rest, sizeof rest,
             "ElementType = MET_SHORT\nElementDataFile = ../%s/v.raw\n",
             path_name(*state));
    put_header(*state, "v.mhd", rest);
    assert_int_equal(path_join(*state, "v.mhd", &path, NULL), STATUS_OK);
    assert_int_equal(volume_open(path, &options, &v, &err), STATUS_OK);
    volume_close(v);
    free(path);
}

static void a_voxel_that_is_no_number_is_named(void **state)
{
    float raw[VOXELS] = {0};
    raw[X * Y * 2 + X * 1 + 3] = NAN;
    put_mha(*state, "v.mha", "ElementType = MET_FLOAT\nElementDataFile = LOCAL\n", raw,
            sizeof raw);
    assert_refused(*state, "v.mha", STATUS_ITEM_FORMAT, "(z, y, x) = (2, 1, 3) is nan");
}

static void a_file_without_a_header_is_refused_soon(void **state)
{
    size_t bytes = 3 << 20;
    char *junk = malloc(bytes);
    memset(junk, 'x', bytes);
    folder_put(*state, "v.mhd", junk, bytes);
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "no header ends within 1048576");
    folder_put(*state, "v.mhd", junk, 100);
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "line 1");
    folder_put(*state, "v.mhd", "", 0);
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "ElementDataFile is missing");
    assert_refused(*state, "nothing.mhd", STATUS_ITEM_IO, "No such file");
    free(junk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_data_file_that_is_not_as_stated_is_refused),
        TEST(a_compressed_stream_that_is_damaged_is_refused),
        TEST(sizes_that_cannot_be_are_refused_without_allocating_them),
        TEST(values_that_cannot_be_are_refused_by_key),
        TEST(headers_that_contradict_themselves_or_break_off_are_refused),
        TEST(a_name_outside_the_folder_needs_permission),
        TEST(a_voxel_that_is_no_number_is_named),
        TEST(a_file_without_a_header_is_refused_soon),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
