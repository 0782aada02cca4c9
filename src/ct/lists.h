/*
 * The lists of LUNA16 beside its scans: annotations, candidates, seriesuids, malignancy.
 * Each is read once and may be used with any dataset: a scan may stand in no list at all, and a
 * list may name scans that are not on disk.
 *
 * Columns may come in any order, fields may be quoted, lines may end in CRLF, further columns are
 * passed over. Errors: STATUS_JOB_CONFIG naming file, line, column and value.
 */
#ifndef CT_LISTS_H
#define CT_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* One row. Rows of a scan are adjacent, in the order of the file (struct nodule_list.starts). */
struct nodule {
    double xyz[3];      /* mm, LPS */
    double diameter_mm; /* below 0: not measured */
    int8_t malignant;   /* 1, 0, or -1 when the list does not say */
};

struct listed_candidate {
    float xyz[3]; /* mm, LPS */
    bool nodule;  /* class 1 */
};

/* Rows grouped by scan: seriesuids sorted by bytes, rows of series i at starts[i] .. starts[i+1]. */
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

/* annotations.csv, annotations_excluded.csv (seriesuid,coordX,coordY,coordZ,diameter_mm) or
 * annotations_with_malignancy.csv (the same and mal_bool). */
enum status nodule_list_init(struct nodule_list *l, const char *path, struct error *err);
void nodule_list_release(struct nodule_list *l);

/* candidates.csv, candidates_V2.csv (seriesuid,coordX,coordY,coordZ,class). */
enum status candidate_list_init(struct candidate_list *l, const char *path, struct error *err);
void candidate_list_release(struct candidate_list *l);

/* seriesuids.csv: one a line, no header. Duplicates are kept as they stand. */
struct series_list {
    char **seriesuids; /* sorted by bytes */
    size_t count;
};

enum status series_list_init(struct series_list *l, const char *path, struct error *err);
void series_list_release(struct series_list *l);

/* Rows of one scan: *first and *count, 0 rows when it stands in the list nowhere. */
void nodule_list_find(const struct nodule_list *l, const char *seriesuid, size_t *first,
                      size_t *count);
void candidate_list_find(const struct candidate_list *l, const char *seriesuid, size_t *first,
                         size_t *count);

#endif
