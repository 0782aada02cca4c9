#include "stage/blob_region.h"

#include <math.h>
#include <stdbool.h>

#include "base/memory.h"

static const double cut_share = 0.75; /* of the diameter: where the region ends */

enum mark { FAR, AROUND, NEAR, TAKEN }; /* TAKEN: on the stack or counted */

/* The voxels around a place. */
struct around {
    const struct geometry *geometry;
    const float *hu;
    int64_t low[3], size[3];
    uint8_t *marks; /* [size]: enum mark */
    int64_t *stack; /* [size]: places in marks */
    int64_t depth;  /* of the stack */
};

static float hu_at(const struct around *a, int64_t z, int64_t y, int64_t x)
{
    const int64_t *size = a->geometry->size;
    return a->hu[((a->low[0] + z) * size[1] + a->low[1] + y) * size[2] + a->low[2] + x];
}

static int64_t place_of(const struct around *a, int64_t z, int64_t y, int64_t x)
{
    return (z * a->size[1] + y) * a->size[2] + x;
}

/* Marks by distance from the place. */
static void mark(struct around *a, const double at[3], double diameter)
{
    for (int64_t z = 0; z < a->size[0]; z++)
        for (int64_t y = 0; y < a->size[1]; y++)
            for (int64_t x = 0; x < a->size[2]; x++) {
                const int64_t voxel[3] = {z, y, x};
                double sum = 0;
                for (int k = 0; k < 3; k++) {
                    double d =
                        (double)(a->low[k] + voxel[k]) * a->geometry->spacing[2 - k] -
                        at[k];
                    sum += d * d;
                }
                double distance = sqrt(sum);
                a->marks[place_of(a, z, y, x)] =
                    distance > diameter
                        ? FAR
                        : (distance > cut_share * diameter ? AROUND : NEAR);
            }
}

static enum status around_init(struct around *a, const struct geometry *g,
                               const float *hu, const double at[3], double diameter,
                               struct error *err)
{
    enum status status;
    size_t count = 1;
    *a = (struct around){.geometry = g, .hu = hu};
    for (int k = 0; k < 3; k++) {
        double spacing = g->spacing[2 - k], last = (double)(g->size[k] - 1);
        double low = fmin(fmax(floor((at[k] - diameter) / spacing), 0), last);
        double high = fmin(fmax(ceil((at[k] + diameter) / spacing), 0), last);
        a->low[k] = (int64_t)low;
        a->size[k] = (int64_t)high - a->low[k] + 1;
        count *= (size_t)a->size[k];
    }
    TRY(memory_new(count, 1, "region", (void **)&a->marks, err));
    TRY(memory_new(count, sizeof *a->stack, "region", (void **)&a->stack, err));
    mark(a, at, diameter);
out:
    return status;
}

/* The mean of the means of what is above and below it. */
static double threshold_of(const struct around *a)
{
    enum { ROUNDS = 10 };
    double threshold = -INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double sums[2] = {0};
        int64_t counts[2] = {0};
        for (int64_t z = 0; z < a->size[0]; z++)
            for (int64_t y = 0; y < a->size[1]; y++)
                for (int64_t x = 0; x < a->size[2]; x++) {
                    double v = (double)hu_at(a, z, y, x);
                    if (a->marks[place_of(a, z, y, x)] == FAR)
                        continue;
                    sums[v > threshold] += v;
                    counts[v > threshold]++;
                }
        if (counts[1] == 0)
            break;
        double high = sums[1] / (double)counts[1];
        threshold = counts[0] ? (high + sums[0] / (double)counts[0]) / 2 : high;
    }
    return threshold;
}

static void take(struct around *a, int64_t z, int64_t y, int64_t x, double threshold)
{
    if (z < 0 || y < 0 || x < 0 || z >= a->size[0] || y >= a->size[1] || x >= a->size[2])
        return;
    int64_t place = place_of(a, z, y, x);
    if (a->marks[place] != NEAR || (double)hu_at(a, z, y, x) <= threshold)
        return;
    a->marks[place] = TAKEN;
    a->stack[a->depth++] = place;
}

/* Starts from all voxels that touch the place: one of them alone may be noise. */
static int64_t flood(struct around *a, const double at[3], double threshold)
{
    int64_t voxels = 0, seed[3];
    for (int k = 0; k < 3; k++)
        seed[k] = (int64_t)floor(at[k] / a->geometry->spacing[2 - k]) - a->low[k];
    for (int corner = 0; corner < 8; corner++)
        take(a, seed[0] + corner / 4, seed[1] + corner / 2 % 2, seed[2] + corner % 2,
             threshold);
    while (a->depth > 0) {
        int64_t place = a->stack[--a->depth];
        int64_t x = place % a->size[2], y = place / a->size[2] % a->size[1],
                z = place / a->size[2] / a->size[1];
        voxels++;
        for (int side = -1; side <= 1; side += 2) {
            take(a, z + side, y, x, threshold);
            take(a, z, y + side, x, threshold);
            take(a, z, y, x + side, threshold);
        }
    }
    return voxels;
}

enum status blob_region_count(const struct geometry *g, const float *hu,
                              const double at[3], double diameter_mm, int64_t *voxels,
                              struct error *err)
{
    struct around a;
    enum status status = around_init(&a, g, hu, at, diameter_mm, err);
    if (status == STATUS_OK)
        *voxels = flood(&a, at, threshold_of(&a));
    free(a.marks);
    free(a.stack);
    return status;
}
