/*
 * libnifti interprets the header: byte order, quaternions, names of types. Its file layer
 * is not used, since it reads through stdio, prints what it dislikes, mends it silently
 * and wants whole volumes: the bytes come through data_file and inflater, and what is
 * wrong is said here.
 */
#include "ct/nifti.h"

#include <inttypes.h>
#include <math.h>
#include <nifti1_io.h>
#include <nifti2.h>

enum {
    NIFTI1_BYTES = 348,
    NIFTI2_BYTES = 540,
    SWAPPED_348 = 0x5c010000,
    SWAPPED_540 = 0x1c020000,
};

/* What both versions of the header say, in this machine's byte order. */
struct fields {
    int64_t dim[8];
    double pixdim[8], vox_offset, slope, intercept, srow[3][4], quatern[3], qoffset[3];
    int datatype, units, qform_code, sform_code;
    bool swapped;
};

static const struct {
    int datatype;
    const char *element;
} TYPES[] = {
    {DT_UINT8, "MET_UCHAR"},     {DT_INT8, "MET_CHAR"},         {DT_INT16, "MET_SHORT"},
    {DT_UINT16, "MET_USHORT"},   {DT_INT32, "MET_INT"},         {DT_UINT32, "MET_UINT"},
    {DT_INT64, "MET_LONG_LONG"}, {DT_UINT64, "MET_ULONG_LONG"}, {DT_FLOAT32, "MET_FLOAT"},
    {DT_FLOAT64, "MET_DOUBLE"},
};

/* ---- the header's bytes ---- */

#define COPY_FIELDS(f, h)                                                                \
    do {                                                                                 \
        for (int i = 0; i < 8; i++) {                                                    \
            (f)->dim[i] = (h)->dim[i];                                                   \
            (f)->pixdim[i] = (h)->pixdim[i];                                             \
        }                                                                                \
        for (int i = 0; i < 4; i++) {                                                    \
            (f)->srow[0][i] = (h)->srow_x[i];                                            \
            (f)->srow[1][i] = (h)->srow_y[i];                                            \
            (f)->srow[2][i] = (h)->srow_z[i];                                            \
        }                                                                                \
        (f)->quatern[0] = (h)->quatern_b;                                                \
        (f)->quatern[1] = (h)->quatern_c;                                                \
        (f)->quatern[2] = (h)->quatern_d;                                                \
        (f)->qoffset[0] = (h)->qoffset_x;                                                \
        (f)->qoffset[1] = (h)->qoffset_y;                                                \
        (f)->qoffset[2] = (h)->qoffset_z;                                                \
        (f)->vox_offset = (double)(h)->vox_offset;                                       \
        (f)->slope = (h)->scl_slope;                                                     \
        (f)->intercept = (h)->scl_inter;                                                 \
        (f)->datatype = (h)->datatype;                                                   \
        (f)->units = (h)->xyzt_units;                                                    \
        (f)->qform_code = (h)->qform_code;                                               \
        (f)->sform_code = (h)->sform_code;                                               \
    } while (0)

static enum status decode_fields(const unsigned char *bytes, size_t count,
                                 struct fields *f, struct error *err)
{
    int32_t size = 0;
    if (count >= sizeof size)
        memcpy(&size, bytes, sizeof size);
    if ((size == NIFTI1_BYTES || size == SWAPPED_348) && count >= NIFTI1_BYTES) {
        struct nifti_1_header h;
        memcpy(&h, bytes, sizeof h);
        if (memcmp(h.magic, "n+1", 4) != 0)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "magic = \"%.3s\": only NIfTI in one file (n+1) can be read",
                             h.magic);
        f->swapped = size == SWAPPED_348;
        if (f->swapped)
            swap_nifti_header(&h, 1);
        COPY_FIELDS(f, &h);
        return STATUS_OK;
    }
    if (size == NIFTI2_BYTES && count >= NIFTI2_BYTES) {
        struct nifti_2_header h;
        memcpy(&h, bytes, sizeof h);
        if (memcmp(h.magic, "n+2", 4) != 0)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "magic = \"%.3s\": only NIfTI in one file (n+2) can be read",
                             h.magic);
        COPY_FIELDS(f, &h);
        return STATUS_OK;
    }
    if (size == SWAPPED_540)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "NIfTI-2 in the other byte order cannot be read");
    return error_set(err, STATUS_ITEM_FORMAT,
                     "sizeof_hdr = %" PRId32 " in %zu bytes: no NIfTI header", size,
                     count);
}

/* The first bytes of a file, inflated when they are gzip. */
static enum status read_beginning(const struct data_file *f, unsigned char *bytes,
                                  size_t most, size_t *got, bool *deflated,
                                  struct error *err)
{
    struct inflater *inflater;
    int64_t inflated = 0;
    enum status status = data_file_read(f, 0, bytes, most, got, err);
    if (status != STATUS_OK)
        return status;
    *deflated = *got >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    if (!*deflated)
        return STATUS_OK;
    status = inflater_new(f, 0, &inflater, err);
    if (status != STATUS_OK)
        return status;
    status = inflater_read(inflater, bytes, (int64_t)most, &inflated, err);
    inflater_free(inflater);
    *got = (size_t)inflated;
    return status;
}

/* ---- what it says ---- */

static enum status take_sizes(const struct fields *f, struct geometry *g,
                              struct error *err)
{
    if (f->dim[0] < 3 || f->dim[0] > 7)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "dim[0] = %" PRId64 ": only volumes of 3 dimensions can be read",
                         f->dim[0]);
    for (int a = 1; a <= f->dim[0]; a++) {
        if (a > 3 && f->dim[a] != 1)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "dim[%d] = %" PRId64
                             ": only volumes of 3 dimensions can be read",
                             a, f->dim[a]);
        if (a <= 3)
            g->size[3 - a] = f->dim[a];
    }
    return STATUS_OK;
}

static enum status unit_mm(int units, double *mm, struct error *err)
{
    switch (XYZT_TO_SPACE(units)) {
    case NIFTI_UNITS_UNKNOWN:
    case NIFTI_UNITS_MM:
        *mm = 1;
        return STATUS_OK;
    case NIFTI_UNITS_METER:
        *mm = 1000;
        return STATUS_OK;
    case NIFTI_UNITS_MICRON:
        *mm = 0.001;
        return STATUS_OK;
    default:
        return error_set(err, STATUS_ITEM_FORMAT, "xyzt_units = %d: no unit of length",
                         units);
    }
}

/* The affine from voxel (x, y, z) to RAS, in the header's unit: sform, else qform, else
 * spacing alone. */
static enum status find_affine(const struct fields *f, double affine[3][4],
                               struct error *err)
{
    if (f->sform_code > 0) {
        memcpy(affine, f->srow, sizeof f->srow);
        return STATUS_OK;
    }
    for (int a = 1; a <= 3; a++)
        if (!isfinite(f->pixdim[a]) || !(f->pixdim[a] > 0))
            return error_set(err, STATUS_ITEM_FORMAT,
                             "pixdim[%d] = %g: must be finite and positive", a,
                             f->pixdim[a]);
    memset(affine, 0, 12 * sizeof(double));
    if (f->qform_code <= 0) {
        for (int a = 0; a < 3; a++)
            affine[a][a] = f->pixdim[a + 1];
        return STATUS_OK;
    }
    for (int a = 0; a < 3; a++)
        if (!isfinite(f->quatern[a]) || !isfinite(f->qoffset[a]))
            return error_set(err, STATUS_ITEM_FORMAT, "qform: a value is not finite");
    mat44 m = nifti_quatern_to_mat44((float)f->quatern[0], (float)f->quatern[1],
                                     (float)f->quatern[2], 0, 0, 0, 1, 1, 1,
                                     f->pixdim[0] < 0 ? -1 : 1);
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c < 3; c++)
            affine[r][c] = (double)m.m[r][c] * f->pixdim[c + 1];
        affine[r][3] = f->qoffset[r];
    }
    return STATUS_OK;
}

/* D has unit columns, also where an sform shears: then they are not at right angles, and
 * D keeps that. */
static void take_affine(double affine[3][4], double mm, struct geometry *g)
{
    for (int c = 0; c < 4; c++) {
        affine[0][c] = -affine[0][c]; /* RAS to LPS */
        affine[1][c] = -affine[1][c];
    }
    for (int c = 0; c < 3; c++) {
        double length = sqrt(affine[0][c] * affine[0][c] + affine[1][c] * affine[1][c] +
                             affine[2][c] * affine[2][c]);
        g->spacing[c] = length * mm;
        for (int r = 0; r < 3; r++)
            g->direction[3 * r + c] = affine[r][c] / length + 0.0; /* no -0 */
        g->origin[c] = affine[c][3] * mm + 0.0;
    }
}

static enum status take_type(const struct fields *f, struct volume_source *v,
                             struct error *err)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (TYPES[i].datatype == f->datatype)
            v->element = element_find(TYPES[i].element);
    if (!v->element)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "datatype = %d (%s): not a scalar type that can be read",
                         f->datatype, nifti_datatype_to_string(f->datatype));
    v->swapped = f->swapped;
    v->slope = 1;
    /* 0 and, from some writers, NaN: values stand for themselves */
    if (f->slope == 0 || !isfinite(f->slope))
        return STATUS_OK;
    if (!isfinite(f->intercept))
        return error_set(err, STATUS_ITEM_FORMAT, "scl_inter = %g: not finite",
                         f->intercept);
    v->slope = f->slope;
    v->intercept = f->intercept;
    return STATUS_OK;
}

static enum status take_layout(const struct fields *f, bool deflated,
                               struct volume_source *v, struct error *err)
{
    enum status status = volume_source_voxel_bytes(v, &v->payload.file_voxel_bytes, err);
    if (status != STATUS_OK)
        return status;
    if (!(f->vox_offset >= NIFTI1_BYTES) || f->vox_offset > INT32_MAX ||
        f->vox_offset != floor(f->vox_offset))
        return error_set(err, STATUS_ITEM_FORMAT,
                         "vox_offset = %g: not behind the header", f->vox_offset);
    v->payload.deflated = deflated;
    if (deflated)
        v->payload.lead = (int64_t)f->vox_offset;
    else
        v->payload.offset = (int64_t)f->vox_offset;
    return STATUS_OK;
}

static enum status interpret(const struct data_file *file, struct volume_source *v,
                             struct error *err)
{
    enum status status = STATUS_OK;
    unsigned char bytes[NIFTI2_BYTES];
    struct fields f = {0};
    size_t got;
    bool deflated;
    double mm = 1, affine[3][4];
    char wanted[120];
    struct geometry *g = &v->geometry;

    TRY(read_beginning(file, bytes, sizeof bytes, &got, &deflated, err));
    TRY(decode_fields(bytes, got, &f, err));
    TRY(take_sizes(&f, g, err));
    TRY(take_type(&f, v, err));
    TRY(unit_mm(f.units, &mm, err));
    TRY(find_affine(&f, affine, err));
    take_affine(affine, mm, g);
    TRY(geometry_check(g, err));
    TRY(take_layout(&f, deflated, v, err));
    TRY(file_series_add(&v->payload.series, file->path, err));
    snprintf(wanted, sizeof wanted,
             "dim = %" PRId64 " %" PRId64 " %" PRId64 ", datatype = %s", g->size[2],
             g->size[1], g->size[0], nifti_datatype_to_string(f.datatype));
    TRY(payload_check(&v->payload, wanted, &v->file_bytes, err));
out:
    return status;
}

enum status nifti_open(const char *path, struct volume_source *out, struct error *err)
{
    struct volume_source v = {0};
    struct data_file f;
    struct error inner = {0};
    enum status status = data_file_open(path, &f, err);
    if (status != STATUS_OK)
        return status;
    payload_init(&v.payload);
    status = interpret(&f, &v, &inner);
    data_file_close(&f);
    if (status != STATUS_OK) {
        payload_release(&v.payload);
        return error_set(err, status, "%s: %s", path, inner.message);
    }
    *out = v;
    return STATUS_OK;
}
