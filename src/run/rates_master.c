/* What the master's books cost: a result that is entered with its record in the journal,
 * and the order that follows. What messages cost beside that belongs to the network. */
#include "base/file.h"
#include "base/memory.h"
#include "run/ledger.h"
#include "run/rates.h"
#include "run/record.h"

/* As LUNA16's scans are for the book's networks. */
enum { SCANS = 8, SLICES = 304, CANDIDATES = 1280, MASK_BYTES = 600 };

struct books {
    struct dataset dataset;
    struct scan scans[SCANS];
    char names[SCANS][16];
    struct schedule *schedule;
    struct ledger *ledger;
    struct scan_head head;
    struct candidate candidates[CANDIDATES];
    struct judgement judgements[BATCH_CANDIDATES];
    char mask[MASK_BYTES];
};

static enum status books_init(struct books *b, const char *path, struct error *err)
{
    struct schedule_scan plan[SCANS];
    const struct ledger_options options = {.segment_slices = SLAB_SLICES,
                                           .classifies = true,
                                           .diagnose = {.rule = PATIENT_MAX}};
    b->dataset = (struct dataset){.scans = b->scans, .count = SCANS};
    b->head.geometry.size[0] = SLICES;
    for (int i = 0; i < SCANS; i++) {
        snprintf(b->names[i], sizeof b->names[i], "%d", i);
        b->scans[i] = (struct scan){.seriesuid = b->names[i], .path = b->names[i]};
        plan[i] = (struct schedule_scan){0, 1};
    }
    enum status status = schedule_new(plan, SCANS, 1, 1, &b->schedule, err);
    if (status == STATUS_OK)
        status = ledger_open(path, "measured", &b->dataset, b->schedule, &options,
                             &b->ledger, err);
    return status;
}

static enum status do_task(struct books *b, const struct task *t, struct error *err)
{
    const void *payloads[] = {&b->head, b->mask, b->candidates, b->judgements};
    const size_t bytes[] = {sizeof b->head, sizeof b->mask, sizeof b->candidates,
                            sizeof b->judgements};
    struct order o;
    void *payload = NULL;
    const enum status status = ledger_order(b->ledger, t, &o, &payload, err);
    free(payload);
    if (status != STATUS_OK)
        return status;
    return ledger_enter(b->ledger, t, payloads[t->kind], bytes[t->kind], err);
}

enum status rates_measure_master(struct rates *r, const char *folder, struct error *err)
{
    enum status status;
    struct books *b = NULL;
    char *path = NULL;
    struct task t;
    int64_t tasks = 0;
    TRY(memory_new(1, sizeof *b, "the master's books", (void **)&b, err));
    TRY(path_join(folder, "journal", &path, err));
    TRY(books_init(b, path, err));
    const double start = rates_core_seconds();
    while (schedule_next(b->schedule, 0, &t)) {
        TRY(do_task(b, &t, err));
        tasks++;
    }
    r->master_s = (rates_core_seconds() - start) / (double)tasks;
out:
    if (b) {
        ledger_close(b->ledger);
        schedule_free(b->schedule);
    }
    free(b);
    free(path);
    return status;
}
