/* What becomes of a finished scan on its way through the journal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/record.h"

enum { CANDIDATES = 5, MASK_BYTES = 7 };

static struct candidate candidates[CANDIDATES];
static struct disagreement disagreements[CANDIDATES];
static const uint8_t mask[MASK_BYTES] = {1, 2, 3, 4, 5, 6, 7};

static struct scan_result make_result(void)
{
    for (int i = 0; i < CANDIDATES; i++) {
        candidates[i] = (struct candidate){.xyz = {i % 2, i, 0},
                                           .voxels = i,
                                           .probability = (float)(i * 3 % CANDIDATES) / 8,
                                           .malignancy = NAN};
        disagreements[i] = (struct disagreement){candidates[i].probability / 2, (float)i};
    }
    return (struct scan_result){
        .head = {.candidate_count = CANDIDATES, .mask_bytes = MASK_BYTES},
        .candidates = candidates,
        .mask = mask};
}

/* Packs and takes apart; *payload is to be freed. */
static struct scan_result pass(const struct scan_result *r, void **payload, size_t *bytes)
{
    struct scan_result back;
    assert_int_equal(scan_result_pack(r, payload, bytes, NULL), STATUS_OK);
    scan_result_unpack(*payload, *bytes, &back);
    assert_int_equal(back.head.candidate_count, r->head.candidate_count);
    assert_memory_equal(back.candidates, candidates, sizeof candidates);
    assert_memory_equal(back.mask, mask, sizeof mask);
    return back;
}

static void without_an_ensemble_a_record_is_head_candidates_and_mask(void **state)
{
    (void)state;
    struct scan_result r = make_result();
    void *payload;
    size_t bytes;
    const struct scan_result back = pass(&r, &payload, &bytes);
    assert_int_equal(bytes, sizeof r.head + sizeof candidates + MASK_BYTES);
    assert_null(back.disagreements);
    assert_true(isnan(disagreement_of(&back, 2).probability));
    free(payload);
}

static void disagreements_of_an_ensemble_come_back_for_their_candidates(void **state)
{
    (void)state;
    struct scan_result r = make_result();
    void *payload, *again;
    size_t bytes;
    r.disagreements = disagreements;
    struct scan_result back = pass(&r, &payload, &bytes);
    for (int pass_again = 0; pass_again < 2; pass_again++) {
        for (int i = 0; i < CANDIDATES; i++) {
            const struct disagreement d = disagreement_of(&back, i);
            assert_memory_equal(&d, &disagreements[i], sizeof d);
        }
        back = pass(&back, &again, &bytes);
        free(payload);
        payload = again;
    }
    free(payload);
}

static void disagreements_are_sorted_with_their_candidates(void **state)
{
    (void)state;
    struct candidate plain[CANDIDATES];
    make_result();
    memcpy(plain, candidates, sizeof plain);
    candidates_sort(plain, CANDIDATES);
    assert_int_equal(candidates_sort_both(candidates, disagreements, CANDIDATES, NULL),
                     STATUS_OK);
    assert_memory_equal(plain, candidates, sizeof plain);
    for (int i = 0; i < CANDIDATES; i++) {
        assert_true(disagreements[i].probability == candidates[i].probability / 2);
        assert_true(disagreements[i].malignancy == (float)candidates[i].voxels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_ensemble_a_record_is_head_candidates_and_mask),
        cmocka_unit_test(disagreements_of_an_ensemble_come_back_for_their_candidates),
        cmocka_unit_test(disagreements_are_sorted_with_their_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
