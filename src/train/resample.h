/*
 * augment_apply (train/augment.h), twenty times as fast: what makes training examples.
 *
 * The results are those of augment_apply up to the order of the sums, and the same bits
 * with every instruction set.
 */
#ifndef TRAIN_RESAMPLE_H
#define TRAIN_RESAMPLE_H

#include <stdint.h>

#include "base/status.h"
#include "train/augment.h"

struct resampler; /* scratch of one thread, for one size */

/* *out is the caller's to free. Errors: STATUS_STAGE_MEMORY. */
enum status resampler_new(const int64_t size[3], struct resampler **out,
                          struct error *err);
void resampler_free(struct resampler *r);

/* out[z][y][x] from in[z][y][x], both of the resampler's size, apart from each other.
 * The transform turns in the axial plane alone, as augment_draw's do (a CHECK). */
void resampler_apply(struct resampler *r, const struct augment_transform *t,
                     const float *in, float *out);

#endif
