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
static const double SAMPLING_SECONDS = 10;
/* Noise packs to this share of its size; masks nearly vanish. */
static const double PACKED = 0.62, COMPRESSED = 0.15, MASK_BYTES_A_VOXEL = 0.015;

static double bytes_of(const struct phantom_options *o, double voxels)
{
    double pixel = o->implant ? 2 : 2 * (1 - COMPRESSED * (1 - PACKED));
    return voxels * (pixel + (o->masks ? MASK_BYTES_A_VOXEL : 0)) + HEADER_BYTES +
           ROW_BYTES * o->negatives;
}

static enum status voxels_of(const struct phantom_item *item,
                             const struct phantom_options *o, int64_t *voxels,
                             struct error *err)
{
    const struct volume_options options = {.allow_outside = false};
    struct volume *v;
    if (!item->source)
        return synthesis_measure(&o->size, o->seed, item->index, voxels, err);
    enum status status = volume_open(item->source, &options, &v, err);
    if (status != STATUS_OK)
        return status;
    *voxels = geometry_voxels(volume_geometry(v));
    volume_close(v);
    return STATUS_OK;
}

enum status phantom_estimate(const struct phantom_items *l,
                             const struct phantom_options *o, double seconds,
                             struct phantom_estimate *e, struct error *err)
{
    double start = clock_seconds();
    size_t samples = l->count < SAMPLES ? l->count : SAMPLES;
    *e = (struct phantom_estimate){0};
    for (size_t i = 0; i < samples; i++) {
        int64_t voxels;
        enum status status =
            voxels_of(&l->items[i * l->count / samples], o, &voxels, err);
        if (status_is_item(status))
            continue; /* said when it is its turn */
        if (status != STATUS_OK)
            return status;
        e->voxels += (double)voxels;
        e->sampled++;
        if (clock_seconds() - start > seconds)
            break;
    }
    if (e->sampled == 0)
        return STATUS_OK;
    double mean = e->voxels / (double)e->sampled;
    e->voxels = mean * (double)l->count;
    e->bytes = bytes_of(o, mean) * (double)l->count;
    return STATUS_OK;
}

/* What of one scan takes how long, on one core. */
struct pace {
    double scan; /* seconds: the patient and the findings */
    double voxel;
};

/* From some slices of three heights of a scan in the middle of the list. */
static enum status probe(const struct phantom_items *l, const struct phantom_options *o,
                         struct pace *pace, struct error *err)
{
    enum status status = STATUS_OK;
    struct synthesis s;
    double voxels = 0, start = clock_seconds();
    TRY(synthesis_init(&s, &o->size, o->seed, l->items[l->count / 2].index, err));
    const int64_t *size = s.scanner.grid.size;
    pace->scan = clock_seconds() - start;
    start = clock_seconds();
    for (int part = 1; part <= 3; part++) {
        int64_t n = size[0] < PROBE_SLICES ? size[0] : PROBE_SLICES;
        TRY(synthesis_probe(&s, part * (size[0] - n) / 4, n, err));
        voxels += (double)(n * size[1] * size[2]);
    }
    pace->voxel = (clock_seconds() - start) / voxels;
out:
    synthesis_release(&s);
    return status;
}

static enum status print_time(const struct phantom_items *l,
                              const struct phantom_options *o,
                              const struct phantom_estimate *e, int ranks,
                              struct error *err)
{
    char text[32];
    struct pace pace;
    enum status status = probe(l, o, &pace, err);
    if (status != STATUS_OK)
        return status;
    double seconds = e->voxels * pace.voxel + (double)l->count * pace.scan;
    clock_describe(seconds / ranks, text, sizeof text);
    printf("about %s on %d rank%s, %.1f Mvoxel/s each, if the disk keeps up\n", text,
           ranks, ranks > 1 ? "s" : "", e->voxels / seconds / 1e6);
    return STATUS_OK;
}

enum status phantom_dry(const struct phantom_items *l, const struct phantom_options *o,
                        int ranks, struct error *err)
{
    enum status status = STATUS_OK;
    struct phantom_estimate e;
    TRY(phantom_folder_check(o, err));
    TRY(phantom_estimate(l, o, SAMPLING_SECONDS, &e, err));
    int64_t room = phantom_folder_room(o);
    printf("%s: %zu scans, %.0f Mvoxel, %.1f GB", o->folder, l->count, e.voxels / 1e6,
           e.bytes / 1e9);
    if (room >= 0)
        printf(" (%.1f GB are free%s)", (double)room / 1e9,
               (double)room < e.bytes ? ": NOT ENOUGH" : "");
    printf("\n");
    if (!o->implant)
        TRY(print_time(l, o, &e, ranks, err));
    printf("nothing was written\n");
out:
    return status;
}
