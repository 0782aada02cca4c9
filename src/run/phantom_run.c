#include "run/phantom_run.h"

#include <inttypes.h>
#include <math.h>

#include "base/clock.h"
#include "base/log.h"
#include "phantom/truth.h"
#include "run/interrupt.h"
#include "run/phantom_dry.h"
#include "run/phantom_folder.h"
#include "run/phantom_work.h"

enum { EXIT_LEFT_OUT = 3 };
static const double SAMPLING_SECONDS = 2;

/* Refuses to start what the disk cannot hold. */
static enum status check_room(const struct phantom_items *l,
                              const struct phantom_options *o, struct error *err)
{
    enum status status = STATUS_OK;
    struct phantom_estimate e;
    size_t lacking = phantom_items_lacking(l, ITEM_VOLUMES);
    int64_t room = phantom_folder_room(o);
    if (lacking == 0 || room < 0)
        return STATUS_OK;
    TRY(phantom_estimate(l, o, SAMPLING_SECONDS, &e, err));
    double needed = e.bytes * (double)lacking / (double)l->count;
    if (needed > (double)room)
        status = error_set(err, STATUS_STAGE_IO,
                           "%s: %zu scans need about %.1f GB, %.1f GB are free",
                           o->folder, lacking, needed / 1e9, (double)room / 1e9);
out:
    return status;
}

static enum status begin(struct phantom_items *l, const struct phantom_options *o,
                         const struct comm *c, struct error *err)
{
    enum status status = STATUS_OK;
    if (c->rank == 0) {
        TRY(phantom_folder_claim(o, err));
        TRY(phantom_folder_make(o, l->subsets, err));
    }
out:
    return comm_agree(c, status, err);
}

static enum status write_lists(const struct phantom_items *l,
                               const struct phantom_options *o, struct error *err)
{
    const char **names;
    size_t count;
    enum status status = phantom_items_listed(l, &names, &count, err);
    if (status != STATUS_OK)
        return status;
    status = truth_lists(o->folder, names, count, err);
    free(names);
    return status;
}

/* Makes what is lacking, then the lists. What lists say goes before any scan of theirs
 * changes, so that lists that are there are those of the scans. */
static enum status make(struct phantom_items *l, const struct phantom_options *o,
                        const struct comm *c, struct phantom_work_counts *counts,
                        struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t listed = 0;
    TRY(begin(l, o, c, err));
    TRY(phantom_items_look(l, o, c, err));
    if (c->rank == 0) {
        listed = phantom_folder_has_lists(o);
        if (phantom_items_lacking(l, ITEM_TRUTH | ITEM_VOLUMES) > 0) {
            status = check_room(l, o, err);
            if (status == STATUS_OK)
                status = phantom_folder_drop_lists(o, err);
            listed = 0;
        }
    }
    TRY(comm_agree(c, status, err));
    TRY(phantom_work(l, o, c, counts, err));
    if (c->rank == 0 && !listed)
        status = write_lists(l, o, err);
    status = comm_agree(c, status, err);
out:
    return status;
}

static void print_end(const struct phantom_items *l, const struct phantom_options *o,
                      const struct comm *c, const struct phantom_work_counts *n)
{
    char elapsed[32];
    clock_describe(n->elapsed, elapsed, sizeof elapsed);
    size_t there = l->count - (size_t)n->bad;
    if (n->scans == 0 && there > 0)
        log_info("%s: all %zu scans are there, nothing to do", o->folder, there);
    else if (n->scans > 0)
        log_info("%s: %" PRId64 " scans made in %s: %.1f Mvoxel/s, %.1f a rank of %d",
                 o->folder, n->scans, elapsed,
                 n->elapsed > 0 ? n->voxels / n->elapsed / 1e6 : 0,
                 n->seconds > 0 ? n->voxels / n->seconds / 1e6 : 0, c->size);
    if (n->bad > 0)
        log_warning("%s: %" PRId64 " scans were left out", o->folder, n->bad);
}

static void warn_of_tree(const struct phantom_items *l)
{
    for (size_t i = 0; i < l->tree.problem_count; i++)
        log_warning("%s", l->tree.problems[i].sentence);
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].state & ITEM_BAD)
            log_warning("%s: left out: a name with spaces, commas or quotes cannot stand "
                        "in the lists",
                        l->items[i].seriesuid);
}

int phantom_run(const struct comm *c, const struct phantom_options *o)
{
    struct phantom_items list;
    struct phantom_work_counts counts = {0};
    struct error err;
    interrupt_install();
    enum status status = comm_agree(c, phantom_items_init(&list, o, &err), &err);
    if (status == STATUS_OK && c->rank == 0)
        warn_of_tree(&list);
    if (status == STATUS_OK && o->dry_run) {
        if (c->rank == 0)
            status = phantom_dry(&list, o, c->size, &err);
        status = comm_agree(c, status, &err);
    } else if (status == STATUS_OK) {
        status = make(&list, o, c, &counts, &err);
        if (status == STATUS_OK && c->rank == 0)
            print_end(&list, o, c, &counts);
    }
    phantom_items_release(&list);
    if (status == STATUS_JOB_INTERRUPTED && c->rank == 0)
        log_warning("%s", err.message);
    else if (status != STATUS_OK && c->rank == 0)
        log_error("%s", err.message);
    if (status != STATUS_OK)
        return status_exit_code(status);
    return counts.bad > 0 ? EXIT_LEFT_OUT : 0;
}
