/*
 * Rows of a list, gathered in the order of the file and given out grouped by scan.
 *
 * While a list is read it holds the row and 4 bytes more for each row; what it gives out
 * is one dense array and one start for each scan.
 */
#ifndef CT_SCAN_ROWS_H
#define CT_SCAN_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct scan_rows {
    size_t row_bytes;
    char *rows;
    size_t row_count, row_capacity;
    uint32_t *series; /* of each row: its place in seriesuids */
    size_t series_row_capacity;

    char **seriesuids; /* in the order of their first row */
    size_t series_count, series_capacity;
    uint32_t *slots; /* hash table of seriesuids: place + 1, or 0 */
    size_t slot_count;
    uint32_t last; /* the series of the last row: nearly always that of the next */
};

void scan_rows_init(struct scan_rows *r, size_t row_bytes);
void scan_rows_release(struct scan_rows *r);

/* Adds a row of row_bytes, copied. Errors: STATUS_STAGE_MEMORY. */
enum status scan_rows_add(struct scan_rows *r, const char *seriesuid, const void *row,
                          struct error *err);

/* Gives out what was gathered: seriesuids sorted by bytes, rows of series i at starts[i]
 * .. starts[i + 1] in the order they came in. All three are the caller's to free, and so
 * is each seriesuid; `r` is empty afterwards. Errors: STATUS_STAGE_MEMORY, nothing is
 * given out. */
enum status scan_rows_group(struct scan_rows *r, char ***seriesuids, size_t **starts,
                            void **rows, struct error *err);

#endif
