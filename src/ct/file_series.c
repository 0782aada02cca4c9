#include "ct/file_series.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/memory.h"

/* The text of a header never reaches printf: the conversion is taken apart here. */
struct conversion {
    size_t start, end; /* of the conversion in the text */
    int digits;
    bool zeros;
};

enum { MAX_DIGITS = 20 };

static bool find_conversion(const char *text, struct conversion *out)
{
    const char *percent = strchr(text, '%');
    if (!percent || strchr(percent + 1, '%'))
        return false;
    const char *p = percent + 1;
    struct conversion c = {.start = (size_t)(percent - text)};
    for (; *p == '0'; p++)
        c.zeros = true;
    for (; isdigit((unsigned char)*p) && c.digits <= MAX_DIGITS; p++)
        c.digits = c.digits * 10 + (*p - '0');
    if (c.digits > MAX_DIGITS || !*p || !strchr("diu", *p))
        return false;
    c.end = (size_t)(p + 1 - text);
    *out = c;
    return true;
}

void file_series_release(struct file_series *s)
{
    for (size_t i = 0; i < s->name_count; i++)
        free(s->names[i]);
    free(s->names);
    free(s->folder);
    free(s->before);
    free(s->after);
    *s = (struct file_series){0};
}

enum status file_series_add(struct file_series *s, const char *name, struct error *err)
{
    void *names = s->names;
    enum status status = memory_grow(&names, &s->name_capacity, s->name_count + 1,
                                     sizeof *s->names, "data file names", err);
    s->names = names;
    if (status == STATUS_OK)
        status = text_new(name, &s->names[s->name_count], err);
    if (status != STATUS_OK)
        return status;
    s->count = (int64_t)++s->name_count;
    return STATUS_OK;
}

bool file_series_is_pattern(const char *text)
{
    struct conversion c;
    return find_conversion(text, &c);
}

enum status file_series_set_pattern(struct file_series *s, const char *text,
                                    int64_t first, int64_t last, int64_t step,
                                    struct error *err)
{
    struct conversion c;
    int64_t span;
    if (!find_conversion(text, &c))
        return error_set(err, STATUS_ITEM_FORMAT, "%s: not a pattern of one number",
                         text);
    if (step <= 0 || last < first || first < 0 ||
        __builtin_sub_overflow(last, first, &span))
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: no numbers from %" PRId64 " to %" PRId64 " by %" PRId64,
                         text, first, last, step);
    s->before = strndup(text, c.start);
    s->after = strdup(text + c.end);
    if (!s->before || !s->after)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", text);
    s->digits = c.digits;
    s->zeros = c.zeros;
    s->first = first;
    s->step = step;
    s->count = span / step + 1;
    return STATUS_OK;
}

static enum status name_of(const struct file_series *s, int64_t index, char **out,
                           struct error *err)
{
    if (s->names)
        return text_new(s->names[index], out, err);
    int64_t number = s->first + index * s->step;
    int n =
        s->zeros
            ? asprintf(out, "%s%0*" PRId64 "%s", s->before, s->digits, number, s->after)
            : asprintf(out, "%s%*" PRId64 "%s", s->before, s->digits, number, s->after);
    if (n < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", s->before);
    return STATUS_OK;
}

static enum status check_name_inside(const char *name, struct error *err)
{
    if (path_stays_inside(name))
        return STATUS_OK;
    return error_set(err, STATUS_ITEM_FORMAT,
                     "%s %s the folder of the header (dataset.allow_outside permits it)",
                     name, name[0] == '/' ? "is absolute, outside" : "leaves");
}

enum status file_series_check_inside(const struct file_series *s, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < s->name_count && status == STATUS_OK; i++)
        status = check_name_inside(s->names[i], err);
    if (!s->names) {
        /* Digits neither begin nor end a "..", so one name speaks for all. */
        char *name;
        status = name_of(s, 0, &name, err);
        if (status != STATUS_OK)
            return status;
        status = check_name_inside(name, err);
        free(name);
    }
    return status;
}

enum status file_series_path(const struct file_series *s, int64_t index, char **out,
                             struct error *err)
{
    char *name;
    CHECK(index >= 0 && index < s->count);
    enum status status = name_of(s, index, &name, err);
    if (status != STATUS_OK)
        return status;
    status = path_join(s->folder ? s->folder : "", name, out, err);
    free(name);
    return status;
}
