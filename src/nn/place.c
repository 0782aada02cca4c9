/*
 * Where values lie in the workspace.
 *
 * 1. A value that is an input of a concatenation is some channels of the concatenation's
 * tensor, and that one's of a wider one, and so on: the outermost is the root, and only
 * roots have memory.
 * 2. A root's halo is as wide as the widest that any reader of any of its values needs.
 * 3. A root lives from the first step that writes any of its values to the last that
 * reads one; of steps that go in bands together, from the first to the last. One that is
 * never there whole has room for some rows only (bands.c).
 * 4. Roots whose lives meet do not overlap; others may (arena.h).
 * 5. A halo holds zeros when a step reads it: the first step that writes to a root clears
 * its halo, since other roots, and other plans that share the workspace, use the same
 * bytes. No other step writes a halo.
 */
#include "base/memory.h"
#include "base/size.h"
#include "nn/plan.h"

int plan_root(const struct model_plan *p, int value, int *channel)
{
    *channel = 0;
    while (p->slots[value].parent != NO_VALUE) {
        *channel += p->slots[value].parent_channel;
        value = p->slots[value].parent;
    }
    return value;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* The halo that a step needs around what it reads. */
static void step_halo(const struct model_plan *p, const struct step *s, int *halo_d,
                      int *halo)
{
    int needed[3] = {0, 0, 0};
    if (s->kind == STEP_CONV || s->kind == STEP_CONV_TRANSPOSE) {
        const struct layer *l = &p->model->network.layers[s->layer];
        struct conv_transpose_shape t = layer_transpose_shape(l, 0);
        for (int i = 0; i < 3; i++)
            needed[i] = s->kind == STEP_CONV ? l->pad[i] : conv_transpose_halo(&t, i);
    }
    *halo_d = needed[0];
    *halo = larger(needed[1], needed[2]);
}

static void find_lives(struct model_plan *p)
{
    int channel, halo_d, halo;
    for (int i = 0; i < p->step_count; i++) {
        const struct step *s = &p->steps[i];
        if (s->from != NO_VALUE) {
            struct slot *root = &p->slots[plan_root(p, s->from, &channel)];
            step_halo(p, s, &halo_d, &halo);
            root->halo_d = larger(root->halo_d, halo_d);
            root->halo = larger(root->halo, halo);
            arena_item_use(&root->item, s->first);
            arena_item_use(&root->item, s->last);
        }
        if (s->to != NO_VALUE) {
            struct slot *root = &p->slots[plan_root(p, s->to, &channel)];
            root->writer = root->writer < 0 ? i : root->writer;
            arena_item_use(&root->item, s->first);
            arena_item_use(&root->item, s->last);
        }
    }
}

/* Rows that there is room for. */
static int64_t rows_of(const struct slot *s)
{
    return s->window ? s->window : s->shape.size[1];
}

static enum status find_sizes(struct model_plan *p, struct error *err)
{
    for (int i = 0; i < p->slot_count; i++) {
        struct slot *s = &p->slots[i];
        if (s->item.born == ARENA_UNBORN)
            continue;
        const int64_t size[3] = {s->shape.size[0], rows_of(s), s->shape.size[2]};
        if (!arena_item_size(&s->item, size, s->shape.channels, s->halo_d, s->halo))
            return error_set(err, STATUS_STAGE_MEMORY, "network %s: a layer is too large",
                             p->model->network.name);
    }
    return STATUS_OK;
}

/* Marks the steps that have to clear a halo. */
static void mark_clears(struct model_plan *p)
{
    for (int i = 0; i < p->slot_count; i++) {
        const struct slot *s = &p->slots[i];
        if (s->item.born != ARENA_UNBORN && s->halo + s->halo_d > 0)
            p->steps[s->writer].clears = true;
    }
}

static struct place place_root(const struct slot *s)
{
    struct place place = {.view = {.depth = s->shape.size[0],
                                   .height = rows_of(s),
                                   .width = s->shape.size[2],
                                   .channels = s->shape.channels,
                                   .halo_d = s->halo_d,
                                   .halo = s->halo}};
    struct view *v = &place.view;
    v->stride_w = v->channels;
    v->stride_h = (v->width + 2 * v->halo) * v->stride_w;
    v->stride_d = (v->height + 2 * v->halo) * v->stride_h;
    place.offset =
        s->item.offset + v->halo_d * v->stride_d + v->halo * (v->stride_h + v->stride_w);
    return place;
}

/* The place of `channels` channels of a value, from `first` on. */
static struct place place_value(const struct model_plan *p, int value, int first,
                                int channels)
{
    int channel;
    struct place place = place_root(&p->slots[plan_root(p, value, &channel)]);
    place.offset += channel + first;
    place.view.channels = channels;
    return place;
}

static size_t step_scratch(const struct model_plan *p, const struct step *s)
{
    const int64_t *size;
    if (s->to == NO_VALUE)
        return 0;
    size = p->slots[s->to].shape.size;
    if (s->pooled)
        return conv_pool_scratch_bytes(s->conv, &s->pool, size[0], size[1], size[2]);
    return s->conv ? conv_scratch_bytes(s->conv, size[0], size[1], size[2])
           : s->transpose
               ? conv_transpose_scratch_bytes(s->transpose, size[0], size[1], size[2])
               : 0;
}

static void place_steps(struct model_plan *p)
{
    size_t scratch = 0;
    int channel;
    for (int i = 0; i < p->step_count; i++) {
        struct step *s = &p->steps[i];
        if (s->from != NO_VALUE)
            s->in = place_value(p, s->from, 0, p->slots[s->from].shape.channels);
        if (s->to != NO_VALUE) {
            int source = s->kind == STEP_COPY ? s->from : s->to;
            s->out =
                place_value(p, s->to, s->to_channel, p->slots[source].shape.channels);
            s->tensor = place_root(&p->slots[plan_root(p, s->to, &channel)]);
        }
        size_t bytes = step_scratch(p, s);
        scratch = bytes > scratch ? bytes : scratch;
    }
    p->scratch_offset = p->workspace_floats;
    p->workspace_floats += (int64_t)((scratch + sizeof(float) - 1) / sizeof(float));
}

enum status plan_place(struct model_plan *p, struct error *err)
{
    enum status status;
    struct arena_item **roots = NULL;
    int count = 0;

    find_lives(p);
    TRY(find_sizes(p, err));
    TRY(memory_new((size_t)p->slot_count, sizeof *roots, "plan", (void **)&roots, err));
    for (int i = 0; i < p->slot_count; i++)
        if (p->slots[i].item.born != ARENA_UNBORN)
            roots[count++] = &p->slots[i].item;
    p->workspace_floats = arena_place(roots, count);
    mark_clears(p);
    place_steps(p);
out:
    free(roots);
    return status;
}
