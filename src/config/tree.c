#include "config/tree.h"

#include <math.h>

#include "base/memory.h"
#include "config/document.h"

struct tree {
    struct document document;
};

enum status tree_open(const char *path, struct tree **out, struct error *err)
{
    void *t;
    enum status status = memory_new(1, sizeof(struct tree), path, &t, err);
    if (status != STATUS_OK)
        return status;
    status = document_read(path, &((struct tree *)t)->document, err);
    if (status == STATUS_OK)
        *out = t;
    else
        free(t);
    return status;
}

void tree_close(struct tree *t)
{
    if (!t)
        return;
    document_release(&t->document);
    free(t);
}

tree_node tree_root(const struct tree *t)
{
    return config_root_setting(&t->document.config);
}

int tree_line(tree_node n)
{
    const config_setting_t *setting = n;
    return (int)config_setting_source_line(setting);
}

const char *tree_path(const struct tree *t)
{
    return t->document.name;
}

size_t tree_length(tree_node n)
{
    return (size_t)config_setting_length(n);
}

static const config_setting_t *member(tree_node group, const char *name)
{
    return config_setting_get_member(group, name);
}

bool tree_has(tree_node group, const char *name)
{
    return member(group, name) != NULL;
}

static bool is_sequence(const config_setting_t *n)
{
    return config_setting_is_array(n) || config_setting_is_list(n);
}

static bool is_integer(const config_setting_t *n)
{
    return config_setting_type(n) == CONFIG_TYPE_INT ||
           config_setting_type(n) == CONFIG_TYPE_INT64;
}

/* The line of the root is 0 in libconfig; people count from 1. */
static unsigned line_of(tree_node n)
{
    return tree_line(n) > 0 ? (unsigned)tree_line(n) : 1;
}

static enum status find(const struct tree *t, tree_node group, const char *name,
                        const config_setting_t **out, struct error *err)
{
    *out = member(group, name);
    if (!*out)
        return document_error(&t->document, line_of(group), err, "'%s' is missing", name);
    return STATUS_OK;
}

static enum status mistaken(const struct tree *t, const config_setting_t *value,
                            const char *name, const char *wanted, struct error *err)
{
    char shown[100];
    document_show(value, shown, sizeof(shown));
    return document_error(&t->document, line_of(value), err, "%s = %s: must be %s", name,
                          shown, wanted);
}

enum status tree_list(const struct tree *t, tree_node group, const char *name,
                      tree_node *out, struct error *err)
{
    const config_setting_t *value;
    enum status status = find(t, group, name, &value, err);
    if (status != STATUS_OK)
        return status;
    if (!is_sequence(value))
        return mistaken(t, value, name, "a list", err);
    *out = value;
    return STATUS_OK;
}

enum status tree_group_at(const struct tree *t, tree_node list, size_t i, tree_node *out,
                          struct error *err)
{
    CHECK(i < tree_length(list));
    const config_setting_t *value = config_setting_get_elem(list, (unsigned)i);
    const char *name = config_setting_name((const config_setting_t *)list);
    if (!config_setting_is_group(value)) {
        char element[100];
        snprintf(element, sizeof(element), "%s[%zu]", name ? name : "", i);
        return mistaken(t, value, element, "a group { ... }", err);
    }
    *out = value;
    return STATUS_OK;
}

enum status tree_text(const struct tree *t, tree_node group, const char *name,
                      const char **out, struct error *err)
{
    const config_setting_t *value;
    enum status status = find(t, group, name, &value, err);
    if (status != STATUS_OK)
        return status;
    if (config_setting_type(value) != CONFIG_TYPE_STRING)
        return mistaken(t, value, name, "a text", err);
    *out = config_setting_get_string(value);
    return STATUS_OK;
}

static enum status take_integer(const struct tree *t, const config_setting_t *value,
                                const char *name, int64_t low, int64_t high, int64_t *out,
                                struct error *err)
{
    int64_t v = is_integer(value) ? config_setting_get_int64(value) : 0;
    if (!is_integer(value) || v < low || v > high) {
        char wanted[100];
        snprintf(wanted, sizeof(wanted), "an integer from %lld to %lld", (long long)low,
                 (long long)high);
        return mistaken(t, value, name, wanted, err);
    }
    *out = v;
    return STATUS_OK;
}

enum status tree_integer(const struct tree *t, tree_node group, const char *name,
                         int64_t low, int64_t high, int64_t *out, struct error *err)
{
    const config_setting_t *value;
    enum status status = find(t, group, name, &value, err);
    if (status != STATUS_OK)
        return status;
    return take_integer(t, value, name, low, high, out, err);
}

enum status tree_number(const struct tree *t, tree_node group, const char *name,
                        double *out, struct error *err)
{
    const config_setting_t *value;
    enum status status = find(t, group, name, &value, err);
    if (status != STATUS_OK)
        return status;
    double v = is_integer(value) ? (double)config_setting_get_int64(value)
               : config_setting_type(value) == CONFIG_TYPE_FLOAT
                   ? config_setting_get_float(value)
                   : NAN;
    if (!isfinite(v))
        return mistaken(t, value, name, "a finite number", err);
    *out = v;
    return STATUS_OK;
}

enum status tree_integers(const struct tree *t, tree_node group, const char *name,
                          int64_t low, int64_t high, size_t count, int64_t *out,
                          struct error *err)
{
    const config_setting_t *value;
    enum status status = find(t, group, name, &value, err);
    if (status != STATUS_OK)
        return status;
    if (is_sequence(value) && tree_length(value) != count)
        return document_error(&t->document, line_of(value), err,
                              "%s has %zu values: must be %zu, or one for all", name,
                              tree_length(value), count);
    for (size_t i = 0; i < count; i++) {
        const config_setting_t *element =
            is_sequence(value) ? config_setting_get_elem(value, (unsigned)i) : value;
        status = take_integer(t, element, name, low, high, &out[i], err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status tree_texts(const struct tree *t, tree_node group, const char *name,
                       size_t most, const char **out, size_t *count, struct error *err)
{
    tree_node list = NULL;
    enum status status = tree_list(t, group, name, &list, err);
    if (status != STATUS_OK)
        return status;
    size_t n = tree_length(list);
    if (n > most)
        return document_error(&t->document, line_of(list), err,
                              "%s has %zu values: at most %zu are allowed", name, n,
                              most);
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *element = config_setting_get_elem(list, (unsigned)i);
        if (config_setting_type(element) != CONFIG_TYPE_STRING)
            return mistaken(t, element, name, "a list of texts", err);
        out[i] = config_setting_get_string(element);
    }
    *count = n;
    return STATUS_OK;
}

enum status tree_only(const struct tree *t, tree_node group, const char *const *known,
                      struct error *err)
{
    for (size_t i = 0; i < tree_length(group); i++) {
        const config_setting_t *child = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(child);
        const char *const *k = known;
        while (*k && strcmp(*k, name) != 0)
            k++;
        if (!*k)
            return document_error(&t->document, line_of(child), err,
                                  "unknown name '%.100s'", name);
    }
    return STATUS_OK;
}
