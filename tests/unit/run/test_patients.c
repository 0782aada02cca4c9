/* Patients with several scans, against the subsets that folds are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "run/patients.h"
#include "temporary_folder.h"

enum { SCANS = 6 };

#define LIDC "1.3.6.1.4.1.14519.5.2.1.6279.6001."

static struct scan scans[SCANS];
static struct error err;

/* Scans a .. d in subsets 3 2 1 0, and two of LUNA16's in 6 and 2. */
static struct dataset make_dataset(void)
{
    static char *const names[SCANS] = {LIDC "1", LIDC "2", "a", "b", "c", "d"};
    static const int subsets[SCANS] = {6, 2, 3, 2, 1, 0};
    for (int i = 0; i < SCANS; i++)
        scans[i] = (struct scan){.seriesuid = names[i], .subset = subsets[i]};
    return (struct dataset){.scans = scans, .count = SCANS, .has_subsets = true};
}

static enum status apply(struct dataset *d, const char *rule, const char *rows)
{
    char text[1000];
    struct settings s = {.crossval = {.patients = (char *)rule}};
    snprintf(text, sizeof text, "seriesuid,patient\n%s", rows);
    s.dataset.patients = temporary_text("patients.csv", text);
    return patients_apply(&s, d, &err);
}

static void one_scan_or_one_subset_a_patient_is_fine(void **state)
{
    (void)state;
    struct dataset d = make_dataset();
    struct settings none = {.dataset = {.patients = (char *)""}};
    assert_int_equal(patients_apply(&none, &d, &err), STATUS_OK);
    scans[4].subset = 0;
    assert_int_equal(apply(&d, "check", "a,p1\nb,p2\nc,p3\nd,p3\nelsewhere,p1\n"),
                     STATUS_OK);
}

static void a_patient_in_two_subsets_is_refused_by_name(void **state)
{
    (void)state;
    struct dataset d = make_dataset();
    assert_int_equal(apply(&d, "check", "d,p2\na,p1\nc,p1\nb,p2\n"), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "2 patients are in several subsets"));
    assert_non_null(strstr(err.message, "p1: a in subset 3, c in subset 1"));
    assert_int_equal(scans[2].subset, 3);
}

static void in_luna16_it_is_only_warned_of(void **state)
{
    (void)state;
    struct dataset d = make_dataset();
    const char *rows = LIDC "1,LIDC-IDRI-0332\n" LIDC "2,LIDC-IDRI-0332\n";
    assert_int_equal(apply(&d, "check", rows), STATUS_OK);
    assert_int_equal(scans[0].subset, 6);
    assert_int_equal(apply(&d, "move", rows), STATUS_OK);
    assert_int_equal(scans[0].subset, 2);
}

static void moved_patients_stand_in_their_lowest_subset(void **state)
{
    (void)state;
    struct dataset d = make_dataset();
    assert_int_equal(apply(&d, "move", "a,p1\nb,p1\nc,p2\nd,p1\n"), STATUS_OK);
    const int expected[SCANS] = {6, 2, 0, 0, 1, 0};
    for (int i = 0; i < SCANS; i++)
        assert_int_equal(scans[i].subset, expected[i]);
}

static void a_scan_of_two_patients_and_a_list_without_names_are_refused(void **state)
{
    (void)state;
    struct dataset d = make_dataset();
    assert_int_equal(apply(&d, "move", "a,p1\nb,p1\na,p2\n"), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "scan a is of two patients"));
    assert_int_equal(apply(&d, "move", "a,\n"), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "patients.csv:2"));
}

#define IN_A_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(one_scan_or_one_subset_a_patient_is_fine),
        IN_A_FOLDER(a_patient_in_two_subsets_is_refused_by_name),
        IN_A_FOLDER(in_luna16_it_is_only_warned_of),
        IN_A_FOLDER(moved_patients_stand_in_their_lowest_subset),
        IN_A_FOLDER(a_scan_of_two_patients_and_a_list_without_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
