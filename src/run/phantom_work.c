/*
 * What is lacking is dealt out like cards, scan by scan: scans of one data set cost about
 * the same, and what a rank does then depends on nothing but the list. While they work,
 * ranks say so to rank 0 in messages of a few bytes, which looks at them between its own
 * scans, and waits for the rest at the end.
 */
#include "run/phantom_work.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "phantom/implant_copy.h"
#include "phantom/synthesis.h"
#include "run/interrupt.h"
#include "run/phantom_folder.h"

enum { TAG_SCAN = 71 };

/* What a rank has done since its last message; `ended` in its last one. */
struct news {
    double scans, voxels, seconds, ended;
};

struct work {
    struct phantom_items *list;
    const struct phantom_options *options;
    const struct comm *comm;
    double start;
    size_t lacking;
    struct news mine; /* of this rank, from the beginning */
    struct news all;  /* rank 0: of all ranks so far */
    int64_t bad;
};

/* ---- one scan ---- */

static enum status make_phantom(const struct work *w, const struct phantom_item *item,
                                const struct phantom_files *files, int64_t *voxels,
                                struct error *err)
{
    enum status status = STATUS_OK;
    const struct phantom_options *o = w->options;
    const struct synthesis_paths paths = {files->volume, files->nodules, files->lungs};
    struct synthesis s;
    TRY(synthesis_init(&s, &o->size, o->seed, item->index, err));
    TRY(synthesis_write_truth(&s, o->negatives, files->truth, err));
    if (!(item->state & ITEM_VOLUMES)) {
        TRY(synthesis_write_volumes(&s, &paths, err));
        *voxels = geometry_voxels(&s.scanner.grid);
    }
out:
    synthesis_release(&s);
    return status;
}

static enum status make_copy(const struct work *w, const struct phantom_item *item,
                             const struct phantom_files *files, int64_t *voxels,
                             struct error *err)
{
    const struct phantom_options *o = w->options;
    const struct synthesis_paths paths = {files->volume, files->nodules, files->lungs};
    const struct implant_copy copy = {
        .seriesuid = item->seriesuid,
        .source = item->source,
        .seed = o->seed,
        .count = o->nodules,
        .diameter_mm = {o->diameter_mm[0], o->diameter_mm[1]},
        .negatives = (int64_t)o->negatives};
    return implant_copy_write(&copy, files->truth,
                              item->state & ITEM_VOLUMES ? NULL : &paths, voxels, err);
}

/* A scan that cannot be read is left out; any other failure ends the work. */
static enum status make(struct work *w, struct phantom_item *item, struct error *err)
{
    struct phantom_files files;
    double start = clock_seconds();
    int64_t voxels = 0;
    enum status status =
        phantom_files_init(&files, w->options, item->subset, item->seriesuid, err);
    if (status == STATUS_OK)
        status = item->source ? make_copy(w, item, &files, &voxels, err)
                              : make_phantom(w, item, &files, &voxels, err);
    phantom_files_release(&files);
    if (status == STATUS_OK) {
        item->state |= ITEM_TRUTH | ITEM_VOLUMES;
        w->mine.scans++;
        w->mine.voxels += (double)voxels;
        w->mine.seconds += clock_seconds() - start;
    } else if (status_is_item(status)) {
        log_warning("%s: left out: %s", item->seriesuid, err->message);
        item->state = ITEM_BAD;
        status = STATUS_OK;
    }
    return status;
}

/* ---- progress ---- */

static void show(const struct work *w)
{
    double elapsed = clock_seconds() - w->start;
    char left[32];
    if (w->all.scans >= (double)w->lacking)
        return; /* the last word is the caller's */
    clock_describe(elapsed / w->all.scans * ((double)w->lacking - w->all.scans), left,
                   sizeof left);
    log_progress(false, "phantoms: %.0f of %zu scans, %.1f Mvoxel/s, left: %s",
                 w->all.scans, w->lacking, w->all.voxels / elapsed / 1e6, left);
}

static void add(struct work *w, const struct news *n)
{
    w->all.scans += n->scans;
    w->all.voxels += n->voxels;
    w->all.seconds += n->seconds;
    w->all.ended += n->ended;
}

/* Takes in what other ranks say; `wait`: until all have ended. */
static void listen(struct work *w, bool wait)
{
    while (!wait || (int)w->all.ended < w->comm->size - 1) {
        struct news n;
        if (!comm_probe(w->comm, MPI_ANY_SOURCE, TAG_SCAN, MPI_STATUS_IGNORE)) {
            if (!wait)
                return;
            clock_sleep(0.02);
            continue;
        }
        MPI_Recv(&n, sizeof n, MPI_BYTE, MPI_ANY_SOURCE, TAG_SCAN, w->comm->mpi,
                 MPI_STATUS_IGNORE);
        add(w, &n);
        if (n.scans > 0)
            show(w);
    }
}

/* Tells rank 0 what came since `before`. The message is small enough to leave at once. */
static void tell(struct work *w, const struct news *before, bool ended)
{
    struct news n = {w->mine.scans - before->scans, w->mine.voxels - before->voxels,
                     w->mine.seconds - before->seconds, ended};
    if (w->comm->rank != 0) {
        MPI_Send(&n, sizeof n, MPI_BYTE, 0, TAG_SCAN, w->comm->mpi);
        return;
    }
    n.ended = 0;
    add(w, &n);
    if (n.scans > 0)
        show(w);
    listen(w, ended);
}

/* ---- all ---- */

static enum status work_share(struct work *w, struct error *err)
{
    enum status status = STATUS_OK;
    size_t turn = 0;
    for (size_t i = 0; i < w->list->count && status == STATUS_OK; i++) {
        struct phantom_item *item = &w->list->items[i];
        if (item->state & ITEM_BAD || item->state == (ITEM_TRUTH | ITEM_VOLUMES))
            continue;
        if (turn++ % (size_t)w->comm->size != (size_t)w->comm->rank)
            continue;
        if (interrupt_wanted())
            return error_set(err, STATUS_JOB_INTERRUPTED,
                             "stopped on request: the same command goes on");
        struct news before = w->mine;
        status = make(w, item, err);
        tell(w, &before, false);
    }
    return status;
}

/* Everybody learns what is there now. */
static void share_states(struct work *w)
{
    uint8_t *states = calloc(w->list->count ? w->list->count : 1, 1);
    CHECK(states);
    for (size_t i = 0; i < w->list->count; i++)
        states[i] = w->list->items[i].state;
    comm_or(w->comm, states, w->list->count);
    for (size_t i = 0; i < w->list->count; i++) {
        w->list->items[i].state = states[i] & ITEM_BAD ? ITEM_BAD : states[i];
        w->bad += states[i] & ITEM_BAD ? 1 : 0;
    }
    free(states);
}

enum status phantom_work(struct phantom_items *l, const struct phantom_options *o,
                         const struct comm *c, struct phantom_work_counts *counts,
                         struct error *err)
{
    struct work w = {.list = l,
                     .options = o,
                     .comm = c,
                     .start = clock_seconds(),
                     .lacking = phantom_items_lacking(l, ITEM_TRUTH | ITEM_VOLUMES)};
    enum status status = work_share(&w, err);
    struct news before = w.mine;
    tell(&w, &before, true);
    status = comm_agree(c, status, err);
    share_states(&w);
    *counts = (struct phantom_work_counts){(int64_t)w.all.scans, w.bad, w.all.voxels,
                                           w.all.seconds, clock_seconds() - w.start};
    comm_share(c, counts, sizeof *counts);
    return status;
}
