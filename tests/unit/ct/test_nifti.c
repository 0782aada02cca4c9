/* NIfTI volumes made here: where their voxels lie in LPS, and what they hold. */
#include "folder.h"

#include <byteswap.h>
#include <math.h>
#include <nifti1.h>
#include <nifti2.h>
#include <zlib.h>

#include "ct/volume.h"

enum { X = 5, Y = 4, Z = 3, VOXELS = X * Y * Z, DATA_AT = 352 };

static struct nifti_1_header usual(void)
{
    struct nifti_1_header h = {.sizeof_hdr = 348,
                               .dim = {3, X, Y, Z, 1, 1, 1, 1},
                               .datatype = DT_INT16,
                               .bitpix = 16,
                               .pixdim = {1, 0.5F, 0.75F, 2, 0, 0, 0, 0},
                               .vox_offset = DATA_AT,
                               .magic = "n+1"};
    return h;
}

static int16_t number(int i)
{
    return (int16_t)(i % 2 ? 7 * i : -11 * i);
}

/* Header, a gap, voxels; *bytes long. */
static unsigned char *file_of(const struct nifti_1_header *h, size_t *bytes)
{
    unsigned char *all = calloc(1, DATA_AT + VOXELS * 2);
    int16_t voxels[VOXELS];
    for (int i = 0; i < VOXELS; i++)
        voxels[i] = number(i);
    memcpy(all, h, sizeof *h);
    memcpy(all + DATA_AT, voxels, sizeof voxels);
    *bytes = DATA_AT + sizeof voxels;
    return all;
}

static void put(const char *folder, const struct nifti_1_header *h)
{
    size_t bytes;
    unsigned char *all = file_of(h, &bytes);
    folder_put(folder, "v.nii", all, bytes);
    free(all);
}

static size_t gzip(const void *data, size_t bytes, unsigned char *out, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)bytes;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static enum status open_in(const char *folder, const char *name, struct volume **v,
                           struct error *err)
{
    char *path;
    assert_int_equal(path_join(folder, name, &path, err), STATUS_OK);
    enum status status = volume_open(path, NULL, v, err);
    free(path);
    return status;
}

static struct geometry geometry_in(const char *folder)
{
    struct volume *v;
    struct error err;
    if (open_in(folder, "v.nii", &v, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    struct geometry g = *volume_geometry(v);
    volume_close(v);
    return g;
}

static void assert_holds(const char *folder, const char *name, double slope,
                         double intercept)
{
    struct volume *v;
    struct error err;
    float hu[VOXELS];
    if (open_in(folder, name, &v, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (int z = Z - 1; z >= 0; z--)
        if (volume_read(v, z, 1, hu + z * X * Y, &err) != STATUS_OK)
            fail_msg("%s", err.message);
    for (int i = 0; i < VOXELS; i++)
        assert_true(hu[i] == (float)(slope * number(i) + intercept));
    volume_close(v);
}

static void assert_refused(const char *folder, enum status code, const char *part)
{
    struct volume *v = NULL;
    struct error err = {0};
    float hu[VOXELS];
    enum status status = open_in(folder, "v.nii", &v, &err);
    if (status == STATUS_OK)
        status = volume_read(v, 0, Z, hu, &err);
    volume_close(v);
    if (status != code || !strstr(err.message, part) || !strstr(err.message, "v.nii"))
        fail_msg("status %d, \"%s\" not in: %s", status, part, err.message);
}

static void assert_at(const struct geometry *g, double x, double y, double z)
{
    /* of voxel x 4, y 2, z 1 */
    const double index[3] = {1, 2, 4};
    double xyz[3];
    geometry_to_mm(g, index, xyz);
    if (!(fabs(xyz[0] - x) < 1e-4 && fabs(xyz[1] - y) < 1e-4 && fabs(xyz[2] - z) < 1e-4))
        fail_msg("(%g, %g, %g), not (%g, %g, %g)", xyz[0], xyz[1], xyz[2], x, y, z);
}

static void without_a_form_only_the_spacing_counts(void **state)
{
    struct nifti_1_header h = usual();
    h.qoffset_x = 99;
    put(*state, &h);
    struct geometry g = geometry_in(*state);
    assert_true(g.size[0] == Z && g.size[1] == Y && g.size[2] == X);
    assert_true(g.direction[0] == -1 && g.direction[4] == -1 && g.direction[8] == 1);
    assert_true(g.spacing[0] == 0.5 && g.spacing[1] == 0.75 && g.spacing[2] == 2);
    assert_at(&g, -2, -1.5, 2);
}

static void a_qform_turns_and_flips(void **state)
{
    struct nifti_1_header h = usual();
    h.qform_code = 1;
    /* a quarter turn about z: x goes to y, y to -x */
    h.quatern_d = (float)sqrt(0.5);
    h.qoffset_x = 10;
    h.qoffset_y = 20;
    h.qoffset_z = 30;
    h.pixdim[0] = -1; /* and z upside down */
    put(*state, &h);
    struct geometry g = geometry_in(*state);
    /* RAS: x = 10 - 1.5, y = 20 + 2, z = 30 - 2 */
    assert_at(&g, -8.5, -22, 28);
}

static void an_sform_goes_before_a_qform_and_keeps_its_shear(void **state)
{
    struct nifti_1_header h = usual();
    const float rows[3][4] = {
        {0.4F, 0, 1.2F, 1}, {0.3F, 0, -1.6F, 2}, {0, 0.75F, 0.5F, 3}};
    h.qform_code = h.sform_code = 1;
    memcpy(h.srow_x, rows[0], sizeof rows[0]);
    memcpy(h.srow_y, rows[1], sizeof rows[1]);
    memcpy(h.srow_z, rows[2], sizeof rows[2]);
    put(*state, &h);
    struct geometry g = geometry_in(*state);
    assert_true(fabs(g.spacing[0] - 0.5) < 1e-6 && fabs(g.spacing[1] - 0.75) < 1e-6);
    assert_true(fabs(g.spacing[2] - sqrt(1.2 * 1.2 + 1.6 * 1.6 + 0.25)) < 1e-6);
    /* RAS: 1 + 1.6 + 1.2, 2 + 1.2 - 1.6, 3 + 1.5 + 0.5 */
    assert_at(&g, -3.8, -1.6, 5);
}

static void lengths_in_other_units_become_millimetres(void **state)
{
    struct nifti_1_header h = usual();
    h.xyzt_units = NIFTI_UNITS_METER | NIFTI_UNITS_SEC;
    put(*state, &h);
    assert_true(geometry_in(*state).spacing[2] == 2000);
    h.xyzt_units = NIFTI_UNITS_MICRON;
    put(*state, &h);
    assert_true(fabs(geometry_in(*state).spacing[2] - 0.002) < 1e-12);
}

static void a_slope_of_0_means_1(void **state)
{
    struct nifti_1_header h = usual();
    h.scl_inter = 5;
    put(*state, &h);
    assert_holds(*state, "v.nii", 1, 0);
    h.scl_slope = NAN;
    put(*state, &h);
    assert_holds(*state, "v.nii", 1, 0);
    h.scl_slope = 2;
    h.scl_inter = -1024;
    put(*state, &h);
    assert_holds(*state, "v.nii", 2, -1024);
}

static void a_gzip_file_reads_the_same_in_members_too(void **state)
{
    struct nifti_1_header h = usual();
    unsigned char packed[2048];
    size_t bytes;
    unsigned char *all = file_of(&h, &bytes);
    size_t n = gzip(all, bytes, packed, sizeof packed);
    folder_put(*state, "v.nii.gz", packed, n);
    assert_holds(*state, "v.nii.gz", 1, 0);
    n = gzip(all, 400, packed, sizeof packed);
    n += gzip(all + 400, bytes - 400, packed + n, sizeof packed - n);
    memset(packed + n, 0, 100); /* a tape's padding */
    folder_put(*state, "v.nii.gz", packed, n + 100);
    assert_holds(*state, "v.nii.gz", 1, 0);
    folder_put(*state, "v.nii", packed, n - 20);
    assert_refused(*state, STATUS_ITEM_FORMAT, "cut off");
    free(all);
}

static void the_other_byte_order_reads_the_same(void **state)
{
    struct nifti_1_header h = usual();
    size_t bytes;
    unsigned char *all = file_of(&h, &bytes);
    struct nifti_1_header *s = (struct nifti_1_header *)all;
    uint32_t word;
    s->sizeof_hdr = (int)bswap_32(348U);
    for (int i = 0; i < 8; i++) {
        s->dim[i] = (short)bswap_16((uint16_t)s->dim[i]);
        memcpy(&word, &s->pixdim[i], 4);
        word = bswap_32(word);
        memcpy(&s->pixdim[i], &word, 4);
    }
    memcpy(&word, &s->vox_offset, 4);
    word = bswap_32(word);
    memcpy(&s->vox_offset, &word, 4);
    s->datatype = (short)bswap_16((uint16_t)s->datatype);
    for (size_t i = DATA_AT; i < bytes; i += 2) {
        unsigned char low = all[i];
        all[i] = all[i + 1];
        all[i + 1] = low;
    }
    folder_put(*state, "v.nii", all, bytes);
    assert_holds(*state, "v.nii", 1, 0);
    assert_true(geometry_in(*state).spacing[1] == 0.75);
    free(all);
}

static void the_second_version_reads_too(void **state)
{
    struct nifti_2_header h = {.sizeof_hdr = 540,
                               .magic = "n+2",
                               .datatype = DT_INT16,
                               .dim = {4, X, Y, Z, 1, 1, 1, 1},
                               .pixdim = {1, 0.1, 0.75, 2},
                               .vox_offset = 544};
    unsigned char all[544 + VOXELS * 2] = {0};
    memcpy(all, &h, sizeof h);
    for (int i = 0; i < VOXELS; i++) {
        int16_t value = number(i);
        memcpy(all + 544 + 2 * i, &value, 2);
    }
    folder_put(*state, "v.nii", all, sizeof all);
    assert_holds(*state, "v.nii", 1, 0);
    assert_true(geometry_in(*state).spacing[0] == 0.1);
}

static void a_header_that_cannot_be_worked_with_is_refused_by_key(void **state)
{
    struct nifti_1_header h;
#define REFUSED(change, code, part)                                                      \
    do {                                                                                 \
        h = usual();                                                                     \
        change;                                                                          \
        put(*state, &h);                                                                 \
        assert_refused(*state, code, part);                                              \
    } while (0)
    REFUSED(h.dim[0] = 2, STATUS_ITEM_FORMAT, "dim[0] = 2");
    REFUSED(h.dim[0] = 9, STATUS_ITEM_FORMAT, "dim[0] = 9");
    REFUSED((h.dim[0] = 4, h.dim[4] = 7), STATUS_ITEM_FORMAT, "dim[4] = 7");
    REFUSED(h.dim[2] = 0, STATUS_ITEM_FORMAT, "5 0 3");
    REFUSED(h.dim[2] = -4, STATUS_ITEM_FORMAT, "5 -4 3");
    REFUSED(h.dim[3] = 32767, STATUS_ITEM_IO, "fewer than");
    REFUSED(h.dim[3] = 2, STATUS_ITEM_IO, "more than");
    REFUSED(h.datatype = DT_RGB24, STATUS_ITEM_FORMAT, "RGB24");
    REFUSED(h.pixdim[3] = NAN, STATUS_ITEM_FORMAT, "pixdim[3] = nan");
    REFUSED(h.pixdim[3] = -2, STATUS_ITEM_FORMAT, "pixdim[3] = -2");
    REFUSED(h.sform_code = 1, STATUS_ITEM_FORMAT, "ElementSpacing");
    REFUSED(h.vox_offset = 0, STATUS_ITEM_FORMAT, "vox_offset = 0");
    REFUSED(h.vox_offset = NAN, STATUS_ITEM_FORMAT, "vox_offset = nan");
    REFUSED(h.xyzt_units = 5, STATUS_ITEM_FORMAT, "xyzt_units = 5");
    REFUSED(h.magic[1] = 'i', STATUS_ITEM_FORMAT, "magic = \"ni1\"");
    REFUSED(h.sizeof_hdr = 100, STATUS_ITEM_FORMAT, "sizeof_hdr = 100");
    REFUSED((h.scl_slope = 1, h.scl_inter = INFINITY), STATUS_ITEM_FORMAT,
            "scl_inter = inf");
    folder_put(*state, "v.nii", "x", 1);
    assert_refused(*state, STATUS_ITEM_FORMAT, "no NIfTI header");
}

static int empty(void **state)
{
    folder_empty(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_form_only_the_spacing_counts),
        TEST(a_qform_turns_and_flips),
        TEST(an_sform_goes_before_a_qform_and_keeps_its_shear),
        TEST(lengths_in_other_units_become_millimetres),
        TEST(a_slope_of_0_means_1),
        TEST(a_gzip_file_reads_the_same_in_members_too),
        TEST(the_other_byte_order_reads_the_same),
        TEST(the_second_version_reads_too),
        TEST(a_header_that_cannot_be_worked_with_is_refused_by_key),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
