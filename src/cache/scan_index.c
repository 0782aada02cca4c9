#include "cache/scan_index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum {
    CHECKSUM_DIGITS = 16,
    DOUBLES = 15,
    INDEX_BYTES_LIMIT = 256 << 20,
};

enum status scan_index_init(struct scan_index *x, const char *path, struct error *err)
{
    *x = (struct scan_index){0};
    return text_new(path, &x->path, err);
}

static void forget(struct scan_index *x)
{
    for (size_t i = 0; i < x->count; i++)
        free(x->entries[i].seriesuid);
    x->count = 0;
}

void scan_index_release(struct scan_index *x)
{
    forget(x);
    free(x->entries);
    free(x->path);
    *x = (struct scan_index){0};
}

/* ---- lines ---- */

static double *double_of(struct geometry *g, int i)
{
    return i < 3 ? &g->spacing[i] : i < 6 ? &g->origin[i - 3] : &g->direction[i - 6];
}

/* The line of an entry behind its checksum, without newline; to be freed. */
static char *line_of(const struct scan_index_entry *e)
{
    char identity[HASH_HEX_BYTES], key[HASH_HEX_BYTES], *line = NULL;
    size_t bytes;
    struct geometry g = e->geometry;
    hash_hex(e->identity, identity);
    hash_hex(e->key, key);
    FILE *f = open_memstream(&line, &bytes);
    if (!f)
        return NULL;
    fprintf(f, "%s %s %" PRId64 " %" PRId64 " %" PRId64, identity, key, g.size[0],
            g.size[1], g.size[2]);
    for (int i = 0; i < DOUBLES; i++)
        fprintf(f, " %.17g", *double_of(&g, i));
    fprintf(f, " %s", e->seriesuid);
    bool failed = ferror(f);
    if (fclose(f) || failed) {
        free(line);
        return NULL;
    }
    return line;
}

static bool take_hash(const char **p, struct hash128 *out)
{
    char half[17], *end;
    uint64_t value[2];
    for (int i = 0; i < 2; i++) {
        snprintf(half, sizeof half, "%s", *p);
        value[i] = strtoull(half, &end, 16);
        if (end != half + 16)
            return false;
        *p += 16;
    }
    *out = (struct hash128){.high = value[0], .low = value[1]};
    return *(*p)++ == ' ';
}

/* The line behind its checksum. The checksum held, so what it says was written by
 * scan_index_add. */
static bool take_line(const char *p, struct scan_index_entry *e)
{
    char *end;
    if (!take_hash(&p, &e->identity) || !take_hash(&p, &e->key))
        return false;
    for (int a = 0; a < 3; a++, p = end) {
        e->geometry.size[a] = strtoll(p, &end, 10);
        if (end == p)
            return false;
    }
    for (int i = 0; i < DOUBLES; i++, p = end) {
        *double_of(&e->geometry, i) = strtod(p, &end);
        if (end == p)
            return false;
    }
    if (*p != ' ' || geometry_check(&e->geometry, NULL) != STATUS_OK)
        return false;
    return text_new(p + 1, &e->seriesuid, NULL) == STATUS_OK;
}

/* ---- the file ---- */

static bool checksum_holds(const char *line, size_t bytes)
{
    char text[CHECKSUM_DIGITS + 1];
    if (bytes <= CHECKSUM_DIGITS + 1 || line[CHECKSUM_DIGITS] != ' ')
        return false;
    line += CHECKSUM_DIGITS + 1;
    snprintf(text, sizeof text, "%016" PRIx64, hash64(line, bytes - CHECKSUM_DIGITS - 1));
    return memcmp(line - CHECKSUM_DIGITS - 1, text, CHECKSUM_DIGITS) == 0;
}

/* Zeros are what a crash of the machine leaves of a line that was not on the disk yet. */
static void take_text(struct scan_index *x, char *text, size_t bytes)
{
    char *const behind = text + bytes;
    for (char *line = text, *end; (end = memchr(line, '\n', (size_t)(behind - line)));
         line = end + 1) {
        void *entries = x->entries;
        struct scan_index_entry e = {0};
        *end = '\0';
        if (!checksum_holds(line, (size_t)(end - line)))
            continue;
        if (memory_grow(&entries, &x->capacity, x->count + 1, sizeof e, x->path, NULL) !=
            STATUS_OK)
            return;
        x->entries = entries;
        if (take_line(line + CHECKSUM_DIGITS + 1, &e))
            x->entries[x->count++] = e;
    }
}

void scan_index_refresh(struct scan_index *x)
{
    char *text;
    size_t bytes;
    forget(x);
    x->read = true;
    x->bytes = 0;
    if (file_read(x->path, INDEX_BYTES_LIMIT, &text, &bytes, NULL) != STATUS_OK)
        return;
    x->bytes = (int64_t)bytes;
    take_text(x, text, bytes);
    free(text);
}

static const struct scan_index_entry *
look_up(const struct scan_index *x, const char *seriesuid, const struct hash128 *identity)
{
    for (size_t i = x->count; i-- > 0;) {
        const struct scan_index_entry *e = &x->entries[i];
        if (strcmp(e->seriesuid, seriesuid) == 0 &&
            (!identity || hash_equal(e->identity, *identity)))
            return e;
    }
    return NULL;
}

const struct scan_index_entry *scan_index_find(struct scan_index *x,
                                               const char *seriesuid,
                                               const struct hash128 *identity)
{
    struct stat s;
    const struct scan_index_entry *e = NULL;
    if (x->read)
        e = look_up(x, seriesuid, identity);
    if (e || (x->read && (stat(x->path, &s) || s.st_size == x->bytes)))
        return e;
    scan_index_refresh(x);
    return look_up(x, seriesuid, identity);
}

enum status scan_index_add(struct scan_index *x, const struct scan_index_entry *e,
                           struct error *err)
{
    char *line = line_of(e), *whole;
    if (!line ||
        asprintf(&whole, "%016" PRIx64 " %s\n", hash64(line, strlen(line)), line) < 0) {
        free(line);
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", x->path);
    }
    free(line);
    const size_t bytes = strlen(whole);
    int fd = open(x->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    ssize_t n = fd < 0 ? -1 : write(fd, whole, bytes);
    int refused = errno;
    if (fd >= 0)
        close(fd);
    free(whole);
    if (n == (ssize_t)bytes)
        return STATUS_OK;
    return error_set(err, STATUS_STAGE_IO, "%s: %s", x->path,
                     n < 0 ? strerror(refused) : "no room for a line");
}
