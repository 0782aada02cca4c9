/*
 * How the workers of a cross-validation are divided: neighbours are a group, groups
 * differ by one worker at most. Pure arithmetic, the same on all ranks.
 */
#ifndef RUN_CROSSVAL_GROUPS_H
#define RUN_CROSSVAL_GROUPS_H

#include <stdint.h>

/* The number of groups, at least 1. `asked` is crossval.groups, cut to what there are
 * folds and workers for. 0: the most with which the last fold ends within a tenth of the
 * earliest, when a fold takes any worker the same work, handed out as groups come free: a
 * group of fewer has less to add up between steps, which is not counted here. */
int crossval_groups(int64_t asked, int folds, int workers);

/* The group of a worker. */
int crossval_group_of(int worker, int groups, int workers);

#endif
