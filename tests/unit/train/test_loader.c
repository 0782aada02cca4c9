/* Promise: an example is the voxels around its place with the labels of the same voxels,
 * whoever makes it and whenever; what cannot be read is named. */
#include "../cache/made_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/crop.h"
#include "train/loader.h"

enum { SCANS = 3, SAMPLES = 8, CROP = 6 * 8 * 10, MAP = 8 * 10 };
static const int64_t window[3] = {6, 12, 12}, crop[3] = {6, 8, 10};

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

struct set {
    struct cache *cache;
    struct made_scan made[SCANS];
    struct loader_scan scans[SCANS];
    struct pool pool;
};

static const char *const names[SCANS] = {"a", "b", "c"};

/* Three scans in the cache, the last one smaller than the window; two nodules in each. */
static void set_make(struct set *s)
{
    const int64_t sizes[SCANS][3] = {{20, 40, 70}, {12, 33, 35}, {4, 20, 11}};
    *s = (struct set){.cache = made_cache(0, false)};
    s->pool.counts[LIST_NODULE] = 2 * SCANS;
    s->pool.places[LIST_NODULE] = calloc(2 * SCANS, sizeof(struct pool_place));
    for (int i = 0; i < SCANS; i++) {
        const int64_t *size = sizes[i];
        s->made[i] = made_scan((unsigned)i + 1, size[0], size[1], size[2]);
        struct cache_prepared p =
            made_prepare(s->cache, &s->made[i], names[i], CACHE_TRUST);
        s->scans[i] = (struct loader_scan){
            .seriesuid = names[i], .voxels = p.key, .mask = p.key, .cached = true};
        for (int k = 0; k < 2; k++)
            s->pool.places[LIST_NODULE][2 * i + k] =
                (struct pool_place){i,
                                    {(int32_t)(size[0] / 2), (int32_t)(size[1] / (k + 2)),
                                     (int32_t)(size[2] / 2)}};
    }
}

static void set_release(struct set *s)
{
    pool_release(&s->pool);
    cache_close(s->cache);
}

static struct loader_options options_of(const struct set *s, enum example_target target,
                                        bool augment)
{
    struct loader_options o = {.example = {.target = target,
                                           .augment = augment,
                                           .middle_slice = true,
                                           .seed = 7},
                               .cache = {.folder = temporary_path("cache")},
                               .scans = s->scans,
                               .scan_count = SCANS,
                               .pool = &s->pool,
                               .threads = 1,
                               .samples = SAMPLES,
                               .deadline_s = 60};
    memcpy(o.example.window, window, sizeof window);
    memcpy(o.example.crop, crop, sizeof crop);
    o.example.augmentation = (struct augmentation){.flip = true,
                                                   .offset = 0.1,
                                                   .scale = 0.2,
                                                   .rotate = true,
                                                   .keep_depth = true,
                                                   .noise_hu = 25};
    return o;
}

static void items_make(const struct set *s, uint64_t first, struct example_item *items)
{
    for (uint64_t i = 0; i < SAMPLES; i++)
        items[i] = (struct example_item){
            .place = s->pool.places[LIST_NODULE][(first + i) % (2 * SCANS)],
            .epoch = 3,
            .sample = first + i,
            .label = (int)(i % 2),
            .again = i % 4 != 3};
}

/* The window around a place of a scan: no part of it lies outside a volume that the crop
 * fits into. */
static int64_t window_of(const struct made_scan *m, int axis)
{
    const int64_t size = m->geometry.size[axis],
                  least = size > crop[axis] ? size : crop[axis];
    return window[axis] < least ? window[axis] : least;
}

/* The crop lies somewhere in the window: it is found where its first row is. */
static bool is_crop_at(const struct made_scan *m, const int64_t start[3], const float *in)
{
    const int64_t *size = m->geometry.size;
    for (int64_t z = 0; z < crop[0]; z++)
        for (int64_t y = 0; y < crop[1]; y++)
            for (int64_t x = 0; x < crop[2]; x++) {
                int64_t at[3] = {start[0] + z, start[1] + y, start[2] + x};
                for (int i = 0; i < 3; i++) /* reflected past the end, at most once */
                    if (at[i] >= size[i])
                        at[i] = 2 * (size[i] - 1) - at[i];
                if (made_voxel(m, at[0], at[1], at[2]) != *in++)
                    return false;
            }
    return true;
}

static void an_example_is_the_voxels_around_its_place(void **state)
{
    (void)state;
    struct set s;
    set_make(&s);
    struct loader_options o = options_of(&s, TARGET_NONE, false);
    struct loader *l;
    struct loader_batch b;
    struct example_item items[SAMPLES];
    items_make(&s, 0, items);
    ok(loader_new(&o, &l, &err));
    loader_ask(l, items, SAMPLES);
    ok(loader_take(l, &b, &err));
    assert_int_equal(b.count, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        const struct pool_place *p = &items[i].place;
        const struct made_scan *m = &s.made[p->scan];
        int found = 0;
        int64_t start[3];
        for (int a = 0; a < 3; a++)
            start[a] = crop_start(p->voxel[a], window_of(m, a), m->geometry.size[a]);
        for (int64_t y = 0; y <= window_of(m, 1) - crop[1]; y++)
            for (int64_t x = 0; x <= window_of(m, 2) - crop[2]; x++) {
                const int64_t at[3] = {start[0], start[1] + y, start[2] + x};
                found += is_crop_at(m, at, b.inputs + i * CROP);
            }
        assert_true(found >= 1);
        assert_int_equal(b.items[i].label, i % 2);
    }
    loader_free(l);
    set_release(&s);
}

static void the_middle_of_a_centred_example_is_the_slice_of_its_place(void **state)
{
    (void)state;
    struct set s;
    set_make(&s);
    struct loader_options o = options_of(&s, TARGET_NONE, false);
    struct loader *l;
    struct loader_batch b;
    const struct made_scan *m = &s.made[0];
    const int64_t *size = m->geometry.size;
    o.example.centred = true;
    memcpy(o.example.window, crop, sizeof crop);
    ok(loader_new(&o, &l, &err));
    for (int32_t z = (int32_t)crop[0] / 2; z < size[0] - crop[0] / 2; z++) {
        const struct example_item item = {
            .place = {0, {z, (int32_t)size[1] / 2, (int32_t)size[2] / 2}}};
        const int64_t start[] = {z - crop[0] / 2,
                                 crop_start(item.place.voxel[1], crop[1], size[1]),
                                 crop_start(item.place.voxel[2], crop[2], size[2])};
        loader_ask(l, &item, 1);
        ok(loader_take(l, &b, &err));
        assert_true(is_crop_at(m, start, b.inputs));
    }
    loader_free(l);
    set_release(&s);
}

/* Without augmentation a label stands exactly where a box holds a dense voxel: the map is
 * held against the input that came with it. */
static void targets_belong_to_their_voxels(void **state)
{
    (void)state;
    struct set s;
    set_make(&s);
    struct loader_options o = options_of(&s, TARGET_BOXES, false);
    struct loader *l;
    struct loader_batch b;
    struct example_item items[SAMPLES];
    items_make(&s, 0, items);
    ok(loader_new(&o, &l, &err));
    loader_ask(l, items, SAMPLES);
    ok(loader_take(l, &b, &err));
    int labelled = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const float *middle = b.inputs + i * CROP + 3 * MAP;
        for (int k = 0; k < MAP; k++) {
            float t = b.targets[i * MAP + k];
            assert_true(t == 0 || (t == 1 && middle[k] > LABEL_THRESHOLD_HU));
            labelled += t == 1;
        }
    }
    assert_true(labelled > 50);
    loader_free(l);

    o.example.target = TARGET_MASK; /* the scan itself as its mask: above 0 HU */
    for (int i = 0; i < SCANS; i++)
        s.scans[i].has_mask = i != 1;
    ok(loader_new(&o, &l, &err));
    loader_ask(l, items, SAMPLES);
    ok(loader_take(l, &b, &err));
    for (int i = 0; i < SAMPLES; i++)
        for (int k = 0; k < MAP; k++) {
            bool inside = b.inputs[i * CROP + 3 * MAP + k] > 0;
            assert_true(b.targets[i * MAP + k] == (inside && items[i].place.scan != 1));
        }
    loader_free(l);
    set_release(&s);
}

static void
the_same_examples_come_from_any_number_of_threads_and_kept_windows(void **state)
{
    (void)state;
    enum { BATCHES = 5 };
    static float inputs[2][BATCHES][SAMPLES * CROP], targets[2][BATCHES][SAMPLES * MAP];
    struct set s;
    set_make(&s);
    for (int run = 0; run < 2; run++) {
        struct loader_options o = options_of(&s, TARGET_BOXES, true);
        struct loader *l;
        struct loader_batch b;
        struct example_item items[SAMPLES];
        o.threads = run ? 3 : 1;
        o.example.keep = run ? SCANS : 0; /* of twice as many places */
        ok(loader_new(&o, &l, &err));
        for (int n = 0; n < BATCHES + 1; n++) {
            if (n < BATCHES) {
                items_make(&s, (uint64_t)n * SAMPLES, items);
                loader_ask(l, items, n == 2 ? 0 : SAMPLES);
            }
            if (n == 0)
                continue;
            ok(loader_take(l, &b, &err));
            assert_int_equal(b.count, n - 1 == 2 ? 0 : SAMPLES);
            size_t count = (size_t)b.count;
            memcpy(inputs[run][n - 1], b.inputs, count * CROP * sizeof(float));
            memcpy(targets[run][n - 1], b.targets, count * MAP * sizeof(float));
        }
        loader_free(l);
    }
    assert_memory_equal(inputs[0], inputs[1], sizeof inputs[0]);
    assert_memory_equal(targets[0], targets[1], sizeof targets[0]);
    set_release(&s);
}

static void a_scan_that_is_gone_is_named(void **state)
{
    (void)state;
    struct set s;
    set_make(&s);
    struct loader_options o = options_of(&s, TARGET_NONE, false);
    struct loader *l;
    struct loader_batch b;
    struct example_item items[SAMPLES];
    struct cached_scan *scan;
    ok(cache_open_scan(s.cache, s.scans[1].voxels, &scan, &err));
    assert_int_equal(unlink(cached_scan_path(scan)), 0);
    cached_scan_close(scan);
    items_make(&s, 0, items);
    o.threads = 2;
    ok(loader_new(&o, &l, &err));
    loader_ask(l, items, SAMPLES);
    loader_ask(l, items, 2); /* scan 0 alone */
    enum status status = loader_take(l, &b, &err);
    assert_true(status_is_item(status));
    assert_int_equal(strncmp(err.message, "b: ", 3), 0);
    assert_int_equal(loader_failed_scan(l), 1);
    ok(loader_take(l, &b, &err));
    assert_int_equal(loader_failed_scan(l), -1);
    loader_free(l);
    set_release(&s);
}

/* Threads that did not meet the damage have the damaged file open, too. */
static void a_repaired_scan_serves_all_threads(void **state)
{
    (void)state;
    struct set s;
    set_make(&s);
    struct loader_options o = options_of(&s, TARGET_NONE, false);
    struct loader *l;
    struct loader_batch b;
    struct example_item items[SAMPLES];
    items_make(&s, 0, items);
    for (int i = 0; i < SAMPLES; i++)
        items[i].place = s.pool.places[LIST_NODULE][2];
    o.threads = 4;
    ok(loader_new(&o, &l, &err));
    for (int n = 0; n < 20; n++) { /* all threads open it */
        loader_ask(l, items, SAMPLES);
        ok(loader_take(l, &b, &err));
    }
    struct cached_scan *scan;
    ok(cache_open_scan(s.cache, s.scans[1].voxels, &scan, &err));
    assert_int_equal(truncate(cached_scan_path(scan), 600), 0);
    cached_scan_close(scan);
    loader_ask(l, items, 1);
    loader_ask(l, items, 0);
    assert_true(status_is_item(loader_take(l, &b, &err)));
    ok(loader_take(l, &b, &err));
    made_prepare(s.cache, &s.made[1], names[1], CACHE_TRUST);
    for (int n = 0; n < 20; n++) {
        loader_ask(l, items, SAMPLES);
        ok(loader_take(l, &b, &err));
    }
    loader_free(l);
    set_release(&s);
}

/* The file of scan b becomes a pipe: who opens it hangs until somebody writes. */
static void hang_scan(struct set *s, char *path, size_t bytes)
{
    struct cached_scan *scan;
    ok(cache_open_scan(s->cache, s->scans[1].voxels, &scan, &err));
    snprintf(path, bytes, "%s", cached_scan_path(scan));
    cached_scan_close(scan);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
}

/* The thread that hangs comes back when the rank has freed all that it handed over: under
 * the address sanitizer this would show. */
static void a_read_that_hangs_names_its_scan_and_is_left_behind(void **state)
{
    (void)state;
    struct set s;
    char pipe[512];
    set_make(&s);
    hang_scan(&s, pipe, sizeof pipe);
    struct loader_scan *scans = malloc(sizeof s.scans);
    char *name = strdup("the scan that hangs");
    memcpy(scans, s.scans, sizeof s.scans);
    scans[1].seriesuid = name;
    struct loader_options o = options_of(&s, TARGET_BOXES, false);
    o.scans = scans;
    o.threads = 2;
    o.deadline_s = 0.3;
    struct loader *l;
    struct loader_batch b;
    struct example_item items[SAMPLES];
    items_make(&s, 0, items);
    for (int i = 0; i < SAMPLES; i++) /* b first, then what the other thread makes */
        items[i].place = s.pool.places[LIST_NODULE][i ? 0 : 2];
    ok(loader_new(&o, &l, &err));
    loader_ask(l, items, SAMPLES);
    assert_int_equal(loader_take(l, &b, &err), STATUS_STAGE_DEADLINE);
    assert_non_null(strstr(err.message, name));
    loader_free(l);
    free(scans);
    free(name);
    set_release(&s);
    int fd = open(pipe, O_WRONLY); /* the thread comes back to an empty file */
    assert_true(fd >= 0);
    close(fd);
    usleep(200000);
}

static int open_files(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static void many_threads_keep_no_more_files_open_than_one(void **state)
{
    (void)state;
    enum { MANY = 40, THREADS = 16 };
    struct loader_scan scans[MANY];
    struct pool_place places[MANY];
    static char seriesuids[MANY][8];
    struct set s;
    set_make(&s);
    for (int i = 0; i < MANY; i++) {
        struct made_scan m = made_scan((unsigned)i + 10, 6, 12, 12);
        snprintf(seriesuids[i], sizeof seriesuids[i], "s%d", i);
        scans[i] = (struct loader_scan){
            .seriesuid = seriesuids[i],
            .voxels = made_prepare(s.cache, &m, seriesuids[i], CACHE_TRUST).key,
            .cached = true};
        places[i] = (struct pool_place){i, {3, 6, 6}};
    }
    struct loader_options o = options_of(&s, TARGET_NONE, false);
    o.scans = scans;
    o.scan_count = MANY;
    o.threads = THREADS;
    struct loader *l;
    struct loader_batch b;
    const int before = open_files();
    ok(loader_new(&o, &l, &err));
    for (int n = 0; n < 40 * MANY / SAMPLES; n++) {
        struct example_item items[SAMPLES];
        for (int i = 0; i < SAMPLES; i++)
            items[i] = (struct example_item){.place = places[(n * SAMPLES + i) % MANY],
                                             .sample = (uint64_t)(n * SAMPLES + i)};
        loader_ask(l, items, SAMPLES);
        ok(loader_take(l, &b, &err));
    }
    assert_true(open_files() - before <= 64);
    loader_free(l);
    set_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_example_is_the_voxels_around_its_place,
                                        temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(
            the_middle_of_a_centred_example_is_the_slice_of_its_place,
            temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(targets_belong_to_their_voxels,
                                        temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(
            the_same_examples_come_from_any_number_of_threads_and_kept_windows,
            temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(a_scan_that_is_gone_is_named,
                                        temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(a_repaired_scan_serves_all_threads,
                                        temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(
            a_read_that_hangs_names_its_scan_and_is_left_behind, temporary_folder_make,
            temporary_folder_remove),
        cmocka_unit_test_setup_teardown(many_threads_keep_no_more_files_open_than_one,
                                        temporary_folder_make, temporary_folder_remove),
    };
    return cmocka_run_group_tests_name("train/loader", tests, NULL, NULL);
}
