#include "base/log.h"
#include "base/memory.h"
#include "run/ledger_internal.h"

/* --- parts of a scan --- */

static const struct journal_record *find_part(const struct scan_books *b,
                                              enum record_kind kind, int64_t part)
{
    for (size_t i = 0; i < b->part_count; i++)
        if (b->parts[i].kind == kind && b->parts[i].part == part)
            return &b->parts[i];
    return NULL;
}

/* *out = the payloads of parts 0, 1, ... of a kind, one after the other, to be freed. */
static enum status read_parts(const struct ledger *l, const struct scan_books *b,
                              enum record_kind kind, void **out, size_t *bytes,
                              struct error *err)
{
    enum status status = STATUS_OK;
    char *all = NULL;
    const struct journal_record *r;
    size_t used = 0;
    *bytes = 0;
    for (int64_t i = 0; (r = find_part(b, kind, i)); i++)
        *bytes += r->bytes;
    TRY(memory_new(*bytes, 1, "records of a scan", (void **)&all, err));
    for (int64_t i = 0; (r = find_part(b, kind, i)); i++) {
        void *payload;
        TRY(journal_read(l->journal, r, &payload, err));
        memcpy(all + used, payload, r->bytes);
        used += r->bytes;
        free(payload);
    }
    *out = all;
    all = NULL;
out:
    free(all);
    return status;
}

enum status ledger_order(struct ledger *l, const struct task *t, struct order *o,
                         void **payload, struct error *err)
{
    const struct scan_books *b = &l->scans[t->scan];
    const struct scan *scan = &l->dataset->scans[t->scan];
    enum status status = STATUS_OK;
    *payload = NULL;
    *o = (struct order){.task = *t,
                        .identity = l->verify ? (struct hash128){0} : b->identity,
                        .subset = scan->subset,
                        .seriesuid = scan->seriesuid,
                        .path = scan->path};
    if (t->kind == TASK_GROUP) {
        TRY(read_parts(l, b, RECORD_SEGMENT, payload, &o->bytes, err));
        o->payload = *payload;
    } else if (t->kind == TASK_CLASSIFY) {
        const struct journal_record *all = find_part(b, RECORD_GROUP, 0);
        const uint64_t most = BATCH_CANDIDATES * sizeof(struct candidate),
                       first = (uint64_t)t->part * most;
        CHECK(all && first < all->bytes);
        o->bytes = all->bytes - first < most ? all->bytes - first : most;
        TRY(journal_read_part(l->journal, all, first, o->bytes, payload, err));
        o->payload = *payload;
    }
out:
    return status;
}

/* --- finishing a scan --- */

/* Gives the candidates what the models say of them, and sorts them. *disagreements is to
 * be freed: NULL where no stage has several models. */
static enum status join_judgements(struct candidate *candidates, size_t count,
                                   const void *judged, size_t bytes,
                                   struct disagreement **disagreements, struct error *err)
{
    const bool several = bytes != count * sizeof(struct judgement);
    const struct ensemble_judgement *of_all = judged;
    const struct judgement *of_one = judged;
    *disagreements = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct judgement j = several ? of_all[i].judgement : of_one[i];
        candidates[i].probability = j.probability;
        candidates[i].malignancy = j.malignancy;
    }
    if (!several) {
        candidates_sort(candidates, count);
        return STATUS_OK;
    }
    CHECK(bytes == count * sizeof *of_all);
    enum status status = memory_new(count, sizeof **disagreements, "disagreements",
                                    (void **)disagreements, err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        (*disagreements)[i] = of_all[i].disagreement;
    return status == STATUS_OK
               ? candidates_sort_both(candidates, *disagreements, count, err)
               : status;
}

static enum status append(struct ledger *l, int64_t scan, enum record_kind kind,
                          int64_t part, const void *payload, size_t bytes,
                          struct journal_record *r, struct error *err)
{
    const struct scan_books *b = &l->scans[scan];
    *r = (struct journal_record){.kind = kind,
                                 .part = (uint32_t)part,
                                 .item = b->item,
                                 .key = b->identity,
                                 .bytes = bytes};
    return journal_append(l->journal, r, payload, err);
}

static enum status finish_scan(struct ledger *l, int64_t scan, struct error *err)
{
    struct scan_books *b = &l->scans[scan];
    enum status status = STATUS_OK;
    void *head = NULL, *candidates = NULL, *judged = NULL, *mask = NULL, *packed = NULL;
    size_t head_bytes, candidate_bytes, judged_bytes, mask_bytes, bytes;
    struct disagreement *disagreements = NULL;
    struct scan_result r;
    struct journal_record record;

    TRY(read_parts(l, b, RECORD_OPEN, &head, &head_bytes, err));
    TRY(read_parts(l, b, RECORD_SEGMENT, &mask, &mask_bytes, err));
    TRY(read_parts(l, b, RECORD_GROUP, &candidates, &candidate_bytes, err));
    TRY(read_parts(l, b, RECORD_CLASSIFY, &judged, &judged_bytes, err));
    CHECK(head_bytes == sizeof r.head.scan);
    memcpy(&r.head.scan, head, sizeof r.head.scan);
    size_t count = candidate_bytes / sizeof(struct candidate);
    if (l->classifies)
        TRY(join_judgements(candidates, count, judged, judged_bytes, &disagreements,
                            err));
    else
        candidates_sort(candidates, count);
    r.head.candidate_count = (int64_t)count;
    r.head.mask_bytes = (int64_t)mask_bytes;
    r.head.diagnosis = diagnose(candidates, count, &l->diagnose);
    r.candidates = candidates;
    r.mask = mask;
    r.disagreements = disagreements;
    TRY(scan_result_pack(&r, &packed, &bytes, err));
    TRY(append(l, scan, RECORD_SCAN, 0, packed, bytes, &record, err));
    b->result = (struct ledger_entry){record.offset, record.bytes, r.head.candidate_count,
                                      r.head.mask_bytes};
    ledger_forget_parts(b);
out:
    free(head);
    free(mask);
    free(candidates);
    free(disagreements);
    free(judged);
    free(packed);
    return status;
}

/* --- entering results --- */

static enum record_kind record_of(enum task_kind kind)
{
    static const enum record_kind kinds[] = {RECORD_OPEN, RECORD_SEGMENT, RECORD_GROUP,
                                             RECORD_CLASSIFY};
    return kinds[kind];
}

/* Batches to classify of what grouping left; 0 where nothing is classified. */
static int64_t batches_of(const struct ledger *l, size_t bytes)
{
    return l->classifies ? record_batches((int64_t)(bytes / sizeof(struct candidate)))
                         : 0;
}

/* Books a result that is in the journal: tells the schedule, and finishes the scan with
 * it. */
static enum status book(struct ledger *l, const struct task *t, int64_t parts,
                        struct error *err)
{
    bool finished;
    enum status status = schedule_done(l->schedule, t, parts, &finished, err);
    if (status == STATUS_OK && finished)
        status = finish_scan(l, t->scan, err);
    return status;
}

/* A restarted job has opened a scan and found its files unchanged: what was done stays
 * done. */
static enum status restore(struct ledger *l, const struct task *t, int64_t runs,
                           struct error *err)
{
    struct scan_books *b = &l->scans[t->scan];
    enum status status = STATUS_OK;
    bool finished = false;
    void *payload = NULL;
    TRY(schedule_done(l->schedule, t, runs, &finished, err));
    if (b->result.bytes > 0) {
        struct scan_result r;
        TRY(ledger_result(l, t->scan, &r, &payload, err));
        b->result.candidates = r.head.candidate_count;
        b->result.mask_bytes = r.head.mask_bytes;
        schedule_finish(l->schedule, t->scan);
        b->restored = true;
        l->restored++;
        goto out;
    }
    for (size_t i = 0; i < b->part_count && !finished; i++) {
        const struct journal_record *r = &b->parts[i];
        struct task done = {.scan = t->scan, .part = r->part};
        for (done.kind = TASK_OPEN; record_of(done.kind) != r->kind; done.kind++)
            CHECK(done.kind < TASK_CLASSIFY); /* visit keeps no other kinds */
        TRY(schedule_done(l->schedule, &done, batches_of(l, r->bytes), &finished, err));
    }
    if (finished)
        status = finish_scan(l, t->scan, err);
out:
    free(payload);
    return status;
}

/* The files are others than those that the recorded result was made from. *same: they
 * hold the same; the result is then recorded as that of the files there are now. */
static enum status compare_content(struct ledger *l, int64_t scan,
                                   const struct scan_head *head, bool *same,
                                   struct error *err)
{
    struct scan_books *b = &l->scans[scan];
    enum status status = STATUS_OK;
    struct scan_result r;
    struct journal_record record;
    void *payload = NULL, *packed = NULL;
    size_t bytes;
    TRY(ledger_result(l, scan, &r, &payload, err));
    *same = hash_equal(r.head.scan.content, head->content);
    const bool moved = !hash_equal(b->identity, head->identity);
    if (!*same && !moved)
        log_warning("%s: its content is another than it was, though size and time of "
                    "its files are not",
                    l->dataset->scans[scan].path);
    if (!*same || !moved)
        goto out;
    r.head.scan = *head;
    TRY(scan_result_pack(&r, &packed, &bytes, err));
    b->identity = head->identity;
    TRY(append(l, scan, RECORD_SCAN, 0, packed, bytes, &record, err));
    b->result.offset = record.offset;
    b->result.bytes = record.bytes;
out:
    free(payload);
    free(packed);
    return status;
}

static enum status enter_open(struct ledger *l, const struct task *t, const void *payload,
                              size_t bytes, struct error *err)
{
    struct scan_books *b = &l->scans[t->scan];
    struct scan_head head;
    struct journal_record r;
    CHECK(bytes == sizeof head);
    memcpy(&head, payload, sizeof head);
    const int64_t runs =
        l->segment_slices ? record_runs(&head.geometry, l->segment_slices) : 0;
    if (head.unchanged && (b->result.bytes > 0 || find_part(b, RECORD_OPEN, 0)))
        return restore(l, t, runs, err);
    if (b->result.bytes > 0) {
        bool same;
        const enum status compared = compare_content(l, t->scan, &head, &same, err);
        if (compared != STATUS_OK || same)
            return compared == STATUS_OK ? restore(l, t, runs, err) : compared;
    }
    ledger_forget_parts(b);
    b->result = (struct ledger_entry){0};
    b->identity = head.identity;
    enum status status = append(l, t->scan, RECORD_OPEN, 0, payload, bytes, &r, err);
    if (status != STATUS_OK)
        return status;
    TRY(memory_grow((void **)&b->parts, &b->part_capacity, b->part_count + 1,
                    sizeof *b->parts, "ledger", err));
    b->parts[b->part_count++] = r;
    status = book(l, t, runs, err);
out:
    return status;
}

/* Nothing is recorded: that a scan is prepared stands in the cache, and a restart looks
 * there. */
static enum status enter_prepared(struct ledger *l, const struct task *t,
                                  const void *payload, size_t bytes, struct error *err)
{
    struct prepare_result r;
    bool finished;
    CHECK(bytes == sizeof r);
    memcpy(&r, payload, sizeof r);
    l->prepared.scans++;
    l->prepared.written += r.written;
    l->prepared.repaired += r.repaired;
    l->prepared.file_bytes += r.file_bytes;
    l->prepared.voxel_bytes += r.voxel_bytes;
    return schedule_done(l->schedule, t, 0, &finished, err);
}

enum status ledger_enter(struct ledger *l, const struct task *t, const void *payload,
                         size_t bytes, struct error *err)
{
    struct scan_books *b = &l->scans[t->scan];
    enum status status = STATUS_OK;
    struct journal_record r;
    if (schedule_state(l->schedule, t->scan) == SCAN_QUARANTINED)
        return book(l, t, 0, err); /* late: its worker is free again, no more */
    if (t->kind == TASK_PREPARE)
        return enter_prepared(l, t, payload, bytes, err);
    if (t->kind == TASK_OPEN)
        return enter_open(l, t, payload, bytes, err);
    TRY(memory_grow((void **)&b->parts, &b->part_capacity, b->part_count + 1,
                    sizeof *b->parts, "ledger", err));
    TRY(append(l, t->scan, record_of(t->kind), t->part, payload, bytes, &r, err));
    b->parts[b->part_count++] = r;
    TRY(book(l, t, t->kind == TASK_GROUP ? batches_of(l, bytes) : 0, err));
out:
    return status;
}

enum status ledger_quarantine(struct ledger *l, int64_t scan, const char *seriesuid,
                              const char *stage, const char *reason, struct error *err)
{
    enum status status = STATUS_OK;
    struct quarantined q = {.scan = scan};
    TRY(memory_grow((void **)&l->quarantined, &l->quarantined_capacity,
                    l->quarantined_count + 1, sizeof *l->quarantined, "quarantine", err));
    snprintf(q.stage, sizeof q.stage, "%s", stage);
    TRY(text_new(seriesuid, &q.seriesuid, err));
    status = text_new(reason, &q.reason, err);
    if (status != STATUS_OK) {
        free(q.seriesuid);
        goto out;
    }
    l->quarantined[l->quarantined_count++] = q;
    if (scan >= 0) {
        schedule_quarantine(l->schedule, scan);
        ledger_forget_parts(&l->scans[scan]);
    }
out:
    return status;
}

enum status ledger_withdraw(struct ledger *l, int64_t scan, const char *seriesuid,
                            const char *stage, const char *reason, struct error *err)
{
    schedule_withdraw(l->schedule, scan);
    return ledger_quarantine(l, scan, seriesuid, stage, reason, err);
}

const struct quarantined *ledger_quarantined(const struct ledger *l, size_t *count)
{
    *count = l->quarantined_count;
    return l->quarantined;
}

struct ledger_prepared ledger_prepared(const struct ledger *l)
{
    return l->prepared;
}

int64_t ledger_restored(const struct ledger *l)
{
    return l->restored;
}

bool ledger_is_restored(const struct ledger *l, int64_t scan)
{
    return l->scans[scan].restored;
}

struct hash128 ledger_identity(const struct ledger *l, int64_t scan)
{
    return l->scans[scan].identity;
}

bool ledger_is_quarantined(const struct ledger *l, int64_t scan)
{
    return schedule_state(l->schedule, scan) == SCAN_QUARANTINED;
}

enum status ledger_sync(struct ledger *l, struct error *err)
{
    return journal_sync(l->journal, err);
}

enum status ledger_result(const struct ledger *l, int64_t scan, struct scan_result *out,
                          void **payload, struct error *err)
{
    const struct scan_books *b = &l->scans[scan];
    struct journal_record r = {.kind = RECORD_SCAN,
                               .item = b->item,
                               .key = b->identity,
                               .offset = b->result.offset,
                               .bytes = b->result.bytes};
    enum status status = journal_read(l->journal, &r, payload, err);
    if (status == STATUS_OK)
        scan_result_unpack(*payload, r.bytes, out);
    return status;
}

struct ledger_entry ledger_entry(const struct ledger *l, int64_t scan)
{
    return l->scans[scan].result;
}
