/* `pulmo phantom DIR`: a data set in LUNA16's layout, from a seed; or a user's own scans
 * with phantom nodules in them. */
#include <argp.h>
#include <errno.h>
#include <math.h>

#include "base/log.h"
#include "cli/commands.h"
#include "comm/comm.h"
#include "run/phantom_run.h"

enum {
    OPTION_SCANS = 'n',
    OPTION_SUBSET_SCANS = 'p',
    OPTION_SIZE = 'z',
    OPTION_SEED = 's',
    OPTION_NEGATIVES = 'c',
    OPTION_MASKS = 'm',
    OPTION_DRY_RUN = 'd',
    OPTION_IMPLANT = 'i',
    OPTION_NODULES = 'k',
    OPTION_DIAMETER = 'D',
    MOST_SCANS = 1000000,
    MOST_NODULES = 1000,
    MOST_NEGATIVES = 100000,
    SUBSETS = 10
};

static const struct argp_option options[] = {
    {"scans", OPTION_SCANS, "N", 0, "How many scans, dealt out to ten subsets (20)", 0},
    {"scans-per-subset", OPTION_SUBSET_SCANS, "N", 0, "The same, counted by subset", 0},
    {"size", OPTION_SIZE, "SIZE", 0,
     "luna: as LUNA16's scans; small: 192x192x90 over the whole chest; or XxYxZ (luna)",
     0},
    {"seed", OPTION_SEED, "S", 0, "Everything follows from it (1)", 0},
    {"negatives", OPTION_NEGATIVES, "N", 0,
     "Candidates of class 0 a scan, on average (200; 20 with --implant)", 0},
    {"masks", OPTION_MASKS, NULL, 0, "Write label volumes of nodules and lungs too", 0},
    {"dry-run", OPTION_DRY_RUN, NULL, 0,
     "Say what it takes in disk and time, make nothing", 0},
    {NULL, 0, NULL, 0, "Nodules in scans that exist:", 1},
    {"implant", OPTION_IMPLANT, "TREE", 0,
     "Copy the scans of TREE, each with nodules put into its lungs", 1},
    {"nodules", OPTION_NODULES, "N", 0, "How many a scan (5)", 1},
    {"diameter", OPTION_DIAMETER, "A,B", 0,
     "From A to B mm (drawn as LUNA16's are, if not given)", 1},
    {0},
};

struct arguments {
    struct phantom_options run;
    bool counted, sized, has_negatives, has_nodules, has_diameter;
};

static int64_t whole(const struct argp_state *state, const char *option, const char *text,
                     int64_t low, int64_t high)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || errno || n < low || n > high)
        argp_error(state, "--%s %s: must be a whole number from %lld to %lld", option,
                   text, (long long)low, (long long)high);
    return n;
}

static void parse_diameter(const struct argp_state *state, const char *text, double mm[2])
{
    char *middle, *end;
    mm[0] = strtod(text, &middle);
    mm[1] = *middle == ',' ? strtod(middle + 1, &end) : 0;
    if (middle == text || *middle != ',' || end == middle + 1 || *end ||
        !(mm[0] > 0 && mm[0] <= mm[1] && mm[1] <= 100))
        argp_error(state, "--diameter %s: must be A,B in mm with 0 < A <= B <= 100",
                   text);
}

static void set_scans(const struct argp_state *state, struct arguments *a,
                      const char *option, const char *text, int64_t factor)
{
    if (a->counted)
        argp_error(state, "--scans and --scans-per-subset say the same: give one, once");
    a->counted = true;
    a->run.scans = factor * whole(state, option, text, 1, MOST_SCANS / factor);
}

static void check(const struct argp_state *state, struct arguments *a)
{
    if (!a->run.folder || !*a->run.folder)
        argp_error(state, "which folder? name the one to make");
    if (a->run.implant && (a->counted || a->sized))
        argp_error(state, "--scans and --size are those of TREE with --implant");
    if (!a->run.implant && (a->has_nodules || a->has_diameter))
        argp_error(state, "--nodules and --diameter go with --implant");
    if (a->run.implant && !a->has_negatives)
        a->run.negatives = 20;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    struct error err;
    switch (key) {
    case OPTION_SCANS:
        set_scans(state, a, "scans", text, 1);
        return 0;
    case OPTION_SUBSET_SCANS:
        set_scans(state, a, "scans-per-subset", text, SUBSETS);
        return 0;
    case OPTION_SIZE:
        if (scanner_size_parse(text, &a->run.size, &err) != STATUS_OK)
            argp_error(state, "%s", err.message);
        a->run.size_text = text;
        a->sized = true;
        return 0;
    case OPTION_SEED:
        a->run.seed = (uint64_t)whole(state, "seed", text, 0, INT64_MAX);
        return 0;
    case OPTION_NEGATIVES:
        a->run.negatives = (double)whole(state, "negatives", text, 0, MOST_NEGATIVES);
        a->has_negatives = true;
        return 0;
    case OPTION_MASKS:
        a->run.masks = true;
        return 0;
    case OPTION_DRY_RUN:
        a->run.dry_run = true;
        return 0;
    case OPTION_IMPLANT:
        a->run.implant = text;
        return 0;
    case OPTION_NODULES:
        a->run.nodules = whole(state, "nodules", text, 1, MOST_NODULES);
        a->has_nodules = true;
        return 0;
    case OPTION_DIAMETER:
        parse_diameter(state, text, a->run.diameter_mm);
        a->has_diameter = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->run.folder)
            argp_error(state, "one folder, not also '%s'", text);
        a->run.folder = text;
        return 0;
    case ARGP_KEY_END:
        check(state, a);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DIR",
    .doc =
        "Makes a data set of synthetic chest CT in LUNA16's layout: subsets of volumes "
        "with nodules, and the lists that say where they are. The same seed and "
        "options give the same bytes, on any number of ranks; a start that was "
        "interrupted goes on where it stopped.\v"
        "Exit codes: 0 done; 1 failed; 2 usage, or a folder that cannot be used; 3 "
        "done, but scans of TREE could not be read and were left out; 75 stopped on "
        "request (USR1 or TERM): the same command goes on.",
};

int command_phantom(int argc, char **argv)
{
    struct arguments arguments = {
        .run = {
            .scans = 20, .size_text = "luna", .seed = 1, .negatives = 200, .nodules = 5}};
    struct comm comm;
    struct error err;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (comm_init(&comm, "auto", 0, 0, &err)) {
        log_error("%s", err.message);
        return 1;
    }
    int exit_code = phantom_run(&comm, &arguments.run);
    comm_finish(&comm);
    return exit_code;
}
