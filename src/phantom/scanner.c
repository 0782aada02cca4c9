/*
 * Settings are drawn as LUNA16's scans have them: fields of view fitted to the body, in
 * whole millimetres, so that the pixel spacing is one of the odd numbers that scanners
 * write; slices of 0.6 to 2.5 mm; kernels from smooth to sharp, the sharp ones noisier.
 *
 * Imaging is linear up to rounding: blur within slices, mixing of neighbouring slices,
 * and noise (phantom/noise.h) on top; then the numbers that a file can hold.
 */
#include "phantom/scanner.h"

#include <errno.h>
#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "phantom/noise.h"
#include "phantom/slice_filter.h"

enum { LUNA_PIXELS = 512, LARGEST = 4096, LEAST_HU = -1024, MOST_HU = 3071 };

static const struct scanner_size SMALL = {{90, 192, 192}};

/* Slices of LUNA16, mm, with their share of the scans. */
static const struct {
    double mm, share;
} SLICES[] = {{0.6, 0.01},  {0.625, 0.04}, {0.7, 0.02}, {0.75, 0.03}, {1.0, 0.1},
              {1.25, 0.41}, {1.5, 0.02},   {1.8, 0.04}, {2.0, 0.08},  {2.5, 0.25}};

/* Pixels of LUNA16, mm. */
static const double PIXEL_MM[2] = {0.461, 0.977};
static const double NOISE_HU[2] = {12, 80};
/* Of both sides together. */
static const double CHEST_WALLS_MM = 72;

/* ---- the option ---- */

enum status scanner_size_parse(const char *text, struct scanner_size *out,
                               struct error *err)
{
    *out = (struct scanner_size){{0}};
    if (strcmp(text, "luna") == 0)
        return STATUS_OK;
    if (strcmp(text, "small") == 0) {
        *out = SMALL;
        return STATUS_OK;
    }
    const char *rest = text;
    for (int a = 2; a >= 0; a--) {
        char *end;
        errno = 0;
        long n = strtol(rest, &end, 10);
        if (end == rest || *end != (a > 0 ? 'x' : '\0') || errno || n < 1 || n > LARGEST)
            return error_set(err, STATUS_JOB_CONFIG,
                             "size '%s': must be small, luna, or XxYxZ with numbers "
                             "from 1 to %d, e.g. 256x256x120",
                             text, LARGEST);
        out->voxels[a] = n;
        rest = end + 1;
    }
    return STATUS_OK;
}

/* ---- the grid ---- */

static void draw_direction(struct random *r, double d[9])
{
    static const double HEAD_FIRST[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    static const double TURNED[9] = {-1, 0, 0, 0, -1, 0, 0, 0, 1};
    double kind = random_uniform(r), degrees = random_between(r, 2, 7);
    double side = random_chance(r, 0.5) ? 1 : -1;
    if (kind >= 0.06) {
        memcpy(d, kind < 0.16 ? TURNED : HEAD_FIRST, sizeof HEAD_FIRST);
        return;
    }
    /* A gantry that is tilted about the axis from right to left. */
    double angle = side * degrees * 3.141592653589793 / 180;
    double c = cos(angle), s = sin(angle);
    memcpy(d, (double[9]){1, 0, 0, 0, c, -s, 0, s, c}, sizeof HEAD_FIRST);
}

/* How far a box reaches from a point along +-axis, both not below 0. */
static void reach(const struct box *b, const double point[3], const double axis[3],
                  double *behind, double *ahead)
{
    *behind = *ahead = 0;
    for (int corner = 0; corner < 8; corner++) {
        double along = 0;
        for (int a = 0; a < 3; a++)
            along += axis[a] * ((corner >> a & 1 ? b->high[a] : b->low[a]) - point[a]);
        *ahead = fmax(*ahead, along);
        *behind = fmax(*behind, -along);
    }
}

static double draw_slice(struct random *r)
{
    double at = random_uniform(r);
    size_t i = 0;
    while (i + 1 < sizeof SLICES / sizeof *SLICES && at >= SLICES[i].share)
        at -= SLICES[i++].share;
    return SLICES[i].mm;
}

/* The field of view is fitted to the chest at the height of the lungs, or a little less,
 * never to the shoulders; whole mm. */
static double draw_field(struct random *r, const struct scanner *s)
{
    double width = s->lungs.high[0] - s->lungs.low[0];
    double depth = s->lungs.high[1] - s->lungs.low[1];
    double field = (width + CHEST_WALLS_MM) * random_between(r, 0.9, 1.16);
    field = fmax(field, 1.06 * fmax(width, depth));
    return round(fmin(fmax(field, LUNA_PIXELS * PIXEL_MM[0]), LUNA_PIXELS * PIXEL_MM[1]));
}

static void place_grid(struct random *r, struct scanner *s,
                       const struct scanner_size *size)
{
    struct geometry *g = &s->grid;
    double *d = g->direction, middle[3], below, above;
    draw_direction(r, d);
    for (int a = 0; a < 3; a++)
        middle[a] = 0.5 * (s->lungs.low[a] + s->lungs.high[a]);
    middle[0] += random_between(r, -8, 8);
    middle[1] = 0.5 * (middle[1] + 0.5 * (s->body.low[1] + s->body.high[1])) +
                random_between(r, -8, 8);

    double normal[3] = {d[2], d[5], d[8]};
    reach(&s->lungs, middle, normal, &below, &above);
    below += random_between(r, 8, 40);
    above += random_between(r, 6, 25);

    double field = draw_field(r, s), slice = draw_slice(r);
    bool luna = size->voxels[0] == 0;
    g->size[1] = luna ? LUNA_PIXELS : size->voxels[1];
    g->size[2] = luna ? LUNA_PIXELS : size->voxels[2];
    g->size[0] = luna ? (int64_t)ceil((below + above) / slice) : size->voxels[0];
    g->spacing[0] = field / (double)(g->size[1] < g->size[2] ? g->size[1] : g->size[2]);
    g->spacing[1] = g->spacing[0];
    /* A thousandth of a millimetre, as scanners write it. */
    g->spacing[2] =
        luna ? slice : ceil(1000 * (below + above) / (double)g->size[0]) / 1000;

    double lowest[3] = {-0.5 * (double)(g->size[2] - 1) * g->spacing[0],
                        -0.5 * (double)(g->size[1] - 1) * g->spacing[1],
                        -below + 0.5 * g->spacing[2]};
    for (int a = 0; a < 3; a++)
        g->origin[a] = middle[a] + d[3 * a] * lowest[0] + d[3 * a + 1] * lowest[1] +
                       d[3 * a + 2] * lowest[2];
}

/* The file's origin: anywhere, with three digits after the point. */
static void draw_offset(struct random *r, struct scanner *s)
{
    double world[3] = {s->grid.origin[0] + random_between(r, -30, 30),
                       s->grid.origin[1] + random_between(r, -220, 60),
                       random_between(r, -1100, 900)};
    for (int a = 0; a < 3; a++)
        s->offset[a] = round(1000 * world[a]) / 1000 - s->grid.origin[a];
}

struct geometry scanner_world(const struct scanner *s)
{
    struct geometry world = s->grid;
    for (int a = 0; a < 3; a++)
        world.origin[a] = round(1000 * (s->grid.origin[a] + s->offset[a])) / 1000;
    return world;
}

/* ---- kernel and noise ---- */

static void draw_kernel(struct random *r, struct scanner *s)
{
    double kind = random_uniform(r), place = random_uniform(r);
    double noise_low, noise_high;
    if (kind < 0.3) { /* soft tissue */
        s->sharpness_mm = 0.62 + 0.28 * place;
        s->enhancement = 0;
        noise_low = 12, noise_high = 26;
    } else if (kind < 0.75) { /* standard */
        s->sharpness_mm = 0.46 + 0.18 * place;
        s->enhancement = random_between(r, 0, 0.25);
        noise_low = 15, noise_high = 42;
    } else { /* lung */
        s->sharpness_mm = 0.35 + 0.12 * place;
        s->enhancement = random_between(r, 0.3, 1);
        noise_low = 35, noise_high = 80;
    }
    /* More photons pass a thicker slice; a larger pixel holds more of them. */
    double slices = pow(1.25 / fmax(s->grid.spacing[2], 0.6), 0.3);
    double pixels = fmin(1, 0.9 / s->grid.spacing[0]);
    double noise = noise_low * pow(noise_high / noise_low, random_uniform(r));
    s->noise_hu = fmin(fmax(noise * slices * pixels, NOISE_HU[0]), NOISE_HU[1]);
    s->overlap = random_between(r, 0.02, 0.13);
    s->streaks = random_between(r, 0.2, 1.1);
}

static void draw_file(struct random *r, struct scanner *s)
{
    double kind = random_uniform(r);
    s->circle = kind < 0.75;
    s->padding = kind < 0.62 ? -3024 : -2000;
    s->compressed = random_chance(r, 0.15);
}

void scanner_init(struct scanner *s, const struct patient *p,
                  const struct scanner_size *size, uint64_t seed, uint64_t index)
{
    struct random r = random_stream(seed, RANDOM_SCANNER, index, 0);
    *s = (struct scanner){
        .body = patient_body(p), .lungs = patient_lungs(p), .seed = seed, .index = index};
    place_grid(&r, s, size);
    draw_offset(&r, s);
    draw_kernel(&r, s);
    draw_file(&r, s);
}

/* ---- imaging ---- */

static bool init_kernel(struct slice_filter *f, double sharpness_mm, double enhancement,
                        const double spacing_xyz[3])
{
    double narrow[2], wide[2];
    for (int a = 0; a < 2; a++) {
        narrow[a] = sharpness_mm / spacing_xyz[a];
        wide[a] = sqrt(5) * narrow[a];
    }
    slice_filter_init(f, 1 + enhancement, narrow, -enhancement, wide);
    return f->part[0].radius[0] > 0 || f->part[0].radius[1] > 0 || enhancement != 0;
}

enum status scanner_blur(double sharpness_mm, double enhancement, const int64_t size[3],
                         const double spacing_xyz[3], float *values, struct error *err)
{
    struct slice_filter kernel;
    void *scratch;
    if (!init_kernel(&kernel, sharpness_mm, enhancement, spacing_xyz))
        return STATUS_OK;
    enum status status = memory_new((size_t)slice_filter_scratch(size[1], size[2]),
                                    sizeof(float), "slice being blurred", &scratch, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t z = 0; z < size[0]; z++) {
        float *slice = values + z * size[1] * size[2];
        slice_filter_apply(&kernel, slice, slice, size[1], size[2], false, scratch);
    }
    free(scratch);
    return STATUS_OK;
}

/* Rounds to the nearest; adding an offset first keeps the numbers positive, where cutting
 * off the fraction is rounding down, and vectorises. */
static void mix_and_round(const float *below, const float *here, const float *above,
                          float side, const float *noise, int64_t count, int16_t *voxels)
{
    for (int64_t i = 0; i < count; i++) {
        float hu = (1 - 2 * side) * here[i] + side * (below[i] + above[i]) + noise[i];
        hu = hu < LEAST_HU ? LEAST_HU : hu > MOST_HU ? MOST_HU : hu;
        voxels[i] = (int16_t)((int32_t)(hu + (0.5F - LEAST_HU)) + LEAST_HU);
    }
}

/* Outside the circle that touches the sides of the slice. */
static void pad_slice(const struct scanner *s, int16_t *voxels)
{
    int64_t height = s->grid.size[1], width = s->grid.size[2];
    double radius = 0.5 * (double)(height < width ? height : width);
    for (int64_t y = 0; y < height; y++) {
        double dy = (double)y - 0.5 * (double)(height - 1);
        double half = sqrt(fmax(radius * radius - dy * dy, 0));
        for (int64_t x = 0; x < width; x++)
            if (fabs((double)x - 0.5 * (double)(width - 1)) > half)
                voxels[y * width + x] = s->padding;
    }
}

struct imager {
    const struct scanner *scanner;
    struct slice_filter kernel;
    bool blurs;
    struct noise *noise;
    int64_t taken;  /* slices */
    float *ring[3]; /* blurred: slice z stands in ring[z % 3] */
    float *noisy;   /* noise of a slice */
    float *scratch;
};

enum status imager_new(const struct scanner *s, struct imager **out, struct error *err)
{
    enum status status = STATUS_OK;
    size_t count = (size_t)(s->grid.size[1] * s->grid.size[2]);
    struct imager *m = NULL;
    void *p;
    TRY(memory_new(1, sizeof *m, "imaging", &p, err));
    m = p;
    m->scanner = s;
    m->blurs = init_kernel(&m->kernel, s->sharpness_mm, s->enhancement, s->grid.spacing);
    float **buffers[] = {&m->ring[0], &m->ring[1], &m->ring[2], &m->noisy};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        TRY(memory_new(count, sizeof(float), "slice being imaged", &p, err));
        *buffers[i] = p;
    }
    TRY(memory_new((size_t)slice_filter_scratch(s->grid.size[1], s->grid.size[2]),
                   sizeof(float), "slice being blurred", &p, err));
    m->scratch = p;
    TRY(noise_new(s, &m->noise, err));
    *out = m;
    m = NULL;
out:
    imager_free(m);
    return status;
}

void imager_free(struct imager *m)
{
    if (!m)
        return;
    for (int i = 0; i < 3; i++)
        free(m->ring[i]);
    free(m->noisy);
    free(m->scratch);
    noise_free(m->noise);
    free(m);
}

/* Slice z from its blurred neighbours; beyond the ends the last slice goes on. */
static void finish(struct imager *m, int64_t z, bool last, int16_t *voxels)
{
    const struct scanner *s = m->scanner;
    const float *here = m->ring[z % 3], *below = z > 0 ? m->ring[(z + 2) % 3] : here,
                *above = last ? here : m->ring[(z + 1) % 3];
    noise_slice(m->noise, z, m->noisy);
    mix_and_round(below, here, above, (float)s->overlap, m->noisy,
                  s->grid.size[1] * s->grid.size[2], voxels);
    if (s->circle)
        pad_slice(s, voxels);
}

bool imager_slice(struct imager *m, const float *hu, int16_t *voxels)
{
    const int64_t *size = m->scanner->grid.size;
    float *slice = m->ring[m->taken % 3];
    CHECK(m->taken <= size[0]);
    if (hu && m->blurs)
        slice_filter_apply(&m->kernel, hu, slice, size[1], size[2], false, m->scratch);
    else if (hu)
        memcpy(slice, hu, (size_t)(size[1] * size[2]) * sizeof *hu);
    if (m->taken > 0)
        finish(m, m->taken - 1, !hu, voxels);
    return m->taken++ > 0;
}

enum status scanner_image(const struct scanner *s, const float *hu, int16_t *voxels,
                          struct error *err)
{
    struct imager *m;
    int64_t depth = s->grid.size[0], count = s->grid.size[1] * s->grid.size[2];
    enum status status = imager_new(s, &m, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t z = 0; z <= depth; z++)
        if (imager_slice(m, z < depth ? hu + z * count : NULL, voxels))
            voxels += count;
    imager_free(m);
    return STATUS_OK;
}
