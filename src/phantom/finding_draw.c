/*
 * Diameters and counts follow the annotations of LUNA16 (1,186 nodules in 601 of 888
 * scans, https://luna16.grand-challenge.org/Data/): a quantile function through eleven of
 * their quantiles, and the shares of scans with so many nodules. Attenuations are those
 * of the literature: solid near soft tissue, ground glass -650 to -450 HU (Hansell et
 * al., Fleischner Society: Glossary of Terms for Thoracic Imaging, Radiology 246, 2008).
 *
 * Mimics have the diameters of nodules and densities like theirs: what tells them apart
 * is form and place, as it should be.
 */
#include "phantom/finding_draw.h"

#include <math.h>

static const struct {
    double share, mm;
} diameters[] = {{0, 3.25},     {0.02, 3.83},  {0.10, 4.40}, {0.25, 5.11},
                 {0.50, 6.43},  {0.60, 7.30},  {0.75, 9.70}, {0.85, 12.86},
                 {0.95, 18.95}, {0.99, 24.00}, {1, 32.3}};
enum { DIAMETERS = sizeof diameters / sizeof *diameters };

static const struct {
    double share;
    size_t nodules;
} counts[] = {{0.323, 0}, {0.349, 1},  {0.179, 2},  {0.071, 3},  {0.027, 4}, {0.026, 5},
              {0.012, 6}, {0.0045, 7}, {0.0025, 8}, {0.0045, 9}, {1, 12}};

double nodule_diameter_at(double share)
{
    int i = 0;
    while (i < DIAMETERS - 2 && share > diameters[i + 1].share)
        i++;
    double part =
        (share - diameters[i].share) / (diameters[i + 1].share - diameters[i].share);
    return diameters[i].mm * pow(diameters[i + 1].mm / diameters[i].mm, part);
}

/* As nodules have them; evenly where nodules are not so small. */
static double diameter_within(struct random *r, double low, double high)
{
    if (low < diameters[0].mm)
        return random_between(r, low, high);
    for (;;) {
        double d = nodule_diameter_at(random_uniform(r));
        if (d >= low && d <= high)
            return d;
    }
}

size_t nodule_count_draw(struct random *r)
{
    double left = random_uniform(r);
    for (size_t i = 0;; i++) {
        left -= counts[i].share;
        if (left < 0)
            return counts[i].nodules;
    }
}

static size_t poisson(struct random *r, double mean)
{
    size_t n = 0;
    for (double left = random_uniform(r), limit = exp(-mean); left > limit; n++)
        left *= random_uniform(r);
    return n;
}

size_t mimic_count_draw(struct random *r, enum finding_kind kind)
{
    switch (kind) {
    case FINDING_VESSEL_CROSSING:
        return 5 + poisson(r, 5);
    case FINDING_SCAR:
        return poisson(r, 2.2);
    case FINDING_ATELECTASIS:
        return poisson(r, 0.8);
    case FINDING_PLAQUE:
        return random_chance(r, 0.25) ? 1 + poisson(r, 1.5) : 0;
    case FINDING_LYMPH_NODE:
        return 1 + poisson(r, 1.6);
    case FINDING_GRANULOMA:
        return random_chance(r, 0.5) ? 1 + poisson(r, 1) : 0;
    default:
        return 0;
    }
}

static double normal_within(struct random *r, double mean, double deviation, double low,
                            double high)
{
    double v = mean + deviation * random_normal(r);
    return v < low ? low : v > high ? high : v;
}

/* The odds follow size above all, then margin and texture. The share that size cannot
 * decide keeps the AUC of diameter alone near 0.9, as on LIDC's nodules. */
static bool malignant_draw(struct random *r, const struct finding *f)
{
    double odds = 5.6 * log(f->diameter_mm / 9.4);
    odds += f->margin == MARGIN_SPICULATED ? 1.2 : 0;
    odds += f->margin == MARGIN_LOBULATED ? 0.4 : 0;
    odds += f->texture == TEXTURE_PART_SOLID ? 0.7 : 0;
    odds -= f->texture == TEXTURE_GROUND_GLASS ? 0.4 : 0;
    double chance = f->texture == TEXTURE_CALCIFIED ? 0 : 1 / (1 + exp(-odds));
    return random_chance(r, 0.015 + 0.95 * chance) != 0;
}

static enum finding_texture nodule_texture(struct random *r, double diameter_mm)
{
    double u = random_uniform(r);
    if (diameter_mm >= 5.5 && u < 0.11)
        return TEXTURE_PART_SOLID;
    if (diameter_mm >= 4.5 && u > 0.94)
        return TEXTURE_GROUND_GLASS;
    return TEXTURE_SOLID;
}

static enum finding_margin nodule_margin(struct random *r, double diameter_mm)
{
    double u = random_uniform(r);
    double spiculated = fmin(0.45, 0.04 * fmax(0, diameter_mm - 4));
    if (u < spiculated)
        return MARGIN_SPICULATED;
    return u < spiculated + 0.28 ? MARGIN_LOBULATED : MARGIN_SMOOTH;
}

static enum finding_place nodule_place(struct random *r)
{
    double u = random_uniform(r);
    return u < 0.48   ? PLACE_ISOLATED
           : u < 0.68 ? PLACE_VESSEL
           : u < 0.91 ? PLACE_PLEURA
                      : PLACE_FISSURE;
}

static float texture_hu(struct random *r, enum finding_texture t)
{
    switch (t) {
    case TEXTURE_GROUND_GLASS:
        return (float)random_between(r, -640, -440);
    case TEXTURE_CALCIFIED:
        return (float)random_between(r, 180, 700);
    default:
        return (float)normal_within(r, 32, 20, -20, 80);
    }
}

void nodule_draw(struct random *r, struct finding *f)
{
    double diameter = nodule_diameter_at(random_uniform(r));
    *f = (struct finding){
        .kind = FINDING_NODULE,
        .diameter_mm = diameter,
        .texture = nodule_texture(r, diameter),
        .margin = nodule_margin(r, diameter),
        .place = nodule_place(r),
    };
    f->hu = texture_hu(r, f->texture);
    f->malignant = malignant_draw(r, f);
}

void mimic_draw(struct random *r, enum finding_kind kind, struct finding *f)
{
    *f = (struct finding){.kind = kind, .texture = TEXTURE_SOLID};
    f->margin = MARGIN_SMOOTH;
    double low = 3.25, high = 20, marked = 0.6;
    switch (kind) {
    case FINDING_VESSEL_CROSSING:
        f->place = PLACE_VESSEL;
        high = 9;
        marked = 0.1;
        break;
    case FINDING_SCAR:
        f->place = random_chance(r, 0.5) ? PLACE_PLEURA : PLACE_ISOLATED;
        f->margin = random_chance(r, 0.5) ? MARGIN_SPICULATED : MARGIN_LOBULATED;
        high = 14;
        break;
    case FINDING_ATELECTASIS:
        f->place = PLACE_PLEURA;
        low = 4.5;
        break;
    case FINDING_PLAQUE:
        f->place = PLACE_PLEURA;
        f->texture = random_chance(r, 0.3) ? TEXTURE_CALCIFIED : TEXTURE_SOLID;
        f->margin = MARGIN_LOBULATED;
        high = 14;
        break;
    case FINDING_LYMPH_NODE:
        f->place = random_chance(r, 0.7) ? PLACE_FISSURE : PLACE_VESSEL;
        low = f->place == PLACE_FISSURE ? 2.8 : 5;
        high = f->place == PLACE_FISSURE ? 6 : 12;
        break;
    default:
        f->place = PLACE_ISOLATED;
        f->texture = TEXTURE_CALCIFIED;
        low = 2; /* larger ones are nodules to most readers */
        high = 4.2;
        break;
    }
    f->diameter_mm = diameter_within(r, low, high);
    f->hu = texture_hu(r, f->texture);
    f->excluded = random_chance(r, marked) != 0;
}

static void direction_draw(struct random *r, double d[3])
{
    double z = random_between(r, -1, 1), turn = random_between(r, 0, 2 * M_PI);
    double across = sqrt(1 - z * z);
    d[0] = across * cos(turn);
    d[1] = across * sin(turn);
    d[2] = z;
}

static void semi_set(struct finding_shape *s, double a, double b, double c)
{
    double mean = cbrt(a * b * c);
    s->semi[0] = a / mean;
    s->semi[1] = b / mean;
    s->semi[2] = c / mean;
}

static void bumps_draw(struct random *r, struct finding_shape *s, int count, double low,
                       double high, double sharpness)
{
    for (int i = 0; i < count && s->bump_count < SHAPE_BUMPS; i++) {
        struct bump *b = &s->bumps[s->bump_count++];
        direction_draw(r, b->direction);
        b->height = random_between(r, low, high);
        b->sharpness = sharpness * random_between(r, 0.6, 1.6);
    }
}

/* Strands that run out into the lung. */
static void spicules_draw(struct random *r, struct finding_shape *s, int count)
{
    for (int i = 0; i < count && s->spicule_count < SHAPE_SPICULES; i++) {
        struct spicule *k = &s->spicules[s->spicule_count++];
        direction_draw(r, k->direction);
        k->length = random_between(r, 1.3, 2.1);
        k->width = random_between(r, 0.2, 0.4);
    }
}

static void swells_draw(struct random *r, struct finding_shape *s, double height)
{
    for (int i = 0; i < SHAPE_SWELLS; i++) {
        struct swell *w = &s->swells[i];
        direction_draw(r, w->direction);
        w->turns = random_between(r, 4, 13);
        w->phase = random_between(r, 0, 2 * M_PI);
        w->height = height * random_between(r, 0.4, 1.6);
    }
}

static void margin_draw(struct random *r, enum finding_margin margin,
                        struct finding_shape *s)
{
    swells_draw(r, s, margin == MARGIN_SPICULATED ? 0.045 : 0.024);
    bumps_draw(r, s, 5, -0.12, 0.12, 4);
    bumps_draw(r, s, 4, -0.1, 0.15, 18);
    if (margin == MARGIN_LOBULATED)
        bumps_draw(r, s, 6 + (int)random_below(r, 5), 0.2, 0.5, 12);
    if (margin == MARGIN_SPICULATED) {
        bumps_draw(r, s, 7, 0.1, 0.4, 16);
        spicules_draw(r, s, 18 + (int)random_below(r, 11));
    }
}

/* Mottling of a few millimetres. */
static void ripples_draw(struct random *r, struct finding_shape *s, double hu)
{
    for (int i = 0; i < SHAPE_RIPPLES; i++) {
        struct ripple *k = &s->ripples[i];
        double turns = 2 * M_PI / random_between(r, 2.5, 7);
        direction_draw(r, k->wave);
        for (int a = 0; a < 3; a++)
            k->wave[a] *= turns;
        k->phase = random_between(r, 0, 2 * M_PI);
        k->hu = hu * random_between(r, 0.5, 1.5);
    }
}

static void nodule_shape(struct random *r, const struct finding *f,
                         struct finding_shape *s)
{
    double semi[3];
    for (int a = 0; a < 3; a++)
        semi[a] = exp(normal_within(r, 0, 0.17, -0.4, 0.4));
    semi_set(s, semi[0], semi[1], semi[2]);
    margin_draw(r, f->margin, s);
    s->hu = s->core_hu = f->hu;
    if (f->texture == TEXTURE_PART_SOLID) {
        s->core = random_between(r, 0.45, 0.8);
        for (int a = 0; a < 3; a++)
            s->core_middle[a] = random_between(r, -0.12, 0.12);
        s->hu = (float)random_between(r, -620, -400);
    }
    if (!s->replaces)
        s->fade = random_between(r, 0.1, 0.45);
}

/* A lymph node within the lung: a flat pebble with three or four straight sides. */
static void node_shape(struct random *r, struct finding_shape *s)
{
    int sides = 3 + (int)random_below(r, 2);
    double turn = random_between(r, 0, 2 * M_PI);
    for (int i = 0; i < sides; i++) {
        double angle = turn + 2 * M_PI * (i + random_between(r, -0.15, 0.15)) / sides;
        s->facets[s->facet_count++] =
            (struct facet){{cos(angle), sin(angle), 0}, random_between(r, 0.75, 1.0)};
    }
    for (int side = -1; side <= 1; side += 2)
        s->facets[s->facet_count++] = (struct facet){{0, 0, side}, 1};
    semi_set(s, 1, random_between(r, 0.6, 1), random_between(r, 0.3, 0.6));
}

void finding_shape_draw(struct random *r, const struct finding *f,
                        struct finding_shape *s)
{
    *s = (struct finding_shape){.semi = {1, 1, 1}, .hu = f->hu, .core_hu = f->hu};
    s->replaces = f->texture == TEXTURE_SOLID || f->texture == TEXTURE_CALCIFIED;
    switch (f->kind) {
    case FINDING_NODULE:
        nodule_shape(r, f, s);
        break;
    case FINDING_VESSEL_CROSSING:
        semi_set(s, random_between(r, 1.1, 1.7), 1, random_between(r, 0.7, 1));
        bumps_draw(r, s, 5, -0.08, 0.08, 4);
        break;
    case FINDING_SCAR:
        semi_set(s, 1, random_between(r, 0.16, 0.4), random_between(r, 0.08, 0.18));
        margin_draw(r, f->margin, s);
        s->bend[0] = random_between(r, -0.22, 0.22);
        s->bend[1] = random_between(r, -0.1, 0.1);
        break;
    case FINDING_ATELECTASIS:
        semi_set(s, 1, random_between(r, 0.45, 0.9), random_between(r, 0.08, 0.16));
        bumps_draw(r, s, 6, -0.15, 0.2, 6);
        s->bend[1] = random_between(r, -0.08, 0.08);
        break;
    case FINDING_PLAQUE:
        semi_set(s, 1, random_between(r, 0.5, 1), random_between(r, 0.2, 0.35));
        margin_draw(r, f->margin, s);
        break;
    case FINDING_LYMPH_NODE:
        node_shape(r, s);
        break;
    default:
        semi_set(s, 1, random_between(r, 0.75, 1), random_between(r, 0.75, 1));
        bumps_draw(r, s, 6, -0.1, 0.15, 6);
        break;
    }
    ripples_draw(r, s, s->replaces ? 9 : 22);
}
