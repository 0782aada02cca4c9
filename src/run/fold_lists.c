/* The lists of the folds as those of one run: the rows of all, sorted as those of one
 * are.
 */
#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "run/crossval_internal.h"

enum { COLUMNS_MOST = 16 };

/* A list of a run. */
struct list {
    const char *name;
    const char *columns[COLUMNS_MOST];
    bool sorted;     /* by the first column; else a fold after the other */
    bool once;       /* a row that several folds have is written once */
    bool names_fold; /* a last column `fold` is added */
};

static const struct list lists[] = {
    {"candidates.csv",
     {"seriesuid", "coordX", "coordY", "coordZ", "probability", "malignancy", "voxels",
      "diameter_mm", "fold", "seen"},
     .sorted = true},
    {"submission.csv",
     {"seriesuid", "coordX", "coordY", "coordZ", "probability"},
     .sorted = true},
    {"diagnosis.csv", {"seriesuid", "score", "nodules", "status"}, .sorted = true},
    {"quarantine.csv", {"seriesuid", "stage", "reason"}, .sorted = true, .once = true},
    {"metrics.csv",
     {"stage", "epoch", "set", "samples", "loss", "correct", "correct_positive",
      "correct_negative", "precision", "recall", "f1", "auc", "learning_rate"},
     .names_fold = true},
    {"efficiency.csv", {"stage", "core_hours", "share"}, .names_fold = true},
    {"timings.csv", {"rank", "host", "stage", "seconds"}, .names_fold = true},
};

struct line {
    char *cells; /* one after the other, each with its NUL */
    size_t bytes;
    int fold;
    size_t position; /* in the list of all */
};

struct table {
    const struct list *list;
    size_t column_count;
    struct line *lines;
    size_t count, capacity;
    int fold; /* that is read */
};

static enum status take_row(void *context, const struct csv_row *row, struct error *err)
{
    enum status status;
    struct table *t = context;
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < t->column_count; i++)
        bytes += strlen(row->fields[i]) + 1;
    TRY(memory_grow((void **)&t->lines, &t->capacity, t->count + 1, sizeof *t->lines,
                    "rows of a list", err));
    struct line *l = &t->lines[t->count];
    TRY(memory_new(bytes, 1, "row of a list", (void **)&l->cells, err));
    for (size_t i = 0; i < t->column_count; i++) {
        const size_t n = strlen(row->fields[i]) + 1;
        memcpy(l->cells + at, row->fields[i], n);
        at += n;
    }
    l->bytes = bytes;
    l->fold = t->fold;
    l->position = t->count++;
out:
    return status;
}

/* By the first column, then as they came. */
static int by_scan(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    const int order = strcmp(x->cells, y->cells);
    if (order)
        return order;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* By all columns. */
static int by_cells(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    const char *p = x->cells, *q = y->cells;
    while (p < x->cells + x->bytes && q < y->cells + y->bytes) {
        const int order = strcmp(p, q);
        if (order)
            return order;
        p += strlen(p) + 1;
        q += strlen(q) + 1;
    }
    return 0;
}

static bool is_repeated(const struct table *t, size_t i)
{
    return t->list->once && i > 0 && by_cells(&t->lines[i - 1], &t->lines[i]) == 0;
}

static void write_line(const struct table *t, const struct line *l, struct csv_writer *w)
{
    const char *cell = l->cells;
    for (size_t i = 0; i < t->column_count; i++, cell += strlen(cell) + 1)
        csv_write_text(w, cell);
    if (t->list->names_fold)
        csv_write_integer(w, l->fold);
    csv_write_end(w);
}

static enum status write_table(const struct table *t, const char *path, size_t *rows,
                               struct error *err)
{
    enum status status;
    struct csv_writer w = {0};
    char header[512] = "";
    size_t used = 0;
    *rows = 0;
    for (size_t i = 0; i < t->column_count; i++)
        used += (size_t)snprintf(header + used, sizeof header - used, "%s%s",
                                 i ? "," : "", t->list->columns[i]);
    if (t->list->names_fold)
        snprintf(header + used, sizeof header - used, ",fold");
    TRY(csv_writer_open(&w, path, header, err));
    for (size_t i = 0; i < t->count; i++)
        if (!is_repeated(t, i)) {
            write_line(t, &t->lines[i], &w);
            ++*rows;
        }
    TRY(csv_writer_commit(&w, err));
out:
    csv_writer_abandon(&w);
    return status;
}

static enum status read_folds(struct table *t, const struct merged_fold *folds,
                              size_t count, struct error *err)
{
    enum status status = STATUS_OK;
    struct csv_column columns[COLUMNS_MOST] = {{NULL, false}};
    char *path = NULL;
    for (size_t i = 0; i < COLUMNS_MOST && t->list->columns[i]; i++)
        columns[t->column_count++].name = t->list->columns[i];
    for (size_t k = 0; k < count; k++) {
        t->fold = folds[k].fold;
        TRY(path_join(folds[k].part.folder, t->list->name, &path, err));
        TRY(csv_read(path, columns, t->column_count, take_row, t, err));
        free(path);
        path = NULL;
    }
    if (t->list->sorted && t->count > 0)
        qsort(t->lines, t->count, sizeof *t->lines, t->list->once ? by_cells : by_scan);
out:
    free(path);
    return status;
}

static enum status merge_list(const struct list *list, const char *output,
                              const struct merged_fold *folds, size_t count, size_t *rows,
                              struct error *err)
{
    enum status status;
    struct table t = {.list = list};
    char *path = NULL;
    TRY(read_folds(&t, folds, count, err));
    TRY(path_join(output, list->name, &path, err));
    TRY(write_table(&t, path, rows, err));
out:
    free(path);
    for (size_t i = 0; i < t.count; i++)
        free(t.lines[i].cells);
    free(t.lines);
    return status;
}

enum status fold_lists_merge(const char *output, const struct merged_fold *folds,
                             size_t count, size_t *quarantined, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t rows = 0;
        TRY(merge_list(&lists[i], output, folds, count, &rows, err));
        if (!strcmp(lists[i].name, "quarantine.csv"))
            *quarantined = rows;
    }
out:
    if (status == STATUS_JOB_CONFIG) /* no list of the user's: a fold is damaged */
        status = err->code = STATUS_JOB_FAILED;
    return status;
}
