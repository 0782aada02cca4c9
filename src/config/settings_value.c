#include "config/settings_value.h"

#include <limits.h>
#include <locale.h>
#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/path_list.h"

static enum status mistaken(const struct key *k, const struct document *d,
                            const config_setting_t *setting, struct error *err)
{
    char shown[100], wanted[200];
    document_show(setting, shown, sizeof(shown));
    key_describe(k, wanted, sizeof(wanted));
    return document_error(d, config_setting_source_line(setting), err,
                          "%s = %s: must be %s", k->name, shown, wanted);
}

bool value_is_name(const char *text)
{
    size_t n = strlen(text);
    return !strchr(text, '/') && !(n >= 4 && strcmp(text + n - 4, ".cfg") == 0);
}

/* *out = the text that a key of type text keeps: a path is made absolute. */
static enum status resolve(const struct key *k, const char *text, const char *folder,
                           char **out, struct error *err)
{
    char *joined;
    if (text[0] == '\0' || k->type == KEY_CHOICE ||
        (k->type == KEY_NAME && value_is_name(text)))
        return text_new(text, out, err);
    enum status status = path_join(folder, text, &joined, err);
    if (status != STATUS_OK)
        return status;
    status = path_absolute(joined, out, err);
    free(joined);
    return status;
}

static int choice_find(const struct key *k, const char *name)
{
    for (int i = 0; k->choices[i]; i++)
        if (strcmp(k->choices[i], name) == 0)
            return i;
    return -1;
}

static bool is_allowed(const struct key *k, const char *text)
{
    if (k->type == KEY_PATHS)
        return !strchr(text, '\n');
    return k->type != KEY_CHOICE || choice_find(k, text) >= 0;
}

/* Takes up one path of a list; *list is NULL or to be freed. */
static enum status add_path(const struct key *k, const char *text, const char *folder,
                            char **list, struct error *err)
{
    char *path;
    enum status status = resolve(k, text, folder, &path, err);
    if (status != STATUS_OK)
        return status;
    status = path_list_add(list, path, err);
    free(path);
    return status;
}

static enum status keep_text(const struct key *k, const char *text, const char *folder,
                             struct settings *s, struct error *err)
{
    char *kept = NULL, **place = key_place(k, s);
    enum status status = k->type == KEY_PATHS && text[0]
                             ? add_path(k, text, folder, &kept, err)
                             : resolve(k, text, folder, &kept, err);
    if (status != STATUS_OK)
        return status;
    free(*place);
    *place = kept;
    return STATUS_OK;
}

/* A list keeps its paths one a line. */
static bool is_listable(const config_setting_t *element)
{
    const char *text = config_setting_get_string(element);
    return text && text[0] && !strchr(text, '\n');
}

static bool is_sequence(const config_setting_t *setting)
{
    return (config_setting_is_array(setting) || config_setting_is_list(setting)) &&
           config_setting_length(setting) > 0;
}

static enum status take_paths(const struct key *k, const struct document *d,
                              const config_setting_t *setting, const char *folder,
                              struct settings *s, struct error *err)
{
    enum status status = STATUS_OK;
    char *list = NULL, **place = key_place(k, s);
    for (int i = 0; is_sequence(setting) && i < config_setting_length(setting); i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        if (!is_listable(element))
            TRY(mistaken(k, d, setting, err));
        TRY(add_path(k, config_setting_get_string(element), folder, &list, err));
    }
    if (!list)
        TRY(mistaken(k, d, setting, err));
    free(*place);
    *place = list;
    list = NULL;
out:
    free(list);
    return status;
}

static bool take_number(const struct key *k, const config_setting_t *setting,
                        struct settings *s)
{
    int type = config_setting_type(setting);
    bool integer = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
    if (!integer && (type != CONFIG_TYPE_FLOAT || k->type == KEY_INTEGER))
        return false;
    double value = integer ? (double)config_setting_get_int64(setting)
                           : config_setting_get_float(setting);
    if (!isfinite(value) || value < k->low || value > k->high)
        return false;
    if (k->type == KEY_INTEGER)
        *(int64_t *)key_place(k, s) = config_setting_get_int64(setting);
    else
        *(double *)key_place(k, s) = value;
    return true;
}

static bool take_subsets(const struct key *k, const config_setting_t *setting,
                         struct settings *s)
{
    bool chosen[SETTINGS_SUBSETS] = {false};
    const bool empty =
        (config_setting_is_array(setting) || config_setting_is_list(setting)) &&
        config_setting_length(setting) == 0;
    if (!is_sequence(setting) && !(empty && k->flags & KEY_EMPTY))
        return false;
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        int type = config_setting_type(element);
        if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
            return false;
        long long subset = config_setting_get_int64(element);
        if (subset < 0 || subset >= SETTINGS_SUBSETS || chosen[subset])
            return false;
        chosen[subset] = true;
    }
    memcpy(key_place(k, s), chosen, sizeof(chosen));
    return true;
}

static bool take_set(const struct key *k, const config_setting_t *setting,
                     struct settings *s)
{
    bool chosen[KEY_CHOICES] = {false};
    size_t count = 0;
    if (!is_sequence(setting))
        return false;
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        if (config_setting_type(element) != CONFIG_TYPE_STRING)
            return false;
        const int choice = choice_find(k, config_setting_get_string(element));
        if (choice < 0 || chosen[choice])
            return false;
        chosen[choice] = true;
    }
    while (k->choices[count])
        count++;
    memcpy(key_place(k, s), chosen, count * sizeof(bool));
    return true;
}

static bool *stage_find(const char *name, struct settings *s)
{
    for (size_t i = 0; i < stage_count; i++)
        if (strcmp(stage_names[i].name, name) == 0)
            return (bool *)((char *)s + stage_names[i].offset);
    return NULL;
}

static enum status take_stages(const struct key *k, const struct document *d,
                               const config_setting_t *setting, struct settings *s,
                               struct error *err)
{
    if (!is_sequence(setting))
        return mistaken(k, d, setting, err);
    memset(&s->stages, 0, sizeof(s->stages));
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        if (config_setting_type(element) != CONFIG_TYPE_STRING)
            return mistaken(k, d, setting, err);
        const char *name = config_setting_get_string(element);
        bool *stage = stage_find(name, s);
        if (!stage)
            return document_error(d, config_setting_source_line(element), err,
                                  "%s: there is no stage \"%.80s\"", k->name, name);
        if (*stage)
            return document_error(d, config_setting_source_line(element), err,
                                  "%s: \"%s\" is given twice", k->name, name);
        *stage = true;
    }
    return STATUS_OK;
}

enum status value_take(const struct key *k, const struct document *d,
                       const config_setting_t *setting, const char *folder,
                       struct settings *s, struct error *err)
{
    bool good = false;
    if (k->type == KEY_PATHS && config_setting_type(setting) != CONFIG_TYPE_STRING)
        return take_paths(k, d, setting, folder, s, err);
    switch (k->type) {
    case KEY_PATH:
    case KEY_PATHS:
    case KEY_NAME:
    case KEY_CHOICE:
        good = config_setting_type(setting) == CONFIG_TYPE_STRING &&
               is_allowed(k, config_setting_get_string(setting));
        if (good)
            return keep_text(k, config_setting_get_string(setting), folder, s, err);
        break;
    case KEY_BOOLEAN:
        good = config_setting_type(setting) == CONFIG_TYPE_BOOL;
        if (good)
            *(bool *)key_place(k, s) = config_setting_get_bool(setting);
        break;
    case KEY_INTEGER:
    case KEY_NUMBER:
        good = take_number(k, setting, s);
        break;
    case KEY_SUBSETS:
        good = take_subsets(k, setting, s);
        break;
    case KEY_SET:
        good = take_set(k, setting, s);
        break;
    case KEY_STAGES:
        return take_stages(k, d, setting, s, err);
    }
    return good ? STATUS_OK : mistaken(k, d, setting, err);
}

/* Text stands after --set without quotes; a shell that kept the quotes is forgiven. A
 * list of paths is written as in a job file. */
static enum status assign_text(const struct key *k, const char *name, const char *text,
                               struct settings *s, struct error *err)
{
    enum status status;
    char *bare, wanted[200];
    size_t n = strlen(text);
    bool quoted = n >= 2 && text[0] == '"' && text[n - 1] == '"';
    TRY(text_new(quoted ? text + 1 : text, &bare, err));
    if (quoted)
        bare[n - 2] = '\0';
    if (is_allowed(k, bare)) {
        status = keep_text(k, bare, "", s, err);
    } else {
        key_describe(k, wanted, sizeof(wanted));
        status =
            error_set(err, STATUS_JOB_CONFIG, "%s: %s must be %s", name, k->name, wanted);
    }
    free(bare);
out:
    return status;
}

enum status value_assign(const struct key *k, const char *name, const char *text,
                         struct settings *s, struct error *err)
{
    if (key_holds_text(k) && !(k->type == KEY_PATHS && text[0] == '['))
        return assign_text(k, name, text, s, err);

    char *setting, wanted[200];
    struct document d;
    if (asprintf(&setting, "value = %s", text) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", name);
    enum status status = document_parse(name, setting, &d, err);
    free(setting);
    bool parsed = status == STATUS_OK;
    if (parsed && config_setting_length(config_root_setting(&d.config)) == 1) {
        status =
            value_take(k, &d, config_setting_get_elem(config_root_setting(&d.config), 0),
                       "", s, err);
    } else if (parsed || status == STATUS_JOB_CONFIG) {
        /* What libconfig says of a text that the user never wrote would not help. */
        key_describe(k, wanted, sizeof(wanted));
        status =
            error_set(err, STATUS_JOB_CONFIG, "%s: %s must be %s", name, k->name, wanted);
    }
    if (parsed)
        document_release(&d);
    return status;
}

static void print_bytes(const char *text, size_t bytes, FILE *out)
{
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; bytes > 0; p++, bytes--) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\x%02x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

static void print_text(const char *text, FILE *out)
{
    print_bytes(text, strlen(text), out);
}

static void print_paths(const char *list, FILE *out)
{
    if (path_list_count(list) < 2) {
        print_text(list, out);
        return;
    }
    for (const char *before = "["; list; before = ", ", list = path_list_next(list)) {
        fputs(before, out);
        print_bytes(list, path_list_length(list), out);
    }
    fputc(']', out);
}

/* The shortest decimal that reads back as the same double, and that libconfig takes for a
 * float. */
static void print_number(double value, FILE *out)
{
    char text[40];
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    locale_t callers = c ? uselocale(c) : (locale_t)0;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        bool scientific = strchr(text, 'e') != NULL;
        if (strtod(text, NULL) == value && !(scientific && value >= 1 && value < 1e6))
            break;
    }
    if (c) {
        uselocale(callers);
        freelocale(c);
    }
    fprintf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void print_subsets(const bool *chosen, FILE *out)
{
    const char *before = "";
    fputc('[', out);
    for (int i = 0; i < SETTINGS_SUBSETS; i++)
        if (chosen[i]) {
            fprintf(out, "%s%d", before, i);
            before = ", ";
        }
    fputc(']', out);
}

static void print_set(const struct key *k, const bool *chosen, FILE *out)
{
    const char *before = "";
    fputc('[', out);
    for (int i = 0; k->choices[i]; i++)
        if (chosen[i]) {
            fprintf(out, "%s\"%s\"", before, k->choices[i]);
            before = ", ";
        }
    fputc(']', out);
}

static void print_stages(const struct settings *s, FILE *out)
{
    const char *before = "";
    fputc('[', out);
    for (size_t i = 0; i < stage_count; i++)
        if (*(const bool *)((const char *)s + stage_names[i].offset)) {
            fprintf(out, "%s\"%s\"", before, stage_names[i].name);
            before = ", ";
        }
    fputc(']', out);
}

void value_print(const struct key *k, const struct settings *s, FILE *out)
{
    const void *value = key_value(k, s);
    int64_t integer;
    switch (k->type) {
    case KEY_PATH:
    case KEY_NAME:
    case KEY_CHOICE:
        print_text(*(char *const *)value, out);
        break;
    case KEY_PATHS:
        print_paths(*(char *const *)value, out);
        break;
    case KEY_BOOLEAN:
        fputs(*(const bool *)value ? "true" : "false", out);
        break;
    case KEY_INTEGER:
        integer = *(const int64_t *)value;
        fprintf(out, "%lld%s", (long long)integer,
                integer > INT_MAX || integer < INT_MIN ? "L" : "");
        break;
    case KEY_NUMBER:
        print_number(*(const double *)value, out);
        break;
    case KEY_SUBSETS:
        print_subsets(value, out);
        break;
    case KEY_SET:
        print_set(k, value, out);
        break;
    case KEY_STAGES:
        print_stages(s, out);
        break;
    }
}
