/*
 * Whose scans stand where: folds are made of subsets, and a patient with scans in two of
 * them would be trained on and tested. Looked at before any work of a job that leaves
 * subsets alone.
 */
#ifndef RUN_PATIENTS_H
#define RUN_PATIENTS_H

#include "base/status.h"
#include "config/settings.h"
#include "ct/dataset.h"

/* Reads dataset.patients (none: nothing is known, nothing is done) and holds it against
 * the subsets of the scans. Patients in several subsets: with crossval.patients = "move"
 * all their scans go to the lowest of these; else those of LUNA16's own data, which are
 * as they are, are warned of, and others refused by name. Errors: STATUS_JOB_CONFIG, also
 * for a list that cannot be read or gives a scan to two patients. Not collective. */
enum status patients_apply(const struct settings *s, struct dataset *d,
                           struct error *err);

#endif
