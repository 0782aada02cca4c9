#include "ct/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/hash.h"
#include "base/memory.h"

struct archive_member {
    char *path;
    zip_t *zip;
    zip_file_t *file; /* NULL: to be opened again */
    zip_uint64_t index;
    int64_t bytes, position; /* position: of the stream */
    bool stored;
    struct file_identity identity;
};

enum { PASS_BYTES = 64 << 10 };

static const char ENDING[] = ".zip";

bool archive_path(const char *path, size_t *archive)
{
    const size_t ending = sizeof ENDING - 1;
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        struct stat s;
        size_t n = (size_t)(slash - path);
        if (n <= ending || strncasecmp(slash - ending, ENDING, ending) != 0)
            continue;
        char *file = strndup(path, n);
        bool is_file = file && stat(file, &s) == 0 && S_ISREG(s.st_mode);
        free(file);
        if (is_file) {
            *archive = n;
            return true;
        }
    }
    return false;
}

/* ---- archives ---- */

static enum status zip_failed(const char *path, int code, enum status status,
                              struct error *err)
{
    zip_error_t e;
    zip_error_init_with_code(&e, code);
    if (code == ZIP_ER_NOZIP || code == ZIP_ER_INCONS)
        error_set(err, status,
                  "%s: no zip archive, or one that was cut off (its directory stands at "
                  "the end and is not there)",
                  path);
    else
        error_set(err, status, "%s: %s", path, zip_error_strerror(&e));
    zip_error_fini(&e);
    return status;
}

/* Only regular files are opened: a pipe would hang the reader. */
static enum status open_archive(const char *path, enum status blame, zip_t **out,
                                struct stat *s, struct error *err)
{
    int code, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, s)) {
        error_set(err, blame, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return blame;
    }
    if (!S_ISREG(s->st_mode)) {
        close(fd);
        return error_set(err, blame, "%s: not a regular file", path);
    }
    *out = zip_fdopen(fd, 0, &code); /* takes fd over, when it succeeds */
    if (*out)
        return STATUS_OK;
    close(fd);
    return zip_failed(path, code, blame, err);
}

/* ---- members ---- */

/* A member's name without "." and empty components; to be freed. */
static char *plain_name(const char *inside)
{
    char *name = calloc(1, strlen(inside) + 1), *end = name;
    for (const char *p = inside; name && *p;) {
        size_t n = strcspn(p, "/");
        if (n > 0 && !(n == 1 && p[0] == '.')) {
            if (end > name)
                *end++ = '/';
            memcpy(end, p, n);
            end += n;
        }
        p += n;
        p += strspn(p, "/");
    }
    return name;
}

static enum status check_readable(const struct archive_member *m, const zip_stat_t *s,
                                  struct error *err)
{
    if ((s->valid & ZIP_STAT_ENCRYPTION_METHOD) && s->encryption_method != ZIP_EM_NONE)
        return error_set(err, STATUS_ITEM_FORMAT, "%s: is encrypted", m->path);
    if (!zip_compression_method_supported(s->comp_method, 0))
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: packed by method %d, which libzip cannot read: unpack the "
                         "archive (7z can) into a folder of its name",
                         m->path, (int)s->comp_method);
    if (s->size > INT64_MAX)
        return error_set(err, STATUS_ITEM_LIMIT, "%s: %" PRIu64 " bytes", m->path,
                         (uint64_t)s->size);
    return STATUS_OK;
}

static enum status locate(struct archive_member *m, const char *inside,
                          const struct stat *archive, struct error *err)
{
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_CRC;
    zip_stat_t s;
    char *name = plain_name(inside);
    if (!name)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", m->path);
    zip_int64_t index = zip_name_locate(m->zip, name, ZIP_FL_ENC_RAW);
    free(name);
    if (index < 0)
        return error_set(err, STATUS_ITEM_IO, "%s: no such file in the archive", m->path);
    m->index = (zip_uint64_t)index;
    zip_stat_init(&s);
    if (zip_stat_index(m->zip, m->index, 0, &s) || (s.valid & needed) != needed)
        return error_set(err, STATUS_ITEM_FORMAT, "%s: %s", m->path,
                         zip_strerror(m->zip));
    enum status status = check_readable(m, &s, err);
    if (status != STATUS_OK)
        return status;
    m->bytes = (int64_t)s.size;
    m->stored = s.comp_method == ZIP_CM_STORE;
    const uint64_t place[] = {(uint64_t)archive->st_ino, (uint64_t)archive->st_size,
                              m->index, s.crc};
    m->identity.bytes = m->bytes;
    m->identity.mtime_ns =
        (int64_t)archive->st_mtim.tv_sec * 1000000000 + archive->st_mtim.tv_nsec;
    m->identity.inode = (int64_t)hash64(place, sizeof place);
    return STATUS_OK;
}

enum status archive_member_open(const char *path, struct archive_member **out,
                                int64_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    void *room;
    char *archive = NULL;
    struct archive_member *m = NULL;
    struct stat s;
    size_t n;
    CHECK(archive_path(path, &n));
    TRY(memory_new(1, sizeof *m, path, &room, err));
    m = room;
    TRY(text_new(path, &m->path, err));
    TRY(text_new(path, &archive, err));
    archive[n] = '\0';
    TRY(open_archive(archive, STATUS_ITEM_IO, &m->zip, &s, err));
    TRY(locate(m, path + n + 1, &s, err));
    *bytes = m->bytes;
    *out = m;
    m = NULL;
out:
    archive_member_close(m);
    free(archive);
    return status;
}

void archive_member_close(struct archive_member *m)
{
    if (!m)
        return;
    if (m->file)
        zip_fclose(m->file);
    if (m->zip)
        zip_discard(m->zip);
    free(m->path);
    free(m);
}

void archive_member_identity(const struct archive_member *m, struct file_identity *out)
{
    *out = m->identity;
}

/* ---- reading ---- */

static enum status read_failed(struct archive_member *m, struct error *err)
{
    zip_error_t *e = zip_file_get_error(m->file);
    const int code = zip_error_code_zip(e);
    enum status status = code == ZIP_ER_READ || code == ZIP_ER_SEEK ? STATUS_ITEM_IO
                         : code == ZIP_ER_MEMORY                    ? STATUS_STAGE_MEMORY
                                                                    : STATUS_ITEM_FORMAT;
    error_set(err, status, "%s: %s, near byte %" PRId64, m->path, zip_error_strerror(e),
              m->position);
    zip_fclose(m->file);
    m->file = NULL;
    return status;
}

static enum status next_bytes(struct archive_member *m, void *data, size_t bytes,
                              size_t *got, struct error *err)
{
    zip_int64_t n = zip_fread(m->file, data, bytes);
    if (n < 0)
        return read_failed(m, err);
    m->position += n;
    *got = (size_t)n;
    return STATUS_OK;
}

static enum status pass_over(struct archive_member *m, int64_t bytes, struct error *err)
{
    void *passed;
    enum status status = memory_new(PASS_BYTES, 1, m->path, &passed, err);
    if (status != STATUS_OK)
        return status;
    while (status == STATUS_OK && bytes > 0) {
        size_t got = 0;
        status = next_bytes(m, passed, bytes < PASS_BYTES ? (size_t)bytes : PASS_BYTES,
                            &got, err);
        if (status == STATUS_OK && got == 0)
            status = error_set(err, STATUS_ITEM_FORMAT, "%s: ends at byte %" PRId64,
                               m->path, m->position);
        bytes -= (int64_t)got;
    }
    free(passed);
    return status;
}

/* Brings the stream to an offset inside the member. */
static enum status move_to(struct archive_member *m, int64_t offset, struct error *err)
{
    if (m->file && m->stored && m->position != offset) {
        if (zip_fseek(m->file, offset, SEEK_SET))
            return read_failed(m, err);
        m->position = offset;
    }
    if (m->file && m->position > offset) {
        zip_fclose(m->file);
        m->file = NULL;
    }
    if (!m->file) {
        m->file = zip_fopen_index(m->zip, m->index, 0);
        m->position = 0;
        if (!m->file)
            return error_set(err, STATUS_ITEM_FORMAT, "%s: %s", m->path,
                             zip_strerror(m->zip));
    }
    return pass_over(m, offset - m->position, err);
}

/* libzip looks at the checksum when it is asked for more and there is none. */
static enum status look_at_end(struct archive_member *m, struct error *err)
{
    char beyond;
    size_t more = 0;
    enum status status = next_bytes(m, &beyond, 1, &more, err);
    if (status == STATUS_OK && more > 0)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: holds more than the %" PRId64 " bytes that it should",
                         m->path, m->bytes);
    return status;
}

enum status archive_member_read(struct archive_member *m, int64_t offset, void *data,
                                size_t bytes, size_t *got, struct error *err)
{
    *got = 0;
    if (offset >= m->bytes)
        return STATUS_OK;
    if (bytes > (uint64_t)(m->bytes - offset))
        bytes = (size_t)(m->bytes - offset);
    enum status status = move_to(m, offset, err);
    while (status == STATUS_OK && *got < bytes) {
        size_t n = 0;
        status = next_bytes(m, (char *)data + *got, bytes - *got, &n, err);
        if (status == STATUS_OK && n == 0)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "%s: ends at byte %" PRId64 " of %" PRId64, m->path,
                             m->position, m->bytes);
        *got += n;
    }
    return status == STATUS_OK && m->position == m->bytes ? look_at_end(m, err) : status;
}

/* ---- lists ---- */

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct archive_entry *)left)->name,
                  ((const struct archive_entry *)right)->name);
}

static enum status list(zip_t *zip, const char *path, struct archive_list *l,
                        struct error *err)
{
    enum status status = STATUS_OK;
    void *room;
    const zip_int64_t count = zip_get_num_entries(zip, 0);
    TRY(memory_new((size_t)count, sizeof *l->entries, path, &room, err));
    l->entries = room;
    for (zip_int64_t i = 0; i < count; i++) {
        zip_stat_t s;
        zip_stat_init(&s);
        if (zip_stat_index(zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW, &s) ||
            !(s.valid & ZIP_STAT_NAME))
            continue; /* opening it will say why */
        if (s.name[0] == '\0' || s.name[strlen(s.name) - 1] == '/')
            continue;
        struct archive_entry *e = &l->entries[l->count];
        e->bytes = (s.valid & ZIP_STAT_SIZE) && s.size <= INT64_MAX ? (int64_t)s.size : 0;
        TRY(text_new(s.name, &e->name, err));
        l->count++;
    }
    if (l->count > 1)
        qsort(l->entries, l->count, sizeof *l->entries, by_name);
out:
    return status;
}

enum status archive_list_init(struct archive_list *l, const char *path, struct error *err)
{
    zip_t *zip;
    struct stat s;
    *l = (struct archive_list){0};
    enum status status = open_archive(path, STATUS_JOB_CONFIG, &zip, &s, err);
    if (status != STATUS_OK)
        return status;
    status = list(zip, path, l, err);
    zip_discard(zip);
    return status;
}

void archive_list_release(struct archive_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i].name);
    free(l->entries);
    *l = (struct archive_list){0};
}

int64_t archive_list_find(const struct archive_list *l, const char *name)
{
    const struct archive_entry key = {.name = (char *)name};
    const struct archive_entry *e =
        l->count > 0 ? bsearch(&key, l->entries, l->count, sizeof key, by_name) : NULL;
    return e ? e->bytes : -1;
}
