#include "phantom/plan.h"

#include "base/random.h"

/* Normal, but never more than two standard deviations off. */
static double about(struct random *r, double mean, double deviation)
{
    return mean + deviation * clamp(random_normal(r), -2, 2);
}

static void draw_body(struct plan *p, struct random *r)
{
    p->female = random_chance(r, 0.45);
    double size = p->female ? about(r, 0.97, 0.03) : about(r, 1.04, 0.035);
    p->scale.x = size * about(r, 1, 0.03);
    p->scale.y = size * about(r, 1, 0.045);
    p->scale.z = size * about(r, 1, 0.04);
    p->mean_scale = cbrt(p->scale.x * p->scale.y * p->scale.z);
    p->fat_mm = exp(about(r, p->female ? 2.75 : 2.45, 0.38));
    p->muscle = about(r, p->female ? 0.82 : 1.05, 0.12);
    p->kyphosis = about(r, 1, 0.3);
    p->scoliosis_mm = about(r, 0, 4);
    p->roll = about(r, 0, 0.035);
    p->barrel = about(r, 1, 0.04);
    p->arms = random_chance(r, 0.9) ? 1 : 0.45;
    for (int side = 0; side < 2; side++) {
        p->dome_mm[side] = about(r, -3, 8);
        p->dome_bend[side] = about(r, 1, 0.2);
    }
}

static void draw_organs(struct plan *p, struct random *r)
{
    p->heart = about(r, 1, 0.07);
    p->heart_turn = about(r, 0, 0.15);
    p->aorta = about(r, 1, 0.1);
    p->unfolding = random_uniform(r) * random_uniform(r);
    p->mediastinal_fat_mm = about(r, 4, 1.3);
    p->lung_hu = about(r, -886, 16);
    p->gravity_hu = about(r, 45, 15);
    p->emphysema = random_chance(r, 0.3) ? random_between(r, 0.2, 1) : 0;
    p->texture_hu = about(r, 16, 3);
    p->murray = about(r, 2.5, 0.05);
    p->vessel_mm = about(r, 0.37, 0.02);
}

/* Contrast: none in most screening scans, else more in the vessels than in the tissue. */
static void draw_densities(struct plan *p, struct random *r)
{
    double contrast = random_chance(r, 0.4) ? random_between(r, 60, 260) : 0;
    double delay = random_uniform(r);
    p->blood_hu = about(r, 42, 4) + contrast;
    p->aorta_hu = about(r, 42, 4) + contrast * lerp(0.6, 1, delay);
    p->heart_hu = about(r, 46, 4) + contrast * 0.3;
    p->liver_hu = about(r, 56, 8) + contrast * 0.2 * delay;
    p->muscle_hu = about(r, 52, 5);
    p->fat_hu = about(r, -102, 5);
    p->bone_hu = about(r, 190, 45);
    p->cortex_hu = about(r, 620, 120);
}

struct plan plan_of(uint64_t seed, uint64_t index)
{
    struct plan p = {.seed = seed, .index = index};
    struct random r = random_stream(seed, RANDOM_PATIENT, index, 0);
    draw_body(&p, &r);
    draw_organs(&p, &r);
    draw_densities(&p, &r);
    for (int i = 0; i < 12; i++)
        p.phase[i] = random_between(&r, 0, 6.283185307179586);
    return p;
}
