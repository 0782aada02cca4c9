#include "run/record.h"

#include <math.h>
#include <zlib.h>

#include "base/memory.h"
#include "base/size.h"

enum status scan_result_pack(const struct scan_result *r, void **out, size_t *bytes,
                             struct error *err)
{
    size_t candidate_bytes = (size_t)r->head.candidate_count * sizeof *r->candidates;
    size_t mask_bytes = (size_t)r->head.mask_bytes;
    size_t disagreement_bytes =
        r->disagreements ? (size_t)r->head.candidate_count * sizeof *r->disagreements : 0;
    *bytes = sizeof r->head + candidate_bytes + mask_bytes + disagreement_bytes;
    enum status status = memory_new(*bytes, 1, "result of a scan", out, err);
    if (status != STATUS_OK)
        return status;
    char *p = *out;
    memcpy(p, &r->head, sizeof r->head);
    if (candidate_bytes)
        memcpy(p + sizeof r->head, r->candidates, candidate_bytes);
    if (mask_bytes)
        memcpy(p + sizeof r->head + candidate_bytes, r->mask, mask_bytes);
    if (disagreement_bytes)
        memcpy(p + *bytes - disagreement_bytes, r->disagreements, disagreement_bytes);
    return STATUS_OK;
}

void scan_result_unpack(const void *payload, size_t bytes, struct scan_result *out)
{
    const char *p = payload;
    CHECK(bytes >= sizeof out->head);
    memcpy(&out->head, p, sizeof out->head);
    size_t candidate_bytes = (size_t)out->head.candidate_count * sizeof *out->candidates;
    const size_t least =
        sizeof out->head + candidate_bytes + (size_t)out->head.mask_bytes;
    const size_t beside = (size_t)out->head.candidate_count * sizeof *out->disagreements;
    CHECK(bytes == least || bytes == least + beside);
    out->candidates = (const void *)(p + sizeof out->head);
    out->mask = (const uint8_t *)p + sizeof out->head + candidate_bytes;
    out->disagreements = bytes > least ? (const void *)(p + least) : NULL;
}

struct disagreement disagreement_of(const struct scan_result *r, int64_t i)
{
    struct disagreement d = {NAN, NAN};
    if (r->disagreements)
        memcpy(&d, (const char *)r->disagreements + (size_t)i * sizeof d, sizeof d);
    return d;
}

enum status mask_pack(const uint8_t *mask, size_t voxels, void **out, size_t *bytes,
                      struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t *bits = NULL;
    char *packed = NULL;
    size_t bit_bytes = (voxels + 7) / 8;
    uLongf length = compressBound(bit_bytes);

    TRY(memory_new(bit_bytes, 1, "mask", (void **)&bits, err));
    TRY(memory_new(sizeof(uint32_t) + length, 1, "mask", (void **)&packed, err));
    for (size_t i = 0; i < voxels; i++)
        bits[i / 8] |= (uint8_t)(mask[i] << (i % 8));
    CHECK(compress2((Bytef *)packed + sizeof(uint32_t), &length, bits, bit_bytes, 1) ==
          Z_OK);
    uint32_t stored = (uint32_t)length;
    memcpy(packed, &stored, sizeof stored);
    *out = packed;
    *bytes = sizeof stored + length;
    packed = NULL;
out:
    free(bits);
    free(packed);
    return status;
}

/* *stored = the bytes of the slab at a position that follow its length. */
static enum status slab_length(const uint8_t *bytes, size_t length, size_t position,
                               uint32_t *stored, struct error *err)
{
    size_t left = position <= length ? length - position : 0;
    if (left >= sizeof *stored)
        memcpy(stored, bytes + position, sizeof *stored);
    if (left < sizeof *stored || left - sizeof *stored < *stored)
        return error_set(err, STATUS_JOB_FAILED, "a stored mask is damaged at byte %zu",
                         position);
    return STATUS_OK;
}

enum status mask_skip(const uint8_t *bytes, size_t length, size_t *position,
                      struct error *err)
{
    uint32_t stored = 0;
    enum status status = slab_length(bytes, length, *position, &stored, err);
    if (status == STATUS_OK)
        *position += sizeof stored + stored;
    return status;
}

enum status mask_unpack(const uint8_t *bytes, size_t length, size_t *position,
                        uint8_t *mask, size_t voxels, struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t *bits = NULL;
    uint32_t stored = 0;
    size_t bit_bytes = (voxels + 7) / 8;
    uLongf got = bit_bytes;

    TRY(memory_new(bit_bytes, 1, "mask", (void **)&bits, err));
    TRY(slab_length(bytes, length, *position, &stored, err));
    if (uncompress(bits, &got, bytes + *position + sizeof stored, stored) != Z_OK ||
        got != bit_bytes) {
        status = error_set(err, STATUS_JOB_FAILED, "a stored mask is damaged at byte %zu",
                           *position);
        goto out;
    }
    *position += sizeof stored + stored;
    for (size_t i = 0; i < voxels; i++)
        mask[i] = bits[i / 8] >> (i % 8) & 1;
out:
    free(bits);
    return status;
}
