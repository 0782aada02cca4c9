/*
 * Reading: the file goes through libcsv's push parser in blocks, its callbacks gather the
 * wanted fields of a row and hand the row over when it ends.
 *
 * libcsv does not count lines, and an error message without a line is of no use in a list
 * of 750,000. So the parser is told that only a line feed ends a row (a carriage return
 * is a space, which is trimmed from the end of a field) and that it shall report empty
 * rows too: then lines are the rows that ended plus the line feeds inside fields. The
 * parser is strict: a quote in the wrong place is damage, not text.
 *
 * Callbacks cannot stop the parser. The first failure is kept in `status`, they do
 * nothing after it, and the loop over blocks ends.
 */
#include "io/csv.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum {
    BLOCK_BYTES = 1 << 16,
    PARSER_GROWTH_BYTES = 4096,
    ABSENT = -1,
};

struct reader {
    const char *path;
    const struct csv_column *columns; /* NULL: a file without a header */
    size_t column_count;
    csv_row_function *row;
    void *context;

    int64_t *places;        /* of wanted columns in the file, or ABSENT */
    bool in_header;         /* the row at hand is the header */
    size_t fields_wanted;   /* in every row */
    size_t fields;          /* of the row at hand so far */
    size_t line, next_line; /* where the row at hand begins, and where the parser is */

    char *text; /* wanted fields of the row at hand, each with its NUL */
    size_t text_bytes, text_capacity;
    size_t *starts;      /* in text, one a wanted column */
    const char **values; /* the same as pointers, when the row is whole */

    enum status status;
    struct error *err;
};

static int is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int is_line_end(unsigned char c)
{
    return c == '\n';
}

/* Finds the place of the wanted columns, one header field at a time. */
static enum status take_header_field(struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->column_count; i++) {
        if (strcmp(r->columns[i].name, name) != 0)
            continue;
        if (r->places[i] != ABSENT)
            return error_set(r->err, STATUS_JOB_CONFIG, "%s:%zu: column %s stands twice",
                             r->path, r->line, name);
        r->places[i] = (int64_t)r->fields;
    }
    return STATUS_OK;
}

static enum status take_field(struct reader *r, const char *text, size_t bytes)
{
    if (r->columns && r->fields >= r->fields_wanted && bytes > 0)
        return error_set(r->err, STATUS_JOB_CONFIG,
                         "%s:%zu: more fields than the %zu of the header ('%.60s')",
                         r->path, r->line, r->fields_wanted, text);
    for (size_t i = 0; i < r->column_count; i++) {
        if (r->places[i] != (int64_t)r->fields)
            continue;
        enum status status = memory_grow((void **)&r->text, &r->text_capacity,
                                         r->text_bytes + bytes + 1, 1, r->path, r->err);
        if (status != STATUS_OK)
            return status;
        memcpy(r->text + r->text_bytes, text, bytes);
        r->text[r->text_bytes + bytes] = '\0';
        r->starts[i] = r->text_bytes;
        r->text_bytes += bytes + 1;
    }
    return STATUS_OK;
}

static void count_line_ends(struct reader *r, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    while ((text = memchr(text, '\n', (size_t)(end - text)))) {
        r->next_line++;
        text++;
    }
}

static enum status field_too_long(const struct reader *r)
{
    return error_set(r->err, STATUS_JOB_CONFIG,
                     "%s:%zu: a field of more than %d bytes (a quote left open?)",
                     r->path, r->line, CSV_FIELD_BYTES);
}

/* libcsv: a field has ended. It is followed by a NUL (CSV_APPEND_NULL). */
static void on_field(void *field, size_t bytes, void *context)
{
    struct reader *r = context;
    if (r->status != STATUS_OK)
        return;
    count_line_ends(r, field, bytes);
    if (bytes > CSV_FIELD_BYTES)
        r->status = field_too_long(r);
    else if (memchr(field, '\0', bytes))
        r->status =
            error_set(r->err, STATUS_JOB_CONFIG, "%s:%zu: field %zu holds a NUL byte",
                      r->path, r->line, r->fields + 1);
    else if (r->in_header)
        r->status = take_header_field(r, field);
    else
        r->status = take_field(r, field, bytes);
    r->fields++;
}

static enum status end_header(struct reader *r)
{
    for (size_t i = 0; i < r->column_count; i++)
        if (r->places[i] == ABSENT && !r->columns[i].optional)
            return error_set(r->err, STATUS_JOB_CONFIG,
                             "%s:%zu: no column %s in the header", r->path, r->line,
                             r->columns[i].name);
    r->fields_wanted = r->fields;
    r->in_header = false;
    return STATUS_OK;
}

static enum status end_row(struct reader *r)
{
    if (r->fields < r->fields_wanted)
        return error_set(r->err, STATUS_JOB_CONFIG,
                         "%s:%zu: %zu fields where %zu are wanted", r->path, r->line,
                         r->fields, r->fields_wanted);
    for (size_t i = 0; i < r->column_count; i++)
        r->values[i] = r->places[i] == ABSENT ? NULL : r->text + r->starts[i];
    struct csv_row row = {.path = r->path, .line = r->line, .fields = r->values};
    return r->row(r->context, &row, r->err);
}

/* libcsv: a row has ended, by a line feed or (character -1) by the end of the file. */
static void on_row(int character, void *context)
{
    struct reader *r = context;
    (void)character;
    if (r->status != STATUS_OK)
        return;
    if (r->fields > 0)
        r->status = r->in_header ? end_header(r) : end_row(r);
    r->line = ++r->next_line;
    r->fields = 0;
    r->text_bytes = 0;
}

/* Reads a whole block, less only at the end of the file. */
static enum status read_block(const char *path, int fd, char *block, size_t *bytes,
                              struct error *err)
{
    *bytes = 0;
    while (*bytes < BLOCK_BYTES) {
        ssize_t n = read(fd, block + *bytes, BLOCK_BYTES - *bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, STATUS_JOB_CONFIG, "%s: %s", path, strerror(errno));
        if (n == 0)
            break;
        *bytes += (size_t)n;
    }
    return STATUS_OK;
}

static enum status parser_failure(struct reader *r, struct csv_parser *parser)
{
    if (r->status != STATUS_OK)
        return r->status; /* came first */
    if (csv_error(parser) == CSV_ENOMEM)
        return error_set(r->err, STATUS_STAGE_MEMORY, "%s: no memory", r->path);
    return error_set(r->err, STATUS_JOB_CONFIG,
                     "%s:%zu: a quote that is not closed or stands inside a field",
                     r->path, r->line);
}

static enum status parse(struct reader *r, int fd, struct csv_parser *parser, char *block)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    const size_t mark_bytes = sizeof byte_order_mark - 1;
    size_t bytes;
    for (bool first = true;; first = false) {
        enum status status = read_block(r->path, fd, block, &bytes, r->err);
        if (status != STATUS_OK)
            return status;
        if (bytes == 0)
            break;
        size_t skip = 0;
        if (first && bytes >= mark_bytes &&
            memcmp(block, byte_order_mark, mark_bytes) == 0)
            skip = mark_bytes;
        size_t parsed =
            csv_parse(parser, block + skip, bytes - skip, on_field, on_row, r);
        if (r->status != STATUS_OK || parsed != bytes - skip)
            return parser_failure(r, parser);
        if (csv_get_buffer_size(parser) > CSV_FIELD_BYTES + PARSER_GROWTH_BYTES)
            return field_too_long(r);
    }
    if (csv_fini(parser, on_field, on_row, r) || r->status != STATUS_OK)
        return parser_failure(r, parser);
    if (r->in_header)
        return error_set(r->err, STATUS_JOB_CONFIG,
                         "%s: empty, without even a header line", r->path);
    return STATUS_OK;
}

/* A pipe or a device is refused: every rank reads the list, and waiting for the writer of
 * a pipe knows no end. */
static enum status open_file(const char *path, int *out, struct error *err)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set(err, STATUS_JOB_CONFIG, "%s: %s", path, strerror(errno));
    if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
        close(fd);
        return error_set(err, STATUS_JOB_CONFIG, "%s: not a regular file", path);
    }
    *out = fd;
    return STATUS_OK;
}

static enum status read_file(struct reader *r)
{
    enum status status = STATUS_OK;
    struct csv_parser parser;
    char *block = NULL;
    int fd = -1;

    csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL | CSV_REPALL_NL);
    csv_set_space_func(&parser, is_space);
    csv_set_term_func(&parser, is_line_end);
    csv_set_blk_size(&parser, PARSER_GROWTH_BYTES);

    TRY(open_file(r->path, &fd, r->err));
    TRY(memory_new(BLOCK_BYTES, 1, r->path, (void **)&block, r->err));
    TRY(memory_new(r->column_count, sizeof *r->places, r->path, (void **)&r->places,
                   r->err));
    TRY(memory_new(r->column_count, sizeof *r->starts, r->path, (void **)&r->starts,
                   r->err));
    TRY(memory_new(r->column_count, sizeof *r->values, r->path, (void **)&r->values,
                   r->err));
    for (size_t i = 0; i < r->column_count; i++)
        r->places[i] = r->columns ? ABSENT : (int64_t)i;
    TRY(parse(r, fd, &parser, block));
out:
    if (fd >= 0)
        close(fd);
    csv_free(&parser);
    free(block);
    free(r->places);
    free(r->starts);
    free(r->values);
    free(r->text);
    return status;
}

enum status csv_read(const char *path, const struct csv_column *columns,
                     size_t column_count, csv_row_function *row, void *context,
                     struct error *err)
{
    struct reader r = {.path = path,
                       .columns = columns,
                       .column_count = column_count,
                       .row = row,
                       .context = context,
                       .in_header = true,
                       .line = 1,
                       .next_line = 1,
                       .err = err};
    CHECK(columns && column_count > 0);
    return read_file(&r);
}

enum status csv_read_plain(const char *path, size_t column_count, csv_row_function *row,
                           void *context, struct error *err)
{
    struct reader r = {.path = path,
                       .column_count = column_count,
                       .row = row,
                       .context = context,
                       .fields_wanted = column_count,
                       .line = 1,
                       .next_line = 1,
                       .err = err};
    return read_file(&r);
}

enum status csv_number(const struct csv_row *row, size_t column, const char *name,
                       double *out, struct error *err)
{
    /* The characters of decimal notation: strtod alone takes "nan", "inf" and "0x1p3" as
     * well. */
    static const char decimal[] = "+-.0123456789eE \t\r";
    const char *text = row->fields[column];
    char *end = NULL;
    if (text[strspn(text, decimal)] == '\0') {
        double value = strtod(text, &end);
        if (end != text && end[strspn(end, " \t\r")] == '\0' && isfinite(value)) {
            *out = value;
            return STATUS_OK;
        }
    }
    return csv_refuse(row, column, name, "a finite number", err);
}

enum status csv_refuse(const struct csv_row *row, size_t column, const char *name,
                       const char *wanted, struct error *err)
{
    return error_set(err, STATUS_JOB_CONFIG, "%s:%zu: column %s: '%.60s' is not %s",
                     row->path, row->line, name, row->fields[column], wanted);
}
