#include "train/label.h"

enum { AXES = 3, FIRST_RADIUS = 2 };

/* Whether the voxel at `offset` from the centre along an axis is dense; false in *inside
 * when there is no such voxel. */
static bool is_dense(const int64_t size[3], const int64_t centre[3], int axis,
                     int64_t offset, bool book, label_voxel *voxel, void *context,
                     bool *inside)
{
    int64_t at[AXES] = {centre[0], centre[1], centre[2]};
    at[axis] += offset;
    if (at[axis] < 0 && book)
        at[axis] += size[axis];
    *inside = at[axis] >= 0 && at[axis] < size[axis];
    return *inside && voxel(context, at[0], at[1], at[2]) > LABEL_THRESHOLD_HU;
}

/* The radius that failed is kept; one less when there was no voxel to look at. */
static int64_t grow(const int64_t size[3], const int64_t centre[3], int axis, bool book,
                    label_voxel *voxel, void *context)
{
    for (int64_t radius = FIRST_RADIUS;; radius++)
        for (int side = 1; side >= -1; side -= 2) {
            bool inside;
            bool dense = is_dense(size, centre, axis, side * radius, book, voxel, context,
                                  &inside);
            if (!inside)
                return radius - 1;
            if (!dense)
                return radius;
        }
}

void label_box_grow(const int64_t size[3], const int64_t centre[3], bool book,
                    label_voxel *voxel, void *context, struct label_box *out)
{
    for (int i = 0; i < AXES; i++) {
        int64_t radius = grow(size, centre, i, book, voxel, context);
        int64_t low = centre[i] - radius, high = centre[i] + radius + 1;
        if (low < 0)
            low = book && low + size[i] > 0 ? low + size[i] : 0;
        out->low[i] = low;
        out->high[i] = high < size[i] ? high : size[i];
    }
}

void label_box_paint(const struct label_box *box, const int64_t start[3],
                     const int64_t count[3], const float *hu, uint8_t *label)
{
    int64_t low[AXES], high[AXES];
    for (int i = 0; i < AXES; i++) {
        low[i] = box->low[i] > start[i] ? box->low[i] - start[i] : 0;
        int64_t end = box->high[i] - start[i];
        high[i] = end < count[i] ? end : count[i];
    }
    for (int64_t z = low[0]; z < high[0]; z++)
        for (int64_t y = low[1]; y < high[1]; y++)
            for (int64_t x = low[2]; x < high[2]; x++) {
                int64_t at = (z * count[1] + y) * count[2] + x;
                if (hu[at] > LABEL_THRESHOLD_HU)
                    label[at] = 1;
            }
}
