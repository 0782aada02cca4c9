/*
 * The stages on a real scan with real weights, against what PyTorch and SciPy make of it.
 * Needs the reference data (PULMO_TEST_DATA) and says so when it is not there.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "ct/volume.h"
#include "io/tensor_file.h"
#include "stage/classify.h"
#include "stage/group.h"
#include "stage/segment.h"

enum { THREADS = 2 };

/* A row of the expected candidates. */
struct expectation {
    double index[3], xyz[3];
    long voxels;
    double probability;
};

struct reference {
    bool present;
    char *folder;
    char *networks; /* conf/models of the project */
    struct geometry geometry;
    float *hu;                    /* clipped */
    struct tensor_file heatmap;   /* "probability", "slices", "mask_eroded_bits" */
    struct expectation *expected; /* [expected_count] */
    size_t expected_count;
};

/* A failure of the setup or of a stage is shown by its message. */
#define assert_done(expression, err)                                                     \
    do {                                                                                 \
        if ((expression) != STATUS_OK)                                                   \
            fail_msg("%s", (err).message);                                               \
    } while (0)

static void reference_path(const struct reference *r, const char *name, char **out)
{
    assert_int_equal(path_join(r->folder, name, out, NULL), STATUS_OK);
}

static void reference_read_volume(struct reference *r)
{
    struct volume_options options = {.allow_outside = false};
    struct volume *v;
    struct error err;
    char *path;

    reference_path(r, "ct/C3N-00247.mhd", &path);
    assert_done(volume_open(path, &options, &v, &err), err);
    r->geometry = *volume_geometry(v);
    size_t voxels = (size_t)geometry_voxels(&r->geometry);
    assert_done(memory_new(voxels, sizeof *r->hu, "HU", (void **)&r->hu, &err), err);
    assert_done(volume_read(v, 0, r->geometry.size[0], r->hu, &err), err);
    for (size_t i = 0; i < voxels; i++)
        r->hu[i] = fminf(fmaxf(r->hu[i], -1000), 1000);
    volume_close(v);
    free(path);
}

static void reference_read_candidates(struct reference *r)
{
    char *path, *text, *line;
    size_t bytes, capacity = 0;
    struct error err;

    reference_path(r, "expected/C3N-00247.candidates.csv", &path);
    assert_done(file_read(path, 1 << 20, &text, &bytes, &err), err);
    free(path);
    /* The first line names the columns. */
    for (line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        assert_done(memory_grow((void **)&r->expected, &capacity, r->expected_count + 1,
                                sizeof *r->expected, "rows", &err),
                    err);
        struct expectation *e = &r->expected[r->expected_count++];
        assert_int_equal(sscanf(line + 1, "%lf,%lf,%lf,%lf,%lf,%lf,%ld,%lf", &e->index[0],
                                &e->index[1], &e->index[2], &e->xyz[0], &e->xyz[1],
                                &e->xyz[2], &e->voxels, &e->probability),
                         8);
    }
    free(text);
}

static int reference_setup(void **state)
{
    static struct reference r;
    struct error err;
    char *path;
    const char *folder = getenv("PULMO_TEST_DATA"), *source = getenv("PULMO_SOURCE");

    *state = &r;
    assert_int_equal(text_new(folder ? folder : "", &r.folder, NULL), STATUS_OK);
    reference_path(&r, "expected/C3N-00247.heatmap.h5", &path);
    assert_int_equal(path_join(source ? source : "", "conf/models", &r.networks, NULL),
                     STATUS_OK);
    r.present = folder && source && file_exists(path);
    if (r.present) {
        assert_done(tensor_file_init(&r.heatmap, path, &err), err);
        reference_read_volume(&r);
        reference_read_candidates(&r);
    } else {
        print_message(
            "no reference data: PULMO_TEST_DATA does not name a folder with %s\n",
            "expected/C3N-00247.heatmap.h5");
    }
    free(path);
    return 0;
}

static int reference_teardown(void **state)
{
    struct reference *r = *state;
    if (r->present)
        tensor_file_release(&r->heatmap);
    free(r->folder);
    free(r->networks);
    free(r->hu);
    free(r->expected);
    return 0;
}

static struct reference *reference_or_skip(void **state)
{
    struct reference *r = *state;
    if (!r->present)
        skip();
    return r;
}

static const float *reference_tensor(const struct reference *r, const char *name)
{
    const struct named_tensor *t = tensor_file_find(&r->heatmap, name);
    assert_non_null(t);
    return t->values;
}

static struct model *reference_model(const struct reference *r, const char *weights)
{
    struct model *m;
    struct error err;
    char *path;

    reference_path(r, weights, &path);
    assert_done(model_open(NULL, r->networks, path, &m, &err), err);
    free(path);
    isa_use(isa_best());
    return m;
}

static const struct candidate *nearest(const struct candidate *candidates, size_t count,
                                       const double index[3])
{
    const struct candidate *best = NULL;
    double least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        double d = 0;
        for (int axis = 0; axis < 3; axis++)
            d += fabs(candidates[i].index[axis] - index[axis]);
        if (d < least) {
            least = d;
            best = &candidates[i];
        }
    }
    return best;
}

static void a_real_mask_gives_scipys_components_and_centres(void **state)
{
    const struct reference *r = reference_or_skip(state);
    const float *bits = reference_tensor(r, "mask_eroded_bits");
    const struct group_options o = {.erosion = EROSION_NONE, .min_voxels = 1};
    int64_t slice = r->geometry.size[1] * r->geometry.size[2];
    struct grouper *g;
    struct candidate *found;
    struct error err;
    uint8_t *mask;
    size_t count;

    assert_done(memory_new((size_t)slice, 1, "mask", (void **)&mask, &err), err);
    assert_done(grouper_new(&r->geometry, &o, &g, &err), err);
    for (int64_t z = 0; z < r->geometry.size[0]; z++) {
        for (int64_t i = 0; i < slice; i++) {
            int64_t bit = z * slice + i;
            mask[i] = (uint8_t)bits[bit / 8] >> (7 - bit % 8) & 1;
        }
        assert_done(grouper_push(g, mask, r->hu + z * slice, &err), err);
    }
    assert_done(grouper_finish(g, &found, &count, &err), err);
    grouper_free(g);
    free(mask);

    assert_int_equal(count, r->expected_count);
    for (size_t i = 0; i < r->expected_count; i++) {
        const struct expectation *e = &r->expected[i];
        const struct candidate *c = nearest(found, count, e->index);
        assert_int_equal(c->voxels, e->voxels);
        for (int axis = 0; axis < 3; axis++) {
            assert_true(fabs(c->index[axis] - e->index[axis]) <= 1e-5);
            assert_true(fabs(c->xyz[axis] - e->xyz[axis]) <= 1e-5);
        }
    }
    free(found);
}

static void the_heatmap_of_a_real_scan_is_pytorchs(void **state)
{
    const struct reference *r = reference_or_skip(state);
    const float *expected = reference_tensor(r, "probability");
    const struct named_tensor *slices = tensor_file_find(&r->heatmap, "slices");
    const struct segment_options o = {
        .plan = {.isa = isa_best()}, .threshold = 0.5, .threads = THREADS};
    int64_t height = r->geometry.size[1], width = r->geometry.size[2],
            slice = height * width;
    struct model *m = reference_model(r, "models/segment.h5");
    struct segmenter *s;
    struct error err;
    float *heatmap;
    uint8_t *mask;
    double worst = 0, sum = 0;
    int64_t crossed = 0;

    assert_done(segmenter_new(&m, 1, height, width, &o, &s, &err), err);
    assert_int_equal(segmenter_context(s), 3);
    assert_done(
        memory_new((size_t)slice, sizeof *heatmap, "map", (void **)&heatmap, &err), err);
    assert_done(memory_new((size_t)slice, 1, "mask", (void **)&mask, &err), err);
    for (size_t k = 0; k < slices->count; k++) {
        const float *around[7];
        for (int c = 0; c < 7; c++) {
            int64_t z = (int64_t)slices->values[k] + c - 3;
            z = z < 0 ? 0 : z >= r->geometry.size[0] ? r->geometry.size[0] - 1 : z;
            around[c] = r->hu + z * slice;
        }
        assert_done(segmenter_run(s, around, 1, mask, heatmap, NULL, NULL, &err), err);
        for (int64_t i = 0; i < slice; i++) {
            float e = expected[(int64_t)k * slice + i];
            double error = fabs((double)heatmap[i] - e);
            worst = fmax(worst, error);
            sum += error;
            crossed += mask[i] != (e > 0.5f);
        }
    }
    double mean = sum / (double)((int64_t)slices->count * slice);
    print_message(
        "heatmap: error at most %.2g, %.2g on average, %lld voxels across 0.5\n", worst,
        mean, (long long)crossed);
    assert_true(worst <= 5e-4);
    assert_true(mean <= 1e-6);
    assert_true(crossed <= 20);
    free(heatmap);
    free(mask);
    segmenter_free(s);
    model_free(m);
}

/* The list holds six decimals: a centre half-way between voxels is put there again. */
static void candidate_place(struct candidate *c, const double index[3])
{
    for (int axis = 0; axis < 3; axis++) {
        double half = round(index[axis] - 0.5) + 0.5;
        c->index[axis] = fabs(index[axis] - half) < 1e-6 ? half : index[axis];
    }
}

/* Of all candidates the strongest (they stand first), and a few of the rest. */
enum { STRONGEST = 100, STEP = 20, ROOM = 100 };

static void the_probabilities_of_a_real_scan_are_pytorchs(void **state)
{
    const struct reference *r = reference_or_skip(state);
    const struct classify_options o = {.plan = {.isa = isa_best()}, .threads = THREADS};
    const struct slices s = {
        .hu = r->hu,
        .first = 0,
        .count = r->geometry.size[0],
        .size = {r->geometry.size[0], r->geometry.size[1], r->geometry.size[2]}};
    struct model *m = reference_model(r, "models/classify.h5");
    struct classifier *c;
    struct error err;
    struct candidate candidates[STRONGEST + ROOM] = {0};
    float probabilities[STRONGEST + ROOM], disagreements[STRONGEST + ROOM];
    double expected[STRONGEST + ROOM], worst = 0;
    size_t count = 0;

    assert_true(r->expected_count <= ROOM * STEP);
    for (size_t i = 0; i < r->expected_count; i++)
        if (i < STRONGEST || i % STEP == 0) {
            candidate_place(&candidates[count], r->expected[i].index);
            expected[count++] = r->expected[i].probability;
        }
    assert_done(classifier_new(m, &o, &c, &err), err);
    assert_done(classifier_run(c, &s, candidates, count, probabilities, disagreements,
                               NULL, NULL, &err),
                err);
    for (size_t i = 0; i < count; i++)
        worst = fmax(worst, fabs(probabilities[i] - expected[i]));
    print_message("probabilities of %zu candidates: error at most %.2g\n", count, worst);
    assert_true(worst <= 1e-3);
    classifier_free(c);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_mask_gives_scipys_components_and_centres),
        cmocka_unit_test(the_heatmap_of_a_real_scan_is_pytorchs),
        cmocka_unit_test(the_probabilities_of_a_real_scan_are_pytorchs),
    };
    return cmocka_run_group_tests(tests, reference_setup, reference_teardown);
}
