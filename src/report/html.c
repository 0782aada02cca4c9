#include "report/html.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>

void html_put(const struct html *h, const char *markup)
{
    fputs(markup, h->out);
}

void html_format(const struct html *h, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(h->out, format, arguments);
    va_end(arguments);
}

static void put_number(FILE *out, const char *format, double value)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(out, format, value);
#pragma GCC diagnostic pop
}

void html_number(const struct html *h, const char *format, double value)
{
    if (isfinite(value))
        put_number(h->out, format, value);
    else
        fputs("\u2013", h->out);
}

void html_range(const struct html *h, const char *format, double low, double high)
{
    html_number(h, format, low);
    if (!isfinite(low) || !isfinite(high))
        return;
    html_put(h, " to ");
    html_number(h, format, high);
}

void html_cell(const struct html *h, const char *format, double value)
{
    if (isfinite(value))
        html_format(h, "<td class=n data-v=\"%.9g\">", value);
    else
        html_put(h, "<td class=n data-v=\"\">");
    html_number(h, format, value);
    html_put(h, "</td>");
}

void html_base64(const struct html *h, const void *data, size_t bytes)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *d = data;
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t left = bytes - i;
        const uint32_t word = (uint32_t)d[i] << 16 |
                              (left > 1 ? (uint32_t)d[i + 1] << 8 : 0) |
                              (left > 2 ? d[i + 2] : 0);
        const char text[4] = {digits[word >> 18], digits[word >> 12 & 63],
                              left > 1 ? digits[word >> 6 & 63] : '=',
                              left > 2 ? digits[word & 63] : '='};
        fwrite(text, 1, sizeof text, h->out);
    }
}

/* ---- text from data ---- */

/* Bytes of the character that begins here, 0 when it is no UTF-8 or a control character
 * (RFC 3629: no surrogates, nothing written longer than it has to be). */
static size_t character(const uint8_t *s, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : 4;
    if (bytes == 1)
        return s[0] >= ' ' && s[0] != 0x7f ? 1 : 0;
    if (bytes > left || s[0] < 0xc0 || s[0] > 0xf4)
        return 0;
    uint32_t code = s[0] & (0xffU >> (bytes + 1));
    for (size_t k = 1; k < bytes; k++) {
        if ((s[k] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[k] & 0x3f);
    }
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    /* 0x80 to 0x9f are controls; 0x202a to 0x202e and 0x2066 to 0x2069 turn the order of
     * what follows, so that a name could show another one. */
    const bool control = code < 0xa0 || (code >= 0x202a && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069);
    return code < least[bytes] || surrogate || control || code > 0x10ffff ? 0 : bytes;
}

static void put_text(const struct html *h, const char *text, size_t length)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t i = 0; i < length;) {
        const size_t bytes = character(s + i, length - i);
        if (bytes == 0)
            fputs(s[i] == '\n' ? "\n" : "\ufffd", h->out);
        else if (s[i] == '<')
            fputs("&lt;", h->out);
        else if (s[i] == '>')
            fputs("&gt;", h->out);
        else if (s[i] == '&')
            fputs("&amp;", h->out);
        else if (s[i] == '"')
            fputs("&quot;", h->out);
        else if (s[i] == '\'')
            fputs("&#39;", h->out);
        else
            fwrite(s + i, 1, bytes, h->out);
        i += bytes ? bytes : 1;
    }
}

void html_text(const struct html *h, const char *text)
{
    put_text(h, text, strlen(text));
}

void html_scan(const struct html *h, const char *seriesuid)
{
    const struct stored_scan *scan = h->run ? stored_run_find(h->run, seriesuid) : NULL;
    if (!h->hide)
        html_text(h, seriesuid);
    else if (scan)
        html_format(h, "scan %03td", scan - h->run->scans + 1);
    else
        html_put(h, "a scan");
}

void html_path(const struct html *h, const char *path)
{
    if (h->hide)
        html_put(h, path[0] ? "(path)" : "");
    else
        html_text(h, path);
}

/* Whether a word of a message is one of ours rather than a name: small letters with a
 * mark behind them, or a number without a point. A list of what may pass is safer than
 * one of what may not. */
static bool is_plain(const char *word, size_t n)
{
    while (n > 0 && strchr(",;:.()", word[n - 1]))
        n--;
    if (n > 0 && word[0] == '(') {
        word++;
        n--;
    }
    size_t letters = 0, digits = 0;
    for (size_t i = 0; i < n; i++) {
        letters += islower((unsigned char)word[i]) != 0;
        digits += isdigit((unsigned char)word[i]) != 0;
    }
    return letters == n || (digits == n && n < 8);
}

void html_message(const struct html *h, const char *message, const char *seriesuid)
{
    if (!h->hide) {
        html_text(h, message);
        return;
    }
    while (*message) {
        const size_t gap = strspn(message, " \n"), n = strcspn(message + gap, " \n");
        const char *word = message + gap;
        const bool named = seriesuid[0] && memmem(word, n, seriesuid, strlen(seriesuid));
        if (gap > 0)
            html_put(h, " ");
        if (is_plain(word, n) && !named)
            put_text(h, word, n);
        else if (n > 0)
            html_put(h, "\u2026");
        message += gap + n;
    }
}

void html_configuration(const struct html *h, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        const char *quote = memchr(text, '"', n);
        if (h->hide && quote && memchr(quote, '/', n - (size_t)(quote - text))) {
            put_text(h, text, (size_t)(quote - text));
            html_put(h, "&quot;(path)&quot;;");
        } else {
            put_text(h, text, n);
        }
        html_put(h, "\n");
        text += n + (text[n] == '\n');
    }
}
