/* What the stage score is made of: score_stage.c is its course, score_key.c what it
 * depends on, score_log.c what it says. */
#ifndef RUN_SCORE_INTERNAL_H
#define RUN_SCORE_INTERNAL_H

#include "base/hash.h"
#include "run/score_stage.h"
#include "run/stored_run.h"
#include "score/assessment_files.h"

enum { SCORE_NOTES = 8 };

/* The lists of a score; borrowed. "": not given. */
struct score_lists {
    const char *annotations, *excluded, *seriesuids, *malignancy;
};

/* Lists of the job, of the stored run where the job gives none. */
struct score_lists score_lists_of(const struct settings *asked,
                                  const struct settings *stored);

/* text = 32 digits of all that a score depends on: results, lists, thresholds, seed.
 * Errors: STATUS_ITEM_IO when a file cannot be read. */
enum status score_key(const struct stored_run *r, const struct score_lists *l,
                      char text[HASH_HEX_BYTES], struct error *err);

/* Whether FOLDER/score.json is there and has this key. */
bool score_is_made(const char *folder, const char *key);

/* What people read. */
void score_log(const struct assessment_input *in, const struct assessment *a,
               const struct assessment_notes *n);

#endif
