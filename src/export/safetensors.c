#include "export/safetensors.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"

enum { LENGTH_BYTES = 8, ALIGNMENT = 8, FILE_LIMIT = 1 << 30 };

/* ---- what is said beside the tensors ---- */

/* The texts of a model file by their names in the metadata. */
static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"network", offsetof(struct tensor_file, network)},
    {"initial_weights", offsetof(struct tensor_file, initial)},
    {"origin", offsetof(struct tensor_file, origin)},
    {"fold", offsetof(struct tensor_file, fold)},
    {"hard_negatives", offsetof(struct tensor_file, hard_negatives)},
};

enum { TEXTS = sizeof texts / sizeof *texts };

static char **text_of(const struct tensor_file *f, int i)
{
    return (char **)((char *)(uintptr_t)f + texts[i].offset);
}

/* Metadata are texts alone: lists become JSON within one. */
static void put_list(json_t *metadata, const char *name, char *const *list, size_t count)
{
    if (!list)
        return;
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(all, json_string(list[i]));
    char *text = json_dumps(all, JSON_COMPACT);
    if (text)
        json_object_set_new(metadata, name, json_string(text));
    free(text);
    json_decref(all);
}

static json_t *metadata_of(const struct tensor_file *f)
{
    json_t *metadata = json_object();
    json_object_set_new(metadata, "format", json_string("pt"));
    for (int i = 0; i < TEXTS; i++)
        if (*text_of(f, i))
            json_object_set_new(metadata, texts[i].name, json_string(*text_of(f, i)));
    put_list(metadata, "seen_seriesuids", f->seen, f->seen_count);
    put_list(metadata, "selected_seriesuids", f->selected, f->selected_count);
    return metadata;
}

static enum status take_list(const json_t *metadata, const char *name, char ***list,
                             size_t *count, struct error *err)
{
    enum status status = STATUS_OK;
    const char *text = json_string_value(json_object_get(metadata, name));
    json_t *all = text ? json_loads(text, 0, NULL) : NULL, *one;
    size_t i;
    if (!json_is_array(all))
        goto out;
    TRY(memory_new(json_array_size(all), sizeof **list, name, (void **)list, err));
    json_array_foreach(all, i, one)
    {
        const char *value = json_string_value(one);
        TRY(text_new(value ? value : "", &(*list)[i], err));
        (*count)++;
    }
out:
    json_decref(all);
    return status;
}

static enum status take_metadata(const json_t *metadata, struct tensor_file *f,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < TEXTS; i++) {
        const char *text = json_string_value(json_object_get(metadata, texts[i].name));
        if (text)
            TRY(text_new(text, text_of(f, i), err));
    }
    TRY(take_list(metadata, "seen_seriesuids", &f->seen, &f->seen_count, err));
    TRY(take_list(metadata, "selected_seriesuids", &f->selected, &f->selected_count,
                  err));
    if (!f->seen && !f->origin)
        TRY(text_new("unknown", &f->origin, err));
out:
    return status;
}

/* ---- writing ---- */

static json_t *header_of(const struct tensor_file *f)
{
    json_t *header = json_object();
    size_t at = 0;
    json_object_set_new(header, "__metadata__", metadata_of(f));
    for (size_t i = 0; i < f->count; i++) {
        const struct named_tensor *t = &f->tensors[i];
        const size_t end = at + t->count * sizeof *t->values;
        json_t *shape = json_array();
        for (int k = 0; k < t->rank; k++)
            json_array_append_new(shape, json_integer(t->shape[k]));
        json_object_set_new(header, t->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape",
                                      shape, "data_offsets", (json_int_t)at,
                                      (json_int_t)end));
        at = end;
    }
    return header;
}

static void put_length(uint64_t length, unsigned char out[LENGTH_BYTES])
{
    for (int k = 0; k < LENGTH_BYTES; k++)
        out[k] = (unsigned char)(length >> 8 * k);
}

enum status safetensors_write(const char *path, const struct tensor_file *f,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct atomic_file file = {0};
    unsigned char length[LENGTH_BYTES];
    json_t *header = header_of(f);
    char *text = json_dumps(header, JSON_COMPACT);
    if (!text) {
        status = error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
        goto out;
    }
    const size_t bytes = strlen(text), padding = -bytes % ALIGNMENT;
    TRY(atomic_file_open(path, &file, err));
    put_length(bytes + padding, length);
    fwrite(length, 1, sizeof length, file.stream);
    fprintf(file.stream, "%s%*s", text, (int)padding, "");
    for (size_t i = 0; i < f->count; i++)
        fwrite(f->tensors[i].values, sizeof *f->tensors[i].values, f->tensors[i].count,
               file.stream);
    TRY(atomic_file_commit(&file, err));
out:
    atomic_file_abandon(&file);
    free(text);
    json_decref(header);
    return status;
}

/* ---- reading ---- */

static enum status refuse(const char *path, const char *name, const char *what,
                          struct error *err)
{
    return error_set(err, STATUS_JOB_CONFIG, "%s: %s: %s", path, name, what);
}

static size_t type_bytes(const char *type)
{
    if (!type)
        return 0;
    return !strcmp(type, "F32")                           ? 4
           : !strcmp(type, "F64") || !strcmp(type, "I64") ? 8
                                                          : 0;
}

static float value_at(const char *type, const char *data, size_t i)
{
    float single;
    double twice;
    int64_t whole;
    if (!strcmp(type, "F32")) {
        memcpy(&single, data + i * sizeof single, sizeof single);
        return single;
    }
    if (!strcmp(type, "F64")) {
        memcpy(&twice, data + i * sizeof twice, sizeof twice);
        return (float)twice;
    }
    memcpy(&whole, data + i * sizeof whole, sizeof whole);
    return (float)whole;
}

static enum status take_shape(const json_t *shape, struct named_tensor *t,
                              const char *path, struct error *err)
{
    size_t i;
    const json_t *side;
    t->count = 1;
    if (!json_is_array(shape) || json_array_size(shape) > TENSOR_RANK_MAX)
        return refuse(path, t->name, "no shape", err);
    json_array_foreach(shape, i, side)
    {
        const int64_t n = json_is_integer(side) ? json_integer_value(side) : -1;
        if (n < 0 || !size_multiply(t->count, (size_t)n, &t->count))
            return refuse(path, t->name, "no shape", err);
        t->shape[t->rank++] = n;
    }
    return STATUS_OK;
}

static enum status take_tensor(const char *path, const char *name, const json_t *entry,
                               const char *data, size_t bytes, struct named_tensor *t,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *const from = json_array_get(offsets, 0), *const to =
                                                               json_array_get(offsets, 1);
    const json_int_t first = json_is_integer(from) ? json_integer_value(from) : -1;
    const json_int_t end = json_is_integer(to) ? json_integer_value(to) : -1;
    size_t needed;
    TRY(text_new(name, &t->name, err));
    TRY(take_shape(json_object_get(entry, "shape"), t, path, err));
    if (type_bytes(type) == 0)
        return refuse(path, name, "only F32, F64 and I64 can be read", err);
    if (first < 0 || end < first || (uint64_t)end > bytes ||
        !size_multiply(t->count, type_bytes(type), &needed) ||
        needed != (size_t)(end - first))
        return refuse(path, name, "its place and its shape do not agree", err);
    TRY(memory_new(t->count, sizeof *t->values, "a tensor", (void **)&t->values, err));
    for (size_t i = 0; i < t->count; i++) {
        t->values[i] = value_at(type, data + first, i);
        if (!isfinite(t->values[i]))
            return refuse(path, name, "a value that is not finite", err);
    }
out:
    return status;
}

static enum status take_file(const char *path, const char *file, size_t bytes,
                             struct tensor_file *f, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t length = 0;
    json_t *header = NULL;
    const json_t *entry;
    const char *name;
    for (int k = 0; bytes >= LENGTH_BYTES && k < LENGTH_BYTES; k++)
        length |= (uint64_t)(unsigned char)file[k] << 8 * k;
    if (bytes < LENGTH_BYTES || length > bytes - LENGTH_BYTES)
        return refuse(path, "header", "longer than the file", err);
    header =
        json_loadb(file + LENGTH_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(header)) {
        status = refuse(path, "header", "no JSON object", err);
        goto out;
    }
    const size_t front = LENGTH_BYTES + (size_t)length;
    TRY(memory_new(json_object_size(header), sizeof *f->tensors, "tensors",
                   (void **)&f->tensors, err));
    json_object_foreach((json_t *)header, name, entry)
    {
        if (!strcmp(name, "__metadata__"))
            TRY(take_metadata(entry, f, err));
        else
            TRY(take_tensor(path, name, entry, file + front, bytes - front,
                            &f->tensors[f->count++], err));
    }
    if (!json_object_get(header, "__metadata__"))
        TRY(take_metadata(NULL, f, err));
    TRY(tensor_file_identify(f, err));
out:
    json_decref(header);
    return status;
}

enum status safetensors_read(const char *path, struct tensor_file *out, struct error *err)
{
    char *file = NULL;
    size_t bytes;
    *out = (struct tensor_file){0};
    enum status status = file_read(path, FILE_LIMIT, &file, &bytes, err);
    if (status == STATUS_OK)
        status = take_file(path, file, bytes, out, err);
    free(file);
    return status == STATUS_ITEM_IO ? (err->code = STATUS_JOB_CONFIG) : status;
}
