#include "score_maker.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "score/froc_files.h"
#include "temporary_folder.h"

static struct froc_result score(const struct scored_scan *scans, size_t count)
{
    struct froc_result r;
    struct error err = {0};
    if (froc_score(scans, count, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return r;
}

static void empty_scans_count_in_the_mean_of_false_positives(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, 10)};
    struct mark marks[] = {MARK(50, .9), MARK(0, .5)};
    struct scored_scan scans[8] = {{LAY(mark, marks), INCLUDED(nodules)}};
    struct froc_result r = score(scans, 8); /* 1 false positive in 8 scans: 0.125 */
    assert_true(r.sensitivity[0] == 1 && r.cpm == 1);
    froc_result_release(&r);
    r = score(scans, 4); /* 0.25 a scan: half of it buys nothing yet */
    assert_true(r.sensitivity[0] == 0 && r.sensitivity[1] == 1);
    froc_result_release(&r);
}

static void a_missed_nodule_stays_in_the_denominator(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, 10), FINDING(100, 10)};
    struct mark marks[] = {MARK(0, .5)};
    struct scored_scan scan = {LAY(mark, marks), INCLUDED(nodules)};
    struct froc_result r = score(&scan, 1);
    assert_true(r.cpm == .5 && froc_sensitivity(&r) == .5);
    assert_int_equal(r.event_count, 1);
    assert_true(isnan(r.nodules[1].probability) && r.nodules[1].mark == MATCH_MISSED);
    froc_result_release(&r);
}

static void nothing_marked_scores_zero_and_no_nodule_scores_nothing(void **state)
{
    (void)state;
    struct error err;
    struct nodule nodules[] = {FINDING(0, 10)};
    struct mark marks[] = {MARK(50, .9)};
    struct scored_scan silent = {INCLUDED(nodules)}, clean = {LAY(mark, marks)};
    struct froc_result r = score(&silent, 1);
    assert_true(r.cpm == 0);
    assert_int_equal(froc_bootstrap(&r, 20, 1, &err), STATUS_OK);
    assert_true(r.band.cpm.upper == 0);
    froc_result_release(&r);
    r = score(&clean, 1);
    assert_true(isnan(r.cpm) && froc_sensitivity(&r) == 0);
    assert_int_equal(froc_bootstrap(&r, 20, 1, &err), STATUS_OK);
    assert_int_equal(r.band.resamples, 0);
    froc_result_release(&r);
    assert_int_equal(froc_score(NULL, 0, &r, &err), STATUS_JOB_CONFIG);
    froc_result_release(&r);
}

static void readings_differ_where_the_curve_slopes(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, 10)};
    struct mark marks[] = {MARK(0, .5), MARK(50, .5)}; /* equal: from (0, 0) to (1, 1) */
    struct scored_scan scan = {LAY(mark, marks), INCLUDED(nodules)};
    struct froc_result r = score(&scan, 1);
    assert_true(r.readings[FROC_INTERPOLATED][1] == .25);
    assert_true(r.readings[FROC_ATTAINED][1] == 0);
    assert_true(fabs(r.readings[FROC_GRID][1] - .25) < .0004 &&
                r.readings[FROC_GRID][1] != .25);
    assert_true(fabs(r.cpm - (.125 + .25 + .5 + 4) / 7) < 1e-15);
    froc_result_release(&r);
}

static void the_order_of_marks_and_scans_does_not_matter(void **state)
{
    (void)state;
    enum { MARKS = 40 };
    struct nodule nodules[] = {FINDING(0, 10), FINDING(7, 10), FINDING(30, 6)};
    struct mark marks[MARKS], turned[MARKS];
    for (int i = 0; i < MARKS; i++)
        marks[i] = (struct mark)MARK(i, (i * 13 % 7) / 7.);
    for (int i = 0; i < MARKS; i++)
        turned[i] = marks[MARKS - 1 - i];
    struct scored_scan a[] = {{LAY(mark, marks), INCLUDED(nodules)}, {INCLUDED(nodules)}};
    struct scored_scan b[] = {{INCLUDED(nodules)},
                              {LAY(mark, turned), INCLUDED(nodules)}};
    struct froc_result r = score(a, 2), s = score(b, 2);
    assert_memory_equal(&r.counts, &s.counts, sizeof r.counts);
    assert_memory_equal(r.readings, s.readings, sizeof r.readings);
    froc_result_release(&r);
    froc_result_release(&s);
}

/* 1,000,000 marks, of which 900,000 lie in one scan. */
static void a_million_marks_are_scored(void **state)
{
    (void)state;
    enum { MARKS = 1000000, CROWDED = 900000, SCANS = 1001, EACH = 100 };
    struct mark *marks = calloc(MARKS, sizeof *marks);
    static struct scored_scan scans[SCANS];
    struct nodule nodules[] = {FINDING(.5, 10)};
    struct error err;
    assert_non_null(marks);
    for (size_t i = 0; i < MARKS; i++)
        marks[i] =
            (struct mark)MARK((double)(i % 200), (double)(i * 7919 % 1000003) / 1000003.);
    for (size_t i = 0; i < SCANS; i++) {
        scans[i] = (struct scored_scan){INCLUDED(nodules)};
        scans[i].marks = marks + (i ? CROWDED + (i - 1) * EACH : 0);
        scans[i].mark_count = i ? EACH : CROWDED;
    }
    double start = clock_seconds();
    struct froc_result r = score(scans, SCANS);
    assert_int_equal(froc_bootstrap(&r, 100, 1, &err), STATUS_OK);
    assert_int_equal(r.counts.marks, MARKS);
    assert_int_equal(r.counts.candidates, 100 + 1000 * EACH);
    assert_int_equal(r.counts.cut, CROWDED - 100);
    assert_true(clock_seconds() - start < 20); /* not quadratic, on any machine */
    froc_result_release(&r);
    free(marks);
}

/* ---- files ---- */

static const char annotations[] = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
                                  "one,0,0,0,10\none,1.5,-20.25,30.1,6\n"
                                  "two,5,5,5,8\nelsewhere,0,0,0,10\n";
static const char excluded[] = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
                               "two,100,100,100,-1\n";
static const char marks_text[] = "seriesuid,coordX,coordY,coordZ,probability\n"
                                 "one,1,0,0,0.9\none,60,0,0,0.8\ntwo,5,5,6,0.7\n"
                                 "two,101,100,100,0.99\nthree,0,0,0,0.2\n";

struct files {
    struct evaluation e;
    struct submission s;
};

/* Reads the lists and a submission; the message of what is refused is in *err. */
static enum status read_files(struct files *f, const char *list, const char *submission,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct evaluation_paths paths = {
        .annotations = temporary_text("annotations.csv", annotations),
        .excluded = temporary_text("excluded.csv", excluded),
        .seriesuids = temporary_text("seriesuids.csv", list),
    };
    f->s = (struct submission){0};
    TRY(evaluation_init(&f->e, &paths, err));
    TRY(submission_init(&f->s, temporary_text("submission.csv", submission), err));
    evaluation_set_marks(&f->e, &f->s);
out:
    return status;
}

static void release_files(struct files *f)
{
    submission_release(&f->s);
    evaluation_release(&f->e);
}

static struct froc_result score_files(struct files *f, const char *list,
                                      const char *submission)
{
    struct error err = {0};
    if (read_files(f, list, submission, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return score(f->e.scans, f->e.scan_count);
}

static void assert_refused(const char *list, const char *submission, const char *wanted)
{
    struct files f;
    struct error err = {0};
    assert_int_equal(read_files(&f, list, submission, &err), STATUS_JOB_CONFIG);
    if (!strstr(err.message, wanted))
        fail_msg("'%s' does not hold '%s'", err.message, wanted);
    release_files(&f);
}

static void the_list_decides_which_scans_count(void **state)
{
    (void)state;
    struct files f;
    struct froc_result r = score_files(&f, "two\none\nnone\n", marks_text);
    assert_int_equal(r.scan_count, 3);
    assert_int_equal(r.counts.nodules, 3);
    assert_int_equal(r.counts.true_positives, 2);
    assert_int_equal(r.counts.false_positives, 1);
    assert_int_equal(r.counts.excluded, 1);
    assert_int_equal(f.e.foreign_scans, 1);
    assert_int_equal(f.e.foreign_marks, 1);
    assert_string_equal(f.e.first_foreign, "three");
    assert_int_equal(f.e.with_marks, 2);
    assert_int_equal(f.e.unused_findings, 1);
    froc_result_release(&r);
    release_files(&f);
}

static void a_scan_listed_twice_counts_once(void **state)
{
    (void)state;
    struct files f, g;
    struct froc_result r = score_files(&f, "one\ntwo\none\none\n", marks_text);
    struct froc_result s = score_files(&g, "one\ntwo\n", marks_text);
    assert_int_equal(r.scan_count, 2);
    assert_int_equal(f.e.repeated, 2);
    assert_memory_equal(&r.counts, &s.counts, sizeof r.counts);
    assert_memory_equal(r.readings, s.readings, sizeof r.readings);
    froc_result_release(&r);
    froc_result_release(&s);
    release_files(&f);
    release_files(&g);
}

static void columns_quotes_and_line_ends_may_be_anything(void **state)
{
    (void)state;
    struct files f, g;
    struct froc_result r = score_files(&f, "one\ntwo\n", marks_text);
    struct froc_result s = score_files(
        &g, "\"one\"\r\ntwo\r\n",
        "probability,\"coordZ\",note,coordY,coordX,seriesuid\r\n"
        "0.9,0,\"a, b\",0,1,\"one\"\r\n\"0.8\",0,,0,60,one\r\n7e-1,6,,5,5,two\r\n"
        "0.99,100,,100,101,two\r\n.2,0,,0,0,three\r\n");
    assert_memory_equal(&r.counts, &s.counts, sizeof r.counts);
    assert_memory_equal(r.readings, s.readings, sizeof r.readings);
    froc_result_release(&r);
    froc_result_release(&s);
    release_files(&f);
    release_files(&g);
}

#define HEADER "seriesuid,coordX,coordY,coordZ,probability\n"

static void what_is_no_probability_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused("one\n", HEADER "one,0,0,0,1\none,0,0,0,nan\n", "csv:3: column prob");
    assert_refused("one\n", HEADER "one,0,0,0,NaN\n", "csv:2");
    assert_refused("one\n", HEADER "one,0,0,0,\n", "csv:2");
    assert_refused("one\n", HEADER "one,0,0,0,inf\n", "csv:2");
    assert_refused("one\n", HEADER "one,0,0,0,1.0000001\n", "between 0 and 1");
    assert_refused("one\n", HEADER "foreign,0,0,0,-0.1\n", "csv:2");
    assert_refused("one\n", HEADER "one,nan,0,0,1\n", "coordX");
    assert_refused("one\n", HEADER ",1,0,0,1\n", "seriesuid");
    assert_refused("one\n", "seriesuid,coordX,coordY,coordZ\n", "probability");
    assert_refused("one\n", "", "csv");
    assert_refused("", HEADER, "names no scan");
}

static char *content(const char *name)
{
    char *text;
    size_t bytes;
    struct error err = {0};
    if (file_read(temporary_path(name), 1 << 22, &text, &bytes, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return text;
}

static void assert_content(const char *name, const char *wanted)
{
    char *text = content(name);
    assert_string_equal(text, wanted);
    free(text);
}

static void files_are_those_of_the_script(void **state)
{
    (void)state;
    struct files f;
    struct error err = {0};
    struct froc_result r = score_files(&f, "two\none\nnone\n", marks_text);
    assert_int_equal(froc_bootstrap(&r, 50, 3, &err), STATUS_OK);
    if (froc_write(temporary_path("out"), "mine", &f.e, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_content("out/CADAnalysis.txt",
                   "\n************************************************************\n"
                   "CAD Analysis: mine\n"
                   "************************************************************\n\n"
                   "Candidate detection results:\n"
                   "    True positives: 2\n"
                   "    False positives: 1\n"
                   "    False negatives: 1\n"
                   "    True negatives: 0\n"
                   "    Total number of candidates: 4\n"
                   "    Total number of nodules: 3\n"
                   "    Ignored candidates on excluded nodules: 1\n"
                   "    Ignored candidates which were double detections on a nodule: 0\n"
                   "    Sensitivity: 0.666666667\n"
                   "    Average number of candidates per scan: 1.333333333\n");
    assert_content("out/froc_mine.txt", "0.000000000,0.000000000,1.900000000\n"
                                        "0.000000000,0.333333333,0.900000000\n"
                                        "0.333333333,0.333333333,0.800000000\n"
                                        "0.333333333,0.666666667,0.700000000\n");
    assert_content("out/nodulesWithoutCandidate_mine.txt",
                   "one,None,1.5,-20.25,30.1,6.000000000,-1\n");
    assert_content("out/froc_gt_prob_vectors_mine.csv",
                   "1,0.900000000\n1,-1000000000.000000000\n0,0.800000000\n"
                   "1,0.700000000\n");
    assert_content("out/froc.csv", "threshold,true_positives,false_positives,"
                                   "false_positives_per_scan,sensitivity\n"
                                   ",0,0,0.000000000,0.000000000\n"
                                   "0.9,1,0,0.000000000,0.333333333\n"
                                   "0.8,1,1,0.333333333,0.333333333\n"
                                   "0.7,2,1,0.333333333,0.666666667\n");
    char *band = content("out/froc_mine_bootstrapping.csv");
    static const char first[] =
        "FPrate,Sensivity[Mean],Sensivity[Lower bound],Sensivity[Upper bound]\n"
        "0.125000000,";
    assert_memory_equal(band, first, sizeof first - 1);
    free(band);
    froc_result_release(&r);
    release_files(&f);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
    (void)state;
    struct files f;
    struct error err = {0};
    char *text[2];
    for (int i = 0; i < 2; i++) {
        struct froc_result r = score_files(&f, "one\ntwo\nnone\n", marks_text);
        assert_int_equal(froc_bootstrap(&r, 50, 3, &err), STATUS_OK);
        assert_int_equal(froc_json("mine", &f.e, &r, &text[i], &err), STATUS_OK);
        froc_result_release(&r);
        release_files(&f);
    }
    assert_string_equal(text[0], text[1]);
    assert_non_null(strstr(text[0], "\"reading\": \"interpolated\""));
    free(text[0]);
    free(text[1]);
}

#define IN_FOLDER(test)                                                                  \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_scans_count_in_the_mean_of_false_positives),
        cmocka_unit_test(a_missed_nodule_stays_in_the_denominator),
        cmocka_unit_test(nothing_marked_scores_zero_and_no_nodule_scores_nothing),
        cmocka_unit_test(readings_differ_where_the_curve_slopes),
        cmocka_unit_test(the_order_of_marks_and_scans_does_not_matter),
        cmocka_unit_test(a_million_marks_are_scored),
        IN_FOLDER(the_list_decides_which_scans_count),
        IN_FOLDER(a_scan_listed_twice_counts_once),
        IN_FOLDER(columns_quotes_and_line_ends_may_be_anything),
        IN_FOLDER(what_is_no_probability_is_refused_with_its_line),
        IN_FOLDER(files_are_those_of_the_script),
        IN_FOLDER(the_same_input_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
