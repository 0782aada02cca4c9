/*
 * Charts of the report: a script for gnuplot, and what it drew, made part of the page.
 *
 * gnuplot runs once for each chart, as a child that reads a script and writes SVG;
 * nothing of it stays. Scripts hold our own words and numbers alone, never text from
 * data: gnuplot can run programs. Colours are numbers 1 to CHART_COLOURS in the script
 * ("#000001", CHART_COLOUR) and become variables of the page's style, so that a chart
 * follows the page into the dark.
 *
 * Without gnuplot a chart says so; its numbers stand below it either way.
 */
#ifndef REPORT_CHART_H
#define REPORT_CHART_H

#include "report/html.h"

/* Series 1 to 6; then axes, grid, paper. As gnuplot wants it: lc rgb CHART_COLOUR(2). */
#define CHART_COLOUR(n) "\"#00000" #n "\""
#define CHART_INK "\"#00000a\""
#define CHART_GRID "\"#00000b\""

struct chart_axes {
    const char *title, *x, *y; /* names with their units */
    int height;                /* pixels; 0: the usual */
};

struct chart {
    struct chart_axes axes;
    FILE *script; /* where the plot's own commands go */
    char *text;
    size_t bytes;
};

/* chart_draw or chart_drop ends what chart_begin began. Errors: STATUS_STAGE_MEMORY. */
enum status chart_begin(struct chart *c, const struct chart_axes *axes,
                        struct error *err);
void chart_drop(struct chart *c);

/* Runs gnuplot and writes <figure><figcaption>...<svg>; the caller writes what else
 * belongs to the figure, and </figure>. `number` tells the charts of a page apart.
 * Errors: STATUS_STAGE_IO when a child cannot be started for want of files; that gnuplot
 * is not there, or failed, is said in the page. */
enum status chart_draw(struct chart *c, const struct html *h, int number,
                       struct error *err);

/* Whether gnuplot can be found. */
bool chart_can_draw(void);

#endif
