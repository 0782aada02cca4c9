#include "base/memory.h"
#include "base/permutation.h"
#include "run/rates_internal.h"
#include "run/record.h"

enum status rates_sample_init(struct sample *p, const struct measurement *m,
                              struct error *err)
{
    enum status status = STATUS_OK;
    p->run_slices = detector_segment_slices(m->detector);
    p->runs = p->run_slices ? record_runs(&p->geometry, p->run_slices) : 0;
    TRY(memory_new((size_t)p->runs, sizeof *p->masks, "masks", (void **)&p->masks, err));
    TRY(memory_new((size_t)p->runs, sizeof *p->mask_bytes, "masks",
                   (void **)&p->mask_bytes, err));
out:
    return status;
}

void rates_sample_release(struct sample *p)
{
    for (int64_t i = 0; p->masks && i < p->runs; i++)
        free(p->masks[i]);
    free(p->masks);
    free(p->mask_bytes);
}

static int64_t run_voxels(const struct sample *p, int64_t run)
{
    const int64_t *size = p->geometry.size, left = size[0] - run * p->run_slices;
    return (left < p->run_slices ? left : p->run_slices) * size[1] * size[2];
}

/* Runs in an order that is spread over the scan, until the time is up; the first one once
 * more, before it counts, for what it makes ready. */
enum status rates_measure_segment(struct measurement *m, struct sample *p,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct permutation order;
    double seconds, first = 0;
    permutation_init(&order, (uint64_t)p->runs, 1, RANDOM_LOSS, 1);
    for (int64_t i = -1; i < p->runs; i++) {
        const int64_t run = (int64_t)permutation_at(&order, (uint64_t)(i < 0 ? 0 : i));
        struct order o = {.task = {TASK_SEGMENT, 0, run}};
        free(p->masks[run]);
        p->masks[run] = NULL;
        TRY(rates_timed(m, p, &o, &p->masks[run], &p->mask_bytes[run], &seconds, err));
        if (i < 0) {
            first = seconds;
            continue;
        }
        if (i == 0 && m->sums.segmented == 0)
            m->ready = first > seconds ? first - seconds : 0;
        m->sums.segment += seconds;
        m->sums.segmented += run_voxels(p, run);
        m->sums.mask_bytes += (int64_t)p->mask_bytes[run];
        p->segmented += run_voxels(p, run);
        if (rates_core_seconds() > m->until)
            break;
    }
out:
    return status;
}

/* Empty masks where nothing was segmented. */
static enum status fill_masks(struct sample *p, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t *size = p->geometry.size, plane = size[1] * size[2];
    uint8_t *nothing = NULL;
    void *slab = NULL;
    TRY(memory_new((size_t)(plane * SLAB_SLICES), 1, "mask", (void **)&nothing, err));
    for (int64_t i = 0; i < p->runs; i++) {
        const int64_t end =
            (i + 1) * p->run_slices < size[0] ? (i + 1) * p->run_slices : size[0];
        size_t capacity = 0;
        if (p->masks[i])
            continue;
        p->mask_bytes[i] = 0;
        for (int64_t z = i * p->run_slices; z < end; z += SLAB_SLICES) {
            const int64_t n = end - z < SLAB_SLICES ? end - z : SLAB_SLICES;
            size_t bytes;
            TRY(mask_pack(nothing, (size_t)(n * plane), &slab, &bytes, err));
            TRY(memory_grow(&p->masks[i], &capacity, p->mask_bytes[i] + bytes, 1, "mask",
                            err));
            memcpy((char *)p->masks[i] + p->mask_bytes[i], slab, bytes);
            p->mask_bytes[i] += bytes;
            free(slab);
            slab = NULL;
        }
    }
out:
    free(slab);
    free(nothing);
    return status;
}

enum status rates_join_masks(struct sample *p, void **out, size_t *bytes,
                             struct error *err)
{
    size_t all = 0;
    enum status status = fill_masks(p, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t i = 0; i < p->runs; i++)
        all += p->mask_bytes[i];
    status = memory_new(all, 1, "masks", out, err);
    *bytes = 0;
    for (int64_t i = 0; status == STATUS_OK && i < p->runs; i++) {
        memcpy((char *)*out + *bytes, p->masks[i], p->mask_bytes[i]);
        *bytes += p->mask_bytes[i];
    }
    return status;
}
