/* The parts of the page, in their order. Private to this folder. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <jansson.h>

#include "report/chart.h"
#include "report/highlights.h"
#include "report/html.h"
#include "report/report.h"
#include "report/view.h"

struct page {
    struct html html;
    const struct report_options *options;
    const struct settings *settings;
    struct settings own; /* of a run without results of detection */
    struct stored_run run;
    bool has_results, has_training;
    json_t *score; /* froc/score.json with results in it; NULL: none */
    struct highlights findings;
    struct viewer *viewer; /* NULL: no results */
    double room;           /* bytes that pictures may still take */
    size_t left_out;       /* pictures that found no room */
    int charts;
};

/* *out = path of a file of the run, to be freed, NULL when it is not there. */
enum status page_file(const struct page *p, const char *name, char **out,
                      struct error *err);

/* A part begins and ends; the name is its anchor. */
void page_part(const struct page *p, const char *name, const char *title);
void page_part_end(const struct page *p);

/* Begins a chart with the next number; ends it. */
enum status page_draw(struct page *p, struct chart *c, struct error *err);

/* A value of the score by its way through objects and arrays ("froc.points.3.upper");
 * NaN: there is none. */
double page_score_at(const struct page *p, const char *way);
const json_t *page_score_json(const struct page *p, const char *way);

/* That the caller is still at work. */
void page_alive(const struct page *p);

enum status page_summary(struct page *p, struct error *err);
enum status page_comparison(struct page *p, struct error *err);
enum status page_score(struct page *p, struct error *err);
enum status page_score_tables(struct page *p, struct error *err);
enum status page_training(struct page *p, struct error *err);
enum status page_findings(struct page *p, struct error *err);
enum status page_slices(struct page *p, struct error *err);
enum status page_scans(struct page *p, struct error *err);
enum status page_quarantine(struct page *p, struct error *err);
enum status page_times(struct page *p, struct error *err);
enum status page_origin(struct page *p, struct error *err);

#endif
