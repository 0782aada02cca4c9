/*
 * The lists of LUNA16 stand beside its subsets; a job need not name them.
 */
#ifndef RUN_LIST_DEFAULTS_H
#define RUN_LIST_DEFAULTS_H

#include "base/status.h"
#include "config/settings.h"

/* Fills each list setting that is not given with the file of that name in dataset.root,
 * when it is there (candidates_V2.csv before candidates.csv). Not collective: every rank
 * sees the same tree. */
enum status list_defaults(struct settings *s, struct error *err);

#endif
