/*
 * The painters of one slice, in the order in which they paint: walls (body, lungs,
 * table), shapes (organs, bones), tubes (vessels, bronchi).
 *
 * What a voxel gets depends on its index and the patient alone, never on which other
 * slices are painted: every bound below is taken over one slice.
 */
#ifndef PHANTOM_PAINT_H
#define PHANTOM_PAINT_H

#include <stdint.h>

#include "phantom/scene.h"
#include "phantom/view.h"

/* Share of a voxel that lies inside a surface at distance d of its centre; `width` is the
 * way through the voxel across the surface. */
static inline float coverage(float d, float width)
{
    float c = 0.5f - d / width;
    return c < 0 ? 0 : c > 1 ? 1 : c;
}

struct wall_painter;

enum status wall_painter_new(const struct patient *p, const struct view *v,
                             struct wall_painter **out, struct error *err);
void wall_painter_free(struct wall_painter *w);
/* hu[y][x], lung[y][x] or NULL: every voxel is set. */
void paint_walls(struct wall_painter *w, int64_t z, float *hu, uint8_t *lung);

struct shape_painter;

/* `walls` says where the abdomen ends. */
enum status shape_painter_new(const struct shape_list *l, const struct field *walls,
                              const struct view *v, struct shape_painter **out,
                              struct error *err);
void shape_painter_free(struct shape_painter *s);
void paint_shapes(struct shape_painter *s, int64_t z, float *hu);

struct tube_painter;

/* Tubes that touch slices [first, first + count). */
enum status tube_painter_new(const struct patient *p, const struct view *v, int64_t first,
                             int64_t count, struct tube_painter **out, struct error *err);
void tube_painter_free(struct tube_painter *t);
void paint_tubes(struct tube_painter *t, int64_t z, float *hu);

#endif
