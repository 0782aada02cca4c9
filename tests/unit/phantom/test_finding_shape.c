/* Shapes hold what is said of them: measured here by other sums than those of the shape
 * itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "phantom/finding_draw.h"
#include "phantom/finding_shape.h"

enum { SHAPES = 100, MASKS = 50 };

static double wall(const void *surface, const double xyz[3])
{
    const double *plane = surface; /* a bent wall */
    double off = xyz[0] * plane[0] + xyz[1] * plane[1] + xyz[2] * plane[2] - plane[3];
    return off + 0.004 * (xyz[0] * xyz[0] + xyz[1] * xyz[1]);
}

static void turn_axes(struct random *r, struct finding_shape *s)
{
    double a = random_between(r, 0, 6.28), b = random_between(r, 0, 3.14);
    double u[3] = {cos(a) * sin(b), sin(a) * sin(b), cos(b)}, v[3] = {-sin(a), cos(a), 0};
    for (int i = 0; i < 3; i++) {
        s->axes[0][i] = u[i];
        s->axes[1][i] = v[i];
        s->middle[i] = random_between(r, -3, 3);
    }
    for (int i = 0; i < 3; i++)
        s->axes[2][i] = u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3];
}

/* Draws finding number n, nodules and mimics in turn, every third one cut by a wall, as a
 * finding whose facts are those of its shape. */
static void draw(uint64_t n, struct finding *f, struct finding_shape *s)
{
    struct random r = random_stream(7, RANDOM_FINDING, n, 0);
    struct error err;
    enum finding_kind kind = n % 2 ? FINDING_NODULE : (n / 2) % FINDING_KINDS;
    if (kind == FINDING_NODULE)
        nodule_draw(&r, f);
    else
        mimic_draw(&r, kind, f);
    finding_shape_draw(&r, f, s);
    turn_axes(&r, s);
    s->around_hu = -860;
    if (n % 3 == 0) {
        double plane[4] = {s->axes[2][0], s->axes[2][1], s->axes[2][2], 0};
        for (int a = 0; a < 3; a++)
            plane[3] += plane[a] * s->middle[a];
        plane[3] += f->diameter_mm * random_between(&r, 0.15, 0.5);
        assert_int_equal(finding_shape_cut(s, 3 * f->diameter_mm, wall, plane, &err),
                         STATUS_OK);
    }
    if (!finding_shape_fit(s, f->diameter_mm))
        fail_msg("finding %d, kind %d fits no scale", (int)n, (int)f->kind);
    memcpy(f->xyz, s->centroid, sizeof f->xyz);
    f->diameter_mm = finding_shape_diameter(s);
    f->reach_mm = s->reach;
    f->shape = s;
}

static void a_supersampled_volume_is_that_of_the_diameter(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < SHAPES; n++) {
        struct finding f;
        struct finding_shape s;
        draw(n, &f, &s);
        /* Points of a stream of their own, in the cube that must hold it. */
        struct random r = random_stream(8, RANDOM_FINDING, n, 0);
        double fine = f.reach_mm / 34, sum[3] = {0}, inside = 0;
        double shift = random_uniform(&r);
        for (double z = -f.reach_mm; z < f.reach_mm; z += fine)
            for (double y = -f.reach_mm; y < f.reach_mm; y += fine)
                for (double x = -f.reach_mm; x < f.reach_mm; x += fine) {
                    double p[3] = {f.xyz[0] + x + shift * fine, f.xyz[1] + y,
                                   f.xyz[2] + z};
                    if (!finding_shape_at(&s, p, NULL))
                        continue;
                    inside++;
                    for (int a = 0; a < 3; a++)
                        sum[a] += p[a] - f.xyz[a];
                }
        double volume = inside * fine * fine * fine;
        double ball = M_PI / 6 * pow(f.diameter_mm, 3);
        if (fabs(volume / ball - 1) > 0.02)
            fail_msg("shape %d, kind %d: %.1f mm^3, not %.1f", (int)n, (int)f.kind,
                     volume, ball);
        for (int a = 0; a < 3; a++)
            assert_true(fabs(sum[a] / inside) < 0.02 * f.diameter_mm + 0.02);
        free(s.cut);
    }
}

static void the_inner_ball_is_all_shape(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < SHAPES; n += 4) {
        struct finding f;
        struct finding_shape s;
        draw(n, &f, &s);
        struct random r = random_stream(9, RANDOM_FINDING, n, 0);
        for (int i = 0; i < 500; i++) {
            double p[3], length = 0;
            for (int a = 0; a < 3; a++) {
                p[a] = random_normal(&r);
                length += p[a] * p[a];
            }
            for (int a = 0; a < 3; a++)
                p[a] = f.xyz[a] + 0.98 * s.inner * p[a] / sqrt(length);
            assert_int_not_equal(finding_shape_at(&s, p, NULL), 0);
        }
        free(s.cut);
    }
}

/* Paints finding n on a grid with this spacing and direction; the caller frees. */
static void paint(uint64_t n, const double spacing[3], bool flipped, struct finding *f,
                  struct finding_shape *s, struct geometry *g, float **hu,
                  uint16_t **mask)
{
    struct error err;
    draw(n, f, s);
    *g = (struct geometry){.direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    double corner[3], zero[3] = {0, 0, 0}, at[3];
    if (flipped) {
        g->direction[0] = g->direction[4] = -0.8;
        g->direction[1] = 0.6;
        g->direction[3] = -0.6;
    }
    for (int a = 0; a < 3; a++) {
        g->spacing[a] = spacing[a];
        g->size[2 - a] = (int64_t)(2.6 * f->reach_mm / spacing[a]) + 6;
        corner[2 - a] = 0.5 * (double)g->size[2 - a] + 0.3;
    }
    geometry_to_mm(g, corner, at);
    for (int a = 0; a < 3; a++)
        g->origin[a] = f->xyz[a] - at[a];
    geometry_to_mm(g, zero, at);
    size_t voxels = (size_t)geometry_voxels(g);
    *hu = malloc(voxels * sizeof **hu);
    *mask = calloc(voxels, sizeof **mask);
    assert_non_null(*hu);
    assert_non_null(*mask);
    for (size_t i = 0; i < voxels; i++)
        (*hu)[i] = -860;
    assert_int_equal(finding_paint(f, g, 0, g->size[0], *hu, *mask, 5, &err), STATUS_OK);
}

static void holds_mask(uint64_t n, const double spacing[3], bool flipped)
{
    struct finding f;
    struct finding_shape s;
    struct geometry g;
    float *hu;
    uint16_t *mask;
    paint(n, spacing, flipped, &f, &s, &g, &hu, &mask);
    double voxel = spacing[0] * spacing[1] * spacing[2], count = 0, sum[3] = {0};
    double wanted = M_PI / 6 * pow(f.diameter_mm, 3) / voxel;
    for (int64_t z = 0, i = 0; z < g.size[0]; z++)
        for (int64_t y = 0; y < g.size[1]; y++)
            for (int64_t x = 0; x < g.size[2]; x++, i++)
                if (mask[i]) {
                    assert_int_equal(mask[i], 5);
                    sum[0] += (double)z;
                    sum[1] += (double)y;
                    sum[2] += (double)x;
                    count++;
                }
    if (fabs(count - wanted) > fmax(0.05 * wanted, 1))
        fail_msg("finding %d: %.0f voxels, not %.1f", (int)n, count, wanted);
    double index[3], away = 0;
    geometry_to_index(&g, f.xyz, index);
    for (int a = 0; a < 3; a++)
        away = fmax(away, fabs(sum[a] / count - index[a]));
    if (away > 0.5)
        fail_msg("finding %d, kind %d: its mask's centroid is %.2f voxels off", (int)n,
                 (int)f.kind, away);
    free(hu);
    free(mask);
    free(s.cut);
}

static void a_mask_has_its_volume_and_its_centre(void **state)
{
    (void)state;
    const double thin[3] = {0.7, 0.7, 1.25}, thick[3] = {0.6, 0.6, 2.5};
    for (uint64_t n = 0; n < MASKS; n++) {
        holds_mask(2 * n + 1, thin, n % 4 == 0); /* nodules: masks are of them */
        holds_mask(2 * n + 1, thick, n % 5 == 0);
    }
}

static void slabs_are_painted_as_the_whole_is(void **state)
{
    (void)state;
    const double spacing[3] = {0.7, 0.8, 1.0};
    for (uint64_t n = 0; n < 12; n++) {
        struct finding f;
        struct finding_shape s;
        struct geometry g;
        float *hu;
        uint16_t *mask;
        struct error err;
        paint(n, spacing, false, &f, &s, &g, &hu, &mask);
        int64_t slice = g.size[1] * g.size[2];
        float *part = malloc((size_t)(3 * slice) * sizeof *part);
        uint16_t *labels = malloc((size_t)(3 * slice) * sizeof *labels);
        assert_non_null(part);
        assert_non_null(labels);
        for (int64_t z = 0; z < g.size[0]; z += 3) {
            int64_t slices = g.size[0] - z < 3 ? g.size[0] - z : 3;
            for (int64_t i = 0; i < slices * slice; i++)
                part[i] = -860;
            memset(labels, 0, (size_t)(3 * slice) * sizeof *labels);
            uint16_t *out = n % 2 ? NULL : labels;
            assert_int_equal(finding_paint(&f, &g, z, slices, part, out, 5, &err),
                             STATUS_OK);
            assert_memory_equal(part, hu + z * slice,
                                (size_t)(slices * slice) * sizeof *part);
            if (out)
                assert_memory_equal(out, mask + z * slice,
                                    (size_t)(slices * slice) * sizeof *out);
        }
        free(part);
        free(labels);
        free(hu);
        free(mask);
        free(s.cut);
    }
}

static void vessels_stay_visible_in_ground_glass(void **state)
{
    (void)state;
    struct finding f = {0};
    struct finding_shape s = {.semi = {1, 1, 1},
                              .axes = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                              .hu = -600,
                              .around_hu = -860};
    struct error err;
    struct geometry g = {{9, 9, 9}, {1, 1, 1}, {-4, -4, -4}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    float hu[729];
    assert_true(finding_shape_fit(&s, 7));
    f.shape = &s;
    for (int i = 0; i < 729; i++)
        hu[i] = i % 9 == 4 ? 40 : -860;
    assert_int_equal(finding_paint(&f, &g, 0, 9, hu, NULL, 1, &err), STATUS_OK);
    assert_float_equal(hu[364], 40, 0);
    assert_float_equal(hu[363], -600, 0);
    assert_float_equal(hu[0], -860, 0);
    s.replaces = true;
    assert_int_equal(finding_paint(&f, &g, 0, 9, hu, NULL, 1, &err), STATUS_OK);
    assert_float_equal(hu[364], -600, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_supersampled_volume_is_that_of_the_diameter),
        cmocka_unit_test(the_inner_ball_is_all_shape),
        cmocka_unit_test(a_mask_has_its_volume_and_its_centre),
        cmocka_unit_test(slabs_are_painted_as_the_whole_is),
        cmocka_unit_test(vessels_stay_visible_in_ground_glass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
