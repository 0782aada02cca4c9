/* `pulmo froc`: LUNA16's official score of a submission. */
#include <argp.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/count_argument.h"
#include "score/froc_files.h"

enum { RESAMPLES = 1000, RESAMPLES_LIMIT = 20000, SEED = 1, EXIT_USAGE = 2 };

struct arguments {
    struct evaluation_paths paths;
    const char *folder, *submission;
    size_t resamples;
    uint64_t seed;
    bool strict;
};

enum { KEY_ANNOTATIONS = 'a', KEY_EXCLUDED = 'e', KEY_SERIESUIDS = 'l', KEY_OUT = 'o' };
enum { KEY_STRICT = 0x100, KEY_BOOTSTRAPS, KEY_SEED };

static const struct argp_option options[] = {
    {"annotations", KEY_ANNOTATIONS, "CSV", 0, "nodules to be found", 0},
    {"excluded", KEY_EXCLUDED, "CSV", 0,
     "findings on which marks are neither right nor wrong", 0},
    {"seriesuids", KEY_SERIESUIDS, "CSV", 0, "the scans that count, one a line", 0},
    {"out", KEY_OUT, "DIR", 0, "where the files of the score go", 0},
    {"strict", KEY_STRICT, NULL, 0,
     "a mark on a scan that is not listed, or a scan listed twice, is an error", 0},
    {"bootstraps", KEY_BOOTSTRAPS, "N", 0, "resamples of scans (1000); 0: no bounds", 0},
    {"seed", KEY_SEED, "S", 0, "seed of the resamples (1)", 0},
    {0},
};

static void require(struct argp_state *state, const char *value, const char *name)
{
    if (!value)
        argp_error(state, "%s is missing", name);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case KEY_ANNOTATIONS:
        a->paths.annotations = text;
        return 0;
    case KEY_EXCLUDED:
        a->paths.excluded = text;
        return 0;
    case KEY_SERIESUIDS:
        a->paths.seriesuids = text;
        return 0;
    case KEY_OUT:
        a->folder = text;
        return 0;
    case KEY_STRICT:
        a->strict = true;
        return 0;
    case KEY_BOOTSTRAPS:
        a->resamples = (size_t)count_argument(state, "bootstraps", text, RESAMPLES_LIMIT);
        return 0;
    case KEY_SEED:
        a->seed = count_argument(state, "seed", text, INT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (a->submission)
            argp_error(state, "one submission at a time: '%s' is a second one", text);
        a->submission = text;
        return 0;
    case ARGP_KEY_END:
        require(state, a->paths.annotations, "--annotations");
        require(state, a->paths.excluded, "--excluded");
        require(state, a->paths.seriesuids, "--seriesuids");
        require(state, a->folder, "--out");
        require(state, a->submission, "SUBMISSION.csv");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "SUBMISSION.csv",
    .doc = "LUNA16's official score of a submission: FROC curve, CPM, counts, and 95 % "
           "bounds from resampled scans.\v"
           "SUBMISSION.csv has the columns seriesuid,coordX,coordY,coordZ,probability in "
           "any order. "
           "Exit codes: 0 done; 1 failed; 2 usage, or a list that cannot be read.",
};

/* Says what was passed over, or refuses it. */
static enum status judge(const struct arguments *a, const struct evaluation *e,
                         struct error *err)
{
    if (e->repeated > 0 && a->strict)
        return error_set(err, STATUS_JOB_CONFIG, "%s: %zu lines name a scan again",
                         a->paths.seriesuids, e->repeated);
    if (e->repeated > 0)
        log_warning("%s: %zu lines name a scan again; it counts once",
                    a->paths.seriesuids, e->repeated);
    if (e->foreign_scans > 0 && a->strict)
        return error_set(err, STATUS_JOB_CONFIG,
                         "%s: %zu marks on %zu scans that %s does not list, the first %s",
                         a->submission, e->foreign_marks, e->foreign_scans,
                         a->paths.seriesuids, e->first_foreign);
    if (e->foreign_scans > 0)
        log_warning("%s: %zu marks on %zu scans that %s does not list are ignored, the "
                    "first on %s",
                    a->submission, e->foreign_marks, e->foreign_scans,
                    a->paths.seriesuids, e->first_foreign);
    return STATUS_OK;
}

static enum status score(const struct arguments *a, const char *name, struct error *err)
{
    enum status status = STATUS_OK;
    struct evaluation evaluation;
    struct submission submission = {0};
    struct froc_result result = {0};
    TRY(evaluation_init(&evaluation, &a->paths, err));
    TRY(submission_init(&submission, a->submission, err));
    evaluation_set_marks(&evaluation, &submission);
    TRY(judge(a, &evaluation, err));
    TRY(froc_score(evaluation.scans, evaluation.scan_count, &result, err));
    TRY(froc_bootstrap(&result, a->resamples, a->seed, err));
    TRY(froc_write(a->folder, name, &evaluation, &result, err));
    froc_print(stdout, &evaluation, &result);
out:
    froc_result_release(&result);
    submission_release(&submission);
    evaluation_release(&evaluation);
    return status;
}

int command_froc(int argc, char **argv)
{
    struct arguments arguments = {.resamples = RESAMPLES, .seed = SEED};
    struct error err;
    char *name = NULL;

    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    enum status status = text_new(path_name(arguments.submission), &name, &err);
    if (status == STATUS_OK) {
        char *dot = strrchr(name, '.');
        if (dot && dot != name)
            *dot = '\0';
        status = score(&arguments, name, &err);
    }
    if (status != STATUS_OK)
        log_error("%s", err.message);
    free(name);
    return status_exit_code(status);
}
