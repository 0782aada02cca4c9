/*
 * Turning in the axial plane leaves slices slices: where a voxel comes from along z
 * depends on z alone, and where in its slice not on z at all. So slices are mixed first,
 * which is a sum of rows. Then the crop is turned over, so that the depth lies innermost:
 * the four columns that a column comes from are found once for all of its slices, and
 * mixing them is a sum of vectors. No value is gathered on its own.
 *
 * The loops are left to the compiler. Nothing is contracted to fused multiply-adds
 * (src/CMakeLists.txt), hence the same bits everywhere.
 */
#include "train/resample.h"

#include "base/memory.h"

enum { X, Y, Z, AXES, LANES = 8, SIDE = 4 };

/* One axis of the input: the two voxels that a position lies between, and how far. */
struct between {
    int32_t low, high;
    float share; /* of high */
};

struct resampler {
    int64_t size[3];
    int64_t depth;          /* size[0], in whole vectors */
    struct between *slices; /* of each z */
    struct between *at[2];  /* x and y, of each voxel of a row */
    float *columns;         /* [y][x][depth], slices mixed */
    float *tile;            /* [depth][x]: a row of each slice */
    float *line;            /* [x][depth]: of the result */
};

enum status resampler_new(const int64_t size[3], struct resampler **out,
                          struct error *err)
{
    enum status status;
    struct resampler *r = NULL;
    TRY(memory_new(1, sizeof *r, "resampling", (void **)&r, err));
    for (int i = 0; i < AXES; i++) {
        CHECK(size[i] > 0 && size[i] < INT32_MAX);
        r->size[i] = size[i];
    }
    r->depth = (size[0] + LANES - 1) / LANES * LANES;
    const size_t width = (size_t)size[2], line = width * (size_t)r->depth;
    TRY(memory_new((size_t)size[0], sizeof *r->slices, "resampling", (void **)&r->slices,
                   err));
    for (int i = 0; i < 2; i++)
        TRY(memory_new(width, sizeof *r->at[i], "resampling", (void **)&r->at[i], err));
    TRY(memory_new(line * (size_t)size[1], sizeof(float), "resampling",
                   (void **)&r->columns, err));
    TRY(memory_new(line, sizeof(float), "resampling", (void **)&r->tile, err));
    TRY(memory_new(line, sizeof(float), "resampling", (void **)&r->line, err));
out:
    if (status != STATUS_OK) {
        resampler_free(r);
        r = NULL;
    }
    *out = r;
    return status;
}

void resampler_free(struct resampler *r)
{
    if (!r)
        return;
    free(r->slices);
    free(r->at[0]);
    free(r->at[1]);
    free(r->columns);
    free(r->tile);
    free(r->line);
    free(r);
}

/* Positions beyond the border are the border's. */
static struct between locate(float unit, int64_t size)
{
    const float p = ((unit + 1) * (float)size - 1) / 2, last = (float)(size - 1);
    const float inside = p < 0 ? 0 : p > last ? last : p;
    const int32_t low = (int32_t)inside, end = (int32_t)size - 1;
    return (struct between){low, low < end ? low + 1 : end, inside - (float)low};
}

static float to_unit(int64_t i, int64_t n)
{
    return (float)(2 * i + 1) / (float)n - 1;
}

static void mix(const float *restrict a, const float *restrict b, float share,
                int64_t count, float *restrict out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = a[i] + share * (b[i] - a[i]);
}

typedef float quad __attribute__((vector_size(SIDE * sizeof(float))));

/* Interleaving row i with row i + 2 twice over turns 4 x 4 values. */
static inline void turn_square(const float *in, int64_t in_row, float *out,
                               int64_t out_row)
{
    quad v[SIDE];
    for (int i = 0; i < SIDE; i++)
        memcpy(&v[i], in + i * in_row, sizeof v[i]);
    for (int round = 0; round < 2; round++) {
        const quad w[SIDE] = {__builtin_shufflevector(v[0], v[2], 0, 4, 1, 5),
                              __builtin_shufflevector(v[0], v[2], 2, 6, 3, 7),
                              __builtin_shufflevector(v[1], v[3], 0, 4, 1, 5),
                              __builtin_shufflevector(v[1], v[3], 2, 6, 3, 7)};
        memcpy(v, w, sizeof w);
    }
    for (int i = 0; i < SIDE; i++)
        memcpy(out + i * out_row, &v[i], sizeof v[i]);
}

/* out[j][i] = in[i][j] for i < rows, j < columns. */
static void turn_over(const float *in, int64_t in_row, int64_t rows, int64_t columns,
                      float *out, int64_t out_row)
{
    const int64_t square_rows = rows - rows % SIDE, squares = columns - columns % SIDE;
    for (int64_t i = 0; i < square_rows; i += SIDE) {
        for (int64_t j = 0; j < squares; j += SIDE)
            turn_square(in + i * in_row + j, in_row, out + j * out_row + i, out_row);
        for (int64_t j = squares; j < columns; j++)
            for (int64_t k = i; k < i + SIDE; k++)
                out[j * out_row + k] = in[k * in_row + j];
    }
    for (int64_t i = square_rows; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            out[j * out_row + i] = in[i * in_row + j];
}

static void mix_slices(struct resampler *r, const struct augment_transform *t,
                       const float *in)
{
    const int64_t *size = r->size, width = size[2], plane = size[1] * width;
    for (int64_t z = 0; z < size[0]; z++)
        r->slices[z] = locate(t->m[Z][Z] * to_unit(z, size[0]) + t->m[Z][AXES], size[0]);
    for (int64_t y = 0; y < size[1]; y++) {
        for (int64_t z = 0; z < size[0]; z++)
            mix(in + r->slices[z].low * plane + y * width,
                in + r->slices[z].high * plane + y * width, r->slices[z].share, width,
                r->tile + z * width);
        turn_over(r->tile, width, size[0], width, r->columns + y * width * r->depth,
                  r->depth);
    }
}

static void mix_columns(const float *restrict a, const float *restrict b,
                        const float *restrict c, const float *restrict d, float x_share,
                        float y_share, int64_t depth, float *restrict out)
{
    for (int64_t i = 0; i < depth; i++) {
        const float near = a[i] + x_share * (b[i] - a[i]);
        const float far = c[i] + x_share * (d[i] - c[i]);
        out[i] = near + y_share * (far - near);
    }
}

static void locate_row(const struct resampler *r, const struct augment_transform *t,
                       int64_t y)
{
    const int64_t width = r->size[2];
    const float v = to_unit(y, r->size[1]);
    for (int axis = X; axis <= Y; axis++) {
        const float base = t->m[axis][Y] * v + t->m[axis][AXES];
        for (int64_t x = 0; x < width; x++)
            r->at[axis][x] =
                locate(base + t->m[axis][X] * to_unit(x, width), r->size[2 - axis]);
    }
}

void resampler_apply(struct resampler *r, const struct augment_transform *t,
                     const float *in, float *out)
{
    const int64_t *size = r->size, width = size[2], depth = r->depth;
    CHECK(t->m[Z][X] == 0 && t->m[Z][Y] == 0 && t->m[X][Z] == 0 && t->m[Y][Z] == 0);
    mix_slices(r, t, in);
    for (int64_t y = 0; y < size[1]; y++) {
        locate_row(r, t, y);
        for (int64_t x = 0; x < width; x++) {
            const struct between *column = &r->at[X][x], *row = &r->at[Y][x];
            const float *near = r->columns + row->low * width * depth;
            const float *far = r->columns + row->high * width * depth;
            mix_columns(near + column->low * depth, near + column->high * depth,
                        far + column->low * depth, far + column->high * depth,
                        column->share, row->share, depth, r->line + x * depth);
        }
        turn_over(r->line, depth, width, size[0], out + y * width, size[1] * width);
    }
}
