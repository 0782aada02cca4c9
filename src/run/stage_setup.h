/* The stages as the settings describe them: what a job, `check` and `why` have to read
 * alike. */
#ifndef RUN_STAGE_SETUP_H
#define RUN_STAGE_SETUP_H

#include <stdbool.h>

#include "base/status.h"
#include "config/settings.h"
#include "nn/model.h"
#include "stage/blob.h"
#include "stage/group.h"

/* Where candidates come from, segment.method: a network with grouping, blobs
 * ("threshold"), or a list ("candidates"). */
bool stage_uses_network(const struct settings *s);
bool stage_uses_blobs(const struct settings *s);
bool stage_uses_list(const struct settings *s);

/* Whether candidates go through a network of their own. Blobs need none: their score is a
 * probability of sorts. */
bool stage_classifies(const struct settings *s);

/* The group blob of the settings. */
struct blob_options stage_blob_options(const struct settings *s, int threads);

/* Opens weights with a network that is a file, a name of conf/models, or "" (the weights
 * say). *out is the caller's to free. Errors: model_open's, with "STAGE.weights: " before
 * them. Not collective. */
enum status stage_model_open(const char *stage, const char *network, const char *weights,
                             struct model **out, struct error *err);

/* The models of a stage that takes several. */
struct stage_models {
    struct model **items;
    size_t count;
};

/* Opens each of a list of weights (config/path_list.h); "": none. stage_models_release
 * frees, also after a failure. Errors: as above; the message names the file. */
enum status stage_models_init(struct stage_models *m, const char *stage,
                              const char *network, const char *weights,
                              struct error *err);
void stage_models_release(struct stage_models *m);

/* Names weights i of a list before what is wrong with them. */
void stage_models_name(const char *stage, const char *weights, size_t i,
                       struct error *err);

/* *out = the file of a network that is a file or a name of conf/models, to be freed. */
enum status stage_network_path(const char *network, char **out, struct error *err);

/* group.erosion, with "auto" resolved by the mode. */
enum group_erosion stage_erosion(const struct settings *s);

/* compute.algorithm. */
enum conv_algorithm stage_algorithm(const struct settings *s);

#endif
