/* Grouping against an obvious flood fill, and shapes that are hard for a single pass. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "stage/group.h"

enum { ROOM = 4096, SEEDS = 100 };

/* A small volume with its mask, and what an obvious implementation makes of it. */
struct trial {
    struct geometry geometry;
    uint8_t mask[ROOM], eroded[ROOM];
    float hu[ROOM];
    struct candidate expected[ROOM];
    size_t expected_count;
};

static struct geometry geometry_of(int64_t depth, int64_t height, int64_t width)
{
    struct geometry g = {.size = {depth, height, width},
                         .spacing = {0.5, 0.75, 2},
                         .origin = {-10, 20, -30},
                         .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    assert_true(depth * height * width <= ROOM);
    return g;
}

static int64_t at(const struct geometry *g, int64_t z, int64_t y, int64_t x)
{
    return (z * g->size[1] + y) * g->size[2] + x;
}

static uint8_t mask_at(const struct trial *t, int64_t z, int64_t y, int64_t x)
{
    const int64_t *size = t->geometry.size;
    if (z < 0 || y < 0 || x < 0 || z >= size[0] || y >= size[1] || x >= size[2])
        return 0;
    return t->mask[at(&t->geometry, z, y, x)];
}

static void erode_obviously(struct trial *t, enum group_erosion e)
{
    const int64_t *size = t->geometry.size;
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++) {
                bool left = mask_at(t, z, y, x);
                if (e != EROSION_NONE)
                    left = left && mask_at(t, z, y - 1, x) && mask_at(t, z, y + 1, x) &&
                           mask_at(t, z, y, x - 1) && mask_at(t, z, y, x + 1);
                if (e == EROSION_3D)
                    left = left && mask_at(t, z - 1, y, x) && mask_at(t, z + 1, y, x);
                t->eroded[at(&t->geometry, z, y, x)] = left;
            }
}

/* Takes the component of voxel (z, y, x) out of `left` and adds it up: voxels, weight,
 * moments. */
static void flood(const struct trial *t, uint8_t *left, int64_t z, int64_t y, int64_t x,
                  double sums[5])
{
    const int64_t *size = t->geometry.size;
    static const int steps[6][3] = {{-1, 0, 0}, {1, 0, 0},  {0, -1, 0},
                                    {0, 1, 0},  {0, 0, -1}, {0, 0, 1}};
    if (z < 0 || y < 0 || x < 0 || z >= size[0] || y >= size[1] || x >= size[2])
        return;
    int64_t i = at(&t->geometry, z, y, x);
    if (!left[i])
        return;
    left[i] = 0;
    double weight = t->hu[i] + 1001.0;
    sums[0] += 1;
    sums[1] += weight;
    sums[2] += weight * (double)z;
    sums[3] += weight * (double)y;
    sums[4] += weight * (double)x;
    for (int s = 0; s < 6; s++)
        flood(t, left, z + steps[s][0], y + steps[s][1], x + steps[s][2], sums);
}

static void group_obviously(struct trial *t, int64_t min_voxels)
{
    const int64_t *size = t->geometry.size;
    static uint8_t left[ROOM];

    memcpy(left, t->eroded, sizeof left);
    t->expected_count = 0;
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++) {
                double sums[5] = {0};
                flood(t, left, z, y, x, sums);
                if (sums[0] == 0 || (int64_t)sums[0] < min_voxels)
                    continue;
                struct candidate *c = &t->expected[t->expected_count++];
                c->voxels = (int64_t)sums[0];
                for (int axis = 0; axis < 3; axis++)
                    c->index[axis] = sums[2 + axis] / sums[1];
            }
}

static void group(const struct trial *t, const struct group_options *o,
                  struct candidate **out, size_t *count)
{
    struct grouper *g;
    int64_t slice = t->geometry.size[1] * t->geometry.size[2];

    assert_int_equal(grouper_new(&t->geometry, o, &g, NULL), STATUS_OK);
    for (int64_t z = 0; z < t->geometry.size[0]; z++)
        assert_int_equal(grouper_push(g, t->mask + z * slice, t->hu + z * slice, NULL),
                         STATUS_OK);
    assert_int_equal(grouper_finish(g, out, count, NULL), STATUS_OK);
    grouper_free(g);
}

static void assert_grouped_as_expected(struct trial *t, enum group_erosion e,
                                       int64_t min_voxels)
{
    struct group_options o = {.erosion = e, .min_voxels = min_voxels};
    static uint8_t eroded[ROOM];
    struct candidate *found;
    size_t count, voxels = (size_t)geometry_voxels(&t->geometry);

    erode_obviously(t, e);
    memset(eroded, 7, sizeof eroded);
    group_erode(&t->geometry, e, t->mask, eroded);
    assert_memory_equal(eroded, t->eroded, voxels);

    group_obviously(t, min_voxels);
    group(t, &o, &found, &count);
    assert_int_equal(count, t->expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i].voxels, t->expected[i].voxels);
        for (int axis = 0; axis < 3; axis++)
            assert_true(found[i].index[axis] == t->expected[i].index[axis]);
        assert_true(isnan(found[i].probability) && isnan(found[i].malignancy));
    }
    free(found);
}

static void assert_grouped_as_expected_by_all(struct trial *t)
{
    for (int e = EROSION_3D; e <= EROSION_NONE; e++) {
        assert_grouped_as_expected(t, e, 1);
        assert_grouped_as_expected(t, e, 3);
    }
}

/* Counter-based random numbers below n. */
static int64_t draw(uint64_t seed, uint64_t counter, int64_t n)
{
    uint64_t key[2] = {seed, counter};
    return (int64_t)(hash64(key, sizeof key) % (uint64_t)n);
}

static void trial_fill_hu(struct trial *t, uint64_t seed)
{
    for (int64_t i = 0; i < ROOM; i++)
        t->hu[i] = (float)(draw(seed, (uint64_t)i, 2001) - 1000);
}

static void random_masks_are_grouped_as_by_a_flood_fill(void **state)
{
    (void)state;
    static struct trial t;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        /* From sparse to nearly full: full masks survive erosion, half-full ones tangle.
         */
        int64_t percent = 30 + draw(seed, ROOM + 3, 69);
        t.geometry = geometry_of(1 + draw(seed, ROOM, 9), 1 + draw(seed, ROOM + 1, 16),
                                 1 + draw(seed, ROOM + 2, 28));
        for (int64_t i = 0; i < ROOM; i++)
            t.mask[i] = draw(seed, (uint64_t)(2 * ROOM + i), 100) < percent;
        trial_fill_hu(&t, seed + SEEDS);
        assert_grouped_as_expected_by_all(&t);
    }
}

/* Rows of text, one slice after the other; '#' is set. */
static void trial_draw(struct trial *t, int64_t depth, int64_t height, int64_t width,
                       const char *picture)
{
    t->geometry = geometry_of(depth, height, width);
    assert_int_equal(strlen(picture), depth * height * width);
    for (int64_t i = 0; picture[i]; i++)
        t->mask[i] = picture[i] == '#';
    trial_fill_hu(t, 1);
}

static void assert_components(struct trial *t, size_t count)
{
    struct group_options o = {.erosion = EROSION_NONE, .min_voxels = 1};
    struct candidate *found;
    size_t found_count;

    assert_grouped_as_expected_by_all(t);
    group(t, &o, &found, &found_count);
    free(found);
    assert_int_equal(found_count, count);
}

static void arms_that_meet_late_are_one_component(void **state)
{
    (void)state;
    static struct trial t;
    trial_draw(&t, 1, 3, 9,
               "#.#.#.#.#"
               "#.#.#.#.#"
               "#########");
    assert_components(&t, 1);
    trial_draw(&t, 1, 7, 11,
               "###########"
               "..........#"
               "#########.#"
               "#.......#.#"
               "#.#####.#.#"
               "#.......#.#"
               "#########.#");
    assert_components(&t, 3);
    trial_draw(&t, 1, 7, 11,
               "#########.#"
               "#.......#.#"
               "#.#####.#.#"
               "#.#...#.#.#"
               "#.###.#.#.#"
               "#.....#.#.#"
               "#######.###");
    assert_components(&t, 1);
    /* Legs of a table: they stand through slices and meet in the last. */
    trial_draw(&t, 3, 3, 5,
               "#...#"
               "....."
               "#...#"
               "#...#"
               "....."
               "#...#"
               "#####"
               "#...#"
               "#####");
    assert_components(&t, 1);
}

static void voxels_that_touch_by_edge_or_corner_are_apart(void **state)
{
    (void)state;
    static struct trial t;
    trial_draw(&t, 2, 2, 4,
               "##.."
               "..##"
               "..#."
               "#...");
    assert_components(&t, 4);
}

static void thin_volumes_work(void **state)
{
    (void)state;
    static struct trial t;
    trial_draw(&t, 1, 1, 12, "##..#.####.#");
    assert_components(&t, 4);
    trial_draw(&t, 12, 1, 1, "##..#.####.#");
    assert_components(&t, 4);
    trial_draw(&t, 1, 12, 1, "##..#.####.#");
    assert_components(&t, 4);
    trial_draw(&t, 1, 1, 1, "#");
    assert_components(&t, 1);
    trial_draw(&t, 1, 1, 1, ".");
    assert_components(&t, 0);
}

static void the_outside_erodes(void **state)
{
    (void)state;
    static struct trial t;
    struct group_options o = {.erosion = EROSION_3D, .min_voxels = 1};
    struct candidate *found;
    size_t count;

    t.geometry = geometry_of(4, 5, 6);
    memset(t.mask, 1, sizeof t.mask);
    memset(t.hu, 0, sizeof t.hu);
    group(&t, &o, &found, &count);
    assert_int_equal(count, 1);
    assert_int_equal(found[0].voxels, 2 * 3 * 4);
    assert_true(found[0].index[0] == 1.5 && found[0].index[1] == 2 &&
                found[0].index[2] == 2.5);
    free(found);

    o.erosion = EROSION_IN_PLANE;
    group(&t, &o, &found, &count);
    assert_int_equal(found[0].voxels, 4 * 3 * 4);
    free(found);
}

static void candidates_are_ordered_by_their_first_voxel(void **state)
{
    (void)state;
    static struct trial t;
    struct group_options o = {.erosion = EROSION_NONE, .min_voxels = 1};
    struct candidate *found;
    size_t count;

    /* The frame starts before what it encloses, though it closes after it. */
    trial_draw(&t, 2, 3, 7,
               "#.#.#.#"
               "#.###.#"
               "#.....#"
               "#....##"
               "#.....#"
               "#######");
    group(&t, &o, &found, &count);
    assert_int_equal(count, 2);
    assert_int_equal(found[0].voxels, 6 + 3 + 2 + 7);
    assert_int_equal(found[1].voxels, 5);
    free(found);
}

static void weights_are_clipped_hu_and_1001(void **state)
{
    (void)state;
    static struct trial t;
    struct group_options o = {.erosion = EROSION_NONE, .min_voxels = 1};
    struct candidate *found;
    size_t count;

    trial_draw(&t, 1, 1, 3, "###");
    t.hu[0] = -1000; /* 1 */
    t.hu[1] = -999;  /* 2 */
    t.hu[2] = -996;  /* 5 */
    group(&t, &o, &found, &count);
    assert_int_equal(count, 1);
    assert_true(found[0].index[2] == 12.0 / 8.0);
    assert_float_equal(found[0].xyz[0], -10 + 0.5 * 1.5, 1e-12);
    assert_float_equal(found[0].xyz[1], 20, 1e-12);
    assert_float_equal(found[0].xyz[2], -30, 1e-12);
    /* Three voxels of 0.75 mm3: 4/3 pi r3. */
    double r = found[0].diameter_mm / 2;
    assert_float_equal(4.0 / 3 * M_PI * r * r * r, 2.25, 1e-12);
    free(found);
}

static void centres_of_an_oblique_volume_are_in_its_millimetres(void **state)
{
    (void)state;
    static struct trial t;
    struct group_options o = {.erosion = EROSION_NONE, .min_voxels = 1};
    const double flipped[9] = {0, -1, 0, 1, 0, 0, 0, 0, -1};
    struct candidate *found;
    size_t count;

    trial_draw(&t, 2, 2, 2, ".......#");
    memcpy(t.geometry.direction, flipped, sizeof flipped);
    group(&t, &o, &found, &count);
    assert_int_equal(count, 1);
    assert_float_equal(found[0].xyz[0], -10 - 0.75, 1e-12);
    assert_float_equal(found[0].xyz[1], 20 + 0.5, 1e-12);
    assert_float_equal(found[0].xyz[2], -30 - 2, 1e-12);
    assert_float_equal(M_PI / 6 * pow(found[0].diameter_mm, 3), 0.75, 1e-12);
    free(found);
}

/* Pushes a number of slices into a grouper for two and finishes, in a child: how it
 * ended. */
static int end_of_pushing(int pushes)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct geometry g = geometry_of(2, 1, 1);
        struct group_options o = {.erosion = EROSION_NONE, .min_voxels = 1};
        struct grouper *grouper;
        struct candidate *found;
        const uint8_t mask = 1;
        const float hu = 0;
        size_t count;
        /* The message of the CHECK is what is wanted here, not what a reader of the log
         * wants. */
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        if (grouper_new(&g, &o, &grouper, NULL))
            _exit(1);
        for (int i = 0; i < pushes; i++)
            if (grouper_push(grouper, &mask, &hu, NULL))
                _exit(1);
        if (grouper_finish(grouper, &found, &count, NULL))
            _exit(1);
        _exit(0);
    }
    int end;
    assert_int_equal(waitpid(child, &end, 0), child);
    return WIFSIGNALED(end) ? WTERMSIG(end) : WEXITSTATUS(end);
}

static void too_few_or_too_many_slices_break_an_invariant(void **state)
{
    (void)state;
    assert_int_equal(end_of_pushing(1), SIGABRT);
    assert_int_equal(end_of_pushing(2), 0);
    assert_int_equal(end_of_pushing(3), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_masks_are_grouped_as_by_a_flood_fill),
        cmocka_unit_test(arms_that_meet_late_are_one_component),
        cmocka_unit_test(voxels_that_touch_by_edge_or_corner_are_apart),
        cmocka_unit_test(thin_volumes_work),
        cmocka_unit_test(the_outside_erodes),
        cmocka_unit_test(candidates_are_ordered_by_their_first_voxel),
        cmocka_unit_test(weights_are_clipped_hu_and_1001),
        cmocka_unit_test(centres_of_an_oblique_volume_are_in_its_millimetres),
        cmocka_unit_test(too_few_or_too_many_slices_break_an_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
