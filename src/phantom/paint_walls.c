/*
 * Body and lungs as layers: each layer is the inside of a smooth surface, painted over
 * the layers before it. Distances are interpolated from the patient's fields at the
 * corners of blocks of a few pixels, above and below the slice; within a block a layer
 * that covers all or nothing costs a fill or nothing.
 *
 * The width of a surface's edge is how much its distance changes across one voxel along
 * the three axes together: the partial volume of a box cut by a plane, also where voxels
 * are far from cubes.
 */
#include "base/memory.h"
#include "phantom/paint.h"

enum {
    CHANNEL_TABLE = 7, /* above the table, in the walls' unused channel */
    LUNGS_AT = FIELD_CHANNELS,
    NODE = 2 * FIELD_CHANNELS,
    MOST_LAYERS = 20,
    MOST_PIXELS = 16
};

static const double BLOCK_MM = 3.5;

enum layer_kind { LAYER_SOLID, LAYER_SHEET, LAYER_LUNG };

struct layer {
    enum layer_kind kind;
    int channel;
    float offset; /* added to the distance; of a sheet: half its thickness */
    float hu;
};

struct wall_painter {
    const struct patient *patient;
    const struct view *view;
    int step;        /* pixels to a block */
    int bx, by;      /* blocks */
    float *plane[2]; /* nodes above and below the slice: [by + 1][bx + 1][NODE] */
    int64_t below;   /* the slice that plane[1] is below of; -1: none */
    struct layer layers[MOST_LAYERS];
    int count;
};

static void add(struct wall_painter *w, enum layer_kind kind, int channel, double offset,
                double hu)
{
    CHECK(w->count < MOST_LAYERS);
    w->layers[w->count++] = (struct layer){kind, channel, (float)offset, (float)hu};
}

static void layers_init(struct wall_painter *w)
{
    const struct plan *p = &w->patient->plan;
    add(w, LAYER_SOLID, CHANNEL_TABLE, 0, -420);
    add(w, LAYER_SOLID, CHANNEL_TABLE, 1.6, -945);
    add(w, LAYER_SOLID, CHANNEL_TABLE, 42, -420);
    add(w, LAYER_SOLID, CHANNEL_TABLE, 43.6, -1000);
    add(w, LAYER_SOLID, CHANNEL_SKIN, 0, 15);
    add(w, LAYER_SOLID, CHANNEL_SKIN, 1.8, p->fat_hu);
    if (p->female)
        add(w, LAYER_SOLID, CHANNEL_GLAND, 0, 20);
    add(w, LAYER_SOLID, CHANNEL_FASCIA, 0, p->muscle_hu);
    add(w, LAYER_SHEET, CHANNEL_SEAM, 0.9, p->fat_hu + 15);
    add(w, LAYER_SOLID, CHANNEL_CAGE, 0, p->fat_hu + 8);
    add(w, LAYER_SOLID, CHANNEL_ABDOMEN, 0, p->muscle_hu);
    add(w, LAYER_SOLID, CHANNEL_ABDOMEN, 2.5, p->fat_hu + 4);
    add(w, LAYER_SOLID, CHANNEL_LIVER, 0, p->liver_hu);
    add(w, LAYER_LUNG, LUNGS_AT + CHANNEL_RIGHT, 0, 0);
    add(w, LAYER_LUNG, LUNGS_AT + CHANNEL_LEFT, 0, 0);
}

enum status wall_painter_new(const struct patient *p, const struct view *v,
                             struct wall_painter **out, struct error *err)
{
    void *room;
    enum status status =
        memory_new(1, sizeof(struct wall_painter), "a painter", &room, err);
    *out = NULL;
    if (status != STATUS_OK)
        return status;
    struct wall_painter *w = room;
    *w = (struct wall_painter){.patient = p, .view = v, .below = -1};
    *out = w;
    w->step = (int)clamp(floor(BLOCK_MM / v->pixel), 1, MOST_PIXELS);
    w->bx = (v->nx + w->step - 1) / w->step;
    w->by = (v->ny + w->step - 1) / w->step;
    layers_init(w);
    size_t nodes = (size_t)(w->bx + 1) * (size_t)(w->by + 1);
    for (int i = 0; i < 2 && status == STATUS_OK; i++) {
        room = NULL;
        status =
            memory_new(nodes, NODE * sizeof(float), "planes of a painter", &room, err);
        w->plane[i] = room;
    }
    if (status != STATUS_OK) {
        wall_painter_free(w);
        *out = NULL;
    }
    return status;
}

void wall_painter_free(struct wall_painter *w)
{
    if (!w)
        return;
    free(w->plane[0]);
    free(w->plane[1]);
    free(w);
}

/* The table is a trough, turned a little under the patient. */
static float above_table(const struct patient *p, struct vec at)
{
    double x = at.x - 0.1 * p->table_y, y = at.y + p->plan.roll * at.x;
    double depth = y + x * x / 900 - p->table_y;
    return (float)-depth;
}

static void fill_node(const struct patient *p, struct vec at, float *node)
{
    field_sample(&p->walls, at, node);
    node[CHANNEL_TABLE] = above_table(p, at);
    float lying = 0.6f - node[CHANNEL_TABLE];
    if (node[CHANNEL_SKIN] < lying)
        node[CHANNEL_SKIN] = lying;
    field_sample(&p->lungs.field, at, node + LUNGS_AT);
}

static void fill_plane(const struct wall_painter *w, double z, float *nodes)
{
    for (int j = 0; j <= w->by; j++)
        for (int i = 0; i <= w->bx; i++, nodes += NODE)
            fill_node(w->patient,
                      view_point(w->view, (double)i * w->step, (double)j * w->step, z),
                      nodes);
}

/* One block: its corners at the slice's middle, and how they differ. */
struct block {
    int x, y, nx, ny;            /* pixels */
    float corner[4][NODE];       /* 00 10 01 11 */
    float low[NODE], high[NODE]; /* over the corners above and below */
    float width[NODE];
    float step; /* 1 / pixels to a block */
};

static void block_init(struct block *b, const struct wall_painter *w, int i, int j)
{
    size_t row = (size_t)(w->bx + 1) * NODE;
    size_t at = (size_t)j * row + (size_t)i * NODE;
    const size_t off[4] = {at, at + NODE, at + row, at + row + NODE};
    b->x = i * w->step;
    b->y = j * w->step;
    b->nx = w->view->nx - b->x < w->step ? w->view->nx - b->x : w->step;
    b->ny = w->view->ny - b->y < w->step ? w->view->ny - b->y : w->step;
    b->step = 1.0f / (float)w->step;
    float rise[NODE];
    for (int c = 0; c < NODE; c++) {
        b->low[c] = INFINITY;
        b->high[c] = -INFINITY;
        rise[c] = 0;
    }
    for (int k = 0; k < 4; k++) {
        const float *u = w->plane[0] + off[k], *v = w->plane[1] + off[k];
        for (int c = 0; c < NODE; c++) {
            float lower = u[c] < v[c] ? u[c] : v[c], upper = u[c] < v[c] ? v[c] : u[c];
            b->low[c] = lower < b->low[c] ? lower : b->low[c];
            b->high[c] = upper > b->high[c] ? upper : b->high[c];
            b->corner[k][c] = 0.5f * (u[c] + v[c]);
            rise[c] += 0.25f * (v[c] - u[c]);
        }
    }
    for (int c = 0; c < NODE; c++) {
        float dx = b->corner[1][c] - b->corner[0][c] + b->corner[3][c] - b->corner[2][c];
        float dy = b->corner[2][c] - b->corner[0][c] + b->corner[3][c] - b->corner[1][c];
        b->width[c] = 0.5f * b->step * (fabsf(dx) + fabsf(dy)) + fabsf(rise[c]) + 1e-3f;
    }
}

/* Channel c along a row of the block's pixels. */
static void block_row(const struct block *b, int c, int j, float *out)
{
    float t = (float)j * b->step;
    float left = b->corner[0][c] + t * (b->corner[2][c] - b->corner[0][c]);
    float right = b->corner[1][c] + t * (b->corner[3][c] - b->corner[1][c]);
    float slope = (right - left) * b->step;
    for (int i = 0; i < b->nx; i++)
        out[i] = left + slope * (float)i;
}

static void paint_solid(const struct block *b, const struct layer *l, float *hu, int nx)
{
    float d[MOST_PIXELS], scale = 1 / b->width[l->channel];
    for (int j = 0; j < b->ny; j++) {
        float *out = hu + (size_t)(b->y + j) * (size_t)nx + b->x;
        block_row(b, l->channel, j, d);
        for (int i = 0; i < b->nx; i++) {
            float a = 0.5f - (d[i] + l->offset) * scale;
            a = a < 0 ? 0 : a > 1 ? 1 : a;
            out[i] += a * (l->hu - out[i]);
        }
    }
}

static void fill_solid(const struct block *b, const struct layer *l, float *hu, int nx)
{
    for (int j = 0; j < b->ny; j++) {
        float *out = hu + (size_t)(b->y + j) * (size_t)nx + b->x;
        for (int i = 0; i < b->nx; i++)
            out[i] = l->hu;
    }
}

static inline float sheet(float d, float half, float width)
{
    return coverage(d - half, width) - coverage(d + half, width);
}

static void paint_sheet(const struct block *b, const struct layer *l, float *hu, int nx)
{
    float d[MOST_PIXELS], width = b->width[l->channel];
    for (int j = 0; j < b->ny; j++) {
        float *out = hu + (size_t)(b->y + j) * (size_t)nx + b->x;
        block_row(b, l->channel, j, d);
        for (int i = 0; i < b->nx; i++)
            out[i] += sheet(d[i], l->offset, width) * (l->hu - out[i]);
    }
}

/* Parenchyma of a row of pixels: tissue and fine texture, and the fissures in it. */
static void lung_row(const struct wall_painter *w, const struct block *b, int64_t z,
                     int j, int right, float *out)
{
    const struct lungs *l = &w->patient->lungs;
    const struct view *v = w->view;
    const int oblique = LUNGS_AT + CHANNEL_OBLIQUE, minor = LUNGS_AT + CHANNEL_MINOR;
    const float half = (float)l->half_fissure_mm, pleura = -250;
    float major[MOST_PIXELS], small[MOST_PIXELS];
    block_row(b, LUNGS_AT + CHANNEL_TISSUE, j, out);
    for (int s = 0; s < v->subs; s += 2) {
        struct vec at = view_point(v, b->x, b->y + j, view_part(v, z, s));
        float share = (float)l->texture_hu / (float)((v->subs + 1) / 2);
        for (int i = 0; i < b->nx; i++)
            out[i] += share * lungs_texture(l, vec_step(at, i, v->ex));
    }
    int near_major = b->low[oblique] < 4 && b->high[oblique] > -4;
    int near_minor =
        right && b->low[minor] < 4 && b->high[minor] > -4 && b->high[oblique] > 0;
    if (!near_major && !near_minor)
        return;
    block_row(b, oblique, j, major);
    block_row(b, minor, j, small);
    for (int i = 0; i < b->nx; i++) {
        float c = near_major ? sheet(major[i], half, b->width[oblique]) : 0;
        if (near_minor && major[i] > 0)
            c += (1 - c) * sheet(small[i], half, b->width[minor]);
        out[i] += c * (pleura - out[i]);
    }
}

static void paint_lung(const struct wall_painter *w, const struct block *b,
                       const struct layer *l, int64_t z, float *hu, uint8_t *lung)
{
    float d[MOST_PIXELS], tissue[MOST_PIXELS], scale = 1 / b->width[l->channel];
    int right = l->channel == LUNGS_AT + CHANNEL_RIGHT;
    for (int j = 0; j < b->ny; j++) {
        size_t at = (size_t)(b->y + j) * (size_t)w->view->nx + (size_t)b->x;
        block_row(b, l->channel, j, d);
        lung_row(w, b, z, j, right, tissue);
        for (int i = 0; i < b->nx; i++) {
            float a = 0.5f - d[i] * scale;
            a = a < 0 ? 0 : a > 1 ? 1 : a;
            hu[at + (size_t)i] += a * (tissue[i] - hu[at + (size_t)i]);
            if (lung && d[i] < 0)
                lung[at + (size_t)i] = right ? LUNG_RIGHT : LUNG_LEFT;
        }
    }
}

static void paint_block(const struct wall_painter *w, const struct block *b, int64_t z,
                        float *hu, uint8_t *lung)
{
    static const struct layer AIR = {.hu = -1000};
    const struct layer *base = &AIR;
    int from = 0;
    for (int i = 0; i < w->count; i++) {
        const struct layer *l = &w->layers[i];
        if (l->kind == LAYER_SOLID &&
            b->high[l->channel] + l->offset < -b->width[l->channel]) {
            base = l;
            from = i + 1;
        }
    }
    fill_solid(b, base, hu, w->view->nx);
    for (int i = from; i < w->count; i++) {
        const struct layer *l = &w->layers[i];
        float nearest = b->low[l->channel], width = b->width[l->channel];
        if (l->kind == LAYER_SHEET) {
            if (nearest < l->offset + width && b->high[l->channel] > -l->offset - width)
                paint_sheet(b, l, hu, w->view->nx);
        } else if (nearest + l->offset < width) {
            if (l->kind == LAYER_LUNG)
                paint_lung(w, b, l, z, hu, lung);
            else
                paint_solid(b, l, hu, w->view->nx);
        }
    }
}

void paint_walls(struct wall_painter *w, int64_t z, float *hu, uint8_t *lung)
{
    if (w->below >= 0 && w->below + 1 == z) {
        float *t = w->plane[0];
        w->plane[0] = w->plane[1];
        w->plane[1] = t;
    } else {
        fill_plane(w, (double)z - 0.5, w->plane[0]);
    }
    fill_plane(w, (double)z + 0.5, w->plane[1]);
    w->below = z;
    if (lung)
        memset(lung, LUNG_NONE, (size_t)w->view->nx * (size_t)w->view->ny);
    struct block b;
    for (int j = 0; j < w->by; j++)
        for (int i = 0; i < w->bx; i++) {
            block_init(&b, w, i, j);
            paint_block(w, &b, z, hu, lung);
        }
}
