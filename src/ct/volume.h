/*
 * A CT volume on disk: MetaImage (.mhd with its data beside it, .mha) or NIfTI (.nii,
 * .nii.gz), read in slabs of whole slices.
 *
 * Opening reads the header and looks at the data file, not at the voxels. Slabs are read
 * without loading the rest: an uncompressed raw file in place, a compressed one by a
 * stream that goes forward from where the last slab ended (a slab further back starts
 * again from the beginning). A volume therefore holds a few hundred kilobytes whatever
 * its size. One thread at a time.
 *
 * Format: https://itk.org/Wiki/ITK/MetaIO/Documentation, nifti1.h.
 */
#ifndef CT_VOLUME_H
#define CT_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/hash.h"
#include "ct/geometry.h"

struct volume;

struct volume_options {
    bool allow_outside; /* ElementDataFile may be absolute or leave the folder of the
                           header */
};

/* Opens a volume by its header file (or its only file). *out is the caller's to close.
 * Refuses what the voxels could not be read from: a missing data file, one that is
 * shorter or longer than the header says, a CompressedDataSize that is not the file's,
 * sizes that overflow. Errors: STATUS_ITEM_IO, STATUS_ITEM_FORMAT, STATUS_ITEM_LIMIT with
 * path, key and value. Not collective. */
enum status volume_open(const char *path, const struct volume_options *options,
                        struct volume **out, struct error *err);
void volume_close(struct volume *v);

const struct geometry *volume_geometry(const struct volume *v);

/* "MET_SHORT", "MET_UCHAR", ... (NIfTI types by the name of the MetaImage type they
 * equal). */
const char *volume_element_type(const struct volume *v);
bool volume_is_compressed(const struct volume *v);

/* Bytes of the data file(s) plus header: what reading it costs. */
int64_t volume_file_bytes(const struct volume *v);

/* Reads slices [first, first + count) as HU, unclipped, into hu[count][y][x] (float,
 * dense). Errors: STATUS_ITEM_IO (short file), STATUS_ITEM_FORMAT (corrupt stream, NaN or
 * infinite voxel, named by its index). */
enum status volume_read(struct volume *v, int64_t first, int64_t count, float *hu,
                        struct error *err);

/* Sizes, times and inodes of header and data files in one identity: changes when any
 * does. Reads no voxels. */
enum status volume_identity(const struct volume *v, struct hash128 *out,
                            struct error *err);

/* Hash of the bytes of the header and of all data files, in order. Reads everything. */
enum status volume_content(struct volume *v, struct hash128 *out, struct error *err);

/* Whether a file name ends like a volume that volume_open takes as a scan of its own:
 * .mhd, .mha, .nii, .nii.gz. */
bool volume_is_name(const char *file_name);

/* The seriesuid of a volume: its file name without folder and ending. To be freed. */
enum status volume_seriesuid(const char *path, char **out, struct error *err);

#endif
