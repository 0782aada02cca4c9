/* MetaImage volumes: a .mhd with its data beside it, or a .mha that holds both. */
#ifndef CT_METAIMAGE_H
#define CT_METAIMAGE_H

#include "ct/volume_source.h"

/* Reads the header at path and holds the data files against it by their sizes. *out's
 * payload is the caller's to release. Errors: STATUS_ITEM_*, naming path, key and value.
 */
enum status metaimage_open(const char *path, bool allow_outside,
                           struct volume_source *out, struct error *err);

#endif
