/* Two runs on the whole and on kinds of nodules and scans. */
#include <math.h>

#include "base/memory.h"
#include "inspect/comparison_internal.h"

/* Which scans and nodules: those whose value is from one edge to below the other. */
struct choice {
    double from, to;
    enum { CHOOSE_ALL, CHOOSE_DIAMETER, CHOOSE_THICKNESS } by;
};

/* Room for the chosen part of one run. */
struct chosen {
    struct scored_scan *scans;
    size_t count;
    struct nodule *findings; /* of all scans, sorted anew */
    struct froc_result froc;
};

static bool is_within(const struct choice *c, double value)
{
    return value >= c->from && value < c->to;
}

/* A scan that failed in one run has its slices from the other; failed in both, none. */
static bool takes_scan(const struct choice *c, const struct comparison_sources *s,
                       size_t i)
{
    const struct stored_scan *a = s->scans[0][i], *b = s->scans[1][i];
    return c->by != CHOOSE_THICKNESS ||
           is_within(c, a->done ? a->thickness_mm : b->thickness_mm);
}

/* Of a scan's nodules those of other sizes become findings that do not count. Returns the
 * room behind them. */
static struct nodule *sort_findings(const struct choice *c, struct scored_scan *s,
                                    struct nodule *room)
{
    struct nodule *included = room;
    for (size_t k = 0; k < s->included_count; k++)
        if (is_within(c, s->included[k].diameter_mm))
            *room++ = s->included[k];
    struct nodule *excluded = room;
    for (size_t k = 0; k < s->included_count; k++)
        if (!is_within(c, s->included[k].diameter_mm))
            *room++ = s->included[k];
    for (size_t k = 0; k < s->excluded_count; k++)
        *room++ = s->excluded[k];
    s->included = included;
    s->included_count = (size_t)(excluded - included);
    s->excluded = excluded;
    s->excluded_count = (size_t)(room - excluded);
    return room;
}

static void choose(const struct choice *c, const struct comparison_sources *s, int run,
                   struct chosen *out)
{
    struct nodule *room = out->findings;
    out->count = 0;
    for (size_t i = 0; i < s->evaluations[run].scan_count; i++) {
        struct scored_scan scan = s->evaluations[run].scans[i];
        if (!takes_scan(c, s, i))
            continue;
        if (c->by == CHOOSE_DIAMETER)
            room = sort_findings(c, &scan, room);
        out->scans[out->count++] = scan;
    }
}

static enum status compare(const struct comparison *c, const struct comparison_sources *s,
                           const struct choice *choice, struct chosen chosen[2],
                           struct comparison_stratum *out, struct error *err)
{
    enum status status = STATUS_OK;
    *out = (struct comparison_stratum){.from = choice->from, .to = choice->to};
    for (int k = 0; k < 2; k++)
        choose(choice, s, k, &chosen[k]);
    out->scans = (int64_t)chosen[0].count;
    if (chosen[0].count == 0)
        return STATUS_OK;
    for (int k = 0; k < 2; k++)
        TRY(froc_score(chosen[k].scans, chosen[k].count, &chosen[k].froc, err));
    out->nodules = chosen[0].froc.counts.nodules;
    TRY(paired_compare(&chosen[0].froc, &chosen[1].froc, c->resamples, c->seed,
                       &out->paired, err));
out:
    for (int k = 0; k < 2; k++)
        froc_result_release(&chosen[k].froc);
    return status;
}

static enum status make_room(const struct comparison_sources *s, struct chosen chosen[2],
                             struct error *err)
{
    enum status status = STATUS_OK;
    for (int k = 0; k < 2; k++) {
        const struct evaluation *e = &s->evaluations[k];
        size_t findings = e->included.row_count + e->excluded.row_count;
        TRY(memory_new(e->scan_count, sizeof *chosen[k].scans, "scans of a stratum",
                       (void **)&chosen[k].scans, err));
        TRY(memory_new(findings, sizeof *chosen[k].findings, "findings of a stratum",
                       (void **)&chosen[k].findings, err));
    }
out:
    return status;
}

enum status comparison_stratify(struct comparison *c, const struct comparison_sources *s,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct chosen chosen[2] = {{0}};
    struct comparison_stratum all;
    const struct choice everything = {.by = CHOOSE_ALL};
    TRY(make_room(s, chosen, err));
    TRY(compare(c, s, &everything, chosen, &all, err));
    c->all = all.paired;
    for (size_t b = 0; b + 1 < STRATA_DIAMETER_EDGES; b++) {
        const struct choice by = {strata_diameter_edges[b], strata_diameter_edges[b + 1],
                                  CHOOSE_DIAMETER};
        TRY(compare(c, s, &by, chosen, &c->by_diameter[b], err));
    }
    for (size_t b = 0; b + 1 < STRATA_THICKNESS_EDGES; b++) {
        const struct choice by = {strata_thickness_edges[b],
                                  strata_thickness_edges[b + 1], CHOOSE_THICKNESS};
        TRY(compare(c, s, &by, chosen, &c->by_thickness[b], err));
    }
out:
    for (int k = 0; k < 2; k++) {
        free(chosen[k].scans);
        free(chosen[k].findings);
    }
    return status;
}
