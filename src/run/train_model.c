/* Where a network begins, what its weights depend on, and the file it leaves. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "nn/initialise.h"
#include "nn/training_file.h"
#include "run/stage_setup.h"
#include "run/train_internal.h"

/* Raised when the same settings may give other weights than the version before. */
enum { TRAIN_NUMERICS = 8 };

enum status train_stage_model(const struct settings *s, enum train_stage stage,
                              char **out, struct error *err)
{
    char fold[16] = "";
    if (s->train.fold >= 0)
        snprintf(fold, sizeof fold, "-fold%lld", (long long)s->train.fold);
    if (asprintf(out, "%s/models/%s%s.h5", s->output, train_stage_name(stage), fold) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a path");
    return STATUS_OK;
}

/* ---- where it begins ---- */

/* *out = the file of the initial weights, NULL: none; to be freed. */
static enum status find_origin(const struct train_network *n, char **out,
                               struct error *err)
{
    const struct settings *s = n->work->job.settings;
    *out = NULL;
    if (n->recipe.init[0])
        return text_new(n->recipe.init, out, err);
    if (n->stage != TRAIN_MALIGNANCY || n->recipe.depth == 0)
        return STATUS_OK;
    if (s->train.stages[TRAIN_CLASSIFY])
        return train_stage_model(s, TRAIN_CLASSIFY, out, err);
    return text_new(s->classify.weights, out, err);
}

enum status train_check_isolation(const struct train_work *w, const struct tensor_file *f,
                                  const char *path, struct error *err)
{
    const struct train_scans *scans = &w->scans;
    const long long fold = (long long)w->job.settings->train.fold;
    bool said = false;
    for (size_t i = 0; i < scans->count; i++) {
        if (scans->items[i].role != SCAN_TESTS)
            continue;
        const int seen = tensor_file_has_seen(f, scans->items[i].seriesuid);
        if (seen < 0 && !said)
            log_warning("%s does not say all scans that it has seen: fold %lld is not "
                        "isolated",
                        path, fold);
        said |= seen < 0;
        if (seen > 0)
            return error_set(err, STATUS_JOB_CONFIG,
                             "%s has seen scan %s, which fold %lld tests on", path,
                             scans->items[i].seriesuid, fold);
    }
    return STATUS_OK;
}

/* The content of the weights as they are now. */
static enum status identify(struct train_network *n, struct error *err)
{
    enum status status;
    struct tensor_file now = {.count = 0};
    float *values = NULL;
    TRY(memory_new(training_value_count(n->training), sizeof *values, "weights",
                   (void **)&values, err));
    training_values_copy(n->training, values);
    TRY(training_file_init(n->training, n->network.name, values, &now, err));
    hash_hex(now.content, n->initial);
out:
    tensor_file_release(&now);
    free(values);
    return status;
}

enum status train_model_begin(struct train_network *n, struct error *err)
{
    enum status status;
    char *path = NULL;
    size_t count;
    const uint64_t seed = train_seed(n->work->job.settings);
    const struct training_tensor *tensors = training_tensors(n->training, &count);
    initialise_tensors(&n->network, tensors, count, 0, seed);
    TRY(find_origin(n, &path, err));
    if (path) {
        TRY(tensor_file_init(&n->origin, path, err));
        TRY(train_check_isolation(n->work, &n->origin, path, err));
        TRY(training_load(n->training, &n->origin, path, err));
        if (n->stage == TRAIN_MALIGNANCY) /* the head asks another question now */
            initialise_tensors(&n->network, tensors, count,
                               fine_tuning_layer(&n->network, 1), seed);
    }
    TRY(identify(n, err));
out:
    free(path);
    return status;
}

/* ---- what it depends on ---- */

static struct hash128 hash_pool(const struct pool *p, struct hash *h)
{
    for (int i = 0; i < SAMPLER_LISTS; i++) {
        if (i == LIST_HARD && p->counts[i] == 0)
            continue; /* as if the list were not known: older checkpoints go on */
        hash_update(h, &p->counts[i], sizeof p->counts[i]);
        hash_update(h, p->places[i], p->counts[i] * sizeof *p->places[i]);
    }
    return hash_digest(h);
}

static enum status pool_hex(const struct pool *p, char hex[HASH_HEX_BYTES],
                            struct error *err)
{
    struct hash *h;
    enum status status = hash_new(&h, err);
    if (status != STATUS_OK)
        return status;
    hash_hex(hash_pool(p, h), hex);
    hash_free(h);
    return STATUS_OK;
}

static void print_scans(const struct train_network *n, FILE *out)
{
    for (size_t i = 0; i < n->work->scans.count; i++) {
        const struct train_scan *scan = &n->work->scans.items[i];
        char hex[HASH_HEX_BYTES];
        if (scan->role == SCAN_TESTS)
            continue;
        hash_hex(scan->voxels, hex);
        fprintf(out, "scan:%s %s, %s\n", scan->seriesuid,
                scan->role == SCAN_TRAINS ? "trains" : "validates",
                scan->cached ? hex : "not cached");
    }
}

enum status train_model_binding(struct train_network *n, struct error *err)
{
    enum status status;
    const struct train_job *j = &n->work->job;
    char network[HASH_HEX_BYTES], trains[HASH_HEX_BYTES], validates[HASH_HEX_BYTES];
    size_t bytes;
    FILE *out = NULL;
    hash_hex(n->network.content, network);
    TRY(pool_hex(&n->training_pool, trains, err));
    TRY(pool_hex(&n->validation_pool, validates, err));
    out = open_memstream(&n->binding, &bytes);
    if (!out)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a binding");
    fprintf(out,
            "numerics %d\ninstruction-set %s\nalgorithm %s\nnetwork %s\n"
            "initial-weights %s\ntraining-places %s\nvalidation-places %s\n",
            TRAIN_NUMERICS, isa_name(j->isa), j->settings->compute.algorithm, network,
            n->initial, trains, validates);
    if (n->inside)
        fprintf(out, "validation-slices %lld\n", (long long)n->item_count);
    if (n->hard_list)
        fprintf(out, "hard-negatives %llu\n",
                (unsigned long long)n->training_pool.counts[LIST_HARD]);
    if (n->recipe.rate.kind != LEARNING_RATE_CONSTANT)
        fprintf(out, "epochs %lld\n", (long long)n->recipe.epochs);
    print_scans(n, out);
    if (fclose(out))
        status = error_set(err, STATUS_STAGE_MEMORY, "no memory for a binding");
out:
    return status;
}

/* ---- what it leaves ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Copies a text to the end of a list that has room for it. */
static enum status append(char **list, size_t *count, const char *text, struct error *err)
{
    enum status status = text_new(text, &list[*count], err);
    *count += status == STATUS_OK;
    return status;
}

static void sort_once(char **list, size_t *count)
{
    size_t kept = 0;
    qsort(list, *count, sizeof *list, compare_texts);
    for (size_t i = 0; i < *count; i++) {
        if (kept > 0 && strcmp(list[kept - 1], list[i]) == 0)
            free(list[i]);
        else
            list[kept++] = list[i];
    }
    *count = kept;
}

/* The scans that the weights have seen and were selected on, with those that the initial
 * weights had. */
static enum status name_scans(const struct train_network *n, struct tensor_file *f,
                              struct error *err)
{
    enum status status;
    const struct train_scans *scans = &n->work->scans;
    const struct tensor_file *origin = &n->origin;
    const size_t most = scans->count + origin->seen_count;
    TRY(memory_new(most, sizeof *f->seen, "scans", (void **)&f->seen, err));
    TRY(memory_new(scans->count + origin->selected_count, sizeof *f->selected, "scans",
                   (void **)&f->selected, err));
    for (size_t i = 0; i < scans->count; i++) {
        const struct train_scan *scan = &scans->items[i];
        const bool selects = scan->role == SCAN_VALIDATES && n->item_count > 0;
        if (!scan->cached || (scan->role != SCAN_TRAINS && !selects))
            continue;
        TRY(append(f->seen, &f->seen_count, scan->seriesuid, err));
        if (selects)
            TRY(append(f->selected, &f->selected_count, scan->seriesuid, err));
    }
    for (size_t i = 0; i < origin->seen_count; i++)
        TRY(append(f->seen, &f->seen_count, origin->seen[i], err));
    for (size_t i = 0; i < origin->selected_count; i++)
        TRY(append(f->selected, &f->selected_count, origin->selected[i], err));
    sort_once(f->seen, &f->seen_count);
    sort_once(f->selected, &f->selected_count);
out:
    return status;
}

/* Whether anything but the scans named may show in the weights. */
static bool is_isolated(const struct train_network *n)
{
    return (n->origin.count == 0 || tensor_file_is_isolated(&n->origin)) &&
           (!n->hard_list || n->work->hard_isolated);
}

static enum status describe(const struct train_network *n, struct tensor_file *f,
                            struct error *err)
{
    enum status status = STATUS_OK;
    const struct settings *s = n->work->job.settings;
    char text[80];
    if (!is_isolated(n))
        TRY(text_new("unknown", &f->origin, err));
    if (s->train.fold >= 0) {
        snprintf(text, sizeof text, "%lld", (long long)s->train.fold);
        TRY(text_new(text, &f->fold, err));
    }
    if (n->hard_list) {
        snprintf(text, sizeof text, "%llu places, %g of the non-nodules",
                 (unsigned long long)n->training_pool.counts[LIST_HARD],
                 s->train.hard_share);
        TRY(text_new(text, &f->hard_negatives, err));
    }
out:
    return status;
}

enum status train_model_write(struct train_network *n, struct error *err)
{
    enum status status;
    const struct settings *s = n->work->job.settings;
    struct tensor_file f = {.count = 0};
    char *path = NULL, *folder = NULL;
    int64_t epoch;
    const float *values = trainer_result(n->trainer, &epoch);
    TRY(training_file_init(n->training, n->network.name, values, &f, err));
    TRY(text_new(n->initial, &f.initial, err));
    TRY(name_scans(n, &f, err));
    TRY(describe(n, &f, err));
    TRY(train_stage_model(s, n->stage, &path, err));
    TRY(path_folder(path, &folder, err));
    TRY(folder_make(folder, err));
    TRY(tensor_file_write(path, &f, err));
    log_info("%s: the weights after epoch %lld are %s", n->name, (long long)epoch, path);
out:
    tensor_file_release(&f);
    free(path);
    free(folder);
    return status;
}
