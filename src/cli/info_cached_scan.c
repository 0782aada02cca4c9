/* What a file of the volume cache holds. */
#include "cache/cached_scan.h"
#include "cli/info.h"
#include "io/chunk_file.h"

enum status info_cached_scan(const char *path, const struct info_options *o,
                             struct error *err)
{
    struct chunk_file f;
    struct cached_scan *s = NULL;
    char key[HASH_HEX_BYTES];
    enum status status = chunk_file_open(path, &f, err);
    if (status != STATUS_OK)
        return status;
    TRY(cached_scan_open(path, f.head.key, &s, err));
    if (o->deep)
        TRY(cached_scan_verify(s, err));
    const struct geometry *g = cached_scan_geometry(s);
    const int64_t bytes = cached_scan_file_bytes(s);
    hash_hex(f.head.key, key);
    printf("cached scan  %s\n", path);
    info_geometry(g);
    printf("voxels       HU from %d to %d as int16\n", CACHE_LEAST_HU, CACHE_MOST_HU);
    printf("chunks       %lld of %d x %d x %d, %s\n", (long long)f.count, f.head.chunk[0],
           f.head.chunk[1], f.head.chunk[2],
           o->deep ? "all sound" : "checksums not looked at");
    printf("file         %lld bytes, %.3f of the voxels' size\n", (long long)bytes,
           (double)bytes / ((double)geometry_voxels(g) * sizeof(int16_t)));
    printf("key          %s\n", key);
out:
    cached_scan_close(s);
    chunk_file_close(&f);
    return status;
}
