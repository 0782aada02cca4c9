#include "ct/scan_rows.h"

#include "base/hash.h"
#include "base/memory.h"

enum { FIRST_SLOTS = 64 };

void scan_rows_init(struct scan_rows *r, size_t row_bytes)
{
    *r = (struct scan_rows){.row_bytes = row_bytes};
}

void scan_rows_release(struct scan_rows *r)
{
    for (size_t i = 0; i < r->series_count; i++)
        free(r->seriesuids[i]);
    free(r->seriesuids);
    free(r->slots);
    free(r->series);
    free(r->rows);
    *r = (struct scan_rows){0};
}

/* The slot of a seriesuid: where it stands, or the free one where it belongs. */
static size_t find_slot(const struct scan_rows *r, const char *seriesuid)
{
    size_t slot = hash64(seriesuid, strlen(seriesuid)) & (r->slot_count - 1);
    while (r->slots[slot] && strcmp(r->seriesuids[r->slots[slot] - 1], seriesuid) != 0)
        slot = (slot + 1) & (r->slot_count - 1);
    return slot;
}

/* Keeps the table at most half full; slot_count is a power of two. */
static enum status grow_slots(struct scan_rows *r, struct error *err)
{
    if (r->slot_count > 2 * r->series_count)
        return STATUS_OK;
    size_t count = r->slot_count ? 2 * r->slot_count : FIRST_SLOTS;
    void *slots;
    enum status status =
        memory_new(count, sizeof *r->slots, "index of scans", &slots, err);
    if (status != STATUS_OK)
        return status;
    free(r->slots);
    r->slots = slots;
    r->slot_count = count;
    for (size_t i = 0; i < r->series_count; i++)
        r->slots[find_slot(r, r->seriesuids[i])] = (uint32_t)i + 1;
    return STATUS_OK;
}

static enum status add_series(struct scan_rows *r, const char *seriesuid, size_t slot,
                              struct error *err)
{
    if (r->series_count == UINT32_MAX - 1)
        return error_set(err, STATUS_STAGE_MEMORY, "more than %zu scans in a list",
                         r->series_count);
    enum status status =
        memory_grow((void **)&r->seriesuids, &r->series_capacity, r->series_count + 1,
                    sizeof *r->seriesuids, "scans of a list", err);
    if (status != STATUS_OK)
        return status;
    status = text_new(seriesuid, &r->seriesuids[r->series_count], err);
    if (status != STATUS_OK)
        return status;
    r->slots[slot] = (uint32_t)++r->series_count;
    return STATUS_OK;
}

/* Sets r->last to the place of a seriesuid, new or known. */
static enum status intern(struct scan_rows *r, const char *seriesuid, struct error *err)
{
    enum status status = STATUS_OK;
    if (r->series_count > 0 && strcmp(r->seriesuids[r->last], seriesuid) == 0)
        return STATUS_OK;
    TRY(grow_slots(r, err));
    size_t slot = find_slot(r, seriesuid);
    if (r->slots[slot] == 0)
        TRY(add_series(r, seriesuid, slot, err));
    r->last = r->slots[slot] - 1;
out:
    return status;
}

enum status scan_rows_add(struct scan_rows *r, const char *seriesuid, const void *row,
                          struct error *err)
{
    enum status status = STATUS_OK;
    TRY(intern(r, seriesuid, err));
    TRY(memory_grow((void **)&r->rows, &r->row_capacity, r->row_count + 1, r->row_bytes,
                    "rows of a list", err));
    TRY(memory_grow((void **)&r->series, &r->series_row_capacity, r->row_count + 1,
                    sizeof *r->series, "rows of a list", err));
    memcpy(r->rows + r->row_count * r->row_bytes, row, r->row_bytes);
    r->series[r->row_count++] = r->last;
out:
    return status;
}

static int by_bytes(const void *left, const void *right, void *context)
{
    char *const *seriesuids = context;
    const uint32_t *a = left, *b = right;
    return strcmp(seriesuids[*a], seriesuids[*b]);
}

/* order[i] = which series comes i-th by bytes, place[s] = where series s comes. */
static void order_series(const struct scan_rows *r, uint32_t *order, uint32_t *place)
{
    for (size_t i = 0; i < r->series_count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, r->series_count, sizeof *order, by_bytes, r->seriesuids);
    for (size_t i = 0; i < r->series_count; i++)
        place[order[i]] = (uint32_t)i;
}

/* A counting sort: stable, so rows of a scan keep their order. On return starts[i] is
 * where series i begins. */
static void scatter(const struct scan_rows *r, const uint32_t *place, size_t *starts,
                    char *rows)
{
    for (size_t i = 0; i < r->row_count; i++)
        starts[place[r->series[i]] + 1]++;
    for (size_t i = 0; i < r->series_count; i++)
        starts[i + 1] += starts[i];
    for (size_t i = 0; i < r->row_count; i++) {
        size_t to = starts[place[r->series[i]]]++;
        memcpy(rows + to * r->row_bytes, r->rows + i * r->row_bytes, r->row_bytes);
    }
    /* Each start has moved to where the next series begins. */
    memmove(starts + 1, starts, r->series_count * sizeof *starts);
    starts[0] = 0;
}

enum status scan_rows_group(struct scan_rows *r, char ***seriesuids, size_t **starts,
                            void **rows, struct error *err)
{
    enum status status = STATUS_OK;
    void *order = NULL, *place = NULL, *names = NULL, *begins = NULL, *grouped = NULL;

    TRY(memory_new(r->series_count, sizeof(uint32_t), "order of scans", &order, err));
    TRY(memory_new(r->series_count, sizeof(uint32_t), "order of scans", &place, err));
    TRY(memory_new(r->series_count, sizeof(char *), "scans of a list", &names, err));
    TRY(memory_new(r->series_count + 1, sizeof(size_t), "scans of a list", &begins, err));
    TRY(memory_new(r->row_count, r->row_bytes, "rows of a list", &grouped, err));

    order_series(r, order, place);
    scatter(r, place, begins, grouped);
    for (size_t i = 0; i < r->series_count; i++)
        ((char **)names)[i] = r->seriesuids[((uint32_t *)order)[i]];
    r->series_count = 0; /* the texts have gone over */
    *seriesuids = names;
    *starts = begins;
    *rows = grouped;
    names = begins = grouped = NULL;
    scan_rows_release(r);
out:
    free(order);
    free(place);
    free(names);
    free(begins);
    free(grouped);
    return status;
}
