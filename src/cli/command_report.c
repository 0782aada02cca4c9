/* `pulmo report RUN_DIR`: what a run came to, as a page. */
#include <argp.h>
#include <math.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/count_argument.h"
#include "report/chart.h"
#include "report/report.h"

enum { FINDINGS_LIMIT = 10000, EXIT_USAGE = 2 };

enum { KEY_OUT = 'o', KEY_COMPARE = 'c', KEY_PSEUDONYMISE = 'p', KEY_SCAN = 's' };
enum { KEY_FINDINGS = 'n', KEY_MEGABYTES = 'm', KEY_MASKS = 0x100 };

static const struct argp_option options[] = {
    {"out", KEY_OUT, "FILE", 0, "the page; default: report.html in RUN_DIR", 0},
    {"compare", KEY_COMPARE, "OTHER", 0, "another run to hold this one against", 0},
    {"pseudonymise", KEY_PSEUDONYMISE, NULL, 0,
     "scans get numbers; no hosts, no paths, no names in messages", 0},
    {"scan", KEY_SCAN, "SERIESUID", 0,
     "whose slices can be looked through; default: that of the most probable finding", 0},
    {"findings", KEY_FINDINGS, "N", 0,
     "at most N missed nodules, false positives and most probable candidates (24)", 0},
    {"megabytes", KEY_MEGABYTES, "M", 0, "what pictures may take in the file (20)", 0},
    {"masks", KEY_MASKS, "DIR", 0,
     "label volumes of the truth, to lay over; default: dataset.masks of the run", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct report_options *o = state->input;
    char *end;
    switch (key) {
    case KEY_OUT:
        o->out = text;
        return 0;
    case KEY_COMPARE:
        o->other = text;
        return 0;
    case KEY_PSEUDONYMISE:
        o->pseudonymise = true;
        return 0;
    case KEY_SCAN:
        o->scan = text;
        return 0;
    case KEY_FINDINGS:
        o->findings = (size_t)count_argument(state, "findings", text, FINDINGS_LIMIT);
        return 0;
    case KEY_MEGABYTES:
        o->megabytes = strtod(text, &end);
        if (end == text || *end || !(o->megabytes >= 0 && o->megabytes <= 1e6))
            argp_error(state, "--megabytes '%s' is not a size", text);
        return 0;
    case KEY_MASKS:
        o->masks = text;
        return 0;
    case ARGP_KEY_ARG:
        if (o->folder)
            argp_error(state, "one run has a report: '%s' is a second one", text);
        o->folder = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->folder)
            argp_error(state, "which run? name its directory");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN_DIR",
    .doc =
        "Writes one HTML file that says what a run came to: score, curves, where "
        "nodules were lost, findings with pictures, a scan to look through, a row for "
        "each scan, times, versions and configuration. It holds all it shows and opens "
        "without a network.\v"
        "Charts need gnuplot where the report is made; without it their numbers are "
        "there all the same. Exit codes: 0 done; 1 the folder holds no finished run, "
        "or the page cannot be written; 2 usage.",
};

int command_report(int argc, char **argv)
{
    struct report_options o = {.findings = REPORT_FINDINGS,
                               .megabytes = REPORT_MEGABYTES};
    struct error err;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (!chart_can_draw())
        log_warning("gnuplot was not found: charts are left out, their numbers are not");
    enum status status = report_write(&o, &err);
    if (status != STATUS_OK)
        log_error("%s", err.message);
    else if (o.out)
        log_info("%s", o.out);
    else
        log_info("%s/report.html", o.folder);
    return status_exit_code(status);
}
