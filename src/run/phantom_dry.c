#include "run/phantom_dry.h"

#include <inttypes.h>

#include "base/clock.h"
#include "ct/volume.h"
#include "phantom/synthesis.h"
#include "run/phantom_folder.h"

enum {
    SAMPLES = 24,
    PROBE_SLICES = 8,
    HEADER_BYTES = 500,
    ROW_BYTES = 330 /* of a candidate: in its truth and in two lists */
};
/* Noise packs to this share of its size; masks nearly vanish. */
static const double PACKED = 0.62, COMPRESSED = 0.15, MASK_BYTES_A_VOXEL = 0.015;

static double bytes_of(const struct phantom_options *o, double voxels)
{
    double pixel = o->implant ? 2 : 2 * (1 - COMPRESSED * (1 - PACKED));
    return voxels * (pixel + (o->masks ? MASK_BYTES_A_VOXEL : 0)) + HEADER_BYTES +
           ROW_BYTES * o->negatives;
}

static enum status voxels_of(const struct phantom_item *item,
                             const struct phantom_options *o, double *voxels,
                             struct error *err)
{
    enum status status = STATUS_OK;
    if (item->source) {
        const struct volume_options options = {.allow_outside = false};
        struct volume *v = NULL;
        TRY(volume_open(item->source, &options, &v, err));
        *voxels = (double)geometry_voxels(volume_geometry(v));
        volume_close(v);
        return STATUS_OK;
    }
    struct synthesis s;
    status = synthesis_init(&s, &o->size, o->seed, item->index, err);
    if (status == STATUS_OK)
        *voxels = (double)geometry_voxels(&s.scanner.grid);
    synthesis_release(&s);
out:
    return status;
}

enum status phantom_estimate(const struct phantom_items *l,
                             const struct phantom_options *o, struct phantom_estimate *e,
                             struct error *err)
{
    enum status status = STATUS_OK;
    double start = clock_seconds();
    size_t samples = l->count < SAMPLES ? l->count : SAMPLES;
    *e = (struct phantom_estimate){0};
    for (size_t i = 0; i < samples; i++) {
        double voxels = 0;
        status = voxels_of(&l->items[i * l->count / samples], o, &voxels, err);
        if (status_is_item(status)) {
            status = STATUS_OK; /* said when it is its turn */
            continue;
        }
        if (status != STATUS_OK)
            return status;
        e->voxels += voxels;
        e->sampled++;
    }
    if (e->sampled == 0)
        return STATUS_OK;
    double share = (double)l->count / (double)e->sampled;
    e->voxels *= share;
    e->bytes = bytes_of(o, e->voxels / (double)l->count) * (double)l->count;
    e->seconds = (clock_seconds() - start) * share;
    return status;
}

/* Seconds a voxel of one core: some slices of three heights of a scan in the middle of
 * the list. */
static enum status probe(const struct phantom_items *l, const struct phantom_options *o,
                         double *seconds, struct error *err)
{
    enum status status = STATUS_OK;
    struct synthesis s;
    double voxels = 0;
    TRY(synthesis_init(&s, &o->size, o->seed, l->items[l->count / 2].index, err));
    const int64_t *size = s.scanner.grid.size;
    double start = clock_seconds();
    for (int part = 1; part <= 3; part++) {
        int64_t n = size[0] < PROBE_SLICES ? size[0] : PROBE_SLICES;
        TRY(synthesis_probe(&s, part * (size[0] - n) / 4, n, err));
        voxels += (double)(n * size[1] * size[2]);
    }
    *seconds = (clock_seconds() - start) / voxels;
out:
    synthesis_release(&s);
    return status;
}

enum status phantom_dry(const struct phantom_items *l, const struct phantom_options *o,
                        int ranks, struct error *err)
{
    enum status status = STATUS_OK;
    struct phantom_estimate e;
    double a_voxel = 0;
    char text[32];
    TRY(phantom_folder_check(o, err));
    TRY(phantom_estimate(l, o, &e, err));
    int64_t room = phantom_folder_room(o);
    printf("%s: %zu scans, %.0f Mvoxel, %.1f GB", o->folder, l->count, e.voxels / 1e6,
           e.bytes / 1e9);
    if (room >= 0)
        printf(" (%.1f GB are free%s)", (double)room / 1e9,
               (double)room < e.bytes ? ": NOT ENOUGH" : "");
    printf("\n");
    if (!o->implant) {
        TRY(probe(l, o, &a_voxel, err));
        double seconds = (e.voxels * a_voxel + e.seconds) / ranks;
        clock_describe(seconds, text, sizeof text);
        printf("about %s on %d rank%s at %.1f Mvoxel/s each, without the disk's time\n",
               text, ranks, ranks > 1 ? "s" : "", 1e-6 / a_voxel);
    }
    printf("nothing was written\n");
out:
    return status;
}
