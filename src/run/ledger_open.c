#include "base/memory.h"
#include "run/ledger_internal.h"

/* --- finding scans by the hash of their seriesuid --- */

static int compare_hash(struct hash128 a, struct hash128 b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

static int by_item(const void *a, const void *b, void *scans)
{
    const struct scan_books *s = scans;
    return compare_hash(s[*(const int64_t *)a].item, s[*(const int64_t *)b].item);
}

static int64_t find_item(const struct ledger *l, struct hash128 item)
{
    size_t low = 0, high = l->dataset->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int64_t scan = l->by_item[middle];
        int order = compare_hash(l->scans[scan].item, item);
        if (order == 0)
            return scan;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static enum status index_scans(struct ledger *l, struct error *err)
{
    size_t count = l->dataset->count;
    enum status status = STATUS_OK;
    TRY(memory_new(count, sizeof *l->scans, "ledger", (void **)&l->scans, err));
    TRY(memory_new(count, sizeof *l->by_item, "ledger", (void **)&l->by_item, err));
    for (size_t i = 0; i < count; i++) {
        const char *uid = l->dataset->scans[i].seriesuid;
        l->scans[i].item = hash128(uid, strlen(uid));
        l->by_item[i] = (int64_t)i;
    }
    qsort_r(l->by_item, count, sizeof *l->by_item, by_item, l->scans);
out:
    return status;
}

/* --- reading the journal of an earlier start --- */

void ledger_forget_parts(struct scan_books *b)
{
    free(b->parts);
    b->parts = NULL;
    b->part_count = b->part_capacity = 0;
}

void ledger_describe_differences(const char *old, const char *new, char *text,
                                 size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    while (*old && *new &&used < bytes) {
        size_t a = strcspn(old, "\n"), b = strcspn(new, "\n"), name = strcspn(new, " \n");
        if (a != b || memcmp(old, new, a))
            used += (size_t)snprintf(
                text + used, bytes - used, "%s%.*s (was %.*s, is %.*s)", used ? ", " : "",
                (int)name, new, (int)(a > name ? a - name - 1 : 0), old + name + 1,
                (int)(b > name ? b - name - 1 : 0), new + name + 1);
        old += a + (old[a] == '\n');
        new += b + (new[b] == '\n');
    }
}

static enum status hold_identity(struct ledger *l, const struct journal_record *r,
                                 struct error *err)
{
    void *text;
    char differences[ERROR_MESSAGE_BYTES / 2];
    enum status status = journal_read(l->journal, r, &text, err);
    if (status != STATUS_OK)
        return status;
    l->has_identity = true;
    if (r->bytes != strlen(l->identity) + 1 || memcmp(text, l->identity, r->bytes)) {
        ledger_describe_differences(text, l->identity, differences, sizeof differences);
        status =
            error_set(err, STATUS_JOB_CONFIG,
                      "the run was started with something else, its results would not "
                      "fit: %s; choose another output",
                      differences);
    }
    free(text);
    return status;
}

static enum status visit(void *context, const struct journal_record *r, struct error *err)
{
    struct ledger *l = context;
    if (r->kind < RECORD_OPEN || r->kind > RECORD_SCAN)
        return STATUS_OK; /* RECORD_RUN is held once the journal is open and can be read
                           */
    int64_t scan = find_item(l, r->item);
    if (scan < 0)
        return STATUS_OK; /* a scan that has left the data set */
    struct scan_books *b = &l->scans[scan];
    if (!hash_equal(b->identity, r->key)) {
        ledger_forget_parts(b);
        b->result = (struct ledger_entry){0};
        b->identity = r->key;
    }
    if (r->kind == RECORD_SCAN) {
        ledger_forget_parts(b);
        b->result = (struct ledger_entry){.offset = r->offset, .bytes = r->bytes};
        return STATUS_OK;
    }
    enum status status = memory_grow((void **)&b->parts, &b->part_capacity,
                                     b->part_count + 1, sizeof *b->parts, "ledger", err);
    if (status == STATUS_OK)
        b->parts[b->part_count++] = *r;
    return status;
}

struct first_record {
    struct ledger *ledger;
    struct journal_record run;
    bool found;
};

static enum status visit_all(void *context, const struct journal_record *r,
                             struct error *err)
{
    struct first_record *f = context;
    if (r->kind == RECORD_RUN && !f->found) {
        f->run = *r;
        f->found = true;
    }
    return visit(f->ledger, r, err);
}

static enum status enter_identity(struct ledger *l, struct error *err)
{
    struct journal_record r = {.kind = RECORD_RUN, .bytes = strlen(l->identity) + 1};
    enum status status = journal_append(l->journal, &r, l->identity, err);
    return status == STATUS_OK ? journal_sync(l->journal, err) : status;
}

enum status ledger_open(const char *path, const char *identity,
                        const struct dataset *dataset, struct schedule *schedule,
                        const struct ledger_options *options, struct ledger **out,
                        struct error *err)
{
    enum status status = STATUS_OK;
    struct ledger *l = NULL;
    TRY(memory_new(1, sizeof *l, "ledger", (void **)&l, err));
    l->dataset = dataset;
    l->schedule = schedule;
    l->diagnose = options->diagnose;
    l->segment_slices = options->segment_slices;
    l->classifies = options->classifies;
    l->verify = options->verify;
    l->identity = identity;
    TRY(index_scans(l, err));
    struct first_record first = {.ledger = l};
    TRY(journal_open(path, visit_all, &first, &l->journal, err));
    if (first.found)
        TRY(hold_identity(l, &first.run, err));
    else
        TRY(enter_identity(l, err));
    *out = l;
    l = NULL;
out:
    ledger_close(l);
    return status;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    journal_close(l->journal);
    for (size_t i = 0; l->scans && i < l->dataset->count; i++)
        free(l->scans[i].parts);
    for (size_t i = 0; i < l->quarantined_count; i++) {
        free(l->quarantined[i].seriesuid);
        free(l->quarantined[i].reason);
    }
    free(l->quarantined);
    free(l->scans);
    free(l->by_item);
    free(l);
}
