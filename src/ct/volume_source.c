#include "ct/volume_source.h"

#include <inttypes.h>

#include "base/size.h"

enum status volume_source_voxel_bytes(const struct volume_source *v, int64_t *out,
                                      struct error *err)
{
    const int64_t *size = v->geometry.size;
    size_t bytes = v->element->bytes;
    for (int a = 0; a < 3; a++)
        if (!size_multiply(bytes, (size_t)size[a], &bytes) || bytes > INT64_MAX)
            return error_set(err, STATUS_ITEM_LIMIT,
                             "%" PRId64 " x %" PRId64 " x %" PRId64
                             " voxels of %s: more bytes than 64 bits can count",
                             size[2], size[1], size[0], v->element->name);
    *out = (int64_t)bytes;
    return STATUS_OK;
}
