#include "run/patients.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "io/csv.h"

enum { SEVERAL_BYTES = 600 };

/* What all names of LUNA16's scans begin with: those of LIDC-IDRI. */
static const char *const luna16 = "1.3.6.1.4.1.14519.5.2.1.6279.6001.";

struct belonging {
    char *patient;
    size_t scan; /* of the data set */
};

struct roll {
    const struct dataset *dataset;
    struct belonging *items;
    size_t count, capacity;
};

static enum status take_row(void *context, const struct csv_row *row, struct error *err)
{
    enum status status;
    struct roll *r = context;
    const int64_t scan = dataset_find(r->dataset, row->fields[0]);
    if (scan < 0)
        return STATUS_OK; /* of a subset that was not asked for */
    if (!row->fields[1][0])
        return csv_refuse(row, 1, "patient", "the name of a patient", err);
    TRY(memory_grow((void **)&r->items, &r->capacity, r->count + 1, sizeof *r->items,
                    "patients", err));
    r->items[r->count].scan = (size_t)scan;
    TRY(text_new(row->fields[1], &r->items[r->count].patient, err));
    r->count++;
out:
    return status;
}

static int by_scan(const void *a, const void *b)
{
    const struct belonging *x = a, *y = b;
    return x->scan < y->scan ? -1 : x->scan > y->scan;
}

static int by_patient(const void *a, const void *b)
{
    const int order = strcmp(((const struct belonging *)a)->patient,
                             ((const struct belonging *)b)->patient);
    return order ? order : by_scan(a, b);
}

static enum status check_rows(const struct roll *r, const char *path, struct error *err)
{
    for (size_t i = 1; i < r->count; i++) {
        const struct belonging *x = &r->items[i - 1], *y = &r->items[i];
        if (x->scan == y->scan && strcmp(x->patient, y->patient) != 0)
            return error_set(
                err, STATUS_JOB_CONFIG, "%s: scan %s is of two patients, %s and %s", path,
                r->dataset->scans[x->scan].seriesuid, x->patient, y->patient);
    }
    return STATUS_OK;
}

/* A patient's scans, items [0, count), lie in several subsets. */
static bool is_split(const struct dataset *d, const struct belonging *items, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (d->scans[items[i].scan].subset != d->scans[items[0].scan].subset)
            return true;
    return false;
}

static bool is_of_luna16(const struct dataset *d, const struct belonging *items,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(d->scans[items[i].scan].seriesuid, luna16, strlen(luna16)) != 0)
            return false;
    return true;
}

static void describe(const struct dataset *d, const struct belonging *items, size_t count,
                     char *out, size_t bytes)
{
    size_t used = (size_t)snprintf(out, bytes, "%s:", items[0].patient);
    for (size_t i = 0; i < count && used < bytes; i++) {
        const struct scan *s = &d->scans[items[i].scan];
        used += (size_t)snprintf(out + used, bytes - used, "%s %s in subset %d",
                                 i ? "," : "", s->seriesuid, s->subset);
    }
}

static void move(struct dataset *d, const struct belonging *items, size_t count)
{
    int lowest = DATASET_SUBSETS;
    for (size_t i = 0; i < count; i++)
        if (d->scans[items[i].scan].subset < lowest)
            lowest = d->scans[items[i].scan].subset;
    for (size_t i = 0; i < count; i++)
        d->scans[items[i].scan].subset = lowest;
}

static enum status judge(const struct settings *s, struct dataset *d,
                         const struct roll *r, struct error *err)
{
    const bool moves = !strcmp(s->crossval.patients, "move");
    char first[SEVERAL_BYTES] = "";
    size_t refused = 0;
    for (size_t i = 0, end; i < r->count; i = end) {
        char text[SEVERAL_BYTES];
        const struct belonging *items = &r->items[i];
        for (end = i + 1;
             end < r->count && !strcmp(items->patient, r->items[end].patient);)
            end++;
        if (!is_split(d, items, end - i))
            continue;
        describe(d, items, end - i, text, sizeof text);
        if (moves) {
            move(d, items, end - i);
            log_info("patient %s; all go to subset %d (crossval.patients)", text,
                     d->scans[items->scan].subset);
        } else if (is_of_luna16(d, items, end - i)) {
            log_warning(
                "patient %s, as LUNA16 has it: crossval.patients = \"move\" keeps "
                "them together",
                text);
        } else if (refused++ == 0) {
            snprintf(first, sizeof first, "%s", text);
        }
    }
    if (refused == 0)
        return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG,
                     "%s: %zu patient%s in several subsets, that are trained on and "
                     "tested: %s%s; crossval.patients = \"move\" keeps them together",
                     s->dataset.patients, refused, refused == 1 ? " is" : "s are", first,
                     refused == 1 ? "" : "; ...");
}

enum status patients_apply(const struct settings *s, struct dataset *d, struct error *err)
{
    static const struct csv_column columns[] = {{"seriesuid", false}, {"patient", false}};
    enum status status;
    struct roll r = {.dataset = d};
    if (!s->dataset.patients[0])
        return STATUS_OK;
    TRY(csv_read(s->dataset.patients, columns, 2, take_row, &r, err));
    if (r.count > 0)
        qsort(r.items, r.count, sizeof *r.items, by_scan);
    TRY(check_rows(&r, s->dataset.patients, err));
    if (r.count > 0)
        qsort(r.items, r.count, sizeof *r.items, by_patient);
    status = judge(s, d, &r, err);
out:
    for (size_t i = 0; i < r.count; i++)
        free(r.items[i].patient);
    free(r.items);
    return status;
}
