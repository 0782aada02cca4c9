/* `pulmo why RUN_DIR SERIESUID X,Y,Z`: where a finding was won or lost. */
#include <argp.h>
#include <math.h>

#include "base/log.h"
#include "cli/commands.h"
#include "inspect/why.h"

struct arguments {
    const char *folder, *seriesuid;
    double xyz[3];
};

/* Three finite numbers between commas and nothing else. */
static bool parse_point(const char *text, double xyz[3])
{
    for (int k = 0; k < 3; k++) {
        char *end;
        xyz[k] = strtod(text, &end);
        if (end == text || !isfinite(xyz[k]) || *end != (k < 2 ? ',' : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

/* X may be negative and begin with a dash: so arguments come in order (ARGP_IN_ORDER) and
 * the first one takes all that follow it, none of which is an option. */
static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->argc - state->next != 2)
            argp_error(state,
                       "a run directory, a seriesuid and a point X,Y,Z in mm are needed");
        a->folder = text;
        a->seriesuid = state->argv[state->next];
        if (!parse_point(state->argv[state->next + 1], a->xyz))
            argp_error(state, "'%s' is not a point: three numbers X,Y,Z in mm",
                       state->argv[state->next + 1]);
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (!a->folder)
            argp_error(state,
                       "a run directory, a seriesuid and a point X,Y,Z in mm are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "RUN_DIR SERIESUID X,Y,Z",
    .doc = "Follows a point of a scan (mm, LPS: as in annotations.csv) through the "
           "stages of a "
           "finished run: heatmap, threshold, erosion, component, candidate, "
           "probability. The "
           "last line is the verdict.\v"
           "Exit codes: 0 it could be told; 1 no such run or scan, or a damaged file; 2 "
           "usage.",
};

int command_why(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct why why;
    struct error err;

    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
    enum status status =
        why_init(&why, arguments.folder, arguments.seriesuid, arguments.xyz, &err);
    if (status != STATUS_OK)
        log_error("%s", err.message);
    else
        why_print(&why, stdout);
    why_release(&why);
    return status == STATUS_OK ? 0 : 1;
}
