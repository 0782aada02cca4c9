#include "score/submission.h"

#include "ct/scan_rows.h"
#include "io/csv.h"

enum { SERIESUID, COORD_X, PROBABILITY = COORD_X + 3, COLUMNS };

static const struct csv_column columns[COLUMNS] = {
    {"seriesuid", false}, {"coordX", false},      {"coordY", false},
    {"coordZ", false},    {"probability", false},
};

static enum status take_mark(void *rows, const struct csv_row *row, struct error *err)
{
    enum status status = STATUS_OK;
    struct mark m = {0};
    if (row->fields[SERIESUID][0] == '\0')
        return csv_refuse(row, SERIESUID, columns[SERIESUID].name, "the name of a scan",
                          err);
    for (size_t i = 0; i < 3; i++)
        TRY(csv_number(row, COORD_X + i, columns[COORD_X + i].name, &m.xyz[i], err));
    TRY(csv_number(row, PROBABILITY, columns[PROBABILITY].name, &m.probability, err));
    if (m.probability < 0 || m.probability > 1)
        return csv_refuse(row, PROBABILITY, columns[PROBABILITY].name, "between 0 and 1",
                          err);
    TRY(scan_rows_add(rows, row->fields[SERIESUID], &m, err));
out:
    return status;
}

enum status submission_init(struct submission *s, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    struct scan_rows rows;
    *s = (struct submission){0};
    scan_rows_init(&rows, sizeof(struct mark));
    TRY(csv_read(path, columns, COLUMNS, take_mark, &rows, err));
    size_t series_count = rows.series_count, mark_count = rows.row_count;
    TRY(scan_rows_group(&rows, &s->seriesuids, &s->starts, (void **)&s->marks, err));
    s->series_count = series_count;
    s->mark_count = mark_count;
out:
    scan_rows_release(&rows);
    return status;
}

void submission_release(struct submission *s)
{
    for (size_t i = 0; i < s->series_count; i++)
        free(s->seriesuids[i]);
    free(s->seriesuids);
    free(s->starts);
    free(s->marks);
    *s = (struct submission){0};
}
