#include "inspect/why.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "ct/lists.h"
#include "inspect/why_internal.h"
#include "run/stage_setup.h"

static double distance_mm(const double a[3], const double b[3])
{
    double sum = 0;
    for (int k = 0; k < 3; k++)
        sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sqrt(sum);
}

/* The box is that of the ball in index space when D is orthonormal; one voxel more on
 * each side covers a D that is not quite. */
enum status why_around(const struct why *w, why_visit *visit, void *context,
                       struct error *err)
{
    const struct geometry *g = &w->geometry;
    int64_t low[3], high[3], v[3];
    for (int k = 0; k < 3; k++) {
        double reach = WHY_RADIUS_MM / g->spacing[2 - k] + 1, size = (double)g->size[k];
        low[k] = (int64_t)fmin(fmax(ceil(w->index[k] - reach), 0), size);
        high[k] = (int64_t)fmin(fmax(floor(w->index[k] + reach), -1), size - 1);
    }
    for (v[0] = low[0]; v[0] <= high[0]; v[0]++)
        for (v[1] = low[1]; v[1] <= high[1]; v[1]++)
            for (v[2] = low[2]; v[2] <= high[2]; v[2]++) {
                const double index[3] = {(double)v[0], (double)v[1], (double)v[2]};
                double xyz[3];
                geometry_to_mm(g, index, xyz);
                double distance = distance_mm(xyz, w->xyz);
                if (distance > WHY_RADIUS_MM && memcmp(v, w->voxel, sizeof v))
                    continue;
                enum status status = visit(context, v, distance, err);
                if (status != STATUS_OK)
                    return status;
            }
    return STATUS_OK;
}

/* --- the scan --- */

/* Whether somebody who typed `given` may have meant `name`. */
static bool is_similar(const char *given, const char *name)
{
    enum { ALIKE = 12 };
    size_t same = 0;
    if (given[0] && strstr(name, given))
        return true;
    while (given[same] && given[same] == name[same])
        same++;
    return same >= ALIKE && strlen(given) - same <= 4;
}

static enum status refuse_unknown(const char *folder, struct run_reader *run,
                                  const char *seriesuid, struct error *err)
{
    enum { NAMED = 3 };
    char names[600] = "";
    size_t length = 0;
    int64_t count = run_reader_scan_count(run), similar = 0;
    for (int64_t i = 0; i < count; i++) {
        struct run_store_scan scan;
        enum status status = run_reader_scan(run, i, &scan, err);
        if (status != STATUS_OK)
            return status;
        if (is_similar(seriesuid, scan.seriesuid) && similar++ < NAMED &&
            length < sizeof names)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                       length ? ", " : "; similar: ", scan.seriesuid);
    }
    return error_set(err, STATUS_JOB_FAILED,
                     "%s: no scan '%s' among the %lld of this run%s%s", folder, seriesuid,
                     (long long)count, names, similar > NAMED ? ", ..." : "");
}

static enum status open_run(struct why_sources *s, const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    char *job = NULL, *store = NULL;
    TRY(path_join(folder, "job.cfg", &job, err));
    TRY(path_join(folder, "run.h5", &store, err));
    if (!file_exists(job)) {
        status = error_set(err, STATUS_JOB_FAILED,
                           "%s: no run directory: there is no job.cfg in it", folder);
        goto out;
    }
    if (!file_exists(store)) {
        status = error_set(
            err, STATUS_JOB_FAILED,
            "%s: the run has no run.h5 yet: it is written when all scans are done "
            "(pulmo status says how far it is)",
            folder);
        goto out;
    }
    struct settings_sources sources = {.job = job};
    TRY(settings_init(&s->settings, &sources, err));
    TRY(run_reader_open(store, &s->run, err));
out:
    free(job);
    free(store);
    return status;
}

static enum status find_scan(struct why *w, struct why_sources *s, const char *folder,
                             const char *seriesuid, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t i = run_reader_find(s->run, seriesuid);
    if (i < 0)
        return refuse_unknown(folder, s->run, seriesuid, err);
    TRY(run_reader_scan(s->run, i, &s->scan, err));
    TRY(text_new(s->scan.seriesuid, &w->seriesuid, err));
    if (strcmp(s->scan.status, "done"))
        return text_new(s->scan.reason, &w->reason, err);
    memcpy(w->geometry.size, s->scan.size, sizeof w->geometry.size);
    memcpy(w->geometry.spacing, s->scan.spacing, sizeof w->geometry.spacing);
    memcpy(w->geometry.origin, s->scan.origin, sizeof w->geometry.origin);
    memcpy(w->geometry.direction, s->scan.direction, sizeof w->geometry.direction);
    status = geometry_check(&w->geometry, err);
    if (status != STATUS_OK)
        error_prefix(err, "%s: scan %s", folder, w->seriesuid);
out:
    return status;
}

/* --- the truth, when there is a list of it --- */

static void take_nearest_nodule(struct why *w, const struct nodule_list *l)
{
    size_t first, count;
    nodule_list_find(l, w->seriesuid, &first, &count);
    for (size_t i = first; i < first + count; i++) {
        const struct nodule *n = &l->rows[i];
        double distance = distance_mm(n->xyz, w->xyz);
        if (distance > fmax(WHY_RADIUS_MM, n->diameter_mm / 2) ||
            (w->nodule_mm >= 0 && distance >= w->nodule_distance_mm))
            continue;
        w->nodule_mm = n->diameter_mm;
        w->nodule_distance_mm = distance;
        w->nodule_malignant = n->malignant;
    }
}

/* The list with malignancies says more; one that is gone or wrong is no reason not to
 * answer. */
static void find_nodule(struct why *w, const struct settings *s)
{
    const char *const paths[] = {s->dataset.malignancy, s->dataset.annotations};
    w->nodule_mm = -1;
    w->nodule_malignant = -1;
    for (int i = 0; i < 2 && w->nodule_mm < 0; i++) {
        struct nodule_list l = {0};
        struct error ignored;
        if (paths[i][0] && nodule_list_init(&l, paths[i], &ignored) == STATUS_OK)
            take_nearest_nodule(w, &l);
        nodule_list_release(&l);
    }
}

/* --- candidates --- */

/* Whether a candidate is what the component at the point became, rather than `than`: it
 * has as many voxels, and its weighted centre is nearer to that of the voxels. */
static bool is_own(const struct why *w, const struct run_store_candidate *c,
                   const struct why_match *than)
{
    if (w->component_voxels == 0 || c->voxels != w->component_voxels)
        return false;
    return than->rank < 0 || distance_mm(c->xyz, w->component_centre) <
                                 distance_mm(than->candidate.xyz, w->component_centre);
}

/* The list is sorted: the first within reach is the most probable. */
static enum status find_candidates(struct why *w, const struct why_sources *s,
                                   struct error *err)
{
    struct run_store_candidate *list;
    enum status status = run_reader_candidates(s->run, &s->scan, &list, err);
    if (status != STATUS_OK)
        return status;
    w->candidate_count = s->scan.candidate_count;
    for (int64_t i = 0; i < w->candidate_count; i++) {
        struct why_match match = {i, distance_mm(list[i].xyz, w->xyz), list[i]};
        double diameter = w->nodule_mm >= 0 ? w->nodule_mm : list[i].diameter_mm;
        if (w->nearest.rank < 0 || match.distance_mm < w->nearest.distance_mm)
            w->nearest = match;
        if (is_own(w, &list[i], &w->own))
            w->own = match;
        if (match.distance_mm < fmax(WHY_RADIUS_MM, WHY_DIAMETER_SHARE * diameter) &&
            w->in_reach++ == 0)
            w->best = match;
    }
    free(list);
    return STATUS_OK;
}

static enum why_verdict judge_blob(const struct why *w)
{
    if (w->has_search && w->lung.near == 0)
        return WHY_LUNG;
    return w->blob.found ? WHY_SCORE : WHY_BLOB;
}

static enum why_verdict judge(const struct why *w)
{
    if (w->reason)
        return WHY_QUARANTINED;
    if (!w->inside)
        return WHY_OUTSIDE;
    if (w->best.rank >= 0)
        return w->best.candidate.probability >= (float)w->classify_threshold
                   ? WHY_FOUND
                   : WHY_CLASSIFY;
    if (w->uses_blobs)
        return judge_blob(w);
    if (!w->has_mask)
        return WHY_NOT_LISTED;
    if (w->mask.near == 0)
        return WHY_SEGMENT;
    return w->eroded.near == 0 ? WHY_EROSION : WHY_GROUP;
}

static enum status follow(struct why *w, const struct why_sources *s, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(why_heatmap(w, s, err));
    TRY(why_mask(w, s, err));
    TRY(find_candidates(w, s, err));
    if (stage_uses_blobs(&s->settings))
        TRY(why_blob(w, s, err));
out:
    return status;
}

enum status why_init(struct why *w, const char *folder, const char *seriesuid,
                     const double xyz[3], struct error *err)
{
    enum status status = STATUS_OK;
    struct why_sources s = {0};
    *w = (struct why){.best.rank = -1, .nearest.rank = -1, .own.rank = -1};
    memcpy(w->xyz, xyz, sizeof w->xyz);
    TRY(open_run(&s, folder, err));
    w->classify_threshold = s.settings.classify.threshold;
    w->uses_blobs = stage_uses_blobs(&s.settings);
    w->malignancy_threshold = s.settings.malignancy.threshold;
    TRY(find_scan(w, &s, folder, seriesuid, err));
    find_nodule(w, &s.settings);
    if (!w->reason)
        w->inside = geometry_find_voxel(&w->geometry, w->xyz, w->index, w->voxel);
    if (w->inside)
        TRY(follow(w, &s, err));
    w->verdict = judge(w);
out:
    if (s.run)
        run_reader_close(s.run);
    settings_release(&s.settings);
    return status;
}

void why_release(struct why *w)
{
    free(w->reason);
    free(w->seriesuid);
    *w = (struct why){0};
}
