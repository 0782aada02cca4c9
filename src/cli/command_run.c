/* `pulmo run JOB.cfg`: the job, on all ranks. */
#include "base/log.h"
#include "cli/commands.h"
#include "cli/job_arguments.h"
#include "comm/comm.h"
#include "io/run_store.h"
#include "report/report.h"
#include "run/job.h"
#include "run/night.h"
#include "run/protocol.h"

/* Seconds that ranks wait for each other where settings could not be read. */
static const double patience_unset = 1200;

static const struct argp_child children[] = {{&job_arguments_argp, 0, NULL, 0}, {0}};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job_arguments *a = state->input;
    (void)text;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = a;
        return 0;
    case ARGP_KEY_END:
        if (!a->job && !a->help_keys)
            argp_error(state, "which job? name a job file, e.g. jobs/detect.cfg");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "JOB.cfg",
    .doc = "Does the job that JOB.cfg describes, on one rank or under mpirun or srun: "
           "rank 0 is "
           "the master, the others are workers, so -n 3 means two workers.\v"
           "Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 done, some scans "
           "quarantined; 75 stopped on request (USR1 or TERM): the same command goes on.",
    .children = children,
};

static enum status write_report(const char *folder, void (*alive)(void *context),
                                void *context, struct error *err)
{
    const struct report_options o = {.folder = folder,
                                     .findings = REPORT_FINDINGS,
                                     .megabytes = REPORT_MEGABYTES,
                                     .alive = alive,
                                     .context = context};
    enum status status = report_write(&o, err);
    if (status == STATUS_OK)
        log_info("report: %s/report.html", folder);
    return status;
}

/* Every rank reads the settings: the MPI-IO driver has to be known before MPI starts.
 * What is wrong with them is then said once, by rank 0. */
int command_run(int argc, char **argv)
{
    struct job_arguments arguments = {0};
    struct settings settings = {0};
    struct comm comm;
    struct error err;
    int exit_code;

    run_store_prepare();
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.help_keys) {
        settings_help(stdout);
        job_arguments_release(&arguments);
        return 0;
    }
    enum status status = job_arguments_settings(&arguments, &settings, &err);
    struct error unstarted;
    if (status != STATUS_OK && !comm_is_launched()) {
        log_error("%s", err.message);
        settings_release(&settings);
        job_arguments_release(&arguments);
        return status_exit_code(status);
    }
    const bool set = status == STATUS_OK;
    const double patience =
        set ? settings.limits.deadline_s * PATIENCE_DEADLINES : patience_unset;
    if (comm_init(&comm, set ? settings.store.driver : "auto", patience,
                  set ? settings.limits.start_s : patience_unset, &unstarted)) {
        log_error("%s", unstarted.message);
        return 1;
    }
    status = comm_agree(&comm, status, &err);
    if (status == STATUS_OK) {
        exit_code = settings.nightly.enabled ? night_run(&comm, &settings, write_report)
                                             : job_run(&comm, &settings, write_report);
    } else {
        if (comm.rank == 0)
            log_error("%s", err.message);
        exit_code = status_exit_code(status);
    }
    settings_release(&settings);
    job_arguments_release(&arguments);
    comm_finish(&comm);
    return exit_code;
}
