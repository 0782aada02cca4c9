/*
 * Steps that go in bands of rows.
 *
 * One after another, the steps of a network for slices read whole maps that the one
 * before has written, long after they have left the caches. So neighbouring steps of one
 * resolution go together: a band of the last one's rows at a time, and of each one before
 * it the rows that those need. Nothing is computed twice, and every row is the same bits:
 * bands begin where the tiles of convolutions and the windows of pools do.
 *
 * A tensor that only such steps use is never there whole: it has room for some bands, and
 * when that is full, the rows that are still needed move to its begin.
 */
#include "nn/plan.h"

enum {
    BAND = 4,      /* rows; a multiple of all tiles, and of the strides that are served */
    TOGETHER = 16, /* steps, at most */
    SPARE = 4 * BAND, /* rows that a tensor can take before any have to move */
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static const struct layer *layer_of(const struct model_plan *p, const struct step *s)
{
    return &p->model->network.layers[s->layer];
}

static bool serves(const struct model_plan *p, const struct step *s)
{
    if (p->model->network.dimensions != 2)
        return false;
    switch (s->kind) {
    case STEP_CONV:
        return !s->pooled && BAND % layer_of(p, s)->stride[1] == 0;
    case STEP_CONV_TRANSPOSE: {
        const struct layer *l = layer_of(p, s);
        return BAND % l->stride[1] == 0 && l->kernel[1] == l->stride[1] &&
               l->pad[1] == 0 && l->output_pad[1] == 0;
    }
    case STEP_AVG_POOL:
        return s->pool.stride[1] == s->pool.kernel[1] && s->pool.pad[1] == 0;
    case STEP_RELU:
    case STEP_BATCH_NORM:
    case STEP_SIGMOID:
        return true;
    default:
        return false;
    }
}

/* The first row of the input that row `row` of a step's output reads (it reaches `pad`
 * above), and how many rows `rows` of them take, padding left out. */
static int64_t input_row(const struct model_plan *p, const struct step *s, int64_t row)
{
    switch (s->kind) {
    case STEP_CONV:
        return row * layer_of(p, s)->stride[1];
    case STEP_CONV_TRANSPOSE:
        return row / layer_of(p, s)->stride[1];
    case STEP_AVG_POOL:
        return row * s->pool.stride[1];
    default:
        return row;
    }
}

static int64_t input_rows(const struct model_plan *p, const struct step *s, int64_t rows)
{
    const struct layer *l;
    switch (s->kind) {
    case STEP_CONV:
        l = layer_of(p, s);
        return (rows - 1) * l->stride[1] - 2 * l->pad[1] + l->kernel[1];
    case STEP_CONV_TRANSPOSE:
        l = layer_of(p, s);
        return (rows + l->stride[1] - 1) / l->stride[1];
    case STEP_AVG_POOL:
        return rows * s->pool.stride[1];
    default:
        return rows;
    }
}

/* Rows above its first input row that a step reads. */
static int64_t pad_of(const struct model_plan *p, const struct step *s)
{
    return s->kind == STEP_CONV ? layer_of(p, s)->pad[1] : 0;
}

static bool reads(const struct model_plan *p, const struct step *reader,
                  const struct step *writer)
{
    int channel;
    return plan_root(p, reader->from, &channel) == plan_root(p, writer->to, &channel);
}

static int64_t height_of(const struct model_plan *p, int value)
{
    return p->slots[value].shape.size[1];
}

/* Whether step k can go together with those from `first` on. */
static bool joins(const struct model_plan *p, int first, int k)
{
    const struct step *s = &p->steps[k];
    bool linked = false;
    if (k - first >= TOGETHER || !serves(p, s))
        return false;
    for (int i = first; i < k; i++)
        linked = linked || reads(p, s, &p->steps[i]);
    return linked && height_of(p, s->from) == height_of(p, p->steps[first].to) &&
           height_of(p, s->to) <= height_of(p, s->from);
}

/* How many rows of each step have to be there for the first `rows` of the last one. */
static void rows_needed(const struct model_plan *p, int first, int last, int64_t rows,
                        int64_t needed[TOGETHER])
{
    const bool all = rows >= height_of(p, p->steps[last].to);
    needed[last - first] = smaller(rows, height_of(p, p->steps[last].to));
    for (int k = last - 1; k >= first; k--) {
        const struct step *s = &p->steps[k];
        const int64_t height = height_of(p, s->to);
        int64_t most = all ? height : 0;
        for (int i = k + 1; i <= last; i++) {
            const struct step *reader = &p->steps[i];
            if (needed[i - first] > 0 && reads(p, reader, s))
                most = larger(
                    most,
                    input_rows(p, reader, needed[i - first]) +
                        (reader->kind == STEP_CONV ? layer_of(p, reader)->pad[1] : 0));
        }
        needed[k - first] = smaller((most + BAND - 1) / BAND * BAND, height);
    }
}

/* Goes through the bands: calls visit for each step that has rows to do, up to `to`,
 * where done[i] rows of step first + i are done. */
typedef void visit_function(void *context, int i, const int64_t *done, int64_t to);

static void each_band(const struct model_plan *p, int first, visit_function *visit,
                      void *context)
{
    const int last = p->steps[first].last;
    const int64_t height = height_of(p, p->steps[last].to);
    int64_t done[TOGETHER] = {0}, needed[TOGETHER];
    for (int64_t rows = BAND; done[last - first] < height; rows += BAND) {
        rows_needed(p, first, last, rows, needed);
        for (int i = 0; i <= last - first; i++)
            if (needed[i] > done[i]) {
                visit(context, i, done, needed[i]);
                done[i] = needed[i];
            }
    }
}

/* The first row of a step's output that is still needed. */
static int64_t first_needed(const struct model_plan *p, int first, int i,
                            const int64_t *done)
{
    int64_t row = done[i];
    for (int k = first + i + 1; k <= p->steps[first].last; k++) {
        const struct step *reader = &p->steps[k];
        if (reads(p, reader, &p->steps[first + i]))
            row = smaller(row, input_row(p, reader, done[k - first]) - pad_of(p, reader));
    }
    return larger(row, 0);
}

/* Rows of each step's output that are needed at a time. */
struct widths {
    const struct model_plan *plan;
    int first;
    int64_t rows[TOGETHER];
};

static void find_width(void *context, int i, const int64_t *done, int64_t to)
{
    struct widths *w = context;
    w->rows[i] = larger(w->rows[i], to - first_needed(w->plan, w->first, i, done));
}

/* Whether all that is done to the tensor of a step's output is done by steps that go with
 * it. */
static bool is_among_them(const struct model_plan *p, int step)
{
    const struct step *s = &p->steps[step];
    if (p->slots[s->to].parent != NO_VALUE)
        return false;
    for (int v = 0; v < p->slot_count; v++)
        if (p->slots[v].parent == s->to)
            return false;
    for (int i = 0; i < p->step_count; i++)
        if (p->steps[i].from != NO_VALUE && reads(p, &p->steps[i], s) &&
            p->steps[i].first != s->first)
            return false;
    return true;
}

static void find_windows(struct model_plan *p, int first)
{
    struct widths w = {.plan = p, .first = first};
    each_band(p, first, find_width, &w);
    for (int i = first; i < p->steps[first].last; i++) {
        struct slot *slot = &p->slots[p->steps[i].to];
        const int64_t rows = w.rows[i - first] + SPARE;
        if (is_among_them(p, i) && rows < slot->shape.size[1])
            slot->window = rows;
    }
}

void bands_plan(struct model_plan *p)
{
    for (int first = 0, end; first < p->step_count; first = end) {
        end = first + 1;
        if (serves(p, &p->steps[first]))
            while (end < p->step_count && joins(p, first, end))
                end++;
        for (int i = first; i < end; i++) {
            p->steps[i].first = first;
            p->steps[i].last = end - 1;
        }
        if (end - first > 1)
            find_windows(p, first);
    }
}

/* A run of steps in bands. `shift`: row of the output that lies first in its tensor. */
struct run {
    const struct model_plan *plan;
    int first;
    float *workspace;
    int64_t shift[TOGETHER];
    bands_function *step;
    void *context;
};

static float *row_of(const struct view *v, int64_t row)
{
    return v->data + row * v->stride_h - v->halo * v->stride_w;
}

/* Makes room in the tensor of a step for rows up to `to`. */
static void make_room(struct run *r, int i, const int64_t *done, int64_t to)
{
    const struct model_plan *p = r->plan;
    const struct step *s = &p->steps[r->first + i];
    const int64_t window = p->slots[s->to].window;
    if (window == 0 || to - r->shift[i] <= window)
        return;
    const int64_t keep = first_needed(p, r->first, i, done);
    struct view tensor = s->tensor.view;
    tensor.data = r->workspace + s->tensor.offset;
    CHECK(to - keep <= window);
    memmove(row_of(&tensor, 0), row_of(&tensor, keep - r->shift[i]),
            (size_t)((done[i] - keep) * tensor.stride_h) * sizeof(float));
    r->shift[i] = keep;
}

/* Zeroes the halo below the last row, which other rows have been where it is now. */
static void clear_below(const struct run *r, int i, int64_t to)
{
    const struct step *s = &r->plan->steps[r->first + i];
    const struct slot *slot = &r->plan->slots[s->to];
    struct view tensor = s->tensor.view;
    tensor.data = r->workspace + s->tensor.offset;
    if (slot->window > 0 && to == slot->shape.size[1])
        memset(row_of(&tensor, to - r->shift[i]), 0,
               (size_t)(tensor.halo * tensor.stride_h) * sizeof(float));
}

static void run_band(void *context, int i, const int64_t *done, int64_t to)
{
    struct run *r = context;
    const struct model_plan *p = r->plan;
    const struct step *s = &p->steps[r->first + i];
    struct band b = {.from = done[i], .to = to};
    make_room(r, i, done, to);
    b.out_shift = r->shift[i];
    for (int k = 0; k < i; k++)
        if (reads(p, s, &p->steps[r->first + k]))
            b.in_shift = r->shift[k];
    r->step(r->context, s, &b);
    clear_below(r, i, to);
}

void bands_run(const struct model_plan *p, int first, float *workspace,
               bands_function *step, void *context)
{
    struct run r = {.plan = p,
                    .first = first,
                    .workspace = workspace,
                    .step = step,
                    .context = context};
    each_band(p, first, run_band, &r);
}

void band_cut(const struct model_plan *p, const struct step *s, const struct band *b,
              struct view *in, struct view *out)
{
    const int64_t rows = b->to - b->from;
    out->data += (b->from - b->out_shift) * out->stride_h;
    out->height = rows;
    in->data += (input_row(p, s, b->from) - b->in_shift) * in->stride_h;
    in->height = input_rows(p, s, rows);
}
