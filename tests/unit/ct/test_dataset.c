#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "ct/dataset.h"
#include "temporary_folder.h"

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(temporary_path(name), 0755), 0);
}

/* A file that holds nothing but so many bytes: a dataset looks no deeper. */
static void make_file(const char *name, size_t bytes)
{
    char *data = calloc(1, bytes + 1);
    temporary_file(name, data, bytes);
    free(data);
}

static void make_scan(const char *folder, const char *seriesuid)
{
    char name[300];
    snprintf(name, sizeof name, "%s/%s.mhd", folder, seriesuid);
    make_file(name, 10);
    snprintf(name, sizeof name, "%s/%s.raw", folder, seriesuid);
    make_file(name, 100);
}

static struct dataset dataset_of(const char *root, const bool *subsets)
{
    struct dataset d;
    struct error err = {0};
    if (dataset_init(&d, root, subsets, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return d;
}

static void assert_refused(const char *root, const bool *subsets, const char *wanted)
{
    struct dataset d;
    struct error err = {0};
    assert_int_equal(dataset_init(&d, root, subsets, &err), STATUS_JOB_CONFIG);
    if (!strstr(err.message, wanted))
        fail_msg("'%s' does not hold '%s'", err.message, wanted);
    dataset_release(&d);
}

static void a_luna16_tree_is_listed_by_seriesuid(void **state)
{
    (void)state;
    make_folder("subset0");
    make_folder("subset3");
    make_folder("subset9");
    make_folder("subset10");
    make_folder("seg-lungs-LUNA16");
    make_scan("subset9", "1.2.1");
    make_scan("subset0", "1.2.30");
    make_scan("subset0", "1.2.4");
    make_scan("subset10", "1.2.5");
    make_scan("seg-lungs-LUNA16", "1.2.30");
    make_file("annotations.csv", 10);
    make_file("subset0/readme.txt", 10);
    struct dataset d = dataset_of(temporary_folder, NULL);
    assert_int_equal(d.count, 3);
    assert_int_equal(d.problem_count, 0);
    assert_true(d.has_subsets);
    assert_true(d.subset_present[0] && d.subset_present[3] && d.subset_present[9]);
    assert_false(d.subset_present[1]);
    assert_string_equal(d.scans[0].seriesuid, "1.2.1");
    assert_string_equal(d.scans[1].seriesuid, "1.2.30");
    assert_string_equal(d.scans[2].seriesuid, "1.2.4");
    assert_int_equal(d.scans[0].subset, 9);
    assert_int_equal(d.scans[1].subset, 0);
    assert_string_equal(d.scans[0].path, temporary_path("subset9/1.2.1.mhd"));
    assert_int_equal(d.scans[0].bytes, 110);
    for (size_t i = 0; i < d.count; i++)
        assert_int_equal(dataset_find(&d, d.scans[i].seriesuid), i);
    assert_int_equal(dataset_find(&d, "1.2.3"), -1);
    dataset_release(&d);
}

static void any_other_folder_is_one_subset(void **state)
{
    (void)state;
    make_file("b.mha", 10);
    make_file("a.nii.gz", 20);
    make_file("c.nii", 30);
    make_file("d.mhd", 1);
    make_file("d.zraw", 2);
    make_file("e.raw", 2);
    make_file("._b.mha", 2);
    make_folder("deeper");
    make_file("deeper/f.mha", 10);
    struct dataset d = dataset_of(temporary_folder, NULL);
    static const int64_t bytes[] = {20, 10, 30, 3};
    static const char *const seriesuids[] = {"a", "b", "c", "d"};
    assert_int_equal(d.count, 4);
    assert_false(d.has_subsets);
    assert_true(d.subset_present[0]);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(d.scans[i].seriesuid, seriesuids[i]);
        assert_int_equal(d.scans[i].bytes, bytes[i]);
        assert_int_equal(d.scans[i].subset, 0);
    }
    dataset_release(&d);
}

static void only_the_subsets_asked_for_are_listed(void **state)
{
    (void)state;
    const bool some[DATASET_SUBSETS] = {[1] = true, [2] = true, [5] = true};
    make_folder("subset0");
    make_folder("subset1");
    make_folder("subset2");
    make_scan("subset0", "a");
    make_scan("subset1", "b");
    struct dataset d = dataset_of(temporary_folder, some);
    assert_int_equal(d.count, 1);
    assert_string_equal(d.scans[0].seriesuid, "b");
    assert_true(d.subset_present[0]);
    assert_false(d.subset_present[5]);
    dataset_release(&d);
}

static void one_subset_is_left_of_a_listed_tree(void **state)
{
    (void)state;
    make_folder("subset0");
    make_folder("subset3");
    make_scan("subset3", "1.2.1");
    make_scan("subset0", "1.2.2");
    make_scan("subset3", "1.2.3");
    struct dataset d = dataset_of(temporary_folder, NULL);
    dataset_keep_subset(&d, 3);
    assert_int_equal(d.count, 2);
    assert_string_equal(d.scans[0].seriesuid, "1.2.1");
    assert_string_equal(d.scans[1].seriesuid, "1.2.3");
    assert_int_equal(dataset_find(&d, "1.2.2"), -1);
    dataset_keep_subset(&d, 4);
    assert_int_equal(d.count, 0);
    dataset_release(&d);
}

static void
of_two_volumes_of_one_name_the_first_is_kept_and_the_other_reported(void **state)
{
    (void)state;
    char wanted[1200];
    make_folder("subset2");
    make_folder("subset6");
    make_scan("subset6", "a");
    make_scan("subset2", "a");
    make_file("subset2/b.nii", 1);
    make_file("subset2/b.mha", 1);
    struct dataset d = dataset_of(temporary_folder, NULL);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.scans[0].subset, 2);
    assert_string_equal(d.scans[1].path, temporary_path("subset2/b.mha"));
    assert_int_equal(d.problem_count, 2);
    snprintf(wanted, sizeof wanted, "%s: the seriesuid of %s again, not used",
             temporary_path("subset6/a.mhd"), temporary_path("subset2/a.mhd"));
    assert_string_equal(d.problems[0].sentence, wanted);
    assert_string_equal(d.problems[0].seriesuid, "a");
    snprintf(wanted, sizeof wanted, "%s: the seriesuid of %s again, not used",
             temporary_path("subset2/b.nii"), temporary_path("subset2/b.mha"));
    assert_string_equal(d.problems[1].sentence, wanted);
    dataset_release(&d);
}

static void links_are_followed_and_paths_stay_as_written(void **state)
{
    (void)state;
    make_folder("store");
    make_folder("tree");
    make_scan("store", "a");
    make_folder("tree/subset1");
    assert_int_equal(symlink("../../store/a.mhd", temporary_path("tree/subset1/x.mhd")),
                     0);
    assert_int_equal(symlink("../../store/a.raw", temporary_path("tree/subset1/x.raw")),
                     0);
    assert_int_equal(symlink("../store", temporary_path("tree/subset4")), 0);
    assert_int_equal(symlink("tree", temporary_path("link")), 0);
    struct dataset d = dataset_of(temporary_path("link"), NULL);
    assert_int_equal(d.count, 2);
    assert_string_equal(d.scans[0].path, temporary_path("link/subset4/a.mhd"));
    assert_string_equal(d.scans[1].path, temporary_path("link/subset1/x.mhd"));
    assert_int_equal(d.scans[1].bytes, 110);
    dataset_release(&d);
}

static void a_dangling_link_is_a_scan_that_fails_later(void **state)
{
    (void)state;
    assert_int_equal(symlink("nowhere", temporary_path("a.mhd")), 0);
    struct dataset d = dataset_of(temporary_folder, NULL);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.scans[0].bytes, 0);
    dataset_release(&d);
}

static void what_is_left_out_is_said(void **state)
{
    (void)state;
    make_folder("subset0");
    make_scan("subset0", "a");
    make_folder("subset0/b.nii");
    make_scan(".", "stray");
    struct dataset d = dataset_of(temporary_folder, NULL);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.problem_count, 2);
    assert_non_null(strstr(d.problems[0].sentence,
                           "subset0/b.nii: called like a volume, but no file"));
    assert_string_equal(d.problems[0].seriesuid, "b");
    assert_non_null(
        strstr(d.problems[1].sentence, "1 volumes beside the subset folders"));
    assert_non_null(strstr(d.problems[1].sentence, "stray.mhd"));
    assert_string_equal(d.problems[1].seriesuid, "");
    dataset_release(&d);
}

static void a_tree_without_a_volume_is_refused(void **state)
{
    (void)state;
    const bool some[DATASET_SUBSETS] = {[3] = true, [4] = true};
    const bool not_first[DATASET_SUBSETS] = {[1] = true};
    assert_refused(temporary_path("none"), NULL, "none: No such file or directory");
    assert_refused(temporary_text("file", "x"), NULL, "file: Not a directory");
    assert_refused(temporary_folder, NULL, "no volume (.mhd, .mha, .nii, .nii.gz)");
    make_file("a.mha", 1);
    assert_refused(temporary_folder, not_first, "all of it is subset 0");
    make_folder("subset0");
    make_folder("subset1");
    make_scan("subset1", "a");
    assert_refused(temporary_folder, some, "in the subsets asked for (3 4)");
    assert_refused(temporary_folder, some, "there are folders for subsets 0 1");
}

/* Runs in a process without root's rights; returns whether it saw what it should. */
static bool refuses_unreadable(const char *root, const char *wanted)
{
    struct dataset d;
    struct error err = {0};
    enum status status = dataset_init(&d, root, NULL, &err);
    dataset_release(&d);
    return status == STATUS_JOB_CONFIG && strstr(err.message, wanted);
}

static void a_folder_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    enum { NOBODY = 65534 };
    make_folder("subset0");
    make_folder("subset1");
    make_scan("subset0", "a");
    assert_int_equal(chmod(temporary_folder, 0755), 0);
    assert_int_equal(chmod(temporary_path("subset1"), 0), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
            _exit(2);
        bool good = refuses_unreadable(temporary_folder, "subset1: Permission denied") &&
                    refuses_unreadable(temporary_path("subset1"), "Permission denied");
        _exit(good ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(chmod(temporary_path("subset1"), 0755), 0);
    if (WIFEXITED(result) && WEXITSTATUS(result) == 2) {
        printf("skipped: this process cannot become an ordinary user\n");
        skip();
    }
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

static void one_volume_is_a_dataset(void **state)
{
    (void)state;
    struct dataset d;
    struct error err = {0};
    make_scan(".", "1.2.3");
    assert_int_equal(dataset_init_scan(&d, temporary_path("1.2.3.mhd"), &err), STATUS_OK);
    assert_int_equal(d.count, 1);
    assert_string_equal(d.scans[0].seriesuid, "1.2.3");
    assert_int_equal(d.scans[0].bytes, 110);
    assert_int_equal(dataset_find(&d, "1.2.3"), 0);
    dataset_release(&d);

    assert_int_equal(dataset_init_scan(&d, temporary_path("x.mhd"), &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "x.mhd: No such file"));
    dataset_release(&d);
    assert_int_equal(dataset_init_scan(&d, temporary_path("1.2.3.raw"), &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "not a volume"));
    dataset_release(&d);
    assert_int_equal(dataset_init_scan(&d, temporary_folder, &err), STATUS_JOB_CONFIG);
    dataset_release(&d);
}

static void the_order_of_the_folder_does_not_matter(void **state)
{
    (void)state;
    enum { SCANS = 300 };
    char name[40];
    for (int i = 0; i < SCANS; i++) {
        snprintf(name, sizeof name, "%03d.mha", i * 77 % SCANS); /* no common factor */
        make_file(name, 1);
    }
    struct dataset d = dataset_of(temporary_folder, NULL);
    assert_int_equal(d.count, SCANS);
    for (int i = 0; i < SCANS; i++) {
        snprintf(name, sizeof name, "%03d", i);
        assert_string_equal(d.scans[i].seriesuid, name);
    }
    dataset_release(&d);
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_luna16_tree_is_listed_by_seriesuid),
        TEST(any_other_folder_is_one_subset),
        TEST(only_the_subsets_asked_for_are_listed),
        TEST(one_subset_is_left_of_a_listed_tree),
        TEST(of_two_volumes_of_one_name_the_first_is_kept_and_the_other_reported),
        TEST(links_are_followed_and_paths_stay_as_written),
        TEST(a_dangling_link_is_a_scan_that_fails_later),
        TEST(what_is_left_out_is_said),
        TEST(a_tree_without_a_volume_is_refused),
        TEST(a_folder_that_cannot_be_read_is_refused),
        TEST(one_volume_is_a_dataset),
        TEST(the_order_of_the_folder_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
