#include "phantom/paint.h"

enum status patient_paint(const struct patient *p, const struct geometry *grid,
                          int64_t first, int64_t count, float *hu, uint8_t *lung,
                          struct error *err)
{
    struct view view = view_of(grid);
    struct wall_painter *walls = NULL;
    struct tube_painter *tubes = NULL;
    struct shape_painter *organs = NULL, *bones = NULL;
    size_t slice = (size_t)view.nx * (size_t)view.ny;
    enum status status;
    TRY(wall_painter_new(p, &view, &walls, err));
    TRY(tube_painter_new(p, &view, first, count, &tubes, err));
    TRY(shape_painter_new(&p->organs.shapes, &p->walls, &view, &organs, err));
    TRY(shape_painter_new(&p->bones, &p->walls, &view, &bones, err));
    for (int64_t k = 0; k < count; k++) {
        float *out = hu + (size_t)k * slice;
        paint_walls(walls, first + k, out, lung ? lung + (size_t)k * slice : NULL);
        paint_shapes(organs, first + k, out);
        paint_shapes(bones, first + k, out);
        paint_tubes(tubes, first + k, out);
    }
out:
    shape_painter_free(bones);
    shape_painter_free(organs);
    tube_painter_free(tubes);
    wall_painter_free(walls);
    return status;
}
