/*
 * Voxels and millimetres. The inverse of D is taken by its adjugate in double, each time
 * anew: a geometry stays plain data, and for a signed permutation (every axis-aligned
 * scan) the way there and back is exact, since only products with 0 and +-1 occur.
 */
#include "ct/geometry.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

#include "base/size.h"

/* Below this share of the volume that its columns could span, D cannot be told from
 * singular: rounding alone would move a voxel. */
static const double SINGULAR = 1e-9;

static double determinant(const double d[9])
{
    return d[0] * (d[4] * d[8] - d[5] * d[7]) - d[1] * (d[3] * d[8] - d[5] * d[6]) +
           d[2] * (d[3] * d[7] - d[4] * d[6]);
}

static void invert(const double d[9], double inverse[9])
{
    double det = determinant(d);
    inverse[0] = (d[4] * d[8] - d[5] * d[7]) / det;
    inverse[1] = (d[2] * d[7] - d[1] * d[8]) / det;
    inverse[2] = (d[1] * d[5] - d[2] * d[4]) / det;
    inverse[3] = (d[5] * d[6] - d[3] * d[8]) / det;
    inverse[4] = (d[0] * d[8] - d[2] * d[6]) / det;
    inverse[5] = (d[2] * d[3] - d[0] * d[5]) / det;
    inverse[6] = (d[3] * d[7] - d[4] * d[6]) / det;
    inverse[7] = (d[1] * d[6] - d[0] * d[7]) / det;
    inverse[8] = (d[0] * d[4] - d[1] * d[3]) / det;
}

static enum status check_sizes(const int64_t size[3], struct error *err)
{
    size_t bytes = sizeof(float);
    for (int a = 0; a < 3; a++)
        if (size[a] <= 0)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "DimSize = %" PRId64 " %" PRId64 " %" PRId64
                             ": sizes must be positive",
                             size[2], size[1], size[0]);
    for (int a = 0; a < 3; a++)
        if (!size_multiply(bytes, (size_t)size[a], &bytes) || bytes > INT64_MAX)
            return error_set(err, STATUS_ITEM_LIMIT,
                             "DimSize = %" PRId64 " %" PRId64 " %" PRId64
                             ": more voxels than 64 bits can count",
                             size[2], size[1], size[0]);
    return STATUS_OK;
}

static enum status check_direction(const double d[9], struct error *err)
{
    double span = 1;
    bool finite = true;
    for (int c = 0; c < 3; c++)
        span *= sqrt(d[c] * d[c] + d[3 + c] * d[3 + c] + d[6 + c] * d[6 + c]);
    for (int i = 0; i < 9; i++)
        finite = finite && isfinite(d[i]);
    if (!finite || !isfinite(span) || !(fabs(determinant(d)) > SINGULAR * span))
        return error_set(err, STATUS_ITEM_FORMAT,
                         "direction, by columns: %g %g %g, %g %g %g, %g %g %g: %s", d[0],
                         d[3], d[6], d[1], d[4], d[7], d[2], d[5], d[8],
                         finite ? "the matrix is singular" : "not finite");
    return STATUS_OK;
}

enum status geometry_check(const struct geometry *g, struct error *err)
{
    enum status status = check_sizes(g->size, err);
    if (status != STATUS_OK)
        return status;
    for (int a = 0; a < 3; a++)
        if (!isfinite(g->spacing[a]) || !(g->spacing[a] > 0))
            return error_set(err, STATUS_ITEM_FORMAT,
                             "ElementSpacing = %g %g %g mm: must be finite and positive",
                             g->spacing[0], g->spacing[1], g->spacing[2]);
    for (int a = 0; a < 3; a++)
        if (!isfinite(g->origin[a]))
            return error_set(err, STATUS_ITEM_FORMAT,
                             "Offset = %g %g %g mm: must be finite", g->origin[0],
                             g->origin[1], g->origin[2]);
    return check_direction(g->direction, err);
}

void geometry_to_mm(const struct geometry *g, const double index_zyx[3], double xyz[3])
{
    const double *d = g->direction;
    double step[3];
    for (int a = 0; a < 3; a++)
        step[a] = index_zyx[2 - a] * g->spacing[a];
    for (int r = 0; r < 3; r++)
        xyz[r] = d[3 * r] * step[0] + d[3 * r + 1] * step[1] + d[3 * r + 2] * step[2] +
                 g->origin[r];
}

void geometry_to_index(const struct geometry *g, const double xyz[3], double index_zyx[3])
{
    double inverse[9], shift[3];
    invert(g->direction, inverse);
    for (int a = 0; a < 3; a++)
        shift[a] = xyz[a] - g->origin[a];
    for (int r = 0; r < 3; r++)
        index_zyx[2 - r] = (inverse[3 * r] * shift[0] + inverse[3 * r + 1] * shift[1] +
                            inverse[3 * r + 2] * shift[2]) /
                           g->spacing[r];
}

void geometry_to_index_book(const struct geometry *g, const double xyz[3],
                            double index_zyx[3])
{
    double inverse[9], shift[3];
    invert(g->direction, inverse);
    for (int a = 0; a < 3; a++)
        shift[a] = xyz[a] - g->origin[a];
    for (int c = 0; c < 3; c++)
        index_zyx[2 - c] = (shift[0] * inverse[c] + shift[1] * inverse[3 + c] +
                            shift[2] * inverse[6 + c]) /
                           g->spacing[c];
}

void geometry_round(const double index_zyx[3], int64_t voxel[3])
{
    /* A coordinate from a list may be anything; far outside stays far outside. */
    const double far = 0x1p62;
    for (int a = 0; a < 3; a++) {
        double r = nearbyint(index_zyx[a]);
        if (!(r > -far))
            r = -far;
        else if (r > far)
            r = far;
        voxel[a] = (int64_t)r;
    }
}

int64_t geometry_voxels(const struct geometry *g)
{
    return g->size[0] * g->size[1] * g->size[2];
}

bool geometry_find_voxel(const struct geometry *g, const double xyz[3], double index[3],
                         int64_t voxel[3])
{
    bool inside = true;
    geometry_to_index(g, xyz, index);
    for (int k = 0; k < 3; k++)
        inside &= index[k] >= -1 && index[k] <= (double)g->size[k];
    if (!inside)
        return false;
    geometry_round(index, voxel);
    for (int k = 0; k < 3; k++)
        inside &= voxel[k] >= 0 && voxel[k] < g->size[k];
    return inside;
}
