/*
 * What a job asks of its settings and scans where folds are concerned, before any work:
 * one that trains for a fold, a cross-validation, or a part of one. `pulmo check` asks
 * the same.
 */
#ifndef RUN_FOLD_CHECK_H
#define RUN_FOLD_CHECK_H

#include "base/status.h"
#include "config/settings.h"
#include "ct/dataset.h"

/* Whether the stages are those that folds need. Errors: STATUS_JOB_CONFIG. Not
 * collective. */
enum status fold_check_settings(const struct settings *s, struct error *err);

/* Puts the scans into the subsets that they count for (run/patients.h); then each fold
 * that is to be tested needs one. Errors: STATUS_JOB_CONFIG. Not collective. */
enum status fold_check_scans(const struct settings *s, struct dataset *d,
                             struct error *err);

#endif
