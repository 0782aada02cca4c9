#include "folder.h"

#include "base/hash.h"
#include "ct/metaimage_writer.h"
#include "ct/volume.h"

enum { X = 7, Y = 5, Z = 4, VOXELS = X * Y * Z };

static const struct geometry OBLIQUE = {
    .size = {Z, Y, X},
    .spacing = {0.703125, 0.1 + 0.2, 1.25},
    .origin = {-143.217773, 1.0 / 3, -0.0},
    .direction = {1, 0, 0, 0, 0.9986295347545738, -0.052335956242943835, 0,
                  0.052335956242943835, 0.9986295347545738}};

static char *path_in(void **state, const char *name)
{
    char *path;
    assert_int_equal(path_join(*state, name, &path, NULL), STATUS_OK);
    return path;
}

static void hold(const char *path, const char *element, const float *wanted, bool packed)
{
    const struct volume_options options = {0};
    struct volume *v;
    struct error err;
    float hu[VOXELS];
    assert_int_equal(volume_open(path, &options, &v, &err), STATUS_OK);
    const struct geometry *g = volume_geometry(v);
    assert_memory_equal(g->size, OBLIQUE.size, sizeof g->size);
    for (int a = 0; a < 3; a++) {
        assert_true(g->spacing[a] == OBLIQUE.spacing[a]);
        assert_true(g->origin[a] == OBLIQUE.origin[a]);
    }
    for (int i = 0; i < 9; i++)
        assert_true(g->direction[i] == OBLIQUE.direction[i]);
    assert_string_equal(volume_element_type(v), element);
    assert_int_equal(volume_is_compressed(v), packed);
    assert_int_equal(volume_read(v, 0, Z, hu, &err), STATUS_OK);
    assert_memory_equal(hu, wanted, sizeof hu);
    volume_close(v);
}

static void what_is_written_is_read_back(void **state)
{
    char *path = path_in(state, "scan.mhd");
    struct error err;
    int16_t shorts[VOXELS];
    uint16_t labels[VOXELS];
    uint8_t bytes[VOXELS];
    float floats[VOXELS], wanted[VOXELS];
    for (int packed = 0; packed < 2; packed++) {
        for (int i = 0; i < VOXELS; i++)
            wanted[i] = shorts[i] = (int16_t)(i * 37 - 3024);
        assert_int_equal(
            metaimage_write(path, &OBLIQUE, "MET_SHORT", shorts, packed, &err), 0);
        hold(path, "MET_SHORT", wanted, packed);
        for (int i = 0; i < VOXELS; i++)
            wanted[i] = labels[i] = (uint16_t)(65535 - i);
        assert_int_equal(
            metaimage_write(path, &OBLIQUE, "MET_USHORT", labels, packed, &err), 0);
        hold(path, "MET_USHORT", wanted, packed);
        for (int i = 0; i < VOXELS; i++)
            wanted[i] = bytes[i] = (uint8_t)i;
        assert_int_equal(
            metaimage_write(path, &OBLIQUE, "MET_UCHAR", bytes, packed, &err), 0);
        hold(path, "MET_UCHAR", wanted, packed);
        for (int i = 0; i < VOXELS; i++)
            wanted[i] = floats[i] = (float)i / 3;
        assert_int_equal(
            metaimage_write(path, &OBLIQUE, "MET_FLOAT", floats, packed, &err), 0);
        hold(path, "MET_FLOAT", wanted, packed);
    }
    free(path);
}

/* More than the pieces that deflate works in, and voxels that do not pack. */
static void a_large_volume_of_noise_is_read_back(void **state)
{
    struct geometry g = OBLIQUE;
    char *path = path_in(state, "noise.mhd");
    size_t count = (size_t)3 * 500 * 512;
    struct error err;
    int16_t *voxels = malloc(count * sizeof *voxels);
    float *hu = malloc(count * sizeof *hu);
    struct volume *v;
    const struct volume_options options = {0};
    memcpy(g.size, (int64_t[3]){3, 500, 512}, sizeof g.size);
    for (size_t i = 0; i < count; i++)
        voxels[i] = (int16_t)hash64(&i, sizeof i);
    assert_int_equal(metaimage_write(path, &g, "MET_SHORT", voxels, true, &err), 0);
    assert_int_equal(volume_open(path, &options, &v, &err), STATUS_OK);
    assert_int_equal(volume_read(v, 0, 3, hu, &err), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        assert_true(hu[i] == voxels[i]);
    volume_close(v);
    free(voxels);
    free(hu);
    free(path);
}

static void data_of_the_other_ending_do_not_stay(void **state)
{
    char *path = path_in(state, "scan.mhd"), *raw = path_in(state, "scan.raw"),
         *zraw = path_in(state, "scan.zraw");
    uint8_t bytes[VOXELS] = {0};
    struct error err;
    assert_int_equal(metaimage_write(path, &OBLIQUE, "MET_UCHAR", bytes, false, &err), 0);
    assert_true(file_exists(raw) && !file_exists(zraw));
    assert_int_equal(metaimage_write(path, &OBLIQUE, "MET_UCHAR", bytes, true, &err), 0);
    assert_true(!file_exists(raw) && file_exists(zraw));
    free(path);
    free(raw);
    free(zraw);
}

static void a_failure_names_the_file_and_leaves_nothing(void **state)
{
    char *path = path_in(state, "nowhere/scan.mhd");
    uint8_t bytes[VOXELS] = {0};
    struct error err;
    assert_int_equal(metaimage_write(path, &OBLIQUE, "MET_UCHAR", bytes, false, &err),
                     STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, "nowhere/scan.raw"));
    assert_false(file_exists(path));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(a_large_volume_of_noise_is_read_back,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(data_of_the_other_ending_do_not_stay,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_failure_names_the_file_and_leaves_nothing,
                                        folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
