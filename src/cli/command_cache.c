/* `pulmo cache list|verify|prune DIR`: what a volume cache holds, and its upkeep. */
#include <argp.h>

#include "base/log.h"
#include "cache/upkeep.h"
#include "cli/commands.h"

enum { OPTION_QUOTA = 'q', OPTION_REMOVE = 'r' };

enum action { LIST, VERIFY, PRUNE, ACTIONS };
static const char *const action_names[] = {"list", "verify", "prune"};

struct arguments {
    enum action action;
    const char *folder;
    double quota_gb; /* below 0: not given */
    bool remove;
};

static enum action action_of(const char *text, struct argp_state *state)
{
    for (int i = 0; i < ACTIONS; i++)
        if (!strcmp(text, action_names[i]))
            return (enum action)i;
    argp_error(state, "'%s' is none of list, verify and prune", text);
    return ACTIONS;
}

static void check_end(const struct arguments *a, struct argp_state *state)
{
    if (a->action == ACTIONS)
        argp_error(state, "what is to be done: list, verify or prune?");
    if (!a->folder)
        argp_error(state, "which cache? name its folder");
    if (a->action == PRUNE && a->quota_gb < 0)
        argp_error(state, "prune needs --quota-gb");
    if (a->action != PRUNE && a->quota_gb >= 0)
        argp_error(state, "--quota-gb belongs to prune");
    if (a->action != VERIFY && a->remove)
        argp_error(state, "--remove belongs to verify");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    char *end;
    switch (key) {
    case OPTION_QUOTA:
        a->quota_gb = strtod(text, &end);
        if (end == text || *end || !(a->quota_gb >= 0 && a->quota_gb <= 1e9))
            argp_error(state, "--quota-gb: '%s' is no number from 0 to 1e9", text);
        return 0;
    case OPTION_REMOVE:
        a->remove = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->action == ACTIONS)
            a->action = action_of(text, state);
        else if (a->folder)
            argp_error(state, "one cache is enough: '%s'", text);
        else
            a->folder = text;
        return 0;
    case ARGP_KEY_END:
        check_end(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"quota-gb", OPTION_QUOTA, "GB", 0,
     "prune: remove least recently used scans until so much is left; what a running job "
     "uses stays",
     0},
    {"remove", OPTION_REMOVE, NULL, 0,
     "verify: remove scans that are damaged; the next job that prepares them writes them "
     "anew",
     0},
    {0},
};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "list DIR\nverify DIR\nprune DIR --quota-gb GB",
    .doc = "Looks after the volume cache that the stage prepare fills (cache.dir): lists "
           "its scans, reads all of them against their checksums, or makes room.\v"
           "Exit codes: 0 done; 1 a scan is damaged, or the folder "
           "cannot be read; 2 usage.",
};

int command_cache(int argc, char **argv)
{
    struct arguments a = {.action = ACTIONS, .quota_gb = -1};
    struct error err;
    enum status status = STATUS_OK;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    switch (a.action) {
    case LIST:
        status = cache_list(a.folder, stdout, &err);
        break;
    case VERIFY:
        status = cache_verify(a.folder, a.remove, stdout, &err);
        break;
    default:
        status = cache_prune(a.folder, (int64_t)(a.quota_gb * 1e9), stdout, &err);
    }
    if (status != STATUS_OK)
        log_error("%s", err.message);
    return status == STATUS_OK ? 0 : 1;
}
