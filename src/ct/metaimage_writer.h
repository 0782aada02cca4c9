/* Writing a whole volume as MetaImage: a .mhd with its voxels beside it. */
#ifndef CT_METAIMAGE_WRITER_H
#define CT_METAIMAGE_WRITER_H

#include <stdbool.h>

#include "ct/geometry.h"

/* Writes voxels[z][y][x], of the type `element` ("MET_SHORT", ...) in this machine's byte
 * order, as `path`, which ends in ".mhd", and the same name ending in ".raw" or,
 * deflated,
 * ".zraw". Both appear whole, the header last; a data file that an earlier one left under
 * the other ending goes. Numbers of the header give the doubles back. Errors:
 * STATUS_STAGE_IO naming the file, STATUS_STAGE_MEMORY. Not collective. */
enum status metaimage_write(const char *path, const struct geometry *g,
                            const char *element, const void *voxels, bool compressed,
                            struct error *err);

#endif
