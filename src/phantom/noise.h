/*
 * The noise of a scan, slice by slice: white noise that belongs to voxels, given the
 * spectrum of filtered backprojection.
 *
 * There noise rises with the frequency, since the ramp filter does, and falls where the
 * kernel smooths: its power is f * MTF(f)^2 (Riederer, Pelc and Chesler, "The noise power
 * spectrum in computed X-ray tomography", Phys. Med. Biol. 23, 1978). The square root of
 * that, as a filter for white noise, is a difference of two Gaussians within 2 % of its
 * peak.
 */
#ifndef PHANTOM_NOISE_H
#define PHANTOM_NOISE_H

#include "phantom/scanner.h"

struct noise;

/* *out is the caller's to free. s is borrowed. Errors: STATUS_STAGE_MEMORY. */
enum status noise_new(const struct scanner *s, struct noise **out, struct error *err);
void noise_free(struct noise *n);

/* The noise of slice z, HU: values[y][x]. A function of the scanner and z. */
void noise_slice(struct noise *n, int64_t z, float *values);

#endif
