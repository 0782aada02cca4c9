/*
 * Reads a run's store back, for `status`, `why` and `info`: serial HDF5, no MPI calls,
 * one scan at a time. What a damaged file claims is held against what it holds before
 * anything is allocated.
 *
 * Errors throughout: STATUS_ITEM_IO when the file cannot be read or does not hold what
 * was asked for, STATUS_ITEM_FORMAT when it holds what a store does not. Not collective.
 */
#ifndef IO_RUN_READER_H
#define IO_RUN_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "io/run_rows.h"

struct run_reader;

enum status run_reader_open(const char *path, struct run_reader **out, struct error *err);
void run_reader_close(struct run_reader *r);

/* 1 to RUN_FORMAT (run_layout.h). */
int32_t run_reader_format(const struct run_reader *r);
int64_t run_reader_scan_count(const struct run_reader *r);
int64_t run_reader_candidate_count(const struct run_reader *r);
/* Whether its candidates have disagreements: a stage had several models. */
bool run_reader_is_ensemble(const struct run_reader *r);

/* Index of a seriesuid, or -1. */
int64_t run_reader_find(const struct run_reader *r, const char *seriesuid);
/* Row of scan i in [0, scan_count); its texts are the reader's, valid until the next
 * call. */
enum status run_reader_scan(struct run_reader *r, int64_t i, struct run_store_scan *out,
                            struct error *err);
/* Candidates of a scan (candidate_count of them), to be freed. */
enum status run_reader_candidates(struct run_reader *r, const struct run_store_scan *scan,
                                  struct run_store_candidate **out, struct error *err);
/* Mask bytes of a scan (mask_bytes of them), to be freed; run/stored_mask.h knows what
 * they mean in every format. */
enum status run_reader_mask(struct run_reader *r, const struct run_store_scan *scan,
                            uint8_t **out, struct error *err);
/* Voxels [first, first + count) (z, y, x) of a stored heatmap, dense; STATUS_ITEM_IO when
 * the run holds none. */
enum status run_reader_heatmap(struct run_reader *r, const char *seriesuid,
                               const int64_t first[3], const int64_t count[3], float *out,
                               struct error *err);
/* A text by its name in the file ("/results/configuration", "/provenance/job"), to be
 * freed. */
enum status run_reader_text(struct run_reader *r, const char *name, char **out,
                            struct error *err);

#endif
