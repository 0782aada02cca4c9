/*
 * A lung is what the rib cage holds above the diaphragm beside the mediastinum: the
 * intersection of those walls, with the corners rounded as pleura rounds them.
 */
#include "phantom/lungs.h"

#include "base/memory.h"
#include "base/random.h"
#include "phantom/chest.h"

static const double STEP_MM = 3.5;
static const double TEXTURE_MM = 1.1; /* between points of the texture */

/* The cupola that closes a lung at its top, in the design's mm. */
static double cupola(const struct plan *p, struct vec q, int side)
{
    struct vec c = vec(side ? 47 : -47, 20, 22);
    double high = 82 + 4 * sin(p->phase[10 + side]);
    if (q.z <= c.z)
        return -40;
    struct vec d = vec((q.x - c.x) / 66, (q.y - c.y) / 66, (q.z - c.z) / high);
    double k = vec_length(d);
    return (k - 1) * 66;
}

/* Each lung keeps to its side; between them two layers of pleura. */
static double own_side(const struct plan *p, struct vec q, int side)
{
    double middle = 3 + 4 * sin(q.z / 60 + p->phase[4]) - (q.y > 20 ? 4 : 0);
    return side ? middle + 1.2 - q.x : q.x - middle + 1.2;
}

static double lung_distance(const struct plan *p, struct vec q, double cage,
                            double mediastinum, int side)
{
    double d = smooth_max(cage, cupola(p, q, side), 14);
    d = smooth_max(d, -chest_dome(p, q, side), 5);
    d = smooth_max(d, 1.5 - mediastinum, 5);
    return smooth_max(d, own_side(p, q, side), 4);
}

/* The oblique fissure runs from behind at T4 forwards and down to the diaphragm. */
static double oblique(const struct plan *p, struct vec q, int side)
{
    double lift = side ? 8 : 0;
    double wave =
        4 * sin(q.x / 27 + p->phase[1 + side]) + 3 * sin(q.y / 31 + p->phase[3 + side]);
    double bulge = 0.0016 * pow(fabs(q.x) - 60, 2);
    double height = -28 + lift + 0.86 * (q.y - 8) + 0.0022 * q.y * q.y - 7 * bulge + wave;
    return (q.z - height) / sqrt(1 + pow(0.86 + 0.0044 * q.y, 2));
}

static double minor(const struct plan *p, struct vec q)
{
    double wave = 5 * sin(q.x / 33 + p->phase[5]) + 4 * sin(q.y / 29 + p->phase[6]);
    double height = -24 - 0.0013 * pow(q.x + 60, 2) - 0.001 * pow(q.y + 30, 2) +
                    0.12 * (q.y + 40) + 2 + wave;
    return (q.z - height) / 1.1;
}

/* Slow differences of the tissue: gravity, lobes, and where emphysema has thinned it. */
static double tissue(const struct plan *p, struct vec q)
{
    double hu = p->lung_hu + p->gravity_hu * clamp((q.y - 8) / 130, -0.8, 0.8);
    hu -= 0.06 * q.z;
    hu += 7 * sin(q.x / 31 + p->phase[8]) * sin(q.z / 27 + p->phase[9]) +
          5 * sin(q.y / 14 + q.z / 19 + p->phase[10]) +
          4 * sin(q.x / 9 + p->phase[11]) * sin(q.y / 8 - q.z / 11 + p->phase[2]);
    double holes = sin(q.x / 11 + p->phase[5]) + sin(q.y / 9 + p->phase[6]) +
                   sin(q.z / 12 + p->phase[7]);
    double upper = clamp((q.z + 60) / 120, 0, 1);
    hu -= p->emphysema * (12 + upper * 55 * clamp((holes - 0.6) / 1.6, 0, 1));
    return clamp(hu, -985, -700);
}

static void fill_point(const struct plan *p, const struct organs_near *near,
                       struct vec at, float *out)
{
    struct vec q = vec(at.x / p->scale.x, at.y / p->scale.y, at.z / p->scale.z);
    double cage = chest_cage(p, q) + 2.5, mm = p->mean_scale;
    double mediastinum = cage < 25 ? organs_distance(near, at) / mm : ORGANS_FAR_MM;
    out[CHANNEL_RIGHT] = (float)(mm * lung_distance(p, q, cage, mediastinum, 0));
    out[CHANNEL_LEFT] = (float)(mm * lung_distance(p, q, cage, mediastinum, 1));
    out[CHANNEL_OBLIQUE] = (float)(mm * oblique(p, q, q.x > 3));
    out[CHANNEL_MINOR] = (float)(mm * minor(p, q));
    out[CHANNEL_TISSUE] = (float)tissue(p, q);
}

static void measure(struct lungs *l)
{
    const struct field *f = &l->field;
    struct box b = {{INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};
    for (int iz = 0; iz < f->n[2]; iz++)
        for (int iy = 0; iy < f->n[1]; iy++)
            for (int ix = 0; ix < f->n[0]; ix++) {
                const float *v = field_at(f, ix, iy, iz);
                if (v[CHANNEL_RIGHT] >= 0 && v[CHANNEL_LEFT] >= 0)
                    continue;
                struct vec at = field_point(f, ix, iy, iz);
                double xyz[3] = {at.x, at.y, at.z};
                for (int a = 0; a < 3; a++) {
                    b.low[a] = least(b.low[a], xyz[a] - f->step);
                    b.high[a] = most(b.high[a], xyz[a] + f->step);
                }
            }
    l->box = b;
}

/* White noise on a periodic lattice, smoothed over its neighbours. */
static enum status texture_init(struct lungs *l, const struct plan *p, struct error *err)
{
    size_t n = TEXTURE_N, count = n * n * n;
    void *room = NULL;
    enum status status = memory_new(count, sizeof(float), "lung texture", &room, err);
    if (status != STATUS_OK)
        return status;
    l->texture = room;
    double sum2 = 0;
    for (size_t i = 0; i < count; i += 4) {
        uint32_t word[4];
        random_block(p->seed, RANDOM_PATIENT, p->index, ((uint64_t)1 << 40) + i, word);
        for (int k = 0; k < 4; k++)
            l->texture[i + (size_t)k] =
                (float)((word[k] & 0xffff) + (word[k] >> 16)) / 65536.0f - 1.0f;
    }
    size_t stride[3] = {1, n, n * n};
    for (int a = 0; a < 3; a++)
        for (size_t line = 0; line < n * n; line++) {
            size_t u = line % n, v = line / n;
            float *start = l->texture + u * stride[(a + 1) % 3] + v * stride[(a + 2) % 3];
            float first = start[0], before = start[(n - 1) * stride[a]];
            for (size_t i = 0; i < n; i++) {
                float own = start[i * stride[a]];
                float after = i + 1 < n ? start[(i + 1) * stride[a]] : first;
                start[i * stride[a]] = 0.5f * own + 0.25f * (before + after);
                before = own;
            }
        }
    for (size_t i = 0; i < count; i++)
        sum2 += (double)l->texture[i] * l->texture[i];
    float norm = (float)(1 / sqrt(sum2 / (double)count));
    for (size_t i = 0; i < count; i++)
        l->texture[i] *= norm;
    return STATUS_OK;
}

enum status lungs_init(struct lungs *l, const struct plan *p, const struct organs *o,
                       struct error *err)
{
    *l = (struct lungs){.texture_hu = p->texture_hu, .half_fissure_mm = 0.18};
    struct vec low = plan_point(p, -142, -112, -245), high = plan_point(p, 142, 112, 125);
    struct organs_near near;
    void *scratch = NULL;
    enum status status;
    TRY(field_init(&l->field, low, high, STEP_MM, err));
    struct field *f = &l->field;
    size_t points = (size_t)f->n[0] * (size_t)f->n[1] * (size_t)f->n[2];
    TRY(memory_new(points, sizeof(float), "slopes", &scratch, err));
    for (int iz = 0; iz < f->n[2]; iz++)
        for (int iy = 0; iy < f->n[1]; iy++) {
            struct vec row = field_point(f, 0, iy, iz);
            organs_near_init(&near, o, row.y, row.z);
            for (int ix = 0; ix < f->n[0]; ix++)
                fill_point(p, &near, field_point(f, ix, iy, iz), field_at(f, ix, iy, iz));
        }
    field_normalise(f, CHANNEL_RIGHT, scratch);
    field_normalise(f, CHANNEL_LEFT, scratch);
    measure(l);
    TRY(texture_init(l, p, err));
out:
    free(scratch);
    return status;
}

void lungs_release(struct lungs *l)
{
    field_release(&l->field);
    free(l->texture);
    l->texture = NULL;
}

static size_t wrap(double v, float *t)
{
    double f = floor(v);
    *t = (float)(v - f);
    return (size_t)(int64_t)f & (TEXTURE_N - 1);
}

float lungs_texture(const struct lungs *l, struct vec at)
{
    float tx, ty, tz;
    size_t x = wrap(at.x / TEXTURE_MM, &tx), y = wrap(at.y / TEXTURE_MM, &ty),
           z = wrap(at.z / TEXTURE_MM, &tz);
    size_t x1 = (x + 1) & (TEXTURE_N - 1), y1 = (y + 1) & (TEXTURE_N - 1),
           z1 = (z + 1) & (TEXTURE_N - 1);
    const float *t = l->texture;
    enum { N = TEXTURE_N };
    size_t r00 = (z * N + y) * N, r01 = (z * N + y1) * N, r10 = (z1 * N + y) * N,
           r11 = (z1 * N + y1) * N;
    float a = t[r00 + x] + tx * (t[r00 + x1] - t[r00 + x]);
    float b = t[r01 + x] + tx * (t[r01 + x1] - t[r01 + x]);
    float c = t[r10 + x] + tx * (t[r10 + x1] - t[r10 + x]);
    float d = t[r11 + x] + tx * (t[r11 + x1] - t[r11 + x]);
    a += ty * (b - a);
    c += ty * (d - c);
    return a + tz * (c - a);
}
