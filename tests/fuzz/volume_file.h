/*
 * Bytes as a volume file: kept in memory, with a name in a folder of TMPDIR since the
 * format is told by it. Opens the volume, reads its first and last slice and hashes its
 * content.
 */
#ifndef FUZZ_VOLUME_FILE_H
#define FUZZ_VOLUME_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/status.h"
#include "ct/volume.h"

enum { MAX_INPUT = 64 << 10, MAX_SLICE_VOXELS = 1 << 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char volume_folder[256], volume_path[300];
static int volume_memory = -1;

static void volume_file_remove(void)
{
    unlink(volume_path);
    rmdir(volume_folder);
}

static void volume_file_put(const char *name, const uint8_t *data, size_t bytes)
{
    char target[64];
    const char *root = getenv("TMPDIR");
    if (volume_memory < 0) {
        volume_memory = memfd_create(name, MFD_CLOEXEC);
        snprintf(volume_folder, sizeof volume_folder, "%s/pulmo-fuzz-XXXXXX",
                 root ? root : "/tmp");
        CHECK(volume_memory >= 0 && mkdtemp(volume_folder));
        snprintf(volume_path, sizeof volume_path, "%s/%s", volume_folder, name);
        snprintf(target, sizeof target, "/proc/self/fd/%d", volume_memory);
        CHECK(symlink(target, volume_path) == 0);
        atexit(volume_file_remove);
    }
    CHECK(ftruncate(volume_memory, 0) == 0);
    CHECK(pwrite(volume_memory, data, bytes, 0) == (ssize_t)bytes);
}

static void volume_file_read(void)
{
    struct volume *v;
    struct error err;
    struct hash128 hash;
    if (volume_open(volume_path, NULL, &v, &err) != STATUS_OK)
        return;
    const struct geometry *g = volume_geometry(v);
    if (g->size[1] <= MAX_SLICE_VOXELS && g->size[2] <= MAX_SLICE_VOXELS / g->size[1]) {
        float *hu = malloc((size_t)(g->size[1] * g->size[2]) * sizeof *hu);
        CHECK(hu);
        if (volume_read(v, 0, 1, hu, &err) == STATUS_OK)
            (void)volume_read(v, g->size[0] - 1, 1, hu, &err);
        free(hu);
    }
    (void)volume_content(v, &hash, &err);
    volume_close(v);
}

#endif
