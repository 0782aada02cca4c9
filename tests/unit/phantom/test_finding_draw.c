/* The distributions, held against figures of LUNA16's lists: facts, not the lists. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "phantom/finding_draw.h"

enum { DRAWN = 20000 };

static int by_size(const void *a, const void *b)
{
    const struct finding *f = a, *g = b;
    return (f->diameter_mm > g->diameter_mm) - (f->diameter_mm < g->diameter_mm);
}

static struct finding *drawn_nodules(void)
{
    struct finding *f = calloc(DRAWN, sizeof *f);
    assert_non_null(f);
    for (uint64_t i = 0; i < DRAWN; i++) {
        struct random r = random_stream(3, RANDOM_FINDING, i, 1);
        nodule_draw(&r, &f[i]);
    }
    qsort(f, DRAWN, sizeof *f, by_size);
    return f;
}

static void diameters_have_the_quantiles_of_luna16(void **state)
{
    (void)state;
    const double expected[][2] = {{0.05, 4.09}, {0.25, 5.11}, {0.5, 6.43},
                                  {0.75, 9.70}, {0.9, 15.48}, {0.95, 18.95}};
    struct finding *f = drawn_nodules();
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        double got = f[(size_t)(expected[i][0] * DRAWN)].diameter_mm;
        assert_true(fabs(got / expected[i][1] - 1) < 0.04);
    }
    assert_true(f[0].diameter_mm >= 3.25 && f[DRAWN - 1].diameter_mm <= 32.3);
    free(f);
}

static void diameter_alone_tells_malignant_from_benign_as_on_real_nodules(void **state)
{
    (void)state;
    struct finding *f = drawn_nodules();
    double malignant = 0, ranks = 0;
    for (int i = 0; i < DRAWN; i++)
        if (f[i].malignant) {
            malignant++;
            ranks += i + 1;
        }
    double auc = (ranks - malignant * (malignant + 1) / 2) /
                 (malignant * ((double)DRAWN - malignant));
    print_message("malignant %.3f, AUC of diameter %.3f\n", malignant / DRAWN, auc);
    assert_true(auc > 0.88 && auc < 0.92);
    assert_true(malignant / DRAWN > 0.27 && malignant / DRAWN < 0.37);
    free(f);
}

static void a_third_of_scans_has_no_nodule(void **state)
{
    (void)state;
    double sum = 0, none = 0;
    for (uint64_t i = 0; i < DRAWN; i++) {
        struct random r = random_stream(4, RANDOM_FINDING, i, 0);
        size_t n = nodule_count_draw(&r);
        sum += (double)n;
        none += n == 0;
    }
    print_message("%.3f nodules a scan, none in %.3f\n", sum / DRAWN, none / DRAWN);
    assert_true(fabs(sum / DRAWN - 1.34) < 0.05);
    assert_true(fabs(none / DRAWN - 1.0 / 3) < 0.025);
}

static void mimics_cannot_be_told_by_size_or_density(void **state)
{
    (void)state;
    struct finding *f = drawn_nodules();
    double size = 0, density = 0, pairs = 0;
    for (uint64_t i = 0; i < 300; i++) {
        struct random r = random_stream(5, RANDOM_FINDING, i, 2);
        for (int kind = FINDING_NODULE + 1; kind < FINDING_KINDS; kind++)
            for (size_t n = mimic_count_draw(&r, kind); n > 0; n--) {
                struct finding m;
                mimic_draw(&r, kind, &m);
                for (int j = 0; j < DRAWN; j += 37) {
                    double by_mm = f[j].diameter_mm - m.diameter_mm;
                    double by_hu = (double)f[j].hu - (double)m.hu;
                    size += by_mm > 0 ? 1 : by_mm < 0 ? 0 : 0.5;
                    density += by_hu > 0 ? 1 : by_hu < 0 ? 0 : 0.5;
                    pairs++;
                }
            }
    }
    print_message("AUC of diameter %.3f, of HU %.3f\n", size / pairs, density / pairs);
    assert_true(fabs(size / pairs - 0.5) < 0.25);
    assert_true(fabs(density / pairs - 0.5) < 0.25);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diameters_have_the_quantiles_of_luna16),
        cmocka_unit_test(diameter_alone_tells_malignant_from_benign_as_on_real_nodules),
        cmocka_unit_test(a_third_of_scans_has_no_nodule),
        cmocka_unit_test(mimics_cannot_be_told_by_size_or_density),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
