/* The scan that a run read, opened once more to compute again what the run did not keep.
 */
#include <math.h>
#include <sched.h>

#include "base/hash.h"
#include "base/memory.h"
#include "ct/dataset.h"
#include "inspect/why_internal.h"

enum status why_open_scan(const struct why *w, const struct why_sources *s,
                          struct volume **out, struct error *err)
{
    enum status status = STATUS_OK;
    const struct volume_options options = {.allow_outside =
                                               s->settings.dataset.allow_outside};
    const struct settings *set = &s->settings;
    struct dataset d = {0};
    struct volume *v = NULL;
    struct hash128 content;
    char hex[HASH_HEX_BYTES];
    if (set->dataset.scan[0])
        TRY(dataset_init_scan(&d, set->dataset.scan, err));
    else
        TRY(dataset_init(&d, set->dataset.root, set->dataset.subsets, err));
    int64_t i = dataset_find(&d, w->seriesuid);
    if (i < 0)
        TRY(error_set(err, STATUS_ITEM_IO, "the scan is no longer there"));
    TRY(volume_open(d.scans[i].path, &options, &v, err));
    TRY(volume_content(v, &content, err));
    hash_hex(content, hex);
    if (strcmp(hex, s->scan.content)) {
        status = error_set(err, STATUS_ITEM_FORMAT, "%s has changed since the run",
                           d.scans[i].path);
        goto out;
    }
    *out = v;
    v = NULL;
out:
    if (v)
        volume_close(v);
    dataset_release(&d);
    return status;
}

enum status why_read_clipped(struct volume *v, int64_t low, int64_t count, float **out,
                             struct error *err)
{
    static const float hu_low = -1000, hu_high = 1000;
    const struct geometry *g = volume_geometry(v);
    size_t plane = (size_t)g->size[1] * (size_t)g->size[2];
    float *hu = NULL;
    enum status status = STATUS_OK;
    TRY(memory_new(plane * (size_t)count, sizeof *hu, "slices", (void **)&hu, err));
    TRY(volume_read(v, low, count, hu, err));
    for (size_t i = 0; i < plane * (size_t)count; i++)
        hu[i] = fminf(fmaxf(hu[i], hu_low), hu_high);
    *out = hu;
    hu = NULL;
out:
    free(hu);
    return status;
}

int why_cores(void)
{
    cpu_set_t allotted;
    return sched_getaffinity(0, sizeof allotted, &allotted) ? 1 : CPU_COUNT(&allotted);
}
