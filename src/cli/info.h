/* What `pulmo info` tells of each kind of file. Each writes to stdout. */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

struct info_options {
    bool deep;           /* read the voxels */
    bool plan;           /* print how a model is run */
    int64_t size[3];     /* z, y, x of the plan's input; zeros: the model's own */
    const char *weights; /* for the plan of a network; NULL */
};

/* Errors: volume_open's, volume_read's. */
enum status info_volume(const char *path, const struct info_options *o,
                        struct error *err);

/* A scan of the volume cache; `deep`: every chunk against its checksum. Errors:
 * STATUS_ITEM_*. */
enum status info_cached_scan(const char *path, const struct info_options *o,
                             struct error *err);

/* Lines of a geometry, as of all volumes. */
void info_geometry(const struct geometry *g);

/* An HDF5 file of weights. Errors: STATUS_JOB_CONFIG. */
enum status info_weights(const char *path, const struct info_options *o,
                         struct error *err);

/* A description of a network. Errors: STATUS_JOB_CONFIG. */
enum status info_network(const char *path, const struct info_options *o,
                         struct error *err);

/* A run's store; a run's directory: how it stands, then its store. */
enum status info_store(const char *path, struct error *err);
enum status info_run(const char *folder, struct error *err);

/* The store of a chain of nights. Errors: STATUS_ITEM_FORMAT when it is none. */
enum status info_nights(const char *path, struct error *err);

/* A job file: its settings, resolved. Errors: STATUS_JOB_CONFIG. */
enum status info_job(const char *path, struct error *err);

/* This machine. */
void info_cpu(void);

#endif
