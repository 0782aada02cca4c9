#include "stage/blob.h"

#include <math.h>

#include "base/memory.h"
#include "stage/blob_region.h"
#include "stage/dot_filter.h"
#include "stage/grid.h"

/* How the scan is looked at. A step of 1 mm resolves the smallest nodules that matter
 * (3 mm); bone and contrast agent count as tissue, so that a rib is no brighter than the
 * muscle at it; a nodule on the pleura may have its centre 3 mm outside of the mask. */
static const double step_mm = 1, margin_mm = 8, reach_mm = 3;
static const float tissue_hu = 100;
/* Scales stand a third of an octave apart. At one that is `coarse` steps wide, every
 * other point says as much as all. Sampling smooths by about half a step. */
static const double scale_ratio = 1.2599210498948732, coarse = 2.5, sampled = 0.5;
/* HU; dots of less are noise. */
static const double least_contrast = 60;

/* A ball responds most at sigma = radius / sqrt(3). */
static double diameter_of_scale(double sigma)
{
    return 2 * sqrt(3) * sigma;
}

/* --- score --- */

/* The log odds of being a nodule grow with contrast (octaves of 300 HU), roundness and
 * size (octaves of 6 mm, up to 16 mm: what is larger is more often a part of the hilum or
 * the wall). Chosen so that a small vessel stands near 0.1 and a solid nodule of 6 mm in
 * the open near 0.9, not fitted. Against a fit to the nodules of many real scans and the
 * other blobs of one there is little to gain (AUC 0.866 and 0.875). */
static float score_of(const struct dot *d)
{
    static const double bias = -1.5, per_contrast = 2, per_roundness = 5, per_size = 0.7;
    static const double contrast_hu = 300, roundness = 0.5, size_mm = 6, large_mm = 16;
    double contrast = (double)d->response / DOT_BALL_RESPONSE;
    double size = fmin(diameter_of_scale(d->sigma), large_mm);
    double odds = bias + per_contrast * log2(contrast / contrast_hu) +
                  per_roundness * ((double)d->roundness - roundness) +
                  per_size * log2(size / size_mm);
    return (float)(1 / (1 + exp(-odds)));
}

struct scored {
    struct dot dot;
    float score;
};

/* Descending score, ties by place and scale. */
static int by_score(const void *left, const void *right)
{
    const struct scored *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    for (int k = 0; k < 3; k++)
        if (a->dot.at[k] != b->dot.at[k])
            return a->dot.at[k] < b->dot.at[k] ? -1 : 1;
    return (a->dot.sigma > b->dot.sigma) - (a->dot.sigma < b->dot.sigma);
}

/* --- scales --- */

/* Dots of all scales. The grid is smoothed from one to the next. */
static enum status find_dots(struct grid *grid, const struct blob_options *o,
                             blob_poll *poll, void *context, struct dots *dots,
                             struct error *err)
{
    enum status status = STATUS_OK;
    double last = o->max_mm / diameter_of_scale(1) * sqrt(scale_ratio);
    double reached = sampled * grid->step;
    for (double sigma = o->min_mm / diameter_of_scale(1); sigma < last;
         sigma *= scale_ratio) {
        if (sigma < grid->step * sampled * scale_ratio)
            continue; /* finer than what was sampled */
        if (poll)
            TRY(poll(context));
        TRY(grid_smooth(grid, sqrt(sigma * sigma - reached * reached) / grid->step,
                        o->threads, err));
        reached = sigma;
        TRY(dots_append(dots, grid, sigma, least_contrast * DOT_BALL_RESPONSE, o->threads,
                        err));
        if (sigma >= coarse * grid->step)
            grid_halve(grid);
    }
out:
    return status;
}

/* --- choosing --- */

static int overlap(const struct dot *a, const struct dot *b)
{
    double radius = diameter_of_scale(fmax(a->sigma, b->sigma)) / 2, sum = 0;
    for (int k = 0; k < 3; k++)
        sum += (a->at[k] - b->at[k]) * (a->at[k] - b->at[k]);
    return sum < radius * radius;
}

/* Moves the dots that score enough and overlap with no better one to the front: *kept. */
static void choose(struct scored *list, size_t count, const struct blob_options *o,
                   size_t *kept)
{
    *kept = 0;
    qsort(list, count, sizeof *list, by_score);
    for (size_t i = 0; i < count && (int64_t)*kept < o->max_candidates; i++) {
        size_t k = 0;
        if (list[i].score < (float)o->min_score)
            break;
        while (k < *kept && !overlap(&list[i].dot, &list[k].dot))
            k++;
        if (k == *kept)
            list[(*kept)++] = list[i];
    }
}

static enum status rank_dots(const struct dots *dots, const struct blob_options *o,
                             struct scored **out, size_t *kept, struct error *err)
{
    enum status status = memory_new(dots->count, sizeof **out, "dots", (void **)out, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < dots->count; i++)
        (*out)[i] = (struct scored){dots->list[i], score_of(&dots->list[i])};
    choose(*out, dots->count, o, kept);
    return STATUS_OK;
}

/* --- candidates --- */

static enum status candidate_of(const struct scored *s, const struct geometry *g,
                                const float *hu, struct candidate *out, struct error *err)
{
    double voxel_mm3 = g->spacing[0] * g->spacing[1] * g->spacing[2];
    double diameter = diameter_of_scale(s->dot.sigma);
    *out = (struct candidate){
        .probability = s->score, .malignancy = NAN, .diameter_mm = diameter};
    for (int k = 0; k < 3; k++)
        out->index[k] = s->dot.at[k] / g->spacing[2 - k];
    geometry_to_mm(g, out->index, out->xyz);
    enum status status = blob_region_count(g, hu, s->dot.at, diameter, &out->voxels, err);
    if (status == STATUS_OK && out->voxels > 0)
        out->diameter_mm = cbrt(6 * (double)out->voxels * voxel_mm3 / M_PI);
    return status;
}

enum status blob_find(const struct geometry *g, const float *hu, const uint8_t *lung,
                      const struct blob_options *o, blob_poll *poll, void *context,
                      struct candidate **out, size_t *count, struct error *err)
{
    const struct grid_options sampling = {.step = step_mm,
                                          .margin = margin_mm,
                                          .reach = reach_mm,
                                          .highest = tissue_hu,
                                          .threads = o->threads};
    enum status status;
    struct grid grid = {0};
    struct dots dots = {0};
    struct scored *best = NULL;
    struct candidate *candidates = NULL;
    size_t kept = 0;

    CHECK(o->threads > 0 && o->min_mm > 0);
    TRY(grid_init(&grid, g, hu, lung, &sampling, err));
    if (grid.values)
        TRY(find_dots(&grid, o, poll, context, &dots, err));
    grid_release(&grid);
    TRY(rank_dots(&dots, o, &best, &kept, err));
    TRY(memory_new(kept, sizeof *candidates, "candidates", (void **)&candidates, err));
    for (size_t i = 0; i < kept; i++)
        TRY(candidate_of(&best[i], g, hu, &candidates[i], err));
    *out = candidates;
    *count = kept;
    candidates = NULL;
out:
    grid_release(&grid);
    dots_release(&dots);
    free(best);
    free(candidates);
    return status;
}
