/*
 * Networks against what PyTorch computed.
 *
 * With PULMO_TEST_DATA: the book's U-Net and LunaModel on a real chest CT, against stored
 * results. With PULMO_NN_WEIGHTS and PULMO_NN_CASE (tests/e2e/weights_from_pytorch.sh):
 * one input and its output, datasets "input" [channels][...] and "output" of an HDF5
 * file.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/tensor_file.h"
#include "nn/model.h"

enum {
    SLICES = 99,
    SIDE = 512,
    AREA = SIDE * SIDE,
    CONTEXT = 3,
    CHANNELS = 2 * CONTEXT + 1
};

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static void *room(size_t count, size_t bytes)
{
    void *p;
    ok(memory_new(count, bytes, "test", &p, &err));
    return p;
}

/* A model, a plan and a workspace. */
struct machine {
    struct model *model;
    struct model_plan *plan;
    void *workspace;
};

static void machine_start(struct machine *m, const char *weights, const int64_t size[3],
                          enum conv_algorithm algorithm)
{
    const struct model_plan_options options = {.isa = isa_best(), .algorithm = algorithm};
    const char *source = getenv("PULMO_SOURCE");
    char *networks;
    isa_use(options.isa);
    ok(path_join(source ? source : "", "conf/models", &networks, &err));
    ok(model_open(NULL, networks, weights, &m->model, &err));
    free(networks);
    ok(model_plan_new(m->model, size[0], size[1], size[2], &options, &m->plan, &err));
    m->workspace = room(model_plan_workspace_bytes(m->plan), 1);
    model_plan_print(m->plan, stdout);
    printf("%lld parameters, %.1f M multiply-adds, workspace %.1f MB\n",
           (long long)model_parameters(m->model),
           1e-6 * (double)model_plan_multiply_adds(m->plan),
           1e-6 * (double)model_plan_workspace_bytes(m->plan));
}

static void machine_stop(struct machine *m)
{
    free(m->workspace);
    model_plan_free(m->plan);
    model_free(m->model);
}

/* PULMO_TEST_DATA/name, or skips. */
static char *data_file(const char *name)
{
    const char *folder = getenv("PULMO_TEST_DATA");
    char *path;
    ok(path_join(folder ? folder : "", name, &path, &err));
    if (!folder || !file_exists(path)) {
        printf("skipped: needs %s of the reference data (PULMO_TEST_DATA)\n", name);
        free(path);
        skip();
    }
    return path;
}

/* The chest CT, clipped. */
static float *read_scan(void)
{
    char *path = data_file("ct/C3N-00247.zraw"), *packed;
    size_t bytes;
    uLongf length = (uLongf)SLICES * AREA * sizeof(int16_t);
    int16_t *raw = room(length, 1);
    float *hu = room((size_t)SLICES * AREA, sizeof *hu);

    ok(file_read(path, (size_t)1 << 30, &packed, &bytes, &err));
    assert_int_equal(uncompress((Bytef *)raw, &length, (const Bytef *)packed, bytes),
                     Z_OK);
    for (size_t i = 0; i < (size_t)SLICES * AREA; i++)
        hu[i] = fminf(fmaxf(raw[i], -1000), 1000);
    free(raw);
    free(packed);
    free(path);
    return hu;
}

static const struct named_tensor *tensor_of(const struct tensor_file *f, const char *name)
{
    const struct named_tensor *t = tensor_file_find(f, name);
    assert_non_null(t);
    return t;
}

static void the_unet_gives_pytorchs_heatmap_of_a_real_scan(void **state)
{
    (void)state;
    char *weights = data_file("models/segment.h5"),
         *path = data_file("expected/C3N-00247.heatmap.h5");
    struct tensor_file expected;
    struct machine m;
    float *hu = read_scan(), *heatmap = room(AREA, sizeof *heatmap);
    double worst = 0, sum = 0, seconds = 0;
    int crossed = 0;

    ok(tensor_file_init(&expected, path, &err));
    machine_start(&m, weights, (int64_t[]){1, SIDE, SIDE}, CONV_AUTO);
    assert_string_equal(model_name(m.model), "unet2d");
    assert_int_equal(model_parameters(m.model), 118271);
    const struct named_tensor *slices = tensor_of(&expected, "slices");
    for (size_t i = 0; i < slices->count; i++) {
        const float *planes[CHANNELS];
        for (int c = 0; c < CHANNELS; c++) {
            int slice = (int)slices->values[i] + c - CONTEXT;
            slice = slice < 0 ? 0 : slice >= SLICES ? SLICES - 1 : slice;
            planes[c] = hu + (size_t)slice * AREA;
        }
        double start = clock_seconds();
        model_run(m.plan, planes, heatmap, m.workspace);
        seconds += clock_seconds() - start;
        const float *truth = tensor_of(&expected, "probability")->values + i * AREA;
        for (int k = 0; k < AREA; k++) {
            double error = fabs((double)heatmap[k] - truth[k]);
            worst = fmax(worst, error);
            sum += error;
            crossed += (heatmap[k] > 0.5f) != (truth[k] > 0.5f);
        }
    }
    const double mean = sum / (double)slices->count / AREA;
    printf(
        "heatmap: largest error %.2g, mean %.2g, %d voxels across 0.5, %.0f ms a slice\n",
        worst, mean, crossed, 1e3 * seconds / (double)slices->count);
    assert_true(worst <= 5e-4);
    assert_true(mean <= 1e-6);
    assert_int_equal(crossed, 0);

    machine_stop(&m);
    tensor_file_release(&expected);
    free(heatmap);
    free(hu);
    free(path);
    free(weights);
}

enum { DEPTH = 32, WIDTH = 48 };

static void copy_crop(const float *hu, const double index[3], float *crop)
{
    const int64_t size[3] = {SLICES, SIDE, SIDE}, width[3] = {DEPTH, WIDTH, WIDTH};
    int64_t start[3];
    for (int i = 0; i < 3; i++) {
        start[i] = (int64_t)rint(index[i]) - width[i] / 2;
        start[i] = start[i] < 0 ? 0 : start[i];
        start[i] = start[i] + width[i] > size[i] ? size[i] - width[i] : start[i];
    }
    for (int64_t z = 0; z < DEPTH; z++)
        for (int64_t y = 0; y < WIDTH; y++)
            memcpy(crop + (z * WIDTH + y) * WIDTH,
                   hu + (start[0] + z) * AREA + (start[1] + y) * SIDE + start[2],
                   WIDTH * sizeof *crop);
}

static void lunamodel_gives_pytorchs_probabilities_of_real_candidates(void **state)
{
    (void)state;
    char *weights = data_file("models/classify.h5");
    char *path = data_file("expected/C3N-00247.candidates.csv"), line[512];
    struct machine m;
    float *hu = read_scan(), *crop = room(DEPTH * WIDTH * WIDTH, sizeof *crop);
    const float *planes[1] = {crop};
    double worst = 0, seconds = 0;
    int count = 0;
    FILE *list = fopen(path, "r");

    assert_non_null(list);
    assert_non_null(fgets(line, sizeof line, list));
    machine_start(&m, weights, (int64_t[]){DEPTH, WIDTH, WIDTH}, CONV_AUTO);
    assert_string_equal(model_name(m.model), "luna");
    assert_int_equal(model_parameters(m.model), 222220);
    assert_int_equal((model_plan_multiply_adds(m.plan) + 50000) / 100000, 3105);
    assert_int_equal(model_plan_output_floats(m.plan), 2);
    /* The candidates come by descending probability: all of the first, then every tenth.
     */
    for (int row = 0; fgets(line, sizeof line, list); row++) {
        double index[3], probability;
        float output[2];
        if (row >= 60 && row % 10 != 0)
            continue;
        assert_int_equal(sscanf(line, "%lf,%lf,%lf,%*f,%*f,%*f,%*d,%lf", &index[0],
                                &index[1], &index[2], &probability),
                         4);
        copy_crop(hu, index, crop);
        double start = clock_seconds();
        model_run(m.plan, planes, output, m.workspace);
        seconds += clock_seconds() - start;
        worst = fmax(worst, fabs(output[1] - probability));
        assert_true(fabs(output[0] + output[1] - 1) < 1e-6);
        count++;
    }
    printf("probabilities: largest error %.2g of %d, %.2f ms each\n", worst, count,
           1e3 * seconds / count);
    assert_true(worst <= 1e-3);

    fclose(list);
    machine_stop(&m);
    free(crop);
    free(hu);
    free(path);
    free(weights);
}

static void a_given_case_has_the_given_output(void **state)
{
    (void)state;
    const char *weights = getenv("PULMO_NN_WEIGHTS"), *path = getenv("PULMO_NN_CASE");
    if (!weights || !path) {
        printf("skipped: no PULMO_NN_WEIGHTS and PULMO_NN_CASE\n");
        skip();
    }
    static const enum conv_algorithm algorithms[] = {CONV_REFERENCE, CONV_BLIS,
                                                     CONV_AUTO};
    struct tensor_file file;
    ok(tensor_file_init(&file, path, &err));
    const struct named_tensor *input = tensor_of(&file, "input"),
                              *truth = tensor_of(&file, "output");
    int64_t size[3] = {1, 1, 1};
    for (int i = 1; i < input->rank; i++)
        size[3 - input->rank + i] = input->shape[i];
    const size_t voxels = input->count / (size_t)input->shape[0];
    const float **planes = room((size_t)input->shape[0], sizeof *planes);
    for (int64_t c = 0; c < input->shape[0]; c++)
        planes[c] = input->values + (size_t)c * voxels;

    for (size_t a = 0; a < sizeof algorithms / sizeof algorithms[0]; a++) {
        struct machine m;
        double worst = 0;
        machine_start(&m, weights, size, algorithms[a]);
        assert_int_equal(model_input_channels(m.model), input->shape[0]);
        assert_int_equal(model_plan_output_floats(m.plan), truth->count);
        float *output = room(truth->count, sizeof *output);
        model_run(m.plan, planes, output, m.workspace);
        for (size_t i = 0; i < truth->count; i++)
            worst = fmax(worst, fabs((double)output[i] - truth->values[i]));
        printf("%s: largest error %.2g\n", conv_algorithm_name(algorithms[a]), worst);
        assert_true(worst <= 2e-5);
        free(output);
        machine_stop(&m);
    }
    free(planes);
    tensor_file_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_unet_gives_pytorchs_heatmap_of_a_real_scan),
        cmocka_unit_test(lunamodel_gives_pytorchs_probabilities_of_real_candidates),
        cmocka_unit_test(a_given_case_has_the_given_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
