/*
 * Keys may come in any order, so the lines are gathered first and understood together:
 * each known key is a field of one table, synonyms share a field, a key given twice must
 * say the same both times. Unknown keys are passed over, as MetaIO does; values of known
 * keys are held to what they may be.
 */
#include "ct/metaimage_header.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "base/memory.h"

enum field {
    OBJECT_TYPE,
    DIMENSIONS,
    SIZES,
    BINARY,
    MSB,
    COMPRESSED,
    COMPRESSED_BYTES,
    DIRECTION,
    ORIGIN,
    SPACING,
    ELEMENT_SIZE,
    ELEMENT_TYPE,
    CHANNELS,
    SKIP,
    DATA_FILE,
    FIELDS,
};

static const struct {
    const char *key;
    enum field field;
} KEYS[] = {
    {"ObjectType", OBJECT_TYPE},
    {"NDims", DIMENSIONS},
    {"DimSize", SIZES},
    {"BinaryData", BINARY},
    {"BinaryDataByteOrderMSB", MSB},
    {"ElementByteOrderMSB", MSB},
    {"CompressedData", COMPRESSED},
    {"CompressedDataSize", COMPRESSED_BYTES},
    {"TransformMatrix", DIRECTION},
    {"Rotation", DIRECTION},
    {"Orientation", DIRECTION},
    {"Offset", ORIGIN},
    {"Position", ORIGIN},
    {"Origin", ORIGIN},
    {"ElementSpacing", SPACING},
    {"ElementSize", ELEMENT_SIZE},
    {"ElementType", ELEMENT_TYPE},
    {"ElementNumberOfChannels", CHANNELS},
    {"HeaderSize", SKIP},
    {"ElementDataFile", DATA_FILE},
};

/* The header as it is being read: a copy of the text, cut into keys and values. */
struct reading {
    char *text, *next;
    size_t line;
    bool whole, has_nul; /* has_nul: cut short by it */
    struct {
        const char *key, *value; /* NULL: not given */
    } fields[FIELDS];
};

static enum status refuse(const struct reading *r, enum field f, const char *reason,
                          struct error *err)
{
    return error_set(err, STATUS_ITEM_FORMAT, "%s = %.200s: %s", r->fields[f].key,
                     r->fields[f].value, reason);
}

/* ---- lines ---- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

/* The next line, cut off and trimmed; NULL when there is none that is complete. */
static char *next_line(struct reading *r)
{
    char *line = r->next;
    char *end = strchr(line, '\n');
    if (*line == '\0' || (!end && !r->whole))
        return NULL;
    r->line++;
    r->next = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    return trim(line);
}

static enum status take_line(struct reading *r, char *line, struct error *err)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return error_set(err, STATUS_ITEM_FORMAT, "line %zu: no \"Key = value\": %.60s",
                         r->line, line);
    *equals = '\0';
    const char *key = trim(line), *value = trim(equals + 1);
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        if (strcmp(KEYS[i].key, key) != 0)
            continue;
        enum field f = KEYS[i].field;
        if (r->fields[f].key && strcmp(r->fields[f].value, value) != 0)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "line %zu: %s = %.200s, but %s = %.200s stands before it",
                             r->line, key, value, r->fields[f].key, r->fields[f].value);
        r->fields[f].key = KEYS[i].key;
        r->fields[f].value = value;
    }
    return STATUS_OK;
}

/* Reads lines up to ElementDataFile. */
static enum status take_lines(struct reading *r, bool *complete, struct error *err)
{
    *complete = false;
    while (!r->fields[DATA_FILE].key) {
        char *line = next_line(r);
        if (!line)
            return !r->whole
                       ? STATUS_OK
                       : error_set(err, STATUS_ITEM_FORMAT,
                                   "ElementDataFile is missing%s: no MetaImage header",
                                   r->has_nul ? " before the first NUL byte" : "");
        if (*line == '\0')
            continue;
        enum status status = take_line(r, line, err);
        if (status != STATUS_OK)
            return status;
    }
    *complete = true;
    return STATUS_OK;
}

/* ---- values ---- */

static enum status read_flag(const struct reading *r, enum field f, bool fallback,
                             bool *out, struct error *err)
{
    static const struct {
        const char *word;
        bool value;
    } WORDS[] = {{"True", true},   {"T", true},  {"1", true},  {"Yes", true},
                 {"False", false}, {"F", false}, {"0", false}, {"No", false}};
    *out = fallback;
    if (!r->fields[f].key)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (strcasecmp(WORDS[i].word, r->fields[f].value) == 0) {
            *out = WORDS[i].value;
            return STATUS_OK;
        }
    return refuse(r, f, "must be True or False", err);
}

/* Exactly count numbers; out keeps its fallback when the key is missing. */
static enum status read_numbers(const struct reading *r, enum field f, int count,
                                double *out, struct error *err)
{
    const char *text = r->fields[f].value;
    char *end, reason[40];
    if (!text)
        return STATUS_OK;
    snprintf(reason, sizeof reason, "must be %d numbers", count);
    for (int i = 0; i < count; i++, text = end) {
        out[i] = strtod(text, &end);
        if (end == text || (*end && !isspace((unsigned char)*end)))
            return refuse(r, f, reason, err);
    }
    while (isspace((unsigned char)*text))
        text++;
    return *text ? refuse(r, f, reason, err) : STATUS_OK;
}

static bool parse_whole(const char **text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(*text, &end, 10);
    bool good =
        end != *text && (*end == '\0' || isspace((unsigned char)*end)) && errno == 0;
    *text = end;
    return good;
}

static enum status read_whole(const struct reading *r, enum field f, int count,
                              int64_t *out, struct error *err)
{
    const char *text = r->fields[f].value;
    char reason[60];
    if (!text)
        return STATUS_OK;
    snprintf(reason, sizeof reason, "must be %d whole number%s of 64 bits", count,
             count > 1 ? "s" : "");
    for (int i = 0; i < count; i++)
        if (!parse_whole(&text, &out[i]))
            return refuse(r, f, reason, err);
    while (isspace((unsigned char)*text))
        text++;
    return *text ? refuse(r, f, reason, err) : STATUS_OK;
}

static enum status need(const struct reading *r, enum field f, const char *key,
                        struct error *err)
{
    if (r->fields[f].key)
        return STATUS_OK;
    return error_set(err, STATUS_ITEM_FORMAT, "%s is missing", key);
}

/* ---- the parts of a header ---- */

static enum status read_kind(const struct reading *r, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t dimensions, channels = 1;
    bool binary;
    if (r->fields[OBJECT_TYPE].key && strcmp(r->fields[OBJECT_TYPE].value, "Image") != 0)
        return refuse(r, OBJECT_TYPE, "only images can be read", err);
    TRY(need(r, DIMENSIONS, "NDims", err));
    TRY(read_whole(r, DIMENSIONS, 1, &dimensions, err));
    if (dimensions != 3)
        return refuse(r, DIMENSIONS, "only volumes of 3 dimensions can be read", err);
    TRY(read_flag(r, BINARY, true, &binary, err));
    if (!binary)
        return refuse(r, BINARY, "voxels written as text cannot be read", err);
    TRY(read_whole(r, CHANNELS, 1, &channels, err));
    if (channels != 1)
        return refuse(r, CHANNELS, "only one value a voxel can be read", err);
out:
    return status;
}

static enum status read_geometry(const struct reading *r, struct geometry *g,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    int64_t size[3];
    double columns[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    *g = (struct geometry){.spacing = {1, 1, 1}};
    TRY(need(r, SIZES, "DimSize", err));
    TRY(read_whole(r, SIZES, 3, size, err));
    TRY(read_numbers(r, r->fields[SPACING].key ? SPACING : ELEMENT_SIZE, 3, g->spacing,
                     err));
    TRY(read_numbers(r, ORIGIN, 3, g->origin, err));
    TRY(read_numbers(r, DIRECTION, 9, columns, err));
    for (int i = 0; i < 3; i++) {
        g->size[i] = size[2 - i];
        for (int c = 0; c < 3; c++)
            g->direction[3 * i + c] = columns[3 * c + i];
    }
    TRY(geometry_check(g, err));
out:
    return status;
}

static enum status read_encoding(const struct reading *r, struct metaimage_header *h,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    TRY(need(r, ELEMENT_TYPE, "ElementType", err));
    h->element = element_find(r->fields[ELEMENT_TYPE].value);
    if (!h->element)
        return refuse(r, ELEMENT_TYPE, "not a scalar type that can be read", err);
    TRY(read_flag(r, MSB, false, &h->msb, err));
    TRY(read_flag(r, COMPRESSED, false, &h->compressed, err));
    h->compressed_bytes = -1;
    TRY(read_whole(r, COMPRESSED_BYTES, 1, &h->compressed_bytes, err));
    if (r->fields[COMPRESSED_BYTES].key && h->compressed_bytes < 0)
        return refuse(r, COMPRESSED_BYTES, "must not be negative", err);
    if (h->compressed_bytes == 0) /* MetaIO writes 0 for "not known" */
        h->compressed_bytes = -1;
    TRY(read_whole(r, SKIP, 1, &h->skip, err));
    if (h->skip < -1)
        return refuse(r, SKIP, "must be -1, 0 or a number of bytes", err);
    if (h->skip == -1 && h->compressed && h->compressed_bytes < 0)
        return refuse(r, SKIP, "compressed data need a CompressedDataSize", err);
out:
    return status;
}

/* ---- ElementDataFile ---- */

/* "LIST" or "LIST 2": one name a line follows, to the end of the text. */
static enum status read_list(struct reading *r, struct metaimage_header *h,
                             bool *complete, struct error *err)
{
    if (!r->whole) {
        *complete = false;
        return STATUS_OK;
    }
    for (char *line; (line = next_line(r));) {
        if (*line == '\0')
            continue;
        enum status status = file_series_add(&h->series, line, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* Takes up to 3 whole numbers off the end of text (which is cut), in the order they
 * stand. */
static int cut_numbers(char *text, int64_t numbers[3])
{
    int count = 0;
    while (count < 3) {
        char *blank = text + strlen(text);
        while (blank > text && !isspace((unsigned char)blank[-1]))
            blank--;
        const char *word = blank;
        if (blank == text || !parse_whole(&word, &numbers[2 - count]))
            break;
        while (blank > text && isspace((unsigned char)blank[-1]))
            blank--;
        *blank = '\0';
        count++;
    }
    memmove(numbers, numbers + 3 - count, (size_t)count * sizeof *numbers);
    return count;
}

/* "slice%03d.raw 1 99 1": first, last and step may be missing from the right. */
static enum status read_pattern(const char *value, struct metaimage_header *h,
                                bool *pattern, struct error *err)
{
    char *text;
    int64_t numbers[3], last;
    enum status status = text_new(value, &text, err);
    if (status != STATUS_OK)
        return status;
    int count = cut_numbers(text, numbers);
    *pattern = file_series_is_pattern(text);
    int64_t first = count > 0 ? numbers[0] : 1, step = count > 2 ? numbers[2] : 1;
    if (__builtin_add_overflow(first, h->geometry.size[0] - 1, &last))
        last = INT64_MAX;
    if (*pattern)
        status = file_series_set_pattern(&h->series, text, first,
                                         count > 1 ? numbers[1] : last, step, err);
    free(text);
    return status;
}

static enum status read_data_file(struct reading *r, struct metaimage_header *h,
                                  bool *complete, struct error *err)
{
    enum status status = STATUS_OK;
    const char *value = r->fields[DATA_FILE].value;
    bool pattern = false,
         list = strcmp(value, "LIST") == 0 || strcmp(value, "LIST 2") == 0;
    if (*value == '\0')
        return refuse(r, DATA_FILE, "no name", err);
    h->local = strcasecmp(value, "LOCAL") == 0;
    if (h->local)
        return STATUS_OK;
    if (strncmp(value, "LIST ", 5) == 0 && !list)
        return refuse(r, DATA_FILE, "only lists of slices (LIST, LIST 2) can be read",
                      err);
    if (list)
        TRY(read_list(r, h, complete, err));
    else
        TRY(read_pattern(value, h, &pattern, err));
    if (!list && !pattern)
        TRY(file_series_add(&h->series, value, err));
    if ((list || pattern) && *complete && h->series.count != h->geometry.size[0])
        status = error_set(err, STATUS_ITEM_FORMAT,
                           "ElementDataFile = %.200s: %" PRId64 " files for %" PRId64
                           " slices",
                           value, h->series.count, h->geometry.size[0]);
out:
    return status;
}

enum status metaimage_header_parse(const char *text, size_t bytes, bool whole,
                                   struct metaimage_header *out, bool *complete,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    struct metaimage_header h = {0};
    struct reading r = {.whole = whole};
    r.text = strndup(text, bytes);
    if (!r.text)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a header");
    /* What is cut short by a NUL is as whole as it gets: a header holds none. */
    r.has_nul = strlen(r.text) < bytes;
    r.whole = whole || r.has_nul;
    r.next = r.text;
    TRY(take_lines(&r, complete, err));
    if (!*complete)
        goto out;
    TRY(read_kind(&r, err));
    TRY(read_geometry(&r, &h.geometry, err));
    TRY(read_encoding(&r, &h, err));
    h.text_bytes = (size_t)(r.next - r.text);
    TRY(read_data_file(&r, &h, complete, err));
out:
    free(r.text);
    if (status != STATUS_OK || !*complete)
        metaimage_header_release(&h);
    else
        *out = h;
    return status;
}

void metaimage_header_release(struct metaimage_header *h)
{
    file_series_release(&h->series);
}
