/* Bytes as a file of the cache whose length and table agree: both are set right here, so
 * that what lies behind the checksum is reached. Opened, and every chunk read. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/chunk_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { MOST_BYTES = 1 << 16, RECORD_BYTES = 192, PLACE_BYTES = 24 };

static void mend(unsigned char *file, size_t bytes)
{
    struct chunk_file_head head;
    int64_t chunks[3], count, length = (int64_t)bytes;
    memcpy(file, "\x89pulmoC\n", 8);
    memcpy(file + 8, &length, sizeof length);
    memcpy(&head, file + 16, sizeof head);
    if (!chunk_file_count(&head, chunks, &count))
        return;
    size_t end = RECORD_BYTES + (size_t)count * PLACE_BYTES;
    if (end + sizeof(uint64_t) > bytes)
        return;
    uint64_t checksum = hash64(file, end);
    memcpy(file + end, &checksum, sizeof checksum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static unsigned char file[MOST_BYTES];
    static int memory = -1;
    static char path[64];
    struct chunk_file f;
    if (bytes < RECORD_BYTES || bytes > MOST_BYTES)
        return 0;
    memcpy(file, data, bytes);
    mend(file, bytes);
    if (memory < 0) {
        memory = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    }
    CHECK(ftruncate(memory, 0) == 0);
    CHECK(pwrite(memory, file, bytes, 0) == (ssize_t)bytes);
    if (chunk_file_open(path, &f, NULL) != STATUS_OK)
        return 0;
    unsigned char *chunk = malloc((size_t)f.most_bytes + 1);
    CHECK(chunk);
    for (int64_t i = 0; i < f.count; i++)
        chunk_file_read(&f, i, chunk, NULL);
    free(chunk);
    chunk_file_close(&f);
    return 0;
}
