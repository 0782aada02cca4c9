/* The table as text: the job file that is stored with a run, the difference of two, the
 * help. */
#include "config/settings_value.h"

enum { GROUP_BYTES = 64, INDENT = 4 };

static int depth_of(const char *group)
{
    int depth = group[0] != '\0';
    for (const char *p = group; *p; p++)
        depth += *p == '.';
    return depth;
}

/* Whether `group` is `inner` or holds it: "train" holds "train.segment". */
static bool holds(const char *group, const char *inner, size_t length)
{
    const size_t n = strlen(group);
    return n == 0 || (n <= length && memcmp(group, inner, n) == 0 &&
                      (n == length || inner[n] == '.'));
}

static void leave_group(char *group, FILE *out)
{
    char *dot = strrchr(group, '.');
    fprintf(out, "%*s};\n", INDENT * (depth_of(group) - 1), "");
    *(dot ? dot : group) = '\0';
}

/* Closes and opens groups until the one that a key stands in is open; NULL closes all. */
static void enter_group(const char *name, char group[GROUP_BYTES], FILE *out)
{
    const char *dot = name ? strrchr(name, '.') : NULL;
    const size_t length = dot ? (size_t)(dot - name) : 0;
    CHECK(length < GROUP_BYTES);
    while (group[0] && !holds(group, name ? name : "", length))
        leave_group(group, out);
    for (size_t n = strlen(group); n < length; n = strlen(group)) {
        const char *part = name + n + (n > 0);
        const size_t end = (size_t)(part - name) + strcspn(part, ".");
        const int indent = INDENT * depth_of(group);
        fprintf(out, "%*s%.*s:\n%*s{\n", indent, "", (int)(name + end - part), part,
                indent, "");
        memcpy(group, name, end);
        group[end] = '\0';
    }
}

static bool is_printed(const struct key *k, bool binding)
{
    if (k->flags & KEY_MERGED)
        return false;
    return !binding ||
           ((k->flags & KEY_BINDS) && !key_holds_path(k) && k->type != KEY_NAME);
}

static enum status print(const struct settings *s, bool binding, char **out,
                         size_t *bytes, struct error *err)
{
    char *text = NULL, group[GROUP_BYTES] = "";
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (!stream)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory to print the settings");
    for (size_t i = 0; i < key_count; i++) {
        const struct key *k = &keys[i];
        if (!is_printed(k, binding))
            continue;
        enter_group(k->name, group, stream);
        const char *dot = strrchr(k->name, '.');
        fprintf(stream, "%*s%s = ", INDENT * depth_of(group), "",
                dot ? dot + 1 : k->name);
        value_print(k, s, stream);
        fputs(";\n", stream);
    }
    enter_group(NULL, group, stream);
    bool failed = ferror(stream);
    failed |= fclose(stream) != 0;
    if (failed) {
        free(text);
        return error_set(err, STATUS_STAGE_MEMORY, "no memory to print the settings");
    }
    *out = text;
    *bytes = length;
    return STATUS_OK;
}

enum status settings_print(const struct settings *s, char **out, size_t *bytes,
                           struct error *err)
{
    return print(s, false, out, bytes, err);
}

enum status settings_print_binding(const struct settings *s, char **out, size_t *bytes,
                                   struct error *err)
{
    return print(s, true, out, bytes, err);
}

/* *out = one value as text, to be freed. */
static enum status value_text(const struct key *k, const struct settings *s, char **out,
                              struct error *err)
{
    size_t bytes;
    *out = NULL;
    FILE *stream = open_memstream(out, &bytes);
    if (!stream)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory to compare %s", k->name);
    value_print(k, s, stream);
    if (fclose(stream)) {
        free(*out);
        *out = NULL;
        return error_set(err, STATUS_STAGE_MEMORY, "no memory to compare %s", k->name);
    }
    return STATUS_OK;
}

static enum status print_difference(const struct key *k, const struct settings *old,
                                    const struct settings *new, const char **before,
                                    FILE *stream, struct error *err)
{
    enum status status;
    char *was = NULL, *is = NULL;
    TRY(value_text(k, old, &was, err));
    TRY(value_text(k, new, &is, err));
    if (strcmp(was, is) != 0) {
        fprintf(stream, "%s%s (was %s, is %s)", *before, k->name, was, is);
        *before = ", ";
    }
out:
    free(was);
    free(is);
    return status;
}

static enum status compare(const struct settings *old, const struct settings *new,
                           bool paths, char **out, struct error *err)
{
    enum status status = STATUS_OK;
    const char *before = "";
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory to compare settings");
    for (size_t i = 0; i < key_count && status == STATUS_OK; i++)
        if ((keys[i].flags & KEY_BINDS) && (paths || !key_holds_path(&keys[i])))
            status = print_difference(&keys[i], old, new, &before, stream, err);
    if (fclose(stream) && status == STATUS_OK)
        status = error_set(err, STATUS_STAGE_MEMORY, "no memory to compare settings");
    if (status != STATUS_OK || bytes == 0) {
        free(text);
        text = NULL;
    }
    *out = text;
    return status;
}

enum status settings_compare(const struct settings *old, const struct settings *new,
                             char **out, struct error *err)
{
    return compare(old, new, true, out, err);
}

enum status settings_compare_results(const struct settings *old,
                                     const struct settings *new, char **out,
                                     struct error *err)
{
    return compare(old, new, false, out, err);
}

void settings_help(FILE *out)
{
    for (size_t i = 0; i < key_count; i++) {
        char described[200];
        const struct key *k = &keys[i];
        key_describe(k, described, sizeof(described));
        fprintf(out, "  %-22s %s", k->name, described);
        if (k->preset[0])
            fprintf(out, "; default %s", k->preset);
        fprintf(out, "\n  %-22s   %s%s\n", "", k->help,
                k->flags & KEY_BINDS ? " (binds a run)" : "");
    }
}
