#include "score_maker.h"

#include <jansson.h>

#include "score/assessment_files.h"
#include "temporary_folder.h"

static const char *const annotations = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
                                       "a,0,0,0,10\na,100,0,0,4\nb,0,0,0,6\nd,0,0,0,20\n";
static const char *const excluded = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
                                    "b,50,0,0,-1\n";
static const char *const malignancy =
    "seriesuid,coordX,coordY,coordZ,diameter_mm,mal_bool\n"
    "a,0,0,0,10,True\na,100,0,0,4,False\nb,0,0,0,6,False\nd,0,0,0,20,True\n";

static char *names[] = {"a", "b", "c", "d"};

static const struct book_candidate of_a[] = {
    {.xyz = {0, 0, 0}, .probability = .9, .malignancy = .8},
    {.xyz = {101, 0, 0}, .probability = .4, .malignancy = .1}};
static const struct book_candidate of_b[] = {
    {.xyz = {54, 0, 0}, .probability = .7, .malignancy = .5},
    {.xyz = {200, 0, 0}, .probability = .6, .malignancy = .5}};

struct example {
    struct evaluation e;
    struct nodule_list malignancy;
    struct assessed_scan scans[4];
    uint8_t losses[4];
    struct submission marks;
    struct assessment_input in;
    struct assessment a;
};

/* Scans a and b have results, c has none and no nodule, d failed. */
static void begin(struct example *x)
{
    struct error err = {0};
    const struct evaluation_paths paths = {
        .annotations = temporary_text("annotations.csv", annotations),
        .excluded = temporary_text("excluded.csv", excluded)};
    const struct evaluation_scope scope = {names, COUNT(names), false};
    *x = (struct example){0};
    if (evaluation_init_run(&x->e, &paths, &scope, &err) != STATUS_OK ||
        nodule_list_init(&x->malignancy, temporary_text("m.csv", malignancy), &err) ||
        submission_init(&x->marks,
                        temporary_text("submission.csv",
                                       "seriesuid,coordX,coordY,coordZ,probability\n"
                                       "a,0,0,0,.9\na,101,0,0,.4\nb,54,0,0,.7\n"
                                       "b,200,0,0,.6\n"),
                        &err))
        fail_msg("%s", err.message);
    evaluation_set_marks(&x->e, &x->marks);
    x->scans[0] = (struct assessed_scan){of_a, COUNT(of_a), true, 0, 0, 1.25, .8};
    x->scans[1] = (struct assessed_scan){of_b, COUNT(of_b), true, 1, 1, 2.5, .5};
    x->scans[2] = (struct assessed_scan){NULL, 0, true, 1, -1, 2.5, 0};
    x->scans[3] = (struct assessed_scan){NULL, 0, false, 0, -1, NAN, NAN};
    x->losses[0] = LOSS_NONE;
    x->losses[1] = LOSS_CLASSIFIER;
    x->losses[2] = LOSS_EROSION;
    x->losses[3] = LOSS_QUARANTINE;
    x->in = (struct assessment_input){.evaluation = &x->e,
                                      .scans = x->scans,
                                      .losses = x->losses,
                                      .malignancy = &x->malignancy,
                                      .thresholds = {.5, .5}};
    if (assessment_init(&x->a, &x->in, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

static void end(struct example *x)
{
    assessment_release(&x->a);
    evaluation_release(&x->e);
    nodule_list_release(&x->malignancy);
    submission_release(&x->marks);
}

static void folds_and_kinds_of_seen_are_scored_apart(void **state)
{
    (void)state;
    struct example x;
    begin(&x);
    const struct part *p = x.a.parts;
    assert_int_equal(x.a.part_count, 6);
    assert_true(p[0].kind == PART_ALL && p[0].scans == 4 && p[0].nodules == 4);
    assert_true(p[1].kind == PART_FOLD && p[1].label == 0 && p[1].scans == 2);
    assert_int_equal(p[1].nodules, 3);
    assert_int_equal(p[1].froc.counts.true_positives, 2);
    assert_true(p[2].label == 1 && p[2].scans == 2 && p[2].nodules == 1);
    assert_true(p[3].kind == PART_SEEN && p[3].label == -1 && p[3].scans == 1);
    assert_true(p[4].label == 0 && p[4].scans == 1 && p[5].label == 1);
    assert_true(x.a.seen_scans[0] == 1 && x.a.seen_scans[1] == 1 &&
                x.a.seen_scans[2] == 1);
    end(&x);
}

static void candidates_on_excluded_findings_alone_are_no_cases(void **state)
{
    (void)state;
    struct example x;
    begin(&x);
    const struct confusion *c = &x.a.confusion;
    assert_int_equal(x.a.candidates_excluded, 1); /* 4 mm off one without a diameter */
    assert_true(c->true_positives == 1 && c->false_negatives == 1);
    assert_true(c->false_positives == 1 && c->true_negatives == 0);
    assert_int_equal(x.a.calibration.count, 3);
    assert_true(x.a.candidates.area == .5);
    end(&x);
}

static void losses_sizes_and_slices_are_counted_once_a_nodule(void **state)
{
    (void)state;
    struct example x;
    begin(&x);
    assert_int_equal(x.a.losses[LOSS_NONE], 1);
    assert_int_equal(x.a.losses[LOSS_QUARANTINE], 1);
    int64_t by_size = 0, by_slices = 0, found = 0;
    for (int b = 0; b < STRATA_DIAMETER_EDGES - 1; b++) {
        by_size += x.a.by_diameter[b].found[6].of;
        found += x.a.by_diameter[b].found[6].count;
    }
    for (int b = 0; b < STRATA_THICKNESS_EDGES - 1; b++)
        by_slices += x.a.by_thickness[b].found[6].of;
    assert_true(by_size == 4 && found == 2);
    assert_int_equal(by_slices, 3); /* nothing is known of the slices of d */
    end(&x);
}

static void malignancy_is_held_against_the_diameter_on_the_same_nodules(void **state)
{
    (void)state;
    struct example x;
    begin(&x);
    const struct roc_difference *d = &x.a.malignancy;
    assert_true(d->a.positives == 1 && d->a.negatives == 1);
    assert_int_equal(x.a.malignancy_unjudged, 2);
    assert_true(d->a.area == 1 && d->b.area == 1);
    assert_true(x.a.patients.positives == 1 && x.a.patients.negatives == 2);
    assert_true(x.a.patients.area == 1);
    assert_int_equal(x.a.patients_unscored, 1);
    assert_int_equal(x.a.book.cells[TRUTH_MALIGNANT][FOUND_MALIGNANT], 1);
    assert_int_equal(x.a.book.cells[TRUTH_MALIGNANT][FOUND_MISSED], 1);
    assert_int_equal(x.a.book.cells[TRUTH_BENIGN][FOUND_FILTERED], 1);
    assert_int_equal(x.a.book.cells[TRUTH_NO_NODULE][FOUND_MALIGNANT], 2);
    end(&x);
}

static void the_json_can_be_read_and_says_null_where_nothing_is_known(void **state)
{
    (void)state;
    static const char *const missing[] = {"no list of nodules"};
    const struct assessment_notes notes = {
        .key = "0", .run_scans = 4, .missing = missing, .missing_count = 1};
    struct example x;
    struct error err;
    char *text;
    begin(&x);
    assert_int_equal(assessment_json(&x.in, &x.a, &notes, &text, &err), STATUS_OK);
    json_t *full = json_loads(text, 0, NULL);
    free(text);
    assert_int_equal(json_array_size(json_object_get(full, "folds")), 2);
    assert_int_equal(assessment_json(NULL, NULL, &notes, &text, &err), STATUS_OK);
    json_t *none = json_loads(text, 0, NULL);
    free(text);
    assert_int_equal(json_object_size(none), json_object_size(full));
    assert_true(json_is_null(json_object_get(none, "froc")));
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(none, "missing"), 0)),
        missing[0]);
    json_decref(full);
    json_decref(none);
    end(&x);
}

/* ---- which scans ---- */

static void assert_scope(bool whole, const char *list, size_t scans, size_t left_out,
                         size_t unlisted)
{
    struct evaluation e;
    struct error err = {0};
    const struct evaluation_paths paths = {
        .annotations = temporary_text("annotations.csv", annotations),
        .seriesuids = list ? temporary_text("seriesuids.csv", list) : ""};
    const struct evaluation_scope scope = {names, COUNT(names), whole};
    if (evaluation_init_run(&e, &paths, &scope, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.scan_count, scans);
    assert_int_equal(e.left_out, left_out);
    assert_int_equal(e.unlisted, unlisted);
    evaluation_release(&e);
}

static void the_list_decides_for_a_whole_run_and_is_narrowed_for_a_part(void **state)
{
    (void)state;
    assert_scope(true, "a\nb\nz\n", 3, 0, 2); /* z counts as an empty scan */
    assert_scope(false, "a\nb\nz\n", 2, 1, 2);
    assert_scope(false, "z\na\nb\nc\nd\na\n", 4, 1, 0);
    assert_scope(false, NULL, 4, 0, 0); /* no list: the scans of the run */
}

static void a_list_without_any_scan_of_the_run_is_refused(void **state)
{
    (void)state;
    struct evaluation e;
    struct error err = {0};
    const struct evaluation_paths paths = {
        .annotations = temporary_text("annotations.csv", annotations),
        .seriesuids = temporary_text("seriesuids.csv", "y\nz\n")};
    const struct evaluation_scope scope = {names, COUNT(names), false};
    assert_int_equal(evaluation_init_run(&e, &paths, &scope, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "names no scan of the run"));
    evaluation_release(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_and_kinds_of_seen_are_scored_apart),
        cmocka_unit_test(candidates_on_excluded_findings_alone_are_no_cases),
        cmocka_unit_test(losses_sizes_and_slices_are_counted_once_a_nodule),
        cmocka_unit_test(malignancy_is_held_against_the_diameter_on_the_same_nodules),
        cmocka_unit_test(the_json_can_be_read_and_says_null_where_nothing_is_known),
        cmocka_unit_test(the_list_decides_for_a_whole_run_and_is_narrowed_for_a_part),
        cmocka_unit_test(a_list_without_any_scan_of_the_run_is_refused),
    };
    return cmocka_run_group_tests(tests, temporary_folder_make, temporary_folder_remove);
}
