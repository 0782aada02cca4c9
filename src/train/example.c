/*
 * Windows that reach beyond a small volume are continued by reflection, as at detection
 * (stage/crop.h); their targets too, so that voxels and labels stay together.
 */
#include "train/example.h"

#include "base/memory.h"
#include "base/random.h"
#include "stage/crop.h"
#include "train/kept_crops.h"
#include "train/noise.h"
#include "train/resample.h"

enum { AXES = 3 };

struct example_maker {
    struct example_options options;
    struct crop_reader *reader;
    struct resampler *resampler;
    struct kept_crops *kept;
    float *box;            /* what the window covers of the volume */
    uint8_t *labels;       /* of that */
    float *window;         /* the same, continued beyond the volume */
    float *crop;           /* before augmentation */
    float *target, *moved; /* the same of the map: window, crop */
    float *column;         /* voxels of a line, example_boxes */
    int64_t column_room;
};

static int64_t product(const int64_t size[3])
{
    return size[0] * size[1] * size[2];
}

int64_t example_input_floats(const struct example_options *o)
{
    return product(o->crop);
}

int64_t example_target_floats(const struct example_options *o)
{
    if (o->target == TARGET_NONE)
        return 0;
    return o->middle_slice ? o->crop[1] * o->crop[2] : product(o->crop);
}

enum status example_maker_new(const struct example_options *o, struct example_maker **out,
                              struct error *err)
{
    enum status status;
    struct example_maker *m = NULL;
    size_t window = (size_t)product(o->window), crop = (size_t)product(o->crop);
    for (int i = 0; i < AXES; i++)
        CHECK(o->crop[i] > 0 && o->crop[i] <= o->window[i]);
    TRY(memory_new(1, sizeof *m, "training examples", (void **)&m, err));
    m->options = *o;
    TRY(crop_reader_new(&m->reader, err));
    TRY(resampler_new(o->crop, &m->resampler, err));
    TRY(kept_crops_new(o->keep, window, &m->kept, err));
    TRY(memory_new(window, sizeof(float), "a window", (void **)&m->box, err));
    TRY(memory_new(window, 1, "labels of a window", (void **)&m->labels, err));
    TRY(memory_new(window, sizeof(float), "a window", (void **)&m->window, err));
    TRY(memory_new(crop, sizeof(float), "a crop", (void **)&m->crop, err));
    TRY(memory_new(window, sizeof(float), "a target", (void **)&m->target, err));
    TRY(memory_new(crop, sizeof(float), "a target", (void **)&m->moved, err));
out:
    if (status != STATUS_OK) {
        example_maker_free(m);
        m = NULL;
    }
    *out = m;
    return status;
}

void example_maker_free(struct example_maker *m)
{
    if (!m)
        return;
    crop_reader_free(m->reader);
    resampler_free(m->resampler);
    kept_crops_free(m->kept);
    free(m->box);
    free(m->labels);
    free(m->window);
    free(m->crop);
    free(m->target);
    free(m->moved);
    free(m->column);
    free(m);
}

/* ---- boxes of nodules ---- */

/* The three lines of voxels through a nodule's centre: all that a growing box looks at.
 */
struct lines {
    const float *line[AXES];
    const int32_t *centre;
};

static float voxel_on_a_line(void *context, int64_t z, int64_t y, int64_t x)
{
    const struct lines *l = context;
    const int64_t at[AXES] = {z, y, x};
    for (int i = 0; i < AXES; i++)
        if (at[i] != l->centre[i])
            return l->line[i][at[i]];
    return l->line[0][z];
}

static enum status read_lines(struct example_maker *m, const struct cached_scan *voxels,
                              const struct pool_place *nodule, struct lines *l,
                              struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t *size = cached_scan_geometry(voxels)->size;
    int64_t room = size[0] + size[1] + size[2];
    if (room > m->column_room) {
        free(m->column);
        m->column = NULL;
        m->column_room = 0;
        TRY(memory_new((size_t)room, sizeof *m->column, "lines of a scan",
                       (void **)&m->column, err));
        m->column_room = room;
    }
    float *line = m->column;
    for (int axis = 0; axis < AXES; line += size[axis], axis++) {
        int64_t start[AXES], count[AXES] = {1, 1, 1};
        for (int i = 0; i < AXES; i++)
            start[i] = nodule->voxel[i];
        start[axis] = 0;
        count[axis] = size[axis];
        TRY(crop_reader_read_float(m->reader, voxels, start, count, line, err));
        l->line[axis] = line;
    }
    l->centre = nodule->voxel;
out:
    return status;
}

enum status example_boxes(struct example_maker *m, const struct cached_scan *voxels,
                          const struct pool_place *nodules, size_t count,
                          struct label_box *boxes, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        struct lines l;
        TRY(read_lines(m, voxels, &nodules[i], &l, err));
        const int32_t *c = nodules[i].voxel;
        label_box_grow(cached_scan_geometry(voxels)->size, (int64_t[]){c[0], c[1], c[2]},
                       m->options.book, voxel_on_a_line, &l, &boxes[i]);
    }
out:
    return status;
}

/* ---- windows ---- */

struct place {
    int64_t window[AXES];             /* its size: no larger than volume and crop need */
    int64_t start[AXES], count[AXES]; /* of it, inside the volume */
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct place window_of(const struct example_maker *m,
                              const struct cached_scan *voxels,
                              const struct pool_place *p)
{
    struct place w;
    const int64_t *size = cached_scan_geometry(voxels)->size;
    const struct example_options *o = &m->options;
    for (int i = 0; i < AXES; i++) {
        w.window[i] = o->window[i] < size[i] ? o->window[i] : larger(o->crop[i], size[i]);
        w.start[i] = i == 0 && o->centred ? p->voxel[i] - w.window[i] / 2
                                          : crop_start(p->voxel[i], w.window[i], size[i]);
        w.count[i] = w.window[i] < size[i] ? w.window[i] : size[i];
    }
    return w;
}

/* What the window covers of the volume, into m->box. */
static enum status read_window(struct example_maker *m, const struct cached_scan *voxels,
                               const struct example_item *item, const struct place *w,
                               struct error *err)
{
    bool found = false;
    int16_t *kept = item->again ? kept_crops_find(m->kept, &item->place, &found) : NULL;
    if (!kept)
        return crop_reader_read_float(m->reader, voxels, w->start, w->count, m->box, err);
    if (!found) {
        const enum status status =
            crop_reader_read(m->reader, voxels, w->start, w->count, kept, err);
        if (status != STATUS_OK)
            return status;
        kept_crops_add(m->kept, &item->place);
    }
    const int64_t count = product(w->count);
    for (int64_t i = 0; i < count; i++)
        m->box[i] = kept[i];
    return STATUS_OK;
}

static bool reaches_beyond(const struct place *w)
{
    return w->window[0] > w->count[0] || w->window[1] > w->count[1] ||
           w->window[2] > w->count[2];
}

/* The whole window from what of it lies inside the volume: that itself, mostly. */
static const float *extend(struct example_maker *m, const struct place *w,
                           const float *inside)
{
    if (!reaches_beyond(w))
        return inside;
    const struct slices s = {.hu = inside,
                             .first = 0,
                             .count = w->count[0],
                             .size = {w->count[0], w->count[1], w->count[2]}};
    crop_copy(&s, (const double[]){0, 0, 0}, w->window, m->window);
    return m->window;
}

static void cut(const struct example_maker *m, const struct place *w,
                const int64_t offset[3], const float *window, float *crop)
{
    const int64_t *from = w->window, *size = m->options.crop;
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++) {
            int64_t row = ((z + offset[0]) * from[1] + y + offset[1]) * from[2];
            memcpy(crop, window + row + offset[2], (size_t)size[2] * sizeof *crop);
            crop += size[2];
        }
}

static void draw_offset(const struct example_options *o, const struct place *w,
                        const struct example_item *item, int64_t offset[3])
{
    struct random r =
        random_stream(o->seed, RANDOM_CROP, item->epoch << 32 | item->sample, 0);
    for (int i = 0; i < AXES; i++)
        offset[i] = (int64_t)random_below(&r, (uint64_t)(w->window[i] - o->crop[i] + 1));
}

/* ---- targets ---- */

static enum status label_window(struct example_maker *m, const struct example_scan *s,
                                const struct place *w, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t voxels = product(w->count);
    if (m->options.target == TARGET_MASK) {
        memset(m->target, 0, (size_t)voxels * sizeof *m->target);
        if (s->mask)
            TRY(crop_reader_read_float(m->reader, s->mask, w->start, w->count, m->target,
                                       err));
        for (int64_t i = 0; i < voxels; i++)
            m->target[i] = m->target[i] > 0;
    } else {
        memset(m->labels, 0, (size_t)voxels);
        for (size_t i = 0; i < s->box_count; i++)
            label_box_paint(&s->boxes[i], w->start, w->count, m->box, m->labels);
        for (int64_t i = 0; i < voxels; i++)
            m->target[i] = m->labels[i];
    }
out:
    return status;
}

/* The map of the crop: moved as its voxels were, and made 0 or 1 again. */
static void finish_target(struct example_maker *m, const struct augment_transform *t,
                          float *target)
{
    const struct example_options *o = &m->options;
    const float *map = m->moved;
    if (o->augment) {
        resampler_apply(m->resampler, t, m->moved, m->crop);
        map = m->crop;
    }
    if (o->middle_slice)
        map += o->crop[0] / 2 * o->crop[1] * o->crop[2];
    for (int64_t i = 0; i < example_target_floats(o); i++)
        target[i] = map[i] > 0.5f;
}

enum status example_make(struct example_maker *m, const struct example_scan *s,
                         const struct example_item *item, float *input, float *target,
                         struct error *err)
{
    enum status status;
    const struct example_options *o = &m->options;
    struct augment_transform t;
    struct place w = window_of(m, s->voxels, &item->place);
    int64_t offset[AXES];

    draw_offset(o, &w, item, offset);
    TRY(read_window(m, s->voxels, item, &w, err));
    cut(m, &w, offset, extend(m, &w, m->box), o->augment ? m->crop : input);
    if (o->augment) {
        augment_draw(&o->augmentation, o->seed, item->epoch, item->sample, &t);
        resampler_apply(m->resampler, &t, m->crop, input);
        if (o->augmentation.noise_hu > 0)
            noise_add(o->augmentation.noise_hu, o->seed, item->epoch, item->sample, input,
                      product(o->crop));
    }
    if (o->target != TARGET_NONE) {
        TRY(label_window(m, s, &w, err));
        cut(m, &w, offset, extend(m, &w, m->target), m->moved);
        finish_target(m, &t, target);
    }
out:
    return status;
}
