/*
 * A file of named tensors: HDF5 with one dataset a tensor at the root, PyTorch's
 * state_dict names and layouts (docs/weights.md). Serial HDF5: any rank reads on its own.
 */
#ifndef IO_TENSOR_FILE_H
#define IO_TENSOR_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

enum { TENSOR_RANK_MAX = 8 };

struct named_tensor {
    char *name;
    int rank; /* number of dimensions; 0 is a scalar */
    int64_t shape[TENSOR_RANK_MAX];
    size_t count;
    float *values; /* row-major; integers (num_batches_tracked) are converted */
};

struct tensor_file {
    struct named_tensor *tensors; /* sorted by name */
    size_t count;
    char *network; /* root attribute "network", NULL when absent */
    char **seen;   /* dataset "seen_seriesuids", sorted; NULL when absent */
    size_t seen_count;
    char **selected; /* of these, "selected_seriesuids": validated on; NULL when absent */
    size_t selected_count;
    char *initial; /* root attribute "initial_weights": the content of the weights that
                      the training began with, in hexadecimal; NULL when absent */
    /* Further root attributes, NULL when absent. "origin", when it is "unknown": the
     * weights that the training began with, or the places that it was given, may stem
     * from other scans than those listed. "fold": the subset that was left alone.
     * "hard_negatives": which the classifier learned from. */
    char *origin, *fold, *hard_negatives;
    struct hash128 content; /* of names, shapes and values: the identity of the weights */
};

/* Reads all tensors. tensor_file_release frees them, also after a failure.
 * Errors: STATUS_JOB_CONFIG naming file and tensor: not HDF5, a type that is no number, a
 * value that is not finite, more than TENSOR_RANK_MAX dimensions. Not collective. */
enum status tensor_file_init(struct tensor_file *f, const char *path, struct error *err);
void tensor_file_release(struct tensor_file *f);

/* Makes a file of tensors that were put together in memory: sorts them and computes
 * `content`. Errors: STATUS_STAGE_MEMORY. */
enum status tensor_file_identify(struct tensor_file *f, struct error *err);

/* Writes a file that tensor_file_init reads back the same (`content` is not looked at):
 * whole or not at all, the same bytes for the same content. Errors: STATUS_STAGE_IO,
 * STATUS_STAGE_MEMORY. */
enum status tensor_file_write(const char *path, const struct tensor_file *f,
                              struct error *err);

/* The tensor of a name, or NULL. */
const struct named_tensor *tensor_file_find(const struct tensor_file *f,
                                            const char *name);

/* Whether a scan was used to train or select this model: 1 seen, 0 unseen, -1 the file
 * does not say, or is of unknown origin. */
int tensor_file_has_seen(const struct tensor_file *f, const char *seriesuid);

/* Whether the scans that the file names are all that it can have seen anything of. */
int tensor_file_is_isolated(const struct tensor_file *f);

/* The fold that it was trained for, -1: none. */
int tensor_file_fold(const struct tensor_file *f);

#endif
