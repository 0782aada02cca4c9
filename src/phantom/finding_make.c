#include "phantom/finding_make.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "phantom/finding_draw.h"

static const double CLEAR_MM = 1.5;

static void set_axes(struct finding_shape *s, const struct finding_seat *seat)
{
    const double *u = seat->along, *n = seat->normal;
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        s->axes[0][a] = u[a];
        s->axes[1][a] = n[b] * u[c] - n[c] * u[b];
        s->axes[2][a] = n[a];
        s->middle[a] = seat->middle[a];
    }
    s->around_hu = seat->around_hu;
}

static double apart(const double a[3], const double b[3])
{
    return sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
}

/* Brings the shape to its diameter, cut where it reaches the surface. */
static enum status fit(struct finding_shape *s, const struct finding_seat *seat,
                       double diameter_mm, bool *fits, struct error *err)
{
    *fits = finding_shape_fit(s, diameter_mm);
    double reach = s->reach + apart(s->centroid, s->middle);
    double depth = -seat->distance(seat->surface, s->middle);
    if (!*fits || depth > reach)
        return STATUS_OK;
    enum status status =
        finding_shape_cut(s, 1.5 * reach, seat->distance, seat->surface, err);
    if (status == STATUS_OK)
        *fits = finding_shape_fit(s, diameter_mm);
    return status;
}

static void take_measures(struct finding *f)
{
    const struct finding_shape *s = f->shape;
    memcpy(f->xyz, s->centroid, sizeof f->xyz);
    f->diameter_mm = finding_shape_diameter(s);
    f->reach_mm = s->reach;
    f->hu = s->core > 0 ? s->core_hu : s->hu;
    f->mean_hu =
        (float)(s->core_share * (double)s->core_hu + (1 - s->core_share) * (double)s->hu);
}

void finding_discard(struct finding *f)
{
    if (f->shape)
        free(f->shape->cut);
    free(f->shape);
    f->shape = NULL;
}

enum status finding_make(struct random *r, const struct finding_seat *seat,
                         struct finding *f, bool *fits, struct error *err)
{
    enum status status = STATUS_OK;
    void *room = NULL;
    *fits = false;
    TRY(memory_new(1, sizeof *f->shape, "the shape of a finding", &room, err));
    f->shape = room;
    finding_shape_draw(r, f, f->shape);
    set_axes(f->shape, seat);
    TRY(fit(f->shape, seat, f->diameter_mm, fits, err));
    if (*fits)
        take_measures(f);
out:
    if (!*fits)
        finding_discard(f);
    return status;
}

bool finding_is_clear(const struct finding_list *l, const struct finding *f)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct finding *g = &l->items[i];
        bool mimics = f->kind != FINDING_NODULE && g->kind != FINDING_NODULE;
        double room = mimics ? 0.5 * (f->diameter_mm + g->diameter_mm)
                             : f->reach_mm + g->reach_mm + CLEAR_MM;
        if (apart(f->xyz, g->xyz) < room)
            return false;
    }
    return true;
}

enum status finding_append(struct finding_list *l, size_t *capacity, struct finding *f,
                           struct error *err)
{
    enum status status = memory_grow((void **)&l->items, capacity, l->count + 1,
                                     sizeof *l->items, "findings", err);
    if (status == STATUS_OK)
        l->items[l->count++] = *f;
    else
        finding_discard(f);
    return status;
}

static int by_kind_and_place(const void *a, const void *b)
{
    const struct finding *f = a, *g = b;
    bool f_mimic = f->kind != FINDING_NODULE, g_mimic = g->kind != FINDING_NODULE;
    if (f_mimic != g_mimic)
        return f_mimic - g_mimic;
    for (int i = 2; i >= 0; i--)
        if (f->xyz[i] != g->xyz[i])
            return f->xyz[i] < g->xyz[i] ? -1 : 1;
    return 0;
}

void findings_sort(struct finding_list *l)
{
    if (l->count)
        qsort(l->items, l->count, sizeof *l->items, by_kind_and_place);
}

void findings_release(struct finding_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        finding_discard(&l->items[i]);
    free(l->items);
    *l = (struct finding_list){0};
}
