/*
 * What tests of training share: reading HDF5 cases, networks of conf/models, and how far
 * tensors are from each other.
 */
#ifndef TRAINING_CASE_H
#define TRAINING_CASE_H

#include <hdf5.h>
#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "nn/training.h"

enum { NAME_BYTES = 200 };

static struct error err;

static inline void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static inline void *room(size_t count, size_t bytes)
{
    void *p;
    ok(memory_new(count, bytes, "test", &p, &err));
    return p;
}

static inline void read_values(hid_t file, const char *name, hid_t type, void *out)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0)
        fail_msg("no dataset %s", name);
    assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Dclose(set);
}

/* A tensor of a group of the steps file. */
static inline float *read_tensor(hid_t file, const char *group,
                                 const struct training_tensor *tensor)
{
    char name[NAME_BYTES];
    float *values = room(tensor->count, sizeof *values);
    snprintf(name, sizeof name, "%s/%s", group, tensor->name);
    read_values(file, name, H5T_NATIVE_FLOAT, values);
    return values;
}

static inline void network_of(struct network *n, const char *name)
{
    const char *source = getenv("PULMO_SOURCE");
    char *path, relative[64];
    snprintf(relative, sizeof relative, "conf/models/%s.cfg", name);
    ok(path_join(source ? source : "", relative, &path, &err));
    ok(network_init(n, path, &err));
    free(path);
}

static inline double norm_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

/* |a - b| / |b| in Euclidean norm. */
static inline double deviation(const float *a, const float *b, size_t count)
{
    const double norm = norm_of(b, count);
    double difference = 0;
    for (size_t i = 0; i < count; i++)
        difference += pow((double)a[i] - (double)b[i], 2);
    return sqrt(difference) / (norm > 0 ? norm : 1);
}

/* A gradient below this is rounding: that of a bias before a norm. */
static const double nothing = 1e-4;

#endif
