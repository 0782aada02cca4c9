/*
 * Any bytes as a job file. Beside not crashing: what is accepted, printed and read back
 * is equal. The bytes stand in an unlinked file under /proc/self/fd, so that nothing is
 * left behind.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "config/settings.h"
#include "config/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file of these bytes in memory; *path names it until the descriptor is closed. */
static int put(const void *data, size_t size, char *path, size_t bytes)
{
    int fd = memfd_create("job", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, bytes, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_round_trip(const struct settings *s)
{
    struct settings back;
    struct error err;
    char *text, *again, *difference, path[40];
    size_t bytes, bytes_again;
    CHECK(settings_print(s, &text, &bytes, &err) == STATUS_OK);
    int fd = put(text, bytes, path, sizeof(path));
    if (settings_init(&back, &(struct settings_sources){.job = path}, &err) !=
        STATUS_OK) {
        fprintf(stderr, "%s\n%s", err.message, text);
        abort();
    }
    CHECK(settings_print(&back, &again, &bytes_again, &err) == STATUS_OK);
    CHECK(bytes == bytes_again && memcmp(text, again, bytes) == 0);
    CHECK(settings_compare(s, &back, &difference, &err) == STATUS_OK && !difference);
    free(text);
    free(again);
    settings_release(&back);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s;
    struct tree *t;
    struct error err;
    char path[40], assignment[300];
    const char *assignments[] = {assignment};

    int fd = put(data, size, path, sizeof(path));
    if (settings_init(&s, &(struct settings_sources){.job = path}, &err) == STATUS_OK)
        check_round_trip(&s);
    else
        CHECK(err.code == STATUS_JOB_CONFIG);
    settings_release(&s);

    if (tree_open(path, &t, &err) == STATUS_OK) {
        static const char *const none[] = {NULL};
        tree_only(t, tree_root(t), none, &err);
        tree_close(t);
    }
    close(fd);

    snprintf(assignment, sizeof(assignment), "%.*s", (int)(size < 299 ? size : 299),
             (const char *)data);
    struct settings_sources sources = {.assignments = assignments, .assignment_count = 1};
    if (settings_init(&s, &sources, &err) == STATUS_OK)
        check_round_trip(&s);
    settings_release(&s);
    return 0;
}
