/*
 * The lists of LUNA16 beside its scans: annotations, candidates, seriesuids, malignancy.
 * Each is read once and may be used with any dataset: a scan may stand in no list at all,
 * and a list may name scans that are not on disk.
 *
 * Columns may come in any order, fields may be quoted, lines may end in CRLF, further
 * columns are passed over (io/csv.h says what else of a file is accepted and refused).
 * One row that cannot be read refuses the list: a nodule that is quietly left out would
 * be counted against every result. X_init fills a list only when it succeeds; X_release
 * may be called in any case. Errors: STATUS_JOB_CONFIG naming file, line, column and
 * value; STATUS_STAGE_MEMORY. Nothing here is collective.
 */
#ifndef CT_LISTS_H
#define CT_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* One row. Rows of a scan are adjacent, in the order of the file (struct
 * nodule_list.starts). */
struct nodule {         /* 40 bytes */
    double xyz[3];      /* mm, LPS */
    double diameter_mm; /* below 0: not measured */
    int8_t malignant;   /* 1, 0, or -1 when the list does not say */
};

struct listed_candidate { /* 16 bytes */
    float xyz[3];         /* mm, LPS */
    bool nodule;          /* class 1 */
};

/* Rows grouped by scan: seriesuids sorted by bytes, rows of series i at starts[i] ..
 * starts[i+1]. */
struct nodule_list {
    char **seriesuids;
    size_t *starts;
    struct nodule *rows;
    size_t series_count, row_count;
};

struct candidate_list {
    char **seriesuids;
    size_t *starts;
    struct listed_candidate *rows;
    size_t series_count, row_count;
};

/* annotations.csv, annotations_excluded.csv (seriesuid,coordX,coordY,coordZ,diameter_mm)
 * or annotations_with_malignancy.csv (the same and mal_bool: True, False, 1, 0 or empty).
 */
enum status nodule_list_init(struct nodule_list *l, const char *path, struct error *err);
void nodule_list_release(struct nodule_list *l);

/* candidates.csv, candidates_V2.csv (seriesuid,coordX,coordY,coordZ,class). */
enum status candidate_list_init(struct candidate_list *l, const char *path,
                                struct error *err);
void candidate_list_release(struct candidate_list *l);

/* Places alone (seriesuid,coordX,coordY,coordZ): the candidates.csv of a run too. None of
 * them is called a nodule. */
enum status place_list_init(struct candidate_list *l, const char *path,
                            struct error *err);

/* seriesuids.csv: one a line, no header (a first line "seriesuid" is taken as one).
 * Duplicates are kept as they stand. */
struct series_list {
    char **seriesuids; /* sorted by bytes */
    size_t count;
};

enum status series_list_init(struct series_list *l, const char *path, struct error *err);
void series_list_release(struct series_list *l);

/* Rows of one scan: *first and *count, 0 rows when it stands in the list nowhere. */
void nodule_list_find(const struct nodule_list *l, const char *seriesuid, size_t *first,
                      size_t *count);
void candidate_list_find(const struct candidate_list *l, const char *seriesuid,
                         size_t *first, size_t *count);

#endif
