/* Any bytes as each of the lists: read or refused with a message, nothing else. What was
 * read keeps its promises: sorted, grouped, every row found again. */
#include <sys/mman.h>
#include <unistd.h>

#include "ct/lists.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void try_nodules(const char *path)
{
    struct nodule_list l;
    struct error err = {0};
    size_t first, count, rows = 0;
    enum status status = nodule_list_init(&l, path, &err);
    CHECK((status == STATUS_OK) == (err.message[0] == '\0'));
    for (size_t i = 0; i < l.series_count; i++) {
        nodule_list_find(&l, l.seriesuids[i], &first, &count);
        CHECK(count > 0 && first == rows);
        rows += count;
    }
    CHECK(rows == l.row_count);
    nodule_list_release(&l);
}

static void try_candidates(const char *path)
{
    struct candidate_list l;
    struct error err = {0};
    size_t first, count, rows = 0;
    enum status status = candidate_list_init(&l, path, &err);
    CHECK((status == STATUS_OK) == (err.message[0] == '\0'));
    for (size_t i = 0; i < l.series_count; i++) {
        candidate_list_find(&l, l.seriesuids[i], &first, &count);
        CHECK(count > 0 && first == rows);
        rows += count;
    }
    CHECK(rows == l.row_count);
    candidate_list_release(&l);
}

static void try_series(const char *path)
{
    struct series_list l;
    struct error err = {0};
    enum status status = series_list_init(&l, path, &err);
    CHECK((status == STATUS_OK) == (err.message[0] == '\0'));
    for (size_t i = 1; i < l.count; i++)
        CHECK(strcmp(l.seriesuids[i - 1], l.seriesuids[i]) <= 0);
    series_list_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[64];
    int fd = memfd_create("list", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    try_nodules(path);
    try_candidates(path);
    try_series(path);
    close(fd);
    return 0;
}
