#include "run/stored_mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "run/record.h"

enum { FORMAT_OF_THIN_SLABS = 3, THICK_SLICES = 8 };

/* The slices of one thick slab, in slabs of today at the end of *out. */
static enum status add_slabs(const uint8_t *mask, int64_t slices, size_t plane,
                             uint8_t **out, size_t *bytes, size_t *room,
                             struct error *err)
{
    enum status status = STATUS_OK;
    void *packed = NULL;
    for (int64_t z = 0; z < slices; z += SLAB_SLICES) {
        const int64_t count = slices - z < SLAB_SLICES ? slices - z : SLAB_SLICES;
        size_t more;
        TRY(mask_pack(mask + (size_t)z * plane, (size_t)count * plane, &packed, &more,
                      err));
        TRY(memory_grow((void **)out, room, *bytes + more, 1, "mask", err));
        memcpy(*out + *bytes, packed, more);
        *bytes += more;
        free(packed);
        packed = NULL;
    }
out:
    free(packed);
    return status;
}

static enum status repack(const struct run_store_scan *scan, const uint8_t *thick,
                          uint8_t **out, size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    const size_t plane = (size_t)scan->size[1] * (size_t)scan->size[2];
    size_t position = 0, room = 0;
    uint8_t *mask = NULL;
    *bytes = 0;
    TRY(memory_new(plane * THICK_SLICES, 1, "mask", (void **)&mask, err));
    for (int64_t z = 0; z < scan->size[0]; z += THICK_SLICES) {
        const int64_t left = scan->size[0] - z;
        const int64_t slices = left < THICK_SLICES ? left : THICK_SLICES;
        TRY(mask_unpack(thick, (size_t)scan->mask_bytes, &position, mask,
                        plane * (size_t)slices, err));
        TRY(add_slabs(mask, slices, plane, out, bytes, &room, err));
    }
out:
    free(mask);
    return status;
}

static bool is_thick(const struct run_reader *r, const struct run_store_scan *scan)
{
    return run_reader_format(r) < FORMAT_OF_THIN_SLABS && scan->mask_bytes > 0;
}

enum status stored_mask_read(struct run_reader *r, struct run_store_scan *scan,
                             uint8_t **out, struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t *stored = NULL, *thin = NULL;
    size_t bytes;
    *out = NULL;
    TRY(run_reader_mask(r, scan, &stored, err));
    if (is_thick(r, scan)) {
        TRY(repack(scan, stored, &thin, &bytes, err));
        scan->mask_bytes = (int64_t)bytes;
        *out = thin;
        thin = NULL;
    } else {
        *out = stored;
        stored = NULL;
    }
out:
    free(stored);
    free(thin);
    return status;
}

enum status stored_mask_measure(struct run_reader *r, struct run_store_scan *scan,
                                struct error *err)
{
    uint8_t *mask;
    if (!is_thick(r, scan))
        return STATUS_OK;
    enum status status = stored_mask_read(r, scan, &mask, err);
    if (status == STATUS_OK)
        free(mask);
    return status;
}
