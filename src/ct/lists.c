#include "ct/lists.h"

#include <math.h>
#include <strings.h>

#include "base/memory.h"
#include "ct/scan_rows.h"
#include "io/csv.h"

enum { SERIESUID, COORD_X, COORD_Y, COORD_Z, DIAMETER, CLASS = DIAMETER, MALIGNANT };

static const struct csv_column nodule_columns[] = {
    {"seriesuid", false}, {"coordX", false},      {"coordY", false},
    {"coordZ", false},    {"diameter_mm", false}, {"mal_bool", true},
};

static const struct csv_column candidate_columns[] = {
    {"seriesuid", false}, {"coordX", false}, {"coordY", false},
    {"coordZ", false},    {"class", false},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static enum status check_seriesuid(const struct csv_row *row, struct error *err)
{
    if (row->fields[SERIESUID][0] == '\0')
        return csv_refuse(row, SERIESUID, "seriesuid", "the name of a scan", err);
    return STATUS_OK;
}

static enum status read_xyz(const struct csv_row *row, const struct csv_column *columns,
                            double xyz[3], struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < 3; i++)
        TRY(csv_number(row, COORD_X + i, columns[COORD_X + i].name, &xyz[i], err));
out:
    return status;
}

/* ---- nodules ---- */

/* mal_bool as Python, databases and spreadsheets write it; empty: the list does not say.
 */
static enum status read_malignant(const struct csv_row *row, int8_t *malignant,
                                  struct error *err)
{
    const char *text = row->fields[MALIGNANT];
    if (!text || text[0] == '\0')
        *malignant = -1;
    else if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
        *malignant = 1;
    else if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
        *malignant = 0;
    else
        return csv_refuse(row, MALIGNANT, nodule_columns[MALIGNANT].name,
                          "True, False, 1 or 0", err);
    return STATUS_OK;
}

static enum status take_nodule(void *context, const struct csv_row *row,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct nodule n = {0};
    TRY(check_seriesuid(row, err));
    TRY(read_xyz(row, nodule_columns, n.xyz, err));
    TRY(csv_number(row, DIAMETER, nodule_columns[DIAMETER].name, &n.diameter_mm, err));
    TRY(read_malignant(row, &n.malignant, err));
    TRY(scan_rows_add(context, row->fields[SERIESUID], &n, err));
out:
    return status;
}

enum status nodule_list_init(struct nodule_list *l, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    struct scan_rows rows;
    *l = (struct nodule_list){0};
    scan_rows_init(&rows, sizeof(struct nodule));
    TRY(csv_read(path, nodule_columns, COUNT(nodule_columns), take_nodule, &rows, err));
    size_t series_count = rows.series_count, row_count = rows.row_count;
    TRY(scan_rows_group(&rows, &l->seriesuids, &l->starts, (void **)&l->rows, err));
    l->series_count = series_count;
    l->row_count = row_count;
out:
    scan_rows_release(&rows);
    return status;
}

/* ---- candidates ---- */

static enum status read_place(const struct csv_row *row, struct listed_candidate *c,
                              struct error *err)
{
    enum status status = STATUS_OK;
    double xyz[3];
    TRY(check_seriesuid(row, err));
    TRY(read_xyz(row, candidate_columns, xyz, err));
    for (size_t i = 0; i < 3; i++) {
        c->xyz[i] = (float)xyz[i];
        if (!isfinite(c->xyz[i]))
            return csv_refuse(row, COORD_X + i, candidate_columns[COORD_X + i].name,
                              "a place in millimetres", err);
    }
out:
    return status;
}

static enum status take_place(void *context, const struct csv_row *row, struct error *err)
{
    enum status status = STATUS_OK;
    struct listed_candidate c = {0};
    TRY(read_place(row, &c, err));
    TRY(scan_rows_add(context, row->fields[SERIESUID], &c, err));
out:
    return status;
}

static enum status take_candidate(void *context, const struct csv_row *row,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct listed_candidate c = {0};
    double class;
    TRY(read_place(row, &c, err));
    TRY(csv_number(row, CLASS, candidate_columns[CLASS].name, &class, err));
    if (class != 0 && class != 1)
        return csv_refuse(row, CLASS, candidate_columns[CLASS].name, "0 or 1", err);
    c.nodule = class == 1;
    TRY(scan_rows_add(context, row->fields[SERIESUID], &c, err));
out:
    return status;
}

static enum status read_candidates(struct candidate_list *l, const char *path,
                                   size_t columns, csv_row_function *take,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    struct scan_rows rows;
    *l = (struct candidate_list){0};
    scan_rows_init(&rows, sizeof(struct listed_candidate));
    TRY(csv_read(path, candidate_columns, columns, take, &rows, err));
    size_t series_count = rows.series_count, row_count = rows.row_count;
    TRY(scan_rows_group(&rows, &l->seriesuids, &l->starts, (void **)&l->rows, err));
    l->series_count = series_count;
    l->row_count = row_count;
out:
    scan_rows_release(&rows);
    return status;
}

enum status candidate_list_init(struct candidate_list *l, const char *path,
                                struct error *err)
{
    return read_candidates(l, path, COUNT(candidate_columns), take_candidate, err);
}

enum status place_list_init(struct candidate_list *l, const char *path, struct error *err)
{
    return read_candidates(l, path, CLASS, take_place, err);
}

/* ---- seriesuids ---- */

struct series_reader {
    struct series_list *list;
    size_t capacity;
};

static enum status take_series(void *context, const struct csv_row *row,
                               struct error *err)
{
    struct series_reader *r = context;
    struct series_list *l = r->list;
    const char *seriesuid = row->fields[SERIESUID];
    if (l->count == 0 && strcmp(seriesuid, "seriesuid") == 0)
        return STATUS_OK; /* a header after all: no scan is called so */
    enum status status = check_seriesuid(row, err);
    if (status == STATUS_OK)
        status = memory_grow((void **)&l->seriesuids, &r->capacity, l->count + 1,
                             sizeof *l->seriesuids, "list of scans", err);
    if (status == STATUS_OK)
        status = text_new(seriesuid, &l->seriesuids[l->count], err);
    if (status == STATUS_OK)
        l->count++;
    return status;
}

static int by_bytes(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

enum status series_list_init(struct series_list *l, const char *path, struct error *err)
{
    *l = (struct series_list){0};
    struct series_reader reader = {.list = l};
    enum status status = csv_read_plain(path, 1, take_series, &reader, err);
    if (status != STATUS_OK)
        series_list_release(l);
    else if (l->count > 1)
        qsort(l->seriesuids, l->count, sizeof *l->seriesuids, by_bytes);
    return status;
}

void series_list_release(struct series_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->seriesuids[i]);
    free(l->seriesuids);
    *l = (struct series_list){0};
}

/* ---- both lists of rows ---- */

static void release(char **seriesuids, size_t series_count, size_t *starts, void *rows)
{
    for (size_t i = 0; i < series_count; i++)
        free(seriesuids[i]);
    free(seriesuids);
    free(starts);
    free(rows);
}

static void find(char *const *seriesuids, size_t series_count, const size_t *starts,
                 const char *seriesuid, size_t *first, size_t *count)
{
    *first = *count = 0;
    if (series_count == 0)
        return;
    char *const *found =
        bsearch(&seriesuid, seriesuids, series_count, sizeof *seriesuids, by_bytes);
    if (!found)
        return;
    *first = starts[found - seriesuids];
    *count = starts[found - seriesuids + 1] - *first;
}

void nodule_list_release(struct nodule_list *l)
{
    release(l->seriesuids, l->series_count, l->starts, l->rows);
    *l = (struct nodule_list){0};
}

void candidate_list_release(struct candidate_list *l)
{
    release(l->seriesuids, l->series_count, l->starts, l->rows);
    *l = (struct candidate_list){0};
}

void nodule_list_find(const struct nodule_list *l, const char *seriesuid, size_t *first,
                      size_t *count)
{
    find(l->seriesuids, l->series_count, l->starts, seriesuid, first, count);
}

void candidate_list_find(const struct candidate_list *l, const char *seriesuid,
                         size_t *first, size_t *count)
{
    find(l->seriesuids, l->series_count, l->starts, seriesuid, first, count);
}
