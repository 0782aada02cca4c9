/* What the models of a cross-validation have seen. */
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/tensor_file.h"
#include "run/crossval_internal.h"
#include "run/train_recipe.h"

enum { MODEL_LIMIT = 1 << 30 };

/* *out = the file of a stage's weights in a fold, NULL: it has none; to be freed. */
static enum status find_model(const struct settings *s, enum train_stage stage,
                              char **out, struct error *err)
{
    char *const given[TRAIN_STAGES] = {s->segment.weights, s->classify.weights,
                                       s->malignancy.weights};
    *out = NULL;
    if (s->train.stages[stage])
        return train_stage_model(s, stage, out, err);
    return given[stage][0] ? text_new(given[stage], out, err) : STATUS_OK;
}

static enum status take_roles(const struct tensor_file *f, const char *path, int fold,
                              const struct merged_scans *scans, uint8_t *roles,
                              struct error *err)
{
    const struct tensor_file selects = {.seen = f->selected,
                                        .seen_count = f->selected_count};
    for (size_t i = 0; i < scans->count; i++) {
        const char *seriesuid = scans->seriesuids[i];
        if (tensor_file_has_seen(f, seriesuid) > 0)
            roles[i] = tensor_file_has_seen(&selects, seriesuid) > 0 ? ROLE_SELECTED
                                                                     : ROLE_TRAINED;
        if (scans->folds[i] != fold)
            continue;
        if (roles[i])
            return error_set(err, STATUS_JOB_FAILED,
                             "%s has seen scan %s, which fold %d tests", path, seriesuid,
                             fold);
        roles[i] = ROLE_TESTED;
    }
    return STATUS_OK;
}

/* A second name for a file, or a copy where there can be none. */
static enum status link_model(const char *from, const char *output, struct error *err)
{
    enum status status;
    char *folder = NULL, *to = NULL, *bytes = NULL;
    size_t count;
    TRY(path_join(output, "models", &folder, err));
    TRY(folder_make(folder, err));
    TRY(path_join(folder, path_name(from), &to, err));
    unlink(to);
    if (link(from, to)) {
        TRY(file_read(from, MODEL_LIMIT, &bytes, &count, err));
        TRY(file_write(to, bytes, count, err));
    }
out:
    free(folder);
    free(to);
    free(bytes);
    return status;
}

static enum status take_model(struct fold_models *m, const char *path,
                              const struct merged_fold *fold, enum train_stage stage,
                              const struct merged_scans *scans, struct error *err)
{
    enum status status;
    struct tensor_file f = {.count = 0};
    const int64_t i = m->store.count++;
    char *initial = m->texts[i][0], *content = m->texts[i][1];
    TRY(tensor_file_init(&f, path, err));
    if (f.initial)
        snprintf(initial, HASH_HEX_BYTES, "%s", f.initial);
    hash_hex(f.content, content);
    m->store.rows[i] =
        (struct run_store_model){.fold = fold->fold,
                                 .network = train_stage_name(stage),
                                 .initial = initial,
                                 .content = content,
                                 .isolated = tensor_file_is_isolated(&f) != 0};
    if (!tensor_file_is_isolated(&f))
        log_warning("fold %d is not isolated: %s does not say all scans that it has seen",
                    fold->fold, path);
    TRY(take_roles(&f, path, fold->fold, scans, m->store.roles + (size_t)i * scans->count,
                   err));
out:
    tensor_file_release(&f);
    return status;
}

enum status fold_models_init(struct fold_models *m, const char *output,
                             const struct merged_fold *folds, size_t count,
                             const struct merged_scans *scans, struct error *err)
{
    enum status status;
    const size_t most = count * TRAIN_STAGES;
    char *path = NULL;
    *m = (struct fold_models){.texts = NULL};
    TRY(memory_new(most, sizeof *m->store.rows, "models", (void **)&m->store.rows, err));
    TRY(memory_new(most, sizeof *m->texts, "models", (void **)&m->texts, err));
    TRY(memory_new(most, scans->count, "roles of scans", (void **)&m->store.roles, err));
    for (size_t k = 0; k < count; k++)
        for (enum train_stage stage = 0; stage < TRAIN_STAGES; stage++) {
            const struct settings *s = &folds[k].part.settings;
            TRY(find_model(s, stage, &path, err));
            if (!path)
                continue;
            TRY(take_model(m, path, &folds[k], stage, scans, err));
            if (s->train.stages[stage])
                TRY(link_model(path, output, err));
            free(path);
            path = NULL;
        }
out:
    free(path);
    return status;
}

void fold_models_release(struct fold_models *m)
{
    free(m->store.rows);
    free(m->store.roles);
    free(m->texts);
    *m = (struct fold_models){.texts = NULL};
}
