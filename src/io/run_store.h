/*
 * run.h5: the store of a run, written by all ranks together through MPI-IO
 * (docs/formats.md shows it from the reader's side; run_reader.h reads it back). The one
 * file beside src/comm and src/run that knows MPI.
 *
 *   /results                     the same bytes for every number of ranks
 *     configuration              text: binding keys
 *     scans/        seriesuid subset status reason size spacing origin direction content
 *                   candidate_first candidate_count mask_first mask_bytes
 *     candidates/   scan index xyz voxels diameter_mm probability malignancy seen; of an
 *                   ensemble also disagreement malignancy_disagreement
 *     diagnosis/    score nodules status
 *     models/       fold network initial_weights content isolated roles: of a
 *                   cross-validation
 *     mask/bytes    thresholded heatmaps: per scan one zlib stream a slab, bits packed,
 * see formats heatmap/SERIESUID   float32 [z][y][x], only with store.heatmaps /provenance
 * job.cfg, version, instruction set, MPI-IO component, start ranks/        host threads
 * peak_bytes timings
 *
 * Strings are fixed-length, datasets contiguous, object times off. The order of calls is
 * the same on all ranks; every function marked Collective ends in the same status
 * everywhere, with the message of the lowest rank among those with the worst status. Rows
 * outside the extent are a bug (CHECK).
 */
#ifndef IO_RUN_STORE_H
#define IO_RUN_STORE_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/run_rows.h"

struct run_store;

/* Once a process, before MPI_Init: lets a store fail without taking the process with it.
 * HDF5 1.10 ends itself inside MPI_Finalize, and crashes there when an H5Fclose failed
 * before, as it does on a full disk. Opened before MPI and told not to, it leaves that
 * out; every file is closed by then. Not collective. */
void run_store_prepare(void);

/* Makes PATH.part with all datasets at their full extent, equal on all ranks, and
 * reserves their room on the disk (heatmaps are made one by one). *out is to be committed
 * or abandoned. MPI-IO is whatever the environment chose before MPI_Init (OMPI_MCA_io);
 * record it as provenance. Collective. Errors: STATUS_STAGE_IO, STATUS_STAGE_MEMORY. */
enum status run_store_create(const char *path, const struct run_store_extent *extent,
                             const char *configuration, MPI_Comm comm,
                             struct run_store **out, struct error *err);

/* Write a batch: rows [first, first + count) of this rank's choosing; ranks write
 * different rows, or none (count 0). Any size: it is cut into bounded pieces. Collective.
 * Errors: STATUS_STAGE_IO, STATUS_STAGE_MEMORY. The store can then only be abandoned. */
enum status run_store_write_scans(struct run_store *s, int64_t first, int64_t count,
                                  const struct run_store_scan *rows, struct error *err);
enum status run_store_write_candidates(struct run_store *s, int64_t first, int64_t count,
                                       const struct run_store_candidate *rows,
                                       struct error *err);
enum status run_store_write_mask(struct run_store *s, int64_t first, int64_t count,
                                 const uint8_t *bytes, struct error *err);

/* One heatmap: made by all ranks with the same name and size; slices [first, first +
 * count) written by this rank (count 0: none). Collective. Errors: as above. */
enum status run_store_make_heatmap(struct run_store *s, const char *seriesuid,
                                   const int64_t size[3], struct error *err);
enum status run_store_write_heatmap(struct run_store *s, const char *seriesuid,
                                    int64_t first, int64_t count, const float *values,
                                    struct error *err);

/* The models of a cross-validation, rank 0's, with the roles of all scans. Once, any time
 * before commit. Collective. Errors: as above. */
enum status run_store_write_models(struct run_store *s, const struct run_store_models *m,
                                   struct error *err);

/* The models of a cross-validation, rank 0's, with the roles of all scans. Once, any time
 * before commit. Collective. Errors: as above. */
enum status run_store_write_models(struct run_store *s, const struct run_store_models *m,
                                   struct error *err);

/* One rank's figures for /provenance; gathered. timing_names are the same on all ranks.
 */
struct run_store_provenance {
    const char *job; /* the resolved configuration (of rank 0) */
    const char *version, *isa, *mpi_io;
    const char *host;
    int32_t threads;
    double started_unix; /* of rank 0 */
    const char *const *timing_names;
    const double *timings; /* seconds of this rank, one a name */
    size_t timing_count;
    int64_t peak_bytes;
};

/* Once, any time before commit. Collective. Errors: as above. */
enum status run_store_write_provenance(struct run_store *s,
                                       const struct run_store_provenance *p,
                                       struct error *err);

/* Closes, flushes on every host, and rank 0 gives it its name; after a failure nothing is
 * left. Collective. Frees s in any case. */
enum status run_store_commit(struct run_store *s, struct error *err);
/* Closes and removes the part. NULL is nothing to do, on all ranks. Collective. */
void run_store_abandon(struct run_store *s);

#endif
