#include "cli/job_arguments.h"

#include "base/file.h"
#include "config/places.h"
#include "run/list_defaults.h"

enum { OPTION_SET = 's', OPTION_SITE = 0x100, OPTION_KEYS };

static const struct argp_option options[] = {
    {"set", OPTION_SET, "KEY=VALUE", 0, "Set a key, as in a job file; may be repeated",
     0},
    {"site", OPTION_SITE, "FILE", 0, "Settings of this cluster (conf/sites)", 0},
    {"keys", OPTION_KEYS, NULL, 0, "List all keys with type, default, range and meaning",
     0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        a->assignments = calloc((size_t)state->argc + 1, sizeof *a->assignments);
        return a->assignments ? 0 : ENOMEM;
    case OPTION_SET:
        a->assignments[a->count++] = text;
        return 0;
    case OPTION_SITE:
        a->site = text;
        return 0;
    case OPTION_KEYS:
        a->help_keys = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->job)
            argp_error(state, "one job file is enough: '%s'", text);
        a->job = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp job_arguments_argp = {.options = options, .parser = parse};

void job_arguments_release(struct job_arguments *a)
{
    free(a->assignments);
}

enum status job_arguments_settings(const struct job_arguments *a, struct settings *out,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    char *defaults = NULL;
    TRY(places_conf("pulmo.cfg", &defaults, err));
    struct settings_sources sources = {.defaults = defaults,
                                       .site = a->site,
                                       .job = a->job,
                                       .assignments = a->assignments,
                                       .assignment_count = a->count};
    TRY(settings_init(out, &sources, err));
    TRY(list_defaults(out, err));
out:
    free(defaults);
    return status;
}
