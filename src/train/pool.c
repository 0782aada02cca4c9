#include "train/pool.h"

#include "base/memory.h"

struct filling {
    struct pool *pool;
    const struct geometry *geometry;
    int32_t scan;
    bool book;
};

/* False when the place lies outside the volume. */
static bool place_of(const struct filling *f, const double xyz[3], struct pool_place *out)
{
    double index[3];
    int64_t voxel[3];
    if (f->book)
        geometry_to_index_book(f->geometry, xyz, index);
    else
        geometry_to_index(f->geometry, xyz, index);
    geometry_round(index, voxel);
    *out = (struct pool_place){.scan = f->scan};
    for (int i = 0; i < 3; i++) {
        if (voxel[i] < 0 || voxel[i] >= f->geometry->size[i])
            return false;
        out->voxel[i] = (int32_t)voxel[i];
    }
    return true;
}

static enum status append(struct pool *p, enum sampler_list list,
                          const struct pool_place *place, struct error *err)
{
    enum status status =
        memory_grow((void **)&p->places[list], &p->capacities[list], p->counts[list] + 1,
                    sizeof *place, "places to train on", err);
    if (status == STATUS_OK)
        p->places[list][p->counts[list]++] = *place;
    return status;
}

static enum status take_nodules(struct filling *f, const struct nodule_list *l,
                                const char *seriesuid, struct error *err)
{
    enum status status = STATUS_OK;
    struct pool_place place;
    size_t first, count;
    nodule_list_find(l, seriesuid, &first, &count);
    for (const struct nodule *n = l->rows + first; count > 0; n++, count--) {
        if (!place_of(f, n->xyz, &place)) {
            f->pool->outside++;
            continue;
        }
        TRY(append(f->pool, LIST_NODULE, &place, err));
        if (n->malignant >= 0)
            TRY(append(f->pool, n->malignant ? LIST_MALIGNANT : LIST_BENIGN, &place,
                       err));
    }
out:
    return status;
}

static enum status take_candidates(struct filling *f, const struct candidate_list *l,
                                   const char *seriesuid, struct error *err)
{
    enum status status = STATUS_OK;
    struct pool_place place;
    size_t first, count;
    candidate_list_find(l, seriesuid, &first, &count);
    for (const struct listed_candidate *c = l->rows + first; count > 0; c++, count--) {
        const double xyz[3] = {c->xyz[0], c->xyz[1], c->xyz[2]};
        if (c->nodule) /* the annotations say where nodules are, and better */
            continue;
        if (place_of(f, xyz, &place))
            TRY(append(f->pool, LIST_NON_NODULE, &place, err));
        else
            f->pool->outside++;
    }
out:
    return status;
}

/* The diameter of a finding that nobody measured, as LUNA16's score takes it. */
static const double unmeasured_mm = 10;

static bool inside(const struct nodule_list *l, const char *seriesuid, const float xyz[3])
{
    size_t first, count;
    if (!l)
        return false;
    nodule_list_find(l, seriesuid, &first, &count);
    for (const struct nodule *n = l->rows + first; count > 0; n++, count--) {
        const double radius = (n->diameter_mm < 0 ? unmeasured_mm : n->diameter_mm) / 2;
        double squares = 0;
        for (int i = 0; i < 3; i++)
            squares += (xyz[i] - n->xyz[i]) * (xyz[i] - n->xyz[i]);
        if (squares < radius * radius)
            return true;
    }
    return false;
}

static bool is_false(const struct pool_lists *l, const char *seriesuid,
                     const float xyz[3])
{
    for (int i = 0; i < POOL_FINDINGS; i++)
        if (inside(l->findings[i], seriesuid, xyz))
            return false;
    return !inside(l->nodules, seriesuid, xyz);
}

static enum status take_found(struct filling *f, const struct pool_lists *l,
                              const char *seriesuid, struct error *err)
{
    enum status status = STATUS_OK;
    struct pool_place place;
    size_t first, count;
    candidate_list_find(l->found, seriesuid, &first, &count);
    f->pool->found += count;
    for (const struct listed_candidate *c = l->found->rows + first; count > 0;
         c++, count--) {
        if (!is_false(l, seriesuid, c->xyz))
            continue;
        if (place_of(f, (const double[]){c->xyz[0], c->xyz[1], c->xyz[2]}, &place))
            TRY(append(f->pool, LIST_HARD, &place, err));
        else
            f->pool->outside++;
    }
out:
    return status;
}

enum status pool_init(struct pool *p, const struct pool_scan *scans, size_t scan_count,
                      const struct pool_lists *lists, bool book, struct error *err)
{
    enum status status = STATUS_OK;
    *p = (struct pool){.outside = 0};
    CHECK(scan_count <= INT32_MAX);
    for (size_t i = 0; i < scan_count; i++) {
        struct filling f = {
            .pool = p, .geometry = scans[i].geometry, .scan = (int32_t)i, .book = book};
        if (!f.geometry)
            continue;
        if (lists->nodules)
            TRY(take_nodules(&f, lists->nodules, scans[i].seriesuid, err));
        if (lists->candidates)
            TRY(take_candidates(&f, lists->candidates, scans[i].seriesuid, err));
        if (lists->found)
            TRY(take_found(&f, lists, scans[i].seriesuid, err));
    }
out:
    return status;
}

void pool_release(struct pool *p)
{
    for (int i = 0; i < SAMPLER_LISTS; i++)
        free(p->places[i]);
    *p = (struct pool){.outside = 0};
}
