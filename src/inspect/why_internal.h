/* The parts of why.h; private to run/why*.c. */
#ifndef INSPECT_WHY_INTERNAL_H
#define INSPECT_WHY_INTERNAL_H

#include "config/settings.h"
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

/* Fills the heatmap's part; that there is none is no failure. */
enum status why_heatmap(struct why *w, const struct why_sources *s, struct error *err);

/* Fills the parts of mask, erosion and component. */
enum status why_mask(struct why *w, const struct why_sources *s, struct error *err);

#endif
