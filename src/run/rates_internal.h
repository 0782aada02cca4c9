/* What a measurement of the sweeps is made from: rates.c goes through tasks,
 * rates_segment.c through those that make masks. */
#ifndef RUN_RATES_INTERNAL_H
#define RUN_RATES_INTERNAL_H

#include "run/detector.h"
#include "run/rates.h"
#include "run/scan_reader.h"

/* Sums over the scans that were looked at. */
struct sums {
    double open, load, prepare, segment, group, search, classify;
    int64_t bytes, voxels, segmented, classified, mask_bytes;
    double candidates; /* of all voxels, scaled up from those segmented */
};

struct measurement {
    const struct settings *settings;
    struct detector *detector;
    struct scan_reader *reader;
    struct sums sums;
    double until; /* by the process's clock */
    double ready; /* what the first task of segmentation makes ready */
};

/* The scan of a measurement. */
struct sample {
    const struct scan *scan;
    struct geometry geometry;
    void **masks; /* of each run of segmentation, packed; NULL where nothing was done */
    size_t *mask_bytes;
    int64_t runs, run_slices, segmented;
};

/* Does a task of the sample; *seconds of a core. */
enum status rates_timed(struct measurement *m, const struct sample *p, struct order *o,
                        void **payload, size_t *bytes, double *seconds,
                        struct error *err);

/* Room for the masks; the geometry is there. rates_sample_release frees, also after a
 * failure. */
enum status rates_sample_init(struct sample *p, const struct measurement *m,
                              struct error *err);
void rates_sample_release(struct sample *p);

/* Segments runs until the time is up. */
enum status rates_measure_segment(struct measurement *m, struct sample *p,
                                  struct error *err);

/* *out = the masks of all runs, empty where nothing was segmented, to be freed. */
enum status rates_join_masks(struct sample *p, void **out, size_t *bytes,
                             struct error *err);

#endif
