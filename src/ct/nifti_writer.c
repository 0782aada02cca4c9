#include "ct/nifti_writer.h"

#include <errno.h>
#include <nifti1_io.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"

enum { HEADER_BYTES = 348, DATA_OFFSET = 352, SIDE_LIMIT = 32767 };

struct nifti_writer {
    struct atomic_file file;
    gzFile stream; /* into the file */
    struct geometry geometry;
    int64_t slices; /* put so far */
};

/* Rows of index (x, y, z) to RAS: the first two axes of LPS point the other way. */
static mat44 to_ras(const struct geometry *g)
{
    mat44 m = {0};
    for (int row = 0; row < 3; row++) {
        const double sign = row < 2 ? -1 : 1;
        for (int column = 0; column < 3; column++)
            m.m[row][column] =
                (float)(sign * g->direction[3 * row + column] * g->spacing[column]);
        m.m[row][3] = (float)(sign * g->origin[row]);
    }
    m.m[3][3] = 1;
    return m;
}

static struct nifti_1_header header_of(const struct geometry *g)
{
    struct nifti_1_header h = {
        .sizeof_hdr = HEADER_BYTES,
        .regular = 'r',
        .dim = {3, (short)g->size[2], (short)g->size[1], (short)g->size[0], 1, 1, 1, 1},
        .datatype = DT_UINT16,
        .bitpix = 16,
        .vox_offset = DATA_OFFSET,
        .scl_slope = 1,
        .xyzt_units = NIFTI_UNITS_MM,
        .qform_code = NIFTI_XFORM_SCANNER_ANAT,
        .sform_code = NIFTI_XFORM_SCANNER_ANAT};
    const mat44 m = to_ras(g);
    float spacing[3], handedness;
    nifti_mat44_to_quatern(m, &h.quatern_b, &h.quatern_c, &h.quatern_d, &h.qoffset_x,
                           &h.qoffset_y, &h.qoffset_z, &spacing[0], &spacing[1],
                           &spacing[2], &handedness);
    h.pixdim[0] = handedness;
    for (int k = 0; k < 3; k++)
        h.pixdim[k + 1] = (float)g->spacing[k];
    memcpy(h.srow_x, m.m[0], sizeof h.srow_x);
    memcpy(h.srow_y, m.m[1], sizeof h.srow_y);
    memcpy(h.srow_z, m.m[2], sizeof h.srow_z);
    memcpy(h.magic, "n+1", 4);
    return h;
}

static enum status put(struct nifti_writer *w, const void *data, size_t bytes,
                       struct error *err)
{
    if (gzfwrite(data, 1, bytes, w->stream) == bytes)
        return STATUS_OK;
    return error_set(err, STATUS_STAGE_IO, "%s: %s", w->file.path, strerror(errno));
}

enum status nifti_writer_open(const char *path, const struct geometry *g,
                              struct nifti_writer **out, struct error *err)
{
    enum status status = STATUS_OK;
    static const char no_extension[DATA_OFFSET - HEADER_BYTES];
    struct nifti_writer *w = NULL;
    for (int k = 0; k < 3; k++)
        if (g->size[k] > SIDE_LIMIT)
            return error_set(err, STATUS_ITEM_LIMIT,
                             "%s: %lld voxels along a side: NIfTI-1 counts to %d", path,
                             (long long)g->size[k], SIDE_LIMIT);
    const struct nifti_1_header header = header_of(g);
    TRY(memory_new(1, sizeof *w, "a NIfTI file", (void **)&w, err));
    w->geometry = *g;
    TRY(atomic_file_open(path, &w->file, err));
    const int descriptor = dup(fileno(w->file.stream));
    w->stream = descriptor < 0 ? NULL : gzdopen(descriptor, "wb6");
    if (!w->stream) {
        if (descriptor >= 0)
            close(descriptor);
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
        goto out;
    }
    TRY(put(w, &header, sizeof header, err));
    TRY(put(w, no_extension, sizeof no_extension, err));
    *out = w;
    w = NULL;
out:
    nifti_writer_abandon(w);
    return status;
}

enum status nifti_writer_put(struct nifti_writer *w, const uint16_t *voxels,
                             int64_t count, struct error *err)
{
    CHECK(w->slices + count <= w->geometry.size[0]);
    w->slices += count;
    return put(w, voxels,
               (size_t)count * (size_t)w->geometry.size[1] * (size_t)w->geometry.size[2] *
                   sizeof *voxels,
               err);
}

enum status nifti_writer_close(struct nifti_writer *w, struct error *err)
{
    enum status status = STATUS_OK;
    CHECK(w->slices == w->geometry.size[0]);
    const int failed = gzclose(w->stream);
    w->stream = NULL;
    if (failed != Z_OK)
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", w->file.path, strerror(errno));
    if (status == STATUS_OK)
        status = atomic_file_commit(&w->file, err);
    nifti_writer_abandon(w);
    return status;
}

void nifti_writer_abandon(struct nifti_writer *w)
{
    if (!w)
        return;
    if (w->stream)
        gzclose(w->stream);
    atomic_file_abandon(&w->file);
    free(w);
}
