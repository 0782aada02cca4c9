/*
 * Writing label volumes as NIfTI-1 (.nii.gz), slab by slab: uint16, the geometry in both
 * of the format's ways (qform and sform), LPS turned into NIfTI's RAS.
 *
 * The same voxels give the same bytes. Not collective.
 */
#ifndef CT_NIFTI_WRITER_H
#define CT_NIFTI_WRITER_H

#include "ct/geometry.h"

struct nifti_writer;

/* Begins the file. *out is the caller's, to be closed or abandoned. Errors:
 * STATUS_STAGE_IO naming the file, STATUS_STAGE_MEMORY; STATUS_ITEM_LIMIT when a side is
 * longer than the format can say (32767). */
enum status nifti_writer_open(const char *path, const struct geometry *g,
                              struct nifti_writer **out, struct error *err);

/* The next `count` slices, voxels[count][y][x]. */
enum status nifti_writer_put(struct nifti_writer *w, const uint16_t *voxels,
                             int64_t count, struct error *err);

/* All slices were put: the file appears, whole. Ends the writer, also when it fails. */
enum status nifti_writer_close(struct nifti_writer *w, struct error *err);

/* Ends the writer and leaves no file. w may be NULL. */
void nifti_writer_abandon(struct nifti_writer *w);

#endif
