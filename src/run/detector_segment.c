/*
 * The task that makes masks: some whole slabs of one scan, by a network of slices or of
 * blocks. A slab is packed by itself either way, so that nobody after this has to know
 * which it was.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "run/detector_internal.h"
#include "run/record.h"

/* ---- what comes of it ---- */

/* Of `parts` tasks from `part` on. */
static enum status stretch_init(const struct detector *d, int64_t part, int64_t parts,
                                struct stretch *s, struct error *err)
{
    enum status status;
    const struct geometry *g = scan_reader_geometry(d->reader);
    const int64_t most = detector_segment_slices(d);
    *s = (struct stretch){.first = part * most,
                          .plane = (size_t)g->size[1] * (size_t)g->size[2]};
    s->count = detector_clamp(g->size[0] - s->first, 0, most * parts);
    TRY(memory_new(s->plane * (size_t)s->count, 1, "mask", (void **)&s->mask, err));
    if (d->settings->store.heatmaps)
        TRY(memory_new(s->plane * (size_t)s->count, sizeof *s->heatmap, "heatmap",
                       (void **)&s->heatmap, err));
out:
    return status;
}

void stretch_release(struct stretch *s)
{
    free(s->mask);
    free(s->heatmap);
    *s = (struct stretch){.count = 0};
}

static enum status write_heatmap(const struct detector *d, const struct order *o,
                                 int64_t slab, const float *heatmap, size_t voxels,
                                 struct error *err)
{
    char *path;
    enum status status =
        heatmap_slab_path(d->heatmap_folder, o->seriesuid, slab, &path, err);
    if (status != STATUS_OK)
        return status;
    status = file_write(path, (const char *)heatmap, voxels * sizeof *heatmap, err);
    free(path);
    return status;
}

static enum status append(void **all, size_t *bytes, size_t *room, const void *more,
                          size_t count, struct error *err)
{
    enum status status = memory_grow(all, room, *bytes + count, 1, "mask", err);
    if (status == STATUS_OK) {
        memcpy((char *)*all + *bytes, more, count);
        *bytes += count;
    }
    return status;
}

/* The slabs of slices [begin, end) of the stretch, one after the other. */
static enum status stretch_pack(const struct detector *d, const struct order *o,
                                const struct stretch *s, int64_t begin, int64_t end,
                                void **payload, size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    size_t room = 0;
    for (int64_t z = begin; z < end; z += SLAB_SLICES) {
        const int64_t count = detector_clamp(end - z, 0, SLAB_SLICES);
        const size_t from = (size_t)z * s->plane, voxels = (size_t)count * s->plane;
        void *packed = NULL;
        size_t packed_bytes;
        if (s->heatmap)
            TRY(write_heatmap(d, o, (s->first + z) / SLAB_SLICES, s->heatmap + from,
                              voxels, err));
        TRY(mask_pack(s->mask + from, voxels, &packed, &packed_bytes, err));
        status = append(payload, bytes, &room, packed, packed_bytes, err);
        free(packed);
        TRY(status);
    }
out:
    return status;
}

/* ---- what it takes ---- */

static bool has_block_segmenter(const struct detector *d, const struct geometry *g)
{
    return d->block_segmenter &&
           memcmp(d->segmenter_size, g->size, sizeof d->segmenter_size) == 0;
}

/* Before anything is allocated for blocks of this size. */
static enum status check_blocks(const struct detector *d, const struct order *o,
                                struct error *err)
{
    enum status status;
    const struct geometry *g = scan_reader_geometry(d->reader);
    struct block_segmenter_needs needs;
    const struct stage_models *m = &d->segment_models;
    if (has_block_segmenter(d, g))
        return STATUS_OK;
    TRY(block_segmenter_measure(m->items, m->count, g->size, BLOCK_SLICES, &d->plan,
                                &needs, err));
    const int64_t slice = g->size[1] * g->size[2] * (int64_t)sizeof(float);
    TRY(detector_check_memory(d, o->path, g, needs.bytes / slice, err));
out:
    return status;
}

/* The same for `parts` slabs of slices at once. */
static enum status check_slices(const struct detector *d, const struct order *o,
                                int64_t parts, struct error *err)
{
    const int channels = model_input_channels(d->segment_models.items[0]);
    return detector_check_memory(d, o->path, scan_reader_geometry(d->reader),
                                 parts * SLAB_SLICES + channels - 1, err);
}

/* ---- slices ---- */

static enum status make_segmenter(struct detector *d, const struct geometry *g,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    if (d->segmenter && d->segmenter_size[1] == g->size[1] &&
        d->segmenter_size[2] == g->size[2])
        return STATUS_OK;
    const struct segment_options o = {.plan = d->plan,
                                      .threshold = d->settings->segment.threshold,
                                      .threads = d->threads};
    segmenter_free(d->segmenter);
    d->segmenter = NULL;
    TRY(segmenter_new(d->segment_models.items, d->segment_models.count, g->size[1],
                      g->size[2], &o, &d->segmenter, err));
    memcpy(d->segmenter_size, g->size, sizeof d->segmenter_size);
out:
    return status;
}

static enum status do_slices(struct detector *d, const struct stretch *s,
                             struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = scan_reader_geometry(d->reader);
    struct slices window;
    const float **planes = NULL;
    TRY(make_segmenter(d, g, err));
    const int64_t context = segmenter_context(d->segmenter);
    TRY(memory_new((size_t)(s->count + 2 * context), sizeof *planes, "slices",
                   (void **)&planes, err));
    const int64_t low = detector_clamp(s->first - context, 0, g->size[0] - 1);
    const int64_t high =
        detector_clamp(s->first + s->count - 1 + context, 0, g->size[0] - 1);
    TRY(scan_reader_slices(d->reader, low, high - low + 1, &window, err));
    for (int64_t i = 0; i < s->count + 2 * context; i++)
        planes[i] =
            window.hu +
            (size_t)(detector_clamp(s->first + i - context, low, high) - window.first) *
                s->plane;
    const double start = clock_seconds();
    status = segmenter_run(d->segmenter, planes, s->count, s->mask, s->heatmap, d->poll,
                           d->context, err);
    d->timings[TIMING_SEGMENT] += clock_seconds() - start;
out:
    free(planes);
    return status;
}

enum { AHEAD_MOST = 32 };

/* How many slabs keep all threads at work but for a seventh of the time, as far as memory
 * allows. */
static int64_t slabs_at_once(const struct detector *d, const struct order *o)
{
    const int64_t threads = d->threads;
    int64_t n = 1;
    while (n < AHEAD_MOST) {
        const int64_t slices = n * SLAB_SLICES;
        const int64_t rounds = (slices + threads - 1) / threads;
        if (7 * slices >= 6 * rounds * threads)
            break;
        n++;
    }
    struct error ignored;
    while (n > 1 && check_slices(d, o, n, &ignored) != STATUS_OK)
        n--;
    return n;
}

/* Segments the slab that is asked for and those that will probably follow: after it, or
 * before it where a worker helps from a scan's end. */
static enum status do_slabs(struct detector *d, const struct order *o, struct error *err)
{
    enum status status;
    struct slabs_ahead *a = &d->ahead;
    const int64_t depth = scan_reader_geometry(d->reader)->size[0];
    const int64_t last = (depth - 1) / SLAB_SLICES, part = o->task.part;
    const bool falls = part == last || (a->scan == o->task.scan && part == a->part - 1);
    stretch_release(&a->slices);
    TRY(check_slices(d, o, 1, err));
    const int64_t most = slabs_at_once(d, o);
    const int64_t first = falls ? detector_clamp(part - most + 1, 0, part) : part;
    const int64_t parts = falls ? part - first + 1 : most;
    TRY(stretch_init(d, first, parts, &a->slices, err));
    TRY(do_slices(d, &a->slices, err));
    return STATUS_OK;
out:
    stretch_release(&a->slices);
    return status;
}

static enum status segment_slices(struct detector *d, const struct order *o,
                                  void **payload, size_t *bytes, struct error *err)
{
    enum status status;
    struct slabs_ahead *a = &d->ahead;
    const struct stretch *s = &a->slices;
    const int64_t first = o->task.part * SLAB_SLICES;
    if (a->scan != o->task.scan || first < s->first || first >= s->first + s->count)
        TRY(do_slabs(d, o, err));
    a->scan = o->task.scan;
    a->part = o->task.part;
    const int64_t begin = first - s->first;
    const double start = clock_seconds();
    status =
        stretch_pack(d, o, s, begin, detector_clamp(s->count, 0, begin + SLAB_SLICES),
                     payload, bytes, err);
    d->timings[TIMING_SEGMENT] += clock_seconds() - start;
out:
    return status;
}

/* ---- blocks ---- */

/* The segmenter for the volume, with nothing of another one in it. */
static enum status make_block_segmenter(struct detector *d, const struct geometry *g,
                                        const struct order *o, struct error *err)
{
    enum status status = STATUS_OK;
    const struct segment_options options = {.plan = d->plan,
                                            .threshold = d->settings->segment.threshold,
                                            .threads = d->threads};
    if (!has_block_segmenter(d, g)) {
        block_segmenter_free(d->block_segmenter);
        d->block_segmenter = NULL;
        TRY(block_segmenter_new(d->segment_models.items, d->segment_models.count, g->size,
                                BLOCK_SLICES, &options, &d->block_segmenter, err));
        memcpy(d->segmenter_size, g->size, sizeof d->segmenter_size);
    } else if (d->segmenter_scan != o->task.scan) {
        block_segmenter_turn(d->block_segmenter);
    }
    d->segmenter_scan = o->task.scan;
out:
    return status;
}

static enum status do_blocks(struct detector *d, const struct order *o,
                             const struct stretch *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = scan_reader_geometry(d->reader);
    struct slices window;
    int64_t low, slices;
    TRY(make_block_segmenter(d, g, o, err));
    block_segmenter_range(d->block_segmenter, s->first, s->count, &low, &slices);
    TRY(detector_check_memory(d, o->path, g, slices, err));
    TRY(scan_reader_slices(d->reader, low, slices, &window, err));
    const double start = clock_seconds();
    status = block_segmenter_run(d->block_segmenter, &window, s->first, s->count, s->mask,
                                 s->heatmap, d->poll, d->context, err);
    d->timings[TIMING_SEGMENT] += clock_seconds() - start;
out:
    return status;
}

static enum status segment_blocks(struct detector *d, const struct order *o,
                                  void **payload, size_t *bytes, struct error *err)
{
    enum status status;
    struct stretch s = {.count = 0};
    TRY(check_blocks(d, o, err));
    TRY(stretch_init(d, o->task.part, 1, &s, err));
    TRY(do_blocks(d, o, &s, err));
    const double start = clock_seconds();
    status = stretch_pack(d, o, &s, 0, s.count, payload, bytes, err);
    d->timings[TIMING_SEGMENT] += clock_seconds() - start;
out:
    stretch_release(&s);
    return status;
}

enum status detector_segment(struct detector *d, const struct order *o, void **payload,
                             size_t *bytes, struct error *err)
{
    return model_dimensions(d->segment_models.items[0]) == 2
               ? segment_slices(d, o, payload, bytes, err)
               : segment_blocks(d, o, payload, bytes, err);
}
