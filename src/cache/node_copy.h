/* A copy of a cache file on this node's own disk. */
#ifndef CACHE_NODE_COPY_H
#define CACHE_NODE_COPY_H

#include "base/status.h"

/* Copies a file and gives the copy its name when it is whole. Not synced: after a power
 * loss it is torn at worst, which opening it finds. Errors: STATUS_ITEM_IO (the source),
 * STATUS_STAGE_IO (the copy). */
enum status node_copy(const char *from, const char *to, struct error *err);

#endif
