/*
 * What the stages of a job cost on this machine: measured by doing some of its work, on
 * some of its scans, or taken from a run that is done. `pulmo check` predicts from it.
 *
 * Measured is processor time of one computing thread, so that waiting for a core
 * does not show; waiting for a disk or a file server is not in it. The first scan is the
 * median by size of file, the others are drawn; of a large scan only some slices are gone
 * through. Uses models, readers and kernels as a job does (run/detector.h); the volume
 * cache, where one is needed, is a temporary folder.
 *
 * Not collective, no MPI calls.
 */
#ifndef RUN_RATES_H
#define RUN_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "config/settings.h"
#include "ct/dataset.h"
#include "tensor/isa.h"

/* Of a network that is trained; what its recipe says, and seconds of a core a sample. */
struct train_rates {
    bool trained;
    int64_t epochs, epoch_samples, batch, every, validate_samples;
    double step;            /* gradients and what belongs to them */
    double example;         /* making it ready, beside the step */
    double validate;        /* running the network once */
    int64_t gradient_bytes; /* that ranks add up in a step */
    int64_t sums;           /* smaller reductions of a step */
};

/* Seconds of a core. */
struct rates {
    int64_t scans;             /* looked at */
    double open_byte;          /* OPEN: hashing the files */
    double load_voxel;         /* from files to voxels */
    double prepare_voxel;      /* PREPARE, all of it */
    double segment_voxel;      /* by all threads */
    double group_voxel;        /* by one */
    double search_voxel;       /* segment.method "threshold": by all */
    double classify_candidate; /* by all; both models */
    double candidates_voxel, mask_bytes_voxel;
    int64_t segment_slices; /* of a task; 0: nothing is segmented */
    double start;           /* opening models and making them ready, on every rank */
    double master_s;        /* of the master: a result and an order */
    struct train_rates train[TRAIN_STAGES];
};

struct rates_options {
    enum isa isa;
    double seconds; /* of processor time, about */
    int cores;      /* that work at once in the job; more than 1: so they do meanwhile,
                       as far as this machine has them (run/rates_company.h) */
    const struct dataset *dataset;
    const bool *usable; /* of each scan: its header is good */
};

/* Errors: what the stages gave; STATUS_JOB_CONFIG when no scan is usable, or weights are
 * missing that the job does not train itself. */
enum status rates_measure(struct rates *r, const struct settings *s,
                          const struct rates_options *o, struct error *err);

/* Takes what a finished run's ranks noted in timings.csv in place of what was measured:
 * input, segmentation, grouping, classification, and how many candidates there are. They
 * are times by the wall; a run that names no compute.threads is taken to have had one a
 * rank. Errors: STATUS_JOB_FAILED, STATUS_JOB_CONFIG naming the folder. */
enum status rates_take_run(struct rates *r, const char *folder, struct error *err);

/* Whether detection can be measured: a job that trains its own models has none yet. */
bool rates_can_detect(const struct settings *s);

/* Seconds of this process on its cores, all threads together. */
double rates_core_seconds(void);

/* The parts: sweeps over scans, trainings, the master's books. `folder` is temporary. */
enum status rates_measure_detection(struct rates *r, const struct settings *s,
                                    const struct rates_options *o, const char *folder,
                                    struct error *err);
enum status rates_measure_training(struct rates *r, const struct settings *s,
                                   const struct rates_options *o, const char *folder,
                                   struct error *err);
enum status rates_measure_master(struct rates *r, const char *folder, struct error *err);

#endif
