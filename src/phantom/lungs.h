/*
 * The lungs: their surface, their fissures and their tissue, on one grid of fields.
 */
#ifndef PHANTOM_LUNGS_H
#define PHANTOM_LUNGS_H

#include "phantom/field.h"
#include "phantom/organs.h"
#include "phantom/plan.h"

enum lung_channel {
    CHANNEL_RIGHT,   /* distance to the surface of the right lung, negative inside */
    CHANNEL_LEFT,    /* of the left lung */
    CHANNEL_OBLIQUE, /* to the oblique fissure of the nearer side, positive above */
    CHANNEL_MINOR,   /* to the right lung's horizontal fissure, positive above */
    CHANNEL_TISSUE,  /* HU of the parenchyma without its fine texture */
    LUNG_CHANNELS
};

struct lungs {
    struct field field;
    struct box box;    /* holds both lungs */
    double texture_hu; /* SD of the fine texture */
    double half_fissure_mm;
    float *texture; /* periodic, TEXTURE_N cubed, mean 0 and SD 1 */
};

enum { TEXTURE_N = 64 };

/* lungs_release frees, also after a failure. */
enum status lungs_init(struct lungs *l, const struct plan *p, const struct organs *o,
                       struct error *err);
void lungs_release(struct lungs *l);

/* Fine texture, mean 0 and SD 1, at a point. */
float lungs_texture(const struct lungs *l, struct vec at);

/* Distance to the fissure that is there, given the channels of a point; the horizontal
 * one ends at the oblique one. */
static inline float lungs_fissure(const float channels[LUNG_CHANNELS], int right)
{
    float oblique = fabsf(channels[CHANNEL_OBLIQUE]);
    float minor = fabsf(channels[CHANNEL_MINOR]);
    if (!right || channels[CHANNEL_OBLIQUE] < 0)
        return oblique;
    return minor < oblique ? minor : oblique;
}

/* Which lobe: right 0 upper, 1 middle, 2 lower; left 3 upper, 4 lower. */
static inline int lungs_lobe(const float channels[LUNG_CHANNELS], int right)
{
    if (channels[CHANNEL_OBLIQUE] < 0)
        return right ? 2 : 4;
    return right ? (channels[CHANNEL_MINOR] > 0 ? 0 : 1) : 3;
}

#endif
