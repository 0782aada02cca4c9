#include "inspect/scan_facts.h"

#include <math.h>

#include "base/memory.h"
#include "ct/volume.h"

enum { SLAB_BYTES = 32 << 20 };

static void take_voxels(struct scan_facts *f, const float *hu, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double v = (double)hu[i];
        if (hu[i] <= PADDING_HU) {
            f->padding++;
            f->padding_low = fmin(f->padding_low, v);
            continue;
        }
        f->low = fmin(f->low, v);
        f->high = fmax(f->high, v);
        f->sum += v;
    }
}

static enum status read_voxels(struct volume *v, struct scan_facts *f, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t depth = f->geometry.size[0];
    size_t plane = (size_t)f->geometry.size[1] * (size_t)f->geometry.size[2];
    int64_t slab = (int64_t)(SLAB_BYTES / sizeof(float) / plane);
    float *hu = NULL;
    slab = slab < 1 ? 1 : slab > depth ? depth : slab;
    TRY(memory_new(plane * (size_t)slab, sizeof *hu, "slices", (void **)&hu, err));
    f->padding_low = f->low = f->high = NAN;
    for (int64_t z = 0; z < depth; z += slab) {
        int64_t count = depth - z < slab ? depth - z : slab;
        TRY(volume_read(v, z, count, hu, err));
        take_voxels(f, hu, plane * (size_t)count);
    }
    f->has_voxels = true;
out:
    free(hu);
    return status;
}

enum status scan_facts_read(const char *path, bool allow_outside, bool deep,
                            struct scan_facts *out, struct error *err)
{
    const struct volume_options options = {.allow_outside = allow_outside};
    struct volume *v = NULL;
    memset(out, 0, sizeof *out); /* the padding bytes too: it is sent as bytes */
    enum status status = volume_open(path, &options, &v, err);
    if (status != STATUS_OK)
        return status;
    out->geometry = *volume_geometry(v);
    out->file_bytes = volume_file_bytes(v);
    out->compressed = volume_is_compressed(v);
    snprintf(out->element, sizeof out->element, "%s", volume_element_type(v));
    if (deep)
        status = read_voxels(v, out, err);
    volume_close(v);
    if (status == STATUS_STAGE_MEMORY) /* one enormous scan is no reason to stop */
        err->code = status = STATUS_ITEM_LIMIT;
    return status;
}

double scan_facts_mean(const struct scan_facts *f)
{
    int64_t counted = geometry_voxels(&f->geometry) - f->padding;
    return f->has_voxels && counted > 0 ? f->sum / (double)counted : NAN;
}

/* Headers hold rounded cosines: what is closer than this to an axis was meant to lie on
 * it. */
static const double cosine_tolerance = 1e-4;

static bool is_diagonal(const double d[9], double x, double y, double z)
{
    const double wanted[9] = {x, 0, 0, 0, y, 0, 0, 0, z};
    for (int i = 0; i < 9; i++)
        if (fabs(d[i] - wanted[i]) > cosine_tolerance)
            return false;
    return true;
}

enum direction_kind direction_kind(const double d[9])
{
    if (is_diagonal(d, 1, 1, 1))
        return DIRECTION_IDENTITY;
    if (is_diagonal(d, -1, -1, 1))
        return DIRECTION_FLIPPED;
    for (int i = 0; i < 9; i++)
        if (fabs(d[i]) > cosine_tolerance && fabs(fabs(d[i]) - 1) > cosine_tolerance)
            return DIRECTION_OBLIQUE;
    return DIRECTION_AXES;
}

const char *direction_name(enum direction_kind k)
{
    static const char *const names[] = {"identity", "-1 -1 1", "other axes", "oblique"};
    return names[k];
}
