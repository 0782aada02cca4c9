#include "run/train_team.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/size.h"
#include "comm/message.h"
#include "run/interrupt.h"
#include "run/protocol.h"

/* The master looks now and then; the first worker reports once a second. */
static const double report_seconds = 1, look_seconds = 20e-3;

/* MPI takes an int for a count. */
enum { PIECE = 1 << 24 };

static double patience_of(const struct train_team *t)
{
    return t->settings->limits.deadline_s * PATIENCE_DEADLINES;
}

static enum status reduce(const struct train_team *t, int64_t *values, size_t count,
                          MPI_Op op, struct error *err)
{
    enum status status = STATUS_OK;
    const bool watched =
        watchdog_arm_idle(t->watchdog, patience_of(t), "a reduction over the workers");
    for (size_t done = 0; done < count && status == STATUS_OK; done += PIECE) {
        const size_t n = count - done < PIECE ? count - done : PIECE;
        if (MPI_Allreduce(MPI_IN_PLACE, values + done, count_cast(n), MPI_INT64_T, op,
                          t->workers.mpi) != MPI_SUCCESS)
            status =
                error_set(err, STATUS_STAGE_IO, "a reduction over the workers failed");
    }
    if (watched)
        watchdog_disarm(t->watchdog);
    return status;
}

static enum status sum(int64_t *values, size_t count, void *context, struct error *err)
{
    return reduce(context, values, count, MPI_SUM, err);
}

static enum status most(int64_t *values, size_t count, void *context, struct error *err)
{
    return reduce(context, values, count, MPI_MAX, err);
}

static void share(void *data, size_t bytes, void *context)
{
    const struct train_team *t = context;
    comm_share(&t->workers, data, bytes);
}

static enum status agree(enum status status, void *context, struct error *err)
{
    const struct train_team *t = context;
    return comm_agree(&t->workers, status, err);
}

void train_team_init(struct train_team *t, const struct comm *world,
                     const struct settings *s, struct watchdog *w,
                     struct progress *progress)
{
    *t = (struct train_team){
        .world = world, .settings = s, .watchdog = w, .progress = progress};
    comm_workers(world, &t->workers);
    t->team = (struct team){.rank = t->workers.rank,
                            .ranks = t->workers.size,
                            .reducer = {sum, most, t},
                            .share = share,
                            .agree = agree,
                            .context = t};
}

void train_team_release(struct train_team *t)
{
    comm_release(&t->workers);
}

bool train_team_works(const struct train_team *t)
{
    return comm_computes(t->world);
}

/* Whether there is a master who does nothing else. */
static bool has_master(const struct train_team *t)
{
    return comm_first_worker(t->world) > 0;
}

/* ---- workers ---- */

static void say(struct train_team *t, int kind, void *payload, size_t bytes)
{
    struct message m = {.kind = kind, .payload = payload, .bytes = bytes};
    if (has_master(t))
        message_send(t->world, 0, &m);
    t->told = clock_seconds();
}

static bool is_time(const struct train_team *t)
{
    return clock_seconds() - t->told >= report_seconds;
}

/* Where no rank leads alone, rank 0 may still have to be heard of: a fold's, by the rank
 * that hands out the folds. It is, by what it shows. */
void train_team_masks(struct train_team *t, int64_t done, int64_t all)
{
    int64_t counts[] = {done, all};
    const bool watched = watchdog_arm_idle(t->watchdog, patience_of(t),
                                           "telling how many masks there are");
    if (t->world->rank == 0)
        progress_masks(t->progress, done, all);
    else if (is_time(t) && t->team.rank == 0)
        say(t, SAYS_MASKS, counts, sizeof counts);
    else if (is_time(t))
        say(t, SAYS_ALIVE, NULL, 0);
    if (watched)
        watchdog_disarm(t->watchdog);
}

int train_team_wanted(void *context)
{
    struct train_team *t = context;
    struct message m;
    watchdog_touch(t->watchdog);
    while (has_master(t) && message_take(t->world, 0, &m)) {
        t->stop |= m.kind == SAYS_STOP;
        free(m.payload);
    }
    return t->stop || interrupt_wanted() ? TRAINER_STOP : 0;
}

void train_team_progress(void *context, const struct trainer_progress *p)
{
    struct train_team *t = context;
    struct trainer_progress copy = *p;
    watchdog_arm(t->watchdog, patience_of(t), "training %s, epoch %lld, %s %lld", p->name,
                 (long long)p->epoch + 1,
                 p->validating ? "validation after step" : "step",
                 (long long)p->step + !p->validating);
    if (t->world->rank == 0)
        progress_train(t->progress, p, false);
    else if (is_time(t) && t->team.rank == 0) {
        copy.name = NULL; /* sent behind it */
        char payload[sizeof copy + 32];
        memcpy(payload, &copy, sizeof copy);
        snprintf(payload + sizeof copy, sizeof payload - sizeof copy, "%s", p->name);
        say(t, SAYS_TRAINING, payload, sizeof payload);
    } else if (is_time(t)) {
        say(t, SAYS_ALIVE, NULL, 0);
    }
}

void train_team_through(struct train_team *t)
{
    say(t, SAYS_TRAINED, NULL, 0);
}

/* ---- the master ---- */

static void hear(struct train_team *t, const struct message *m, int *through)
{
    struct trainer_progress p;
    int64_t counts[2];
    if (m->kind == SAYS_TRAINED) {
        ++*through;
    } else if (m->kind == SAYS_MASKS && m->bytes == sizeof counts) {
        memcpy(counts, m->payload, sizeof counts);
        progress_masks(t->progress, counts[0], counts[1]);
    } else if (m->kind == SAYS_TRAINING && m->bytes > sizeof p) {
        memcpy(&p, m->payload, sizeof p);
        p.name = (const char *)m->payload + sizeof p;
        progress_train(t->progress, &p, false);
    }
}

static void pass_on_stop(struct train_team *t)
{
    struct message m = {.kind = SAYS_STOP};
    if (t->stop || !interrupt_wanted())
        return;
    t->stop = true;
    log_info("asked to stop: a checkpoint is written, the same command goes on from it");
    message_send(t->world, 1, &m);
}

void train_team_wait(struct train_team *t)
{
    int through = 0;
    watchdog_arm(t->watchdog, patience_of(t), "waiting for the workers to train");
    while (through < t->world->size - 1) {
        struct message m;
        pass_on_stop(t);
        if (!message_take(t->world, MPI_ANY_SOURCE, &m)) {
            clock_sleep(look_seconds);
            continue;
        }
        watchdog_touch(t->watchdog);
        hear(t, &m, &through);
        free(m.payload);
    }
    watchdog_disarm(t->watchdog);
}
