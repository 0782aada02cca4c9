/* Findings in patients: where they lie, and what a list of candidates makes of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "phantom/finding.h"
#include "phantom/finding_shape.h"
#include "phantom/patient.h"

enum { PATIENTS = 2, LISTS = 4 };
static const uint64_t SEED = 12;

static struct patient *patients[PATIENTS];

static int make_patients(void **state)
{
    struct error err;
    (void)state;
    for (uint64_t i = 0; i < PATIENTS; i++)
        if (patient_new(SEED, i, &patients[i], &err) != STATUS_OK)
            return -1;
    return 0;
}

static int free_patients(void **state)
{
    (void)state;
    for (int i = 0; i < PATIENTS; i++)
        patient_free(patients[i]);
    return 0;
}

/* List n: the findings of an index of their own in one of the patients. */
static void findings(uint64_t n, struct finding_list *l)
{
    struct error err;
    assert_int_equal(findings_init(l, patients[n % PATIENTS], SEED, n, &err), STATUS_OK);
}

static double apart(const double a[3], const double b[3])
{
    return sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
}

static void nodules_lie_in_the_lungs_and_apart(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < LISTS; n++) {
        struct finding_list l;
        findings(n, &l);
        for (size_t i = 0; i < l.count; i++) {
            const struct finding *f = &l.items[i];
            int side;
            if (f->kind != FINDING_NODULE)
                continue;
            assert_true(i == 0 || l.items[i - 1].kind == FINDING_NODULE);
            assert_true(patient_lung_distance(patients[n % PATIENTS], f->xyz, &side) < 0);
            assert_true(f->diameter_mm >= 3.2 && f->diameter_mm < 32.5);
            for (size_t j = 0; j < i; j++)
                assert_true(apart(f->xyz, l.items[j].xyz) >
                            f->reach_mm + l.items[j].reach_mm);
        }
        findings_release(&l);
    }
}

/* The cut of a shape is the pleura, to within what a node of it can miss. */
static void no_point_of_a_nodule_is_outside_the_lung(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < LISTS; n++) {
        struct finding_list l;
        findings(n, &l);
        for (size_t i = 0; i < l.count && l.items[i].kind == FINDING_NODULE; i++) {
            const struct finding *f = &l.items[i];
            struct random r = random_stream(SEED, RANDOM_FINDING, n, (uint32_t)i);
            for (int k = 0; k < 4000; k++) {
                double p[3];
                int side;
                for (int a = 0; a < 3; a++)
                    p[a] = f->xyz[a] + random_between(&r, -f->reach_mm, f->reach_mm);
                if (finding_shape_at(f->shape, p, NULL))
                    assert_true(patient_lung_distance(patients[n % PATIENTS], p, &side) <
                                0.7);
            }
        }
        findings_release(&l);
    }
}

static void the_same_numbers_give_the_same_findings(void **state)
{
    (void)state;
    struct finding_list a, b;
    findings(1, &a);
    findings(1, &b);
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        struct finding f = a.items[i], g = b.items[i];
        assert_memory_equal(f.xyz, g.xyz, sizeof f.xyz);
        assert_memory_equal(&f.diameter_mm, &g.diameter_mm, sizeof f.diameter_mm);
        assert_int_equal(f.kind, g.kind);
        assert_int_equal(f.malignant, g.malignant);
    }
    findings_release(&a);
    findings_release(&b);
}

static void half_of_the_negatives_stand_on_mimics_of_every_kind(void **state)
{
    (void)state;
    struct error err;
    for (uint64_t n = 0; n < LISTS; n++) {
        struct finding_list l;
        struct phantom_candidate *c;
        size_t count, negatives = 0, on_mimics = 0;
        bool *marked;
        findings(n, &l);
        const struct patient *p = patients[n % PATIENTS];
        assert_int_equal(phantom_candidates(p, &l, SEED, n, 120, &c, &count, &err),
                         STATUS_OK);
        marked = calloc(l.count + 1, sizeof *marked);
        assert_non_null(marked);
        for (size_t i = 0; i < count; i++) {
            assert_true(i == 0 || c[i - 1].xyz[2] <= c[i].xyz[2]);
            negatives += !c[i].nodule;
            if (c[i].finding < 0) {
                assert_false(c[i].nodule);
                continue;
            }
            const struct finding *f = &l.items[c[i].finding];
            marked[c[i].finding] = true;
            assert_int_equal(c[i].nodule, f->kind == FINDING_NODULE);
            assert_true(apart(c[i].xyz, f->xyz) < 0.5 * f->diameter_mm);
            on_mimics += !c[i].nodule;
        }
        assert_true(negatives >= 50 && negatives <= 190);
        assert_true(2 * on_mimics >= negatives);
        for (size_t i = 0; i < l.count; i++)
            assert_true(marked[i]);
        free(marked);
        free(c);
        findings_release(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodules_lie_in_the_lungs_and_apart),
        cmocka_unit_test(no_point_of_a_nodule_is_outside_the_lung),
        cmocka_unit_test(the_same_numbers_give_the_same_findings),
        cmocka_unit_test(half_of_the_negatives_stand_on_mimics_of_every_kind),
    };
    return cmocka_run_group_tests(tests, make_patients, free_patients);
}
