/* Promise: what is trained on are the listed places of the scans given, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "temporary_folder.h"
#include "train/pool.h"

static struct error err;
static struct nodule_list nodules;
static struct candidate_list candidates;
static const struct pool_lists listed = {.nodules = &nodules, .candidates = &candidates};

static const struct geometry grid = {.size = {10, 20, 30},
                                     .spacing = {1, 2, 2.5},
                                     .origin = {-10, -20, -30},
                                     .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static int lists_read(void **state)
{
    static const char annotations[] =
        "seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool\n"
        "a,-5,-10,-20,5,True\n"
        "a,0,0,-10,6,False\n"
        "a,1000,0,0,6,False\n" /* outside */
        "b,-5,-10,-20,7,\n"    /* nobody judged it */
        "c,-5,-10,-20,8,True\n";
    static const char places[] = "seriesuid,coordX,coordY,coordZ,class\n"
                                 "a,-5,-10,-20,1\n"
                                 "a,-4.5,-9,-20,0\n"
                                 "b,-6,-12,-25,0\n"
                                 "b,-1000,-12,-25,0\n"
                                 "c,-6,-12,-25,0\n";
    if (temporary_folder_make(state))
        return -1;
    char *a = temporary_path("annotations.csv"), *c = temporary_path("candidates.csv");
    ok(file_write(a, annotations, sizeof annotations - 1, &err));
    ok(file_write(c, places, sizeof places - 1, &err));
    ok(nodule_list_init(&nodules, a, &err));
    ok(candidate_list_init(&candidates, c, &err));
    return 0;
}

static int lists_released(void **state)
{
    nodule_list_release(&nodules);
    candidate_list_release(&candidates);
    return temporary_folder_remove(state);
}

static void listed_places_become_voxels_of_their_scan(void **state)
{
    (void)state;
    struct pool p;
    const struct pool_scan scans[] = {{"a", &grid}, {"b", &grid}, {"none", &grid}};
    ok(pool_init(&p, scans, 3, &listed, false, &err));
    assert_int_equal(p.counts[LIST_NODULE], 3);
    assert_int_equal(p.counts[LIST_MALIGNANT], 1);
    assert_int_equal(p.counts[LIST_BENIGN], 1);
    assert_int_equal(p.counts[LIST_NON_NODULE], 2);
    assert_int_equal(p.outside, 2);
    const struct pool_place first = {0, {4, 5, 5}}, second = {0, {8, 10, 10}},
                            third = {1, {4, 5, 5}};
    assert_memory_equal(&p.places[LIST_NODULE][0], &first, sizeof first);
    assert_memory_equal(&p.places[LIST_NODULE][1], &second, sizeof second);
    assert_memory_equal(&p.places[LIST_NODULE][2], &third, sizeof third);
    assert_memory_equal(&p.places[LIST_MALIGNANT][0], &first, sizeof first);
    assert_memory_equal(&p.places[LIST_BENIGN][0], &second, sizeof second);
    /* ties to even: x -4.5 is voxel 5.5, y -9 is voxel 5.5 */
    const struct pool_place other = {0, {4, 6, 6}};
    assert_memory_equal(&p.places[LIST_NON_NODULE][0], &other, sizeof other);
    pool_release(&p);
}

static void a_scan_that_cannot_be_read_gives_nothing(void **state)
{
    (void)state;
    struct pool p;
    const struct pool_scan scans[] = {{"a", NULL}, {"c", &grid}};
    ok(pool_init(&p, scans, 2, &listed, false, &err));
    assert_int_equal(p.counts[LIST_NODULE], 1);
    assert_int_equal(p.places[LIST_NODULE][0].scan, 1);
    assert_int_equal(p.counts[LIST_NON_NODULE], 1);
    pool_release(&p);
    ok(pool_init(&p, scans, 2, &(struct pool_lists){.nodules = NULL}, true, &err));
    assert_int_equal(p.counts[LIST_NODULE] + p.counts[LIST_NON_NODULE], 0);
    pool_release(&p);
}

static void hard_negatives_are_what_lies_in_no_finding(void **state)
{
    (void)state;
    /* "a" has nodules of 5 mm at (-5, -10, -20) and of 6 mm at (0, 0, -10). */
    static const char found[] = "seriesuid,coordX,coordY,coordZ,probability\n"
                                "a,-5,-8,-20,0.5\n"   /* 2 mm from the first: inside */
                                "a,-5,-7.5,-20,0.5\n" /* 2.5 mm: on its edge */
                                "a,-8,-20,-30,0.9\n"  /* in an excluded finding */
                                "a,-4,-20,-10,0.1\n"  /* far from everything */
                                "a,900,0,0,0.1\n"     /* outside of the volume */
                                "c,-4,-20,-10,0.1\n"; /* of a scan that is not given */
    static const char others[] = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
                                 "a,-8,-20,-26,-1\n"; /* unmeasured: 10 mm */
    char *f = temporary_path("found.csv"), *o = temporary_path("others.csv");
    struct candidate_list places;
    struct nodule_list excluded;
    struct pool p;
    const struct pool_scan scans[] = {{"a", &grid}, {"b", &grid}};
    ok(file_write(f, found, sizeof found - 1, &err));
    ok(file_write(o, others, sizeof others - 1, &err));
    ok(place_list_init(&places, f, &err));
    ok(nodule_list_init(&excluded, o, &err));
    const struct pool_lists lists = {
        .nodules = &nodules, .found = &places, .findings = {NULL, &excluded}};
    ok(pool_init(&p, scans, 2, &lists, false, &err));
    assert_int_equal(p.found, 5);
    assert_int_equal(p.counts[LIST_HARD], 2);
    const struct pool_place edge = {0, {4, 6, 5}}, far = {0, {8, 0, 6}};
    assert_memory_equal(&p.places[LIST_HARD][0], &edge, sizeof edge);
    assert_memory_equal(&p.places[LIST_HARD][1], &far, sizeof far);
    assert_int_equal(p.counts[LIST_NON_NODULE], 0);
    pool_release(&p);
    nodule_list_release(&excluded);
    candidate_list_release(&places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listed_places_become_voxels_of_their_scan),
        cmocka_unit_test(hard_negatives_are_what_lies_in_no_finding),
        cmocka_unit_test(a_scan_that_cannot_be_read_gives_nothing),
    };
    return cmocka_run_group_tests_name("train/pool", tests, lists_read, lists_released);
}
