#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "ct/lists.h"
#include "temporary_folder.h"

_Static_assert(sizeof(struct listed_candidate) <= 20,
               "750,000 of them are held on a node");

static struct nodule_list nodules_of(const char *text)
{
    struct nodule_list l;
    struct error err = {0};
    if (nodule_list_init(&l, temporary_text("list.csv", text), &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return l;
}

static struct candidate_list candidates_of(const char *text)
{
    struct candidate_list l;
    struct error err = {0};
    if (candidate_list_init(&l, temporary_text("list.csv", text), &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return l;
}

static void assert_nodules_refused(const char *text, const char *wanted)
{
    struct nodule_list l;
    struct error err = {0};
    enum status status = nodule_list_init(&l, temporary_text("list.csv", text), &err);
    assert_int_equal(status, STATUS_JOB_CONFIG);
    if (!strstr(err.message, wanted))
        fail_msg("'%s' does not hold '%s'", err.message, wanted);
    assert_int_equal(l.row_count, 0);
    nodule_list_release(&l);
}

static void assert_candidates_refused(const char *text, const char *wanted)
{
    struct candidate_list l;
    struct error err = {0};
    enum status status = candidate_list_init(&l, temporary_text("list.csv", text), &err);
    assert_int_equal(status, STATUS_JOB_CONFIG);
    if (!strstr(err.message, wanted))
        fail_msg("'%s' does not hold '%s'", err.message, wanted);
    assert_int_equal(l.row_count, 0);
    candidate_list_release(&l);
}

static void rows_of_a_scan_stand_together_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct candidate_list l = candidates_of("seriesuid,coordX,coordY,coordZ,class\n"
                                            "b,1,2,3,0\n"
                                            "a,4,5,6,1\n"
                                            "b,7,8,9,1\n"
                                            "A,10,11,12,0\n"
                                            "a,1,1,1,0\n"
                                            "b,0,0,0,0\n");
    static const char *const seriesuids[] = {"A", "a", "b"};
    static const float x[] = {10, 4, 1, 1, 7, 0};
    static const bool nodule[] = {false, true, false, false, true, false};
    static const size_t starts[] = {0, 1, 3, 6};
    assert_int_equal(l.series_count, 3);
    assert_int_equal(l.row_count, 6);
    for (size_t i = 0; i < 3; i++) {
        size_t first, count;
        assert_string_equal(l.seriesuids[i], seriesuids[i]);
        candidate_list_find(&l, seriesuids[i], &first, &count);
        assert_int_equal(first, starts[i]);
        assert_int_equal(count, starts[i + 1] - starts[i]);
    }
    assert_memory_equal(l.starts, starts, sizeof starts);
    for (size_t i = 0; i < 6; i++) {
        assert_true(l.rows[i].xyz[0] == x[i]);
        assert_int_equal(l.rows[i].nodule, nodule[i]);
    }
    candidate_list_release(&l);
}

static void a_scan_in_no_list_has_no_rows(void **state)
{
    (void)state;
    size_t first = 9, count = 9;
    struct nodule_list l =
        nodules_of("seriesuid,coordX,coordY,coordZ,diameter_mm\nb,1,2,3,4\n");
    nodule_list_find(&l, "a", &first, &count);
    assert_int_equal(count, 0);
    nodule_list_find(&l, "c", &first, &count);
    assert_int_equal(count, 0);
    nodule_list_find(&l, "b", &first, &count);
    assert_int_equal(count, 1);
    nodule_list_release(&l);

    l = nodules_of("seriesuid,coordX,coordY,coordZ,diameter_mm\n");
    assert_int_equal(l.row_count, 0);
    assert_int_equal(l.starts[0], 0);
    nodule_list_find(&l, "b", &first, &count);
    assert_int_equal(count, 0);
    nodule_list_release(&l);
}

static void thousands_of_scans_in_any_order_are_all_found(void **state)
{
    (void)state;
    enum { SCANS = 5000, ROUNDS = 3 };
    const char *path = temporary_path("many.csv");
    FILE *f = fopen(path, "w");
    fputs("class,coordZ,coordY,coordX,seriesuid\n", f);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < SCANS;
             i++) /* 1237 and 5000 share no factor: each scan once */
            fprintf(f, "0,0,%d,%d,1.2.%d\n", round, i * 1237 % SCANS, i * 1237 % SCANS);
    fclose(f);
    struct candidate_list l;
    assert_int_equal(candidate_list_init(&l, path, NULL), STATUS_OK);
    assert_int_equal(l.series_count, SCANS);
    assert_int_equal(l.row_count, SCANS * ROUNDS);
    for (int i = 0; i < SCANS; i++) {
        char seriesuid[20];
        size_t first, count;
        snprintf(seriesuid, sizeof seriesuid, "1.2.%d", i);
        candidate_list_find(&l, seriesuid, &first, &count);
        assert_int_equal(count, ROUNDS);
        for (int round = 0; round < ROUNDS; round++) {
            assert_true(l.rows[first + (size_t)round].xyz[0] == (float)i);
            assert_true(l.rows[first + (size_t)round].xyz[1] == (float)round);
        }
    }
    for (size_t i = 1; i < l.series_count; i++)
        assert_true(strcmp(l.seriesuids[i - 1], l.seriesuids[i]) < 0);
    candidate_list_release(&l);
}

static void malignancy_is_known_or_said_to_be_unknown(void **state)
{
    (void)state;
    struct nodule_list l =
        nodules_of("seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool,mal_details\n"
                   "a,1,2,3,4,True,\"[4, 2, 4, 2]\"\n"
                   "a,1,2,3,4,False,\"[1]\"\n"
                   "a,1,2,3,4,1,\n"
                   "a,1,2,3,4,0,\n"
                   "a,1,2,3,4,true,\n"
                   "a,1,2,3,4,FALSE,\n"
                   "a,1,2,3,4,,\n");
    static const int wanted[] = {1, 0, 1, 0, 1, 0, -1};
    assert_int_equal(l.row_count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(l.rows[i].malignant, wanted[i]);
    nodule_list_release(&l);

    l = nodules_of("seriesuid,coordX,coordY,coordZ,diameter_mm\na,1,2,3,4\n");
    assert_int_equal(l.rows[0].malignant, -1);
    nodule_list_release(&l);
}

static void a_diameter_that_was_not_measured_is_kept(void **state)
{
    (void)state;
    struct nodule_list l = nodules_of("seriesuid,coordX,coordY,coordZ,diameter_mm\r\n"
                                      "a,-128.6994211,-175.3192718,-298.3875064,-1\r\n");
    assert_true(l.rows[0].diameter_mm == -1);
    assert_true(l.rows[0].xyz[0] == -128.6994211);
    assert_true(l.rows[0].xyz[1] == -175.3192718);
    assert_true(l.rows[0].xyz[2] == -298.3875064);
    nodule_list_release(&l);
}

static void a_row_that_cannot_be_read_is_named(void **state)
{
    (void)state;
#define NODULES "seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool\na,1,2,3,4,True\n"
#define CANDIDATES "seriesuid,coordX,coordY,coordZ,class\na,1,2,3,0\n"
    assert_nodules_refused(NODULES "a,left,2,3,4,True\n",
                           "list.csv:3: column coordX: 'left' is not a finite number");
    assert_nodules_refused(NODULES "a,1,nan,3,4,True\n", ":3: column coordY: 'nan'");
    assert_nodules_refused(NODULES "a,1,2,,4,True\n", ":3: column coordZ: ''");
    assert_nodules_refused(NODULES "a,1,2,3,inf,True\n", ":3: column diameter_mm: 'inf'");
    assert_nodules_refused(NODULES "a,1,2,3,4,maybe\n", ":3: column mal_bool: 'maybe'");
    assert_nodules_refused(NODULES ",1,2,3,4,True\n", ":3: column seriesuid: ''");
    assert_nodules_refused(NODULES "\n\na,1,2\n", ":5: 3 fields where 6 are wanted");
    assert_nodules_refused("seriesuid,coordX,coordY,coordZ\n", "no column diameter_mm");
    assert_candidates_refused(CANDIDATES "a,1,2,3,2\n",
                              ":3: column class: '2' is not 0 or 1");
    assert_candidates_refused(CANDIDATES "a,1,2,3,\n", ":3: column class: ''");
    assert_candidates_refused(CANDIDATES "a,1,2,3,yes\n", ":3: column class: 'yes'");
    assert_candidates_refused(CANDIDATES "a,1e300,2,3,0\n", ":3: column coordX: '1e300'");
    assert_candidates_refused(CANDIDATES "a,-128,7,-175,3,0\n",
                              ":3: more fields than the 5");
    assert_candidates_refused("", "empty");
}

static void a_missing_list_is_named(void **state)
{
    (void)state;
    struct nodule_list l;
    struct error err = {0};
    assert_int_equal(nodule_list_init(&l, temporary_path("none.csv"), &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "none.csv: No such file"));
    nodule_list_release(&l);
}

static void seriesuids_are_sorted_and_duplicates_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {"c\r\na\r\n\r\nb\r\na\r\n",
                                        "seriesuid\nc\na\nb\na"};
    for (size_t i = 0; i < 2; i++) {
        struct series_list l;
        struct error err = {0};
        assert_int_equal(series_list_init(&l, temporary_text("s.csv", texts[i]), &err),
                         STATUS_OK);
        assert_int_equal(l.count, 4);
        assert_string_equal(l.seriesuids[0], "a");
        assert_string_equal(l.seriesuids[1], "a");
        assert_string_equal(l.seriesuids[2], "b");
        assert_string_equal(l.seriesuids[3], "c");
        series_list_release(&l);
    }
}

static void as_many_candidates_as_luna16_lists_take_a_moment(void **state)
{
    (void)state;
    enum { SCANS = 888, EACH = 850 };
    const char *path = temporary_path("candidates_V2.csv");
    FILE *f = fopen(path, "w");
    fputs("seriesuid,coordX,coordY,coordZ,class\n", f);
    for (int s = 0; s < SCANS; s++)
        for (int i = 0; i < EACH; i++)
            fprintf(f, "1.3.6.1.4.1.14519.5.2.1.6279.6001.%030d,%.2f,%.6f,-%d.25,%d\n",
                    s * 7919, i * 0.37 - 150, i * 0.251 - 100, i, i % 500 == 0);
    fclose(f);
    struct candidate_list l;
    double start = clock_seconds();
    assert_int_equal(candidate_list_init(&l, path, NULL), STATUS_OK);
    printf("%zu candidates in %.2f s\n", l.row_count, clock_seconds() - start);
    assert_int_equal(l.row_count, SCANS * EACH);
    assert_int_equal(l.series_count, SCANS);
    candidate_list_release(&l);
}

static void the_lists_of_luna16_are_read_whole(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t rows;
    } lists[] = {{"annotations.csv", 1186},
                 {"annotations_excluded.csv", 35192},
                 {"annotations_with_malignancy.csv", 1182}};
    const char *data = getenv("PULMO_TEST_DATA");
    char path[600];
    snprintf(path, sizeof path, "%s/luna16/seriesuids.csv", data ? data : "");
    if (!data || !file_exists(path)) {
        printf("skipped: the lists of LUNA16 are not in PULMO_TEST_DATA\n");
        skip();
    }
    struct series_list series;
    assert_int_equal(series_list_init(&series, path, NULL), STATUS_OK);
    assert_int_equal(series.count, 888);
    for (size_t i = 0; i < 3; i++) {
        struct nodule_list l;
        size_t malignant = 0, unknown = 0, first, count, in_series = 0;
        snprintf(path, sizeof path, "%s/luna16/%s", data, lists[i].name);
        assert_int_equal(nodule_list_init(&l, path, NULL), STATUS_OK);
        assert_int_equal(l.row_count, lists[i].rows);
        for (size_t k = 0; k < l.row_count; k++) {
            malignant += l.rows[k].malignant == 1;
            unknown += l.rows[k].malignant == -1;
        }
        assert_int_equal(malignant, i == 2 ? 378 : 0);
        assert_int_equal(unknown, i == 2 ? 0 : l.row_count);
        for (size_t k = 0; k < series.count; k++) {
            nodule_list_find(&l, series.seriesuids[k], &first, &count);
            in_series += count;
        }
        assert_int_equal(in_series, l.row_count);
        nodule_list_release(&l);
    }
    series_list_release(&series);
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_of_a_scan_stand_together_in_the_order_of_the_file),
        TEST(a_scan_in_no_list_has_no_rows),
        TEST(thousands_of_scans_in_any_order_are_all_found),
        TEST(malignancy_is_known_or_said_to_be_unknown),
        TEST(a_diameter_that_was_not_measured_is_kept),
        TEST(a_row_that_cannot_be_read_is_named),
        TEST(a_missing_list_is_named),
        TEST(seriesuids_are_sorted_and_duplicates_kept),
        TEST(as_many_candidates_as_luna16_lists_take_a_moment),
        TEST(the_lists_of_luna16_are_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
