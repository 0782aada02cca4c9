/*
 * How a job will run on a cluster: the table that `pulmo check --ranks` prints, and the
 * line that submits it. Rates are measured on this machine by doing some of the job
 * (run/rates.h), or taken from a run that is done; times come from a simulation
 * (run/prediction.h). Not collective: rank 0's.
 */
#ifndef INSPECT_FORECAST_H
#define INSPECT_FORECAST_H

#include <jansson.h>

#include "inspect/survey.h"
#include "run/prediction.h"

struct forecast_request {
    const int *ranks; /* ascending */
    size_t count;     /* 0: as many as cluster.nodes and cluster.tasks say */
    double losses;    /* share of the workers that die */
    double seconds;   /* of processor time for measuring, about */
    const char *run;  /* whose rates are taken; NULL: measured */
    /* The command, for the line that submits it. Borrowed, as all of this. */
    const char *job, *site;
    const char *const *assignments;
    size_t assignment_count;
};

struct forecast {
    const struct settings *settings;
    const struct forecast_request *request;
    struct rates rates;
    int cores, tasks; /* of a node */
    struct prediction *rows;
    size_t count, knee;
    size_t submitted;   /* the row of the line that submits: of cluster.nodes, or the knee
                         */
    int64_t rank_bytes; /* memory of a rank of that row */
    bool detects_later; /* with models that the job trains: not in it */
    double measured_s;  /* of processor time */
};

/* Whether the settings alone ask for a forecast: cluster.nodes is given. */
bool forecast_is_wanted(const struct settings *s);

/* forecast_release frees, also after a failure. Errors: rates_measure's, and
 * STATUS_STAGE_MEMORY. */
enum status forecast_init(struct forecast *f, const struct survey *v,
                          const struct settings *s, const struct forecast_request *r,
                          struct error *err);
void forecast_release(struct forecast *f);

void forecast_print(const struct forecast *f, FILE *out);
/* A new reference; NULL when there is no memory. */
json_t *forecast_json(const struct forecast *f);

/* *out = the line that submits the job, to be freed. Errors: STATUS_STAGE_MEMORY. */
enum status forecast_submission(const struct forecast *f, char **out, struct error *err);

#endif
