/* `pulmo check JOB.cfg`: what the data set of a job is, and what is wrong with it; how
 * long the job will take on a cluster. */
#include "base/log.h"
#include "cli/commands.h"
#include "cli/job_arguments.h"
#include "cli/rank_list.h"
#include "comm/comm.h"
#include "inspect/forecast.h"
#include "inspect/survey.h"

enum {
    OPTION_DEEP = 'd',
    OPTION_JSON = 'j',
    OPTION_RANKS = 'r',
    OPTION_LOSE = 256,
    OPTION_RATES,
    OPTION_SECONDS
};

struct arguments {
    struct job_arguments job;
    bool deep, json;
    struct rank_list ranks;
    double lose, seconds; /* a share; of measuring */
    const char *rates;
};

static const struct argp_child children[] = {{&job_arguments_argp, 0, NULL, 0}, {0}};

static const struct argp_option options[] = {
    {"deep", OPTION_DEEP, NULL, 0, "Read all voxels too: HU range, padding, corrupt data",
     0},
    {"json", OPTION_JSON, NULL, 0, "Print one JSON object", 0},
    {"ranks", OPTION_RANKS, "LIST", 0,
     "Predict time, efficiency and the master's load for so many ranks: 1..1024 "
     "(doubling), "
     "or 1,2,3",
     0},
    {"lose", OPTION_LOSE, "PERCENT", 0,
     "Let so many of the workers die at random times of the prediction", 0},
    {"rates", OPTION_RATES, "RUN", 0,
     "Predict from what the ranks of a finished run took; default: measured", 0},
    {"seconds", OPTION_SECONDS, "S", 0, "Measure for so long, about; default: 4", 0},
    {0},
};

static double number(struct argp_state *state, const char *option, const char *text,
                     double most)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= most))
        argp_error(state, "--%s: '%s' is not a number from 0 to %g", option, text, most);
    return value;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->job;
        a->seconds = 4;
        return 0;
    case OPTION_RANKS:
        rank_list_parse(state, "ranks", text, &a->ranks);
        return 0;
    case OPTION_LOSE:
        a->lose = number(state, "lose", text, 100) / 100;
        return 0;
    case OPTION_RATES:
        a->rates = text;
        return 0;
    case OPTION_SECONDS:
        a->seconds = number(state, "seconds", text, 3600);
        return 0;
    case OPTION_DEEP:
        a->deep = true;
        return 0;
    case OPTION_JSON:
        a->json = true;
        return 0;
    case ARGP_KEY_END:
        if (!a->job.job && !a->job.help_keys)
            argp_error(state, "which job? name a job file, e.g. jobs/detect.cfg");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "JOB.cfg",
    .doc =
        "Describes the data set of a job from headers and lists, and names what is "
        "wrong with "
        "it: broken and missing scans, lists and weights that cannot be used, memory "
        "and disk "
        "room. With --deep from the voxels too. Under mpirun the ranks share the "
        "reading. "
        "With --ranks, or cluster.nodes in the site file, also how long the job will "
        "take, and "
        "the sbatch line that submits it: some of the job is done to measure rates, the "
        "rest is "
        "simulated on what the group cluster of the settings describes "
        "(--keys).\v"
        "Exit codes: 0 fine; 1 failed; 2 usage or configuration, a list or weights "
        "that cannot be used, or training or folds that would be refused; 3 scans are "
        "broken, missing or left out.",
    .children = children,
};

static enum status print(const struct survey *v, const struct settings *s,
                         const struct arguments *a, struct error *err)
{
    enum status status = STATUS_OK;
    const bool wanted = a->ranks.count > 0 || forecast_is_wanted(s);
    const struct forecast_request r = {.ranks = a->ranks.ranks,
                                       .count = a->ranks.count,
                                       .losses = a->lose,
                                       .seconds = a->seconds,
                                       .run = a->rates,
                                       .job = a->job.job,
                                       .site = a->job.site,
                                       .assignments = a->job.assignments,
                                       .assignment_count = a->job.count};
    struct forecast f = {.rows = NULL};
    if (!a->json)
        survey_print(v, stdout);
    if (wanted)
        TRY(forecast_init(&f, v, s, &r, err));
    if (a->json)
        TRY(survey_print_json(v, wanted ? &f : NULL, stdout, err));
    else if (wanted)
        forecast_print(&f, stdout);
    if (fflush(stdout) || ferror(stdout))
        status = error_set(err, STATUS_JOB_FAILED, "the survey cannot be written");
out:
    forecast_release(&f);
    return status;
}

static int check(const struct comm *c, const struct settings *s,
                 const struct arguments *a)
{
    struct survey survey;
    struct error err;
    int exit_code;
    enum status status = survey_init(&survey, c, s, a->deep, &err);
    if (status == STATUS_OK && c->rank == 0)
        status = print(&survey, s, a, &err);
    if (status != STATUS_OK && c->rank == 0)
        log_error("%s", err.message);
    exit_code =
        status == STATUS_OK ? survey_exit_code(&survey) : status_exit_code(status);
    comm_share(c, &exit_code, sizeof exit_code);
    survey_release(&survey);
    return exit_code;
}

int command_check(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct settings settings = {0};
    struct comm comm;
    struct error err, unstarted;
    int exit_code;

    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.job.help_keys) {
        settings_help(stdout);
        job_arguments_release(&arguments.job);
        return 0;
    }
    enum status status = job_arguments_settings(&arguments.job, &settings, &err);
    if (status != STATUS_OK && !comm_is_launched()) {
        log_error("%s", err.message);
        settings_release(&settings);
        job_arguments_release(&arguments.job);
        return status_exit_code(status);
    }
    if (comm_init(&comm, "auto", 0, 0, &unstarted)) {
        log_error("%s", unstarted.message);
        return 1;
    }
    status = comm_agree(&comm, status, &err);
    if (status == STATUS_OK) {
        exit_code = check(&comm, &settings, &arguments);
    } else {
        if (comm.rank == 0)
            log_error("%s", err.message);
        exit_code = status_exit_code(status);
    }
    settings_release(&settings);
    job_arguments_release(&arguments.job);
    comm_finish(&comm);
    return exit_code;
}
