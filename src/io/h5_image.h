/*
 * A small HDF5 file made in memory and then written as a whole: a full disk or a kill is
 * met by one write of bytes, not somewhere inside the library. The bytes depend on the
 * content alone.
 */
#ifndef IO_H5_IMAGE_H
#define IO_H5_IMAGE_H

#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* *file = a new file in memory; closed by h5_image_take or h5_close. `name` is for
 * messages. */
enum status h5_image_new(const char *name, hid_t *file, struct error *err);

/* *out = the file's bytes, to be freed; the file is closed, also after a failure. */
enum status h5_image_take(hid_t file, const char *name, void **out, size_t *bytes,
                          struct error *err);

/* Writes one dataset at the root: `type` in memory and in the file, rank 0 is a scalar.
 */
enum status h5_image_dataset(hid_t file, const char *name, hid_t type, int rank,
                             const int64_t *shape, const void *values, struct error *err);

/* Texts as one dataset of fixed-length strings; one text as an attribute of the root. */
enum status h5_image_texts(hid_t file, const char *name, const char *const *texts,
                           size_t count, struct error *err);
enum status h5_image_attribute(hid_t file, const char *name, const char *text,
                               struct error *err);

#endif
