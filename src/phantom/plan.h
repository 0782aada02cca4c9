/*
 * What makes one patient another: sizes, proportions and densities, drawn once.
 *
 * The anatomy is written down for one body, the design, with the carina at its origin. A
 * patient is the design stretched along its axes (plan_point) and varied by the numbers
 * here.
 */
#ifndef PHANTOM_PLAN_H
#define PHANTOM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "phantom/vec.h"

struct plan {
    uint64_t seed, index;
    bool female;
    struct vec scale; /* patient's mm per design's mm */
    double mean_scale;
    double fat_mm;       /* subcutaneous, at the side */
    double muscle;       /* thickness of muscles, 1 on average */
    double kyphosis;     /* bend of the spine, 1 on average */
    double scoliosis_mm; /* sideways */
    double roll;         /* radians: body against the table */
    double barrel;       /* depth of the chest, 1 on average */
    double dome_mm[2];   /* right, left: diaphragm above its design height */
    double dome_bend[2]; /* steepness of the domes, 1 on average */
    double heart;        /* size, 1 on average */
    double heart_turn;   /* radians in the axial plane */
    double aorta;        /* calibre, 1 on average */
    double unfolding;    /* elongation of the arch, 0 .. 1 */
    double mediastinal_fat_mm;
    double lung_hu;                      /* mean of the parenchyma */
    double gravity_hu;                   /* difference from front to back */
    double emphysema;                    /* 0 none .. 1 */
    double texture_hu;                   /* SD of the fine texture */
    double murray;                       /* exponent of the calibres */
    double vessel_mm;                    /* radius of the last branches */
    double blood_hu, heart_hu, aorta_hu; /* with or without contrast */
    double liver_hu, muscle_hu, fat_hu, bone_hu, cortex_hu;
    double phase[12]; /* radians: of slow undulations */
    double arms;      /* 1 raised, 0 down */
};

struct plan plan_of(uint64_t seed, uint64_t index);

/* A place of the design in this patient. */
static inline struct vec plan_point(const struct plan *p, double x, double y, double z)
{
    return vec(x * p->scale.x, y * p->scale.y, z * p->scale.z);
}

#endif
