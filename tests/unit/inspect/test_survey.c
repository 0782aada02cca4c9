/* Counting and joining of a survey, without ranks: the scans of a small tree are read one
 * after the other here. What the command prints, on any number of ranks:
 * tests/e2e/commands.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/memory.h"
#include "inspect/survey.h"
#include "temporary_folder.h"

/* --- the small parts --- */

static void quartiles_lie_linearly_between_the_values(void **state)
{
    (void)state;
    double values[] = {5, 1, 4, 2}, one[] = {7};
    struct spread s = spread_of(values, 4);
    assert_float_equal(s.low, 1, 0);
    assert_float_equal(s.q1, 1.75, 1e-12);
    assert_float_equal(s.median, 3, 1e-12);
    assert_float_equal(s.q3, 4.25, 1e-12);
    assert_float_equal(s.high, 5, 0);
    s = spread_of(one, 1);
    assert_float_equal(s.q1, 7, 0);
    assert_float_equal(s.high, 7, 0);
    assert_true(isnan(spread_of(one, 0).median));
}

static void a_bound_belongs_to_the_thinner_slices_and_to_the_larger_nodules(void **state)
{
    (void)state;
    assert_int_equal(thickness_bin(0.5), 0);
    assert_int_equal(thickness_bin(0.6), 1);
    assert_int_equal(thickness_bin(1.25), 2);
    assert_int_equal(thickness_bin(1.2500000001), 2);
    assert_int_equal(thickness_bin(3), 5);
    assert_int_equal(thickness_bin(3.1), 6);
    assert_int_equal(diameter_bin(-1), 0);
    assert_int_equal(diameter_bin(2.999), 1);
    assert_int_equal(diameter_bin(3), 2);
    assert_int_equal(diameter_bin(29.99), 5);
    assert_int_equal(diameter_bin(30), 6);
}

static void directions_are_told_apart_in_spite_of_rounding(void **state)
{
    (void)state;
    const double identity[] = {1, 1e-6, 0, 0, 1, 0, 0, 0, 1};
    const double flipped[] = {-1, 0, 0, 0, -0.99999, 0, 0, 0, 1};
    const double coronal[] = {1, 0, 0, 0, 0, 1, 0, -1, 0};
    const double oblique[] = {0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1};
    assert_int_equal(direction_kind(identity), DIRECTION_IDENTITY);
    assert_int_equal(direction_kind(flipped), DIRECTION_FLIPPED);
    assert_int_equal(direction_kind(coronal), DIRECTION_AXES);
    assert_int_equal(direction_kind(oblique), DIRECTION_OBLIQUE);
}

/* --- scans --- */

/* NAME.mhd of slices x 2 x 2 voxels, spacing 1 1 `thickness`, and its voxels. */
static char *write_scan(const char *name, int slices, double thickness,
                        const int16_t *voxels)
{
    char header[512], file[64];
    snprintf(file, sizeof file, "%s.raw", name);
    temporary_file(file, voxels, (size_t)slices * 4 * sizeof *voxels);
    snprintf(header, sizeof header,
             "NDims = 3\nDimSize = 2 2 %d\nElementSpacing = 1 1 %g\nOffset = 10 20 30\n"
             "ElementType = MET_SHORT\nElementDataFile = %s.raw\n",
             slices, thickness, strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
    snprintf(file, sizeof file, "%s.mhd", name);
    return temporary_text(file, header);
}

static void padding_is_no_hu(void **state)
{
    (void)state;
    const int16_t voxels[] = {-3024, -2000, -1999, 1, 0, 0, 0, -2};
    const char *path = write_scan("a", 2, 1, voxels);
    struct scan_facts f;
    struct error err;
    assert_int_equal(scan_facts_read(path, false, true, &f, &err), STATUS_OK);
    assert_int_equal(f.padding, 2);
    assert_float_equal(f.padding_low, -3024, 0);
    assert_float_equal(f.low, -1999, 0);
    assert_float_equal(f.high, 1, 0);
    assert_float_equal(scan_facts_mean(&f), -2000.0 / 6, 1e-9);
}

static void a_scan_of_nothing_but_padding_has_no_hu(void **state)
{
    (void)state;
    const int16_t voxels[] = {-3024, -3024, -3024, -3024};
    const char *path = write_scan("a", 1, 1, voxels);
    struct scan_facts f;
    struct error err;
    assert_int_equal(scan_facts_read(path, false, true, &f, &err), STATUS_OK);
    assert_int_equal(f.padding, 4);
    assert_true(isnan(f.low) && isnan(f.high) && isnan(scan_facts_mean(&f)));
    assert_int_equal(scan_facts_read(path, false, false, &f, &err), STATUS_OK);
    assert_false(f.has_voxels);
}

/* --- a tree --- */

/* subset0: A and B, subset1: C, whose data file is missing. */
static void make_tree(void)
{
    const int16_t voxels[12] = {0};
    mkdir(temporary_path("subset0"), 0777);
    mkdir(temporary_path("subset1"), 0777);
    write_scan("subset0/A", 2, 1.25, voxels);
    write_scan("subset0/B", 3, 2.5, voxels);
    write_scan("subset1/C", 1, 2.5, voxels);
    unlink(temporary_path("subset1/C.raw"));
}

static char nothing[] = "";

/* A survey of the temporary folder as far as one rank alone can make it. */
static void survey_tree(struct survey *v, struct settings *s, bool subset1)
{
    struct error err;
    s->dataset.root = temporary_folder;
    s->dataset.scan = nothing;
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        s->dataset.subsets[k] = k != 1 || subset1;
    char **const lists[] = {&s->dataset.annotations, &s->dataset.candidates,
                            &s->dataset.excluded, &s->dataset.seriesuids,
                            &s->dataset.malignancy};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!*lists[i])
            *lists[i] = nothing;
    *v = (struct survey){.root = s->dataset.root};
    assert_int_equal(dataset_init(&v->dataset, v->root, s->dataset.subsets, &err),
                     STATUS_OK);
    size_t count = v->dataset.count;
    assert_int_equal(
        memory_new(count, sizeof *v->facts, "facts", (void **)&v->facts, &err),
        STATUS_OK);
    assert_int_equal(
        memory_new(count, sizeof *v->reasons, "reasons", (void **)&v->reasons, &err),
        STATUS_OK);
    for (size_t i = 0; i < count; i++)
        if (scan_facts_read(v->dataset.scans[i].path, false, false, &v->facts[i], &err))
            assert_int_equal(text_new(err.message, &v->reasons[i], &err), STATUS_OK);
    assert_int_equal(survey_count_scans(v, s, &err), STATUS_OK);
    assert_int_equal(survey_read_lists(v, s, &err), STATUS_OK);
}

static void broken_scans_are_counted_and_left_out_of_statistics(void **state)
{
    (void)state;
    struct settings s = {0};
    struct survey v;
    make_tree();
    survey_tree(&v, &s, true);
    assert_int_equal(v.broken, 1);
    assert_int_equal(v.subsets[1].broken, 1);
    assert_int_equal(v.headers.scans, 2);
    assert_float_equal(v.headers.thickness.median, 1.875, 1e-12);
    assert_int_equal(v.headers.largest_voxels, 12);
    assert_int_equal(v.unlisted, 0); /* there are no lists to stand in */
    assert_int_equal(survey_exit_code(&v), 3);
    survey_release(&v);
}

static void listed_scans_are_here_elsewhere_or_missing(void **state)
{
    (void)state;
    struct settings s = {0};
    struct survey v;
    make_tree();
    s.dataset.seriesuids = temporary_text("seriesuids.csv", "A\nA\nC\nX\n");
    survey_tree(&v, &s, true);
    /* Subsets 2 to 9 were asked for and are not there: what is not found is missing. */
    assert_int_equal(v.lists[LIST_SERIES].rows, 4);
    assert_int_equal(v.lists[LIST_SERIES].scans, 3);
    assert_int_equal(v.missing_count, 1);
    assert_string_equal(v.missing[0], "X");
    assert_int_equal(v.unlisted, 1);
    assert_int_equal(v.subsets[0].unlisted, 1);
    survey_release(&v);

    /* C is in a subset that was not asked for. */
    survey_tree(&v, &s, false);
    assert_true(v.complete);
    assert_int_equal(v.lists[LIST_SERIES].scans_here, 1);
    assert_int_equal(v.missing_count, 1);
    survey_release(&v);
}

static void what_an_absent_subset_may_hold_is_not_missing(void **state)
{
    (void)state;
    struct settings s = {0};
    struct survey v;
    make_tree();
    unlink(temporary_path("subset1/C.mhd"));
    rmdir(temporary_path("subset1"));
    s.dataset.seriesuids = temporary_text("seriesuids.csv", "A\nB\nC\n");
    survey_tree(&v, &s, false);
    assert_false(v.complete);
    assert_int_equal(v.missing_count, 0);
    assert_int_equal(survey_exit_code(&v), 0);
    survey_release(&v);
}

static void nodules_find_their_malignancy_by_place(void **state)
{
    (void)state;
    struct settings s = {0};
    struct survey v;
    make_tree();
    s.dataset.annotations =
        temporary_text("annotations.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
                                          "A,10,20,30,4\nA,11,20,30,6\nB,10,20,30,12\n"
                                          "B,10,20,300,31\nX,1,1,1,9\n");
    s.dataset.malignancy = temporary_text(
        "malignancy.csv",
        "seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool\n"
        "A,11.0000001,20,30,6,True\nA,10,20,30,4,False\nB,12,22,32,5,True\n");
    survey_tree(&v, &s, true);
    assert_int_equal(v.nodules[diameter_bin(4)][MALIGNANCY_NO], 1);
    assert_int_equal(v.nodules[diameter_bin(6)][MALIGNANCY_YES], 1);
    assert_int_equal(v.nodules[diameter_bin(12)][MALIGNANCY_UNSAID], 1);
    assert_int_equal(v.nodules[diameter_bin(31)][MALIGNANCY_UNSAID], 1);
    assert_int_equal(v.unmatched_malignancies, 1);
    assert_int_equal(v.lists[LIST_NODULES].rows_outside, 1);
    assert_int_equal(v.lists[LIST_NODULES].rows_absent, 1);
    assert_int_equal(v.lists[LIST_NODULES].scans_absent, 1);
    survey_release(&v);
}

static void candidates_are_counted_by_class_where_their_scan_is(void **state)
{
    (void)state;
    struct settings s = {0};
    struct survey v;
    make_tree();
    s.dataset.candidates =
        temporary_text("candidates.csv", "seriesuid,coordX,coordY,coordZ,class\n"
                                         "A,10,20,30,1\nA,10,20,30,0\nB,1e9,20,30,0\n"
                                         "C,10,20,30,0\nX,10,20,30,1\n");
    survey_tree(&v, &s, true);
    assert_int_equal(v.candidates[0], 3);
    assert_int_equal(v.candidates[1], 1);
    assert_int_equal(v.lists[LIST_CANDIDATES].rows_outside, 1); /* of C nobody knows */
    assert_int_equal(v.lists[LIST_CANDIDATES].rows_absent, 1);
    survey_release(&v);
}

static void a_bad_list_is_a_finding_and_hides_no_other(void **state)
{
    (void)state;
    struct settings s = {0};
    struct survey v;
    make_tree();
    s.dataset.annotations = temporary_text("annotations.csv", "seriesuid,coordX\nA,1\n");
    s.dataset.seriesuids = temporary_text("seriesuids.csv", "A\nB\nC\n");
    survey_tree(&v, &s, true);
    assert_non_null(strstr(v.lists[LIST_NODULES].error, "annotations.csv"));
    assert_int_equal(v.lists[LIST_SERIES].scans_here, 3);
    assert_int_equal(survey_exit_code(&v), 2);
    survey_release(&v);
}

#define IN_FOLDER(test)                                                                  \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quartiles_lie_linearly_between_the_values),
        cmocka_unit_test(a_bound_belongs_to_the_thinner_slices_and_to_the_larger_nodules),
        cmocka_unit_test(directions_are_told_apart_in_spite_of_rounding),
        IN_FOLDER(padding_is_no_hu),
        IN_FOLDER(a_scan_of_nothing_but_padding_has_no_hu),
        IN_FOLDER(broken_scans_are_counted_and_left_out_of_statistics),
        IN_FOLDER(listed_scans_are_here_elsewhere_or_missing),
        IN_FOLDER(what_an_absent_subset_may_hold_is_not_missing),
        IN_FOLDER(nodules_find_their_malignancy_by_place),
        IN_FOLDER(candidates_are_counted_by_class_where_their_scan_is),
        IN_FOLDER(a_bad_list_is_a_finding_and_hides_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
