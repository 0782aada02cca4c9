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
    ok(pool_init(&p, scans, 3, &nodules, &candidates, false, &err));
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
    ok(pool_init(&p, scans, 2, &nodules, &candidates, false, &err));
    assert_int_equal(p.counts[LIST_NODULE], 1);
    assert_int_equal(p.places[LIST_NODULE][0].scan, 1);
    assert_int_equal(p.counts[LIST_NON_NODULE], 1);
    pool_release(&p);
    ok(pool_init(&p, scans, 2, NULL, NULL, true, &err));
    assert_int_equal(p.counts[LIST_NODULE] + p.counts[LIST_NON_NODULE], 0);
    pool_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listed_places_become_voxels_of_their_scan),
        cmocka_unit_test(a_scan_that_cannot_be_read_gives_nothing),
    };
    return cmocka_run_group_tests_name("train/pool", tests, lists_read, lists_released);
}
