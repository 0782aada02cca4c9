#include "stage/candidate.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static int ascending(double a, double b)
{
    return (a > b) - (a < b);
}

static int candidate_order(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    int order = (isnan(a->probability) != 0) - (isnan(b->probability) != 0);

    if (order == 0 && !isnan(a->probability))
        order = ascending(b->probability, a->probability);
    for (int i = 0; order == 0 && i < 3; i++)
        order = ascending(a->xyz[i], b->xyz[i]);
    if (order == 0)
        order = (a->voxels > b->voxels) - (a->voxels < b->voxels);
    return order;
}

void candidates_sort(struct candidate *candidates, size_t count)
{
    if (count > 1)
        qsort(candidates, count, sizeof *candidates, candidate_order);
}

enum status candidates_sort_both(struct candidate *candidates,
                                 struct disagreement *disagreements, size_t count,
                                 struct error *err)
{
    struct pair {
        struct candidate candidate; /* first: what candidate_order looks at */
        struct disagreement disagreement;
    } * pairs;
    enum status status =
        memory_new(count, sizeof *pairs, "candidates", (void **)&pairs, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct pair){candidates[i], disagreements[i]};
    if (count > 1)
        qsort(pairs, count, sizeof *pairs, candidate_order);
    for (size_t i = 0; i < count; i++) {
        candidates[i] = pairs[i].candidate;
        disagreements[i] = pairs[i].disagreement;
    }
    free(pairs);
    return STATUS_OK;
}

int candidates_are_sorted(const struct candidate *candidates, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (candidate_order(&candidates[i - 1], &candidates[i]) > 0)
            return 0;
    return 1;
}
