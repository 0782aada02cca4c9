#include "config/document.h"

#include <stdarg.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/scrub.h"

/* A folder that cannot exist: whatever include libconfig finds after all, it cannot open.
 */
static const char *const no_folder = "/dev/null";

static unsigned count_lines(const char *text, size_t bytes)
{
    unsigned lines = bytes > 0 && text[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

/* What libconfig has against a text. Beyond the last line it stands at the end, which is
 * in the last. */
static enum status refuse(const struct document *d, unsigned lines, struct error *err)
{
    unsigned line = (unsigned)config_error_line(&d->config);
    const char *text = config_error_text(&d->config);
    if (line > lines)
        return document_error(d, lines, err, "%s: it ends in the middle of a setting",
                              text);
    return document_error(d, line, err, "%s", text);
}

static enum status parse(const char *name, bool has_lines, const char *text, size_t bytes,
                         struct document *out, struct error *err)
{
    enum status status = STATUS_OK;
    struct document d = {.has_lines = has_lines};
    struct complaint why;
    void *clean = NULL;

    config_init(&d.config);
    config_set_include_dir(&d.config, no_folder);
    TRY(text_new(name, &d.name, err));
    TRY(memory_new(scrub_room(bytes), 1, name, &clean, err));
    if (!scrub(text, bytes, clean, &why))
        status = document_error(&d, (unsigned)why.line, err, "%s", why.text);
    else if (!config_read_string(&d.config, clean))
        status = refuse(&d, count_lines(text, bytes), err);
out:
    free(clean);
    if (status == STATUS_OK)
        *out = d;
    else
        document_release(&d);
    return status;
}

enum status document_read(const char *path, struct document *out, struct error *err)
{
    char *text;
    size_t bytes;
    enum status status = file_read(path, DOCUMENT_BYTES, &text, &bytes, err);
    if (status_is_item(status)) {
        /* A missing scan costs a scan, a missing job file the job. */
        status = STATUS_JOB_CONFIG;
        if (err)
            err->code = status;
    }
    if (status != STATUS_OK)
        return status;
    status = parse(path, true, text, bytes, out, err);
    free(text);
    return status;
}

enum status document_parse(const char *name, const char *text, struct document *out,
                           struct error *err)
{
    return parse(name, false, text, strlen(text), out, err);
}

void document_release(struct document *d)
{
    config_destroy(&d->config);
    free(d->name);
    d->name = NULL;
}

enum status document_error(const struct document *d, unsigned line, struct error *err,
                           const char *format, ...)
{
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (!d->has_lines)
        return error_set(err, STATUS_JOB_CONFIG, "%s: %s", d->name, message);
    return error_set(err, STATUS_JOB_CONFIG, "%s:%u: %s", d->name, line, message);
}

void document_show(const config_setting_t *value, char *out, size_t bytes)
{
    switch (config_setting_type(value)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(out, bytes, "%lld", config_setting_get_int64(value));
        break;
    case CONFIG_TYPE_FLOAT:
        snprintf(out, bytes, "%g", config_setting_get_float(value));
        break;
    case CONFIG_TYPE_STRING:
        snprintf(out, bytes, "\"%.80s\"", config_setting_get_string(value));
        break;
    case CONFIG_TYPE_BOOL:
        snprintf(out, bytes, "%s", config_setting_get_bool(value) ? "true" : "false");
        break;
    case CONFIG_TYPE_GROUP:
        snprintf(out, bytes, "{ ... }");
        break;
    default:
        snprintf(out, bytes, "[ ... ]");
        break;
    }
}
