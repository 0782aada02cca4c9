/* Segmentation in blocks, with a small network that reads, halves and doubles as the real
 * one does. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "stage/blocks.h"
#include "stage/segment_blocks.h"
#include "temporary_folder.h"
#include "weights_writer.h"

/* Voxels that the network below looks around itself: one for its last convolution, and
 * for the one between its halving and doubling two, and up to three by their grid. */
enum { SIGHT = 6 };

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static void add_noise(hid_t file, const char *name, int rank, const hsize_t *shape)
{
    float values[256];
    struct random r = random_stream(1, RANDOM_NOISE, (uint64_t)strlen(name), name[0]);
    for (int i = 0; i < 256; i++)
        values[i] = (float)random_between(&r, -0.3, 0.3);
    weights_write(file, name, rank, shape, values);
}

#define NOISE(name, rank, ...) add_noise(file, name, rank, (const hsize_t[]){__VA_ARGS__})

static struct model *small_unet(int channels)
{
    struct model *m;
    char text[1024];
    snprintf(
        text, sizeof text,
        "name = \"small\"; dimensions = 3; input_channels = %d; divisor = 2; layers "
        "= (\n"
        "{ type = \"batch_norm\"; name = \"norm\"; },\n"
        "{ type = \"avg_pool\"; kernel = 2; },\n"
        "{ type = \"conv\"; name = \"low\"; channels = 2; kernel = 3; pad = 1; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"conv_transpose\"; name = \"up\"; channels = 2; kernel = 2; stride "
        "= 2; },\n"
        "{ type = \"concat\"; inputs = [\"up\", \"norm\"]; },\n"
        "{ type = \"conv\"; name = \"last\"; channels = 1; kernel = 3; pad = 1; },\n"
        "{ type = \"sigmoid\"; } );\n",
        channels);
    char *description = temporary_text("small.cfg", text);
    char *path = temporary_path("small.h5");
    const hsize_t in = (hsize_t)channels;
    float scale[2] = {1e-3f, 1e-3f}, zeros[2] = {0}, ones[2] = {1, 1};
    hid_t file = weights_create(path);
    weights_write(file, "norm.weight", 1, &in, scale);
    weights_write(file, "norm.bias", 1, &in, zeros);
    weights_write(file, "norm.running_mean", 1, &in, zeros);
    weights_write(file, "norm.running_var", 1, &in, ones);
    NOISE("low.weight", 5, 2, in, 3, 3, 3), NOISE("low.bias", 1, 2);
    NOISE("up.weight", 5, 2, 2, 2, 2, 2), NOISE("up.bias", 1, 2);
    NOISE("last.weight", 5, 1, 2 + in, 3, 3, 3), NOISE("last.bias", 1, 1);
    H5Fclose(file);
    ok(model_open(description, NULL, path, &m, &err));
    return m;
}

/* A volume, whole. */
struct scene {
    int64_t size[3];
    size_t voxels;
    float *hu, *heatmap;
    uint8_t *mask;
};

static void scene_init(struct scene *s, int64_t depth, int64_t height, int64_t width)
{
    struct random r = random_stream(2, RANDOM_NOISE, 0, 0);
    *s = (struct scene){.size = {depth, height, width}};
    s->voxels = (size_t)(depth * height * width);
    ok(memory_new(s->voxels, sizeof(float), "test", (void **)&s->hu, &err));
    ok(memory_new(s->voxels, sizeof(float), "test", (void **)&s->heatmap, &err));
    ok(memory_new(s->voxels, 1, "test", (void **)&s->mask, &err));
    for (size_t i = 0; i < s->voxels; i++)
        s->hu[i] = (float)random_between(&r, -1000, 1000);
}

static void scene_release(struct scene *s)
{
    free(s->hu);
    free(s->heatmap);
    free(s->mask);
}

static struct block_segmenter *segmenter_of(const struct model *m, const struct scene *s,
                                            int64_t most, int threads)
{
    const struct segment_options o = {
        .plan = {.isa = isa_best()}, .threshold = 0.5, .threads = threads};
    struct block_segmenter *b;
    ok(block_segmenter_new(&(struct model *){(struct model *)m}, 1, s->size, most, &o, &b,
                           &err));
    return b;
}

/* One run over slices [first, first + count), shown no more than it asks for. */
static enum status run(struct block_segmenter *b, const struct scene *s, int64_t first,
                       int64_t count)
{
    const size_t plane = (size_t)(s->size[1] * s->size[2]);
    struct slices w = {.size = {s->size[0], s->size[1], s->size[2]}};
    block_segmenter_range(b, first, count, &w.first, &w.count);
    assert_true(w.first >= 0 && w.first <= first && w.first + w.count <= s->size[0]);
    assert_true(w.first + w.count >= first + count);
    w.hu = s->hu + (size_t)w.first * plane;
    return block_segmenter_run(b, &w, first, count, s->mask + (size_t)first * plane,
                               s->heatmap + (size_t)first * plane, NULL, NULL, &err);
}

static void segment(const struct model *m, const struct scene *s, int threads)
{
    struct block_segmenter *b = segmenter_of(m, s, s->size[0], threads);
    ok(run(b, s, 0, s->size[0]));
    block_segmenter_free(b);
}

static struct blocks axis(int64_t size, int i)
{
    struct blocks b;
    blocks_init(
        &b, size,
        &(struct blocks_options){.least = i ? BLOCK_LEAST_SIDE : BLOCK_LEAST_DEPTH,
                                 .most = i ? 128 : 72,
                                 .overlap = i ? 16 : 8,
                                 .divisor = 2});
    return b;
}

/* Whether what the network says of a voxel depends on where blocks end along an axis. */
static bool near_a_border(const struct blocks *b, int64_t voxel)
{
    for (int64_t i = 0; i < b->count; i++) {
        const int64_t start = blocks_start(b, i), end = start + b->length;
        if (voxel < start || voxel >= end)
            continue;
        if ((i > 0 && voxel < start + SIGHT) ||
            (i + 1 < b->count && voxel >= end - SIGHT))
            return true;
    }
    return false;
}

static void away_from_borders_it_is_a_run_over_the_whole(void **state)
{
    (void)state;
    struct model *m = small_unet(1);
    const struct model_plan_options options = {.isa = isa_best()};
    struct model_plan *p;
    struct scene s;
    void *workspace;
    float *whole;
    size_t held = 0;
    scene_init(&s, 100, 52, 180);
    ok(model_plan_new(m, s.size[0], s.size[1], s.size[2], &options, &p, &err));
    ok(memory_new(model_plan_workspace_bytes(p), 1, "test", &workspace, &err));
    ok(memory_new(s.voxels, sizeof *whole, "test", (void **)&whole, &err));
    model_run(p, (const float *const[]){s.hu}, whole, workspace);
    segment(m, &s, 2);
    const struct blocks z = axis(s.size[0], 0), y = axis(s.size[1], 1),
                        x = axis(s.size[2], 2);
    assert_true(z.count == 2 && y.count == 1 && x.count == 2);
    for (size_t i = 0; i < s.voxels; i++) {
        const int64_t at = (int64_t)i;
        assert_int_equal(s.mask[i], s.heatmap[i] > 0.5f);
        if (near_a_border(&x, at % s.size[2]) ||
            near_a_border(&z, at / (s.size[1] * s.size[2])))
            continue;
        assert_float_equal(s.heatmap[i], whole[i], 2e-6);
        held++;
    }
    assert_true(held > s.voxels / 2);
    free(whole);
    free(workspace);
    model_plan_free(p);
    scene_release(&s);
    model_free(m);
}

static void neither_runs_nor_threads_nor_their_order_show(void **state)
{
    (void)state;
    struct model *m = small_unet(1);
    struct scene s, other;
    scene_init(&s, 107, 49, 131);
    scene_init(&other, 107, 49, 131);
    segment(m, &s, 1);
    static const struct {
        int threads;
        int64_t most;
        int step; /* from run to run; 1 follows, -1 goes back */
    } rows[] = {{3, 107, 1}, {1, 64, 1}, {2, 64, -1}, {2, 8, 1}, {1, 40, 2}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const int64_t most = rows[k].most, runs = (s.size[0] + most - 1) / most;
        struct block_segmenter *b = segmenter_of(m, &other, most, rows[k].threads);
        memset(other.heatmap, 0, other.voxels * sizeof *other.heatmap);
        memset(other.mask, 7, other.voxels);
        for (int64_t i = 0; i < runs; i++) {
            const int64_t n = rows[k].step == 1    ? i
                              : rows[k].step == -1 ? runs - 1 - i
                                                   : (i * rows[k].step) % runs;
            const int64_t left = s.size[0] - n * most;
            ok(run(b, &other, n * most, left < most ? left : most));
        }
        assert_memory_equal(s.heatmap, other.heatmap, s.voxels * sizeof *s.heatmap);
        assert_memory_equal(s.mask, other.mask, s.voxels);
        block_segmenter_free(b);
    }
    scene_release(&s);
    scene_release(&other);
    model_free(m);
}

/* What a volume of the same size left must not show in the next one. */
static void another_volume_begins_anew(void **state)
{
    (void)state;
    struct model *m = small_unet(1);
    struct scene a, b;
    scene_init(&a, 100, 20, 20);
    scene_init(&b, 100, 20, 20);
    segment(m, &a, 1);
    struct block_segmenter *s = segmenter_of(m, &b, 60, 1);
    ok(run(s, &b, 60, 40));
    for (size_t i = 0; i < b.voxels; i++)
        b.hu[i] = -b.hu[i];
    ok(run(s, &b, 0, 60)); /* the next run of `b` as it was would go on from here */
    block_segmenter_turn(s);
    ok(run(s, &a, 60, 40));
    ok(run(s, &a, 0, 60));
    memcpy(b.heatmap, a.heatmap, b.voxels * sizeof *b.heatmap);
    segment(m, &a, 1);
    assert_memory_equal(a.heatmap, b.heatmap, a.voxels * sizeof *a.heatmap);
    block_segmenter_free(s);
    scene_release(&a);
    scene_release(&b);
    model_free(m);
}

/* Smaller than any block, and odd: as if the volume went on in a mirror. */
static void a_tiny_volume_is_continued_by_reflection(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {{1, 1, 1}, {2, 3, 5}, {5, 44, 43}, {23, 47, 51}};
    struct model *m = small_unet(1);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const int64_t *n = sizes[k];
        struct scene s, large;
        scene_init(&s, n[0], n[1], n[2]);
        scene_init(&large, BLOCK_LEAST_DEPTH, BLOCK_LEAST_SIDE, 52);
        if (n[2] <= BLOCK_LEAST_SIDE)
            large.size[2] = BLOCK_LEAST_SIDE;
        const struct slices whole = {
            .hu = s.hu, .count = n[0], .size = {n[0], n[1], n[2]}};
        crop_copy(&whole, (const double[]){0, 0, 0}, large.size, large.hu);
        segment(m, &s, 2);
        segment(m, &large, 1);
        for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++) {
            const int64_t z = i / (n[1] * n[2]), y = i / n[2] % n[1], x = i % n[2];
            const int64_t there = (z * large.size[1] + y) * large.size[2] + x;
            assert_true(s.heatmap[i] == large.heatmap[there]);
        }
        scene_release(&s);
        scene_release(&large);
    }
    model_free(m);
}

static void air_is_not_run_and_is_zero(void **state)
{
    (void)state;
    struct model *m = small_unet(1);
    struct scene s;
    scene_init(&s, 24, 48, 200);
    for (size_t i = 0; i < s.voxels; i++)
        s.hu[i] = -700; /* not above */
    s.hu[s.voxels - 1] = -699;
    segment(m, &s, 1);
    assert_true(s.heatmap[0] == 0 && s.mask[0] == 0);
    assert_true(s.heatmap[s.voxels - 1] > 0);
    scene_release(&s);
    model_free(m);
}

static void what_is_not_finite_is_named_by_its_block(void **state)
{
    (void)state;
    struct model *m = small_unet(1);
    struct scene s;
    scene_init(&s, 100, 20, 20);
    s.hu[60 * 400 + 7] = NAN;
    struct block_segmenter *b = segmenter_of(m, &s, 32, 1);
    ok(run(b, &s, 0, 32));
    assert_int_equal(run(b, &s, 32, 32), STATUS_STAGE_NUMERIC);
    assert_non_null(strstr(err.message, "from (46, 0, 0) on"));
    block_segmenter_free(b);
    scene_release(&s);
    model_free(m);
}

static enum status refuse(void *context)
{
    return --*(int *)context < 0 ? STATUS_JOB_INTERRUPTED : STATUS_OK;
}

static void a_poll_ends_it_between_blocks(void **state)
{
    (void)state;
    struct model *m = small_unet(1);
    struct scene s;
    int polls = 1;
    scene_init(&s, 100, 20, 20);
    struct block_segmenter *b = segmenter_of(m, &s, 100, 1);
    const struct slices w = {.hu = s.hu, .count = 100, .size = {100, 20, 20}};
    assert_int_equal(
        block_segmenter_run(b, &w, 0, 100, s.mask, NULL, refuse, &polls, &err),
        STATUS_JOB_INTERRUPTED);
    block_segmenter_free(b);
    scene_release(&s);
    model_free(m);
}

static void a_network_that_is_no_segmenter_is_refused(void **state)
{
    (void)state;
    struct model *m = small_unet(2);
    const struct segment_options o = {.plan = {.isa = isa_best()}, .threads = 1};
    struct block_segmenter *b;
    assert_int_equal(
        block_segmenter_new(&m, 1, (const int64_t[]){9, 9, 9}, 8, &o, &b, &err),
        STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "2 input channels"));
    model_free(m);
    m = small_unet(1);
    assert_int_equal(
        block_segmenter_new(&m, 1, (const int64_t[]){0, 9, 9}, 8, &o, &b, &err),
        STATUS_ITEM_LIMIT);
    model_free(m);
}

static void what_it_needs_is_known_before(void **state)
{
    (void)state;
    struct model *m = small_unet(1);
    const struct model_plan_options options = {.isa = isa_best()};
    struct block_segmenter_needs small, large;
    ok(block_segmenter_measure(&m, 1, (const int64_t[]){300, 512, 512}, 64, &options,
                               &large, &err));
    ok(block_segmenter_measure(&m, 1, (const int64_t[]){10, 512, 512}, 64, &options,
                               &small, &err));
    assert_int_equal(small.slices, 10);
    assert_true(large.slices > 64 && large.slices <= 64 + 2 * 72);
    assert_true(large.bytes >= 512 * 512 * 64 * (int64_t)sizeof(float));
    assert_true(small.bytes < large.bytes && small.thread_bytes < large.thread_bytes);
    struct model *both[] = {m, m};
    struct block_segmenter_needs mean;
    ok(block_segmenter_measure(both, 2, (const int64_t[]){300, 512, 512}, 64, &options,
                               &mean, &err));
    assert_true(mean.bytes == large.bytes && mean.slices == large.slices);
    assert_true(mean.thread_bytes > large.thread_bytes &&
                mean.thread_bytes < 2 * large.thread_bytes);
    model_free(m);
}

#define IN_A_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(away_from_borders_it_is_a_run_over_the_whole),
        IN_A_FOLDER(neither_runs_nor_threads_nor_their_order_show),
        IN_A_FOLDER(another_volume_begins_anew),
        IN_A_FOLDER(a_tiny_volume_is_continued_by_reflection),
        IN_A_FOLDER(air_is_not_run_and_is_zero),
        IN_A_FOLDER(what_is_not_finite_is_named_by_its_block),
        IN_A_FOLDER(a_poll_ends_it_between_blocks),
        IN_A_FOLDER(a_network_that_is_no_segmenter_is_refused),
        IN_A_FOLDER(what_it_needs_is_known_before),
    };
    isa_use(isa_best());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
