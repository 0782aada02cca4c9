#include "run/night_canaries.h"

#include <errno.h>
#include <math.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "ct/lists.h"
#include "io/csv.h"
#include "io/run_reader.h"
#include "phantom/implant_copy.h"
#include "phantom/truth.h"
#include "score/match.h"

enum { IMPLANTS = 5, NEGATIVES = 20, SPARES = 3, LIST_LIMIT = 64 << 20 };
static const double IMPLANT_MM[2] = {6, 20}, EVERY_SCAN = 1e9;

/* ---- making them ---- */

enum status night_canaries_choose(struct night *n, const struct dataset *d,
                                  const struct ledger *l, struct error *err)
{
    enum status status = STATUS_OK;
    const size_t wanted = (size_t)n->settings->nightly.canaries * SPARES;
    size_t done = 0, seen = 0;
    for (size_t i = 0; i < d->count; i++)
        done += !ledger_is_quarantined(l, (int64_t)i);
    const size_t take = done < wanted ? done : wanted;
    TRY(memory_new(take, sizeof *n->sources, "canaries", (void **)&n->sources, err));
    for (size_t i = 0; i < d->count && n->source_count < take; i++) {
        if (ledger_is_quarantined(l, (int64_t)i))
            continue;
        if (seen++ != n->source_count * done / take)
            continue;
        struct night_source *s = &n->sources[n->source_count++];
        TRY(text_new(d->scans[i].seriesuid, &s->seriesuid, err));
        TRY(text_new(d->scans[i].path, &s->path, err));
    }
out:
    return status;
}

static enum status count_row(void *context, const struct csv_row *row, struct error *err)
{
    (void)err;
    *(size_t *)context += !strcmp(row->fields[0], "finding");
    return STATUS_OK;
}

/* A copy that nothing could be implanted in is no canary: STATUS_ITEM_LIMIT. */
static enum status hold_implants(const char *truth, const char *volume, struct error *err)
{
    static const struct csv_column column = {"row", false};
    static const char *const endings[] = {".mhd", ".raw", ".zraw"};
    size_t count = 0;
    const enum status status = csv_read(truth, &column, 1, count_row, &count, err);
    if (status != STATUS_OK || count > 0)
        return status;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *file;
        const int stem = (int)(strlen(volume) - strlen(endings[0]));
        if (asprintf(&file, "%.*s%s", stem, volume, endings[i]) < 0)
            return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", volume);
        remove(file);
        free(file);
    }
    remove(truth);
    return error_set(err, STATUS_ITEM_LIMIT, "nothing could be implanted in its lungs");
}

/* One copy, as folder/subset0/canary.SERIESUID.mhd. */
static enum status make_copy(const struct night *n, const char *folder,
                             const struct night_source *s, const char *name,
                             struct error *err)
{
    enum status status = STATUS_OK;
    char *truth = NULL, *volume = NULL;
    int64_t voxels;
    if (asprintf(&truth, "%s/" TRUTH_FOLDER "/%s.csv", folder, name) < 0 ||
        asprintf(&volume, "%s/subset0/%s.mhd", folder, name) < 0)
        TRY(error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", folder));
    const struct synthesis_paths paths = {.volume = volume};
    const struct implant_copy copy = {.seriesuid = name,
                                      .source = s->path,
                                      .seed = (uint64_t)n->settings->seed,
                                      .count = IMPLANTS,
                                      .diameter_mm = {IMPLANT_MM[0], IMPLANT_MM[1]},
                                      .negatives = NEGATIVES};
    TRY(implant_copy_write(&copy, truth, &paths, &voxels, err));
    status = hold_implants(truth, volume, err);
out:
    free(truth);
    free(volume);
    return status;
}

/* Takes a source into the tree; one that will not do is passed over. */
static enum status try_source(const struct night *n, const char *folder,
                              const struct night_source *s, char **names, size_t *count,
                              struct error *err)
{
    char *name;
    if (asprintf(&name, "canary.%s", s->seriesuid) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", folder);
    const enum status status = make_copy(n, folder, s, name, err);
    if (status == STATUS_OK) {
        names[(*count)++] = name;
        return STATUS_OK;
    }
    free(name);
    if (!status_is_item(status))
        return status;
    log_warning("no canary is made of scan %s: %s", s->seriesuid, err->message);
    return STATUS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The whole tree beside its name. Every SPARES-th source is meant; the others stand in
 * for those that will not do. */
static enum status make_tree(const struct night *n, const char *part, size_t *made,
                             struct error *err)
{
    enum status status = STATUS_OK;
    const size_t wanted = (size_t)n->settings->nightly.canaries;
    char *subset = NULL, *truth = NULL, **names = NULL;
    *made = 0;
    TRY(folder_remove(part, err));
    TRY(path_join(part, "subset0", &subset, err));
    TRY(path_join(part, TRUTH_FOLDER, &truth, err));
    TRY(folder_make(subset, err));
    TRY(folder_make(truth, err));
    TRY(memory_new(wanted, sizeof *names, "canaries", (void **)&names, err));
    for (size_t start = 0; start < SPARES; start++)
        for (size_t i = start; i < n->source_count && *made < wanted; i += SPARES)
            TRY(try_source(n, part, &n->sources[i], names, made, err));
    qsort(names, *made, sizeof *names, by_name);
    status = truth_lists(part, (const char *const *)names, *made, err);
out:
    for (size_t i = 0; names && i < *made; i++)
        free(names[i]);
    free(names);
    free(subset);
    free(truth);
    return status;
}

/* *out = a file of canaries/, to be freed. */
static enum status canary_file(const struct night_folder *f, const char *name, char **out,
                               struct error *err)
{
    return path_join(f->canaries, name, out, err);
}

enum status night_canaries_make(struct night *n, bool *there, struct error *err)
{
    enum status status = STATUS_OK;
    char *tree = NULL, *part = NULL, *run = NULL;
    size_t made = 0;
    *there = false;
    if (n->settings->nightly.canaries == 0)
        return STATUS_OK;
    TRY(canary_file(&n->folder, "tree", &tree, err));
    TRY(canary_file(&n->folder, "tree.part", &part, err));
    TRY(canary_file(&n->folder, "run", &run, err));
    if (!file_exists(tree)) {
        TRY(make_tree(n, part, &made, err));
        if (made == 0) {
            log_warning("no canaries: nothing could be implanted in any scan");
            status = folder_remove(part, err);
            goto out;
        }
        if (rename(part, tree))
            TRY(error_set(err, STATUS_STAGE_IO, "%s: %s", tree, strerror(errno)));
        file_sync_name(tree);
        log_info("%s: %zu canaries made, %d nodules each", tree, made, IMPLANTS);
    }
    *there = true;
    status = folder_remove(run, err);
out:
    free(tree);
    free(part);
    free(run);
    return status;
}

/* ---- looking for them ---- */

enum status night_canaries_settings(const struct settings *s,
                                    const struct night_folder *f, struct settings *out,
                                    char *texts[NIGHT_CANARY_TEXTS], struct error *err)
{
    enum status status = STATUS_OK;
    static char none[] = "";
    *out = *s;
    TRY(canary_file(f, "tree", &texts[0], err));
    TRY(canary_file(f, "run", &texts[1], err));
    TRY(path_join(texts[0], "candidates_V2.csv", &texts[2], err));
    out->stages.score = false;
    out->dataset.root = texts[0];
    out->output = texts[1];
    out->dataset.candidates = texts[2];
    out->dataset.annotations = out->dataset.excluded = none;
    out->dataset.seriesuids = out->dataset.malignancy = none;
    for (int i = 0; i < SETTINGS_SUBSETS; i++)
        out->dataset.subsets[i] = true;
    out->limits.quarantine = EVERY_SCAN; /* judged by night_canaries_judge */
out:
    return status;
}

/* ---- judging ---- */

/* How many implants of a scan have a candidate that counts as a nodule. */
static size_t count_found(const struct nodule *implants, size_t count,
                          const struct run_store_candidate *candidates,
                          size_t candidate_count, double threshold)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        bool hit = false;
        for (size_t k = 0; k < candidate_count && !hit; k++)
            hit = (double)candidates[k].probability >= threshold &&
                  match_lies_in(candidates[k].xyz, &implants[i]);
        found += hit;
    }
    return found;
}

static enum status judge_scan(const struct night *n, struct run_reader *r, int64_t i,
                              const struct nodule_list *implants,
                              struct night_canary_result *out, struct error *err)
{
    struct run_store_scan row;
    struct run_store_candidate *candidates = NULL;
    size_t first, count;
    enum status status = run_reader_scan(r, i, &row, err);
    if (status != STATUS_OK)
        return status;
    nodule_list_find(implants, row.seriesuid, &first, &count);
    out->scans++;
    if (strcmp(row.status, "done") != 0) {
        out->quarantined++;
        return STATUS_OK;
    }
    status = run_reader_candidates(r, &row, &candidates, err);
    if (status == STATUS_OK)
        out->found +=
            count_found(implants->rows + first, count, candidates,
                        (size_t)row.candidate_count, n->settings->classify.threshold);
    free(candidates);
    return status;
}

static enum status judge_run(const struct night *n, struct night_canary_result *out,
                             struct error *err)
{
    enum status status = STATUS_OK;
    char *list = NULL, *store = NULL;
    struct nodule_list implants = {0};
    struct run_reader *r = NULL;
    TRY(canary_file(&n->folder, "tree/annotations.csv", &list, err));
    TRY(canary_file(&n->folder, "run/run.h5", &store, err));
    TRY(nodule_list_init(&implants, list, err));
    TRY(run_reader_open(store, &r, err));
    for (int64_t i = 0; i < run_reader_scan_count(r); i++)
        TRY(judge_scan(n, r, i, &implants, out, err));
    out->implants = implants.row_count;
    if (out->implants > 0)
        out->sensitivity = (double)out->found / (double)out->implants;
out:
    run_reader_close(r);
    nodule_list_release(&implants);
    free(list);
    free(store);
    return status;
}

enum status night_canaries_judge(const struct night *n, int exit_code,
                                 struct night_canary_result *out, struct error *err)
{
    enum status status = STATUS_OK;
    const double bound = n->settings->nightly.canary_bound;
    *out = (struct night_canary_result){.sensitivity = NAN};
    if (exit_code == 0 || exit_code == 3)
        status = judge_run(n, out, err);
    else
        error_set(err, STATUS_JOB_FAILED, "their run ended with %d", exit_code);
    if (exit_code != 0 && exit_code != 3)
        status = STATUS_JOB_FAILED;
    if (status == STATUS_STAGE_MEMORY)
        return status;
    out->alarm = status != STATUS_OK || !(out->sensitivity >= bound);
    if (status != STATUS_OK)
        log_error("ALARM: the canaries could not be looked for: %s", err->message);
    else if (out->alarm)
        log_error("ALARM: of the canaries' implanted nodules %zu of %zu are found "
                  "(sensitivity %.3f at probability %g), nightly.canary_bound is %g%s",
                  out->found, out->implants, out->sensitivity,
                  n->settings->classify.threshold, bound,
                  out->quarantined ? "; some canaries could not be read" : "");
    else
        log_info("canaries: %zu of %zu implanted nodules found, sensitivity %.3f",
                 out->found, out->implants, out->sensitivity);
    return STATUS_OK;
}

/* ---- the list ---- */

static void write_row(const struct night *n, const char *night,
                      const struct night_canary_result *r, FILE *out)
{
    char models[HASH_HEX_BYTES] = "", sensitivity[32] = "";
    if (n->identity)
        hash_hex(hash128(n->identity, strlen(n->identity)), models);
    if (!isnan(r->sensitivity))
        snprintf(sensitivity, sizeof sensitivity, "%.6f", r->sensitivity);
    fprintf(out, "%s,%zu,%zu,%zu,%zu,%s,%g,%s,%s\n", night, r->scans, r->quarantined,
            r->implants, r->found, sensitivity, n->settings->nightly.canary_bound,
            r->alarm ? "alarm" : "ok", models);
}

enum status night_canaries_note(const struct night *n, const char *night,
                                const struct night_canary_result *r, struct error *err)
{
    static const char header[] = "night,scans,quarantined,implants,found,sensitivity,"
                                 "bound,verdict,models\n";
    enum status status = STATUS_OK;
    char *path = NULL, *old = NULL, *text = NULL;
    size_t bytes = 0, length = 0;
    TRY(path_join(n->folder.path, "canaries.csv", &path, err));
    if (file_exists(path))
        TRY(file_read(path, LIST_LIMIT, &old, &bytes, err));
    FILE *out = open_memstream(&text, &length);
    if (!out)
        TRY(error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path));
    fputs(bytes > 0 ? old : header, out);
    write_row(n, night, r, out);
    if (fclose(out))
        TRY(error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path));
    status = file_write(path, text, length, err);
out:
    free(path);
    free(old);
    free(text);
    return status;
}
