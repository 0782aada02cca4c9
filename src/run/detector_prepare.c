/*
 * Preparing a scan: from the reader into the cache. The reader bounds every wait by the
 * deadline and can be left behind; the cache is written by this thread, which is the one
 * that uses HDF5.
 */
#include "base/log.h"
#include "base/memory.h"
#include "run/detector_internal.h"

static enum status content_of(void *context, struct hash128 *out, struct error *err)
{
    struct detector *d = context;
    return scan_reader_content(d->reader, out, err);
}

static enum status slices_of(void *context, int64_t first, int64_t count, float *hu,
                             struct error *err)
{
    struct detector *d = context;
    struct slices s;
    enum status status = d->poll(d->context);
    if (status != STATUS_OK)
        return error_set(err, status, "asked to stop");
    status = scan_reader_slices(d->reader, first, count, &s, err);
    if (status == STATUS_OK)
        memcpy(hu, s.hu,
               (size_t)count * (size_t)s.size[1] * (size_t)s.size[2] * sizeof *hu);
    return status;
}

enum status detector_prepare(struct detector *d, const struct order *o, void **payload,
                             size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    struct prepare_result *result = NULL;
    struct cache_prepared made;
    struct cache_source source = {
        .seriesuid = o->seriesuid,
        .subset = o->subset,
        .geometry = scan_reader_geometry(d->reader),
        .context = d,
        .content = content_of,
        .slices = slices_of,
    };
    TRY(scan_reader_identity(d->reader, &source.identity, err));
    TRY(memory_new(1, sizeof *result, "prepared scan", (void **)&result, err));
    TRY(cache_prepare(d->cache, &source, CACHE_TRUST, &made, err));
    if (made.repaired[0])
        log_warning("scan %s was written into the cache again: %s", o->seriesuid,
                    made.repaired);
    result->file_bytes = made.file_bytes;
    result->voxel_bytes = geometry_voxels(source.geometry) * (int64_t)sizeof(int16_t);
    result->written = made.written;
    result->repaired = made.repaired[0] != '\0';
    *payload = result;
    *bytes = sizeof *result;
    result = NULL;
out:
    free(result);
    return status;
}
