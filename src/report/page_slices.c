/* One scan to look through, slice by slice, with what was found and what is there. */
#include <math.h>

#include "report/page.h"

/* Of the room for pictures that is left, and what a pixel takes: deflated noise in 64
 * greys, then base64. */
static const double room_share = 0.9, bytes_a_pixel = 1.0;
enum { MARKS = 50 };

static size_t chosen_scan(const struct page *p)
{
    const struct stored_scan *asked =
        p->options->scan ? stored_run_find(&p->run, p->options->scan) : NULL;
    if (asked)
        return (size_t)(asked - p->run.scans);
    if (p->findings.probable_count > 0)
        return p->findings.probable[0].scan;
    for (size_t i = 0; i < p->run.scan_count; i++)
        if (p->run.scans[i].done)
            return i;
    return SIZE_MAX;
}

/* A place as the script wants it: slice, and where in the picture, in shares of it. */
static void put_mark(const struct page *p, const struct stack *s, const double xyz[3],
                     double diameter_mm, double slice_mm, const char *kind)
{
    double place[3];
    viewer_place(p->viewer, s, xyz, place);
    html_format(&p->html,
                "<li class=%s data-slice=%.2f data-x=%.5f data-y=%.5f data-r=%.5f "
                "data-reach=%.2f>",
                kind, place[0], (place[2] + 0.5) / (double)s->columns,
                (place[1] + 0.5) / (double)s->rows,
                fmax(diameter_mm, 4) / 2 / ((double)s->columns * s->column_mm),
                fmax(diameter_mm, 4) / 2 / slice_mm);
    html_format(&p->html, "<button type=button>slice %.0f</button> ", rint(place[0]) + 1);
}

static void put_marks(const struct page *p, size_t scan, const struct stack *s)
{
    const struct html *h = &p->html;
    const struct stored_scan *t = &p->run.scans[scan];
    const double slice_mm = isfinite(t->thickness_mm) ? t->thickness_mm : 1;
    size_t shown = 0;
    html_put(h, "<ol class=marks>\n");
    for (size_t i = p->findings.first[scan]; i < p->findings.nodule_count; i++) {
        const struct known_nodule *n = &p->findings.nodules[i];
        if (n->scan != scan)
            break;
        put_mark(p, s, n->place.xyz, n->place.diameter_mm, slice_mm, "known");
        html_format(h, "annotated nodule of %.1f mm, ", n->place.diameter_mm);
        html_text(h, n->lost_in);
        html_put(h, "</li>\n");
    }
    for (size_t i = 0; i < t->candidate_count && shown < MARKS; i++) {
        const struct book_candidate *c = &p->run.candidates[t->candidate_first + i];
        if ((float)c->probability < (float)p->settings->classify.threshold)
            continue;
        put_mark(p, s, c->xyz, 0, slice_mm, "found");
        html_format(h, "candidate, probability %.3f</li>\n", c->probability);
        shown++;
    }
    html_put(h, "</ol>\n");
}

static enum status put_slices(struct page *p, const struct stack *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct html *h = &p->html;
    html_put(h, "<ol class=slices hidden>\n");
    for (int64_t k = 0; k < s->slices; k += s->step) {
        void *png = NULL;
        size_t bytes;
        TRY(viewer_slice(p->viewer, s, k, &png, &bytes, err));
        html_format(h, "<li data-slice=%lld data-png=\"", (long long)k);
        html_base64(h, png, bytes);
        html_put(h, "\">\n");
        p->room -= 4.0 / 3 * (double)bytes;
        free(png);
        page_alive(p);
    }
    html_put(h, "</ol>\n");
out:
    return status;
}

static enum status put_scroller(struct page *p, size_t scan, const struct stack *s,
                                struct error *err)
{
    const struct html *h = &p->html;
    const int64_t shown = (s->slices + s->step - 1) / s->step;
    html_format(h,
                "<div class=scroller data-slices=%lld data-step=%lld><div class=screen "
                "style=\"aspect-ratio:%.2f/%.2f\"><img alt=\"axial slice\"><svg "
                "class=overlay viewBox=\"0 0 1000 %.1f\" aria-hidden=true></svg><span "
                "class=left>R</span><span class=top>A</span></div>\n<div class=controls>"
                "<label>slice <output>1</output> of %lld<input type=range min=0 max=%lld "
                "value=0 aria-label=\"slice\"></label><p class=note>Drag, turn the wheel "
                "over the picture, or use the arrow keys. ",
                (long long)s->slices, (long long)s->step,
                (double)s->columns * s->column_mm, (double)s->rows * s->row_mm,
                1000 * (double)s->rows * s->row_mm / ((double)s->columns * s->column_mm),
                (long long)s->slices, (long long)shown - 1);
    if (s->step > 1)
        html_format(h, "One slice in %lld is here. ", (long long)s->step);
    html_put(h, "Rings: filled line, a candidate that is called a nodule; broken line, "
                "an annotated nodule.</p>\n");
    put_marks(p, scan, s);
    html_put(h, "</div>\n");
    enum status status = put_slices(p, s, err);
    html_put(h, "</div>\n");
    return status;
}

enum status page_slices(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    const struct html *h = &p->html;
    struct stack s;
    char note[ERROR_MESSAGE_BYTES];
    bool found = false;
    const size_t scan = chosen_scan(p);
    page_part(p, "slices", "A scan to look through");
    if (scan == SIZE_MAX || !p->run.scans[scan].done) {
        html_put(h, "<p>There is no scan with a result.</p>\n");
    } else {
        html_put(h, "<p class=uid>");
        html_scan(h, p->run.seriesuids[scan]);
        html_put(h, "</p>\n");
        TRY(viewer_stack(p->viewer, scan, (int64_t)(p->room * room_share / bytes_a_pixel),
                         &s, &found, note, err));
        if (found) {
            TRY(put_scroller(p, scan, &s, err));
        } else {
            html_put(h, "<p class=note>No picture: ");
            html_message(h, note, p->run.seriesuids[scan]);
            html_put(h, ".</p>\n");
        }
    }
    page_part_end(p);
out:
    return status;
}
