#include "run/stage_setup.h"

#include "base/memory.h"
#include "config/path_list.h"
#include "config/places.h"

bool stage_uses_network(const struct settings *s)
{
    return !strcmp(s->segment.method, "network");
}

bool stage_uses_blobs(const struct settings *s)
{
    return !strcmp(s->segment.method, "threshold");
}

bool stage_uses_list(const struct settings *s)
{
    return !strcmp(s->segment.method, "candidates");
}

bool stage_classifies(const struct settings *s)
{
    return s->classify.weights[0] || s->malignancy.weights[0];
}

struct blob_options stage_blob_options(const struct settings *s, int threads)
{
    return (struct blob_options){.min_mm = s->blob.min_mm,
                                 .max_mm = s->blob.max_mm,
                                 .min_score = s->blob.min_score,
                                 .max_candidates = s->blob.max_candidates,
                                 .threads = threads};
}

enum status stage_network_path(const char *network, char **out, struct error *err)
{
    char *folder = NULL;
    enum status status;
    if (strchr(network, '/'))
        return text_new(network, out, err);
    TRY(places_conf("models", &folder, err));
    if (asprintf(out, "%s/%s.cfg", folder, network) < 0)
        status = error_set(err, STATUS_STAGE_MEMORY, "no memory for a path");
out:
    free(folder);
    return status;
}

enum status stage_model_open(const char *stage, const char *network, const char *weights,
                             struct model **out, struct error *err)
{
    char *folder = NULL, *file = NULL;
    enum status status = STATUS_OK;
    TRY(places_conf("models", &folder, err));
    if (network[0])
        TRY(stage_network_path(network, &file, err));
    status = model_open(file, folder, weights, out, err);
    if (status != STATUS_OK)
        error_prefix(err, "%s.weights", stage);
out:
    free(folder);
    free(file);
    return status;
}

enum status stage_models_init(struct stage_models *m, const char *stage,
                              const char *network, const char *weights, struct error *err)
{
    enum status status;
    const size_t count = path_list_count(weights);
    char *path = NULL;
    *m = (struct stage_models){.items = NULL};
    TRY(memory_new(count, sizeof *m->items, "models", (void **)&m->items, err));
    for (size_t i = 0; i < count; i++) {
        TRY(path_list_item(weights, i, &path, err));
        TRY(stage_model_open(stage, network, path, &m->items[i], err));
        m->count++;
        free(path);
        path = NULL;
    }
out:
    free(path);
    return status;
}

void stage_models_release(struct stage_models *m)
{
    for (size_t i = 0; i < m->count; i++)
        model_free(m->items[i]);
    free(m->items);
    *m = (struct stage_models){.items = NULL};
}

void stage_models_name(const char *stage, const char *weights, size_t i,
                       struct error *err)
{
    const char *path = weights;
    for (; i > 0; i--)
        path = path_list_next(path);
    error_prefix(err, "%s.weights: %.*s", stage, (int)path_list_length(path), path);
}

enum group_erosion stage_erosion(const struct settings *s)
{
    if (!strcmp(s->group.erosion, "auto"))
        return strcmp(s->mode, "book") ? EROSION_IN_PLANE : EROSION_3D;
    if (!strcmp(s->group.erosion, "3d"))
        return EROSION_3D;
    return strcmp(s->group.erosion, "none") ? EROSION_IN_PLANE : EROSION_NONE;
}

enum conv_algorithm stage_algorithm(const struct settings *s)
{
    enum conv_algorithm a = CONV_AUTO;
    while (strcmp(conv_algorithm_name(a), s->compute.algorithm))
        a++; /* the table of settings allows the names of the algorithms only */
    return a;
}
