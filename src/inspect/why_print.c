/* The way of a point through the stages, for people. */
#include <math.h>

#include "inspect/why.h"

static void print_point(const struct why *w, FILE *out)
{
    const int64_t *size = w->geometry.size;
    fprintf(out, "scan         %s\n", w->seriesuid);
    if (w->reason)
        return;
    fprintf(
        out,
        "point        %.2f, %.2f, %.2f mm = voxel %.1f, %.1f, %.1f (slice, row, column) "
        "of %lld x %lld x %lld%s\n",
        w->xyz[0], w->xyz[1], w->xyz[2], w->index[0], w->index[1], w->index[2],
        (long long)size[0], (long long)size[1], (long long)size[2],
        w->inside ? "" : ": OUTSIDE the volume");
    if (w->nodule_mm >= 0)
        fprintf(out, "annotated    nodule of %.1f mm%s, centre %.1f mm away\n",
                w->nodule_mm,
                w->nodule_malignant < 0 ? ""
                : w->nodule_malignant   ? ", malignant"
                                        : ", benign",
                w->nodule_distance_mm);
}

static void print_mask(const char *name, const char *what, const struct why_mask *m,
                       FILE *out)
{
    fprintf(out, "%-12s %s: %s here, %lld voxels within %g mm", name, what,
            m->here ? "yes" : "no", (long long)m->near, WHY_RADIUS_MM);
    if (m->near && !m->here)
        fprintf(out, ", the nearest %.1f mm away", m->nearest_mm);
    fputc('\n', out);
}

static void print_search(const struct why *w, FILE *out)
{
    if (!w->has_search) {
        fprintf(out, "search       %s\n", w->search_note);
        return;
    }
    print_mask("lung", "in the mask", &w->lung, out);
    if (w->blob.found)
        fprintf(out, "blob         %.1f mm away, %.1f mm across, score %.4f\n",
                w->blob.distance_mm, w->blob.diameter_mm, w->blob.score);
    else
        fprintf(out, "blob         none within reach\n");
}

static void print_heatmap(const struct why *w, FILE *out)
{
    fprintf(out, "heatmap      ");
    if (!w->has_heatmap) {
        fprintf(out, "%s\n", w->heatmap_note);
        return;
    }
    fprintf(out,
            "%.4f here; highest within %g mm: %.4f, %.1f mm away at voxel %lld, %lld, "
            "%lld%s\n",
            w->heat_here, WHY_RADIUS_MM, w->heat_highest, w->heat_highest_mm,
            (long long)w->heat_voxel[0], (long long)w->heat_voxel[1],
            (long long)w->heat_voxel[2], w->heatmap_is_stored ? "" : " (computed again)");
}

/* The mask was made from the heatmap; where rounding cannot explain a difference, the
 * weights are not those of the run. */
static bool contradicts_mask(const struct why *w)
{
    static const double rounding = 1e-3;
    return w->has_heatmap && w->has_mask &&
           fabs(w->heat_here - w->heat_threshold) > rounding &&
           (w->heat_here > w->heat_threshold) != w->mask.here;
}

static void print_masks(const struct why *w, FILE *out)
{
    char what[64];
    if (!w->has_mask)
        return;
    snprintf(what, sizeof what, "above %g", w->heat_threshold);
    print_mask("threshold", what, &w->mask, out);
    if (contradicts_mask(w))
        fprintf(out, "             which is not what the heatmap says: the weights are "
                     "not those of "
                     "the run\n");
    snprintf(what, sizeof what, "left by erosion \"%s\"", w->erosion);
    print_mask("erosion", what, &w->eroded, out);
    if (w->component_voxels == 0)
        return;
    fprintf(out, "component    %lld voxels, centre %.1f mm away",
            (long long)w->component_voxels, w->component_mm);
    if (w->component_voxels < w->min_voxels)
        fprintf(out, ", fewer than group.min_voxels = %lld", (long long)w->min_voxels);
    fputc('\n', out);
}

static void print_match(const char *name, const struct why *w, const struct why_match *m,
                        FILE *out)
{
    const struct run_store_candidate *c = &m->candidate;
    fprintf(out, "%-12s %lld of %lld of the scan, %.1f mm away", name,
            (long long)m->rank + 1, (long long)w->candidate_count, m->distance_mm);
    if (c->voxels > 0)
        fprintf(out, ", %lld voxels, %.1f mm across", (long long)c->voxels,
                c->diameter_mm);
    fprintf(out, ", probability %.4f", (double)c->probability);
    if (!isnan(c->disagreement))
        fprintf(out, " (models disagree by %.4f)", (double)c->disagreement);
    if (!isnan(c->malignancy))
        fprintf(out, ", malignancy %.4f", (double)c->malignancy);
    if (!isnan(c->malignancy_disagreement))
        fprintf(out, " (models disagree by %.4f)", (double)c->malignancy_disagreement);
    fputc('\n', out);
}

static void print_candidates(const struct why *w, FILE *out)
{
    if (w->nearest.rank < 0) {
        fprintf(out, "candidate    none in the scan\n");
        return;
    }
    if (w->best.rank >= 0)
        print_match("candidate", w, &w->best, out);
    else
        fprintf(out, "candidate    none of %lld within reach\n",
                (long long)w->candidate_count);
    if (w->in_reach > 1)
        fprintf(out, "             the most probable of %lld within reach\n",
                (long long)w->in_reach);
    if (w->own.rank >= 0 && w->own.rank != w->best.rank)
        print_match("component's", w, &w->own, out);
    if (w->nearest.rank != w->best.rank && w->nearest.rank != w->own.rank)
        print_match("nearest", w, &w->nearest, out);
}

static void print_verdict(const struct why *w, FILE *out)
{
    const struct run_store_candidate *c = &w->best.candidate;
    switch (w->verdict) {
    case WHY_QUARANTINED:
        fprintf(out, "lost in: quarantine (%s)\n", w->reason);
        return;
    case WHY_OUTSIDE:
        fprintf(out, "lost in: nothing, the point lies outside the volume\n");
        return;
    case WHY_SEGMENT:
        fprintf(out,
                "lost in: segmentation (nothing near it is above segment.threshold %g)\n",
                w->heat_threshold);
        return;
    case WHY_EROSION:
        fprintf(out, "lost in: erosion (group.erosion \"%s\" leaves nothing of it)\n",
                w->erosion);
        return;
    case WHY_GROUP:
        fprintf(out, "lost in: grouping (%s)\n",
                w->component_voxels < w->min_voxels
                    ? "its component is smaller than group.min_voxels"
                    : "its component has its centre out of reach");
        return;
    case WHY_NOT_LISTED:
        fprintf(out, "lost in: the list of candidates (none within reach)\n");
        return;
    case WHY_LUNG:
        fprintf(out, "lost in: the lung mask (no lung within %g mm)\n", WHY_RADIUS_MM);
        return;
    case WHY_BLOB:
        fprintf(out, "lost in: the search for blobs (none within reach%s)\n",
                w->has_search ? " that does not overlap with a better one" : "");
        return;
    case WHY_SCORE:
        if (w->blob.score < w->blob_min_score)
            fprintf(out, "lost in: scoring (%.4f is below blob.min_score %g)\n",
                    w->blob.score, w->blob_min_score);
        else
            fprintf(out,
                    "lost in: scoring (not among the best blob.max_candidates = %lld)\n",
                    (long long)w->blob_max_candidates);
        return;
    case WHY_CLASSIFY:
        fprintf(
            out,
            "lost in: classification (probability %.4f below classify.threshold %g)\n",
            (double)c->probability, w->classify_threshold);
        return;
    case WHY_FOUND:
        fprintf(out, "found: probability %.4f, number %lld of %lld in the scan",
                (double)c->probability, (long long)w->best.rank + 1,
                (long long)w->candidate_count);
        if (!isnan(c->malignancy))
            fprintf(out, "; called %s",
                    c->malignancy >= (float)w->malignancy_threshold ? "malignant"
                                                                    : "benign");
        fputc('\n', out);
        return;
    }
}

void why_print(const struct why *w, FILE *out)
{
    print_point(w, out);
    if (!w->reason && w->inside) {
        if (w->uses_blobs)
            print_search(w, out);
        else
            print_heatmap(w, out);
        print_masks(w, out);
        print_candidates(w, out);
    }
    print_verdict(w, out);
}
