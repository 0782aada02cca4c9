/*
 * What operations ask for while they compute (tensor/ahead.h): the rooms that those
 * behind them are the first of their phase to touch, up to the next that computes; where
 * the phase ends before, those of the thread's next sample.
 */
#include "nn/training_internal.h"
#include "tensor/ahead.h"

static bool computes(const struct op *op)
{
    return op->kind == OP_CONV || op->kind == OP_CONV_TRANSPOSE ||
           op->kind == OP_NORM_CONV;
}

static bool touches(const struct training *t, const struct op *op, int room)
{
    const int rooms[OP_ROOMS] = {op->in, op->out, op->gradient, op->to};
    for (int i = 0; i < OP_ROOMS; i++)
        if (rooms[i] != NONE && whole_room(t, rooms[i]) == room)
            return true;
    return false;
}

/* Whether another phase has left or will find what an operation has there, and none
 * before it has touched it in this phase, nor it itself by another name. */
static bool is_cold(const struct training *t, int op, int room)
{
    bool cold = t->rooms[room].a_sample;
    for (int i = op - 1; i >= 0 && t->ops[i].phase == t->ops[op].phase; i--)
        cold = cold && !touches(t, &t->ops[i], room);
    for (int k = 0; k < t->ops[op].cold_count; k++)
        cold = cold && t->ops[op].cold[k] != room;
    return cold;
}

void training_find_cold(struct training *t)
{
    for (int i = 0; i < t->op_count; i++) {
        struct op *op = &t->ops[i];
        const int rooms[OP_ROOMS] = {op->in, op->gradient, op->out, op->to};
        for (int k = 0; k < OP_ROOMS; k++) {
            const int room = rooms[k] == NONE ? NONE : whole_room(t, rooms[k]);
            if (room != NONE && is_cold(t, i, room))
                op->cold[op->cold_count++] = room;
        }
    }
}

/* Operations from one on, to the next that computes; whether the phase had one. */
static bool add_ops(const struct training *t, int first, int phase, int sample)
{
    const float *memory = t->sample_memory + sample * t->sample_floats;
    for (int i = first; i < t->op_count && t->ops[i].phase == phase; i++) {
        const struct op *op = &t->ops[i];
        for (int k = 0; k < op->cold_count; k++) {
            const struct arena_item *item = &t->rooms[op->cold[k]].item;
            ahead_add(memory + item->offset, item->floats);
        }
        if (computes(op))
            return true;
    }
    return false;
}

void training_ask_ahead(const struct training *t, int op, int sample, int next)
{
    const int phase = t->ops[op].phase;
    int first = op;
    ahead_clear();
    if (!computes(&t->ops[op]) || add_ops(t, op + 1, phase, sample) || next == NONE)
        return;
    while (first > 0 && t->ops[first - 1].phase == phase)
        first--;
    add_ops(t, first, phase, next);
}
