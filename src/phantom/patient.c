#include "phantom/patient.h"

#include "base/memory.h"
#include "phantom/chest.h"
#include "phantom/scene.h"
#include "phantom/skeleton.h"

static const double WALL_STEP_MM = 6;

static double liver(const struct plan *p, struct vec q, double abdomen)
{
    double top = -104 + p->dome_mm[0];
    struct vec d = vec((q.x + 44) / 96, (q.y + 4) / 98, (q.z - top + 52) / 78);
    double lobe = (vec_length(d) - 1) * 85;
    struct vec e = vec((q.x - 22) / 62, (q.y + 42) / 44, (q.z - top + 42) / 36);
    return smooth_max(smooth_min(lobe, (vec_length(e) - 1) * 42, 18), abdomen + 2.5, 5);
}

/* Sheets of fat between the layers of muscle, wavy, a third of the way out. */
static double seam(const struct plan *p, struct vec q, double cage, double fascia)
{
    double depth = cage - 8, thick = depth - fascia;
    double wave = 0.5 + 0.28 * sin(q.z / 31 + q.x / 26 + p->phase[0]) +
                  0.18 * sin(q.y / 13 - q.z / 17 + p->phase[3]);
    return thick > 9 ? depth - wave * thick : 9;
}

static void fill_walls(struct patient *p)
{
    const struct plan *plan = &p->plan;
    struct field *f = &p->walls;
    double mm = plan->mean_scale, back = -1e9;
    for (int iz = 0; iz < f->n[2]; iz++)
        for (int iy = 0; iy < f->n[1]; iy++)
            for (int ix = 0; ix < f->n[0]; ix++) {
                struct vec at = field_point(f, ix, iy, iz);
                struct vec q =
                    vec(at.x / plan->scale.x, at.y / plan->scale.y, at.z / plan->scale.z);
                double cage = chest_cage(plan, q), fascia = chest_fascia(plan, q, cage);
                double skin = chest_skin(plan, q, cage, fascia);
                double abdomen = smooth_max(chest_diaphragm(plan, q), cage, 6);
                float *v = field_at(f, ix, iy, iz);
                v[CHANNEL_SKIN] = (float)(mm * skin);
                v[CHANNEL_FASCIA] = (float)(mm * fascia);
                v[CHANNEL_CAGE] = (float)(mm * most(cage, q.z - 105));
                v[CHANNEL_ABDOMEN] = (float)(mm * abdomen);
                v[CHANNEL_LIVER] = (float)(mm * liver(plan, q, abdomen));
                v[CHANNEL_GLAND] = (float)(mm * chest_gland(plan, q));
                v[CHANNEL_SEAM] = (float)(mm * seam(plan, q, cage, fascia));
                if (skin < 0 && fabs(at.x) < 60 && at.z > -180 && at.z < 60)
                    back = most(back, at.y);
            }
    p->table_y = back - 1;
}

static struct box body_box(const struct patient *p)
{
    const struct field *f = &p->walls;
    struct box b = p->lungs.box;
    for (int iz = 0; iz < f->n[2]; iz++)
        for (int iy = 0; iy < f->n[1]; iy++)
            for (int ix = 0; ix < f->n[0]; ix++) {
                struct vec at = field_point(f, ix, iy, iz);
                if (at.z < b.low[2] || at.z > b.high[2] ||
                    field_at(f, ix, iy, iz)[CHANNEL_SKIN] >= 0)
                    continue;
                b.low[0] = least(b.low[0], at.x);
                b.low[1] = least(b.low[1], at.y);
                b.high[0] = most(b.high[0], at.x);
                b.high[1] = most(b.high[1], at.y);
            }
    return b;
}

enum status patient_new(uint64_t seed, uint64_t index, struct patient **out,
                        struct error *err)
{
    void *room;
    enum status status = memory_new(1, sizeof(struct patient), "a phantom", &room, err);
    *out = NULL;
    if (status != STATUS_OK)
        return status;
    struct patient *p = room;
    p->plan = plan_of(seed, index);
    struct vec low = plan_point(&p->plan, -240, -180, -330),
               high = plan_point(&p->plan, 240, 160, 230);
    TRY(field_init(&p->walls, low, high, WALL_STEP_MM, err));
    fill_walls(p);
    TRY(organs_init(&p->organs, &p->plan, err));
    TRY(skeleton_init(&p->bones, &p->plan, err));
    TRY(lungs_init(&p->lungs, &p->plan, &p->organs, err));
    TRY(tree_init(&p->tree, &p->plan, &p->lungs, err));
    p->body = body_box(p);
    *out = p;
    p = NULL;
out:
    patient_free(p);
    return status;
}

void patient_free(struct patient *p)
{
    if (!p)
        return;
    field_release(&p->walls);
    organs_release(&p->organs);
    shapes_release(&p->bones);
    lungs_release(&p->lungs);
    tree_release(&p->tree);
    free(p);
}

struct box patient_lungs(const struct patient *p)
{
    return p->lungs.box;
}

struct box patient_body(const struct patient *p)
{
    return p->body;
}

static struct vec point(const double xyz[3])
{
    return vec(xyz[0], xyz[1], xyz[2]);
}

double patient_lung_distance(const struct patient *p, const double xyz[3], int *side)
{
    float v[FIELD_CHANNELS];
    field_sample(&p->lungs.field, point(xyz), v);
    int right = v[CHANNEL_RIGHT] < v[CHANNEL_LEFT];
    *side = right ? LUNG_RIGHT : LUNG_LEFT;
    return v[right ? CHANNEL_RIGHT : CHANNEL_LEFT];
}

double patient_fissure_distance(const struct patient *p, const double xyz[3], int side)
{
    float v[FIELD_CHANNELS];
    field_sample(&p->lungs.field, point(xyz), v);
    return lungs_fissure(v, side == LUNG_RIGHT);
}

float patient_parenchyma(const struct patient *p, const double xyz[3])
{
    float v[FIELD_CHANNELS];
    field_sample(&p->lungs.field, point(xyz), v);
    return v[CHANNEL_TISSUE] +
           (float)p->lungs.texture_hu * lungs_texture(&p->lungs, point(xyz));
}

const struct tube *patient_tubes(const struct patient *p, size_t *count)
{
    *count = p->tree.count;
    return p->tree.tubes;
}
