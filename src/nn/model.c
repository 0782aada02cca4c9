/*
 * Opening a model: which network a weights file belongs to, and that the two fit.
 *
 * Without a network given, the weights decide: by the attribute that says so, else by
 * fitting exactly one description, tensor for tensor. If none fits, the message tells
 * what is wrong with the one that comes closest, because that is nearly always the one
 * that was meant.
 */
#include "nn/model.h"

#include <dirent.h>
#include <errno.h>

#include "base/file.h"
#include "base/memory.h"
#include "nn/model_internal.h"

static const char *const description_suffix = ".cfg";

/* The descriptions of a folder, sorted by name. */
struct descriptions {
    char **paths;
    size_t count, capacity;
};

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_description(const char *name)
{
    size_t length = strlen(name), suffix = strlen(description_suffix);
    return name[0] != '.' && length > suffix &&
           strcmp(name + length - suffix, description_suffix) == 0;
}

static enum status descriptions_init(struct descriptions *d, const char *folder,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    *d = (struct descriptions){.paths = NULL};
    DIR *stream = opendir(folder);
    if (!stream)
        return error_set(err, STATUS_JOB_CONFIG, "folder of networks %s: %s", folder,
                         strerror(errno));
    for (const struct dirent *entry; (entry = readdir(stream));) {
        if (!is_description(entry->d_name))
            continue;
        TRY(memory_grow((void **)&d->paths, &d->capacity, d->count + 1, sizeof *d->paths,
                        folder, err));
        TRY(path_join(folder, entry->d_name, &d->paths[d->count], err));
        d->count++;
    }
    if (d->count > 0)
        qsort(d->paths, d->count, sizeof *d->paths, compare_texts);
out:
    closedir(stream);
    return status;
}

static void descriptions_release(struct descriptions *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->paths[i]);
    free(d->paths);
}

/* How well one description fits the weights: STATUS_OK, or the mismatch and how much
 * fits. */
static enum status try_network(const char *path, const struct tensor_file *weights,
                               const char *weights_path, double *share, struct error *err)
{
    enum status status;
    struct network n = {.path = NULL};
    struct parameters p = {.items = NULL};
    size_t fitting = 0;

    *share = 0;
    TRY(network_init(&n, path, err));
    TRY(parameters_init(&p, &n, err));
    status = parameters_match(&p, &n, weights, weights_path, &fitting, err);
    *share = p.count > 0 ? (double)fitting / (double)p.count : 0;
out:
    parameters_release(&p);
    network_release(&n);
    return status;
}

/* *out = the path of the one network that all tensors fit. */
static enum status network_by_tensors(const struct descriptions *d, const char *folder,
                                      const struct tensor_file *weights,
                                      const char *weights_path, char **out,
                                      struct error *err)
{
    const char *found = NULL;
    struct error closest = {.message = ""};
    double best = -1;

    for (size_t i = 0; i < d->count; i++) {
        struct error mismatch;
        double share;
        enum status status =
            try_network(d->paths[i], weights, weights_path, &share, &mismatch);
        if (status == STATUS_STAGE_MEMORY)
            return error_set(err, status, "%s", mismatch.message);
        if (status == STATUS_OK && found)
            return error_set(err, STATUS_JOB_CONFIG,
                             "%s fits several networks, %s and %s: name one",
                             weights_path, found, d->paths[i]);
        if (status == STATUS_OK)
            found = d->paths[i];
        else if (share > best) {
            best = share;
            closest = mismatch;
        }
    }
    if (found)
        return text_new(found, out, err);
    if (d->count == 0)
        return error_set(err, STATUS_JOB_CONFIG, "%s: no *%s describes a network", folder,
                         description_suffix);
    return error_set(err, STATUS_JOB_CONFIG, "no network of %s fits; the closest: %s",
                     folder, closest.message);
}

/* *out = the path of the description whose name the weights give. */
static enum status network_by_name(const struct descriptions *d, const char *folder,
                                   const struct tensor_file *weights,
                                   const char *weights_path, char **out,
                                   struct error *err)
{
    for (size_t i = 0; i < d->count; i++) {
        struct network n;
        enum status status = network_init(&n, d->paths[i], err);
        bool same = status == STATUS_OK && strcmp(n.name, weights->network) == 0;
        network_release(&n);
        if (status == STATUS_STAGE_MEMORY)
            return status;
        if (same)
            return text_new(d->paths[i], out, err);
    }
    return error_set(err, STATUS_JOB_CONFIG,
                     "%s is of network \"%s\", which no valid *%s of %s describes",
                     weights_path, weights->network, description_suffix, folder);
}

static enum status find_network(const char *folder, const struct tensor_file *weights,
                                const char *weights_path, char **out, struct error *err)
{
    enum status status;
    struct descriptions d;
    TRY(descriptions_init(&d, folder, err));
    status = weights->network
                 ? network_by_name(&d, folder, weights, weights_path, out, err)
                 : network_by_tensors(&d, folder, weights, weights_path, out, err);
out:
    descriptions_release(&d);
    return status;
}

enum status model_open(const char *network, const char *networks, const char *weights,
                       struct model **out, struct error *err)
{
    enum status status;
    struct model *m = NULL;
    char *found = NULL;
    void *memory;

    TRY(memory_new(1, sizeof *m, "model", &memory, err));
    m = memory;
    TRY(tensor_file_init(&m->weights, weights, err));
    if (!network)
        TRY(find_network(networks, &m->weights, weights, &found, err));
    TRY(network_init(&m->network, network ? network : found, err));
    TRY(parameters_init(&m->parameters, &m->network, err));
    TRY(parameters_match(&m->parameters, &m->network, &m->weights, weights, NULL, err));
    *out = m;
    m = NULL;
out:
    model_free(m);
    free(found);
    return status;
}

enum status model_make(const char *network, struct tensor_file *weights,
                       struct model **out, struct error *err)
{
    struct model *m;
    enum status status = memory_new(1, sizeof *m, "model", (void **)&m, err);
    if (status != STATUS_OK) {
        tensor_file_release(weights);
        return status;
    }
    m->weights = *weights;
    *weights = (struct tensor_file){.count = 0};
    TRY(network_init(&m->network, network, err));
    TRY(parameters_init(&m->parameters, &m->network, err));
    TRY(parameters_match(&m->parameters, &m->network, &m->weights, network, NULL, err));
    *out = m;
    m = NULL;
out:
    model_free(m);
    return status;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    parameters_release(&m->parameters);
    network_release(&m->network);
    tensor_file_release(&m->weights);
    free(m);
}

const struct network *model_network(const struct model *m)
{
    return &m->network;
}

const char *model_name(const struct model *m)
{
    return m->network.name;
}

int model_dimensions(const struct model *m)
{
    return m->network.dimensions;
}

int model_input_channels(const struct model *m)
{
    return m->network.input_channels;
}

int model_divisor(const struct model *m)
{
    return m->network.divisor;
}

struct hash128 model_content(const struct model *m)
{
    const struct hash128 parts[2] = {m->network.content, m->weights.content};
    return hash128(parts, sizeof parts);
}

void model_crop(const struct model *m, int64_t crop[3])
{
    memcpy(crop, m->network.crop, sizeof m->network.crop);
}

int64_t model_parameters(const struct model *m)
{
    return parameters_trainable(&m->parameters);
}

int model_has_seen(const struct model *m, const char *seriesuid)
{
    return tensor_file_has_seen(&m->weights, seriesuid);
}

int model_fold(const struct model *m)
{
    return tensor_file_fold(&m->weights);
}

const float *model_tensor(const struct model *m, int layer, enum parameter_role role)
{
    for (size_t i = 0; i < m->parameters.count; i++) {
        const struct parameter *p = &m->parameters.items[i];
        if (p->layer == layer && p->role == role)
            return tensor_file_find(&m->weights, p->name)->values;
    }
    return NULL;
}
