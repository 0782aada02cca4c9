/* Writing: the other half of io/csv.h. Rows end in a line feed on every system. */
#include <csv.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "io/csv.h"

/* Whether a reader could take the bare text for something else: a separator, a quote, a
 * line's end, or spaces that it trims. */
static bool needs_quotes(const char *text)
{
    size_t n = strlen(text);
    if (text[strcspn(text, ",\"\r\n")] != '\0')
        return true;
    return n > 0 && (strchr(" \t", text[0]) || strchr(" \t", text[n - 1]));
}

static void keep_failure(struct csv_writer *w, bool failed)
{
    if (failed && w->failure == 0)
        w->failure = errno ? errno : EIO;
}

static void put(struct csv_writer *w, const char *text)
{
    keep_failure(w, fputs(text, w->file.stream) < 0);
}

static void begin_field(struct csv_writer *w, bool empty)
{
    if (w->fields_in_row > 0)
        put(w, ",");
    w->row_is_blank = w->fields_in_row == 0 && empty;
    w->fields_in_row++;
}

enum status csv_writer_open(struct csv_writer *w, const char *path, const char *header,
                            struct error *err)
{
    *w = (struct csv_writer){.columns = 1};
    enum status status = atomic_file_open(path, &w->file, err);
    if (status != STATUS_OK)
        return status;
    for (const char *comma = strchr(header, ','); comma; comma = strchr(comma + 1, ','))
        w->columns++;
    put(w, header);
    put(w, "\n");
    return STATUS_OK;
}

void csv_write_text(struct csv_writer *w, const char *text)
{
    begin_field(w, text[0] == '\0');
    if (needs_quotes(text))
        keep_failure(w, csv_fwrite(w->file.stream, text, strlen(text)) != 0);
    else
        put(w, text);
}

void csv_write_integer(struct csv_writer *w, int64_t value)
{
    begin_field(w, false);
    keep_failure(w, fprintf(w->file.stream, "%" PRId64, value) < 0);
}

void csv_write_number(struct csv_writer *w, const char *format, double value)
{
    begin_field(w, isnan(value));
    if (!isnan(value))
        keep_failure(w, fprintf(w->file.stream, format, value) < 0);
}

void csv_write_end(struct csv_writer *w)
{
    CHECK(w->fields_in_row == w->columns);
    /* A line that holds one empty field would be an empty line: no row at all. */
    put(w, w->row_is_blank ? "\"\"\n" : "\n");
    w->fields_in_row = 0;
}

enum status csv_writer_commit(struct csv_writer *w, struct error *err)
{
    if (w->failure == 0)
        return atomic_file_commit(&w->file, err);
    error_set(err, STATUS_STAGE_IO, "%s: %s", w->file.path, strerror(w->failure));
    atomic_file_abandon(&w->file);
    return STATUS_STAGE_IO;
}

void csv_writer_abandon(struct csv_writer *w)
{
    atomic_file_abandon(&w->file);
}
