/*
 * The ranks of a training, by MPI: those that compute.
 *
 * A master who leads alone takes no part in the reductions: it sleeps, shows what the
 * first worker reports, passes on a wish to stop, and waits until every worker says that
 * it is through.
 */
#ifndef RUN_TRAIN_TEAM_H
#define RUN_TRAIN_TEAM_H

#include "base/watchdog.h"
#include "comm/comm.h"
#include "config/settings.h"
#include "run/progress.h"
#include "train/trainer.h"

struct train_team {
    const struct comm *world;
    const struct settings *settings;
    struct watchdog *watchdog;
    struct progress *progress; /* of rank 0 */
    struct comm workers;
    struct team team;
    double told; /* when the master last heard of this rank */
    bool stop;   /* the master wants it */
};

/* Collective over all ranks. train_team_release likewise. */
void train_team_init(struct train_team *t, const struct comm *world,
                     const struct settings *s, struct watchdog *w,
                     struct progress *progress);
void train_team_release(struct train_team *t);

/* Whether this rank computes. */
bool train_team_works(const struct train_team *t);

/* A worker's, between the masks that it prepares: whoever waits for it hears that it
 * lives, and from the first one how many of all scans were looked at. */
void train_team_masks(struct train_team *t, int64_t done, int64_t all);

/* A worker's: what is wanted (TRAINER_ bits), and where it stands. `context` is the
 * struct train_team. */
int train_team_wanted(void *context);
void train_team_progress(void *context, const struct trainer_progress *p);

/* A worker's: it is through with training, however that ended. */
void train_team_through(struct train_team *t);

/* The master's: until all workers are through. */
void train_team_wait(struct train_team *t);

#endif
