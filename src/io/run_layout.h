/*
 * Where everything of a run's store stands: one table of columns, from which the file is
 * made, its rows are written and read back; and the part of the writing that one rank
 * does alone.
 *
 * Serial HDF5, no MPI calls. Not collective.
 */
#ifndef IO_RUN_LAYOUT_H
#define IO_RUN_LAYOUT_H

#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "io/run_rows.h"

enum {
    RUN_FORMAT = 3
}; /* attribute "format" of the root: raised when readers must change */

#define RUN_HEATMAPS "/results/heatmap"

enum run_kind {
    RUN_TEXT,
    RUN_UINT8,
    RUN_INT8,
    RUN_INT32,
    RUN_INT64,
    RUN_FLOAT32,
    RUN_FLOAT64
};

/* A column: one dataset, [rows] or [rows][width]. */
struct run_column {
    const char *dataset;
    enum run_kind kind;
    int width; /* numbers a row; bytes of a text, its NUL included, 0: seriesuid_bytes */
    size_t offset; /* in the row's structure */
};

enum {
    RUN_SCAN_COLUMNS = 17,
    RUN_CANDIDATE_COLUMNS = 8,
    RUN_ENSEMBLE_COLUMNS = 2 /* of candidates, in the stores of ensembles */
};
extern const struct run_column run_scan_columns[RUN_SCAN_COLUMNS];
extern const struct run_column run_candidate_columns[RUN_CANDIDATE_COLUMNS];
extern const struct run_column run_ensemble_columns[RUN_ENSEMBLE_COLUMNS];
extern const struct run_column run_mask_column; /* a row is a byte */

/* Bytes of one row of a column, in the file and packed in memory. */
size_t run_column_bytes(const struct run_column *c, int64_t seriesuid_bytes);

/* The type of a column's elements; the caller closes it. */
hid_t run_column_type(const struct run_column *c, int64_t seriesuid_bytes);

/* Packs a column of `count` rows, row_bytes apart, one after the other. Texts that are
 * too long are cut between characters. */
void run_column_pack(const struct run_column *c, int64_t seriesuid_bytes,
                     const void *rows, size_t row_bytes, size_t count, void *packed);

/* How the file is opened by every writer: versions and alignment fixed, so that equal
 * content is equal bytes. The caller closes it. */
hid_t run_layout_access(void);

/* Makes the file with everything but heatmaps and provenance, and reserves its room on
 * the disk. Errors: STATUS_STAGE_IO. */
enum status run_layout_create(const char *path, const struct run_store_extent *extent,
                              const char *configuration, struct error *err);

/* Adds an empty heatmap of size z, y, x and reserves its room. Errors: STATUS_STAGE_IO.
 */
enum status run_layout_add_heatmap(const char *path, const char *seriesuid,
                                   const int64_t size[3], struct error *err);

/* Adds the models of a cross-validation: run_layout_models.c. Errors: STATUS_STAGE_IO. */
enum status run_layout_add_models(const char *path, int64_t scans,
                                  const struct run_store_models *m, struct error *err);

/* The parts that a visit to a file is made of; local. A visit opens the file, makes
 * groups and datasets (their room taken now, `data` written unless it is NULL), and ends
 * by reserving the room on the disk. */
enum status run_layout_visit(const char *path, hid_t *file, struct error *err);
enum status run_layout_leave(const char *path, hid_t file, enum status status,
                             struct error *err);
enum status run_layout_group(const char *path, hid_t file, const char *name,
                             struct error *err);
enum status run_layout_dataset(const char *path, hid_t file, const char *name, hid_t type,
                               int rank, const hsize_t *extent, const void *data,
                               struct error *err);

/* What /provenance holds: texts by name, and a row a rank. */
struct run_layout_text {
    const char *name, *text;
};
struct run_layout_provenance {
    const struct run_layout_text *texts;
    size_t text_count;
    size_t ranks;
    const char *hosts; /* [ranks][host_bytes] */
    size_t host_bytes;
    const int32_t *threads;
    const int64_t *peak_bytes;
    const double *timings; /* [ranks][timing_count] */
    const char *const *timing_names;
    size_t timing_count;
};

enum status run_layout_add_provenance(const char *path,
                                      const struct run_layout_provenance *p,
                                      struct error *err);

#endif
