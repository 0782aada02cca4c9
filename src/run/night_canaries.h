/*
 * Canaries: copies of scans of the tree with implanted nodules (phantom/implant_copy.h),
 * made once, that each night's pipeline has to find. Kept apart from all results:
 *
 *   NIGHTS/canaries/tree   the copies, as a data set with lists of what was implanted
 *   NIGHTS/canaries/run    tonight's run over them; nothing of it carries over
 *   NIGHTS/canaries.csv    a row a night: what share was found
 *
 * Implants are 6 to 20 mm across, five a copy: what a pipeline that works finds. A share
 * below nightly.canary_bound is an alarm. Rank 0 only, but for night_canaries_settings.
 */
#ifndef RUN_NIGHT_CANARIES_H
#define RUN_NIGHT_CANARIES_H

#include "run/night_internal.h"

/* Chooses among the scans that were done what canaries may be made of. */
enum status night_canaries_choose(struct night *n, const struct dataset *d,
                                  const struct ledger *l, struct error *err);

/* Makes the copies that are lacking. *there: there are some to look for. A scan that
 * nothing can be implanted in is passed over. Errors: STATUS_STAGE_*. */
enum status night_canaries_make(struct night *n, bool *there, struct error *err);

/* *out = the settings of the run over them, with texts of its own in `texts` and all
 * others those of `s`: to be freed one by one. */
enum { NIGHT_CANARY_TEXTS = 3 };
enum status night_canaries_settings(const struct settings *s,
                                    const struct night_folder *f, struct settings *out,
                                    char *texts[NIGHT_CANARY_TEXTS], struct error *err);

/* What became of them; `alarm` when less than nightly.canary_bound was found, or nothing
 * could be looked for. */
struct night_canary_result {
    size_t scans, quarantined, implants, found;
    double sensitivity; /* NaN: not known */
    bool alarm;
};

/* Judges the run. `exit_code`: how it ended. */
enum status night_canaries_judge(const struct night *n, int exit_code,
                                 struct night_canary_result *out, struct error *err);

/* Adds the row of a night to canaries.csv. */
enum status night_canaries_note(const struct night *n, const char *night,
                                const struct night_canary_result *r, struct error *err);

#endif
