/*
 * MetaImage volumes made here, byte for byte, with known numbers: what can be read is
 * read right, and what cannot is refused with path, key and value.
 */
#include "folder.h"

#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/memory.h"
#include "ct/volume.h"

enum { X = 5, Y = 4, Z = 3, VOXELS = X * Y * Z };

struct type {
    const char *name;
    size_t bytes;
    bool is_signed, real;
};

static const struct type TYPES[] = {
    {"MET_CHAR", 1, true, false},      {"MET_UCHAR", 1, false, false},
    {"MET_SHORT", 2, true, false},     {"MET_USHORT", 2, false, false},
    {"MET_INT", 4, true, false},       {"MET_UINT", 4, false, false},
    {"MET_LONG", 4, true, false},      {"MET_ULONG", 4, false, false},
    {"MET_LONG_LONG", 8, true, false}, {"MET_ULONG_LONG", 8, false, false},
    {"MET_FLOAT", 4, true, true},      {"MET_DOUBLE", 8, true, true},
};
static const struct type SHORT = {"MET_SHORT", 2, true, false};

/* The number in voxel i: small, distinct, of both signs where the type has them. */
static int64_t number(const struct type *t, int i)
{
    int64_t n = 2 * i + (t->bytes > 1 ? 300 : 0);
    return t->is_signed && i % 3 == 0 ? -n : n;
}

/* The bytes of all voxels, in the asked order. */
static void fill(const struct type *t, bool msb, unsigned char *out)
{
    for (int i = 0; i < VOXELS; i++) {
        uint64_t bits = (uint64_t)number(t, i);
        float f = (float)number(t, i);
        double d = (double)number(t, i);
        uint32_t f_bits;
        memcpy(&f_bits, &f, sizeof f);
        if (t->real && t->bytes == 4)
            bits = f_bits;
        if (t->real && t->bytes == 8)
            memcpy(&bits, &d, sizeof d);
        for (size_t b = 0; b < t->bytes; b++)
            out[(size_t)i * t->bytes + (msb ? t->bytes - 1 - b : b)] =
                (unsigned char)(bits >> (8 * b));
    }
}

static size_t deflated(const void *data, size_t bytes, unsigned char *out, size_t room)
{
    uLongf n = room;
    assert_int_equal(compress(out, &n, data, bytes), Z_OK);
    return n;
}

/* A header for X Y Z: its usual beginning and `rest`. */
static char *header(const char *rest)
{
    char *text;
    assert_true(asprintf(&text, "ObjectType = Image\nNDims = 3\nDimSize = %d %d %d\n%s",
                         X, Y, Z, rest) > 0);
    return text;
}

static void put_header(const char *folder, const char *name, const char *rest)
{
    char *text = header(rest);
    folder_put(folder, name, text, strlen(text));
    free(text);
}

/* header + data as one file */
static void put_mha(const char *folder, const char *name, const char *rest,
                    const void *data, size_t bytes)
{
    char *text = header(rest);
    size_t n = strlen(text);
    char *all = malloc(n + bytes);
    memcpy(all, text, n);
    memcpy(all + n, data, bytes);
    folder_put(folder, name, all, n + bytes);
    free(all);
    free(text);
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

/* Opens, reads all, and compares with number(). */
static void assert_reads(const char *folder, const char *name, const struct type *t)
{
    struct volume *v;
    struct error err = {0};
    float hu[VOXELS];
    if (open_in(folder, name, &v, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    if (volume_read(v, 0, Z, hu, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < VOXELS; i++)
        assert_true(hu[i] == (float)number(t, i));
    volume_close(v);
}

/* The volume cannot be opened, or read; the message has path and `part`. */
static void assert_refused(const char *folder, const char *name, enum status code,
                           const char *part)
{
    struct volume *v = NULL;
    struct error err = {0};
    float hu[VOXELS];
    enum status status = open_in(folder, name, &v, &err);
    if (status == STATUS_OK)
        status = volume_read(v, 0, Z, hu, &err);
    volume_close(v);
    if (status != code || !strstr(err.message, part) || !strstr(err.message, folder))
        fail_msg("status %d, \"%s\" not in: %s", status, part, err.message);
}

static const char PLAIN[] = "ElementType = MET_SHORT\nElementDataFile = v.raw\n";

/* ---- what can be read ---- */

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

/* ---- what cannot ---- */

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

/* ---- what it is ---- */

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

static int empty(void **state)
{
    folder_empty(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

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
        TEST(a_data_file_that_is_not_as_stated_is_refused),
        TEST(a_compressed_stream_that_is_damaged_is_refused),
        TEST(sizes_that_cannot_be_are_refused_without_allocating_them),
        TEST(values_that_cannot_be_are_refused_by_key),
        TEST(headers_that_contradict_themselves_or_break_off_are_refused),
        TEST(a_name_outside_the_folder_needs_permission),
        TEST(a_voxel_that_is_no_number_is_named),
        TEST(a_file_without_a_header_is_refused_soon),
        TEST(content_and_identity_change_with_header_and_data),
        TEST(a_name_gives_the_seriesuid),
        TEST(a_real_scan_of_a_turned_patient_lies_where_it_does),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
