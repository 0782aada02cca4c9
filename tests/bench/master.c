/*
 * What the master can do: tasks a second that it enters and gives out, with its journal,
 * when workers have nothing to do but ask, and the share of a core that it takes while
 * they compute.
 *
 *   mpirun -n 4 bench_master FOLDER [SCANS [SECONDS]]
 *
 * FOLDER takes the journal. Scans are shaped as LUNA16's are for the book's networks: 38
 * tasks of segmentation, 1,280 candidates in 40 of classification; records have the sizes
 * of real ones. First SCANS (2,000) of them with workers that answer at once, then
 * SECONDS (10) with workers that compute 50 ms a task. One line a figure.
 */
#include <math.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "comm/message.h"
#include "measure.h"
#include "run/interrupt.h"
#include "run/master.h"
#include "run/protocol.h"
#include "run/record.h"

enum { RUNS = 38, CANDIDATES = 1280, MASK_BYTES = 600 };

static struct error err;

static void ok(enum status s)
{
    if (s == STATUS_OK)
        return;
    fprintf(stderr, "%s\n", err.message);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* --- a worker that makes nothing --- */

struct answers {
    struct scan_head head;
    struct candidate candidates[CANDIDATES];
    struct judgement judgements[BATCH_CANDIDATES];
    char mask[MASK_BYTES];
};

static void compute(double seconds)
{
    const double end = core_seconds() + seconds;
    while (core_seconds() < end)
        continue;
}

static struct message answer_to(struct answers *a, enum task_kind kind)
{
    struct message m = {.kind = SAYS_DONE};
    switch (kind) {
    case TASK_OPEN:
        m.payload = &a->head;
        m.bytes = sizeof a->head;
        break;
    case TASK_SEGMENT:
        m.payload = a->mask;
        m.bytes = sizeof a->mask;
        break;
    case TASK_GROUP:
        m.payload = a->candidates;
        m.bytes = sizeof a->candidates;
        break;
    default:
        m.payload = a->judgements;
        m.bytes = sizeof a->judgements;
    }
    return m;
}

static void work(const struct comm *c, struct answers *a, double seconds)
{
    struct message m = {.kind = SAYS_READY};
    message_send(c, 0, &m);
    for (;;) {
        for (int looks = 0; !message_take(c, 0, &m); looks++)
            looks < 1000 ? (void)sched_yield() : clock_sleep(200e-6);
        if (m.kind == SAYS_QUIT)
            return;
        if (m.kind == SAYS_ORDER) {
            struct order order;
            order_unpack(m.payload, m.bytes, &order);
            if (seconds > 0)
                compute(seconds);
            const struct message answer = answer_to(a, order.task.kind);
            message_send(c, 0, &answer);
        }
        free(m.payload);
    }
}

/* --- the master, as jobs have it --- */

static void make_dataset(struct dataset *d, size_t count)
{
    *d = (struct dataset){.scans = room(count, sizeof *d->scans), .count = count};
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "1.3.6.1.4.1.14519.5.2.1.6279.6001.%06zu", i);
        d->scans[i] = (struct scan){.subset = (int)(i % DATASET_SUBSETS), .bytes = 1};
        ok(text_new(name, &d->scans[i].seriesuid, &err));
        ok(text_new(name, &d->scans[i].path, &err));
    }
}

static void lead(const struct comm *c, const char *folder, size_t scans, double busy)
{
    struct settings settings = {.stages = {.detect = true}, .limits = {.deadline_s = 60}};
    struct dataset dataset;
    struct schedule_scan *plan = room(scans, sizeof *plan);
    struct master m = {.comm = c,
                       .settings = &settings,
                       .watchdog = c->watchdog,
                       .dataset = &dataset,
                       .quarantine_limit = 1};
    const struct ledger_options options = {
        .segment_slices = SLAB_SLICES,
        .classifies = true,
        .diagnose = {.nodule_threshold = 0.5, .rule = PATIENT_MAX}};
    char *journal, *progress;

    ok(path_join(folder, busy > 0 ? "journal-busy" : "journal", &journal, &err));
    ok(path_join(folder, "status.json", &progress, &err));
    unlink(journal);
    make_dataset(&dataset, scans);
    for (size_t i = 0; i < scans; i++)
        plan[i] = (struct schedule_scan){dataset.scans[i].subset, 1};
    ok(schedule_new(plan, scans, DATASET_SUBSETS, c->size - 1, &m.schedule, &err));
    ok(ledger_open(journal, "bench", &dataset, m.schedule, &options, &m.ledger, &err));
    ok(progress_new(progress, c->host, c->size, &m.progress, &err));
    const double start = clock_seconds(), core = process_seconds();
    ok(master_run(&m, NULL, &err));
    const double wall = clock_seconds() - start;
    const double tasks = (double)scans * (1 + RUNS + 1 + CANDIDATES / BATCH_CANDIDATES);
    printf("master workers=%d task_ms=%.0f tasks=%.0f seconds=%.2f requests_s=%.0f "
           "core_share=%.4f core_us_a_request=%.1f\n",
           c->size - 1, busy * 1e3, tasks, wall, tasks / wall,
           (process_seconds() - core) / wall, 1e6 * (process_seconds() - core) / tasks);
    fflush(stdout);
    master_tell(&m, SAYS_QUIT, 0, NULL, 0);
    progress_free(m.progress);
    ledger_close(m.ledger);
    schedule_free(m.schedule);
    dataset_release(&dataset);
    unlink(journal);
    free(journal), free(progress), free(plan);
}

int main(int argc, char **argv)
{
    static struct answers answers;
    struct comm c;
    ok(comm_init(&c, "auto", 60, 0, &err));
    if (argc < 2 || c.size < 2) {
        fprintf(stderr, "usage: mpirun -n RANKS %s FOLDER [SCANS [SECONDS]]\n", argv[0]);
        return 2;
    }
    const size_t scans = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;
    const double seconds = argc > 3 ? strtod(argv[3], NULL) : 10, task_s = 50e-3;
    const double a_scan = task_s * (1 + RUNS + 1 + CANDIDATES / BATCH_CANDIDATES);
    answers.head.geometry = (struct geometry){.size = {RUNS * SLAB_SLICES, 512, 512}};
    for (int i = 0; i < CANDIDATES; i++)
        answers.candidates[i].probability = 0.5f;
    interrupt_install();
    for (int k = 0; k < 2; k++) {
        const double busy = k ? task_s : 0;
        const size_t count = k ? (size_t)ceil(seconds * (c.size - 1) / a_scan) : scans;
        if (c.rank == 0)
            lead(&c, argv[1], count, busy);
        else
            work(&c, &answers, busy);
    }
    comm_finish(&c);
    return 0;
}
