#include "export/label_volume.h"

#include <math.h>

#include "base/memory.h"
#include "ct/metaimage_writer.h"
#include "ct/nifti_writer.h"
#include "run/record.h"

/* A candidate that was listed has no diameter: a place is what it is. */
static const double least_mm = 3;

struct sink {
    struct nifti_writer *nifti;
    struct metaimage_writer *metaimage;
};

static enum status sink_open(const char *stem, const struct geometry *g, bool nifti,
                             struct sink *s, struct error *err)
{
    char path[4096];
    const int n = snprintf(path, sizeof path, "%s%s", stem, nifti ? ".nii.gz" : ".mhd");
    if (n < 0 || (size_t)n >= sizeof path)
        return error_set(err, STATUS_STAGE_IO, "%s: too long a name", stem);
    return nifti ? nifti_writer_open(path, g, &s->nifti, err)
                 : metaimage_writer_open(path, g, "MET_USHORT", true, &s->metaimage, err);
}

static enum status sink_close(struct sink *s, struct error *err)
{
    const struct sink open = *s;
    *s = (struct sink){0};
    return open.nifti ? nifti_writer_close(open.nifti, err)
                      : metaimage_writer_close(open.metaimage, err);
}

enum status label_volume_write(const char *stem, const struct geometry *g, bool nifti,
                               label_fill *fill, void *context, struct error *err)
{
    enum status status = STATUS_OK;
    struct sink s = {0};
    uint16_t *labels = NULL;
    const size_t plane = (size_t)g->size[1] * (size_t)g->size[2];
    TRY(memory_new(plane * SLAB_SLICES, sizeof *labels, "a slab of labels",
                   (void **)&labels, err));
    TRY(sink_open(stem, g, nifti, &s, err));
    for (int64_t z = 0; z < g->size[0]; z += SLAB_SLICES) {
        const int64_t left = g->size[0] - z;
        const int64_t count = left < SLAB_SLICES ? left : SLAB_SLICES;
        memset(labels, 0, plane * (size_t)count * sizeof *labels);
        TRY(fill(context, z, count, labels, err));
        TRY(s.nifti ? nifti_writer_put(s.nifti, labels, count, err)
                    : metaimage_writer_put(s.metaimage, labels, count, err));
    }
    TRY(sink_close(&s, err));
out:
    nifti_writer_abandon(s.nifti);
    metaimage_writer_abandon(s.metaimage);
    free(labels);
    return status;
}

/* ---- balls ---- */

/* Voxels of one ball within the slices at hand. The voxel nearest to the centre belongs
 * to it, however small it is. */
static void paint(const struct geometry *g, const struct run_store_candidate *c,
                  uint16_t label, int64_t first, int64_t count, uint16_t *labels)
{
    const double radius = fmax(c->diameter_mm, least_mm) / 2;
    double index[3];
    int64_t low[3], high[3], centre[3], v[3];
    geometry_to_index(g, c->xyz, index);
    geometry_round(index, centre);
    for (int k = 0; k < 3; k++) {
        const double reach = radius / g->spacing[2 - k] + 1;
        low[k] = (int64_t)fmax(floor(index[k] - reach), k ? 0 : (double)first);
        high[k] = (int64_t)fmin(ceil(index[k] + reach),
                                (double)(k ? g->size[k] : first + count) - 1);
    }
    for (v[0] = low[0]; v[0] <= high[0]; v[0]++)
        for (v[1] = low[1]; v[1] <= high[1]; v[1]++)
            for (v[2] = low[2]; v[2] <= high[2]; v[2]++) {
                const double at[3] = {(double)v[0], (double)v[1], (double)v[2]};
                double xyz[3], sum = 0;
                geometry_to_mm(g, at, xyz);
                for (int k = 0; k < 3; k++)
                    sum += (xyz[k] - c->xyz[k]) * (xyz[k] - c->xyz[k]);
                if (sqrt(sum) <= radius || !memcmp(v, centre, sizeof v))
                    labels[((v[0] - first) * g->size[1] + v[1]) * g->size[2] + v[2]] =
                        label;
            }
}

enum status label_balls_fill(void *context, int64_t first, int64_t count,
                             uint16_t *labels, struct error *err)
{
    const struct label_balls *b = context;
    (void)err;
    for (int64_t i = b->count; i-- > 0;)
        paint(b->geometry, &b->candidates[i],
              (uint16_t)(i + 1 < UINT16_MAX ? i + 1 : UINT16_MAX), first, count, labels);
    return STATUS_OK;
}
