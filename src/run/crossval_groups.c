#include "run/crossval_groups.h"

#include "config/settings.h"

int crossval_group_of(int worker, int groups, int workers)
{
    return (int)((int64_t)worker * groups / workers);
}

/* When the last fold ends, in the time that one worker takes for a fold. */
static double last_end(int folds, int groups, int workers)
{
    double ends[SETTINGS_SUBSETS] = {0}, last = 0;
    int sizes[SETTINGS_SUBSETS] = {0};
    for (int w = 0; w < workers; w++)
        sizes[crossval_group_of(w, groups, workers)]++;
    for (int k = 0; k < folds; k++) {
        int next = 0;
        for (int g = 1; g < groups; g++)
            if (ends[g] < ends[next])
                next = g;
        ends[next] += 1.0 / sizes[next];
        last = ends[next] > last ? ends[next] : last;
    }
    return last;
}

int crossval_groups(int64_t asked, int folds, int workers)
{
    static const double near = 1.1;
    int most = folds < workers ? folds : workers;
    if (asked > 0 && asked < most)
        most = (int)asked;
    if (asked > 0 || most < 1)
        return most > 1 ? most : 1;
    double first = last_end(folds, 1, workers);
    for (int groups = 2; groups <= most; groups++)
        if (last_end(folds, groups, workers) < first)
            first = last_end(folds, groups, workers);
    while (most > 1 && last_end(folds, most, workers) > near * first)
        most--;
    return most;
}
