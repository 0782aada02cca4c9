/*
 * Bytes as a .mha file: the header is parsed from memory, then the file is opened and its
 * first and last slices are read. The file lives in memory; a folder in TMPDIR gives it
 * its name.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/status.h"
#include "ct/metaimage_header.h"
#include "ct/volume.h"

enum { MAX_INPUT = 64 << 10, MAX_SLICE_VOXELS = 1 << 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char folder[256], path[300];
static int memory = -1;

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static void make_file(void)
{
    char target[64];
    const char *root = getenv("TMPDIR");
    memory = memfd_create("fuzz.mha", MFD_CLOEXEC);
    snprintf(folder, sizeof folder, "%s/pulmo-fuzz-XXXXXX", root ? root : "/tmp");
    CHECK(memory >= 0 && mkdtemp(folder));
    snprintf(path, sizeof path, "%s/fuzz.mha", folder);
    snprintf(target, sizeof target, "/proc/self/fd/%d", memory);
    CHECK(symlink(target, path) == 0);
    atexit(remove_folder);
}

static void parse(const uint8_t *data, size_t bytes, bool whole)
{
    struct metaimage_header h;
    struct error err;
    bool complete;
    if (metaimage_header_parse((const char *)data, bytes, whole, &h, &complete, &err) ==
            STATUS_OK &&
        complete)
        metaimage_header_release(&h);
}

static void read_slices(void)
{
    struct volume *v;
    struct error err;
    struct hash128 hash;
    if (volume_open(path, NULL, &v, &err) != STATUS_OK)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > MAX_INPUT)
        return 0;
    if (memory < 0)
        make_file();
    CHECK(ftruncate(memory, 0) == 0 && pwrite(memory, data, bytes, 0) == (ssize_t)bytes);
    parse(data, bytes, true);
    parse(data, bytes, false);
    read_slices();
    return 0;
}
