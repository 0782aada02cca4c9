/*
 * One text in libconfig's language, parsed: a file, or a value given after --set. What
 * settings.c and tree.c have in common. Messages name the file and the line.
 */
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Larger files are refused: job and network files are a few KiB. */
enum { DOCUMENT_BYTES = 256 * 1024 };

struct document {
    config_t config;
    char *name;     /* the path, or what a text that is no file is called in messages */
    bool has_lines; /* messages name lines */
};

/* document_release only after success. Errors: STATUS_JOB_CONFIG. Not collective. */
enum status document_read(const char *path, struct document *out, struct error *err);
enum status document_parse(const char *name, const char *text, struct document *out,
                           struct error *err);
void document_release(struct document *d);

/* Sets STATUS_JOB_CONFIG with "NAME:LINE: " (or "NAME: ") before the message; returns it.
 */
enum status document_error(const struct document *d, unsigned line, struct error *err,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A value as a person would write it, cut to fit, for messages. */
void document_show(const config_setting_t *value, char *out, size_t bytes);

#endif
