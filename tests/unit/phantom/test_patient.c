/* What the anatomy of a phantom promises, held on a few patients at coarse grids. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "phantom/patient.h"

enum { SEED = 20, NZ = 24, NY = 96, NX = 100, VOXELS = NZ * NY * NX };

struct scan {
    struct geometry grid;
    float *hu;
    uint8_t *lung;
};

static struct patient *patient(uint64_t index)
{
    struct patient *p;
    struct error err;
    assert_int_equal(patient_new(SEED, index, &p, &err), STATUS_OK);
    return p;
}

/* A grid over the lungs: 3.2 mm pixels, slices as far apart as the lungs are high. */
static struct geometry grid_of(const struct patient *p)
{
    struct box l = patient_lungs(p);
    double sz = (l.high[2] - l.low[2]) / NZ;
    return (struct geometry){.size = {NZ, NY, NX},
                             .spacing = {3.2, 3.2, sz},
                             .origin = {l.low[0] - 10, l.low[1] - 20, l.low[2] + sz / 2},
                             .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
}

static struct scan scan_of(const struct patient *p, const struct geometry *g)
{
    struct error err;
    struct scan s = {.grid = *g};
    s.hu = malloc(VOXELS * sizeof(float));
    s.lung = malloc(VOXELS);
    assert_non_null(s.hu);
    assert_non_null(s.lung);
    assert_int_equal(patient_paint(p, g, 0, NZ, s.hu, s.lung, &err), STATUS_OK);
    return s;
}

static void scan_free(struct scan *s)
{
    free(s->hu);
    free(s->lung);
}

static void voxel_mm(const struct geometry *g, size_t i, double xyz[3])
{
    double index[3] = {(double)(i / (NY * NX)), (double)(i / NX % NY), (double)(i % NX)};
    geometry_to_mm(g, index, xyz);
}

static void a_patient_is_a_function_of_seed_and_index(void **state)
{
    (void)state;
    struct patient *a = patient(3), *b = patient(3), *c = patient(4);
    struct geometry g = grid_of(a);
    struct scan x = scan_of(a, &g), y = scan_of(b, &g), z = scan_of(c, &g);
    assert_memory_equal(x.hu, y.hu, VOXELS * sizeof(float));
    assert_memory_equal(x.lung, y.lung, VOXELS);
    size_t n, m;
    const struct tube *t = patient_tubes(a, &n), *u = patient_tubes(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(t, u, n * sizeof(*t));
    double differ = 0;
    for (size_t i = 0; i < VOXELS; i++)
        differ += fabsf(x.hu[i] - z.hu[i]) > 30;
    assert_true(differ > 0.2 * VOXELS);
    scan_free(&x);
    scan_free(&y);
    scan_free(&z);
    patient_free(a);
    patient_free(b);
    patient_free(c);
}

static void slices_may_be_painted_in_any_split(void **state)
{
    (void)state;
    struct patient *p = patient(0);
    struct geometry g = grid_of(p);
    g.direction[0] = g.direction[4] = cos(0.1);
    g.direction[1] = -sin(0.1);
    g.direction[3] = sin(0.1);
    struct scan whole = scan_of(p, &g), parts = scan_of(p, &g);
    memset(parts.hu, 0, VOXELS * sizeof(float));
    memset(parts.lung, 9, VOXELS);
    static const int FIRST[] = {17, 0, 16, 5, NZ}, COUNT[] = {7, 5, 1, 11, 0};
    for (int i = 0; i < 5; i++) {
        struct error err;
        size_t at = (size_t)FIRST[i] * NY * NX;
        assert_int_equal(patient_paint(p, &g, FIRST[i], COUNT[i], parts.hu + at,
                                       i == 2 ? NULL : parts.lung + at, &err),
                         STATUS_OK);
    }
    assert_memory_equal(whole.hu, parts.hu, VOXELS * sizeof(float));
    memcpy(parts.lung + 16 * NY * NX, whole.lung + 16 * NY * NX, NY * NX);
    assert_memory_equal(whole.lung, parts.lung, VOXELS);
    scan_free(&whole);
    scan_free(&parts);
    patient_free(p);
}

static void a_place_looks_the_same_in_a_grid_turned_round(void **state)
{
    (void)state;
    struct patient *p = patient(1);
    struct geometry g = grid_of(p), turned = g;
    double last[3] = {0, NY - 1, NX - 1};
    geometry_to_mm(&g, last, turned.origin);
    turned.direction[0] = turned.direction[4] = -1;
    struct scan a = scan_of(p, &g), b = scan_of(p, &turned);
    double sum2 = 0, off = 0, other = 0;
    for (size_t i = 0; i < VOXELS; i++) {
        size_t slice = i / (NY * NX) * (NY * NX), k = slice + NY * NX - 1 - (i - slice);
        double d = a.hu[i] - b.hu[k];
        sum2 += d * d;
        off += fabs(d) > 60;
        other += a.lung[i] != b.lung[k];
    }
    assert_true(sqrt(sum2 / VOXELS) < 20);
    assert_true(off < 0.01 * VOXELS);
    assert_true(other < 0.005 * VOXELS);
    scan_free(&a);
    scan_free(&b);
    patient_free(p);
}

static void lungs_have_the_size_and_density_of_lungs(void **state)
{
    (void)state;
    for (uint64_t index = 0; index < 4; index++) {
        struct patient *p = patient(index);
        struct geometry g = grid_of(p);
        struct scan s = scan_of(p, &g);
        double ml = g.spacing[0] * g.spacing[1] * g.spacing[2] / 1000;
        double volume[3] = {0}, sum = 0, sum2 = 0, n = 0;
        for (size_t i = 0; i < VOXELS; i++) {
            volume[s.lung[i]] += ml;
            if (s.lung[i] == LUNG_NONE || s.hu[i] > -600)
                continue;
            sum += s.hu[i];
            sum2 += (double)s.hu[i] * s.hu[i];
            n++;
        }
        double mean = sum / n, deviation = sqrt(sum2 / n - mean * mean);
        double lungs = volume[LUNG_RIGHT] + volume[LUNG_LEFT];
        assert_true(lungs > 2700 && lungs < 8000);
        assert_true(volume[LUNG_LEFT] > 0.38 * lungs && volume[LUNG_LEFT] < 0.56 * lungs);
        assert_true(mean > -920 && mean < -790);
        assert_true(deviation > 20 && deviation < 100);
        assert_true(n * ml > 0.8 * lungs);
        scan_free(&s);
        patient_free(p);
    }
}

static void the_tissue_is_denser_where_the_lung_lies(void **state)
{
    (void)state;
    struct patient *p = patient(2);
    struct geometry g = grid_of(p);
    double sum[2] = {0}, n[2] = {0};
    for (size_t i = 0; i < VOXELS; i += 7) {
        double xyz[3];
        int side;
        voxel_mm(&g, i, xyz);
        if (patient_lung_distance(p, xyz, &side) > -5 || fabs(xyz[1] - 5) < 30)
            continue;
        sum[xyz[1] > 5] += patient_parenchyma(p, xyz);
        n[xyz[1] > 5]++;
    }
    assert_true(n[0] > 100 && n[1] > 100);
    assert_true(sum[1] / n[1] > sum[0] / n[0] + 10);
    patient_free(p);
}

static void check_distances(const struct patient *p, const struct scan *s)
{
    size_t off = 0;
    struct box box = patient_lungs(p);
    for (size_t i = 0; i < VOXELS; i++) {
        double xyz[3];
        int side;
        voxel_mm(&s->grid, i, xyz);
        double d = patient_lung_distance(p, xyz, &side);
        int right = s->lung[i] == (d < 0 ? side : LUNG_NONE);
        /* In the sharpest edges the painter's interpolation rounds a little more. */
        assert_true(right || fabs(d) < 1);
        off += !right && fabs(d) > 0.3;
        if (d >= 0)
            continue;
        for (int a = 0; a < 3; a++)
            assert_true(xyz[a] >= box.low[a] && xyz[a] <= box.high[a]);
        assert_true(patient_fissure_distance(p, xyz, side) >= 0);
    }
    assert_true(off < VOXELS / 5000);
}

static void the_distance_to_the_lung_is_that_of_the_painted_lung(void **state)
{
    (void)state;
    struct patient *p = patient(0);
    struct box box = patient_lungs(p);
    for (double z = box.low[2]; z < box.high[2]; z += 70) {
        struct geometry g = grid_of(p);
        g.spacing[2] = 2.5;
        g.origin[2] = z;
        struct scan s = scan_of(p, &g);
        check_distances(p, &s);
        scan_free(&s);
    }
    patient_free(p);
}

/* Where the surface is, the distance changes by a millimetre a millimetre. */
static void the_distance_to_the_lung_is_in_millimetres(void **state)
{
    (void)state;
    struct patient *p = patient(5);
    struct geometry g = grid_of(p);
    double sum = 0, n = 0;
    for (size_t i = 0; i < VOXELS; i++) {
        double xyz[3], slope2 = 0;
        int side;
        voxel_mm(&g, i, xyz);
        if (fabs(patient_lung_distance(p, xyz, &side)) > 3)
            continue;
        for (int a = 0; a < 3; a++) {
            double v[3] = {xyz[0], xyz[1], xyz[2]};
            v[a] += 0.5;
            double high = patient_lung_distance(p, v, &side);
            v[a] -= 1;
            double d = high - patient_lung_distance(p, v, &side);
            slope2 += d * d;
        }
        sum += sqrt(slope2);
        n++;
    }
    assert_true(n > 1000);
    assert_true(fabs(sum / n - 1) < 0.1);
    patient_free(p);
}

static void the_lungs_lie_within_the_body(void **state)
{
    (void)state;
    for (uint64_t index = 0; index < 4; index++) {
        struct patient *p = patient(index);
        struct box l = patient_lungs(p), b = patient_body(p);
        for (int a = 0; a < 2; a++) {
            assert_true(b.low[a] < l.low[a] - 8);
            assert_true(b.high[a] > l.high[a] + 8);
        }
        patient_free(p);
    }
}

static void check_branch(const struct tube *t, const struct tube *parent)
{
    assert_true(t->radius_from > 0 && t->radius_to > 0);
    assert_true(t->radius_to <= t->radius_from * 1.0001f);
    assert_true((t->wall > 0) == (t->kind == TUBE_BRONCHUS));
    assert_true(t->wall < t->radius_to);
    if (!parent)
        return;
    assert_int_equal(t->kind, parent->kind);
    for (int a = 0; a < 3; a++)
        assert_true(fabsf(t->from[a] - parent->to[a]) < 1e-3f);
}

static void trees_are_connected_and_thin_out(void **state)
{
    (void)state;
    struct patient *p = patient(0);
    size_t count, roots = 0, inside = 0, ends[3] = {0};
    const struct tube *t = patient_tubes(p, &count);
    assert_true(count > 20000 && count < 90000);
    double *cubes = calloc(count, sizeof(double)), off = 0, forks = 0;
    uint8_t *children = calloc(count, 1);
    assert_non_null(cubes);
    assert_non_null(children);
    for (size_t i = 0; i < count; i++) {
        roots += t[i].parent < 0;
        assert_true(t[i].parent < (int32_t)i);
        check_branch(&t[i], t[i].parent < 0 ? NULL : &t[t[i].parent]);
        if (t[i].parent >= 0) {
            cubes[t[i].parent] += pow(t[i].radius_from, 2.5);
            children[t[i].parent]++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        ends[t[i].kind] += children[i] == 0;
        if (t[i].kind == TUBE_BRONCHUS || children[i] != 2 || t[i].generation < 8)
            continue;
        off += pow(cubes[i], 1 / 2.5) / t[i].radius_from;
        forks++;
    }
    for (size_t i = 0; i < count; i++) {
        double to[3] = {t[i].to[0], t[i].to[1], t[i].to[2]};
        int side;
        inside += patient_lung_distance(p, to, &side) < 0;
    }
    assert_true(roots < 20);
    assert_true(ends[TUBE_ARTERY] > 4000 && ends[TUBE_VEIN] > 4000);
    assert_true(fabs(off / forks - 1) < 0.08);
    assert_true((double)inside > 0.98 * (double)count);
    free(cubes);
    free(children);
    patient_free(p);
}

/* The blood that the tubes hold is what the painting adds to the lung, thin as they are.
 */
static void thin_vessels_weigh_what_they_should(void **state)
{
    (void)state;
    struct patient *p = patient(0);
    struct geometry coarse = grid_of(p), fine = coarse;
    struct box l = patient_lungs(p);
    double at[3] = {l.low[0] + 45, 20, -40}, sum[2] = {0};
    for (int k = 0; k < 2; k++) {
        struct geometry *g = k ? &fine : &coarse;
        double mm = k ? 0.5 : 2;
        for (int a = 0; a < 3; a++) {
            g->spacing[a] = mm;
            g->size[a] = k ? 80 : 20;
            g->origin[a] = at[a] - 20 + mm / 2;
        }
        size_t n = (size_t)(g->size[0] * g->size[1] * g->size[2]);
        float *hu = malloc(n * sizeof(float));
        struct error err;
        assert_non_null(hu);
        assert_int_equal(patient_paint(p, g, 0, g->size[0], hu, NULL, &err), STATUS_OK);
        for (size_t i = 0; i < n; i++)
            sum[k] += hu[i] / (double)n;
        free(hu);
    }
    assert_true(fabs(sum[0] - sum[1]) < 4);
    patient_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_patient_is_a_function_of_seed_and_index),
        cmocka_unit_test(slices_may_be_painted_in_any_split),
        cmocka_unit_test(a_place_looks_the_same_in_a_grid_turned_round),
        cmocka_unit_test(lungs_have_the_size_and_density_of_lungs),
        cmocka_unit_test(the_tissue_is_denser_where_the_lung_lies),
        cmocka_unit_test(the_distance_to_the_lung_is_that_of_the_painted_lung),
        cmocka_unit_test(the_distance_to_the_lung_is_in_millimetres),
        cmocka_unit_test(the_lungs_lie_within_the_body),
        cmocka_unit_test(trees_are_connected_and_thin_out),
        cmocka_unit_test(thin_vessels_weigh_what_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
