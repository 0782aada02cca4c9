/* Segmentation around a network that a test can see through. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_model.h"
#include "stage/segment.h"

enum { CONTEXT = 1, HEIGHT = 5, WIDTH = 6, VOXELS = HEIGHT * WIDTH, SLICES = 7 };

static const struct model three_slices = {.dimensions = 2, .channels = 3, .divisor = 4};

/* A volume with pointers to its slices as segmenter_run takes them: clamped at the ends.
 */
struct scene {
    float hu[SLICES][VOXELS];
    const float *slices[SLICES + 2 * CONTEXT];
};

static void scene_init(struct scene *s)
{
    for (int z = 0; z < SLICES; z++)
        for (int i = 0; i < VOXELS; i++)
            s->hu[z][i] = (float)(z * 100 + i);
    for (int i = 0; i < SLICES + 2 * CONTEXT; i++) {
        int z = i - CONTEXT;
        s->slices[i] = s->hu[z < 0 ? 0 : z >= SLICES ? SLICES - 1 : z];
    }
}

static float expected_heatmap(const struct scene *s, int z, int i)
{
    const float *const *channels = &s->slices[z];
    /* Padding to 8 x 8 repeats the last row and column, so that the last voxel is the
     * corner. */
    return 8 * channels[2][VOXELS - 1] + channels[0][i] + 2 * channels[1][i] +
           3 * channels[2][i];
}

static struct segmenter *segmenter_of(const struct model *m, int threads,
                                      double threshold)
{
    struct segment_options o = {.threshold = threshold, .threads = threads};
    struct segmenter *s;
    struct model *models[] = {(struct model *)m};
    assert_int_equal(segmenter_new(models, 1, HEIGHT, WIDTH, &o, &s, NULL), STATUS_OK);
    return s;
}

static void slices_come_out_the_same_for_any_threads_and_slabs(void **state)
{
    (void)state;
    static struct scene scene;
    static float heatmap[SLICES][VOXELS];
    static uint8_t mask[SLICES][VOXELS];
    const float threshold = 4000;
    const struct {
        int threads, slab;
    } rows[] = {{1, SLICES}, {2, SLICES}, {3, SLICES}, {9, SLICES}, {2, 3}, {2, 1}};

    scene_init(&scene);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct segmenter *s = segmenter_of(&three_slices, rows[i].threads, threshold);
        assert_int_equal(segmenter_context(s), CONTEXT);
        memset(heatmap, 0, sizeof heatmap);
        memset(mask, 7, sizeof mask);
        for (int z = 0; z < SLICES; z += rows[i].slab) {
            int count = SLICES - z < rows[i].slab ? SLICES - z : rows[i].slab;
            assert_int_equal(segmenter_run(s, scene.slices + z, count, mask[z],
                                           heatmap[z], NULL, NULL, NULL),
                             STATUS_OK);
        }
        for (int z = 0; z < SLICES; z++)
            for (int v = 0; v < VOXELS; v++) {
                assert_true(heatmap[z][v] == expected_heatmap(&scene, z, v));
                assert_int_equal(mask[z][v], expected_heatmap(&scene, z, v) > threshold);
            }
        segmenter_free(s);
    }
}

static void a_size_the_network_takes_is_not_padded(void **state)
{
    (void)state;
    static struct scene scene;
    static float heatmap[SLICES][VOXELS];
    static uint8_t mask[SLICES][VOXELS];
    struct model any_size = three_slices;

    any_size.divisor = 1;
    scene_init(&scene);
    struct segmenter *s = segmenter_of(&any_size, 2, 0);
    assert_int_equal(
        segmenter_run(s, scene.slices, SLICES, mask[0], heatmap[0], NULL, NULL, NULL),
        STATUS_OK);
    for (int z = 0; z < SLICES; z++)
        for (int v = 0; v < VOXELS; v++)
            assert_true(heatmap[z][v] == expected_heatmap(&scene, z, v));
    segmenter_free(s);
}

static void a_voxel_at_the_threshold_is_not_of_interest(void **state)
{
    (void)state;
    const struct model one_slice = {.dimensions = 2, .channels = 1, .divisor = 1};
    float hu[VOXELS] = {0.7f, nextafterf(0.7f, 1), 0.6f};
    const float *slices[] = {hu};
    uint8_t mask[VOXELS];
    struct segmenter *s = segmenter_of(&one_slice, 1, 0.7);

    assert_int_equal(segmenter_run(s, slices, 1, mask, NULL, NULL, NULL, NULL),
                     STATUS_OK);
    assert_int_equal(mask[0], 0);
    assert_int_equal(mask[1], 1);
    assert_int_equal(mask[2], 0);
    segmenter_free(s);
}

static void a_heatmap_that_is_not_finite_is_named_by_its_slice(void **state)
{
    (void)state;
    static struct scene scene;
    static uint8_t mask[SLICES][VOXELS];
    const float bad[] = {NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct segmenter *s = segmenter_of(&three_slices, 2, 0);
        struct error err;
        scene_init(&scene);
        scene.hu[5][3] = bad[i]; /* the first slice that sees it is 4 */
        assert_int_equal(
            segmenter_run(s, scene.slices, SLICES, mask[0], NULL, NULL, NULL, &err),
            STATUS_STAGE_NUMERIC);
        assert_non_null(strstr(err.message, "slice 4 of 7"));
        segmenter_free(s);
    }
}

static enum status stop_after(void *context)
{
    int *left = context;
    return (*left)-- > 0 ? STATUS_OK : STATUS_JOB_INTERRUPTED;
}

static void what_poll_returns_stops_the_work(void **state)
{
    (void)state;
    static struct scene scene;
    static uint8_t mask[SLICES][VOXELS];
    int left = 2;
    struct segmenter *s = segmenter_of(&three_slices, 2, 0);

    scene_init(&scene);
    memset(mask, 7, sizeof mask);
    assert_int_equal(
        segmenter_run(s, scene.slices, SLICES, mask[0], NULL, stop_after, &left, NULL),
        STATUS_JOB_INTERRUPTED);
    assert_int_not_equal(mask[3][0], 7);
    assert_int_equal(mask[4][0], 7);
    segmenter_free(s);
}

static void models_that_do_not_segment_are_refused(void **state)
{
    (void)state;
    const struct model refused[] = {
        {.dimensions = 3, .channels = 1, .divisor = 1},
        {.dimensions = 2, .channels = 2, .divisor = 1},
        {.dimensions = 2, .channels = 3, .divisor = 1, .outputs = 2},
    };
    struct segment_options o = {.threshold = 0.5, .threads = 1};
    struct segmenter *s;
    struct error err;

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct model *models[] = {(struct model *)&refused[i]};
        assert_int_equal(segmenter_new(models, 1, HEIGHT, WIDTH, &o, &s, &err),
                         STATUS_JOB_CONFIG);
        assert_non_null(strstr(err.message, "\"fake\""));
    }
}

static void equal_networks_give_what_one_gives(void **state)
{
    (void)state;
    static struct scene scene;
    static float one[SLICES][VOXELS], many[SLICES][VOXELS];
    static uint8_t mask[SLICES][VOXELS];
    struct model model = three_slices;
    struct model *models[] = {&model, &model, &model, &model, &model};
    struct segment_options o = {.threshold = 4000, .threads = 2};

    scene_init(&scene);
    for (size_t count = 1; count <= 5; count++) {
        struct segmenter *s;
        float *heatmap = count == 1 ? one[0] : many[0];
        assert_int_equal(segmenter_new(models, count, HEIGHT, WIDTH, &o, &s, NULL),
                         STATUS_OK);
        assert_int_equal(
            segmenter_run(s, scene.slices, SLICES, mask[0], heatmap, NULL, NULL, NULL),
            STATUS_OK);
        for (int i = 0; i < SLICES * VOXELS; i++)
            assert_int_equal(mask[i / VOXELS][i % VOXELS],
                             one[i / VOXELS][i % VOXELS] > 4000);
        segmenter_free(s);
        if (count > 1)
            assert_memory_equal(one, many, sizeof one);
    }
}

static void networks_that_see_other_slices_are_not_averaged(void **state)
{
    (void)state;
    struct model model = three_slices, other = three_slices;
    struct model *models[] = {&model, &other};
    struct segment_options o = {.threshold = 0.5, .threads = 1};
    struct segmenter *s;
    struct error err;

    other.channels = 5;
    assert_int_equal(segmenter_new(models, 2, HEIGHT, WIDTH, &o, &s, &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "5 input channels"));
    other = three_slices;
    other.divisor *= 2;
    assert_int_equal(segmenter_new(models, 2, HEIGHT, WIDTH, &o, &s, &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "cannot be averaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_come_out_the_same_for_any_threads_and_slabs),
        cmocka_unit_test(a_size_the_network_takes_is_not_padded),
        cmocka_unit_test(a_voxel_at_the_threshold_is_not_of_interest),
        cmocka_unit_test(a_heatmap_that_is_not_finite_is_named_by_its_slice),
        cmocka_unit_test(what_poll_returns_stops_the_work),
        cmocka_unit_test(models_that_do_not_segment_are_refused),
        cmocka_unit_test(equal_networks_give_what_one_gives),
        cmocka_unit_test(networks_that_see_other_slices_are_not_averaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
