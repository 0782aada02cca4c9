#include "score_maker.h"

#include "base/random.h"
#include "score/roc.h"

enum { MOST = 400 };

static double scores[MOST], others[MOST];
static bool positive[MOST];

/* Cases with few distinct scores, so that many are tied. */
static struct roc_cases make(size_t count, uint64_t seed, uint64_t levels)
{
    struct random r = random_stream(seed, RANDOM_SAMPLE, 0, 0);
    for (size_t i = 0; i < count; i++) {
        positive[i] = random_chance(&r, .3);
        scores[i] = (double)(random_below(&r, levels) + positive[i] * levels / 3);
        others[i] = (double)(random_below(&r, levels) + positive[i] * levels / 5);
    }
    return (struct roc_cases){scores, positive, count};
}

static double order(double high, double low)
{
    return high > low ? 1 : high == low ? .5 : 0;
}

/* By the definition: mean over pairs, and over a case's pairs. */
static double area_by_pairs(const struct roc_cases *c, const double *s, double *placement)
{
    double sum = 0, kind[2] = {0};
    for (size_t i = 0; i < c->count; i++)
        kind[c->positive[i]]++;
    for (size_t i = 0; i < c->count; i++) {
        placement[i] = 0;
        for (size_t j = 0; j < c->count; j++)
            if (c->positive[i] != c->positive[j])
                placement[i] += c->positive[i] ? order(s[i], s[j]) : order(s[j], s[i]);
        sum += c->positive[i] ? placement[i] : 0;
        placement[i] /= kind[!c->positive[i]];
    }
    return sum / (kind[0] * kind[1]);
}

static double covariance_by_pairs(const struct roc_cases *c, const double *a,
                                  const double *b, double area_a, double area_b)
{
    double total = 0;
    for (int k = 0; k < 2; k++) {
        double sum = 0, n = 0;
        for (size_t i = 0; i < c->count; i++)
            if (c->positive[i] == (k == 1)) {
                sum += (a[i] - area_a) * (b[i] - area_b);
                n++;
            }
        total += sum / (n - 1) / n;
    }
    return total;
}

static struct roc_area area(const struct roc_cases *c)
{
    struct roc_area a;
    struct error err;
    assert_int_equal(roc_area_compute(c, &a, &err), STATUS_OK);
    return a;
}

static void the_area_is_the_share_of_pairs_in_order(void **state)
{
    (void)state;
    double placement[MOST];
    for (uint64_t seed = 1; seed < 30; seed++) {
        struct roc_cases c = make(20 + 10 * seed, seed, 2 + seed);
        struct roc_area a = area(&c);
        assert_true(a.area == area_by_pairs(&c, scores, placement));
        double v = covariance_by_pairs(&c, placement, placement, a.area, a.area);
        assert_true(fabs(a.upper - fmin(1, a.area + 1.959963984540054 * sqrt(v))) <
                    1e-12);
        assert_true(fabs(a.lower - fmax(0, a.area - 1.959963984540054 * sqrt(v))) <
                    1e-12);
    }
}

static void the_area_under_the_points_is_the_area(void **state)
{
    (void)state;
    struct roc_cases c = make(300, 5, 40);
    struct roc_point points[MOST + 1];
    size_t count;
    double sum = 0;
    struct error err;
    assert_int_equal(roc_curve(&c, points, &count, &err), STATUS_OK);
    assert_true(count < 100 && isinf(points[0].threshold));
    for (size_t i = 1; i < count; i++) {
        assert_true(points[i].threshold < points[i - 1].threshold);
        sum += (points[i].false_positive_rate - points[i - 1].false_positive_rate) *
               (points[i].true_positive_rate + points[i - 1].true_positive_rate) / 2;
    }
    assert_true(points[count - 1].false_positive_rate == 1 &&
                points[count - 1].true_positive_rate == 1);
    assert_true(fabs(sum - area(&c).area) < 1e-12);
}

static void perfect_and_constant_scores_are_one_and_a_half(void **state)
{
    (void)state;
    double up[] = {1, 2, 3, 4}, flat[] = {7, 7, 7, 7};
    bool truth[] = {false, false, true, true};
    struct roc_area a = area(&(struct roc_cases){up, truth, 4});
    assert_true(a.area == 1 && a.lower == 1 && a.upper == 1);
    a = area(&(struct roc_cases){flat, truth, 4});
    assert_true(a.area == .5);
}

static void one_kind_of_cases_has_no_area(void **state)
{
    (void)state;
    double s[] = {.1, .2, .3};
    bool yes[] = {true, true, true}, one[] = {true, false, false};
    assert_true(isnan(area(&(struct roc_cases){s, yes, 3}).area));
    assert_true(isnan(area(&(struct roc_cases){s, yes, 0}).area));
    struct roc_area a = area(&(struct roc_cases){s, one, 3});
    assert_true(a.area == 0 && isnan(a.lower) && isnan(a.upper));
}

static void a_score_that_is_no_number_is_an_error(void **state)
{
    (void)state;
    double s[] = {.1, NAN};
    bool truth[] = {true, false};
    struct roc_area a;
    struct error err;
    assert_int_equal(roc_area_compute(&(struct roc_cases){s, truth, 2}, &a, &err),
                     STATUS_STAGE_NUMERIC);
    assert_non_null(strstr(err.message, "score 1 of 2"));
}

static void two_scores_are_compared_on_the_same_cases(void **state)
{
    (void)state;
    double pa[MOST], pb[MOST];
    struct roc_cases c = make(200, 9, 30);
    struct roc_difference d;
    struct error err;
    assert_int_equal(roc_compare(&c, others, &d, &err), STATUS_OK);
    double a = area_by_pairs(&c, scores, pa), b = area_by_pairs(&c, others, pb);
    double v = covariance_by_pairs(&c, pa, pa, a, a) +
               covariance_by_pairs(&c, pb, pb, b, b) -
               2 * covariance_by_pairs(&c, pa, pb, a, b);
    assert_true(d.a.area == a && d.b.area == b && d.difference == a - b);
    assert_true(fabs(d.upper - d.difference - 1.959963984540054 * sqrt(v)) < 1e-12);
    assert_true(fabs(d.p - erfc(fabs(a - b) / sqrt(v) / sqrt(2))) < 1e-12);
    /* A score against itself, and against itself turned round. */
    assert_int_equal(roc_compare(&c, scores, &d, &err), STATUS_OK);
    assert_true(d.difference == 0 && d.p == 1);
    for (size_t i = 0; i < c.count; i++)
        others[i] = -scores[i];
    assert_int_equal(roc_compare(&c, others, &d, &err), STATUS_OK);
    assert_true(d.p < 1e-6 && fabs(d.a.area + d.b.area - 1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_area_is_the_share_of_pairs_in_order),
        cmocka_unit_test(the_area_under_the_points_is_the_area),
        cmocka_unit_test(perfect_and_constant_scores_are_one_and_a_half),
        cmocka_unit_test(one_kind_of_cases_has_no_area),
        cmocka_unit_test(a_score_that_is_no_number_is_an_error),
        cmocka_unit_test(two_scores_are_compared_on_the_same_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
