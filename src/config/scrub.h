/*
 * Configuration text made safe for libconfig, before libconfig sees it. See scrub.c for
 * why.
 */
#ifndef CONFIG_SCRUB_H
#define CONFIG_SCRUB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { SCRUB_DEPTH = 32, SCRUB_COMPLAINT_BYTES = 160 };

/* What is wrong with a text, and on which line. */
struct complaint {
    int line;
    char text[SCRUB_COMPLAINT_BYTES];
};

/* Bytes that *out of scrub needs for a text of this many, with its NUL. */
size_t scrub_room(size_t bytes);

/* Writes the scrubbed text, with a NUL, to out. Lines keep their numbers. false, with the
 * reason, when the text holds what libconfig would misread. */
bool scrub(const char *text, size_t bytes, char *out, struct complaint *why);

#endif
