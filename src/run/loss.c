#include "run/loss.h"

#include <math.h>

#include "base/memory.h"
#include "ct/geometry.h"
#include "run/record.h"
#include "run/stage_setup.h"
#include "run/stored_mask.h"

struct search {
    struct stored_run *run;
    struct run_store_scan row;
    struct geometry geometry;
    uint8_t *bytes; /* the packed mask, read when it is first needed */
};

static double distance_mm(const double a[3], const double b[3])
{
    double sum = 0;
    for (int k = 0; k < 3; k++)
        sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sqrt(sum);
}

/* ---- the volume ---- */

static enum status open_scan(struct search *s, const struct stored_scan *scan,
                             struct error *err)
{
    enum status status = run_reader_scan(s->run->store, scan->row, &s->row, err);
    if (status != STATUS_OK)
        return status;
    memcpy(s->geometry.size, s->row.size, sizeof s->geometry.size);
    memcpy(s->geometry.spacing, s->row.spacing, sizeof s->geometry.spacing);
    memcpy(s->geometry.origin, s->row.origin, sizeof s->geometry.origin);
    memcpy(s->geometry.direction, s->row.direction, sizeof s->geometry.direction);
    status = geometry_check(&s->geometry, err);
    if (status != STATUS_OK)
        error_prefix(err, "%s: scan %s", s->run->folder, scan->seriesuid);
    return status;
}

/* ---- the mask around a nodule ---- */

/* Whole slabs of a mask and what erosion leaves of them: [count][y][x] from slice first
 * on. */
struct crop {
    struct geometry geometry; /* of these slices; its origin is not used */
    int64_t first;
    uint8_t *mask, *eroded;
};

static void crop_release(struct crop *c)
{
    free(c->mask);
    free(c->eroded);
}

/* Slices [low, high] and one on either side, which erosion looks at. */
static enum status crop_load(struct search *s, int64_t low, int64_t high, struct crop *c,
                             struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = &s->geometry;
    int64_t from = (low > 0 ? low - 1 : 0) / SLAB_SLICES;
    int64_t last = high + 1 < g->size[0] ? high + 1 : g->size[0] - 1;
    int64_t end = (last / SLAB_SLICES + 1) * SLAB_SLICES;
    size_t plane = (size_t)g->size[1] * (size_t)g->size[2], position = 0;
    c->geometry = *g;
    c->first = from * SLAB_SLICES;
    c->geometry.size[0] = (end < g->size[0] ? end : g->size[0]) - c->first;
    size_t voxels = plane * (size_t)c->geometry.size[0];
    if (!s->bytes)
        TRY(stored_mask_read(s->run->store, &s->row, &s->bytes, err));
    TRY(memory_new(voxels, 1, "mask", (void **)&c->mask, err));
    TRY(memory_new(voxels, 1, "eroded mask", (void **)&c->eroded, err));
    for (int64_t i = 0; i < from; i++)
        TRY(mask_skip(s->bytes, (size_t)s->row.mask_bytes, &position, err));
    for (int64_t z = 0; z < c->geometry.size[0]; z += SLAB_SLICES) {
        int64_t count = c->geometry.size[0] - z;
        count = count < SLAB_SLICES ? count : SLAB_SLICES;
        TRY(mask_unpack(s->bytes, (size_t)s->row.mask_bytes, &position,
                        c->mask + (size_t)z * plane, plane * (size_t)count, err));
    }
    group_erode(&c->geometry, stage_erosion(&s->run->settings), c->mask, c->eroded);
out:
    return status;
}

/* What of the crop is set within the radius of the nodule, or at its voxel. */
struct near {
    bool mask, eroded;
};

static void look(const struct search *s, const struct crop *c, const double xyz[3],
                 const int64_t low[3], const int64_t high[3], const int64_t voxel[3],
                 struct near *out)
{
    const struct geometry *g = &s->geometry;
    int64_t v[3];
    for (v[0] = low[0]; v[0] <= high[0]; v[0]++)
        for (v[1] = low[1]; v[1] <= high[1]; v[1]++)
            for (v[2] = low[2]; v[2] <= high[2]; v[2]++) {
                const double index[3] = {(double)v[0], (double)v[1], (double)v[2]};
                double at[3];
                geometry_to_mm(g, index, at);
                if (distance_mm(at, xyz) > LOSS_RADIUS_MM && memcmp(v, voxel, sizeof v))
                    continue;
                size_t place =
                    (size_t)(((v[0] - c->first) * g->size[1] + v[1]) * g->size[2] + v[2]);
                out->mask |= c->mask[place];
                out->eroded |= c->eroded[place];
            }
}

/* The box is that of the ball where directions are orthonormal; one voxel more on each
 * side covers those that are not quite. */
static enum status look_around(struct search *s, const double xyz[3],
                               const double index[3], const int64_t voxel[3],
                               struct near *out, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = &s->geometry;
    struct crop c = {0};
    int64_t low[3], high[3];
    *out = (struct near){false, false};
    for (int k = 0; k < 3; k++) {
        double reach = LOSS_RADIUS_MM / g->spacing[2 - k] + 1, size = (double)g->size[k];
        low[k] = (int64_t)fmin(fmax(ceil(index[k] - reach), 0), size - 1);
        high[k] = (int64_t)fmin(fmax(floor(index[k] + reach), 0), size - 1);
    }
    TRY(crop_load(s, low[0], high[0], &c, err));
    look(s, &c, xyz, low, high, voxel, out);
out:
    crop_release(&c);
    return status;
}

/* ---- the verdict ---- */

/* The most probable candidate in reach: below 0 when there is none. */
static double best_near(const struct stored_run *r, const struct stored_scan *scan,
                        const struct nodule *n)
{
    double diameter = n->diameter_mm < 0 ? MATCH_UNMEASURED_MM : n->diameter_mm;
    double reach = fmax(LOSS_RADIUS_MM, LOSS_DIAMETER_SHARE * diameter), best = -1;
    for (size_t i = 0; i < scan->candidate_count; i++) {
        const struct book_candidate *c = &r->candidates[scan->candidate_first + i];
        if (distance_mm(c->xyz, n->xyz) < reach)
            best = fmax(best, c->probability);
    }
    return best;
}

static enum status judge(struct search *s, const struct stored_scan *scan,
                         const struct nodule *n, uint8_t *loss, struct error *err)
{
    const struct settings *set = &s->run->settings;
    double index[3], best;
    int64_t voxel[3];
    struct near near;
    *loss = LOSS_OUTSIDE;
    if (!geometry_find_voxel(&s->geometry, n->xyz, index, voxel))
        return STATUS_OK;
    best = best_near(s->run, scan, n);
    if (best >= 0) {
        *loss =
            (float)best >= (float)set->classify.threshold ? LOSS_NONE : LOSS_CLASSIFIER;
        return STATUS_OK;
    }
    *loss = stage_uses_blobs(set) ? LOSS_SEARCH : LOSS_LIST;
    if (s->row.mask_bytes == 0)
        return STATUS_OK;
    enum status status = look_around(s, n->xyz, index, voxel, &near, err);
    *loss = !near.mask ? LOSS_HEATMAP : !near.eroded ? LOSS_EROSION : LOSS_GROUPING;
    return status;
}

enum status loss_find(struct stored_run *r, const struct stored_scan *scan,
                      const struct nodule *nodules, size_t count, uint8_t *losses,
                      struct error *err)
{
    enum status status = STATUS_OK;
    struct search s = {.run = r};
    if (!scan || !scan->done) {
        for (size_t i = 0; i < count; i++)
            losses[i] = scan ? LOSS_QUARANTINE : LOSS_ABSENT;
        return STATUS_OK;
    }
    if (count == 0)
        return STATUS_OK;
    TRY(open_scan(&s, scan, err));
    for (size_t i = 0; i < count; i++)
        TRY(judge(&s, scan, &nodules[i], &losses[i], err));
out:
    if (status != STATUS_OK)
        error_prefix(err, "scan %s", scan->seriesuid);
    free(s.bytes);
    return status;
}
