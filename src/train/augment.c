#include "train/augment.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/status.h"

enum { AXES = 3 };

uint64_t augment_stream(uint64_t epoch, uint64_t sample)
{
    CHECK(epoch >> 24 == 0 && sample >> 32 == 0);
    return epoch << 32 | sample;
}

/* All numbers are drawn whether they are used or not: switching one part off leaves the
 * others as they were. */
void augment_draw(const struct augmentation *a, uint64_t seed, uint64_t epoch,
                  uint64_t sample, struct augment_transform *t)
{
    struct random r =
        random_stream(seed, RANDOM_AUGMENT, augment_stream(epoch, sample), 0);
    double diagonal[AXES], shift[AXES];
    for (int i = 0; i < AXES; i++) {
        double flip = random_chance(&r, 0.5) && a->flip ? -1 : 1;
        double move = a->offset * random_between(&r, -1, 1);
        double stretch = 1 + a->scale * random_between(&r, -1, 1);
        bool still = i == 2 && a->keep_depth;
        diagonal[i] = still ? 1 : flip * stretch;
        shift[i] = still ? 0 : move;
    }
    double angle = random_between(&r, 0, 2 * M_PI);
    double c = a->rotate ? cos(angle) : 1, s = a->rotate ? sin(angle) : 0;
    const double turn[AXES][AXES] = {{c, -s, 0}, {s, c, 0}, {0, 0, 1}};
    for (int i = 0; i < AXES; i++) {
        for (int j = 0; j < AXES; j++)
            t->m[i][j] = (float)(diagonal[i] * turn[i][j]);
        t->m[i][AXES] = (float)shift[i];
    }
}

/* One axis of the input: the two voxels that a position lies between, and how far.
 * Positions beyond the border are the border's. */
struct between {
    int64_t low, high;
    float share; /* of high */
};

static struct between locate(float position, int64_t size)
{
    float last = (float)(size - 1);
    float p = position < 0 ? 0 : position > last ? last : position;
    int64_t low = (int64_t)p;
    return (struct between){low, low + 1 < size ? low + 1 : low, p - (float)low};
}

static float mix(float a, float b, float share)
{
    return a + share * (b - a);
}

static float row_at(const float *row, const struct between *x)
{
    return mix(row[x->low], row[x->high], x->share);
}

static float value_at(const float *in, const int64_t size[3], const struct between *z,
                      const struct between *y, const struct between *x)
{
    const float *low = in + z->low * size[1] * size[2];
    const float *high = in + z->high * size[1] * size[2];
    int64_t near = y->low * size[2], far = y->high * size[2];
    return mix(mix(row_at(low + near, x), row_at(low + far, x), y->share),
               mix(row_at(high + near, x), row_at(high + far, x), y->share), z->share);
}

/* Centre of voxel i of n in [-1, 1], where -1 and 1 are the outer faces; and back. */
static float to_unit(int64_t i, int64_t n)
{
    return (float)(2 * i + 1) / (float)n - 1;
}

static float to_voxel(float unit, int64_t n)
{
    return ((unit + 1) * (float)n - 1) / 2;
}

void augment_apply(const struct augment_transform *t, const int64_t size[3],
                   const float *in, float *out)
{
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++) {
            float w = to_unit(z, size[0]), v = to_unit(y, size[1]), base[AXES];
            for (int i = 0; i < AXES; i++)
                base[i] = t->m[i][1] * v + t->m[i][2] * w + t->m[i][3];
            for (int64_t x = 0; x < size[2]; x++) {
                float u = to_unit(x, size[2]);
                struct between at[AXES];
                for (int i = 0; i < AXES; i++)
                    at[i] = locate(to_voxel(base[i] + t->m[i][0] * u, size[2 - i]),
                                   size[2 - i]);
                *out++ = value_at(in, size, &at[2], &at[1], &at[0]);
            }
        }
}
