/* Nodules put into a scan that exists: here one that a phantom's patient and scanner
 * made, so that what the scan looks like is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ct/lung_mask.h"
#include "phantom/implant.h"
#include "phantom/patient.h"
#include "phantom/scan_look.h"
#include "phantom/scanner.h"

static struct scanner scanner;
static float *scan;
static size_t voxels;

static int make_scan(void **state)
{
    (void)state;
    struct error err;
    struct patient *p;
    struct scanner_size size;
    if (scanner_size_parse("256x256x80", &size, &err) != STATUS_OK ||
        patient_new(4, 0, &p, &err) != STATUS_OK)
        return -1;
    scanner_init(&scanner, p, &size, 4, 0);
    voxels = (size_t)geometry_voxels(&scanner.grid);
    scan = malloc(voxels * sizeof *scan);
    int16_t *rounded = malloc(voxels * sizeof *rounded);
    if (!scan || !rounded ||
        patient_paint(p, &scanner.grid, 0, scanner.grid.size[0], scan, NULL, &err) !=
            STATUS_OK ||
        scanner_image(&scanner, scan, rounded, &err) != STATUS_OK)
        return -1;
    for (size_t i = 0; i < voxels; i++)
        scan[i] = rounded[i];
    free(rounded);
    patient_free(p);
    return 0;
}

static int free_scan(void **state)
{
    (void)state;
    free(scan);
    return 0;
}

static float *implanted(const struct implant_options *o, struct finding_list *truth)
{
    struct error err;
    float *hu = malloc(voxels * sizeof *hu);
    assert_non_null(hu);
    memcpy(hu, scan, voxels * sizeof *hu);
    assert_int_equal(implant_scan(&scanner.grid, hu, o, truth, &err), STATUS_OK);
    return hu;
}

static void nodules_stand_where_the_truth_says_and_nowhere_else(void **state)
{
    (void)state;
    const struct implant_options o = {
        .seed = 9, .index = 3, .count = 12, .diameter_mm = {5, 12}};
    struct finding_list truth;
    float *hu = implanted(&o, &truth);
    assert_true(truth.count >= 10);
    for (size_t i = 0; i < voxels; i++) {
        if (hu[i] == scan[i])
            continue;
        assert_float_equal(hu[i], rintf(hu[i]), 0);
        int64_t slice = scanner.grid.size[1] * scanner.grid.size[2];
        double xyz[3], near = HUGE_VAL;
        double index[3] = {(double)((int64_t)i / slice),
                           (double)((int64_t)i % slice / scanner.grid.size[2]),
                           (double)((int64_t)i % scanner.grid.size[2])};
        geometry_to_mm(&scanner.grid, index, xyz);
        for (size_t k = 0; k < truth.count; k++) {
            const struct finding *f = &truth.items[k];
            double away = 0;
            for (int a = 0; a < 3; a++)
                away += pow(xyz[a] - f->xyz[a], 2);
            near = fmin(near, sqrt(away) - f->reach_mm);
        }
        assert_true(near < 12);
    }
    for (size_t k = 0; k < truth.count; k++) {
        const struct finding *f = &truth.items[k];
        double index[3];
        int64_t at[3];
        geometry_to_index(&scanner.grid, f->xyz, index);
        geometry_round(index, at);
        size_t i =
            (size_t)((at[0] * scanner.grid.size[1] + at[1]) * scanner.grid.size[2] +
                     at[2]);
        assert_true(f->diameter_mm > 4.9 && f->diameter_mm < 12.1);
        assert_true(hu[i] > scan[i] + 80);
    }
    free(hu);
    findings_release(&truth);
}

static void the_same_seed_implants_the_same(void **state)
{
    (void)state;
    const struct implant_options o = {.seed = 9, .index = 4, .count = 3};
    struct finding_list a, b;
    float *first = implanted(&o, &a), *second = implanted(&o, &b);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(first, second, voxels * sizeof *first);
    free(first);
    free(second);
    findings_release(&a);
    findings_release(&b);
}

static void a_scan_without_lungs_gets_none(void **state)
{
    (void)state;
    struct error err;
    const struct implant_options o = {.seed = 1, .count = 5};
    struct geometry g = {{8, 20, 20}, {1, 1, 2}, {0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    float hu[8 * 20 * 20] = {0};
    struct finding_list truth;
    assert_int_equal(implant_scan(&g, hu, &o, &truth, &err), STATUS_OK);
    assert_int_equal(truth.count, 0);
    findings_release(&truth);
}

static void sharpness_and_noise_are_read_off_the_scan(void **state)
{
    (void)state;
    struct error err;
    uint8_t *mask = malloc(voxels);
    assert_non_null(mask);
    assert_int_equal(lung_mask(&scanner.grid, scan, mask, &err), STATUS_OK);
    struct scan_look look = scan_look_of(&scanner.grid, scan, mask);
    print_message("blur %.2f mm for %.2f, noise %.1f HU for %.1f, %d edges\n",
                  look.blur_mm, scanner.sharpness_mm, look.noise_hu, scanner.noise_hu,
                  (int)look.edges);
    assert_true(look.edges > 100);
    assert_true(fabs(look.blur_mm - scanner.sharpness_mm) < 0.35);
    assert_true(look.noise_hu > 0.3 * scanner.noise_hu &&
                look.noise_hu < 3 * scanner.noise_hu);
    free(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodules_stand_where_the_truth_says_and_nowhere_else),
        cmocka_unit_test(the_same_seed_implants_the_same),
        cmocka_unit_test(a_scan_without_lungs_gets_none),
        cmocka_unit_test(sharpness_and_noise_are_read_off_the_scan),
    };
    return cmocka_run_group_tests(tests, make_scan, free_scan);
}
