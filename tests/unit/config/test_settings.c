#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "config/path_list.h"
#include "config/settings_table.h"

/* A folder with the files of one test; emptied after each. */
static char folder[160];
static const char *const names[] = {
    "pulmo.cfg",   "site.cfg",      "job.cfg",   "a.cfg",      "b.cfg",      "c.cfg",
    "sub/job.cfg", "sites/big.cfg", "fold-2.h5", "fold-10.h5", "fold-[2].h5"};

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    char inner[200];
    snprintf(folder, sizeof(folder), "%.120s/pulmo-set-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(inner, sizeof(inner), "%s/sub", folder);
    mkdir(inner, 0777);
    snprintf(inner, sizeof(inner), "%s/sites", folder);
    return mkdir(inner, 0777);
}

static int remove_folder(void **state)
{
    (void)state;
    char inner[200];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(inner, sizeof(inner), "%s/%s", folder, names[i]);
        unlink(inner);
    }
    snprintf(inner, sizeof(inner), "%s/sub", folder);
    rmdir(inner);
    snprintf(inner, sizeof(inner), "%s/sites", folder);
    rmdir(inner);
    return rmdir(folder);
}

/* The path of a file of the folder; good until the eighth call after it. */
static const char *in(const char *name)
{
    static char paths[8][200];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static const char *put(const char *name, const char *text)
{
    const char *path = in(name);
    assert_int_equal(file_write(path, text, strlen(text), NULL), STATUS_OK);
    return path;
}

static void load(struct settings *s, const struct settings_sources *sources)
{
    struct error err = {0};
    if (settings_init(s, sources, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

static void load_job(struct settings *s, const char *text)
{
    load(s, &(struct settings_sources){.job = put("job.cfg", text)});
}

static void set(struct settings *s, const char *assignment)
{
    load(s,
         &(struct settings_sources){.assignments = &assignment, .assignment_count = 1});
}

static void assert_refused(const struct settings_sources *sources, const char *text)
{
    struct settings s;
    struct error err = {0};
    assert_int_equal(settings_init(&s, sources, &err), STATUS_JOB_CONFIG);
    assert_int_equal(err.code, STATUS_JOB_CONFIG);
    settings_release(&s);
    settings_release(&s);
    if (!strstr(err.message, text))
        fail_msg("'%s' does not hold '%s'", err.message, text);
}

/* That a job of this text is refused, naming its file and `line` and saying `text`. */
static void assert_job_refused(const char *job, int line, const char *text)
{
    char expected[400];
    snprintf(expected, sizeof(expected), "%s/job.cfg:%d: %s", folder, line, text);
    assert_refused(&(struct settings_sources){.job = put("job.cfg", job)}, expected);
}

static void assert_set_refused(const char *assignment, const char *text)
{
    char expected[400];
    snprintf(expected, sizeof(expected), "--set '%s': %s", assignment, text);
    assert_refused(
        &(struct settings_sources){.assignments = &assignment, .assignment_count = 1},
        expected);
}

static void nothing_given_means_the_defaults(void **state)
{
    (void)state;
    struct settings s;
    load(&s, &(struct settings_sources){0});
    assert_true(s.stages.detect);
    assert_string_equal(s.mode, "fixed");
    assert_true(s.seed == 1);
    assert_string_equal(s.output, "");
    for (int i = 0; i < SETTINGS_SUBSETS; i++)
        assert_true(s.dataset.subsets[i]);
    assert_false(s.dataset.allow_outside);
    assert_string_equal(s.segment.method, "network");
    assert_true(s.segment.threshold == 0.5);
    assert_string_equal(s.group.erosion, "auto");
    assert_true(s.limits.quarantine == 0.05);
    assert_true(s.limits.deadline_s == 600);
    assert_true(s.compute.threads == 0);
    settings_release(&s);
}

static void later_layers_win_key_by_key(void **state)
{
    (void)state;
    static const char *const assignments[] = {"group.min_voxels=5", "seed=6"};
    struct settings s;
    struct settings_sources sources = {
        .defaults = put("pulmo.cfg", "seed = 2; mode = \"book\";\n"
                                     "limits: { deadline_s = 2; quarantine = 2; };\n"
                                     "group: { min_voxels = 2; };\n"),
        .site = put("site.cfg", "seed = 3; limits: { deadline_s = 3; memory_gb = 3; };"
                                "group: { min_voxels = 3; };"),
        .job = put("job.cfg", "seed = 4; limits: { memory_gb = 4; };"
                              "group: { min_voxels = 4; };"),
        .assignments = assignments,
        .assignment_count = 2,
    };
    load(&s, &sources);
    assert_string_equal(s.mode, "book");
    assert_true(s.limits.quarantine == 2);
    assert_true(s.limits.deadline_s == 3);
    assert_true(s.limits.memory_gb == 4);
    assert_true(s.group.min_voxels == 5);
    assert_true(s.seed == 6);
    assert_string_equal(s.site, sources.site);
    settings_release(&s);
}

static void a_job_or_the_command_line_may_choose_the_site(void **state)
{
    (void)state;
    struct settings s;
    const char *by_name = "site=big";
    struct settings_sources sources = {
        .defaults = put("pulmo.cfg", "seed = 2; group: { min_voxels = 2; };"),
        .job = put("job.cfg", "site = \"site.cfg\"; seed = 4;"),
    };
    put("site.cfg", "seed = 3; group: { min_voxels = 3; };");
    put("sites/big.cfg", "group: { min_voxels = 30; };");
    load(&s, &sources);
    assert_true(s.seed == 4 && s.group.min_voxels == 3);
    settings_release(&s);

    sources.assignments = &by_name;
    sources.assignment_count = 1;
    load(&s, &sources);
    assert_true(s.seed == 4 && s.group.min_voxels == 30);
    settings_release(&s);

    sources.assignment_count = 0;
    sources.site = "big";
    load(&s, &sources);
    assert_true(s.seed == 4 && s.group.min_voxels == 30);
    settings_release(&s);
    sources.assignment_count = 1;
    sources.site = NULL;

    put("sites/big.cfg", "site = \"other\";");
    assert_refused(&sources, "sites/big.cfg: a site file names no other site");
    by_name = "site=small";
    assert_refused(&sources, "sites/small.cfg: No such file");
    sources.defaults = NULL;
    assert_refused(&sources, "no conf/sites to look in");
}

static void a_file_includes_another_from_its_own_folder(void **state)
{
    (void)state;
    struct settings s;
    put("a.cfg", "include = \"b.cfg\"; seed = 2; output = \"out\";");
    put("b.cfg", "seed = 3; group: { min_voxels = 3; };");
    load(&s,
         &(struct settings_sources){.job = put("sub/job.cfg", "include = \"../a.cfg\";"
                                                              "mode = \"book\";")});
    assert_true(s.seed == 2 && s.group.min_voxels == 3);
    assert_string_equal(s.mode, "book");
    assert_string_equal(s.output, in("sub/../out"));
    settings_release(&s);
}

static void includes_that_do_not_end_are_refused(void **state)
{
    (void)state;
    char expected[800], deep[40];
    put("a.cfg", "include = \"b.cfg\";");
    put("b.cfg", "\ninclude = \"a.cfg\";");
    snprintf(
        expected, sizeof(expected),
        "b.cfg:2: include: files include each other: %s/a.cfg -> %s/b.cfg -> %s/a.cfg",
        folder, folder, folder);
    assert_refused(&(struct settings_sources){.job = in("a.cfg")}, expected);

    for (char c = '0'; c < '9'; c++) {
        snprintf(deep, sizeof(deep), "include = \"%c.cfg\";", c + 1);
        put((char[]){c, '.', 'c', 'f', 'g', '\0'}, deep);
    }
    put("9.cfg", "seed = 2;");
    assert_refused(&(struct settings_sources){.job = in("0.cfg")}, "nested too deeply");
    for (char c = '0'; c <= '9'; c++)
        unlink(in((char[]){c, '.', 'c', 'f', 'g', '\0'}));

    assert_job_refused("\ninclude = \"none.cfg\";", 2, "include: ");
    assert_job_refused("include = 7;", 1, "include must be the path of a file");
    put("c.cfg", "\n\nsed = 1;");
    assert_refused(
        &(struct settings_sources){.job = put("job.cfg", "include = \"c.cfg\";")},
        "c.cfg:3: unknown key 'sed' (did you mean seed?)");
}

static void an_unknown_key_is_named_with_a_guess(void **state)
{
    (void)state;
    assert_job_refused("mode = \"book\";\nsegment: {\n  wieghts = \"w.h5\";\n};", 3,
                       "unknown key 'segment.wieghts' (did you mean segment.weights?)");
    assert_job_refused("threads = 2;", 1,
                       "unknown key 'threads' (did you mean compute.threads?)");
    assert_job_refused("\nwholly_else = 2;", 2, "unknown key 'wholly_else'");
    assert_job_refused("output = \"x\";\ndataset = \"x\";", 2,
                       "'dataset' is a group of keys");
    assert_job_refused("segment: { weights: { a = 1; }; };", 1,
                       "segment.weights = { ... }: must be a path");
    assert_set_refused("segment.wieghts=w.h5",
                       "unknown key 'segment.wieghts' (did you mean");
    assert_set_refused("include=w.cfg", "unknown key 'include'");
}

static void a_wrong_value_is_named_with_what_is_allowed(void **state)
{
    (void)state;
    assert_job_refused("seed = 1;\nseed = 2;", 2, "duplicate setting name");
    assert_job_refused("segment: {\n threshold = 1.5; };", 2,
                       "segment.threshold = 1.5: must be a number from 0 to 1");
    assert_job_refused("segment: { threshold = 1e999; };", 1,
                       "segment.threshold = inf: must be");
    assert_job_refused("seed = 1.0;", 1, "seed = 1: must be an integer from 0");
    assert_job_refused("seed = -1;", 1, "seed = -1: must be an integer from 0");
    assert_job_refused("seed = 99999999999999999999;", 1,
                       "99999999999999999999 does not fit");
    assert_job_refused("mode = \"boook\";", 1,
                       "mode = \"boook\": must be \"book\" or \"fixed\"");
    assert_job_refused("group: { erosion = true; };", 1,
                       "group.erosion = true: must be \"auto\"");
    assert_job_refused("store: { heatmaps = 1; };", 1,
                       "store.heatmaps = 1: must be true or false");
    assert_job_refused("output = 2024;", 1, "output = 2024: must be a path");
    assert_job_refused("dataset: { subsets = [0, 10]; };", 1,
                       "dataset.subsets = [ ... ]: must be");
    assert_job_refused("dataset: { subsets = [1, 1]; };", 1,
                       "dataset.subsets = [ ... ]: must be");
    assert_job_refused("dataset: { subsets = []; };", 1,
                       "dataset.subsets = [ ... ]: must be");
    assert_job_refused("dataset: { subsets = 3; };", 1, "dataset.subsets = 3: must be");
    assert_job_refused("seed = 1;\nmode = ;", 2, "syntax error");
    assert_refused(&(struct settings_sources){.job = in("none.cfg")},
                   "none.cfg: No such file");
}

static void a_stage_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    assert_job_refused("stages = [\"detect\",\n \"boil\"];", 2,
                       "stages: there is no stage \"boil\"");
    assert_job_refused("stages = [\"cook\"];", 1, "stages: there is no stage \"cook\"");
    assert_job_refused("stages = [\"detect\", \"detect\"];", 1,
                       "stages: \"detect\" is given twice");
    assert_job_refused("stages = ();", 1, "stages = [ ... ]: must be a list of stages");
    assert_job_refused("stages = [1];", 1, "stages = [ ... ]: must be a list of stages");
    assert_set_refused("stages=[\"boil\"]", "stages: there is no stage \"boil\"");
}

static void every_type_can_be_set_on_the_command_line(void **state)
{
    (void)state;
    struct settings s;
    char *here = getcwd(NULL, 0), expected[4200];

    set(&s, "output=2024");
    snprintf(expected, sizeof(expected), "%s/2024", here);
    assert_string_equal(s.output, expected);
    settings_release(&s);
    set(&s, "output=\"a b\"");
    snprintf(expected, sizeof(expected), "%s/a b", here);
    assert_string_equal(s.output, expected);
    settings_release(&s);
    set(&s, "output=/tmp/a=b\"");
    assert_string_equal(s.output, "/tmp/a=b\"");
    settings_release(&s);
    set(&s, "mode=book");
    assert_string_equal(s.mode, "book");
    settings_release(&s);
    set(&s, "store.heatmaps=true");
    assert_true(s.store.heatmaps);
    settings_release(&s);
    set(&s, "seed=123456789012345");
    assert_true(s.seed == 123456789012345);
    settings_release(&s);
    set(&s, "segment.threshold=1");
    assert_true(s.segment.threshold == 1.0);
    settings_release(&s);
    set(&s, "segment.threshold=2.5e-1");
    assert_true(s.segment.threshold == 0.25);
    settings_release(&s);
    set(&s, "dataset.subsets=[0,2]");
    assert_true(s.dataset.subsets[0] && !s.dataset.subsets[1] && s.dataset.subsets[2]);
    settings_release(&s);
    set(&s, "dataset.subsets=(9)");
    assert_true(s.dataset.subsets[9] && !s.dataset.subsets[0]);
    settings_release(&s);
    set(&s, "stages=[\"detect\"]");
    assert_true(s.stages.detect);
    settings_release(&s);
    free(here);
}

static void a_bad_assignment_is_named(void **state)
{
    (void)state;
    assert_set_refused("seed", "must be KEY=VALUE");
    assert_set_refused("=1", "must be KEY=VALUE");
    assert_set_refused("", "must be KEY=VALUE");
    assert_set_refused("seed=", "seed must be an integer from 0");
    assert_set_refused("seed=one", "seed must be an integer from 0");
    assert_set_refused("seed=1; mode=2", "seed must be an integer from 0");
    assert_set_refused("seed=1.5", "seed = 1.5: must be an integer");
    assert_set_refused("mode=boook", "mode must be \"book\" or \"fixed\"");
    assert_set_refused("dataset.subsets=[0,", "dataset.subsets must be a list");
    assert_set_refused("store.heatmaps=yes", "store.heatmaps must be true or false");
    assert_set_refused("limits.memory_gb=0",
                       "limits.memory_gb = 0: must be a number from 0.001");
}

static void paths_are_absolute_and_names_stay(void **state)
{
    (void)state;
    struct settings s;
    load_job(&s, "dataset: { root = \"data/luna\"; scan = \"\"; };\n"
                 "segment: { network = \"unet\"; weights = \"/w/s.h5\"; };\n"
                 "classify: { network = \"nets/luna.cfg\"; };\n"
                 "malignancy: { network = \"luna.cfg\"; };\n");
    assert_string_equal(s.dataset.root, in("data/luna"));
    assert_string_equal(s.dataset.scan, "");
    assert_string_equal(s.segment.network, "unet");
    assert_string_equal(s.segment.weights, "/w/s.h5");
    assert_string_equal(s.classify.network, in("nets/luna.cfg"));
    assert_string_equal(s.malignancy.network, in("luna.cfg"));
    settings_release(&s);
}

static void a_list_of_paths_is_one_two_or_what_a_pattern_finds(void **state)
{
    (void)state;
    struct settings s;
    load_job(&s, "classify: { weights = \"one.h5\"; };\n"
                 "malignancy: { weights = [\"b.h5\", \"/w/a.h5\", \"no-*.h5\"]; };\n");
    assert_string_equal(s.classify.weights, in("one.h5"));
    assert_int_equal(path_list_count(s.classify.weights), 1);
    assert_int_equal(path_list_count(s.malignancy.weights), 3);
    static const char *const expected[] = {"b.h5", "/w/a.h5", "no-*.h5"};
    for (size_t i = 0; i < 3; i++) {
        char *path;
        assert_int_equal(path_list_item(s.malignancy.weights, i, &path, NULL), STATUS_OK);
        assert_string_equal(path, i == 1 ? expected[i] : in(expected[i]));
        free(path);
    }
    settings_release(&s);
    put("fold-2.h5", "");
    put("fold-10.h5", "");
    put("fold-[2].h5", "");
    load_job(&s, "classify: { weights = \"fold-*.h5\"; };\n"
                 "malignancy: { weights = (\"fold-[2].h5\"); };\n");
    assert_int_equal(path_list_count(s.classify.weights), 3);
    assert_int_equal(
        strncmp(s.classify.weights, in("fold-10.h5"), strlen(in("fold-10.h5"))), 0);
    assert_string_equal(s.malignancy.weights, in("fold-[2].h5"));
    settings_release(&s);
    set(&s, "classify.weights=[\"/a.h5\", \"/b.h5\"]");
    assert_string_equal(s.classify.weights, "/a.h5\n/b.h5");
    settings_release(&s);
    static const char *const refused =
        "classify.weights = [ ... ]: must be a path or a list";
    assert_set_refused("classify.weights=[]", refused);
    assert_set_refused("classify.weights=[\"\"]", refused);
    assert_set_refused("classify.weights=[1, 2]", refused);
    assert_set_refused("classify.weights=[\"/a.h5\", \"/b\\n.h5\"]", refused);
    assert_set_refused("classify.weights=a\nb",
                       "classify.weights must be a path or a list");
}

static uint64_t random_next(uint64_t *x)
{
    *x += 0x9e3779b97f4a7c15u;
    uint64_t z = (*x ^ (*x >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static char *random_text(uint64_t *x, bool absolute)
{
    char text[24];
    size_t n = random_next(x) % sizeof(text);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(random_next(x) % 255 + 1);
    if (n && n < sizeof(text))
        text[n] = '\0';
    text[n ? n - 1 : 0] = '\0';
    if (absolute && text[0])
        text[0] = '/';
    if (!absolute) /* a name: neither slash nor ".cfg" */
        for (char *p = text; *p; p++)
            *p = *p == '/' || *p == '.' ? '_' : *p;
    return strdup(text);
}

/* Up to three paths, one a line. */
static char *random_list(uint64_t *x)
{
    char *list = strdup("");
    for (uint64_t n = random_next(x) % 4; n > 0; n--) {
        char *path = random_text(x, true), *longer;
        for (char *p = path; *p; p++)
            *p = strchr("\n*?", *p) ? '_' : *p;
        if (path[0]) {
            assert_true(asprintf(&longer, "%s%s%s", list, list[0] ? "\n" : "", path) > 0);
            free(list);
            list = longer;
        }
        free(path);
    }
    return list;
}

static double random_number(const struct key *k, uint64_t *x)
{
    double low = k->low > 0 ? k->low : 1e-300;
    if (random_next(x) % 4 == 0)
        return random_next(x) % 2 ? k->low : k->high;
    double u = (double)(random_next(x) >> 11) * 0x1p-53;
    return fmin(k->high, fmax(k->low, low * pow(k->high / low, u)));
}

static void randomise(const struct key *k, struct settings *s, uint64_t *x)
{
    void *place = key_place(k, s);
    size_t n = 0;
    bool *chosen = place;
    if (key_holds_text(k))
        free(*(char **)place);
    switch (k->type) {
    case KEY_PATH:
        *(char **)place = random_text(x, true);
        break;
    case KEY_PATHS:
        *(char **)place = random_list(x);
        break;
    case KEY_NAME:
        *(char **)place = random_text(x, random_next(x) % 2);
        break;
    case KEY_CHOICE:
        while (k->choices[n])
            n++;
        *(char **)place = strdup(k->choices[random_next(x) % n]);
        break;
    case KEY_BOOLEAN:
        *chosen = random_next(x) % 2;
        break;
    case KEY_INTEGER:
        *(int64_t *)place = (int64_t)(random_next(x) >> (random_next(x) % 63 + 1));
        if ((double)*(int64_t *)place > k->high || (double)*(int64_t *)place < k->low)
            *(int64_t *)place = (int64_t)k->low;
        break;
    case KEY_NUMBER:
        *(double *)place = random_number(k, x);
        break;
    case KEY_SUBSETS:
        for (int i = 0; i < SETTINGS_SUBSETS; i++)
            chosen[i] = random_next(x) % 2;
        chosen[random_next(x) % SETTINGS_SUBSETS] = true;
        break;
    case KEY_SET:
        for (; k->choices[n]; n++)
            chosen[n] = random_next(x) % 2;
        chosen[random_next(x) % n] = true;
        break;
    case KEY_STAGES:
        break;
    }
}

static void assert_key_equal(const struct key *k, const struct settings *a,
                             const struct settings *b)
{
    static const size_t bytes[] = {
        [KEY_BOOLEAN] = sizeof(bool),     [KEY_INTEGER] = sizeof(int64_t),
        [KEY_NUMBER] = sizeof(double),    [KEY_SUBSETS] = sizeof(a->dataset.subsets),
        [KEY_STAGES] = sizeof(a->stages), [KEY_SET] = sizeof(a->train.stages),
    };
    if (key_holds_text(k))
        assert_string_equal(*(char *const *)key_value(k, a),
                            *(char *const *)key_value(k, b));
    else
        assert_memory_equal(key_value(k, a), key_value(k, b), bytes[k->type]);
}

static void what_is_printed_reads_back_the_same(void **state)
{
    (void)state;
    uint64_t x = 20240601;
    for (int round = 0; round < 300; round++) {
        struct settings s, back;
        char *text, *again, *difference;
        size_t bytes, bytes_again;
        struct error err;
        load(&s, &(struct settings_sources){0});
        for (size_t i = 0; i < key_count; i++)
            if (!(keys[i].flags & KEY_MERGED))
                randomise(&keys[i], &s, &x);

        assert_int_equal(settings_print(&s, &text, &bytes, &err), STATUS_OK);
        assert_int_equal(bytes, strlen(text));
        load_job(&back, text);
        for (size_t i = 0; i < key_count; i++)
            assert_key_equal(&keys[i], &s, &back);
        assert_int_equal(settings_compare(&s, &back, &difference, &err), STATUS_OK);
        assert_null(difference);
        assert_int_equal(settings_print(&back, &again, &bytes_again, &err), STATUS_OK);
        assert_string_equal(text, again);
        free(text);
        free(again);
        settings_release(&s);
        settings_release(&back);
    }
}

static void numbers_are_printed_short_and_as_numbers(void **state)
{
    (void)state;
    struct settings s;
    struct error err;
    char *text;
    size_t bytes;
    load_job(&s, "limits: { quarantine = 0.1; memory_gb = 120; deadline_s = 1e6; };");
    assert_int_equal(settings_print(&s, &text, &bytes, &err), STATUS_OK);
    assert_non_null(strstr(text,
                           "limits:\n{\n    quarantine = 0.1;\n    memory_gb = 120.0;\n"
                           "    deadline_s = 1e+06;\n    start_s = 60.0;\n};\n"));
    free(text);
    settings_release(&s);
}

static void the_binding_print_holds_what_changes_results_and_no_path(void **state)
{
    (void)state;
    struct settings s;
    struct error err;
    char *text;
    size_t bytes;
    load_job(&s, "output = \"out\"; dataset: { root = \"data\"; };"
                 "segment: { network = \"unet\"; weights = \"w.h5\"; };");
    assert_int_equal(settings_print_binding(&s, &text, &bytes, &err), STATUS_OK);
    assert_int_equal(bytes, strlen(text));
    assert_null(strchr(text, '/'));
    assert_null(strstr(text, "weights"));
    assert_null(strstr(text, "network ="));
    assert_null(strstr(text, "threads"));
    assert_null(strstr(text, "limits"));
    assert_non_null(strstr(text, "mode = \"fixed\";"));
    assert_non_null(
        strstr(text, "segment:\n{\n    method = \"network\";\n    threshold = 0.5;"));
    free(text);
    settings_release(&s);
}

static void a_comparison_names_the_keys_that_bind(void **state)
{
    (void)state;
    struct settings a, b;
    struct error err;
    char *difference;
    load_job(&a,
             "output = \"x\"; compute: { threads = 1; }; dataset: { root = \"/d\"; };");
    load_job(
        &b,
        "output = \"y\"; compute: { threads = 2; }; limits: { memory_gb = 1; };"
        "mode = \"book\"; segment: { threshold = 0.25; }; dataset: { root = \"/e\"; };");
    assert_int_equal(settings_compare(&a, &b, &difference, &err), STATUS_OK);
    assert_string_equal(difference, "mode (was \"fixed\", is \"book\"), "
                                    "dataset.root (was \"/d\", is \"/e\"), "
                                    "segment.threshold (was 0.5, is 0.25)");
    free(difference);
    settings_release(&b);
    load_job(&b,
             "output = \"y\"; compute: { threads = 2; }; dataset: { root = \"/d\"; };");
    assert_int_equal(settings_compare(&a, &b, &difference, &err), STATUS_OK);
    assert_null(difference);
    settings_release(&a);
    settings_release(&b);
}

static void the_help_names_every_key(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    settings_help(out);
    fclose(out);
    for (size_t i = 0; i < key_count; i++) {
        assert_non_null(strstr(text, keys[i].name));
        assert_non_null(strstr(text, keys[i].help));
    }
    free(text);
}

static void the_files_that_come_with_pulmo_are_good(void **state)
{
    (void)state;
    static const char *const sites[] = {"site=example", "site=laptop"};
    const char *source = getenv("PULMO_SOURCE");
    char defaults[4200], job[4200];
    if (!source) {
        print_message("PULMO_SOURCE does not say where conf and jobs are\n");
        skip();
    }
    snprintf(defaults, sizeof(defaults), "%s/conf/pulmo.cfg", source);
    snprintf(job, sizeof(job), "%s/jobs/detect.cfg", source);
    for (size_t i = 0; i < 2; i++) {
        struct settings s;
        load(&s, &(struct settings_sources){.defaults = defaults,
                                            .job = job,
                                            .assignments = &sites[i],
                                            .assignment_count = 1});
        assert_true(s.stages.detect);
        settings_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_the_defaults),
        cmocka_unit_test(later_layers_win_key_by_key),
        cmocka_unit_test(a_job_or_the_command_line_may_choose_the_site),
        cmocka_unit_test(a_file_includes_another_from_its_own_folder),
        cmocka_unit_test(includes_that_do_not_end_are_refused),
        cmocka_unit_test(an_unknown_key_is_named_with_a_guess),
        cmocka_unit_test(a_wrong_value_is_named_with_what_is_allowed),
        cmocka_unit_test(a_stage_that_does_not_exist_is_refused),
        cmocka_unit_test(every_type_can_be_set_on_the_command_line),
        cmocka_unit_test(a_bad_assignment_is_named),
        cmocka_unit_test(paths_are_absolute_and_names_stay),
        cmocka_unit_test(a_list_of_paths_is_one_two_or_what_a_pattern_finds),
        cmocka_unit_test(what_is_printed_reads_back_the_same),
        cmocka_unit_test(numbers_are_printed_short_and_as_numbers),
        cmocka_unit_test(the_binding_print_holds_what_changes_results_and_no_path),
        cmocka_unit_test(a_comparison_names_the_keys_that_bind),
        cmocka_unit_test(the_help_names_every_key),
        cmocka_unit_test(the_files_that_come_with_pulmo_are_good),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
