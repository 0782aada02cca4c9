#include "picture/section.h"

#include <math.h>

#include "base/memory.h"
#include "base/size.h"

/* Axes of the patient in LPS: x grows to the left, y to the back, z to the head. */
enum { LEFT, BACK, HEAD };

/* What the planes show. Columns run to the patient's left or back; rows run to the back,
 * or, reversed, from the head down. */
static const struct {
    const char *name;
    int normal, rows, columns;
    bool rows_reversed;
} planes[SECTION_PLANES] = {
    [SECTION_AXIAL] = {"axial", HEAD, BACK, LEFT, false},
    [SECTION_CORONAL] = {"coronal", BACK, HEAD, LEFT, true},
    [SECTION_SAGITTAL] = {"sagittal", LEFT, HEAD, BACK, true},
};

const char *section_plane_name(enum section_plane p)
{
    return planes[p].name;
}

/* Columns of D that stand for left, back and head: of the six ways to hand them out the
 * one with the largest sum of cosines; the first of equals. */
static void columns_of_patient(const double d[9], int column[3])
{
    static const int ways[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                   {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    double best = -1;
    for (int w = 0; w < 6; w++) {
        double sum = 0;
        for (int axis = 0; axis < 3; axis++)
            sum += fabs(d[3 * axis + ways[w][axis]]);
        if (sum > best) {
            best = sum;
            memcpy(column, ways[w], sizeof ways[w]);
        }
    }
}

/* A side along an axis of the patient; `index` is the point's. */
static struct section_side side(const struct geometry *g, int patient_axis, int column,
                                bool reversed, const double index[3], double field_mm)
{
    struct section_side s = {.axis = 2 - column, .spacing = g->spacing[column]};
    int64_t size = g->size[s.axis];
    s.reversed = (g->direction[3 * patient_axis + column] < 0) != reversed;
    s.count = size;
    if (field_mm > 0 && field_mm / s.spacing < (double)size) {
        s.count = (int64_t)ceil(field_mm / s.spacing);
        double first = rint(index[s.axis] - (double)(s.count - 1) / 2);
        s.first = (int64_t)fmin(fmax(first, 0), (double)(size - s.count));
    }
    s.point = index[s.axis] - (double)s.first;
    if (s.reversed)
        s.point = (double)(s.count - 1) - s.point;
    return s;
}

enum status section_init(struct section *s, const struct geometry *g,
                         enum section_plane plane, const double xyz[3], double field_mm,
                         struct error *err)
{
    double index[3];
    int64_t voxel[3];
    int column[3];
    *s = (struct section){.plane = plane};
    geometry_to_index(g, xyz, index);
    for (int axis = 0; axis < 3; axis++)
        if (!(index[axis] >= -0.5 && index[axis] <= (double)g->size[axis] - 0.5))
            return error_set(err, STATUS_JOB_CONFIG,
                             "%g,%g,%g mm lies outside the volume: voxel %.5g, %.5g, "
                             "%.5g (z, y, x) of %lld x %lld x %lld",
                             xyz[0], xyz[1], xyz[2], index[0], index[1], index[2],
                             (long long)g->size[0], (long long)g->size[1],
                             (long long)g->size[2]);
    geometry_round(index, voxel);
    columns_of_patient(g->direction, column);
    int rows = planes[plane].rows, columns = planes[plane].columns;
    s->normal = 2 - column[planes[plane].normal];
    s->index = voxel[s->normal];
    if (s->index < 0) /* -0.5 and size - 0.5 may round to voxels that are not there */
        s->index = 0;
    if (s->index >= g->size[s->normal])
        s->index = g->size[s->normal] - 1;
    s->rows = side(g, rows, column[rows], planes[plane].rows_reversed, index, field_mm);
    s->columns = side(g, columns, column[columns], false, index, field_mm);
    size_t count;
    if (!size_multiply((size_t)s->rows.count, (size_t)s->columns.count, &count))
        return error_set(err, STATUS_STAGE_MEMORY, "a plane of %lld x %lld voxels",
                         (long long)s->rows.count, (long long)s->columns.count);
    return memory_new(count, sizeof *s->values, "a plane", (void **)&s->values, err);
}

void section_release(struct section *s)
{
    free(s->values);
    s->values = NULL;
}

void section_slices(const struct section *s, int64_t *first, int64_t *count)
{
    const struct section_side *along = s->rows.axis == 0 ? &s->rows : &s->columns;
    *first = s->normal == 0 ? s->index : along->first;
    *count = s->normal == 0 ? 1 : along->count;
}

/* The voxel index of a row or column. */
static int64_t index_at(const struct section_side *s, int64_t i)
{
    return s->first + (s->reversed ? s->count - 1 - i : i);
}

void section_take(struct section *s, const struct geometry *g, int64_t first,
                  int64_t count, const float *voxels)
{
    const int64_t step[3] = {g->size[1] * g->size[2], g->size[2], 1};
    int64_t voxel[3] = {0};
    voxel[s->normal] = s->index;
    for (int64_t row = 0; row < s->rows.count; row++) {
        voxel[s->rows.axis] = index_at(&s->rows, row);
        for (int64_t column = 0; column < s->columns.count; column++) {
            voxel[s->columns.axis] = index_at(&s->columns, column);
            int64_t z = voxel[0] - first;
            if (z >= 0 && z < count)
                s->values[row * s->columns.count + column] =
                    voxels[z * step[0] + voxel[1] * step[1] + voxel[2] * step[2]];
        }
    }
}
