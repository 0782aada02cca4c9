/*
 * Arteries, veins and bronchi, grown into the lungs.
 */
#ifndef PHANTOM_TREE_H
#define PHANTOM_TREE_H

#include "phantom/lungs.h"
#include "phantom/plan.h"

struct tree {
    struct tube *tubes; /* parents before children */
    size_t count, capacity;
};

/* tree_release frees, also after a failure. */
enum status tree_init(struct tree *t, const struct plan *p, const struct lungs *l,
                      struct error *err);
void tree_release(struct tree *t);

#endif
