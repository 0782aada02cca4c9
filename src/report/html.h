/*
 * A page being written: markup of our own, and text from data.
 *
 * What comes from data (names of scans, paths, messages, configuration) reaches the page
 * through html_text, html_scan, html_path and html_message alone. They escape it, replace
 * what is no UTF-8, and, where identifiers are to be hidden, put others in their place.
 * html_put and html_format take literals and numbers.
 *
 * Write errors are kept by the stream; whoever commits the file looks at them.
 */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/stored_run.h"

struct html {
    FILE *out;
    bool hide;                    /* identifiers, hosts and paths */
    const struct stored_run *run; /* its scans are numbered; NULL: none */
};

/* Our own markup, as it stands. */
void html_put(const struct html *h, const char *markup);
void html_format(const struct html *h, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A number by a printf format for double; a dash when it does not exist. */
void html_number(const struct html *h, const char *format, double value);

/* "A to B"; a dash when they do not exist. */
void html_range(const struct html *h, const char *format, double low, double high);

/* Bytes as they are in base64. */
void html_base64(const struct html *h, const void *data, size_t bytes);

/* Text from data, also inside a quoted attribute. */
void html_text(const struct html *h, const char *text);

/* The name of a scan; hidden: its number in the run. */
void html_scan(const struct html *h, const char *seriesuid);

/* A path; hidden: that there is one. */
void html_path(const struct html *h, const char *path);

/* A message about a scan; hidden: its words and numbers, but nothing that may be a name.
 */
void html_message(const struct html *h, const char *message, const char *seriesuid);

/* A configuration, a key a line; hidden: without the texts that hold a slash. */
void html_configuration(const struct html *h, const char *text);

/* A cell of a table with a number to sort by. */
void html_cell(const struct html *h, const char *format, double value);

#endif
