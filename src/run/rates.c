/*
 * The whole of a measurement, and the tasks of detection. Each scan goes through the
 * tasks that a worker would be given; what a task finds ready because of an earlier one
 * (voxels, a workspace) is made ready before it is timed, and timed by itself.
 */
#include "run/rates.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/permutation.h"
#include "run/rates_company.h"
#include "run/rates_internal.h"
#include "run/record.h"
#include "run/stage_setup.h"

double rates_core_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum status never_stop(void *context)
{
    (void)context;
    return STATUS_OK;
}

bool rates_can_detect(const struct settings *s)
{
    const bool segments = !stage_uses_network(s) || s->segment.weights[0],
               classifies = stage_uses_blobs(s) || s->classify.weights[0];
    return s->stages.detect && (!s->stages.train || (segments && classifies));
}

enum status rates_timed(struct measurement *m, const struct sample *p, struct order *o,
                        void **payload, size_t *bytes, double *seconds, struct error *err)
{
    const char *stage;
    o->seriesuid = p->scan->seriesuid;
    o->path = p->scan->path;
    o->subset = p->scan->subset;
    const double start = rates_core_seconds();
    const enum status status = detector_do(m->detector, o, payload, bytes, &stage, err);
    *seconds = rates_core_seconds() - start;
    if (status != STATUS_OK)
        error_prefix(err, "measuring %s", stage);
    return status;
}

/* The voxels alone, by a reader as workers have. */
static enum status measure_load(struct measurement *m, struct sample *p,
                                struct error *err)
{
    enum { PIECE = 16 };
    enum status status;
    const double start = rates_core_seconds();
    TRY(scan_reader_open(m->reader, p->scan->path, err));
    p->geometry = *scan_reader_geometry(m->reader);
    for (int64_t z = 0; z < p->geometry.size[0]; z += PIECE) {
        const int64_t left = p->geometry.size[0] - z;
        struct slices window;
        TRY(scan_reader_slices(m->reader, z, left < PIECE ? left : PIECE, &window, err));
    }
    m->sums.load += rates_core_seconds() - start;
    m->sums.voxels += geometry_voxels(&p->geometry);
out:
    return status;
}

static enum status measure_open(struct measurement *m, const struct sample *p,
                                enum task_kind kind, double *sum, struct error *err)
{
    struct order o = {.task = {.kind = kind}};
    void *payload = NULL;
    size_t bytes;
    double seconds = 0;
    const enum status status = rates_timed(m, p, &o, &payload, &bytes, &seconds, err);
    *sum += seconds;
    free(payload);
    return status;
}

/* --- grouping, classification --- */

static enum status measure_group(struct measurement *m, struct sample *p,
                                 struct candidate **candidates, size_t *count,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    struct order o = {.task = {.kind = TASK_GROUP}};
    void *masks = NULL, *found = NULL;
    size_t bytes;
    double seconds;
    if (p->runs > 0) {
        TRY(rates_join_masks(p, &masks, &o.bytes, err));
        o.payload = masks;
        TRY(rates_timed(m, p, &o, &found, &bytes, &seconds,
                        err)); /* makes all voxels ready */
        free(found);
        found = NULL;
    }
    TRY(rates_timed(m, p, &o, &found, &bytes, &seconds, err));
    if (stage_uses_blobs(m->settings)) {
        const double load =
            m->sums.load / (double)m->sums.voxels * (double)geometry_voxels(&p->geometry);
        m->sums.search += fmax(seconds - load, 0);
    } else {
        m->sums.group += seconds;
    }
    *candidates = found;
    *count = bytes / sizeof **candidates;
    const int64_t voxels = geometry_voxels(&p->geometry);
    m->sums.candidates +=
        (double)*count * (p->runs ? (double)voxels / (double)p->segmented : 1);
    found = NULL;
out:
    free(masks);
    free(found);
    return status;
}

/* Some batches of what was found; where nothing was, of the middle of the volume. */
static enum status measure_classify(struct measurement *m, const struct sample *p,
                                    const struct candidate *found, size_t count,
                                    struct error *err)
{
    enum { BATCHES = 6 };
    enum status status = STATUS_OK;
    struct candidate middle = {.probability = NAN, .malignancy = NAN};
    double seconds;
    for (int k = 0; k < 3; k++)
        middle.index[k] = (double)p->geometry.size[k] / 2;
    if (count == 0) {
        found = &middle;
        count = 1;
    }
    for (int i = -1; i < BATCHES; i++) {
        const size_t first = (size_t)(i < 0 ? 0 : i) * BATCH_CANDIDATES;
        if (first >= count || (i > 0 && rates_core_seconds() > m->until + 1))
            break;
        const size_t n =
            count - first < BATCH_CANDIDATES ? count - first : (size_t)BATCH_CANDIDATES;
        struct order o = {.task = {TASK_CLASSIFY, 0, i},
                          .payload = found + first,
                          .bytes = n * sizeof *found};
        void *judged = NULL;
        size_t bytes;
        status = rates_timed(m, p, &o, &judged, &bytes, &seconds, err);
        free(judged);
        TRY(status);
        if (i < 0)
            continue;
        m->sums.classify += seconds;
        m->sums.classified += (int64_t)n;
    }
out:
    return status;
}

/* --- a scan --- */

static enum status measure_scan(struct measurement *m, const struct scan *scan,
                                struct error *err)
{
    enum status status;
    struct sample p = {.scan = scan};
    struct candidate *found = NULL;
    size_t count = 0;
    const struct settings *s = m->settings;
    TRY(measure_load(m, &p, err));
    TRY(rates_sample_init(&p, m, err));
    TRY(measure_open(m, &p, TASK_OPEN, &m->sums.open, err));
    m->sums.bytes += scan->bytes;
    if (s->stages.prepare)
        TRY(measure_open(m, &p, TASK_PREPARE, &m->sums.prepare, err));
    if (!s->stages.detect)
        goto out;
    if (p.runs > 0)
        TRY(rates_measure_segment(m, &p, err));
    TRY(measure_group(m, &p, &found, &count, err));
    if (stage_classifies(s))
        TRY(measure_classify(m, &p, found, count, err));
out:
    rates_sample_release(&p);
    free(found);
    return status;
}

/* --- the scans --- */

static int by_bytes(const void *a, const void *b, void *scans)
{
    const struct scan *all = scans;
    const int64_t x = all[*(const size_t *)a].bytes, y = all[*(const size_t *)b].bytes;
    return x < y ? -1 : x > y;
}

/* order[*count]: the median first, then the others as drawn. */
static enum status choose_scans(const struct rates_options *o, size_t **out,
                                size_t *count, struct error *err)
{
    enum status status = STATUS_OK;
    size_t *sorted = NULL, *order = NULL, n = 0;
    struct permutation drawn;
    TRY(memory_new(o->dataset->count, sizeof *sorted, "scans", (void **)&sorted, err));
    TRY(memory_new(o->dataset->count, sizeof *order, "scans", (void **)&order, err));
    for (size_t i = 0; i < o->dataset->count; i++)
        if (o->usable[i])
            sorted[n++] = i;
    if (n == 0) {
        status = error_set(err, STATUS_JOB_CONFIG, "there is no scan to measure with");
        goto out;
    }
    qsort_r(sorted, n, sizeof *sorted, by_bytes, o->dataset->scans);
    permutation_init(&drawn, n, 1, RANDOM_LOSS, 2);
    order[0] = sorted[n / 2];
    for (size_t i = 0, k = 1; i < n; i++) {
        const size_t place = permutation_at(&drawn, i);
        if (place != n / 2)
            order[k++] = sorted[place];
    }
    *out = order;
    *count = n;
    order = NULL;
out:
    free(sorted);
    free(order);
    return status;
}

static double ratio(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

static void conclude(struct rates *r, const struct measurement *m)
{
    const struct sums *s = &m->sums;
    const double voxels = (double)s->voxels;
    r->open_byte = ratio(s->open, (double)s->bytes);
    r->load_voxel = ratio(s->load, voxels);
    r->prepare_voxel = ratio(s->prepare, voxels);
    r->segment_voxel = ratio(s->segment, (double)s->segmented);
    r->group_voxel = ratio(s->group, voxels);
    r->search_voxel = ratio(s->search, voxels);
    r->classify_candidate = ratio(s->classify, (double)s->classified);
    r->candidates_voxel = ratio(s->candidates, voxels);
    r->mask_bytes_voxel = ratio((double)s->mask_bytes, (double)s->segmented);
}

enum status rates_measure_detection(struct rates *r, const struct settings *s,
                                    const struct rates_options *o, const char *folder,
                                    struct error *err)
{
    enum status status;
    struct settings now = *s; /* its texts are borrowed */
    struct measurement m = {.settings = &now, .until = rates_core_seconds() + o->seconds};
    const struct scan_reader_options reader = {.allow_outside = s->dataset.allow_outside,
                                               .memory_bytes =
                                                   (int64_t)(s->limits.memory_gb * 1e9),
                                               .deadline_s = s->limits.deadline_s,
                                               .poll = never_stop};
    size_t *order = NULL, count = 0;
    now.store.heatmaps = false;
    now.stages.prepare |= s->stages.train;
    now.stages.detect = rates_can_detect(s);
    now.cache.dir = (char *)(uintptr_t)folder;
    now.cache.local = (char *)(uintptr_t) "";
    TRY(choose_scans(o, &order, &count, err));
    TRY(scan_reader_new(&reader, &m.reader, err));
    const double start = rates_core_seconds();
    TRY(detector_new(&now, o->isa, 1, folder, never_stop, NULL, &m.detector, err));
    r->start = rates_core_seconds() - start;
    r->segment_slices = detector_segment_slices(m.detector);
    for (size_t i = 0; i < count && (i == 0 || rates_core_seconds() < m.until); i++) {
        TRY(measure_scan(&m, &o->dataset->scans[order[i]], err));
        r->scans++;
    }
    conclude(r, &m);
    r->start += m.ready;
out:
    detector_free(m.detector);
    scan_reader_free(m.reader);
    free(order);
    return status;
}

/* --- all of it --- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

static void remove_tree(const char *folder)
{
    enum { FOLDERS = 16 };
    nftw(folder, remove_one, FOLDERS, FTW_DEPTH | FTW_PHYS);
}

static enum status measure_stages(struct rates *r, const struct settings *s,
                                  const struct rates_options *o, const char *folder,
                                  struct error *err)
{
    const enum status status = rates_measure_detection(r, s, o, folder, err);
    return status == STATUS_OK && s->stages.train
               ? rates_measure_training(r, s, o, folder, err)
               : status;
}

struct beside {
    const struct settings *settings;
    const struct rates_options *options;
    const char *folder;
};

/* In a process of the company: the same work, into a folder of its own. */
static int work_beside(int index, void *context)
{
    const struct beside *b = context;
    enum status status = STATUS_OK;
    struct rates r = {.scans = 0};
    struct error err;
    char *folder = NULL;
    if (asprintf(&folder, "%s/beside%d", b->folder, index) < 0)
        return 1;
    remove_tree(folder); /* a cached scan is not prepared again */
    if (mkdir(folder, 0700))
        status = STATUS_JOB_FAILED;
    if (status == STATUS_OK)
        status = measure_stages(&r, b->settings, b->options, folder, &err);
    free(folder);
    return status != STATUS_OK;
}

enum status rates_measure(struct rates *r, const struct settings *s,
                          const struct rates_options *o, struct error *err)
{
    const char *place = getenv("TMPDIR");
    enum status status = STATUS_OK;
    struct rates_company company = {.count = 0};
    char *folder = NULL;
    *r = (struct rates){.scans = 0};
    TRY(path_join(place && place[0] ? place : "/tmp", "pulmo-check-XXXXXX", &folder,
                  err));
    if (!mkdtemp(folder)) {
        status = error_set(err, STATUS_JOB_FAILED, "%s: %s", folder, strerror(errno));
        goto out;
    }
    rates_company_start(&company, rates_company_size(o->cores), work_beside,
                        &(struct beside){s, o, folder});
    status = measure_stages(r, s, o, folder, err);
    rates_company_end(&company);
    if (status == STATUS_OK)
        status = rates_measure_master(r, folder, err);
    remove_tree(folder);
out:
    free(folder);
    return status;
}
