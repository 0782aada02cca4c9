/* MetaImage volumes with known numbers: what the format allows is read, and read right.
 */
#include "metaimage_maker.h"

#include <math.h>
#include <pthread.h>

static void every_type_reads_in_both_byte_orders_raw_and_compressed(void **state)
{
    unsigned char raw[VOXELS * 8], packed[1024];
    char rest[300];
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        for (int way = 0; way < 8; way++) {
            const struct type *t = &TYPES[i];
            bool msb = way & 1, compressed = way & 2, apart = way & 4;
            size_t bytes = VOXELS * t->bytes;
            fill(t, msb, raw);
            snprintf(rest, sizeof rest,
                     "%s = %s\nCompressedData = %s\nElementType = %s\n%s%s\n",
                     apart ? "ElementByteOrderMSB" : "BinaryDataByteOrderMSB",
                     msb ? "True" : "False", compressed ? "True" : "False", t->name,
                     "ElementDataFile = ", apart ? "v.raw" : "LOCAL");
            const void *data = raw;
            if (compressed) {
                bytes = deflated(raw, bytes, packed, sizeof packed);
                data = packed;
            }
            put_mha(*state, "v.mha", rest, data, apart ? 0 : bytes);
            folder_put(*state, "v.raw", data, bytes);
            assert_reads(*state, "v.mha", t);
        }
}

static void a_slab_is_the_same_in_any_order_of_reading(void **state)
{
    unsigned char raw[VOXELS * 2], packed[1024];
    fill(&SHORT, false, raw);
    size_t n = deflated(raw, sizeof raw, packed, sizeof packed);
    put_mha(*state, "c.mha",
            "CompressedData = True\nElementType = MET_SHORT\n"
            "ElementDataFile = LOCAL\n",
            packed, n);
    put_mha(*state, "r.mha", "ElementType = MET_SHORT\nElementDataFile = LOCAL\n", raw,
            sizeof raw);
    static const char *const NAMES[] = {"c.mha", "r.mha"};
    for (int i = 0; i < 2; i++) {
        struct volume *v;
        struct error err;
        float hu[VOXELS];
        assert_int_equal(open_in(*state, NAMES[i], &v, &err), STATUS_OK);
        assert_int_equal(volume_is_compressed(v), i == 0);
        for (int first = Z - 1; first >= 0; first--)
            for (int count = 0; count <= Z - first; count++) {
                assert_int_equal(volume_read(v, first, count, hu, &err), STATUS_OK);
                for (int k = 0; k < count * X * Y; k++)
                    assert_true(hu[k] == (float)number(&SHORT, first * X * Y + k));
            }
        volume_close(v);
    }
}

static void the_data_may_be_a_list_of_slices(void **state)
{
    unsigned char raw[VOXELS * 2], packed[1024];
    fill(&SHORT, false, raw);
    put_header(*state, "l.mhd",
               "ElementType = MET_SHORT\nElementDataFile = LIST\n"
               "first slice.raw\r\nb.raw\n\nc.raw");
    put_header(*state, "z.mhd",
               "ElementType = MET_SHORT\nCompressedData = True\n"
               "ElementDataFile = LIST 2\nz1\nz2\nz3\n");
    static const char *const NAMES[][2] = {
        {"first slice.raw", "z1"}, {"b.raw", "z2"}, {"c.raw", "z3"}};
    for (int z = 0; z < Z; z++) {
        const unsigned char *slice = raw + z * X * Y * 2;
        folder_put(*state, NAMES[z][0], slice, X * Y * 2);
        folder_put(*state, NAMES[z][1], packed,
                   deflated(slice, X * Y * 2, packed, sizeof packed));
    }
    assert_reads(*state, "l.mhd", &SHORT);
    assert_reads(*state, "z.mhd", &SHORT);

    put_header(
        *state, "l.mhd",
        "ElementType = MET_SHORT\nElementDataFile = LIST\nfirst slice.raw\nb.raw\n");
    assert_refused(*state, "l.mhd", STATUS_ITEM_FORMAT, "2 files for 3 slices");
}

static void the_data_may_be_a_numbered_pattern(void **state)
{
    unsigned char raw[VOXELS * 2];
    char name[40];
    fill(&SHORT, false, raw);
    for (int z = 0; z < Z; z++) {
        snprintf(name, sizeof name, "s%03d.raw", 7 + 2 * z);
        folder_put(*state, name, raw + z * X * Y * 2, X * Y * 2);
        snprintf(name, sizeof name, "t %d", z + 1);
        folder_put(*state, name, raw + z * X * Y * 2, X * Y * 2);
    }
    put_header(*state, "p.mhd",
               "ElementType = MET_SHORT\nElementDataFile = s%03d.raw 7 11 2\n");
    assert_reads(*state, "p.mhd", &SHORT);
    put_header(*state, "p.mhd", "ElementType = MET_SHORT\nElementDataFile = t %d\n");
    assert_reads(*state, "p.mhd", &SHORT);
    put_header(*state, "p.mhd", "ElementType = MET_SHORT\nElementDataFile = t %d 1 4\n");
    assert_refused(*state, "p.mhd", STATUS_ITEM_FORMAT, "4 files for 3 slices");
    put_header(*state, "p.mhd",
               "ElementType = MET_SHORT\nElementDataFile = s%03d.raw 7 12 1\n");
    assert_refused(*state, "p.mhd", STATUS_ITEM_FORMAT, "s%03d.raw 7 12 1");
    put_header(*state, "p.mhd",
               "ElementType = MET_SHORT\nElementDataFile = %s%n 1 3 1\n");
    assert_refused(*state, "p.mhd", STATUS_ITEM_IO, "%s%n 1 3 1");
}

static void a_header_in_the_data_file_is_passed_over(void **state)
{
    unsigned char raw[100 + VOXELS * 2] = {0};
    fill(&SHORT, false, raw + 100);
    folder_put(*state, "v.raw", raw, sizeof raw);
    put_header(*state, "v.mhd",
               "HeaderSize = 100\nElementType = MET_SHORT\nElementDataFile = v.raw\n");
    assert_reads(*state, "v.mhd", &SHORT);
    put_header(*state, "v.mhd",
               "HeaderSize = -1\nElementType = MET_SHORT\nElementDataFile = v.raw\n");
    assert_reads(*state, "v.mhd", &SHORT);
    put_header(*state, "v.mhd",
               "HeaderSize = 101\nElementType = MET_SHORT\nElementDataFile = v.raw\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_IO, "fewer than the 120");
    put_header(*state, "v.mhd",
               "HeaderSize = -2\nElementType = MET_SHORT\nElementDataFile = v.raw\n");
    assert_refused(*state, "v.mhd", STATUS_ITEM_FORMAT, "HeaderSize = -2");
    put_mha(*state, "v.mha",
            "HeaderSize = -1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
            raw + 50, 50 + VOXELS * 2);
    assert_reads(*state, "v.mha", &SHORT);
    put_mha(*state, "v.mha",
            "HeaderSize = -1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
            raw + 101, VOXELS * 2 - 1);
    assert_refused(*state, "v.mha", STATUS_ITEM_FORMAT, "HeaderSize = -1");
}

static void keys_come_in_any_order_with_any_line_end_and_strangers(void **state)
{
    unsigned char raw[VOXELS * 2];
    fill(&SHORT, true, raw);
    folder_put(*state, "v.raw", raw, sizeof raw);
    static const char TEXT[] =
        "ElementType = MET_SHORT\r\nDimSize=5 4 3\r\n\r\n"
        "Colour = blue = green\r\nBinaryDataByteOrderMSB = true\r\n"
        "NDims =3\r\nElementDataFile = v.raw\r\n";
    folder_put(*state, "v.mhd", TEXT, sizeof TEXT - 1);
    assert_reads(*state, "v.mhd", &SHORT);
}

static void what_a_header_does_not_say_has_its_usual_value(void **state)
{
    unsigned char raw[VOXELS * 2] = {0};
    struct volume *v;
    struct error err;
    folder_put(*state, "v.raw", raw, sizeof raw);
    put_header(*state, "v.mhd", PLAIN);
    assert_int_equal(open_in(*state, "v.mhd", &v, &err), STATUS_OK);
    const struct geometry *g = volume_geometry(v);
    assert_true(g->size[0] == Z && g->size[1] == Y && g->size[2] == X);
    for (int i = 0; i < 3; i++)
        assert_true(g->spacing[i] == 1 && g->origin[i] == 0);
    for (int i = 0; i < 9; i++)
        assert_true(g->direction[i] == (i % 4 == 0));
    assert_string_equal(volume_element_type(v), "MET_SHORT");
    volume_close(v);
}

static void synonyms_say_the_same_and_triples_are_columns(void **state)
{
    static const char *const MATRIX[] = {"TransformMatrix", "Rotation", "Orientation"};
    static const char *const ORIGIN[] = {"Offset", "Position", "Origin"};
    static const char *const SPACING[] = {"ElementSpacing", "ElementSize",
                                          "ElementSpacing"};
    static const double ROWS[9] = {0.8, 0, 0.6, 0.6, 0, -0.8, 0, 1, 0};
    unsigned char raw[VOXELS * 2] = {0};
    char rest[400];
    folder_put(*state, "v.raw", raw, sizeof raw);
    for (int i = 0; i < 3; i++) {
        struct volume *v;
        struct error err;
        snprintf(rest, sizeof rest,
                 "%s = 0.8 0.6 0  0 0 1  0.6 -0.8 0\n%s = -10 2.5e1 3\n"
                 "%s = 0.5 0.75 2\n%s",
                 MATRIX[i], ORIGIN[i], SPACING[i], PLAIN);
        put_header(*state, "v.mhd", rest);
        assert_int_equal(open_in(*state, "v.mhd", &v, &err), STATUS_OK);
        const struct geometry *g = volume_geometry(v);
        for (int k = 0; k < 9; k++)
            assert_true(g->direction[k] == ROWS[k]);
        assert_true(g->origin[0] == -10 && g->origin[1] == 25 && g->origin[2] == 3);
        assert_true(g->spacing[0] == 0.5 && g->spacing[1] == 0.75 && g->spacing[2] == 2);
        volume_close(v);
    }
}

static void *read_all(void *context)
{
    static float hu[VOXELS];
    return volume_read(context, 0, Z, hu, NULL) == STATUS_OK ? hu : NULL;
}

static void another_thread_may_go_on_reading(void **state)
{
    unsigned char raw[VOXELS * 2], packed[1024];
    struct volume *v;
    struct error err;
    float hu[VOXELS];
    pthread_t thread;
    void *result;
    fill(&SHORT, false, raw);
    size_t n = deflated(raw, sizeof raw, packed, sizeof packed);
    put_mha(*state, "c.mha",
            "CompressedData = True\nElementType = MET_SHORT\n"
            "ElementDataFile = LOCAL\n",
            packed, n);
    assert_int_equal(open_in(*state, "c.mha", &v, &err), STATUS_OK);
    assert_int_equal(volume_read(v, 0, 1, hu, &err), STATUS_OK);
    assert_int_equal(pthread_create(&thread, NULL, read_all, v), 0);
    pthread_join(thread, &result);
    assert_non_null(result);
    assert_true(((float *)result)[VOXELS - 1] == (float)number(&SHORT, VOXELS - 1));
    volume_close(v);
}

static void hash_of(const char *folder, bool content, struct hash128 *out)
{
    struct volume *v;
    struct error err;
    assert_int_equal(open_in(folder, "v.mhd", &v, &err), STATUS_OK);
    assert_int_equal(content ? volume_content(v, out, &err)
                             : volume_identity(v, out, &err),
                     STATUS_OK);
    volume_close(v);
}

static void content_and_identity_change_with_header_and_data(void **state)
{
    unsigned char raw[VOXELS * 2] = {0};
    struct hash128 c[3], i[2];
    char *text = header(PLAIN), all[600] = "";
    size_t n = strlen(text);
    folder_put(*state, "v.raw", raw, sizeof raw);
    put_header(*state, "v.mhd", PLAIN);
    hash_of(*state, true, &c[0]);
    hash_of(*state, false, &i[0]);
    memcpy(all, text, n);
    assert_true(hash_equal(c[0], hash128(all, n + sizeof raw)));

    raw[7] = 1;
    usleep(20000);
    folder_put(*state, "v.raw", raw, sizeof raw);
    hash_of(*state, true, &c[1]);
    hash_of(*state, false, &i[1]);
    put_header(*state, "v.mhd",
               "Comment = x\nElementType = MET_SHORT\nElementDataFile = v.raw\n");
    hash_of(*state, true, &c[2]);
    assert_false(hash_equal(c[0], c[1]) || hash_equal(c[1], c[2]) ||
                 hash_equal(i[0], i[1]));
    free(text);
}

static void a_name_gives_the_seriesuid(void **state)
{
    (void)state;
    static const char *const NAMES[][2] = {{"a/b/1.2.3.mhd", "1.2.3"},
                                           {"1.2.3.nii.gz", "1.2.3"},
                                           {"x.mha", "x"},
                                           {"y.nii", "y"}};
    for (int i = 0; i < 4; i++) {
        char *uid;
        assert_int_equal(volume_seriesuid(NAMES[i][0], &uid, NULL), STATUS_OK);
        assert_string_equal(uid, NAMES[i][1]);
        assert_true(volume_is_name(NAMES[i][0]));
        free(uid);
    }
    assert_false(volume_is_name("a.raw") || volume_is_name("a.nii.bz2") ||
                 volume_is_name(".mhd") || volume_is_name("mhd"));
}

static void a_real_scan_of_a_turned_patient_lies_where_it_does(void **state)
{
    (void)state;
    const char *data = getenv("PULMO_TEST_DATA");
    char *path;
    struct volume *v;
    struct error err;
    if (!data || !file_is_folder(data)) {
        print_message("PULMO_TEST_DATA is not there\n");
        skip();
    }
    assert_int_equal(path_join(data, "ct/PartSolidLesionCropped.mha", &path, NULL),
                     STATUS_OK);
    assert_int_equal(volume_open(path, NULL, &v, &err), STATUS_OK);
    const struct geometry *g = volume_geometry(v);
    const double index[3] = {58, 100, 96};
    double xyz[3], back[3];
    geometry_to_mm(g, index, xyz);
    /* 222.4 - 96 * 0.701172, 214.2 - 100 * 0.701172, -294 + 58 * 1.25 */
    assert_true(fabs(xyz[0] - 155.087488) < 1e-9 && fabs(xyz[1] - 144.0828) < 1e-9 &&
                fabs(xyz[2] - -221.5) < 1e-9);
    geometry_to_index(g, xyz, back);
    for (int a = 0; a < 3; a++)
        assert_true(fabs(back[a] - index[a]) < 1e-9);
    volume_close(v);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_type_reads_in_both_byte_orders_raw_and_compressed),
        TEST(a_slab_is_the_same_in_any_order_of_reading),
        TEST(the_data_may_be_a_list_of_slices),
        TEST(the_data_may_be_a_numbered_pattern),
        TEST(a_header_in_the_data_file_is_passed_over),
        TEST(keys_come_in_any_order_with_any_line_end_and_strangers),
        TEST(what_a_header_does_not_say_has_its_usual_value),
        TEST(synonyms_say_the_same_and_triples_are_columns),
        TEST(another_thread_may_go_on_reading),
        TEST(content_and_identity_change_with_header_and_data),
        TEST(a_name_gives_the_seriesuid),
        TEST(a_real_scan_of_a_turned_patient_lies_where_it_does),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
