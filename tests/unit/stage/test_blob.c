/* The search for blobs in volumes whose balls and tubes are known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "stage/blob.h"

static const double lung_hu = -850, tissue_hu = 40;
static const struct blob_options usual = {
    .min_mm = 3, .max_mm = 30, .min_score = 0.01, .max_candidates = 500, .threads = 1};

/* A volume that is lung all over, and what is found in it. */
struct trial {
    struct geometry geometry;
    float *hu;
    uint8_t *lung;
    struct candidate *found;
    size_t count;
};

static size_t voxels_of(const struct trial *t)
{
    return (size_t)geometry_voxels(&t->geometry);
}

static void new_trial(struct trial *t, const int64_t size[3], double pixel,
                      double thickness, double noise)
{
    struct random r = random_stream(7, RANDOM_NOISE, 0, 0);
    *t = (struct trial){.geometry = {.size = {size[0], size[1], size[2]},
                                     .spacing = {pixel, pixel, thickness},
                                     .origin = {-50, 20, 100},
                                     .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}}};
    t->hu = malloc(voxels_of(t) * sizeof *t->hu);
    t->lung = malloc(voxels_of(t));
    assert_true(t->hu && t->lung);
    memset(t->lung, 1, voxels_of(t));
    for (size_t i = 0; i < voxels_of(t); i++)
        t->hu[i] = (float)(lung_hu + noise * random_normal(&r));
}

static void end_trial(struct trial *t)
{
    free(t->hu);
    free(t->lung);
    free(t->found);
}

static void search(struct trial *t, const struct blob_options *o)
{
    struct error err;
    free(t->found);
    t->found = NULL;
    assert_int_equal(blob_find(&t->geometry, t->hu, t->lung, o, NULL, NULL, &t->found,
                               &t->count, &err),
                     STATUS_OK);
    for (size_t i = 0; i < t->count; i++) {
        const struct candidate *c = &t->found[i];
        assert_true(c->probability >= 0 && c->probability <= 1);
        assert_true(c->diameter_mm > 0 && isnan(c->malignancy));
        for (int k = 0; k < 3; k++)
            assert_true(c->index[k] >= 0 &&
                        c->index[k] <= (double)(t->geometry.size[k] - 1));
    }
}

/* Adds tissue where a place is deeper than 0 inside of something; half a pixel of edge.
 */
typedef double depth_in(const double mm[3], const void *context);

static void paint(struct trial *t, depth_in *depth, const void *context)
{
    const struct geometry *g = &t->geometry;
    size_t i = 0;
    for (int64_t z = 0; z < g->size[0]; z++)
        for (int64_t y = 0; y < g->size[1]; y++)
            for (int64_t x = 0; x < g->size[2]; x++, i++) {
                const double mm[3] = {(double)z * g->spacing[2],
                                      (double)y * g->spacing[1],
                                      (double)x * g->spacing[0]};
                double share = 0.5 + depth(mm, context) / g->spacing[0];
                t->hu[i] += (float)((tissue_hu - lung_hu) * fmin(fmax(share, 0), 1));
            }
}

struct ball {
    double at[3], diameter; /* mm: z, y, x */
};

static double distance(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

static double depth_in_ball(const double mm[3], const void *context)
{
    const struct ball *b = context;
    return b->diameter / 2 - distance(mm, b->at);
}

/* A tube through the volume, as thick as the ball; its direction is oblique. */
static double depth_in_tube(const double mm[3], const void *context)
{
    static const double along[3] = {0.6, 0.48, 0.64};
    const struct ball *b = context;
    double sum = 0, square = 0;
    for (int k = 0; k < 3; k++) {
        sum += (mm[k] - b->at[k]) * along[k];
        square += (mm[k] - b->at[k]) * (mm[k] - b->at[k]);
    }
    return b->diameter / 2 - sqrt(fmax(square - sum * sum, 0));
}

static double depth_below(const double mm[3], const void *context)
{
    return *(const double *)context - mm[1];
}

/* The most probable candidate within `reach` mm of a place; NULL when there is none. */
static const struct candidate *near(const struct trial *t, const double at[3],
                                    double reach)
{
    double xyz[3];
    const double index[3] = {at[0] / t->geometry.spacing[2],
                             at[1] / t->geometry.spacing[1],
                             at[2] / t->geometry.spacing[0]};
    geometry_to_mm(&t->geometry, index, xyz);
    for (size_t i = 0; i < t->count; i++)
        if (distance(t->found[i].xyz, xyz) <= reach)
            return &t->found[i];
    return NULL;
}

static void holds_ball(const struct trial *t, const struct ball *b)
{
    const struct candidate *c = near(t, b->at, 1.5);
    if (!c)
        fail_msg("the ball of %g mm is not found", b->diameter);
    if (fabs(c->diameter_mm / b->diameter - 1) > 0.3)
        fail_msg("the ball of %g mm is taken for %g mm", b->diameter, c->diameter_mm);
    if (c->probability < 0.5f)
        fail_msg("the ball of %g mm scores %g", b->diameter, (double)c->probability);
}

/* --- balls --- */

static const struct ball balls[] = {
    {{20, 20, 20}, 4},   {{21.3, 20.7, 45.4}, 5}, {{18.9, 45.5, 22.2}, 6},
    {{22, 44, 48.6}, 8}, {{50.4, 25.1, 30}, 12},  {{52, 60, 30.7}, 18},
    {{48, 45, 75}, 25},
};
enum { BALLS = sizeof balls / sizeof *balls };

static void balls_are_found_where_they_are(struct trial *t)
{
    for (int i = 0; i < BALLS; i++)
        paint(t, depth_in_ball, &balls[i]);
    search(t, &usual);
    for (int i = 0; i < BALLS; i++)
        holds_ball(t, &balls[i]);
    /* They come first. */
    for (int i = 0; i < BALLS; i++) {
        bool is_ball = false;
        for (int k = 0; k < BALLS; k++)
            is_ball |= near(t, balls[k].at, 1.5) == &t->found[i];
        assert_true(is_ball);
    }
}

static void balls_of_4_to_25_mm_are_found_in_noise(void **state)
{
    struct trial t;
    (void)state;
    new_trial(&t, (int64_t[]){70, 110, 125}, 0.8, 1.25, 50);
    balls_are_found_where_they_are(&t);
    end_trial(&t);
}

static void thick_slices_change_nothing(void **state)
{
    struct trial t;
    (void)state;
    new_trial(&t, (int64_t[]){36, 140, 160}, 0.625, 2.5, 30);
    balls_are_found_where_they_are(&t);
    end_trial(&t);
}

static void directions_change_nothing_but_the_millimetres(void **state)
{
    static const double directions[][9] = {
        {-1, 0, 0, 0, -1, 0, 0, 0, 1},
        {0.8, -0.6, 0, 0.48, 0.64, -0.6, 0.36, 0.48, 0.8},
    };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct trial t;
        new_trial(&t, (int64_t[]){70, 110, 125}, 0.8, 1.25, 50);
        memcpy(t.geometry.direction, directions[i], sizeof directions[i]);
        balls_are_found_where_they_are(&t);
        end_trial(&t);
    }
}

static void a_ball_on_the_wall_is_found(void **state)
{
    static const struct ball nodule = {{30, 23, 40}, 10};
    static const double wall_mm = 20;
    struct trial t;
    (void)state;
    new_trial(&t, (int64_t[]){50, 70, 80}, 1, 1.25, 30);
    paint(&t, depth_below, &wall_mm);
    paint(&t, depth_in_ball, &nodule);
    size_t plane = (size_t)(t.geometry.size[1] * t.geometry.size[2]);
    for (size_t i = 0; i < voxels_of(&t); i++) {
        if (t.hu[i] > (float)tissue_hu)
            t.hu[i] = (float)tissue_hu; /* where both were painted */
        t.lung[i] = i % plane / (size_t)t.geometry.size[2] > 22;
    }
    search(&t, &usual);
    const struct candidate *c = near(&t, nodule.at, 4);
    assert_non_null(c);
    assert_true(c == &t.found[0]);
    end_trial(&t);
}

/* --- what is no nodule --- */

static void a_tube_scores_less_than_a_ball_as_thick(void **state)
{
    (void)state;
    for (double diameter = 4; diameter <= 10; diameter += 2) {
        const struct ball ball = {{40, 40, 40}, diameter};
        struct trial t;
        float scores[2] = {0};
        for (int tube = 0; tube < 2; tube++) {
            new_trial(&t, (int64_t[]){80, 80, 80}, 1, 1, 30);
            paint(&t, tube ? depth_in_tube : depth_in_ball, &ball);
            search(&t, &usual);
            scores[tube] = t.count ? t.found[0].probability : 0;
            end_trial(&t);
        }
        if (!(scores[1] < 0.5f * scores[0]))
            fail_msg("%g mm: the tube scores %g, the ball %g", diameter,
                     (double)scores[1], (double)scores[0]);
    }
}

static void empty_lung_holds_nothing(void **state)
{
    struct trial t;
    (void)state;
    new_trial(&t, (int64_t[]){60, 100, 100}, 0.7, 1.25, 40);
    search(&t, &usual);
    assert_int_equal(t.count, 0);
    end_trial(&t);
}

static void outside_of_the_lungs_nothing_is_looked_for(void **state)
{
    static const struct ball ball = {{30, 30, 60}, 8};
    struct trial t;
    (void)state;
    new_trial(&t, (int64_t[]){60, 60, 80}, 1, 1, 20);
    paint(&t, depth_in_ball, &ball);
    for (size_t i = 0; i < voxels_of(&t); i++)
        t.lung[i] = i % 80 < 40;
    search(&t, &usual);
    assert_int_equal(t.count, 0);
    memset(t.lung, 0, voxels_of(&t));
    search(&t, &usual);
    assert_int_equal(t.count, 0);
    end_trial(&t);
}

/* --- options --- */

static void the_best_are_kept(void **state)
{
    struct trial t;
    struct blob_options few = usual;
    (void)state;
    new_trial(&t, (int64_t[]){70, 110, 125}, 0.8, 1.25, 50);
    for (int i = 0; i < BALLS; i++)
        paint(&t, depth_in_ball, &balls[i]);
    search(&t, &usual);
    assert_true(t.count >= BALLS);
    struct candidate first[3];
    memcpy(first, t.found, sizeof first);
    few.max_candidates = 3;
    search(&t, &few);
    assert_int_equal(t.count, 3);
    assert_memory_equal(t.found, first, sizeof first);
    few.max_candidates = 500;
    few.min_score = (double)first[1].probability;
    search(&t, &few);
    assert_int_equal(t.count, 2);
    few.min_score = 1;
    search(&t, &few);
    assert_int_equal(t.count, 0);
    end_trial(&t);
}

static void threads_change_no_bit(void **state)
{
    struct trial t;
    (void)state;
    new_trial(&t, (int64_t[]){70, 110, 125}, 0.8, 1.25, 80);
    for (int i = 0; i < BALLS; i++)
        paint(&t, depth_in_ball, &balls[i]);
    search(&t, &usual);
    size_t count = t.count;
    struct candidate *first = t.found;
    t.found = NULL;
    for (int threads = 2; threads <= 7; threads += 5) {
        struct blob_options o = usual;
        o.threads = threads;
        search(&t, &o);
        assert_int_equal(t.count, count);
        assert_memory_equal(t.found, first, count * sizeof *first);
    }
    free(first);
    end_trial(&t);
}

static enum status refuse(void *context)
{
    return ++*(int *)context < 3 ? STATUS_OK : STATUS_JOB_INTERRUPTED;
}

static void the_poll_ends_the_search(void **state)
{
    struct trial t;
    struct error err;
    int calls = 0;
    (void)state;
    new_trial(&t, (int64_t[]){20, 20, 20}, 1, 1, 20);
    assert_int_equal(blob_find(&t.geometry, t.hu, t.lung, &usual, refuse, &calls,
                               &t.found, &t.count, &err),
                     STATUS_JOB_INTERRUPTED);
    assert_int_equal(calls, 3);
    end_trial(&t);
}

static void volumes_of_any_shape_are_searched(void **state)
{
    static const int64_t sizes[][3] = {{1, 1, 1},   {1, 1, 50},  {1, 50, 1},  {50, 1, 1},
                                       {2, 2, 2},   {1, 40, 40}, {40, 2, 40}, {3, 3, 3},
                                       {2, 64, 64}, {7, 5, 3}};
    static const double spacings[][2] = {
        {1, 1}, {0.01, 0.01}, {20, 20}, {0.1, 30}, {30, 0.1}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof spacings / sizeof *spacings; k++)
            for (int threads = 1; threads <= 3; threads += 2) {
                struct trial t;
                struct blob_options o = {.min_mm = 1,
                                         .max_mm = 100,
                                         .min_score = 0,
                                         .max_candidates = 10,
                                         .threads = threads};
                new_trial(&t, sizes[i], spacings[k][0], spacings[k][1], 400);
                search(&t, &o);
                end_trial(&t);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balls_of_4_to_25_mm_are_found_in_noise),
        cmocka_unit_test(thick_slices_change_nothing),
        cmocka_unit_test(directions_change_nothing_but_the_millimetres),
        cmocka_unit_test(a_ball_on_the_wall_is_found),
        cmocka_unit_test(a_tube_scores_less_than_a_ball_as_thick),
        cmocka_unit_test(empty_lung_holds_nothing),
        cmocka_unit_test(outside_of_the_lungs_nothing_is_looked_for),
        cmocka_unit_test(the_best_are_kept),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(the_poll_ends_the_search),
        cmocka_unit_test(volumes_of_any_shape_are_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
