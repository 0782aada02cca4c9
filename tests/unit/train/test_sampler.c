/* Promise: the samples of an epoch are those of the book's schemes, in an order of their
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "train/sampler.h"

static struct error err;

static struct sampler make(enum sampler_scheme scheme, uint64_t ratio)
{
    struct sampler s;
    struct sampler_options o = {
        .scheme = scheme, .ratio = ratio, .seed = 4, .counts = {30, 70, 10, 20}};
    assert_int_equal(sampler_init(&s, &o, &err), STATUS_OK);
    return s;
}

static void every_third_is_a_nodule_at_ratio_two(void **state)
{
    (void)state;
    struct sampler s = make(SAMPLER_BALANCED, 2);
    int nodules[30] = {0}, others[70] = {0};
    for (uint64_t n = 0; n < 90; n++) {
        struct sample x = sampler_at(&s, n);
        assert_int_equal(x.list, n % 3 ? LIST_NON_NODULE : LIST_NODULE);
        (x.list == LIST_NODULE ? nodules : others)[x.entry]++;
    }
    for (int i = 0; i < 30; i++)
        assert_int_equal(nodules[i], 1);
    int twice = 0;
    for (int i = 0; i < 70; i++) { /* 60 of 70 before any comes again */
        assert_true(others[i] <= 1);
        twice += others[i];
    }
    assert_int_equal(twice, 60);
}

static void malignancy_takes_half_malignant_a_quarter_each_other(void **state)
{
    (void)state;
    struct sampler s = make(SAMPLER_MALIGNANCY, 0);
    for (uint64_t n = 0; n < 400; n++) {
        enum sampler_list list = n % 2        ? LIST_MALIGNANT
                                 : n % 4 == 0 ? LIST_BENIGN
                                              : LIST_NON_NODULE;
        struct sample x = sampler_at(&s, n);
        assert_int_equal(x.list, list);
        assert_true(x.entry < s.options.counts[list]);
    }
}

static void without_non_nodules_malignant_and_benign_take_turns(void **state)
{
    (void)state;
    struct sampler s;
    const struct sampler_options o = {
        .scheme = SAMPLER_MALIGNANT, .seed = 4, .counts = {30, 0, 10, 20}};
    int seen[SAMPLER_LISTS][20] = {{0}};
    assert_int_equal(sampler_init(&s, &o, &err), STATUS_OK);
    for (uint64_t n = 0; n < 40; n++) {
        const struct sample x = sampler_at(&s, n);
        assert_int_equal(x.list, n % 2 ? LIST_MALIGNANT : LIST_BENIGN);
        seen[x.list][x.entry]++;
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(seen[LIST_BENIGN][i], 1);
        assert_int_equal(seen[LIST_MALIGNANT][i], i < 10 ? 2 : 0);
    }
}

static void the_natural_order_takes_each_once(void **state)
{
    (void)state;
    struct sampler s = make(SAMPLER_NATURAL, 0);
    int seen[2][70] = {{0}};
    for (uint64_t n = 0; n < 100; n++) {
        struct sample x = sampler_at(&s, n);
        seen[x.list][x.entry]++;
    }
    for (int i = 0; i < 70; i++) {
        assert_int_equal(seen[LIST_NON_NODULE][i], 1);
        assert_int_equal(seen[LIST_NODULE][i], i < 30);
    }
}

static void an_epoch_has_its_own_order_and_can_be_gone_back_to(void **state)
{
    (void)state;
    struct sampler s = make(SAMPLER_BALANCED, 1);
    uint64_t first[60];
    int same = 0;
    for (uint64_t n = 0; n < 60; n++)
        first[n] = sampler_at(&s, n).entry;
    sampler_turn(&s, 1);
    for (uint64_t n = 0; n < 60; n++)
        same += sampler_at(&s, n).entry == first[n];
    assert_true(same < 10);
    sampler_turn(&s, 0);
    for (uint64_t n = 60; n-- > 0;)
        assert_int_equal(sampler_at(&s, n).entry, first[n]);
}

static void a_share_of_the_negatives_is_hard(void **state)
{
    (void)state;
    struct sampler s;
    const struct sampler_options o = {.scheme = SAMPLER_BALANCED,
                                      .ratio = 1,
                                      .hard_share = 0.25,
                                      .seed = 4,
                                      .counts = {30, 70, 0, 0, 10}};
    int others[70] = {0}, hard[10] = {0};
    assert_int_equal(sampler_init(&s, &o, &err), STATUS_OK);
    for (uint64_t n = 0; n < 80; n++) {
        struct sample x = sampler_at(&s, n);
        if (n % 2 == 0)
            assert_int_equal(x.list, LIST_NODULE);
        else /* every fourth negative */
            assert_int_equal(x.list, n % 8 == 7 ? LIST_HARD : LIST_NON_NODULE);
        others[x.list == LIST_NON_NODULE ? x.entry : 0] += x.list == LIST_NON_NODULE;
        hard[x.list == LIST_HARD ? x.entry : 0] += x.list == LIST_HARD;
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(hard[i], 1);
    for (int i = 0; i < 70; i++)
        assert_true(others[i] <= 1);
}

static void without_hard_negatives_their_share_changes_nothing(void **state)
{
    (void)state;
    struct sampler plain = make(SAMPLER_BALANCED, 3), shared;
    struct sampler_options o = plain.options;
    o.hard_share = 0.5;
    assert_int_equal(sampler_init(&shared, &o, &err), STATUS_OK);
    for (uint64_t n = 0; n < 200; n++) {
        const struct sample a = sampler_at(&plain, n), b = sampler_at(&shared, n);
        assert_int_equal(a.list, b.list);
        assert_int_equal(a.entry, b.entry);
    }
}

static void an_empty_list_is_refused_by_name(void **state)
{
    (void)state;
    struct sampler s;
    struct sampler_options o = {
        .scheme = SAMPLER_MALIGNANCY, .seed = 4, .counts = {30, 70, 10, 0}};
    assert_int_equal(sampler_init(&s, &o, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "benign nodules"));
    o.scheme = SAMPLER_NODULES;
    assert_int_equal(sampler_init(&s, &o, &err), STATUS_OK);
    o.counts[LIST_NODULE] = 0;
    assert_int_equal(sampler_init(&s, &o, &err), STATUS_JOB_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_third_is_a_nodule_at_ratio_two),
        cmocka_unit_test(malignancy_takes_half_malignant_a_quarter_each_other),
        cmocka_unit_test(without_non_nodules_malignant_and_benign_take_turns),
        cmocka_unit_test(the_natural_order_takes_each_once),
        cmocka_unit_test(an_epoch_has_its_own_order_and_can_be_gone_back_to),
        cmocka_unit_test(a_share_of_the_negatives_is_hard),
        cmocka_unit_test(without_hard_negatives_their_share_changes_nothing),
        cmocka_unit_test(an_empty_list_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("train/sampler", tests, NULL, NULL);
}
