/* `pulmo compare RUN_A RUN_B`: paired difference of two runs. */
#include <argp.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/count_argument.h"
#include "inspect/comparison.h"

enum { RESAMPLES = 1000, RESAMPLES_LIMIT = 100000, SEED = 1, EXIT_USAGE = 2 };

enum { KEY_JSON = 'j', KEY_ANNOTATIONS = 'a', KEY_EXCLUDED = 'e', KEY_SERIESUIDS = 'l' };
enum { KEY_MALIGNANCY = 'm', KEY_BOOTSTRAPS = 0x100, KEY_SEED };

struct arguments {
    struct comparison_request request;
    bool json;
};

static const struct argp_option options[] = {
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"annotations", KEY_ANNOTATIONS, "CSV", 0,
     "nodules to be found; default: the list of the runs", 0},
    {"excluded", KEY_EXCLUDED, "CSV", 0,
     "findings on which marks are neither right nor wrong; default as above", 0},
    {"seriesuids", KEY_SERIESUIDS, "CSV", 0,
     "the scans that count, one a line; default as above", 0},
    {"malignancy", KEY_MALIGNANCY, "CSV", 0, "malignancies of nodules; default as above",
     0},
    {"bootstraps", KEY_BOOTSTRAPS, "N", 0, "resamples of scans (1000); 0: no bounds", 0},
    {"seed", KEY_SEED, "S", 0, "seed of the resamples (1)", 0},
    {0},
};

static void take_folder(struct comparison_request *r, char *text,
                        struct argp_state *state)
{
    if (r->folders[1])
        argp_error(state, "two runs are compared: '%s' is a third one", text);
    r->folders[r->folders[0] != NULL] = text;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    struct comparison_request *r = &a->request;
    switch (key) {
    case KEY_JSON:
        a->json = true;
        return 0;
    case KEY_ANNOTATIONS:
        r->annotations = text;
        return 0;
    case KEY_EXCLUDED:
        r->excluded = text;
        return 0;
    case KEY_SERIESUIDS:
        r->seriesuids = text;
        return 0;
    case KEY_MALIGNANCY:
        r->malignancy = text;
        return 0;
    case KEY_BOOTSTRAPS:
        r->resamples = (size_t)count_argument(state, "bootstraps", text, RESAMPLES_LIMIT);
        return 0;
    case KEY_SEED:
        r->seed = count_argument(state, "seed", text, INT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        take_folder(r, text, state);
        return 0;
    case ARGP_KEY_END:
        if (!r->folders[1])
            argp_error(state, "which runs? name two run directories");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN_A RUN_B",
    .doc =
        "Compares two finished runs on the scans that both have: CPM and sensitivities, "
        "their differences (B less A) with 95 % bounds from resamples that both share, "
        "by size of nodules and thickness of slices too, and the areas under the ROC "
        "curves of malignancy where both have a model of it.\v"
        "Both runs are held against the same lists. Exit codes: 0 done; 1 a folder "
        "holds no finished run, files are damaged, or the runs share no scan; 2 usage, "
        "or lists that differ, are missing or cannot be read.",
};

int command_compare(int argc, char **argv)
{
    struct arguments arguments = {.request = {.resamples = RESAMPLES, .seed = SEED}};
    struct comparison comparison;
    struct error err;
    char *json = NULL;

    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    enum status status = comparison_init(&comparison, &arguments.request, &err);
    if (status == STATUS_OK && arguments.json)
        status = comparison_json(&comparison, &arguments.request, &json, &err);
    if (status != STATUS_OK)
        log_error("%s", err.message);
    else if (json)
        printf("%s\n", json);
    else
        comparison_print(&comparison, &arguments.request, stdout);
    free(json);
    return status_exit_code(status);
}
