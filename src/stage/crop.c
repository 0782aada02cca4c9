/*
 * Both roundings are the book's: the centre is first rounded to a voxel, half to even,
 * and the start again, which matters for odd widths. Along an axis where the crop fits,
 * position i of the crop is voxel start + i. Otherwise start is 0 and positions past the
 * end walk back and forth over the volume, turning at the outermost voxels without
 * repeating them.
 */
#include "stage/crop.h"

#include <math.h>

#include "base/status.h"

int64_t crop_start(double centre, int64_t width, int64_t size)
{
    CHECK(isfinite(centre));
    if (size <= width)
        return 0;
    double start = rint(rint(centre) - (double)width / 2);
    return (int64_t)fmin(fmax(start, 0), (double)(size - width));
}

void crop_range(const int64_t size[3], const double index[3], const int64_t crop_size[3],
                int64_t *first, int64_t *count)
{
    *first = crop_start(index[0], crop_size[0], size[0]);
    *count = crop_size[0] < size[0] ? crop_size[0] : size[0];
}

int64_t crop_reflect(int64_t i, int64_t size)
{
    if (i < size)
        return i;
    if (size == 1)
        return 0;
    i %= 2 * (size - 1);
    return i < size ? i : 2 * (size - 1) - i;
}

void crop_copy(const struct slices *s, const double index[3], const int64_t crop_size[3],
               float *crop)
{
    int64_t start[3], first, count;
    int64_t within = crop_size[2] < s->size[2] ? crop_size[2] : s->size[2];

    crop_range(s->size, index, crop_size, &first, &count);
    CHECK(first >= s->first && first + count <= s->first + s->count);
    for (int axis = 0; axis < 3; axis++)
        start[axis] = crop_start(index[axis], crop_size[axis], s->size[axis]);

    for (int64_t d = 0; d < crop_size[0]; d++)
        for (int64_t h = 0; h < crop_size[1]; h++) {
            int64_t z = start[0] + crop_reflect(d, count) - s->first;
            int64_t y = start[1] + crop_reflect(h, s->size[1]);
            const float *row = s->hu + (z * s->size[1] + y) * s->size[2] + start[2];
            float *out = crop + (d * crop_size[1] + h) * crop_size[2];
            memcpy(out, row, (size_t)within * sizeof *out);
            for (int64_t w = within; w < crop_size[2]; w++)
                out[w] = row[crop_reflect(w, s->size[2])];
        }
}
