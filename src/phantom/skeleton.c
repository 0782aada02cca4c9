#include "phantom/skeleton.h"

#include "phantom/chest.h"

static const double PI = 3.14159265358979;

struct builder {
    struct shape_list *list;
    const struct plan *plan;
    enum status status;
    struct error *err;
};

static void bone(struct builder *b, struct shape s, double cortex_mm)
{
    s.shell_mm = (float)cortex_mm;
    s.shell_hu = (float)b->plan->cortex_hu;
    if (b->status == STATUS_OK)
        b->status = shapes_add(b->list, s, b->err);
}

static struct vec place(const struct builder *b, struct vec q)
{
    return plan_point(b->plan, q.x, q.y, q.z);
}

/* A rod between two places of the design. */
static void rod(struct builder *b, struct vec from, double r0, struct vec to, double r1,
                double cortex_mm)
{
    double mm = b->plan->mean_scale;
    bone(b,
         shape_rod(place(b, from), r0 * mm, place(b, to), r1 * mm,
                   (float)b->plan->bone_hu),
         cortex_mm);
}

static void plate(struct builder *b, struct vec p0, struct vec p1, struct vec p2,
                  double half)
{
    bone(b,
         shape_plate(place(b, p0), place(b, p1), place(b, p2), half,
                     (float)(b->plan->bone_hu + 80)),
         1.0);
}

/* One vertebra: body, arch around the canal, processes. z is the middle of its body. */
static void vertebra(struct builder *b, double z, double size)
{
    struct vec c = chest_spine(b->plan, z);
    double mm = b->plan->mean_scale, h = 9.2 * size;
    struct vec low = chest_spine(b->plan, z - h), high = chest_spine(b->plan, z + h);
    struct shape body =
        shape_drum(place(b, low), place(b, high), vec(0, 1, 0), 15.5 * size * mm,
                   18.5 * size * mm, (float)b->plan->bone_hu);
    bone(b, body, 1.0);
    for (int s = -1; s <= 1; s += 2) {
        struct vec root = vec(c.x + 11 * s * size, c.y + 12 * size, z + 2);
        struct vec knee = vec(c.x + 13 * s * size, c.y + 26 * size, z - 1);
        struct vec tip = vec(c.x + 30 * s * size, c.y + 34 * size, z + 3);
        struct vec top = vec(c.x, c.y + 33 * size, z - 7);
        rod(b, root, 4.2, knee, 4.0, 1.0);
        rod(b, knee, 4.6, tip, 3.8, 1.0);
        rod(b, knee, 3.4, top, 3.2, 1.0);
        rod(b, vec(knee.x, knee.y - 1, z - 10), 4.4, vec(knee.x, knee.y, z + 8), 4.0,
            1.0);
    }
    rod(b, vec(c.x, c.y + 33 * size, z - 7), 3.2, vec(c.x, c.y + 54 * size, z - 22), 3.0,
        1.0);
}

/* A rib as a chain of straps along the cage from the spine forward and down; its last
 * part is cartilage. */
static void rib(struct builder *b, int number, int side)
{
    const struct plan *p = b->plan;
    enum { PARTS = 26 };
    double start_z = 92 - 22.5 * (number - 1);
    double drop = number == 1 ? 24 : 34 + 6.2 * number;
    double sweep = number <= 7    ? 2.78
                   : number <= 10 ? 2.55 - 0.12 * (number - 8)
                                  : 1.75 - 0.45 * (number - 11);
    struct vec before = {0, 0, 0};
    for (int i = 0; i <= PARTS; i++) {
        double t = (double)i / PARTS;
        double angle = PI / 2 - 0.32 - sweep * t;
        double front = clamp((t - 0.8) / 0.2, 0, 1);
        double z = start_z - drop * (0.12 * t + 0.88 * t * t * (2 - t)) +
                   (number >= 5 ? 9.0 * (number - 4) * front * front : 4 * front);
        if (angle < -PI / 2 + 0.12)
            angle = -PI / 2 + 0.12;
        struct vec q = chest_point(p, z, angle, number == 1 ? 3.5 : 5.0);
        if (number <= 2 && t < 0.5)
            q.x *= 1 - 0.06 * (3 - number);
        q.x *= side;
        struct vec here = place(b, q);
        if (i > 0) {
            struct vec out = vec_unit(vec(q.x / 1.3, q.y - chest_ring(p, z).centre, 0));
            int cartilage = t > (number <= 10 ? 0.84 : 1.1);
            double mm = p->mean_scale, wide = number == 1 ? 8.5 : 6.6;
            struct vec over = vec_unit(vec_sub(here, before));
            struct shape s = shape_drum(vec_step(before, -1, over),
                                        vec_step(here, 1, over), out, 3.6 * mm, wide * mm,
                                        cartilage ? 95 : (float)(p->bone_hu + 20));
            bone(b, s, cartilage ? 0 : 1.1);
        }
        before = here;
    }
}

static struct vec front(const struct plan *p, double z, double x, double out)
{
    struct ring r = chest_ring(p, z);
    return vec(x, r.centre - r.depth - out, z);
}

static void sternum(struct builder *b)
{
    const struct plan *p = b->plan;
    double mm = p->mean_scale;
    static const double Z[] = {52, 22, 18, -40, -95, -125};
    static const double WIDE[] = {24, 17, 13, 15, 17, 6};
    for (int i = 0; i < 5; i++) {
        if (i == 1)
            continue;
        struct shape s =
            shape_strap(place(b, front(p, Z[i], 0, 4)),
                        place(b, front(p, Z[i + 1], 0, 4)), vec(0, 1, 0.15), 5.2 * mm,
                        0.5 * (WIDE[i] + WIDE[i + 1]) * mm, (float)(p->bone_hu - 30));
        bone(b, s, 0.9);
    }
}

static void shoulders(struct builder *b)
{
    const struct plan *p = b->plan;
    double up = 60 * p->arms;
    for (int s = -1; s <= 1; s += 2) {
        double x = s;
        struct vec tip = chest_point(p, -62, 0.98, 17),
                   top = chest_point(p, 62, 1.12, 18), joint = vec(146, 22, 84),
                   spine = chest_point(p, 40, 1.2, 22);
        tip.x *= x;
        top.x *= x;
        spine.x *= x;
        joint.x *= x;
        plate(b, tip, top, joint, 1.9);
        plate(b, spine, joint, vec(x * 150, 40, 100), 3.0);
        rod(b, tip, 3.2, joint, 5.5, 1.1);
        rod(b, vec(x * 150, 40, 100), 6, vec(x * 158, 10, 104), 6, 1.0);
        rod(b, joint, 11, vec(x * 142, 20, 88), 9, 1.1);
        rod(b, vec(x * 168, 16, 94), 22, vec(x * 172, 14, 100), 21, 1.4);
        rod(b, vec(x * 172, 14, 104), 14, vec(x * 204, 0, 104 + 1.6 * up), 11.5, 3.2);
        rod(b, vec(x * 16, -58, 58), 8.5, vec(x * 62, -50, 76), 6, 1.4);
        rod(b, vec(x * 62, -50, 76), 6, vec(x * 112, -22, 96), 5.6, 1.4);
        rod(b, vec(x * 112, -22, 96), 5.6, vec(x * 152, 6, 106), 6.5, 1.4);
    }
}

enum status skeleton_init(struct shape_list *l, const struct plan *p, struct error *err)
{
    struct builder b = {l, p, STATUS_OK, err};
    for (int i = -2; i < 18; i++) {
        double size = i < 0 ? 0.8 : 0.88 + 0.018 * i;
        vertebra(&b, 92 - 22.5 * i - 0.35 * i * fmax(0, i - 6), size);
    }
    for (int number = 1; number <= 12; number++)
        for (int side = -1; side <= 1; side += 2)
            rib(&b, number, side);
    sternum(&b);
    shoulders(&b);
    return b.status;
}
