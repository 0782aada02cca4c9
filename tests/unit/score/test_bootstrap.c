#include "score_maker.h"

#include "score/bootstrap.h"

enum { SCANS = 40, EVENTS = 4 * SCANS, RESAMPLES = 200 };

static struct event events[EVENTS];
static struct scan_totals totals[SCANS];

/* Scans of 3 false positives and a nodule; every fourth nodule is missed. */
static struct curve_input example(void)
{
    size_t n = 0;
    for (uint32_t i = 0; i < SCANS; i++) {
        totals[i] = (struct scan_totals){.hits = i % 4 > 0, .falses = 3, .nodules = 1};
        for (uint32_t k = 0; k < 3; k++)
            events[n++] =
                (struct event){.probability = (i * 7 + k * 31) % 101 / 101., .scan = i};
        if (i % 4 > 0)
            events[n++] = (struct event){
                .probability = (50 + i) % 101 / 101., .scan = i, .hit = true};
    }
    curve_sort(events, n);
    return (struct curve_input){events, totals, n, SCANS};
}

static void fill(struct bootstrap_rows *rows, size_t parts)
{
    struct curve_input input = example();
    struct error err;
    assert_int_equal(bootstrap_rows_init(rows, RESAMPLES, &err), STATUS_OK);
    for (size_t k = parts; k-- > 0;) { /* the last part first */
        size_t first = k * RESAMPLES / parts, end = (k + 1) * RESAMPLES / parts;
        assert_int_equal(bootstrap_fill(rows, &input, 7, first, end - first, &err),
                         STATUS_OK);
    }
}

static void resamples_shared_out_over_ranks_are_the_same_bits(void **state)
{
    (void)state;
    struct bootstrap_rows one, three;
    fill(&one, 1);
    fill(&three, 3);
    assert_memory_equal(one.grid, three.grid,
                        RESAMPLES * BOOTSTRAP_GRID * sizeof *one.grid);
    assert_memory_equal(one.summary, three.summary,
                        RESAMPLES * BOOTSTRAP_SUMMARY * sizeof *one.summary);
    bootstrap_rows_release(&one);
    bootstrap_rows_release(&three);
}

static void a_resample_draws_as_many_scans_as_there_are(void **state)
{
    (void)state;
    struct curve_input input = example();
    uint32_t weights[SCANS], again[SCANS];
    size_t different = 0;
    for (uint64_t i = 0; i < 50; i++) {
        size_t sum = 0;
        bootstrap_weights(&input, 7, i, weights);
        bootstrap_weights(&input, 8, i, again);
        for (size_t k = 0; k < SCANS; k++)
            sum += weights[k];
        assert_int_equal(sum, SCANS);
        different += memcmp(weights, again, sizeof weights) != 0;
    }
    assert_int_equal(different, 50); /* another seed draws others */
}

static void a_resample_without_a_nodule_is_drawn_again(void **state)
{
    (void)state;
    static struct scan_totals lonely[SCANS];
    lonely[3].nodules = 1;
    struct curve_input input = {.scans = lonely, .scan_count = SCANS};
    uint32_t weights[SCANS];
    for (uint64_t i = 0; i < 50; i++) {
        bootstrap_weights(&input, 1, i, weights);
        assert_true(weights[3] > 0);
    }
}

static int ascending(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void bounds_are_the_sorted_values_at_their_places(void **state)
{
    (void)state;
    double values[1000], sorted[1000];
    for (size_t n = 1; n <= 1000; n += n < 130 ? 1 : 97) {
        for (size_t i = 0; i < n; i++)
            sorted[i] = values[i] = (double)(i * 7919 % 1000 / (n % 3 ? 1 : 50));
        qsort(sorted, n, sizeof *sorted, ascending);
        struct interval found = bootstrap_interval(values, n);
        assert_true(found.lower == sorted[n * 25 / 1000]);
        assert_true(found.upper == sorted[n * 975 / 1000]);
    }
}

static void the_band_holds_the_curve_and_the_points(void **state)
{
    (void)state;
    struct bootstrap_rows rows;
    struct bootstrap_band band;
    struct error err;
    fill(&rows, 1);
    assert_int_equal(bootstrap_band_init(&band, &rows, 7, &err), STATUS_OK);
    for (size_t i = 0; i < BOOTSTRAP_GRID; i++)
        assert_true(band.grid[i].lower <= band.grid[i].upper);
    for (size_t i = 1; i < BOOTSTRAP_GRID; i++) /* curves rise, and so does the band */
        assert_true(band.grid[i - 1].lower <= band.grid[i].lower &&
                    band.grid[i - 1].mean <= band.grid[i].mean + 1e-12 &&
                    band.grid[i - 1].upper <= band.grid[i].upper);
    /* The first and the last point of the grid are two of the seven. */
    assert_true(fabs(band.grid[0].lower - band.points[0].lower) < 1e-6);
    assert_true(fabs(band.grid[BOOTSTRAP_GRID - 1].upper - band.points[6].upper) < 1e-6);
    assert_true(band.cpm.lower < band.cpm.mean && band.cpm.mean < band.cpm.upper);
    bootstrap_band_release(&band);
    bootstrap_rows_release(&rows);
}

static void scans_without_nodules_are_refused(void **state)
{
    (void)state;
    static struct scan_totals empty[2];
    struct curve_input input = {.scans = empty, .scan_count = 2};
    struct bootstrap_rows rows;
    struct error err;
    assert_int_equal(bootstrap_rows_init(&rows, 2, &err), STATUS_OK);
    assert_int_equal(bootstrap_fill(&rows, &input, 1, 0, 2, &err), STATUS_JOB_FAILED);
    bootstrap_rows_release(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resamples_shared_out_over_ranks_are_the_same_bits),
        cmocka_unit_test(a_resample_draws_as_many_scans_as_there_are),
        cmocka_unit_test(a_resample_without_a_nodule_is_drawn_again),
        cmocka_unit_test(bounds_are_the_sorted_values_at_their_places),
        cmocka_unit_test(the_band_holds_the_curve_and_the_points),
        cmocka_unit_test(scans_without_nodules_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
