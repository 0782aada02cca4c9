/*
 * The arguments of the commands that take a job: JOB.cfg, --set, --site. Parsed with
 * argp.
 */
#ifndef CLI_JOB_ARGUMENTS_H
#define CLI_JOB_ARGUMENTS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "config/settings.h"

struct job_arguments {
    const char *job; /* NULL when it is not given */
    const char *site;
    const char **assignments; /* --set, in order */
    size_t count;
    bool help_keys;
};

/* argp parser of the arguments above, for use as a child; input is a struct
 * job_arguments. */
extern const struct argp job_arguments_argp;

void job_arguments_release(struct job_arguments *a);

/* Reads conf/pulmo.cfg, the site file, the job file and the assignments into settings,
 * and completes them. */
enum status job_arguments_settings(const struct job_arguments *a, struct settings *out,
                                   struct error *err);

#endif
