/*
 * Where the tensors of a sample lie.
 *
 * A tensor whose life ends in the phase of its birth is a thread's, and the thread's next
 * sample uses it again; others are the sample's own until the batch is done. In both
 * arenas lives are counted in operations, since every sample goes through them in order.
 * Halos hold zeros when an operation reads them: memory begins as zeros, no operation
 * writes a halo, and where tensors share bytes a halo is cleared at its tensor's birth.
 */
#include "base/memory.h"
#include "base/size.h"
#include "nn/training_internal.h"

static void need_halo(struct room *r, int depth, int height, int width)
{
    const int in_plane = height > width ? height : width;
    r->halo_d = depth > r->halo_d ? depth : r->halo_d;
    r->halo = in_plane > r->halo ? in_plane : r->halo;
}

/* What reads a room as the input of a convolution, or of a transposed one. */
static void need_halos(struct training *t, const struct op *op)
{
    const struct layer_state *state = &t->layers[op->layer];
    const bool transposed = op->kind == OP_CONV_TRANSPOSE;
    const int *pad = state->gradient.shape.pad;
    const struct value_shape *in = &t->shapes[t->network->layers[op->layer].inputs[0]];
    struct conv_transpose_shape s = {.in_channels = 1, .out_channels = 1};

    memcpy(s.kernel, state->gradient.shape.kernel, sizeof s.kernel);
    memcpy(s.stride, state->gradient.shape.stride, sizeof s.stride);
    memcpy(s.pad, pad, sizeof s.pad);
    for (int i = 0; i < 3; i++) {
        const struct value_shape *out = &t->shapes[op->layer + 1];
        const struct value_shape *from = transposed ? in : out,
                                 *to = transposed ? out : in;
        s.output_pad[i] = (int)(to->size[i] - conv_transpose_size(&s, i, from->size[i]));
    }
    struct room *room = &t->rooms[whole_room(t, op->backward ? op->gradient : op->in)];
    if (op->backward && !transposed) /* the gradient by the weights reads it too */
        need_halo(&t->rooms[whole_room(t, op->in)], pad[0], pad[1], pad[2]);
    if (transposed == op->backward)
        need_halo(room, pad[0], pad[1], pad[2]);
    else
        need_halo(room, conv_transpose_halo(&s, 0), conv_transpose_halo(&s, 1),
                  conv_transpose_halo(&s, 2));
}

/* A convolution that is pooled reads the padding, and passes back to it. */
static void need_patches(struct training *t, const struct op *op)
{
    const int *pad = t->layers[op->layer].gradient.shape.pad;
    need_halo(&t->rooms[whole_room(t, op->in)], pad[0], pad[1], pad[2]);
    if (op->to != NONE)
        need_halo(&t->rooms[whole_room(t, op->to)], pad[0], pad[1], pad[2]);
}

static void find_lives(struct training *t)
{
    for (int i = 0; i < t->op_count; i++) {
        const struct op *op = &t->ops[i];
        const int used[] = {op->in, op->out, op->gradient, op->to, op->peaks};
        for (size_t k = 0; k < sizeof used / sizeof *used; k++) {
            if (used[k] == NONE)
                continue;
            struct room *r = &t->rooms[whole_room(t, used[k])];
            arena_item_use(&r->item, i);
            r->a_sample = t->ops[r->item.born].phase != op->phase || r->a_sample;
        }
        if (op->kind == OP_CONV_POOL)
            need_patches(t, op);
        if (op->kind == OP_NORM_CONV) {
            const int *pad = t->layers[op->layer].gradient.shape.pad;
            need_halo(&t->rooms[op->to], pad[0], pad[1], pad[2]);
        }
        if (op->kind == OP_CONV || op->kind == OP_CONV_TRANSPOSE)
            need_halos(t, op);
    }
}

static enum status find_sizes(struct training *t, struct error *err)
{
    for (int i = 0; i < t->room_count; i++) {
        struct room *r = &t->rooms[i];
        if (!arena_item_size(&r->item, r->shape.size, r->shape.channels, r->halo_d,
                             r->halo))
            return error_set(err, STATUS_STAGE_MEMORY, "network %s: a layer is too large",
                             t->network->name);
    }
    return STATUS_OK;
}

/* Places the rooms of one of the arenas. */
static int64_t place_rooms(struct training *t, bool a_sample, struct arena_item **items)
{
    int count = 0;
    for (int i = 0; i < t->room_count; i++) {
        struct room *r = &t->rooms[i];
        if (r->item.born != ARENA_UNBORN && r->a_sample == a_sample)
            items[count++] = &r->item;
    }
    return arena_place(items, count);
}

static void mark_clears(struct training *t)
{
    for (int i = 0; i < t->room_count; i++)
        for (int k = 0; k < t->room_count; k++) {
            struct room *a = &t->rooms[i], *b = &t->rooms[k];
            if (i != k && a->item.born != ARENA_UNBORN && b->item.born != ARENA_UNBORN &&
                a->a_sample == b->a_sample && a->halo + a->halo_d > 0 &&
                arena_shared(&a->item, &b->item))
                a->clears = true;
        }
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch_bytes(const struct training *t)
{
    size_t most = 0;
    for (int i = 0; i < t->network->layer_count; i++) {
        const struct layer *l = &t->network->layers[i];
        const struct layer_state *s = &t->layers[i];
        if (l->type != LAYER_CONV && l->type != LAYER_CONV_TRANSPOSE)
            continue;
        const int64_t *in = t->shapes[l->inputs[0]].size, *out = t->shapes[i + 1].size;
        const bool transposed = l->type == LAYER_CONV_TRANSPOSE;
        const int64_t *small = transposed ? in : out, *large = transposed ? out : in;
        if (s->peaks) {
            const int64_t *pooled = t->shapes[s->pool_layer + 1].size;
            most = larger(most, conv_pool_scratch_bytes(s->conv, &s->pool, pooled[0],
                                                        pooled[1], pooled[2]));
            most = larger(most, conv_peaks_scratch_bytes(s->peaks, pooled[0], pooled[1],
                                                         pooled[2]));
            continue;
        }
        if (s->conv)
            most =
                larger(most, conv_scratch_bytes(s->conv, small[0], small[1], small[2]));
        if (s->transpose)
            most = larger(most, conv_transpose_scratch_bytes(s->transpose, large[0],
                                                             large[1], large[2]));
        most = larger(most, conv_gradient_scratch_bytes(&s->gradient, small[0], small[1],
                                                        small[2]));
        if (s->packed)
            most = larger(most, conv_norm_gradient_scratch_bytes(&s->gradient));
    }
    return most;
}

static enum status new_floats(int count, int64_t each, float **out, struct error *err)
{
    size_t floats;
    if (!size_multiply((size_t)count, (size_t)each, &floats))
        return error_set(err, STATUS_STAGE_MEMORY, "training: too many samples");
    return memory_new(floats, sizeof **out, "training", (void **)out, err);
}

/* Gradients by the weights of convolutions stay in the order in which they are made until
 * they are summed over the samples. */
static const struct conv_gradient *packing_of(const struct training *t, size_t slot)
{
    const struct layer_state *s = &t->layers[t->trained_layers[slot]];
    const enum layer_type type = t->network->layers[t->trained_layers[slot]].type;
    const bool packs = (type == LAYER_CONV || type == LAYER_CONV_TRANSPOSE) &&
                       s->slots[PARAMETER_WEIGHT] == (int)slot && !s->peaks;
    return packs ? &s->gradient : NULL;
}

static enum status make_slots(struct training *t, struct error *err)
{
    enum status status;
    TRY(memory_new(t->trained_count, sizeof *t->slots, "training", (void **)&t->slots,
                   err));
    for (size_t k = 0; k < t->trained_count; k++) {
        struct slot *s = &t->slots[k];
        s->packing = packing_of(t, k);
        s->offset = t->slot_floats;
        s->floats =
            s->packing ? conv_gradient_packed_floats(s->packing) : t->trained[k].count;
        t->slot_floats += (s->floats + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    }
    TRY(new_floats(t->options.samples, (int64_t)t->slot_floats, &t->slot_memory, err));
    status = memory_new(t->slot_floats, sizeof *t->packed_sums, "training",
                        (void **)&t->packed_sums, err);
out:
    return status;
}

static enum status make_buffers(struct training *t, struct error *err)
{
    enum status status;
    const size_t samples = (size_t)t->options.samples;
    const struct value_shape *o = &t->shapes[t->output_value];

    t->output_floats = (size_t)(o->size[0] * o->size[1] * o->size[2] * o->channels);
    TRY(new_floats(t->options.samples, t->sample_floats, &t->sample_memory, err));
    TRY(new_floats(t->options.threads, t->thread_floats, &t->thread_memory, err));
    TRY(make_slots(t, err));
    TRY(new_floats(t->options.samples, (int64_t)t->output_floats, &t->outputs, err));
    TRY(memory_new(samples * 2 * (size_t)t->norm_channels, sizeof *t->norm_sums,
                   "training", (void **)&t->norm_sums, err));
    TRY(memory_new(samples, sizeof *t->losses, "training", (void **)&t->losses, err));
    TRY(memory_new(samples * t->trained_count, sizeof *t->magnitudes, "training",
                   (void **)&t->magnitudes, err));
    TRY(memory_new(t->trained_values + EXACT_SUM_LIMBS, sizeof *t->sums, "training",
                   (void **)&t->sums, err));
    TRY(memory_new(t->trained_count + 1, sizeof *t->limits, "training",
                   (void **)&t->limits, err));
out:
    return status;
}

enum status training_make_memory(struct training *t, struct error *err)
{
    enum status status;
    struct arena_item **items = NULL;

    find_lives(t);
    training_find_cold(t);
    TRY(find_sizes(t, err));
    TRY(memory_new((size_t)t->room_count, sizeof *items, "training", (void **)&items,
                   err));
    t->sample_floats = place_rooms(t, true, items);
    t->scratch_offset = place_rooms(t, false, items);
    mark_clears(t);
    t->thread_floats =
        t->scratch_offset + (int64_t)((scratch_bytes(t) / sizeof(float) + LINE_FLOATS) &
                                      ~(size_t)(LINE_FLOATS - 1));
    status = make_buffers(t, err);
out:
    free(items);
    return status;
}
