#include "ct/metaimage_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "ct/element.h"

enum { PIECE_BYTES = 1 << 20, NUMBER_BYTES = 32 };

/* ---- voxels ---- */

static enum status put(struct atomic_file *f, const void *data, size_t bytes,
                       struct error *err)
{
    errno = 0;
    if (fwrite(data, 1, bytes, f->stream) == bytes)
        return STATUS_OK;
    return error_set(err, STATUS_STAGE_IO, "%s: %s", f->path,
                     strerror(errno ? errno : EIO));
}

/* Deflates with the fastest setting: noise does not pack any better for more work. */
static enum status put_deflated(struct atomic_file *f, const unsigned char *data,
                                size_t bytes, int64_t *written, struct error *err)
{
    enum status status = STATUS_OK;
    z_stream z = {0};
    void *piece;
    int end = Z_OK;
    *written = 0;
    TRY(memory_new(PIECE_BYTES, 1, "deflated voxels", &piece, err));
    if (deflateInit(&z, Z_BEST_SPEED) != Z_OK) {
        free(piece);
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory to deflate", f->path);
    }
    while (status == STATUS_OK && end != Z_STREAM_END) {
        if (z.avail_in == 0 && bytes > 0) {
            size_t next = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
            z.next_in = (Bytef *)(uintptr_t)data; /* zlib does not write there */
            z.avail_in = (uInt)next;
            data += next;
            bytes -= next;
        }
        z.next_out = piece;
        z.avail_out = PIECE_BYTES;
        end = deflate(&z, bytes == 0 ? Z_FINISH : Z_NO_FLUSH);
        CHECK(end == Z_OK || end == Z_STREAM_END || end == Z_BUF_ERROR);
        size_t got = PIECE_BYTES - z.avail_out;
        *written += (int64_t)got;
        status = put(f, piece, got, err);
    }
    deflateEnd(&z);
    free(piece);
out:
    return status;
}

static enum status write_data(const char *path, const void *voxels, size_t bytes,
                              bool compressed, int64_t *written, struct error *err)
{
    struct atomic_file f;
    enum status status = atomic_file_open(path, &f, err);
    if (status != STATUS_OK)
        return status;
    *written = (int64_t)bytes;
    status = compressed ? put_deflated(&f, voxels, bytes, written, err)
                        : put(&f, voxels, bytes, err);
    if (status == STATUS_OK)
        return atomic_file_commit(&f, err);
    atomic_file_abandon(&f);
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

enum status metaimage_write(const char *path, const struct geometry *g,
                            const char *element, const void *voxels, bool compressed,
                            struct error *err)
{
    enum status status = STATUS_OK;
    const struct element *type = element_find(element);
    char *data = NULL, *other = NULL;
    int64_t written = 0;
    size_t stem = strlen(path);
    CHECK(type && stem > 4 && strcmp(path + stem - 4, ".mhd") == 0);
    stem -= 4;
    if (asprintf(&data, "%.*s%s", (int)stem, path, compressed ? ".zraw" : ".raw") < 0 ||
        asprintf(&other, "%.*s%s", (int)stem, path, compressed ? ".raw" : ".zraw") < 0) {
        free(data);
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    }
    TRY(geometry_check(g, err));
    TRY(write_data(data, voxels, (size_t)geometry_voxels(g) * type->bytes, compressed,
                   &written, err));
    TRY(write_header(path, g, element, path_name(data), compressed ? written : -1, err));
    unlink(other);
out:
    free(data);
    free(other);
    return status;
}
