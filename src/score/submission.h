/*
 * A submission: the marks of a CAD system as LUNA16 takes them, a CSV file with the
 * columns seriesuid,coordX,coordY,coordZ,probability in any order. What else of a file is
 * accepted and refused: io/csv.h.
 */
#ifndef SCORE_SUBMISSION_H
#define SCORE_SUBMISSION_H

#include "score/match.h"

/* Rows grouped by scan: seriesuids sorted by bytes, marks of series i at starts[i] ..
 * starts[i+1] in the order of the file. */
struct submission {
    char **seriesuids;
    size_t *starts;
    struct mark *marks;
    size_t series_count, mark_count;
};

/* Errors: STATUS_JOB_CONFIG naming file, line, column and value: a number that is none, a
 * probability outside 0 .. 1, a row without a scan; STATUS_STAGE_MEMORY. Filled only on
 * success; submission_release may be called in any case. */
enum status submission_init(struct submission *s, const char *path, struct error *err);
void submission_release(struct submission *s);

#endif
