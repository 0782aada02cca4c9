/*
 * Writing a volume as MetaImage: a .mhd with its voxels beside it, at once or slab by
 * slab.
 */
#ifndef CT_METAIMAGE_WRITER_H
#define CT_METAIMAGE_WRITER_H

#include <stdbool.h>

#include "ct/geometry.h"

struct metaimage_writer;

/* Begins a volume of the type `element` ("MET_SHORT", ...) as `path`, which ends in
 * ".mhd"; its voxels go beside it, as the same name ending in ".raw" or, deflated,
 * ".zraw". *out is the caller's, to be closed or abandoned. Errors: STATUS_STAGE_IO
 * naming the file, STATUS_STAGE_MEMORY; of the geometry STATUS_ITEM_*. Nothing here is
 * collective. */
enum status metaimage_writer_open(const char *path, const struct geometry *g,
                                  const char *element, bool compressed,
                                  struct metaimage_writer **out, struct error *err);

/* The next `count` slices, voxels[count][y][x] in this machine's byte order. */
enum status metaimage_writer_put(struct metaimage_writer *w, const void *voxels,
                                 int64_t count, struct error *err);

/* All slices were put: both files appear, whole, the header last. A data file that an
 * earlier volume of this name left under the other ending goes. Numbers of the header
 * give the doubles back. Ends the writer, also when it fails. */
enum status metaimage_writer_close(struct metaimage_writer *w, struct error *err);

/* Ends the writer and leaves no file. w may be NULL. */
void metaimage_writer_abandon(struct metaimage_writer *w);

/* All in one. */
enum status metaimage_write(const char *path, const struct geometry *g,
                            const char *element, const void *voxels, bool compressed,
                            struct error *err);

#endif
