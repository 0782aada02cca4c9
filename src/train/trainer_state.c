/*
 * Rank 0 writes and reads checkpoints; what it reads it shares, so that all ranks have
 * the same bits even where a file system shows them different files.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/checkpoint.h"
#include "nn/training_file.h"
#include "train/trainer_internal.h"

enum { EPOCH_VALUES = sizeof(struct trainer_epoch) / sizeof(double), ARRAYS = 12 };

enum status state_init(struct trainer *t, struct error *err)
{
    enum status status;
    struct state *s = &t->state;
    s->value_count = training_value_count(t->o.training);
    TRY(memory_new(s->value_count, sizeof(float), "weights", (void **)&s->values, err));
    TRY(memory_new(s->value_count, sizeof(float), "weights", (void **)&s->best, err));
    TRY(memory_new((size_t)t->o.epoch_samples, sizeof *s->outcomes,
                   "outcomes of an epoch", (void **)&s->outcomes, err));
    TRY(memory_new((size_t)t->o.epochs, sizeof *s->epochs, "metrics", (void **)&s->epochs,
                   err));
out:
    return status;
}

void state_release(struct state *s)
{
    free(s->values);
    free(s->best);
    free(s->outcomes);
    free(s->epochs);
}

enum status trainer_agree(const struct trainer *t, enum status mine, struct error *err)
{
    return t->team.ranks > 1 ? t->team.agree(mine, t->team.context, err) : mine;
}

/* Samples of the epoch that are done. */
static int64_t samples_done(const struct trainer *t)
{
    const int64_t done = t->state.numbers[NUMBER_STEP] * t->o.batch;
    return done < t->o.epoch_samples ? done : t->o.epoch_samples;
}

enum status state_gather(struct trainer *t, struct error *err)
{
    enum status status = STATUS_OK;
    struct state *s = &t->state;
    const struct training_reducer *r = &t->timed;
    const int64_t done = samples_done(t);
    if (t->team.ranks > 1) {
        TRY(r->sum(s->outcomes + s->together, (size_t)(done - s->together), r->context,
                   err));
        TRY(r->sum(s->counts_mine, VOXELS, r->context, err));
    }
    s->together = done;
    for (int v = 0; v < VOXELS; v++)
        s->counts[v] += s->counts_mine[v];
    memset(s->counts_mine, 0, sizeof s->counts_mine);
out:
    return status;
}

/* ---- the arrays of a checkpoint ---- */

struct held {
    struct checkpoint_array array;
    void *values; /* the same, to be filled */
};

/* All of the state; counts follow from the numbers. Returns how many there are. */
static size_t list_arrays(struct trainer *t, struct held held[ARRAYS])
{
    struct state *s = &t->state;
    size_t n = 0;
#define HOLD(what, kind, number, where)                                                  \
    held[n++] = (struct held){                                                           \
        {.name = (what), .type = (kind), .count = (number), .values = (where)}, (where)}
    HOLD("numbers", CHECKPOINT_INT64, NUMBERS, s->numbers);
    HOLD("sums", CHECKPOINT_DOUBLE, SUMS, s->sums);
    HOLD("weights", CHECKPOINT_FLOAT, s->value_count, s->values);
    if (s->numbers[NUMBER_BEST_EPOCH])
        HOLD("best", CHECKPOINT_FLOAT, s->value_count, s->best);
    if (t->optimizer.moments[0])
        HOLD("moment0", CHECKPOINT_FLOAT, t->optimizer.count, t->optimizer.moments[0]);
    if (t->optimizer.moments[1])
        HOLD("moment1", CHECKPOINT_FLOAT, t->optimizer.count, t->optimizer.moments[1]);
    HOLD("outcomes", CHECKPOINT_INT64, (size_t)samples_done(t), s->outcomes);
    HOLD("voxels", CHECKPOINT_INT64, VOXELS, s->counts);
    HOLD("epochs", CHECKPOINT_DOUBLE, (size_t)s->numbers[NUMBER_EPOCH] * EPOCH_VALUES,
         s->epochs);
#undef HOLD
    CHECK(n < ARRAYS);
    return n;
}

enum status state_save(struct trainer *t, struct error *err)
{
    enum status status = STATUS_OK;
    const double begun = clock_seconds();
    struct held held[ARRAYS];
    struct checkpoint_array arrays[ARRAYS];
    struct state *s = &t->state;
    training_values_copy(t->o.training, s->values);
    if (!t->o.folder)
        return STATUS_OK;
    s->numbers[NUMBER_OPTIMIZER] = t->optimizer.steps;
    if (t->team.rank == 0) {
        size_t count = list_arrays(t, held);
        for (size_t i = 0; i < count; i++)
            arrays[i] = held[i].array;
        arrays[count++] = (struct checkpoint_array){
            "binding", CHECKPOINT_BYTES, strlen(t->o.binding) + 1, t->o.binding};
        status = checkpoint_write(t->o.folder, t->o.name, trainer_position(t), arrays,
                                  count, t->o.keep, err);
    }
    status = trainer_agree(t, status, err);
    t->checkpoint_time = clock_seconds();
    t->seconds.checkpoint += t->checkpoint_time - begun;
    return status;
}

/* ---- conditions ---- */

/* The value of a line "name value" of a binding, as far as its end; NULL: no such line.
 */
static const char *find_line(const char *binding, const char *line)
{
    const size_t name = strcspn(line, " \n");
    for (const char *p = binding; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strcspn(p, " \n") == name && strncmp(p, line, name) == 0)
            return p;
    return NULL;
}

struct differences {
    char text[ERROR_MESSAGE_BYTES / 2];
    size_t used, count;
};

enum { DIFFERENCES_SHOWN = 4 };

static void note_difference(struct differences *d, const char *line, const char *was,
                            const char *is)
{
    const char *none = " not there";
    const size_t name = strcspn(line, " \n");
    was = was ? was + name : none;
    is = is ? is + name : none;
    if (d->count++ < DIFFERENCES_SHOWN && d->used < sizeof d->text)
        d->used += (size_t)snprintf(d->text + d->used, sizeof d->text - d->used,
                                    "%s%.*s (was%.*s, is%.*s)", d->count > 1 ? ", " : "",
                                    (int)name, line, (int)strcspn(was, "\n"), was,
                                    (int)strcspn(is, "\n"), is);
}

static enum status hold_binding(const struct trainer *t, const struct checkpoint *c,
                                struct error *err)
{
    enum status status;
    const void *old;
    struct differences d = {.count = 0};
    TRY(checkpoint_get(c, "binding", CHECKPOINT_BYTES, checkpoint_count(c, "binding"),
                       &old, err));
    const char *was = old, *is = t->o.binding;
    for (const char *p = is; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        const char *there = find_line(was, p);
        const size_t length = strcspn(p, "\n");
        if (!there || strcspn(there, "\n") != length || strncmp(there, p, length) != 0)
            note_difference(&d, p, there, p);
    }
    for (const char *p = was; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (!find_line(is, p))
            note_difference(&d, p, p, NULL);
    if (d.count > 0)
        status = error_set(err, STATUS_JOB_CONFIG,
                           "%s was made under other conditions: %s%s; remove the "
                           "checkpoints to begin anew, or choose another output",
                           checkpoint_path(c), d.text,
                           d.count > DIFFERENCES_SHOWN ? " and more" : "");
out:
    return status;
}

/* ---- restoring ---- */

/* Numbers come first: which arrays there are follows from them. */
static enum status read_numbers(struct trainer *t, const struct checkpoint *c,
                                struct error *err)
{
    enum status status;
    const void *values;
    struct state *s = &t->state;
    TRY(checkpoint_get(c, "numbers", CHECKPOINT_INT64, NUMBERS, &values, err));
    memcpy(s->numbers, values, sizeof s->numbers);
    if (s->numbers[NUMBER_EPOCH] < 0 || s->numbers[NUMBER_EPOCH] > t->o.epochs ||
        s->numbers[NUMBER_STEP] < 0 || s->numbers[NUMBER_STEP] > t->steps)
        status =
            error_set(err, STATUS_JOB_CONFIG,
                      "%s is at epoch %lld, step %lld: this training has %lld epochs "
                      "of %lld steps",
                      checkpoint_path(c), (long long)s->numbers[NUMBER_EPOCH],
                      (long long)s->numbers[NUMBER_STEP], (long long)t->o.epochs,
                      (long long)t->steps);
out:
    return status;
}

static enum status read_arrays(struct trainer *t, const struct checkpoint *c,
                               struct error *err)
{
    enum status status;
    struct held held[ARRAYS];
    static const size_t bytes[] = {[CHECKPOINT_FLOAT] = sizeof(float),
                                   [CHECKPOINT_INT64] = sizeof(int64_t),
                                   [CHECKPOINT_DOUBLE] = sizeof(double),
                                   [CHECKPOINT_BYTES] = 1};
    TRY(read_numbers(t, c, err));
    const size_t count = list_arrays(t, held);
    for (size_t i = 0; i < count; i++) {
        const struct checkpoint_array *a = &held[i].array;
        const void *values;
        TRY(checkpoint_get(c, a->name, a->type, a->count, &values, err));
        if (a->count > 0)
            memcpy(held[i].values, values, a->count * bytes[a->type]);
    }
out:
    return status;
}

/* Rank 0's state to all. */
static void share_state(struct trainer *t)
{
    static const size_t bytes[] = {[CHECKPOINT_FLOAT] = sizeof(float),
                                   [CHECKPOINT_INT64] = sizeof(int64_t),
                                   [CHECKPOINT_DOUBLE] = sizeof(double),
                                   [CHECKPOINT_BYTES] = 1};
    struct held held[ARRAYS];
    const struct team *team = &t->team;
    if (team->ranks == 1)
        return;
    team->share(t->state.numbers, sizeof t->state.numbers, team->context);
    const size_t count = list_arrays(t, held);
    for (size_t i = 0; i < count; i++)
        team->share(held[i].values, held[i].array.count * bytes[held[i].array.type],
                    team->context);
}

enum status state_restore(struct trainer *t, struct error *err)
{
    enum status status = STATUS_OK;
    struct checkpoint *c = NULL;
    struct state *s = &t->state;
    training_values_copy(t->o.training, s->values);
    if (t->team.rank == 0 && t->o.folder) {
        status = checkpoint_open(t->o.folder, t->o.name, &c, err);
        if (status == STATUS_OK && c)
            status = hold_binding(t, c, err);
        if (status == STATUS_OK && c)
            status = read_arrays(t, c, err);
        if (status == STATUS_OK && c)
            log_info("%s: the training goes on from %s", t->o.name, checkpoint_path(c));
        checkpoint_free(c);
    }
    TRY(trainer_agree(t, status, err));
    share_state(t);
    training_values_set(t->o.training, s->values);
    t->optimizer.steps = s->numbers[NUMBER_OPTIMIZER];
    s->together = samples_done(t);
out:
    return status;
}
