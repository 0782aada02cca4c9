/*
 * Solid shapes of organs and bones, each with a signed distance, painted one over the
 * other in the order of their list.
 */
#ifndef PHANTOM_SHAPE_H
#define PHANTOM_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "phantom/patient.h"
#include "phantom/vec.h"

enum shape_form {
    SHAPE_BALL,  /* ellipsoid: centre a, radii r, unit axes u */
    SHAPE_ROD,   /* from a (radius r.x) to b (radius r.y), round ends */
    SHAPE_STRAP, /* rod of elliptic section: half width r.x along u[0], r.y across */
    SHAPE_DRUM,  /* as a strap, but with flat ends */
    SHAPE_PLATE, /* triangle a b c, everywhere r.x thick to either side */
};

struct shape {
    enum shape_form form;
    struct vec a, b, c, r, u[3];
    float hu;
    float shell_hu, shell_mm; /* bones: cortex around hu; shell_mm 0: none */
    int abdominal;            /* ends at the diaphragm */
    float width;              /* greatest extent from axis or centre, for boxes */
};

struct shape shape_ball(struct vec centre, struct vec radii, float hu);
/* Turns a ball so that its first axis points along `axis`. */
void shape_turn(struct shape *s, struct vec axis);
struct shape shape_rod(struct vec a, double ra, struct vec b, double rb, float hu);
struct shape shape_strap(struct vec a, struct vec b, struct vec thin, double half_thin,
                         double half_wide, float hu);
struct shape shape_drum(struct vec a, struct vec b, struct vec thin, double half_thin,
                        double half_wide, float hu);
struct shape shape_plate(struct vec a, struct vec b, struct vec c, double half, float hu);

/* Signed distance, mm, negative inside; for balls and straps near enough one. */
double shape_distance(const struct shape *s, struct vec p);
struct box shape_box(const struct shape *s);

/* A box around a shape in the shape's own directions. */
struct shape_frame {
    struct vec centre, axis[3];
    double half[3];
};

struct shape_frame shape_frame(const struct shape *s);

struct shape_list {
    struct shape *items;
    size_t count, capacity;
};

enum status shapes_add(struct shape_list *l, struct shape s, struct error *err);
void shapes_release(struct shape_list *l);

#endif
