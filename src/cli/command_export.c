/* `pulmo export RUN_DIR|MODEL`: results and weights for other tools. */
#include <argp.h>
#include <math.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "export/safetensors.h"
#include "export/scan_export.h"
#include "export/tensorboard.h"

enum { EXIT_USAGE = 2, SUBMISSION_LIMIT = 1 << 30 };

enum { KEY_OUT = 'o', KEY_SCAN = 's', KEY_THRESHOLD = 't' };
enum {
    KEY_MARKUPS = 0x100,
    KEY_NIFTI,
    KEY_MHD,
    KEY_SAFETENSORS,
    KEY_SUBMISSION,
    KEY_TENSORBOARD
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "What is written:", 1},
    {"markups", KEY_MARKUPS, NULL, 0, "points for 3D Slicer, a .mrk.json a scan", 1},
    {"nifti", KEY_NIFTI, NULL, 0, "label volumes, .nii.gz", 1},
    {"mhd", KEY_MHD, NULL, 0, "label volumes, .mhd and .zraw", 1},
    {"submission", KEY_SUBMISSION, NULL, 0, "LUNA16's CSV", 1},
    {"tensorboard", KEY_TENSORBOARD, NULL, 0, "learning curves as event files", 1},
    {"safetensors", KEY_SAFETENSORS, NULL, 0, "the weights of a MODEL", 1},
    {NULL, 0, NULL, 0, "How:", 2},
    {"out", KEY_OUT, "PATH", 0,
     "folder of a run's files (RUN_DIR/export), or the file of weights "
     "(MODEL.safetensors)",
     2},
    {"scan", KEY_SCAN, "SERIESUID", 0, "that scan alone", 2},
    {"threshold", KEY_THRESHOLD, "P", 0,
     "candidates of this probability or more; default: the run's classify.threshold", 2},
    {0},
};

struct arguments {
    const char *from, *out;
    struct scan_export scans;
    bool safetensors, submission, tensorboard;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    char *end;
    switch (key) {
    case KEY_MARKUPS:
        a->scans.markups = true;
        return 0;
    case KEY_NIFTI:
        a->scans.nifti = true;
        return 0;
    case KEY_MHD:
        a->scans.metaimage = true;
        return 0;
    case KEY_SAFETENSORS:
        a->safetensors = true;
        return 0;
    case KEY_SUBMISSION:
        a->submission = true;
        return 0;
    case KEY_TENSORBOARD:
        a->tensorboard = true;
        return 0;
    case KEY_OUT:
        a->out = text;
        return 0;
    case KEY_SCAN:
        a->scans.scan = text;
        return 0;
    case KEY_THRESHOLD:
        a->scans.threshold = strtod(text, &end);
        if (end == text || *end || !(a->scans.threshold >= 0 && a->scans.threshold <= 1))
            argp_error(state, "--threshold '%s' is not a probability", text);
        return 0;
    case ARGP_KEY_ARG:
        if (a->from)
            argp_error(state, "one thing is exported: '%s' is a second one", text);
        a->from = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->from)
            argp_error(state, "what? name a run directory, or a file of weights");
        if (!a->scans.markups && !a->scans.nifti && !a->scans.metaimage &&
            !a->safetensors && !a->submission && !a->tensorboard)
            argp_error(state, "as what? see --help");
        if (a->safetensors == file_is_folder(a->from))
            argp_error(state, "%s: %s", a->from,
                       a->safetensors ? "a folder; weights are in a file"
                                      : "results are in a run directory");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN_DIR|MODEL",
    .doc = "Writes what a run found, or the weights of a model, in other tools' formats. "
           "Places are in mm, LPS.\vExit codes: 0 done; 1 the folder holds no finished "
           "run, or a file cannot be written; 2 usage, or weights that cannot be read.",
};

static enum status export_weights(const struct arguments *a, struct error *err)
{
    enum status status = STATUS_OK;
    struct tensor_file f = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s.safetensors", a->from);
    TRY(tensor_file_init(&f, a->from, err));
    TRY(safetensors_write(a->out ? a->out : path, &f, err));
    log_info("%s: %zu tensors", a->out ? a->out : path, f.count);
out:
    tensor_file_release(&f);
    return status;
}

static enum status export_submission(const struct arguments *a, const char *folder,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    char *from = NULL, *to = NULL, *text = NULL;
    size_t bytes;
    TRY(path_join(a->from, "submission.csv", &from, err));
    TRY(path_join(folder, "submission.csv", &to, err));
    TRY(folder_make(folder, err));
    TRY(file_read(from, SUBMISSION_LIMIT, &text, &bytes, err));
    TRY(file_write(to, text, bytes, err));
    log_info("%s", to);
out:
    free(from);
    free(to);
    free(text);
    return status;
}

static enum status export_run(struct arguments *a, struct error *err)
{
    enum status status = STATUS_OK;
    char *folder = NULL, *curves = NULL;
    int64_t files = 0;
    TRY(a->out ? text_new(a->out, &folder, err)
               : path_join(a->from, "export", &folder, err));
    a->scans.run = a->from;
    a->scans.folder = folder;
    if (a->submission)
        TRY(export_submission(a, folder, err));
    if (a->tensorboard) {
        TRY(path_join(folder, "tensorboard", &curves, err));
        TRY(tensorboard_write(a->from, curves, err));
        log_info("%s", curves);
    }
    if (a->scans.markups || a->scans.nifti || a->scans.metaimage) {
        TRY(scan_export_write(&a->scans, &files, err));
        log_info("%s: %lld files", folder, (long long)files);
    }
out:
    free(folder);
    free(curves);
    return status;
}

int command_export(int argc, char **argv)
{
    struct arguments a = {.scans.threshold = NAN};
    struct error err;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    enum status status = a.safetensors ? export_weights(&a, &err) : export_run(&a, &err);
    if (status != STATUS_OK)
        log_error("%s", err.message);
    return status_exit_code(status);
}
