/* pulmo COMMAND ...: finds the command in the table and calls it. */
#include "base/status.h"
#include "cli/commands.h"

struct command {
    const char *name, *arguments, *help;
    int (*call)(int argc, char **argv);
};

static const struct command commands[] = {
    {"run", "JOB.cfg [--set K=V]...",
     "do a job, on however many ranks it was started with", command_run},
    {"check", "JOB.cfg [--set K=V]...",
     "describe the data set of a job and what is wrong with it", command_check},
    {"phantom", "DIR [--scans N] ...", "a synthetic data set in LUNA16's layout",
     command_phantom},
    {"cache", "list|verify|prune DIR",
     "what a volume cache holds, whether it is sound, and room made in it",
     command_cache},
    {"info", "FILE", "what a volume, model, configuration or run file holds",
     command_info},
    {"status", "RUN_DIR", "progress of a running or ended job", command_status},
    {"froc", "[OPTION]... SUBMISSION.csv", "LUNA16's official score of a submission",
     command_froc},
    {"compare", "RUN_A RUN_B", "paired difference of two runs, with bounds",
     command_compare},
    {"report", "RUN_DIR [--compare OTHER] ...",
     "one HTML page: score, curves, findings with pictures, times", command_report},
    {"export", "RUN_DIR|MODEL --nifti|...", "results and weights in other tools' formats",
     command_export},
    {"import", "FILE.safetensors MODEL.h5", "weights of another tool", command_import},
    {"why", "RUN_DIR SERIESUID X,Y,Z", "where a finding was won or lost", command_why},
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands, EXIT_USAGE = 2 };

static void print_help(FILE *out)
{
    fprintf(out, "Usage: pulmo COMMAND [ARGUMENT]...\n"
                 "Finds lung nodules in chest CT, on one core or on a cluster.\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-7s %-26s %s\n", commands[i].name, commands[i].arguments,
                commands[i].help);
    fprintf(out,
            "\n`pulmo COMMAND --help` says more; `pulmo --version` names this version.\n"
            "`mpirun -n 3 pulmo run ...` is a master and two workers.\n"
            "Not a medical device.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") ||
        !strcmp(argv[1], "help")) {
        print_help(stdout);
        return 0;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("pulmo %s\n", PULMO_VERSION);
        return 0;
    }
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(argv[1], commands[i].name)) {
            char name[32]; /* what the command's own messages begin with */
            snprintf(name, sizeof name, "pulmo %s", commands[i].name);
            argv[1] = name;
            return commands[i].call(argc - 1, argv + 1);
        }
    fprintf(stderr, "pulmo: there is no command '%s'; `pulmo --help` lists them\n",
            argv[1]);
    return EXIT_USAGE;
}
