#include "nn/training_file.h"

#include "base/memory.h"

size_t training_value_count(const struct training *t)
{
    size_t tensors, count = 0;
    const struct training_tensor *all = training_tensors(t, &tensors);
    for (size_t i = 0; i < tensors; i++)
        count += all[i].count;
    return count;
}

void training_values_copy(const struct training *t, float *values)
{
    size_t tensors;
    const struct training_tensor *all = training_tensors(t, &tensors);
    for (size_t i = 0; i < tensors; values += all[i++].count)
        memcpy(values, all[i].values, all[i].count * sizeof *values);
}

void training_values_set(struct training *t, const float *values)
{
    size_t tensors;
    const struct training_tensor *all = training_tensors(t, &tensors);
    for (size_t i = 0; i < tensors; values += all[i++].count)
        memcpy(all[i].values, values, all[i].count * sizeof *values);
}

static enum status copy_tensor(const struct training_tensor *from, const float *values,
                               struct named_tensor *to, struct error *err)
{
    enum status status;
    TRY(text_new(from->name, &to->name, err));
    TRY(memory_new(from->count, sizeof *values, from->name, (void **)&to->values, err));
    to->rank = from->rank;
    memcpy(to->shape, from->shape, sizeof to->shape);
    to->count = from->count;
    memcpy(to->values, values, from->count * sizeof *values);
out:
    return status;
}

enum status training_file_init(const struct training *t, const char *network,
                               const float *values, struct tensor_file *out,
                               struct error *err)
{
    enum status status;
    size_t tensors;
    const struct training_tensor *all = training_tensors(t, &tensors);
    *out = (struct tensor_file){.count = 0};
    TRY(text_new(network, &out->network, err));
    TRY(memory_new(tensors, sizeof *out->tensors, "tensors", (void **)&out->tensors,
                   err));
    for (size_t i = 0; i < tensors; values += all[i++].count) {
        out->count = i + 1;
        TRY(copy_tensor(&all[i], values, &out->tensors[i], err));
    }
    TRY(tensor_file_identify(out, err));
out:
    return status;
}
