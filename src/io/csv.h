/*
 * CSV files, read and written through libcsv: quoted fields, CRLF and columns in any
 * order are understood, rows are handed over one at a time. Memory is bounded whatever
 * the file holds: one block, and the wanted fields of one row.
 */
#ifndef IO_CSV_H
#define IO_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"

enum {
    CSV_FIELD_BYTES = 1 << 20
}; /* a longer field is an unclosed quote, or no CSV at all */

/* One row. fields[i] is the text of wanted column i, NULL when an optional column is
 * absent from the file; valid during the call only. */
struct csv_row {
    const char *path;
    size_t line; /* of the file, from 1: where the row begins */
    const char *const *fields;
};

typedef enum status csv_row_function(void *context, const struct csv_row *row,
                                     struct error *err);

struct csv_column {
    const char *name;
    bool optional;
};

/* Reads a file with a header line; calls `row` for each following line that is not empty.
 * A byte order mark is passed over, and so are columns that nobody wants and spaces
 * around fields. A wanted column that is missing or stands twice, a file without a
 * header, a row with fewer fields than the header or with further ones that are not empty
 * (decimal commas), an unclosed or misplaced quote, a NUL byte and a field beyond
 * CSV_FIELD_BYTES are errors naming file and line. Errors: STATUS_JOB_CONFIG, or what
 * `row` returned. Not collective. */
enum status csv_read(const char *path, const struct csv_column *columns,
                     size_t column_count, csv_row_function *row, void *context,
                     struct error *err);

/* The same for a file without a header: fields[i] is the i-th field of the line, further
 * fields are passed over. */
enum status csv_read_plain(const char *path, size_t column_count, csv_row_function *row,
                           void *context, struct error *err);

/* A field as a finite number; the whole field must be one, in the decimal notation of the
 * C locale. Errors: STATUS_JOB_CONFIG as csv_refuse. */
enum status csv_number(const struct csv_row *row, size_t column, const char *name,
                       double *out, struct error *err);

/* Refuses a field: the message names file, line, column, value and what it should be.
 * Returns STATUS_JOB_CONFIG. */
enum status csv_refuse(const struct csv_row *row, size_t column, const char *name,
                       const char *wanted, struct error *err);

/* A CSV file being written, atomically: the name appears with csv_writer_commit. Fields
 * are quoted only where they must be. Write errors are kept and reported by commit. */
struct csv_writer {
    struct atomic_file file;
    size_t columns, fields_in_row;
    bool row_is_blank; /* so far: one empty field */
    int failure;       /* errno of the first write that failed */
};

/* Opens path.part and writes the header: column names separated by commas. */
enum status csv_writer_open(struct csv_writer *w, const char *path, const char *header,
                            struct error *err);
void csv_write_text(struct csv_writer *w, const char *text);
void csv_write_integer(struct csv_writer *w, int64_t value);
/* A number by a printf format for double; NaN becomes an empty field. */
void csv_write_number(struct csv_writer *w, const char *format, double value);
/* Ends the row. It has as many fields as the header: a CHECK. */
void csv_write_end(struct csv_writer *w);
/* Errors: STATUS_STAGE_IO naming the file; nothing stands at the name then. */
enum status csv_writer_commit(struct csv_writer *w, struct error *err);
void csv_writer_abandon(struct csv_writer *w);

#endif
