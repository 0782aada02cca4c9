#include "stage/diagnose.h"

#include <math.h>

#include "base/status.h"

const char *diagnosis_status_name(enum diagnosis_status s)
{
    static const char *const names[] = {
        [DIAGNOSIS_OK] = "ok",
        [DIAGNOSIS_NO_CANDIDATES] = "no candidates",
        [DIAGNOSIS_NO_NODULES] = "no nodules",
        [DIAGNOSIS_NO_MALIGNANCY] = "no malignancy model",
        [DIAGNOSIS_QUARANTINED] = "quarantined",
    };

    CHECK((size_t)s < sizeof names / sizeof *names);
    return names[s];
}

struct diagnosis diagnose(const struct candidate *candidates, size_t count,
                          const struct diagnose_options *o)
{
    struct diagnosis d = {.score = 0, .nodules = 0, .status = DIAGNOSIS_OK};
    double highest = 0, all_benign = 1;

    CHECK(candidates_are_sorted(candidates, count));
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &candidates[i];
        if (!(c->probability >= (float)o->nodule_threshold))
            continue;
        d.nodules++;
        if (o->has_malignancy) {
            CHECK(!isnan(c->malignancy));
            highest = fmax(highest, c->malignancy);
            all_benign *= 1 - (double)c->malignancy;
        }
    }

    if (count == 0) {
        d.status = DIAGNOSIS_NO_CANDIDATES;
    } else if (!o->has_malignancy) {
        d.status = DIAGNOSIS_NO_MALIGNANCY;
        d.score = NAN;
    } else if (d.nodules == 0) {
        d.status = DIAGNOSIS_NO_NODULES;
    } else {
        d.score = o->rule == PATIENT_MAX ? highest : 1 - all_benign;
    }
    return d;
}
