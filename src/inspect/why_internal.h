/* The parts of why.h; private to run/why*.c. */
#ifndef INSPECT_WHY_INTERNAL_H
#define INSPECT_WHY_INTERNAL_H

#include "config/settings.h"
#include "ct/volume.h"
#include "inspect/why.h"
#include "io/run_reader.h"

/* Everything that is read for a point. */
struct why_sources {
    struct settings settings;
    struct run_reader *run;
    struct run_store_scan scan; /* texts: the reader's */
};

/* Calls `visit` for every voxel of the volume within the radius of the point, with its
 * distance. */
typedef enum status why_visit(void *context, const int64_t voxel[3], double distance_mm,
                              struct error *err);
enum status why_around(const struct why *w, why_visit *visit, void *context,
                       struct error *err);

/* The scan that the run read, if it still is what it was; the caller's to close. */
enum status why_open_scan(const struct why *w, const struct why_sources *s,
                          struct volume **out, struct error *err);

/* *out = clipped HU of slices [low, low + count), to be freed. */
enum status why_read_clipped(struct volume *v, int64_t low, int64_t count, float **out,
                             struct error *err);

/* Cores that computing again may use. */
int why_cores(void);

/* Fills the heatmap's part; that there is none is no failure. */
enum status why_heatmap(struct why *w, const struct why_sources *s, struct error *err);

/* What of a mask [z][y][x] is near the point. */
enum status why_look_around(const struct why *w, const uint8_t *mask,
                            struct why_mask *out, struct error *err);

/* Fills the part of the search for blobs; that there is none is no failure. */
enum status why_blob(struct why *w, const struct why_sources *s, struct error *err);

/* Fills the parts of mask, erosion and component. */
enum status why_mask(struct why *w, const struct why_sources *s, struct error *err);

#endif
