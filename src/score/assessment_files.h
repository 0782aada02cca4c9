/*
 * The files of an assessment, beside those of score/froc_files.h:
 *
 *     score.json        everything, the FROC curve's numbers too; written last
 *     nodules.csv       a row a nodule: found or lost where
 *     scans.csv         a row a scan
 *     strata.csv        nodules found by diameter and slice thickness
 *     roc.csv           ROC curves: malignancy, diameter, patients
 *
 * Equal input gives equal bytes: no paths, dates or hosts. docs/formats.md describes
 * them.
 */
#ifndef SCORE_ASSESSMENT_FILES_H
#define SCORE_ASSESSMENT_FILES_H

#include "score/assessment.h"

/* What else score.json says. */
struct assessment_notes {
    const char *key;            /* what the score was made from */
    int64_t run_scans;          /* scans of the run */
    bool whole;                 /* struct evaluation_scope */
    const char *const *missing; /* sentences: what could not be computed, and why */
    size_t missing_count;
};

/* *out = score.json as text, the caller's to free; `in` and `a` are NULL where nothing
 * could be assessed. Errors: STATUS_STAGE_MEMORY. */
enum status assessment_json(const struct assessment_input *in, const struct assessment *a,
                            const struct assessment_notes *n, char **out,
                            struct error *err);

/* Writes all files into a folder that is there, score.json last. Errors: STATUS_STAGE_IO,
 * STATUS_STAGE_MEMORY. Not collective. */
enum status assessment_write(const char *folder, const struct assessment_input *in,
                             const struct assessment *a, const struct assessment_notes *n,
                             struct error *err);

/* The same of a run that there is nothing to hold against: score.json with the notes, and
 * null for all the rest. Errors as above. */
enum status assessment_write_none(const char *folder, const struct assessment_notes *n,
                                  struct error *err);

#endif
