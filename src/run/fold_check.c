#include "run/fold_check.h"

#include "run/patients.h"

enum status fold_check_settings(const struct settings *s, struct error *err)
{
    if (settings_cross_validates(s) && s->stages.train != s->stages.detect)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "stages: a cross-validation (crossval.folds) needs \"train\" and "
            "\"detect\" together; without both it merges folds that are done");
    if (s->train.fold >= 0 && s->stages.detect && !s->stages.train)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "train.fold = %lld belongs to the stage train, which is not among stages; "
            "dataset.subsets = [%lld] finds nodules in that subset alone",
            (long long)s->train.fold, (long long)s->train.fold);
    return STATUS_OK;
}

static enum status need_scan(const struct settings *s, const struct dataset *d,
                             const char *key, int64_t fold, struct error *err)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->scans[i].subset == fold)
            return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG,
                     "%s = %lld: %s has no scan in subset %lld to find nodules in", key,
                     (long long)fold, s->dataset.root, (long long)fold);
}

/* Whether it is a cross-validation, or a part of one: the preparation of its scans, too,
 * which have to be found again under the subsets that they count for. */
static bool leaves_subsets_alone(const struct settings *s)
{
    bool any = s->train.fold >= 0;
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        any |= s->crossval.folds[k];
    return any;
}

enum status fold_check_scans(const struct settings *s, struct dataset *d,
                             struct error *err)
{
    enum status status = STATUS_OK;
    const bool crosses = settings_cross_validates(s);
    if (leaves_subsets_alone(s))
        TRY(patients_apply(s, d, err));
    if (crosses && !d->has_subsets)
        return error_set(err, STATUS_JOB_CONFIG,
                         "crossval.folds: %s has no subsets to divide it by",
                         s->dataset.root);
    for (int k = 0; crosses && k < SETTINGS_SUBSETS; k++)
        if (s->crossval.folds[k])
            TRY(need_scan(s, d, "crossval.folds", k, err));
    /* A job that trains for a fold finds nodules in its test subset alone. */
    if (!crosses && s->stages.train && s->stages.detect && s->train.fold >= 0)
        status = need_scan(s, d, "train.fold", s->train.fold, err);
out:
    return status;
}
