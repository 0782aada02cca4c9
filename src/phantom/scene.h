/* All that a patient consists of, as the painter sees it. */
#ifndef PHANTOM_SCENE_H
#define PHANTOM_SCENE_H

#include "phantom/field.h"
#include "phantom/lungs.h"
#include "phantom/organs.h"
#include "phantom/plan.h"
#include "phantom/shape.h"
#include "phantom/tree.h"

enum wall_channel {
    CHANNEL_SKIN,
    CHANNEL_FASCIA,
    CHANNEL_CAGE,
    CHANNEL_ABDOMEN, /* below the diaphragm, within the cage */
    CHANNEL_LIVER,
    CHANNEL_GLAND,
    CHANNEL_SEAM, /* fat between muscles: distance to the middle of its sheets */
    WALL_CHANNELS
};

struct patient {
    struct plan plan;
    struct field walls;
    struct organs organs;
    struct shape_list bones;
    struct lungs lungs;
    struct tree tree;
    struct box body;
    double table_y; /* mm: top of the table under the patient's middle */
};

#endif
