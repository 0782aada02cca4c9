/* What every user of HDF5 needs: the library's errors as ours, and identifiers that
 * close. */
#ifndef IO_H5_H
#define IO_H5_H

#include <hdf5.h>

#include "base/status.h"

/* Stops the library from printing its error stacks. */
void h5_quiet(void);

/* Writes "path: what: " and the innermost message of the library's error stack. To be
 * called right after the call that failed. */
enum status h5_error(struct error *err, enum status code, const char *path,
                     const char *what);

/* Close an identifier of whatever class; negative ones are passed over. */
void h5_close(hid_t id);

#endif
