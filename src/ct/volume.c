/*
 * A volume is what its header said (struct volume_source) and one buffer. Voxels pass
 * through the buffer in pieces that stay in the cache, from the file or the inflating
 * stream straight into the caller's slab as floats; nothing is kept of the size of a
 * slice.
 */
#include "ct/volume.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "base/memory.h"
#include "ct/metaimage.h"
#include "ct/nifti.h"

enum { PIECE_BYTES = 256 << 10 };

struct volume {
    struct volume_source source;
    char *path;
    unsigned char *piece; /* made by the first read */
};

/* ---- names ---- */

enum format { FORMAT_NONE, FORMAT_METAIMAGE, FORMAT_NIFTI };

static const struct {
    const char *ending;
    enum format format;
} ENDINGS[] = {
    {".mhd", FORMAT_METAIMAGE},
    {".mha", FORMAT_METAIMAGE},
    {".nii", FORMAT_NIFTI},
    {".nii.gz", FORMAT_NIFTI},
};

/* The format that a name's ending tells, and the length of the name before it. */
static enum format format_of(const char *name, size_t *stem)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        size_t ending = strlen(ENDINGS[i].ending);
        if (n > ending && strcasecmp(name + n - ending, ENDINGS[i].ending) == 0) {
            *stem = n - ending;
            return ENDINGS[i].format;
        }
    }
    *stem = n;
    return FORMAT_NONE;
}

bool volume_is_name(const char *file_name)
{
    size_t stem;
    return format_of(file_name, &stem) != FORMAT_NONE;
}

enum status volume_seriesuid(const char *path, char **out, struct error *err)
{
    size_t stem;
    const char *name = path_name(path);
    format_of(name, &stem);
    *out = strndup(name, stem);
    if (!*out)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    return STATUS_OK;
}

/* ---- opening ---- */

enum status volume_open(const char *path, const struct volume_options *options,
                        struct volume **out, struct error *err)
{
    enum status status = STATUS_OK;
    void *room;
    struct volume *v = NULL;
    size_t stem;

    TRY(memory_new(1, sizeof *v, path, &room, err));
    v = room;
    payload_init(&v->source.payload);
    TRY(text_new(path, &v->path, err));
    switch (format_of(path_name(path), &stem)) {
    case FORMAT_METAIMAGE:
        TRY(metaimage_open(path, options && options->allow_outside, &v->source, err));
        break;
    case FORMAT_NIFTI:
        TRY(nifti_open(path, &v->source, err));
        break;
    case FORMAT_NONE:
        status = error_set(err, STATUS_ITEM_FORMAT,
                           "%s: no volume by its name (.mhd, .mha, .nii, .nii.gz)", path);
        goto out;
    }
    *out = v;
    v = NULL;
out:
    volume_close(v);
    return status;
}

void volume_close(struct volume *v)
{
    if (!v)
        return;
    payload_release(&v->source.payload);
    free(v->piece);
    free(v->path);
    free(v);
}

const struct geometry *volume_geometry(const struct volume *v)
{
    return &v->source.geometry;
}

const char *volume_element_type(const struct volume *v)
{
    return v->source.element->name;
}

bool volume_is_compressed(const struct volume *v)
{
    return v->source.payload.deflated;
}

int64_t volume_file_bytes(const struct volume *v)
{
    return v->source.file_bytes;
}

/* ---- reading ---- */

static bool all_finite(const float *hu, size_t count)
{
    int bad = 0;
    for (size_t i = 0; i < count; i++)
        bad |= !(fabsf(hu[i]) <= FLT_MAX);
    return !bad;
}

/* Holds `count` voxels from number `start` on against being finite. */
static enum status check_finite(const struct volume *v, const float *hu, int64_t start,
                                size_t count, struct error *err)
{
    const int64_t *size = v->source.geometry.size;
    if (all_finite(hu, count))
        return STATUS_OK;
    size_t i = 0;
    while (isfinite(hu[i]))
        i++;
    int64_t at = start + (int64_t)i;
    return error_set(
        err, STATUS_ITEM_FORMAT,
        "%s: voxel (z, y, x) = (%" PRId64 ", %" PRId64 ", %" PRId64 ") is %g", v->path,
        at / (size[1] * size[2]), at / size[2] % size[1], at % size[2], (double)hu[i]);
}

static enum status read_piece(struct volume *v, int64_t start, size_t count, float *hu,
                              struct error *err)
{
    struct volume_source *s = &v->source;
    int64_t bytes = (int64_t)s->element->bytes;
    bool scaled = s->slope != 1 || s->intercept != 0;
    enum status status =
        payload_read(&s->payload, start * bytes, v->piece, (int64_t)count * bytes, err);
    if (status != STATUS_OK)
        return status;
    (s->swapped ? s->element->swapped : s->element->native)(v->piece, count, hu);
    if (scaled)
        for (size_t i = 0; i < count; i++)
            hu[i] = (float)(s->slope * (double)hu[i] + s->intercept);
    if (s->element->whole && !scaled)
        return STATUS_OK;
    return check_finite(v, hu, start, count, err);
}

enum status volume_read(struct volume *v, int64_t first, int64_t count, float *hu,
                        struct error *err)
{
    const int64_t *size = v->source.geometry.size;
    CHECK(first >= 0 && count >= 0 && count <= size[0] - first);
    if (!v->piece) {
        void *room;
        enum status status = memory_new(PIECE_BYTES, 1, v->path, &room, err);
        if (status != STATUS_OK)
            return status;
        v->piece = room;
    }
    int64_t slice = size[1] * size[2], end = (first + count) * slice;
    int64_t most = PIECE_BYTES / (int64_t)v->source.element->bytes;
    for (int64_t at = first * slice; at < end;) {
        int64_t n = end - at < most ? end - at : most;
        enum status status = read_piece(v, at, (size_t)n, hu, err);
        if (status != STATUS_OK)
            return status;
        at += n;
        hu += n;
    }
    return STATUS_OK;
}

/* ---- what it is ---- */

enum status volume_identity(const struct volume *v, struct hash128 *out,
                            struct error *err)
{
    struct file_identity header;
    struct hash *h;
    enum status status = hash_new(&h, err);
    if (status != STATUS_OK)
        return status;
    TRY(data_file_identify(v->path, &header, err));
    hash_update(h, &header, sizeof header);
    if (v->source.header_apart)
        TRY(payload_hash_identity(&v->source.payload, h, err));
    *out = hash_digest(h);
out:
    hash_free(h);
    return status;
}

enum status volume_content(struct volume *v, struct hash128 *out, struct error *err)
{
    struct payload header;
    struct hash *h;
    enum status status = hash_new(&h, err);
    if (status != STATUS_OK)
        return status;
    payload_init(&header);
    if (v->source.header_apart) {
        TRY(file_series_add(&header.series, v->path, err));
        TRY(payload_hash(&header, h, err));
    }
    TRY(payload_hash(&v->source.payload, h, err));
    *out = hash_digest(h);
out:
    payload_release(&header);
    hash_free(h);
    return status;
}
