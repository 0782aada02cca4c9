#include "ct/metaimage_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "ct/element.h"

enum { PIECE_BYTES = 1 << 20, NUMBER_BYTES = 32 };

struct metaimage_writer {
    struct geometry geometry;
    const struct element *element;
    char *header, *data, *other; /* paths; other: the ending that is not used */
    struct atomic_file file;     /* of the data */
    int64_t slices, bytes;       /* put; written */
    bool compressed, deflating;
    z_stream z;
    unsigned char *piece; /* deflated bytes on their way */
};

/* ---- voxels ---- */

static enum status write_bytes(struct metaimage_writer *w, const void *data, size_t bytes,
                               struct error *err)
{
    errno = 0;
    w->bytes += (int64_t)bytes;
    if (fwrite(data, 1, bytes, w->file.stream) == bytes)
        return STATUS_OK;
    return error_set(err, STATUS_STAGE_IO, "%s: %s", w->data,
                     strerror(errno ? errno : EIO));
}

/* Runs deflate until it has taken all of its input or, at the end, given all of its
 * output. */
static enum status run_deflate(struct metaimage_writer *w, int flush, struct error *err)
{
    int end;
    do {
        w->z.next_out = w->piece;
        w->z.avail_out = PIECE_BYTES;
        end = deflate(&w->z, flush);
        CHECK(end == Z_OK || end == Z_STREAM_END || end == Z_BUF_ERROR);
        enum status status = write_bytes(w, w->piece, PIECE_BYTES - w->z.avail_out, err);
        if (status != STATUS_OK)
            return status;
    } while (flush == Z_FINISH ? end != Z_STREAM_END : w->z.avail_out == 0);
    return STATUS_OK;
}

static enum status write_deflated(struct metaimage_writer *w, const unsigned char *data,
                                  size_t bytes, struct error *err)
{
    enum status status = STATUS_OK;
    while (bytes > 0 && status == STATUS_OK) {
        size_t next = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        w->z.next_in = (Bytef *)(uintptr_t)data; /* zlib does not write there */
        w->z.avail_in = (uInt)next;
        status = run_deflate(w, Z_NO_FLUSH, err);
        data += next;
        bytes -= next;
    }
    return status;
}

/* ---- header ---- */

/* The shortest text that gives the number back. */
static void print_number(FILE *out, double value)
{
    char text[NUMBER_BYTES];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value == 0 ? 0.0 : value);
        if (strtod(text, NULL) == value)
            break;
    }
    fprintf(out, " %s", text);
}

static void print_numbers(FILE *out, const char *key, const double *values, int count)
{
    fprintf(out, "%s =", key);
    for (int i = 0; i < count; i++)
        print_number(out, values[i]);
    fputc('\n', out);
}

static enum status write_header(const char *path, const struct geometry *g,
                                const char *element, const char *data_name,
                                int64_t compressed_bytes, struct error *err)
{
    struct atomic_file f;
    const double *d = g->direction;
    const double columns[9] = {d[0], d[3], d[6], d[1], d[4], d[7], d[2], d[5], d[8]};
    const double centre[3] = {0};
    enum status status = atomic_file_open(path, &f, err);
    if (status != STATUS_OK)
        return status;
    FILE *out = f.stream;
    fprintf(out, "ObjectType = Image\nNDims = 3\nBinaryData = True\n");
    fprintf(out, "BinaryDataByteOrderMSB = %s\n",
            element_machine_is_msb() ? "True" : "False");
    fprintf(out, "CompressedData = %s\n", compressed_bytes >= 0 ? "True" : "False");
    if (compressed_bytes >= 0)
        fprintf(out, "CompressedDataSize = %" PRId64 "\n", compressed_bytes);
    print_numbers(out, "TransformMatrix", columns, 9);
    print_numbers(out, "Offset", g->origin, 3);
    print_numbers(out, "CenterOfRotation", centre, 3);
    fprintf(out, "AnatomicalOrientation = RAI\n");
    print_numbers(out, "ElementSpacing", g->spacing, 3);
    fprintf(out, "DimSize = %" PRId64 " %" PRId64 " %" PRId64 "\n", g->size[2],
            g->size[1], g->size[0]);
    fprintf(out, "ElementType = %s\nElementDataFile = %s\n", element, data_name);
    return atomic_file_commit(&f, err);
}

/* ---- the writer ---- */

static void release(struct metaimage_writer *w)
{
    if (w->deflating)
        deflateEnd(&w->z);
    free(w->piece);
    free(w->header);
    free(w->data);
    free(w->other);
    free(w);
}

static enum status name_files(struct metaimage_writer *w, const char *path,
                              struct error *err)
{
    static const char *const ENDINGS[] = {".raw", ".zraw"};
    size_t n = strlen(path);
    CHECK(n > 4 && strcmp(path + n - 4, ".mhd") == 0);
    int stem = (int)(n - 4);
    enum status status = text_new(path, &w->header, err);
    if (status != STATUS_OK)
        return status;
    if (asprintf(&w->data, "%.*s%s", stem, path, ENDINGS[w->compressed]) < 0)
        w->data = NULL;
    if (asprintf(&w->other, "%.*s%s", stem, path, ENDINGS[!w->compressed]) < 0)
        w->other = NULL;
    if (!w->data || !w->other)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    return STATUS_OK;
}

/* With the fastest setting: noise does not pack any better for more work. */
static enum status begin_deflate(struct metaimage_writer *w, struct error *err)
{
    void *p;
    enum status status = memory_new(PIECE_BYTES, 1, "deflated voxels", &p, err);
    if (status != STATUS_OK)
        return status;
    w->piece = p;
    if (deflateInit(&w->z, Z_BEST_SPEED) != Z_OK)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory to deflate", w->data);
    w->deflating = true;
    return STATUS_OK;
}

enum status metaimage_writer_open(const char *path, const struct geometry *g,
                                  const char *element, bool compressed,
                                  struct metaimage_writer **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct metaimage_writer *w = NULL;
    void *p;
    TRY(geometry_check(g, err));
    TRY(memory_new(1, sizeof *w, "a volume being written", &p, err));
    w = p;
    w->geometry = *g;
    w->element = element_find(element);
    w->compressed = compressed;
    CHECK(w->element);
    TRY(name_files(w, path, err));
    if (compressed)
        TRY(begin_deflate(w, err));
    TRY(atomic_file_open(w->data, &w->file, err));
    *out = w;
    w = NULL;
out:
    if (w)
        release(w);
    return status;
}

enum status metaimage_writer_put(struct metaimage_writer *w, const void *voxels,
                                 int64_t count, struct error *err)
{
    const int64_t *size = w->geometry.size;
    size_t bytes = (size_t)(count * size[1] * size[2]) * w->element->bytes;
    w->slices += count;
    CHECK(w->slices <= size[0]);
    return w->compressed ? write_deflated(w, voxels, bytes, err)
                         : write_bytes(w, voxels, bytes, err);
}

enum status metaimage_writer_close(struct metaimage_writer *w, struct error *err)
{
    enum status status = STATUS_OK;
    CHECK(w->slices == w->geometry.size[0]);
    if (w->compressed)
        TRY(run_deflate(w, Z_FINISH, err));
    TRY(atomic_file_commit(&w->file, err));
    TRY(write_header(w->header, &w->geometry, w->element->name, path_name(w->data),
                     w->compressed ? w->bytes : -1, err));
    unlink(w->other);
out:
    atomic_file_abandon(&w->file); /* nothing is left to abandon after a commit */
    release(w);
    return status;
}

void metaimage_writer_abandon(struct metaimage_writer *w)
{
    if (!w)
        return;
    atomic_file_abandon(&w->file);
    release(w);
}

enum status metaimage_write(const char *path, const struct geometry *g,
                            const char *element, const void *voxels, bool compressed,
                            struct error *err)
{
    struct metaimage_writer *w;
    enum status status = metaimage_writer_open(path, g, element, compressed, &w, err);
    if (status != STATUS_OK)
        return status;
    status = metaimage_writer_put(w, voxels, g->size[0], err);
    if (status == STATUS_OK)
        return metaimage_writer_close(w, err);
    metaimage_writer_abandon(w);
    return status;
}
