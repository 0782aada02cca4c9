/*
 * libconfig 1.5 takes more than it understands, and says nothing: an integer beyond 32
 * bits wraps around unless it carries an L (4294967297 reads as 1), one beyond 64 bits
 * becomes the nearest; a comment on a last line without a newline is a syntax error; an
 * unclosed comment swallows the rest; "12abc = 3" is two settings; brackets recurse
 * without a bound; @include opens files beside the current folder. This pass over the
 * tokens settles all of it:
 *
 *   comments          become a blank (their newlines stay, so lines keep their numbers)
 *   integers          get their L where they need one, and are refused beyond 64 bits
 *   a NUL byte, \x00, an open text or comment, @, nesting deeper than SCRUB_DEPTH, and a
 * number that runs into a word are refused
 *
 * Everything else is copied: the grammar stays libconfig's business.
 */
#include "config/scrub.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>

struct scrubber {
    const char *p, *end;    /* unread text */
    char *out;              /* end of what is written */
    char before;            /* first character of the last token */
    char open[SCRUB_DEPTH]; /* the brackets around */
    int depth;
    struct complaint *why; /* ->line is the current line */
};

size_t scrub_room(size_t bytes)
{
    return bytes + bytes / 2 + 3; /* at most one L a number, one newline, one NUL */
}

static bool refuse(struct scrubber *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct scrubber *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->why->text, sizeof(s->why->text), format, arguments);
    va_end(arguments);
    return false;
}

static char peek(const struct scrubber *s, size_t ahead)
{
    return (size_t)(s->end - s->p) > ahead ? s->p[ahead] : '\0';
}

static void copy(struct scrubber *s, size_t bytes)
{
    memcpy(s->out, s->p, bytes);
    s->out += bytes;
    s->p += bytes;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*' || c == '_';
}

static bool in_word(char c)
{
    return starts_word(c) || is_digit(c) || c == '-';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool skip_line_comment(struct scrubber *s)
{
    while (s->p < s->end && *s->p != '\n' && *s->p != '\0')
        s->p++;
    return true;
}

static bool skip_block_comment(struct scrubber *s)
{
    int opened = s->why->line;
    *s->out++ = ' ';
    for (s->p += 2; s->p < s->end; s->p++) {
        if (*s->p == '*' && peek(s, 1) == '/') {
            s->p += 2;
            return true;
        }
        if (*s->p == '\n') {
            s->why->line++;
            *s->out++ = '\n';
        }
    }
    s->why->line = opened;
    return refuse(s, "a comment is opened and never closed");
}

/* Whether a text may stand here: as a value, as an element, or as the next part of a
 * text. */
static bool text_belongs(const struct scrubber *s)
{
    bool in_list = s->depth > 0 && s->open[s->depth - 1] != '{';
    return s->before == '=' || s->before == ':' || s->before == '"' || s->before == '(' ||
           s->before == '[' || (s->before == ',' && in_list);
}

static bool copy_text(struct scrubber *s)
{
    if (!text_belongs(s))
        return refuse(s, "a text stands where none belongs");
    copy(s, 1);
    while (s->p < s->end && *s->p != '\n' && *s->p != '\0') {
        if (*s->p == '"') {
            copy(s, 1);
            return true;
        }
        if (*s->p == '\\' && s->end - s->p >= 4 && strncasecmp(s->p, "\\x00", 4) == 0)
            return refuse(s, "\\x00 cannot stand in a text");
        bool escape = *s->p == '\\' && (peek(s, 1) == '"' || peek(s, 1) == '\\');
        copy(s, escape ? 2 : 1);
    }
    return refuse(s, "a text is not closed on its line");
}

/* Bytes of the number that starts here, its L included; *integer: no point and no
 * exponent. */
static size_t number_length(const struct scrubber *s, bool *integer, bool *is_long)
{
    size_t n = peek(s, 0) == '-' || peek(s, 0) == '+';
    *integer = true;
    if (peek(s, n) == '0' && (peek(s, n + 1) == 'x' || peek(s, n + 1) == 'X')) {
        for (n += 2; is_hex(peek(s, n));)
            n++;
    } else {
        while (is_digit(peek(s, n)))
            n++;
        if (peek(s, n) == '.') {
            *integer = false;
            for (n++; is_digit(peek(s, n));)
                n++;
        }
        if (peek(s, n) == 'e' || peek(s, n) == 'E') {
            *integer = false;
            n++;
            n += peek(s, n) == '-' || peek(s, n) == '+';
            while (is_digit(peek(s, n)))
                n++;
        }
    }
    *is_long = *integer && peek(s, n) == 'L';
    for (int i = 0; i < 2 && *integer && peek(s, n) == 'L'; i++)
        n++;
    return n;
}

static bool copy_number(struct scrubber *s)
{
    bool integer, is_long;
    size_t n = number_length(s, &integer, &is_long);
    if (in_word(peek(s, n)) || peek(s, n) == '.')
        return refuse(s, "'%.*s' is no number", (int)(n < 60 ? n + 1 : 60), s->p);
    const char *number = s->p;
    copy(s, n);
    if (!integer)
        return true;

    /* The text goes on with another character or its NUL, so strtoll stops inside it. */
    bool hex = memchr(number, 'x', n) || memchr(number, 'X', n);
    errno = 0;
    long long value = strtoll(number, NULL, hex ? 16 : 10);
    if (errno == ERANGE)
        return refuse(s, "%.*s does not fit 64 bits", (int)(n < 60 ? n : 60), number);
    if (!is_long && (value < INT_MIN || value > INT_MAX))
        *s->out++ = 'L';
    return true;
}

static bool copy_word(struct scrubber *s)
{
    size_t n = 1;
    while (in_word(peek(s, n)))
        n++;
    copy(s, n);
    return true;
}

static bool copy_sign(struct scrubber *s)
{
    char c = *s->p;
    if (c == '\0')
        return refuse(s, "a byte of value 0: this is no text file");
    if (c == '@')
        return refuse(s, "@include is not known here: write include = \"FILE\";");
    if (c == '{' || c == '(' || c == '[') {
        if (s->depth == SCRUB_DEPTH)
            return refuse(s, "brackets are nested deeper than %d", SCRUB_DEPTH);
        s->open[s->depth++] = c;
    }
    if ((c == '}' || c == ')' || c == ']') && --s->depth < 0)
        return refuse(s, "a %c closes nothing", c);
    if (c == '\n')
        s->why->line++;
    copy(s, 1);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Copies or drops the token at s->p, whose first characters are c and next. */
static bool copy_token(struct scrubber *s, char c, char next)
{
    if (c == '"')
        return copy_text(s);
    if (is_digit(c) || ((c == '+' || c == '-' || c == '.') && is_digit(next)) ||
        ((c == '+' || c == '-') && next == '.'))
        return copy_number(s);
    if (starts_word(c))
        return copy_word(s);
    return copy_sign(s);
}

bool scrub(const char *text, size_t bytes, char *out, struct complaint *why)
{
    struct scrubber s = {.p = text, .end = text + bytes, .out = out, .why = why};
    *why = (struct complaint){.line = 1};
    bool good = true;
    while (good && s.p < s.end) {
        char c = *s.p, next = peek(&s, 1);
        if (c == '#' || (c == '/' && next == '/')) {
            good = skip_line_comment(&s);
        } else if (c == '/' && next == '*') {
            good = skip_block_comment(&s);
        } else {
            good = copy_token(&s, c, next);
            s.before = is_blank(c) ? s.before : c;
        }
    }
    *s.out++ = '\n';
    *s.out = '\0';
    return good;
}
