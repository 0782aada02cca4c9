/* What the scans of a survey are like: counts and quartiles over headers and voxels. */
#include <math.h>

#include "base/memory.h"
#include "inspect/survey.h"

const double thickness_bounds[THICKNESS_BINS - 1] = {0.5, 1, 1.25, 2, 2.5, 3};
const double diameter_bounds[DIAMETER_BINS] = {-1, 0, 3, 5, 10, 20, 30};

int thickness_bin(double mm)
{
    static const double slack = 1e-6; /* 1.2500001 is 1.25 */
    int bin = 0;
    while (bin < THICKNESS_BINS - 1 && mm > thickness_bounds[bin] + slack)
        bin++;
    return bin;
}

int diameter_bin(double mm)
{
    int bin = DIAMETER_BINS - 1;
    while (bin > 0 && mm < diameter_bounds[bin])
        bin--;
    return bin;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct spread spread_of(double *values, size_t count)
{
    if (count == 0)
        return (struct spread){NAN, NAN, NAN, NAN, NAN};
    qsort(values, count, sizeof *values, ascending);
    return (struct spread){values[0], quantile(values, count, 0.25),
                           quantile(values, count, 0.5), quantile(values, count, 0.75),
                           values[count - 1]};
}

/* The number of a scan that a spread is taken over; `axis` for those of three. */
typedef double scan_value(const struct scan_facts *f, int axis);

static double value_of_spacing(const struct scan_facts *f, int axis)
{
    return f->geometry.spacing[axis];
}

static double value_of_size(const struct scan_facts *f, int axis)
{
    return (double)f->geometry.size[axis];
}

static double value_of_mean(const struct scan_facts *f, int axis)
{
    (void)axis;
    return scan_facts_mean(f);
}

static struct spread spread_over(const struct survey *v, scan_value *value, int axis,
                                 double *scratch)
{
    size_t count = 0;
    for (size_t i = 0; i < v->dataset.count; i++) {
        double x = v->reasons[i] ? NAN : value(&v->facts[i], axis);
        if (!isnan(x))
            scratch[count++] = x;
    }
    return spread_of(scratch, count);
}

static void count_element(struct survey_headers *h, const char *name)
{
    for (int k = 0; k < ELEMENT_KINDS; k++) {
        if (k == h->element_count) {
            snprintf(h->elements[k].name, sizeof h->elements[k].name, "%s", name);
            h->element_count++;
        }
        if (!strcmp(h->elements[k].name, name)) {
            h->elements[k].scans++;
            return;
        }
    }
    CHECK(!"more element types than MetaImage has");
}

static void count_header(struct survey_headers *h, const struct scan_facts *f)
{
    static const double square = 1e-6;
    const struct geometry *g = &f->geometry;
    int64_t voxels = geometry_voxels(g);
    h->scans++;
    h->thickness_bins[thickness_bin(g->spacing[2])]++;
    h->directions[direction_kind(g->direction)]++;
    h->oblong += fabs(g->spacing[0] - g->spacing[1]) > square;
    count_element(h, f->element);
    if (f->compressed) {
        h->compressed++;
        h->compressed_bytes += f->file_bytes;
    }
    h->voxels += voxels;
    if (voxels > h->largest_voxels)
        h->largest_voxels = voxels;
    if (g->size[1] * g->size[2] > h->largest_slice[0] * h->largest_slice[1])
        memcpy(h->largest_slice, g->size + 1, sizeof h->largest_slice);
}

static void count_voxels(struct survey_voxels *x, const struct scan_facts *f, double *sum)
{
    x->scans++;
    x->voxels += geometry_voxels(&f->geometry);
    x->padding += f->padding;
    x->padded_scans += f->padding > 0;
    x->padding_low = fmin(x->padding_low, f->padding_low);
    x->low = fmin(x->low, f->low);
    x->high = fmax(x->high, f->high);
    *sum += f->sum;
}

static void count_scan(struct survey *v, size_t i, double *sum)
{
    const struct scan *scan = &v->dataset.scans[i];
    struct survey_subset *subset = &v->subsets[scan->subset];
    bool broken = v->reasons[i] != NULL;
    int64_t bytes = broken ? scan->bytes : v->facts[i].file_bytes;
    subset->scans++;
    subset->broken += broken;
    subset->bytes += bytes;
    v->broken += broken;
    v->bytes += bytes;
    if (broken)
        return;
    count_header(&v->headers, &v->facts[i]);
    if (v->deep)
        count_voxels(&v->voxels, &v->facts[i], sum);
}

enum status survey_count_scans(struct survey *v, const struct settings *s,
                               struct error *err)
{
    double *scratch, sum = 0;
    enum status status = memory_new(v->dataset.count, sizeof *scratch, "statistics",
                                    (void **)&scratch, err);
    if (status != STATUS_OK)
        return status;
    for (int k = 0; k < DATASET_SUBSETS; k++) {
        v->subsets[k].present = v->dataset.subset_present[k];
        v->subsets[k].asked = v->dataset.has_subsets ? s->dataset.subsets[k] : k == 0;
    }
    v->voxels.low = v->voxels.high = v->voxels.padding_low = NAN;
    for (size_t i = 0; i < v->dataset.count; i++)
        count_scan(v, i, &sum);
    int64_t counted = v->voxels.voxels - v->voxels.padding;
    v->voxels.mean = counted > 0 ? sum / (double)counted : NAN;
    v->headers.thickness = spread_over(v, value_of_spacing, 2, scratch);
    v->headers.pixel = spread_over(v, value_of_spacing, 0, scratch);
    for (int k = 0; k < 3; k++)
        v->headers.size[k] = spread_over(v, value_of_size, k, scratch);
    v->voxels.scan_mean = spread_over(v, value_of_mean, 0, scratch);
    free(scratch);
    return STATUS_OK;
}
