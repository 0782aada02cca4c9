/*
 * MetaImage volumes of 5 x 4 x 3 voxels with known numbers, made byte for byte in a
 * temporary folder.
 */
#ifndef TESTS_CT_METAIMAGE_MAKER_H
#define TESTS_CT_METAIMAGE_MAKER_H

#include "folder.h"

#include <zlib.h>

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
static inline int64_t number(const struct type *t, int i)
{
    int64_t n = 2 * i + (t->bytes > 1 ? 300 : 0);
    return t->is_signed && i % 3 == 0 ? -n : n;
}

/* The bytes of all voxels, in the asked order. */
static inline void fill(const struct type *t, bool msb, unsigned char *out)
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

static inline size_t deflated(const void *data, size_t bytes, unsigned char *out,
                              size_t room)
{
    uLongf n = room;
    assert_int_equal(compress(out, &n, data, bytes), Z_OK);
    return n;
}

/* A header for X Y Z: its usual beginning and `rest`. */
static inline char *header(const char *rest)
{
    char *text;
    assert_true(asprintf(&text, "ObjectType = Image\nNDims = 3\nDimSize = %d %d %d\n%s",
                         X, Y, Z, rest) > 0);
    return text;
}

static inline void put_header(const char *folder, const char *name, const char *rest)
{
    char *text = header(rest);
    folder_put(folder, name, text, strlen(text));
    free(text);
}

/* header + data as one file */
static inline void put_mha(const char *folder, const char *name, const char *rest,
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

static inline enum status open_in(const char *folder, const char *name, struct volume **v,
                                  struct error *err)
{
    char *path;
    assert_int_equal(path_join(folder, name, &path, err), STATUS_OK);
    enum status status = volume_open(path, NULL, v, err);
    free(path);
    return status;
}

/* Opens, reads all, and compares with number(). */
static inline void assert_reads(const char *folder, const char *name,
                                const struct type *t)
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
static inline void assert_refused(const char *folder, const char *name, enum status code,
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

static inline int empty(void **state)
{
    folder_empty(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

#endif
