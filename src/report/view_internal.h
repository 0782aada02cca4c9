/* What a viewer has open: view.c draws places, view_stack.c whole slices. */
#ifndef REPORT_VIEW_INTERNAL_H
#define REPORT_VIEW_INTERNAL_H

#include "ct/dataset.h"
#include "ct/volume.h"
#include "report/view.h"

struct viewer {
    struct stored_run *run;
    struct dataset scans, masks;
    char missing[ERROR_MESSAGE_BYTES]; /* why the scans cannot be listed; "" */

    size_t open; /* the scan that is open; SIZE_MAX: none */
    struct run_store_scan row;
    struct geometry geometry;
    struct volume *volume, *truth; /* truth: NULL where there is none */
    bool has_heatmap;
    uint8_t *packed, *slab; /* the scan's mask, and one slab of it */
    int64_t slab_index;     /* -1: none */
    float *slice;
    char note[ERROR_MESSAGE_BYTES]; /* why the scan cannot be read; "" */
};

/* Opens a scan unless it is open. volume is NULL, and note says why, when it cannot be
 * read. Errors: STATUS_STAGE_MEMORY. */
enum status viewer_open(struct viewer *v, size_t scan, struct error *err);

#endif
