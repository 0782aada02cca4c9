/*
 * run.h5: the store of a run, written by all ranks together through MPI-IO (docs/formats.md shows
 * it from the reader's side). The one file beside src/comm and src/run that knows MPI.
 *
 *   /results                     the same bytes for every number of ranks
 *     configuration              text: binding keys
 *     scans/        seriesuid subset status reason size spacing origin direction content
 *                   candidate_first candidate_count mask_first mask_bytes
 *     candidates/   scan index xyz voxels diameter_mm probability malignancy seen
 *     diagnosis/    score nodules status
 *     mask/bytes    thresholded heatmaps: per scan one zlib stream a slab, bits packed, see formats
 *     heatmap/SERIESUID   float32 [z][y][x], only with store.heatmaps
 *   /provenance                  job.cfg, version, hosts, ranks, threads, instruction set, timings
 *
 * Strings are fixed-length, datasets contiguous, object times off. The order of calls is the same on
 * all ranks; every function marked Collective ends in the same status everywhere.
 */
#ifndef IO_RUN_STORE_H
#define IO_RUN_STORE_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct run_store;

/* How much there will be; equal on all ranks. */
struct run_store_extent {
    int64_t scans, candidates, mask_bytes;
    int64_t seriesuid_bytes; /* longest seriesuid + 1 */
    bool heatmaps;
};

struct run_store_scan {
    const char *seriesuid;
    int32_t subset;
    const char *status; /* "done", "quarantined" */
    const char *reason; /* "" when done; cut at 255 bytes */
    int64_t size[3];    /* z, y, x */
    double spacing[3], origin[3], direction[9];
    const char *content; /* 32 hex digits, or "" */
    int64_t candidate_first, candidate_count;
    int64_t mask_first, mask_bytes;
    double score;
    int64_t nodules;
    const char *diagnosis;
};

struct run_store_candidate {
    int64_t scan;
    double index[3], xyz[3];
    int64_t voxels;
    double diameter_mm;
    float probability, malignancy;
    int8_t seen; /* 1, 0, -1 */
};

/* Makes PATH.part with all datasets at their full extent (heatmaps are made one by one). `driver`
 * is "auto", "romio" or "ompio". Collective. Errors: STATUS_STAGE_IO on all ranks. */
enum status run_store_create(const char *path, const struct run_store_extent *extent,
                             const char *configuration, MPI_Comm comm, struct run_store **out,
                             struct error *err);

/* Write a batch: rows [first, first + count) of this rank's choosing; ranks write different rows,
 * or none (count 0). Collective. */
enum status run_store_write_scans(struct run_store *s, int64_t first, int64_t count,
                                  const struct run_store_scan *rows, struct error *err);
enum status run_store_write_candidates(struct run_store *s, int64_t first, int64_t count,
                                       const struct run_store_candidate *rows,
                                       struct error *err);
enum status run_store_write_mask(struct run_store *s, int64_t first, int64_t count,
                                 const uint8_t *bytes, struct error *err);

/* One heatmap: made by all ranks with the same name and size, slices [first, first + count)
 * written by this rank (count 0: none). Collective. */
enum status run_store_make_heatmap(struct run_store *s, const char *seriesuid,
                                   const int64_t size[3], struct error *err);
enum status run_store_write_heatmap(struct run_store *s, const char *seriesuid, int64_t first,
                                    int64_t count, const float *values, struct error *err);

/* One rank's figures for /provenance; gathered. `columns` are named the same on all ranks. */
struct run_store_provenance {
    const char *job;     /* the resolved configuration (of rank 0) */
    const char *version, *isa, *mpi_io;
    const char *host;
    int32_t threads;
    double started_unix;  /* of rank 0 */
    const char *const *timing_names;
    const double *timings; /* seconds of this rank, one a name */
    size_t timing_count;
    int64_t peak_bytes;
};

enum status run_store_write_provenance(struct run_store *s,
                                       const struct run_store_provenance *p,
                                       struct error *err);

/* Closes, and rank 0 gives it its name. Collective. Frees s in any case. */
enum status run_store_commit(struct run_store *s, struct error *err);
/* Closes and removes the part. Collective. */
void run_store_abandon(struct run_store *s);

/* Reading back, for `status`, `why` and `info`: serial, no MPI calls, one scan at a time. */
struct run_reader;
enum status run_reader_open(const char *path, struct run_reader **out, struct error *err);
void run_reader_close(struct run_reader *r);
int64_t run_reader_scan_count(const struct run_reader *r);
/* Index of a seriesuid, or -1. */
int64_t run_reader_find(const struct run_reader *r, const char *seriesuid);
/* Row of a scan; its texts are the reader's, valid until the next call. */
enum status run_reader_scan(struct run_reader *r, int64_t i, struct run_store_scan *out,
                            struct error *err);
/* Candidates of a scan, to be freed. */
enum status run_reader_candidates(struct run_reader *r, const struct run_store_scan *scan,
                                  struct run_store_candidate **out, struct error *err);
/* Mask bytes of a scan, to be freed. */
enum status run_reader_mask(struct run_reader *r, const struct run_store_scan *scan,
                            uint8_t **out, struct error *err);
/* One voxel of a stored heatmap; STATUS_ITEM_IO when the run holds none. */
enum status run_reader_heatmap(struct run_reader *r, const char *seriesuid,
                               const int64_t voxel[3], float *out, struct error *err);

#endif
