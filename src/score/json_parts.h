/* Pieces of JSON that several files of a score have. Private to this folder. New
 * references; a NaN or an infinity is null. */
#ifndef SCORE_JSON_PARTS_H
#define SCORE_JSON_PARTS_H

#include <jansson.h>

#include "score/bootstrap.h"
#include "score/evaluation.h"
#include "score/froc.h"

json_t *json_number(double value);
json_t *json_count(int64_t value);
void json_put_count(json_t *object, const char *key, int64_t value);

/* null when the band has no resamples. */
json_t *json_interval(const struct bootstrap_band *b, const struct interval *i);

/* The seven points of a curve with their bounds. */
json_t *json_points(const struct froc_result *r);

/* All of froc.json. `name` may be no UTF-8: null then. */
json_t *json_froc(const char *name, const struct evaluation *e,
                  const struct froc_result *r);

/* *out = indented text that ends in a newline, to be freed; releases root, which may be
 * NULL after a failure. Errors: STATUS_STAGE_MEMORY. */
enum status json_text(json_t *root, const char *what, char **out, struct error *err);

#endif
