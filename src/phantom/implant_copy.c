#include "phantom/implant_copy.h"

#include <math.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "ct/lung_mask.h"
#include "ct/metaimage_writer.h"
#include "ct/volume.h"
#include "phantom/implant.h"
#include "phantom/truth.h"

/* Places that are left alone stay this far from the surface of what was implanted, mm. */
static const double APART_MM = 10;
/* What a source may have. */
static const double VOXEL_MM[2] = {1e-3, 1e3}, UNIT = 0.1, FARTHEST_MM = 1e7;
enum { STREAM_OF_PLACES = 0xFFFF }; /* of RANDOM_IMPLANT */

struct work {
    const struct implant_copy *copy;
    struct geometry grid;
    bool compressed;
    uint64_t index; /* of random numbers: from the name, so that other scans of the tree
                       do not matter */
    float *hu;
    uint8_t *lungs;
    struct finding_list findings;
    struct phantom_candidate *candidates;
    size_t candidate_count;
};

static void work_release(struct work *w)
{
    findings_release(&w->findings);
    free(w->hu);
    free(w->lungs);
    free(w->candidates);
}

/* Shapes are drawn in millimetres: on voxels that are far from any scanner's, or so far
 * away that doubles are coarse, there is nothing to draw and numbers overflow. */
static enum status check_grid(const char *path, const struct geometry *g,
                              struct error *err)
{
    bool plain = true;
    for (int a = 0; a < 3; a++) {
        const double *d = g->direction;
        double length = hypot(hypot(d[a], d[3 + a]), d[6 + a]);
        plain = plain && g->spacing[a] >= VOXEL_MM[0] && g->spacing[a] <= VOXEL_MM[1] &&
                fabs(length - 1) < UNIT && fabs(g->origin[a]) <= FARTHEST_MM;
    }
    if (plain)
        return STATUS_OK;
    return error_set(err, STATUS_ITEM_LIMIT,
                     "%s: voxels of %g x %g x %g mm from %g, %g, %g mm on, or axes that "
                     "are not of length 1: no scan of a patient",
                     path, g->spacing[0], g->spacing[1], g->spacing[2], g->origin[0],
                     g->origin[1], g->origin[2]);
}

static enum status read_source(struct work *w, struct error *err)
{
    enum status status = STATUS_OK;
    struct volume *v = NULL;
    const struct volume_options options = {.allow_outside = false};
    void *p;
    TRY(volume_open(w->copy->source, &options, &v, err));
    w->grid = *volume_geometry(v);
    w->compressed = volume_is_compressed(v);
    TRY(check_grid(w->copy->source, &w->grid, err));
    size_t voxels = (size_t)geometry_voxels(&w->grid);
    TRY(memory_new(voxels, sizeof *w->hu, "a scan", &p, err));
    w->hu = p;
    TRY(memory_new(voxels, 1, "mask of lungs", &p, err));
    w->lungs = p;
    TRY(volume_read(v, 0, w->grid.size[0], w->hu, err));
out:
    volume_close(v);
    return status;
}

static bool is_apart(const struct work *w, const double xyz[3])
{
    for (size_t i = 0; i < w->findings.count; i++) {
        const struct finding *f = &w->findings.items[i];
        double square = 0;
        for (int a = 0; a < 3; a++)
            square += (xyz[a] - f->xyz[a]) * (xyz[a] - f->xyz[a]);
        if (sqrt(square) < f->reach_mm + APART_MM)
            return false;
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void voxel_to_mm(const struct geometry *g, int64_t voxel, double xyz[3])
{
    int64_t slice = g->size[1] * g->size[2];
    double index[3] = {(double)(voxel / slice), (double)(voxel % slice / g->size[2]),
                       (double)(voxel % g->size[2])};
    geometry_to_mm(g, index, xyz);
}

static void add_candidate(struct work *w, const double xyz[3], int32_t finding)
{
    struct phantom_candidate *c = &w->candidates[w->candidate_count++];
    *c = (struct phantom_candidate){.finding = finding, .nodule = finding >= 0};
    memcpy(c->xyz, xyz, sizeof c->xyz);
}

/* `count` numbers below `limit`, sorted; some may be equal. */
static enum status draw_numbers(const struct work *w, size_t count, uint64_t limit,
                                uint64_t **out, struct error *err)
{
    struct random r =
        random_stream(w->copy->seed, RANDOM_IMPLANT, w->index, STREAM_OF_PLACES);
    void *p;
    enum status status = memory_new(count, sizeof **out, "places", &p, err);
    if (status != STATUS_OK)
        return status;
    *out = p;
    for (size_t i = 0; i < count; i++)
        (*out)[i] = random_below(&r, limit);
    qsort(*out, count, sizeof **out, by_number);
    return STATUS_OK;
}

/* Random voxels of the lungs, chosen by their number among the lungs' voxels: sorted, one
 * walk through the mask finds them all. A place near an implant is given up. */
static enum status choose_places(struct work *w, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t voxels = geometry_voxels(&w->grid);
    size_t wanted = (size_t)w->copy->negatives, next = 0;
    uint64_t lung = 0, seen = 0, *numbers = NULL;
    void *p;
    TRY(memory_new(w->findings.count + wanted, sizeof *w->candidates, "candidates", &p,
                   err));
    w->candidates = p;
    for (size_t i = 0; i < w->findings.count; i++)
        add_candidate(w, w->findings.items[i].xyz, (int32_t)i);
    for (int64_t v = 0; v < voxels; v++)
        lung += w->lungs[v];
    if (lung == 0)
        goto out;
    TRY(draw_numbers(w, wanted, lung, &numbers, err));
    for (int64_t v = 0; v < voxels && next < wanted; v++) {
        if (!w->lungs[v] || numbers[next] != seen++)
            continue;
        double xyz[3];
        voxel_to_mm(&w->grid, v, xyz);
        if (is_apart(w, xyz))
            add_candidate(w, xyz, -1);
        while (next < wanted && numbers[next] < seen)
            next++;
    }
out:
    free(numbers);
    return status;
}

/* ---- files ---- */

static enum status write_volume(const struct work *w, const char *path, struct error *err)
{
    int64_t voxels = geometry_voxels(&w->grid);
    bool whole = true;
    for (int64_t v = 0; v < voxels && whole; v++)
        whole = w->hu[v] >= INT16_MIN && w->hu[v] <= INT16_MAX &&
                w->hu[v] == (float)(int16_t)w->hu[v];
    if (!whole)
        return metaimage_write(path, &w->grid, "MET_FLOAT", w->hu, w->compressed, err);
    int16_t *narrow;
    void *p;
    enum status status =
        memory_new((size_t)voxels, sizeof *narrow, "voxels of a copy", &p, err);
    if (status != STATUS_OK)
        return status;
    narrow = p;
    for (int64_t v = 0; v < voxels; v++)
        narrow[v] = (int16_t)w->hu[v];
    status = metaimage_write(path, &w->grid, "MET_SHORT", narrow, w->compressed, err);
    free(narrow);
    return status;
}

/* Paints over the scan, which has been written by then. */
static enum status write_nodules(const struct work *w, const char *path,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    uint16_t *labels = NULL;
    void *p;
    TRY(memory_new((size_t)geometry_voxels(&w->grid), sizeof *labels, "mask of nodules",
                   &p, err));
    labels = p;
    for (size_t i = 0; i < w->findings.count; i++)
        TRY(finding_paint(&w->findings.items[i], &w->grid, 0, w->grid.size[0], w->hu,
                          labels, (uint16_t)(i + 1), err));
    TRY(metaimage_write(path, &w->grid, "MET_USHORT", labels, true, err));
out:
    free(labels);
    return status;
}

enum status implant_copy_write(const struct implant_copy *c, const char *truth,
                               const struct synthesis_paths *paths, int64_t *voxels,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct work w = {.copy = c, .index = hash64(c->seriesuid, strlen(c->seriesuid)) >> 8};
    struct implant_options options = {
        .seed = c->seed,
        .index = w.index,
        .count = (size_t)c->count,
        .diameter_mm = {c->diameter_mm[0], c->diameter_mm[1]}};
    TRY(read_source(&w, err));
    *voxels = geometry_voxels(&w.grid);
    TRY(lung_mask(&w.grid, w.hu, w.lungs, err));
    TRY(implant_scan(&w.grid, w.hu, &options, &w.findings, err));
    TRY(choose_places(&w, err));
    struct truth t = {.seriesuid = c->seriesuid,
                      .patient = c->seriesuid,
                      .findings = &w.findings,
                      .candidates = w.candidates,
                      .candidate_count = w.candidate_count,
                      .seed = c->seed,
                      .index = w.index};
    TRY(truth_write(truth, &t, err));
    if (!paths)
        goto out;
    if (paths->lungs)
        TRY(metaimage_write(paths->lungs, &w.grid, "MET_UCHAR", w.lungs, true, err));
    TRY(write_volume(&w, paths->volume, err));
    if (paths->nodules)
        TRY(write_nodules(&w, paths->nodules, err));
out:
    work_release(&w);
    return status;
}
