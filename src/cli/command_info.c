/* `pulmo info FILE`: finds out what kind of file it is, and has that told. */
#include <argp.h>
#include <errno.h>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/info.h"
#include "cli/info_picture.h"
#include "config/tree.h"
#include "ct/volume.h"
#include "io/chunk_file.h"
#include "io/run_reader.h"
#include "io/tensor_file.h"

enum {
    OPTION_DEEP = 'd',
    OPTION_PLAN = 'p',
    OPTION_SIZE = 0x100,
    OPTION_WEIGHTS,
    OPTION_CPU
};

struct arguments {
    const char *path;
    bool cpu;
    struct info_options options;
    struct picture_arguments picture;
};

/* Three positive integers between commas and nothing else. */
static bool parse_size(const char *text, int64_t size[3])
{
    for (int k = 0; k < 3; k++) {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (end == text || errno || value <= 0 || *end != (k < 2 ? ',' : '\0'))
            return false;
        size[k] = value;
        text = end + 1;
    }
    return true;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->picture;
        return 0;
    case OPTION_DEEP:
        a->options.deep = true;
        return 0;
    case OPTION_PLAN:
        a->options.plan = true;
        return 0;
    case OPTION_SIZE:
        if (!parse_size(text, a->options.size))
            argp_error(state, "'%s' is not a size: three whole numbers Z,Y,X", text);
        return 0;
    case OPTION_WEIGHTS:
        a->options.weights = text;
        return 0;
    case OPTION_CPU:
        a->cpu = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->path)
            argp_error(state, "one file is enough: '%s'", text);
        a->path = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->path && !a->cpu)
            argp_error(state, "which file? or --cpu for this machine");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"deep", OPTION_DEEP, NULL, 0, "Volumes: read all voxels, for their HU", 0},
    {"plan", OPTION_PLAN, NULL, 0, "Models: how they are run, step by step", 0},
    {"size", OPTION_SIZE, "Z,Y,X", 0,
     "Input size for --plan and for the shapes of layers", 0},
    {"weights", OPTION_WEIGHTS, "FILE", 0, "Networks: the weights for --plan", 0},
    {"cpu", OPTION_CPU, NULL, 0, "This machine: instruction sets, cores, BLIS", 0},
    {0},
};

static const struct argp_child children[] = {{&picture_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .children = children,
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .doc =
        "Tells what a file holds: a volume (.mhd, .mha, .nii, .nii.gz), weights or a "
        "run's "
        "store (.h5), a run directory, a description of a network or a job file (.cfg). "
        "With "
        "--png, draws a volume: the patient's right on the left, front and head up.\v"
        "Exit codes: 0 it could be told; 1 it cannot be read or is of no known kind; 2 "
        "usage, "
        "or a configuration that is wrong.",
};

static bool has_ending(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && !strcmp(path + n - m, ending);
}

static enum status is_hdf5(const char *path, bool *out, struct error *err)
{
    static const char signature[] = "\211HDF\r\n\032\n";
    char head[sizeof signature - 1];
    FILE *f = fopen(path, "rb");
    if (!f)
        return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    *out = fread(head, 1, sizeof head, f) == sizeof head &&
           !memcmp(head, signature, sizeof head);
    fclose(f);
    return STATUS_OK;
}

/* A network has layers; a job has none. */
static enum status info_configuration(const char *path, const struct info_options *o,
                                      struct error *err)
{
    struct tree *t;
    enum status status = tree_open(path, &t, err);
    if (status != STATUS_OK)
        return status;
    bool network = tree_has(tree_root(t), "layers");
    tree_close(t);
    return network ? info_network(path, o, err) : info_job(path, err);
}

/* Weights are tried first; what is neither they nor a store has both reasons told. */
static enum status info_hdf5(const char *path, const struct info_options *o,
                             struct error *err)
{
    struct tensor_file weights;
    struct run_reader *store;
    struct error no_weights, no_store;
    enum status status = tensor_file_init(&weights, path, &no_weights);
    tensor_file_release(&weights);
    if (status == STATUS_OK)
        return info_weights(path, o, err);
    if (info_nights(path, &no_store) == STATUS_OK)
        return STATUS_OK;
    if (run_reader_open(path, &store, &no_store) != STATUS_OK)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "neither a run's store (%.400s) nor weights (%.400s)",
                         no_store.message, no_weights.message);
    run_reader_close(store);
    return info_store(path, err);
}

/* A volume; the picture of it comes last. */
static enum status info_scan(const struct arguments *a, struct error *err)
{
    enum status status = info_volume(a->path, &a->options, err);
    if (status == STATUS_OK && a->picture.png)
        status = info_picture(a->path, &a->picture, err);
    return status;
}

static enum status info(const struct arguments *a, struct error *err)
{
    bool hdf5 = false;
    /* a volume may lie in an archive, where no file of its name is */
    if (!file_exists(a->path) && !volume_is_name(path_name(a->path)))
        return error_set(err, STATUS_ITEM_IO, "%s: no such file", a->path);
    if (a->picture.png && !volume_is_name(path_name(a->path)))
        return error_set(err, STATUS_JOB_CONFIG,
                         "%s: --png draws volumes (.mhd, .mha, .nii, .nii.gz)", a->path);
    if (file_is_folder(a->path))
        return info_run(a->path, err);
    if (volume_is_name(path_name(a->path)))
        return info_scan(a, err);
    if (has_ending(a->path, ".cfg"))
        return info_configuration(a->path, &a->options, err);
    if (chunk_file_is_one(a->path))
        return info_cached_scan(a->path, &a->options, err);
    enum status status = is_hdf5(a->path, &hdf5, err);
    if (status != STATUS_OK)
        return status;
    if (hdf5)
        return info_hdf5(a->path, &a->options, err);
    return error_set(
        err, STATUS_ITEM_FORMAT,
        "%s: neither a volume (.mhd, .mha, .nii, .nii.gz) nor HDF5 nor a .cfg nor a "
        "run directory",
        a->path);
}

int command_info(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error err;
    enum status status = STATUS_OK;

    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.cpu)
        info_cpu();
    if (arguments.path)
        status = info(&arguments, &err);
    if (status != STATUS_OK)
        log_error("%s", err.message);
    return status_exit_code(status);
}
