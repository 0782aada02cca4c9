/*
 * The files of a score. Those of LUNA16's script (noduleCADEvaluationLUNA16.py, whose
 * formats are kept to the byte), NAME being the submission's file name without its
 * ending:
 *
 *     CADAnalysis.txt                       counts
 *     froc_NAME.txt                         corners of the curve
 *     froc_gt_prob_vectors_NAME.csv         what the curve was made from
 *     froc_NAME_bootstrapping.csv           mean and 95 % band (a bootstrap's, else there
 * is none) nodulesWithoutCandidate_NAME.txt      missed nodules
 *
 * and ours: froc.csv (every point of the curve), froc.json (everything else). All are
 * written atomically, and hold no paths, dates or hosts: equal input gives equal bytes.
 * docs/formats.md describes them.
 */
#ifndef SCORE_FROC_FILES_H
#define SCORE_FROC_FILES_H

#include "score/evaluation.h"
#include "score/froc.h"

/* Writes all files into a folder, which is made when it is missing. `r` is the score of
 * e->scans. Errors: STATUS_STAGE_IO, STATUS_STAGE_MEMORY. Not collective. */
enum status froc_write(const char *folder, const char *name, const struct evaluation *e,
                       const struct froc_result *r, struct error *err);

/* *out = froc.json as text, the caller's to free. Errors: STATUS_STAGE_MEMORY. */
enum status froc_json(const char *name, const struct evaluation *e,
                      const struct froc_result *r, char **out, struct error *err);

/* A table for people. */
void froc_print(FILE *out, const struct evaluation *e, const struct froc_result *r);

#endif
