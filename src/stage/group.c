/*
 * Slices come one at a time and are given to the labeller one at a time. Without erosion
 * through slices that is all. EROSION_3D needs the slice after, so it runs one slice
 * behind: of slice z it keeps the mask, what is left of it after all neighbours but those
 * of z + 1 (`eroded`), and the HU of rows where anything is left. When z + 1 comes, each
 * row is first settled with its mask and then overwritten by its own row. The last slice
 * is never settled, and the first starts from nothing: both vanish, as outside counts as
 * 0.
 */
#include "stage/group.h"

#include <math.h>

#include "base/memory.h"
#include "base/size.h"
#include "stage/component.h"
#include "stage/erosion.h"

struct grouper {
    struct geometry geometry;
    struct group_options options;
    int64_t pushed;
    struct labeller *labeller;
    uint8_t *row;  /* [width]: EROSION_IN_PLANE */
    uint8_t *mask; /* [height][width], EROSION_3D: the slice before */
    uint8_t *eroded;
    float *hu;
    uint8_t *occupied; /* [height]: whether the row of `eroded` holds anything */
};

static enum status grouper_hold(struct grouper *g, struct error *err)
{
    enum status status;
    size_t height = (size_t)g->geometry.size[1], width = (size_t)g->geometry.size[2],
           voxels;

    if (!size_multiply(height, width, &voxels))
        return error_set(err, STATUS_STAGE_MEMORY,
                         "a slice of %zu x %zu voxels is too large", height, width);
    TRY(memory_new(voxels, sizeof *g->mask, "slice of mask", (void **)&g->mask, err));
    TRY(memory_new(voxels, sizeof *g->eroded, "slice of mask", (void **)&g->eroded, err));
    TRY(memory_new(voxels, sizeof *g->hu, "slice of HU", (void **)&g->hu, err));
    TRY(memory_new(height, sizeof *g->occupied, "rows of mask", (void **)&g->occupied,
                   err));
    return STATUS_OK;
out:
    return status;
}

enum status grouper_new(const struct geometry *geometry, const struct group_options *o,
                        struct grouper **out, struct error *err)
{
    enum status status;
    struct grouper *g = NULL;

    TRY(memory_new(1, sizeof *g, "grouper", (void **)&g, err));
    g->geometry = *geometry;
    g->options = *o;
    TRY(labeller_new(geometry->size[1], &g->labeller, err));
    if (o->erosion == EROSION_3D)
        TRY(grouper_hold(g, err));
    if (o->erosion == EROSION_IN_PLANE)
        TRY(memory_new((size_t)geometry->size[2], sizeof *g->row, "row of mask",
                       (void **)&g->row, err));
    *out = g;
    return STATUS_OK;
out:
    grouper_free(g);
    return status;
}

void grouper_free(struct grouper *g)
{
    if (!g)
        return;
    labeller_free(g->labeller);
    free(g->row);
    free(g->mask);
    free(g->eroded);
    free(g->hu);
    free(g->occupied);
    free(g);
}

/* Row y of slice z eroded by its neighbours in the slice, and by the same row of the
 * slice before
 * (`before`; its own row: by none). False, and out as it was, when nothing can be left.
 */
static bool slice_erode_row(const struct geometry *g, const uint8_t *slice,
                            const uint8_t *before, int64_t y, uint8_t *out)
{
    int64_t width = g->size[2];
    const uint8_t *row = slice + y * width;

    if (y == 0 || y == g->size[1] - 1)
        return false;
    return erosion_row(row, row - width, row + width, before, (size_t)width, out);
}

/* Row y of slice `pushed`, while the grouper holds slice pushed - 1 in this and all later
 * rows. */
static enum status push_row_behind(struct grouper *g, const uint8_t *mask,
                                   const float *hu, int64_t y, struct error *err)
{
    enum status status;
    int64_t width = g->geometry.size[2], at = y * width;
    uint8_t *eroded = g->eroded + at;

    if (g->pushed > 0) {
        bool left = g->occupied[y] && erosion_row_after(mask + at, (size_t)width, eroded);
        TRY(labeller_row(g->labeller, g->pushed - 1, y, left ? eroded : NULL, g->hu + at,
                         width, err));
        g->occupied[y] = slice_erode_row(&g->geometry, mask, g->mask + at, y, eroded);
    }
    if (g->occupied[y])
        memcpy(g->hu + at, hu + at, (size_t)width * sizeof *hu);
    memcpy(g->mask + at, mask + at, (size_t)width);
    return STATUS_OK;
out:
    return status;
}

static enum status push_row_in_plane(struct grouper *g, const uint8_t *mask,
                                     const float *hu, int64_t y, struct error *err)
{
    int64_t width = g->geometry.size[2], at = y * width;
    bool left = slice_erode_row(&g->geometry, mask, mask + at, y, g->row);

    return labeller_row(g->labeller, g->pushed, y, left ? g->row : NULL, hu + at, width,
                        err);
}

enum status grouper_push(struct grouper *g, const uint8_t *mask, const float *hu,
                         struct error *err)
{
    enum status status;
    int64_t width = g->geometry.size[2];

    CHECK(g->pushed < g->geometry.size[0]);
    for (int64_t y = 0; y < g->geometry.size[1]; y++)
        switch (g->options.erosion) {
        case EROSION_3D:
            TRY(push_row_behind(g, mask, hu, y, err));
            break;
        case EROSION_IN_PLANE:
            TRY(push_row_in_plane(g, mask, hu, y, err));
            break;
        case EROSION_NONE:
            TRY(labeller_row(g->labeller, g->pushed, y, mask + y * width, hu + y * width,
                             width, err));
            break;
        }
    g->pushed++;
    return STATUS_OK;
out:
    return status;
}

static double voxel_mm3(const struct geometry *g)
{
    const double *d = g->direction;
    double determinant = d[0] * (d[4] * d[8] - d[5] * d[7]) -
                         d[1] * (d[3] * d[8] - d[5] * d[6]) +
                         d[2] * (d[3] * d[7] - d[4] * d[6]);
    return fabs(g->spacing[0] * g->spacing[1] * g->spacing[2] * determinant);
}

static struct candidate candidate_of(const struct component *c, const struct geometry *g)
{
    struct candidate candidate = {
        .voxels = c->voxels, .probability = NAN, .malignancy = NAN};
    double mm3 = (double)c->voxels * voxel_mm3(g);

    CHECK(c->weight > 0); /* clipped HU weigh at least 1 */
    for (int axis = 0; axis < 3; axis++)
        candidate.index[axis] = c->moment[axis] / c->weight;
    geometry_to_mm(g, candidate.index, candidate.xyz);
    candidate.diameter_mm = cbrt(6 * mm3 / M_PI);
    return candidate;
}

static bool component_counts(const struct component *c, size_t number, int64_t min_voxels)
{
    return c->parent == (int64_t)number && c->voxels >= min_voxels;
}

enum status grouper_finish(struct grouper *g, struct candidate **out, size_t *count,
                           struct error *err)
{
    enum status status;
    const struct component *components;
    struct candidate *candidates = NULL;
    size_t provisional, found = 0;

    CHECK(g->pushed == g->geometry.size[0]);
    labeller_finish(g->labeller, &components, &provisional);
    for (size_t i = 0; i < provisional; i++)
        found += component_counts(&components[i], i, g->options.min_voxels);
    TRY(memory_new(found, sizeof *candidates, "candidates", (void **)&candidates, err));
    found = 0;
    for (size_t i = 0; i < provisional; i++)
        if (component_counts(&components[i], i, g->options.min_voxels))
            candidates[found++] = candidate_of(&components[i], &g->geometry);
    *out = candidates;
    *count = found;
    return STATUS_OK;
out:
    return status;
}

void group_erode(const struct geometry *g, enum group_erosion e, const uint8_t *mask,
                 uint8_t *eroded)
{
    int64_t width = g->size[2], slice = g->size[1] * width;

    for (int64_t z = 0; z < g->size[0]; z++)
        for (int64_t y = 0; y < g->size[1]; y++) {
            const uint8_t *row = mask + z * slice + y * width;
            uint8_t *out = eroded + z * slice + y * width;
            bool through = e == EROSION_3D;
            bool left =
                e != EROSION_NONE && !(through && (z == 0 || z == g->size[0] - 1)) &&
                slice_erode_row(g, mask + z * slice, through ? row - slice : row, y, out);
            if (e == EROSION_NONE)
                memcpy(out, row, (size_t)width);
            else if (!left)
                memset(out, 0, (size_t)width);
            else if (through)
                erosion_row_after(row + slice, (size_t)width, out);
        }
}
