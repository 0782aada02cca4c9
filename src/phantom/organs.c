#include "phantom/organs.h"

#include "phantom/chest.h"

/* Adds to a list and remembers the first failure, so that anatomy reads as a table. */
struct builder {
    struct organs *organs;
    const struct plan *plan;
    enum status status;
    struct error *err;
};

static void keep(struct builder *b, struct shape_list *l, struct shape s)
{
    if (b->status == STATUS_OK)
        b->status = shapes_add(l, s, b->err);
}

static void both(struct builder *b, struct shape s)
{
    keep(b, &b->organs->shapes, s);
    keep(b, &b->organs->clearance, s);
}

/* A vessel through points of the design, each x y z radius. */
static void vessel(struct builder *b, const double (*at)[4], int count, double calibre,
                   double hu)
{
    double mm = b->plan->mean_scale * calibre;
    for (int i = 0; i + 1 < count; i++)
        both(b,
             shape_rod(plan_point(b->plan, at[i][0], at[i][1], at[i][2]), at[i][3] * mm,
                       plan_point(b->plan, at[i + 1][0], at[i + 1][1], at[i + 1][2]),
                       at[i + 1][3] * mm, (float)hu));
}

/* Air or wall of a hollow organ: painted, but nothing that the lungs need to know. */
static void inner(struct builder *b, const double (*at)[4], int count, double shrink_mm,
                  double hu)
{
    double mm = b->plan->mean_scale;
    for (int i = 0; i + 1 < count; i++)
        keep(b, &b->organs->shapes,
             shape_rod(plan_point(b->plan, at[i][0], at[i][1], at[i][2]),
                       at[i][3] * mm - shrink_mm,
                       plan_point(b->plan, at[i + 1][0], at[i + 1][1], at[i + 1][2]),
                       at[i + 1][3] * mm - shrink_mm, (float)hu));
}

static void below(struct builder *b, struct shape s)
{
    s.abdominal = 1;
    keep(b, &b->organs->shapes, s);
}

static struct shape chamber(const struct plan *p, struct vec at, struct vec radii,
                            struct vec axis, double hu)
{
    double mm = p->mean_scale * p->heart, c = cos(p->heart_turn), s = sin(p->heart_turn);
    struct vec hinge = vec(4, -20, -45), d = vec_sub(at, hinge);
    d = vec_scale(vec(c * d.x - s * d.y, s * d.x + c * d.y, d.z), p->heart);
    d = vec_add(hinge, d);
    struct shape ball =
        shape_ball(plan_point(p, d.x, d.y, d.z), vec_scale(radii, mm), (float)hu);
    shape_turn(&ball, vec(c * axis.x - s * axis.y, s * axis.x + c * axis.y, axis.z));
    return ball;
}

static void heart(struct builder *b)
{
    const struct plan *p = b->plan;
    struct vec apex = vec(0.75, -0.52, -0.42), up = vec(0, 0, 1);
    double blood = p->blood_hu, arterial = p->aorta_hu, wall = p->heart_hu;
    both(b, chamber(p, vec(-30, -27, -62), vec(34, 25, 26), up, blood));
    both(b, chamber(p, vec(3, 0, -42), vec(21, 33, 21), up, arterial));
    both(b, chamber(p, vec(16, -52, -70), vec(46, 30, 36), apex, wall));
    both(b, chamber(p, vec(44, -32, -76), vec(50, 33, 35), apex, wall));
    keep(b, &b->organs->shapes,
         chamber(p, vec(13, -51, -68), vec(40, 24, 31), apex, blood));
    keep(b, &b->organs->shapes,
         chamber(p, vec(41, -32, -74), vec(36, 21, 22), apex, arterial));
    both(b, chamber(p, vec(14, -56, -22), vec(20, 15, 15), up, blood));
}

static void arteries(struct builder *b)
{
    const struct plan *p = b->plan;
    double u = p->unfolding;
    const double aorta[][4] = {{6, -34, -42, 16},          {-8 - 6 * u, -40, -14, 16},
                               {-9 - 8 * u, -38, 12, 15},  {-3, -29, 33 + 9 * u, 14.5},
                               {8, -17, 42 + 13 * u, 14},  {18, -2, 42 + 14 * u, 13.5},
                               {25 + 5 * u, 11, 31, 13},   {28 + 6 * u, 21, 10, 12.5},
                               {27 + 8 * u, 27, -35, 12},  {23 + 10 * u, 28, -85, 12},
                               {14 + 8 * u, 24, -135, 11}, {5, 20, -190, 10.5},
                               {4, 20, -340, 9.5}};
    const double head[][4] = {{0, -26, 42, 6.5},
                              {-12, -28, 66, 6.2},
                              {-20, -25, 92, 5.5},
                              {-25, -22, 150, 4},
                              {-25, -20, 240, 3.5}};
    const double carotid[][4] = {
        {8, -18, 48, 4}, {14, -20, 80, 4}, {20, -20, 140, 3.8}, {22, -18, 240, 3.5}};
    const double subclavian[][4] = {
        {18, -6, 46, 5}, {24, -2, 80, 4.8}, {38, -8, 108, 4.5}, {80, -12, 108, 4}};
    vessel(b, aorta, 13, p->aorta, p->aorta_hu);
    vessel(b, head, 5, p->aorta, p->aorta_hu);
    vessel(b, carotid, 4, p->aorta, p->aorta_hu);
    vessel(b, subclavian, 4, p->aorta, p->aorta_hu);
}

static void veins(struct builder *b)
{
    const struct plan *p = b->plan;
    double hu = p->blood_hu;
    const double cava[][4] = {{-24, -32, 58, 8.5},
                              {-27, -28, 25, 9.5},
                              {-27, -26, -10, 10},
                              {-27, -26, -40, 11}};
    const double right[][4] = {
        {-24, -32, 58, 8}, {-30, -30, 85, 7}, {-38, -24, 115, 7}, {-42, -20, 220, 6}};
    const double left[][4] = {{-24, -32, 56, 7},
                              {4, -44, 64, 6.5},
                              {30, -38, 82, 6.5},
                              {38, -26, 115, 6.5},
                              {42, -22, 220, 6}};
    const double lower[][4] = {
        {-27, -18, -78, 12}, {-22, -6, -112, 12}, {-18, 2, -170, 11}, {-16, 6, -340, 11}};
    const double azygos[][4] = {{-26, -20, 14, 4},
                                {-18, 2, 20, 4},
                                {-8, 22, 6, 4},
                                {-6, 23, -80, 3.6},
                                {-5, 22, -190, 3}};
    vessel(b, cava, 4, 1, hu);
    vessel(b, right, 4, 1, hu);
    vessel(b, left, 5, 1, hu);
    vessel(b, lower, 4, 1, hu - 0.2 * (hu - 42));
    vessel(b, azygos, 5, 1, hu);
}

static void pulmonary(struct builder *b)
{
    const double trunk[][4] = {
        {18, -52, -32, 15}, {22, -40, -14, 14.5}, {22, -24, -6, 13}};
    vessel(b, trunk, 3, 1, b->plan->blood_hu);
}

static void oesophagus(struct builder *b)
{
    const double path[][4] = {{4, 2, 240, 7},   {5, 6, 100, 7.5}, {6, 10, 40, 7.5},
                              {6, 14, 0, 7.5},  {8, 19, -50, 8},  {14, 14, -95, 8.5},
                              {24, 2, -130, 10}};
    vessel(b, path, 7, 1, 38);
    double air = 4 + 2 * sin(b->plan->phase[8]);
    inner(b, path, 3, air + 1.5, air > 5 ? 20 : -700);
}

/* Fat that fills the mediastinum: never painted, but the lungs keep out of it. */
static void fat(struct builder *b)
{
    const struct plan *p = b->plan;
    double more = p->mediastinal_fat_mm;
    static const double AT[][6] = {
        {0, -42, 30, 20, 18, 55},     {0, -14, 80, 34, 30, 45},
        {6, -72, -62, 34, 17, 58},    {52, -70, -105, 26, 18, 14},
        {-34, -62, -100, 26, 18, 16}, {3, 4, -6, 20, 12, 30},
        {6, 19, -80, 9, 8, 70},       {14, -38, -112, 58, 40, 24},
        {8, -80, -140, 46, 26, 56}};
    for (int i = 0; i < 9; i++)
        keep(b, &b->organs->clearance,
             shape_ball(plan_point(p, AT[i][0], AT[i][1], AT[i][2]),
                        vec(AT[i][3] + more - 4, AT[i][4] + more - 4, AT[i][5]), 0));
}

static void abdomen(struct builder *b)
{
    const struct plan *p = b->plan;
    double down = -117 + p->dome_mm[1];
    below(b, shape_ball(plan_point(p, 90, 36, down - 40), vec(40, 52, 56),
                        (float)(p->liver_hu - 6)));
    struct shape stomach =
        shape_ball(plan_point(p, 54, -24, down - 38), vec(66, 48, 46), 35);
    shape_turn(&stomach, vec(0.7, -0.3, 0.65));
    below(b, stomach);
    double gas = 15 + 9 * sin(p->phase[9]);
    below(b,
          shape_ball(plan_point(p, 54, -38, down - 34), vec(gas * 1.5, gas, gas), -950));
    below(b, shape_ball(plan_point(p, 52, 48, down - 118), vec(26, 24, 52), 35));
    below(b, shape_ball(plan_point(p, -52, 48, down - 124), vec(26, 24, 52), 35));
}

/* What fills the gutters beside the spine between lungs and back. */
static void spinal_muscle(struct builder *b)
{
    const struct plan *p = b->plan;
    double mm = p->mean_scale;
    for (int i = 0; i < 14; i++) {
        double z = 150 - 35 * i;
        struct vec from = chest_spine(p, z), to = chest_spine(p, z - 35);
        for (int x = -1; x <= 1; x++)
            both(b,
                 shape_rod(plan_point(p, from.x + 21 * x, from.y + 33 + 12 * abs(x), z),
                           (19 - 4 * abs(x)) * mm,
                           plan_point(p, to.x + 21 * x, to.y + 33 + 12 * abs(x), z - 35),
                           (19 - 4 * abs(x)) * mm, (float)p->muscle_hu));
        both(b, shape_rod(plan_point(p, from.x, from.y + 54, z), 14 * mm,
                          plan_point(p, to.x, to.y + 54, z - 35), 14 * mm,
                          (float)p->muscle_hu));
        keep(b, &b->organs->shapes,
             shape_rod(plan_point(p, from.x, from.y, z), 15 * mm,
                       plan_point(p, to.x, to.y, z - 35), 15 * mm, 75));
        keep(b, &b->organs->clearance,
             shape_rod(plan_point(p, from.x, from.y + 4, z), 19.5 * mm,
                       plan_point(p, to.x, to.y + 4, z - 35), 19.5 * mm, 0));
    }
}

enum status organs_init(struct organs *o, const struct plan *p, struct error *err)
{
    *o = (struct organs){{0}, {0}};
    struct builder b = {o, p, STATUS_OK, err};
    spinal_muscle(&b);
    abdomen(&b);
    oesophagus(&b);
    heart(&b);
    veins(&b);
    pulmonary(&b);
    arteries(&b);
    fat(&b);
    return b.status;
}

void organs_release(struct organs *o)
{
    shapes_release(&o->shapes);
    shapes_release(&o->clearance);
}

static double beyond(double v, double low, double high)
{
    return v < low ? low - v : v > high ? v - high : 0;
}

static const double FILLET_MM = 13;

void organs_near_init(struct organs_near *n, const struct organs *o, double y, double z)
{
    n->count = 0;
    for (size_t i = 0; i < o->clearance.count; i++) {
        struct box b = shape_box(&o->clearance.items[i]);
        double gap = most(beyond(y, b.low[1], b.high[1]), beyond(z, b.low[2], b.high[2]));
        if (gap > ORGANS_FAR_MM + FILLET_MM)
            continue;
        CHECK(n->count < MOST_NEAR);
        n->boxes[n->count] = b;
        n->shapes[n->count++] = &o->clearance.items[i];
    }
}

double organs_distance(const struct organs_near *n, struct vec at)
{
    double d = ORGANS_FAR_MM;
    for (int i = 0; i < n->count; i++) {
        const struct box *b = &n->boxes[i];
        double gap = most(beyond(at.x, b->low[0], b->high[0]),
                          most(beyond(at.y, b->low[1], b->high[1]),
                               beyond(at.z, b->low[2], b->high[2])));
        if (gap <= d + FILLET_MM)
            d = smooth_min(d, shape_distance(n->shapes[i], at), FILLET_MM);
    }
    return d;
}
