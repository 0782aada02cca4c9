/*
 * Smooth quantities of a patient on a coarse grid, interpolated between its points.
 *
 * The distances to skin, lungs, diaphragm ... are costly formulas and change slowly:
 * each patient evaluates them once at points a few millimetres apart. Whoever asks then
 * interpolates, the painter as well as patient_lung_distance, so that all see one
 * surface.
 */
#ifndef PHANTOM_FIELD_H
#define PHANTOM_FIELD_H

#include <stddef.h>

#include "base/status.h"
#include "phantom/vec.h"

/* Every grid has this many: eight floats are what vector registers like to load. */
enum { FIELD_CHANNELS = 8 };

struct field {
    struct vec low; /* mm: the first point */
    double step;    /* mm between points */
    int n[3];       /* points along x, y, z */
    float *values;  /* [z][y][x][channel] */
};

/* Room for a grid from low to high at least. field_release frees, also after a failure.
 */
enum status field_init(struct field *f, struct vec low, struct vec high, double step,
                       struct error *err);
void field_release(struct field *f);

struct vec field_point(const struct field *f, int ix, int iy, int iz);
float *field_at(const struct field *f, int ix, int iy, int iz);

/* All channels at a point. Outside the grid: those at its nearest point. */
void field_sample(const struct field *f, struct vec p, float out[FIELD_CHANNELS]);

/* Divides a channel, a distance up to its slope, by its slope: near its surface it then
 * is a distance. `scratch` holds a float for each point. */
void field_normalise(struct field *f, int channel, float *scratch);

#endif
