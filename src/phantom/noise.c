#include "phantom/noise.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "phantom/slice_filter.h"

/*
 * Normal numbers are looked up, 12 bits each: 8 a block of random words. The filters mix
 * dozens of them, so that no step of the table is left in a voxel.
 */
enum { QUANTILE_BITS = 12, QUANTILES = 1 << QUANTILE_BITS, NUMBERS_A_BLOCK = 8 };

/* Slices further than this below the top of the lungs have no streaks, mm. */
static const double SHOULDERS_MM = 55;
/* Streaks: how long they are and how thin, standard deviations. */
static const double STREAK_MM[2] = {10, 0.6}, STREAK_WIDER_MM[2] = {10, 2.5};
/* Of two scans' worth of slices no numbers of streaks are those of noise. */
static const uint64_t STREAK_BLOCKS = (uint64_t)1 << 48;

struct noise {
    const struct scanner *scanner;
    struct slice_filter band, streak;
    double band_hu, streak_hu; /* of white noise to HU */
    float quantile[QUANTILES];
    float *white, *scratch, *streaks, *shade; /* shade: more in the middle of the body */
    float *ring[3]; /* noise of neighbouring slices, before they are mixed along z */
    int64_t held[3];
};

/* ---- the table ---- */

/* The place below which a share p of a normal distribution lies, p < 1/2. */
static double quantile(double p)
{
    double low = -6, high = 0;
    for (int i = 0; i < 48; i++) {
        double middle = 0.5 * (low + high);
        if (0.5 * erfc(-middle / sqrt(2.0)) < p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void fill_quantiles(float table[QUANTILES])
{
    double square = 0;
    for (int i = 0; i < QUANTILES / 2; i++) {
        double x = quantile((i + 0.5) / QUANTILES);
        table[i] = (float)x;
        table[QUANTILES - 1 - i] = (float)-x;
        square += 2 * x * x;
    }
    float to_one = (float)(1 / sqrt(square / QUANTILES));
    for (int i = 0; i < QUANTILES; i++)
        table[i] *= to_one;
}

static void white_slice(const struct noise *n, uint64_t first_block, float *values)
{
    const struct scanner *s = n->scanner;
    int64_t count = s->grid.size[1] * s->grid.size[2];
    for (int64_t i = 0; i < count; i += NUMBERS_A_BLOCK) {
        uint32_t words[4];
        float numbers[NUMBERS_A_BLOCK];
        random_block(s->seed, RANDOM_NOISE, s->index,
                     first_block + (uint64_t)(i / NUMBERS_A_BLOCK), words);
        for (int w = 0; w < 4; w++) {
            numbers[2 * w] = n->quantile[words[w] & (QUANTILES - 1)];
            numbers[2 * w + 1] = n->quantile[words[w] >> (32 - QUANTILE_BITS)];
        }
        int64_t left = count - i < NUMBERS_A_BLOCK ? count - i : NUMBERS_A_BLOCK;
        memcpy(values + i, numbers, (size_t)left * sizeof *values);
    }
}

/* ---- filters ---- */

/* The fit of a difference of Gaussians to sqrt(f) * MTF(f), in units of the kernel's
 * standard deviation, for kernels from smooth to sharp. */
static void init_band(struct noise *n)
{
    const struct scanner *s = n->scanner;
    double e = s->enhancement, narrow[2], wide[2];
    for (int a = 0; a < 2; a++) {
        double sigma = s->sharpness_mm / s->grid.spacing[a];
        narrow[a] = (0.891 + 0.03 * e) * sigma;
        wide[a] = (2.62 - e + 0.42 * e * e) * sigma;
    }
    slice_filter_init(&n->band, 1, narrow, -(0.59 + 0.37 * e - 0.145 * e * e), wide);
    double a = s->overlap, along_z = sqrt((1 - 2 * a) * (1 - 2 * a) + 2 * a * a);
    n->band_hu = s->noise_hu / slice_filter_gain(&n->band) / along_z;
}

static void init_streak(struct noise *n)
{
    const struct scanner *s = n->scanner;
    double thin[2], wide[2];
    for (int a = 0; a < 2; a++) {
        thin[a] = STREAK_MM[a] / s->grid.spacing[a];
        wide[a] = STREAK_WIDER_MM[a] / s->grid.spacing[a];
    }
    slice_filter_init(&n->streak, 1, thin, -0.8, wide);
    n->streak_hu = s->noise_hu * s->streaks / slice_filter_gain(&n->streak);
}

/* Rays through the middle of the body have lost most photons. */
static void fill_shade(struct noise *n)
{
    const struct scanner *s = n->scanner;
    const struct geometry *g = &s->grid;
    double middle[2], radius[2];
    for (int a = 0; a < 2; a++) {
        middle[a] = 0.5 * (s->body.low[a] + s->body.high[a]);
        radius[a] = 0.5 * (s->body.high[a] - s->body.low[a]);
    }
    for (int64_t y = 0; y < g->size[1]; y++)
        for (int64_t x = 0; x < g->size[2]; x++) {
            double index[3] = {0.5 * (double)(g->size[0] - 1), (double)y, (double)x};
            double xyz[3], square = 0;
            geometry_to_mm(g, index, xyz);
            for (int a = 0; a < 2; a++)
                square += pow((xyz[a] - middle[a]) / radius[a], 2);
            n->shade[y * g->size[2] + x] = (float)(0.55 + 0.6 / (1 + square / 1.5));
        }
}

enum status noise_new(const struct scanner *s, struct noise **out, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t height = s->grid.size[1], width = s->grid.size[2];
    size_t voxels = (size_t)(height * width);
    struct noise *n = NULL;
    void *p;
    TRY(memory_new(1, sizeof *n, "noise", &p, err));
    n = p;
    n->scanner = s;
    float **buffers[] = {&n->white,   &n->streaks, &n->shade,
                         &n->ring[0], &n->ring[1], &n->ring[2]};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        TRY(memory_new(voxels, sizeof(float), "noise of a slice", &p, err));
        *buffers[i] = p;
    }
    TRY(memory_new((size_t)slice_filter_scratch(height, width), sizeof(float),
                   "noise being filtered", &p, err));
    n->scratch = p;
    for (int i = 0; i < 3; i++)
        n->held[i] = INT64_MIN;
    fill_quantiles(n->quantile);
    init_band(n);
    init_streak(n);
    fill_shade(n);
    *out = n;
    n = NULL;
out:
    noise_free(n);
    return status;
}

void noise_free(struct noise *n)
{
    if (!n)
        return;
    free(n->white);
    free(n->scratch);
    free(n->streaks);
    free(n->shade);
    for (int i = 0; i < 3; i++)
        free(n->ring[i]);
    free(n);
}

/* ---- slices ---- */

static uint64_t blocks_a_slice(const struct scanner *s)
{
    int64_t count = s->grid.size[1] * s->grid.size[2];
    return (uint64_t)((count + NUMBERS_A_BLOCK - 1) / NUMBERS_A_BLOCK);
}

/* Filtered noise of a slice on its own; z from -1 to the number of slices. */
static const float *band_slice(struct noise *n, int64_t z)
{
    const struct scanner *s = n->scanner;
    int place = (int)((z + 3) % 3);
    if (n->held[place] != z) {
        white_slice(n, (uint64_t)(z + 1) * blocks_a_slice(s), n->white);
        slice_filter_apply(&n->band, n->white, n->ring[place], s->grid.size[1],
                           s->grid.size[2], true, n->scratch);
        n->held[place] = z;
    }
    return n->ring[place];
}

/* 0 below the shoulders, 1 at the top of the lungs and above. */
static double shoulders(const struct scanner *s, int64_t z)
{
    const struct geometry *g = &s->grid;
    double index[3] = {(double)z, 0.5 * (double)(g->size[1] - 1),
                       0.5 * (double)(g->size[2] - 1)};
    double xyz[3];
    geometry_to_mm(g, index, xyz);
    double t = (xyz[2] - (s->lungs.high[2] - SHOULDERS_MM)) / SHOULDERS_MM;
    t = fmin(fmax(t, 0), 1);
    return t * t * (3 - 2 * t);
}

/* Streaks run where rays cross both shoulders: at the height of the body. */
static double level_with_body(const struct scanner *s, int64_t z, int64_t y)
{
    const struct geometry *g = &s->grid;
    double index[3] = {(double)z, (double)y, 0.5 * (double)(g->size[2] - 1)}, xyz[3];
    geometry_to_mm(g, index, xyz);
    double middle = 0.5 * (s->body.low[1] + s->body.high[1]);
    double t = 2 * (xyz[1] - middle) / (s->body.high[1] - s->body.low[1]);
    return exp(-t * t * t * t);
}

static void add_streaks(struct noise *n, int64_t z, float *values)
{
    const struct scanner *s = n->scanner;
    int64_t height = s->grid.size[1], width = s->grid.size[2];
    double hu = n->streak_hu * shoulders(s, z);
    if (!(hu > 0))
        return;
    white_slice(n, STREAK_BLOCKS + (uint64_t)z * blocks_a_slice(s), n->white);
    slice_filter_apply(&n->streak, n->white, n->streaks, height, width, true, n->scratch);
    for (int64_t y = 0; y < height; y++) {
        float row_hu = (float)(hu * level_with_body(s, z, y));
        for (int64_t i = y * width; i < (y + 1) * width; i++)
            values[i] += row_hu * n->streaks[i] * n->shade[i];
    }
}

void noise_slice(struct noise *n, int64_t z, float *values)
{
    const struct scanner *s = n->scanner;
    int64_t count = s->grid.size[1] * s->grid.size[2];
    float side = (float)(n->band_hu * s->overlap);
    float middle = (float)(n->band_hu * (1 - 2 * s->overlap));
    const float *below = band_slice(n, z - 1), *here = band_slice(n, z),
                *above = band_slice(n, z + 1), *shade = n->shade;
    for (int64_t i = 0; i < count; i++)
        values[i] = shade[i] * (middle * here[i] + side * (below[i] + above[i]));
    add_streaks(n, z, values);
}
