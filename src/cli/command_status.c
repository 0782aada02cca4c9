/* `pulmo status RUN_DIR`: progress of a running or ended job. */
#include <argp.h>

#include "base/log.h"
#include "cli/commands.h"
#include "inspect/run_status.h"

enum { OPTION_JSON = 'j' };

struct arguments {
    const char *folder;
    bool json;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case OPTION_JSON:
        a->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->folder)
            argp_error(state, "one run directory is enough: '%s'", text);
        a->folder = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->folder)
            argp_error(state, "which run? name its directory");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"json", OPTION_JSON, NULL, 0, "Print status.json as it stands", 0},
    {0},
};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN_DIR",
    .doc =
        "Tells how a running or ended job stands: scans, rate, time left, when it was "
        "last "
        "heard of, how it ended.\v"
        "Exit codes: 0 it could be told; 1 the directory is no run's, or its files are "
        "damaged; 2 usage.",
};

int command_status(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct run_status run;
    struct error err;

    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    enum status status = run_status_init(&run, arguments.folder, &err);
    if (status == STATUS_OK && arguments.json && !run.json)
        status = error_set(&err, STATUS_JOB_FAILED, "%s: no status.json yet",
                           arguments.folder);
    if (status != STATUS_OK)
        log_error("%s", err.message);
    else if (arguments.json)
        printf("%s\n", run.json);
    else
        run_status_print(&run, arguments.folder, (double)time(NULL), stdout);
    run_status_release(&run);
    return status == STATUS_OK ? 0 : 1;
}
