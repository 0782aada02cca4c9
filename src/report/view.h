/*
 * Pictures of a place in a scan for the page: three planes through it, each as layers of
 * the same voxels that the page lays over each other: the scan at lung window, the
 * heatmap or mask that the run stored, and the exact mask where there is one.
 *
 * Pictures have a pixel a voxel, in the order that radiologists look at; the page
 * stretches them to millimetres. So nothing is resampled twice, and what lies under the
 * crosshair is the voxel there.
 *
 * One scan is open at a time; places of the same scan are best asked for one after the
 * other. Memory: a slice, and a slab of mask. Not collective.
 */
#ifndef REPORT_VIEW_H
#define REPORT_VIEW_H

#include "picture/section.h"
#include "run/stored_run.h"

enum view_layer { VIEW_SCAN, VIEW_HEAT, VIEW_TRUTH, VIEW_LAYERS };

struct view_plane {
    int64_t rows, columns;
    double row_mm, column_mm; /* a pixel's height and width */
    double row, column;       /* of the place in pixels: 0 is the middle of the first */
    double truth_row, truth_column; /* of another place, given as `truth` */
    void *png[VIEW_LAYERS];         /* NULL: no such layer */
    size_t bytes[VIEW_LAYERS];
};

struct view {
    struct view_plane planes[SECTION_PLANES];
    bool heat_is_mask;              /* thresholded: the run stored no heatmap */
    size_t bytes;                   /* of all pictures */
    char note[ERROR_MESSAGE_BYTES]; /* why there is no picture; "" */
};

struct viewer;

/* `masks`: a data set of label volumes, "" for none. *out is the caller's to free. What
 * cannot be found is said by the views. Errors: STATUS_STAGE_MEMORY. */
enum status viewer_new(struct stored_run *run, const char *masks, struct viewer **out,
                       struct error *err);
void viewer_free(struct viewer *v);

/* A view of a place (mm) of scan `scan` of the run, `field_mm` wide; `truth` (mm, may be
 * NULL) is a second place whose position in the planes is told. view_release frees. That
 * the scan cannot be read any more is a note. Errors: STATUS_STAGE_MEMORY. */
enum status viewer_look(struct viewer *v, size_t scan, const double xyz[3],
                        double field_mm, const double *truth, struct view *out,
                        struct error *err);
void view_release(struct view *v);

/* Axial slices of a whole scan, for looking through it: each `step`-th, a pixel a block
 * of `block` x `block` voxels, in LAYER_GREYS greys. */
struct stack {
    int64_t slices, step, block; /* slices of the volume; how they are thinned out */
    int64_t rows, columns;       /* pixels */
    double row_mm, column_mm;
    bool reversed; /* the first slice lies nearer to the head than the last */
};

/* Opens a scan for its slices, so thinned out that `pixels` hold all of them. *found:
 * false when the scan cannot be read (then `note` says why). */
enum status viewer_stack(struct viewer *v, size_t scan, int64_t pixels, struct stack *out,
                         bool *found, char note[ERROR_MESSAGE_BYTES], struct error *err);

/* *png = one slice of it, to be freed. */
enum status viewer_slice(struct viewer *v, const struct stack *s, int64_t slice,
                         void **png, size_t *bytes, struct error *err);

/* Where a place (mm) of the scan lies: its slice (not rounded), and row and column in
 * pixels of the stack. */
void viewer_place(const struct viewer *v, const struct stack *s, const double xyz[3],
                  double place[3]);

#endif
