/* Places in scans with their pictures: what was missed, what was wrong, what is most
 * probable. */
#include <math.h>

#include "base/memory.h"
#include "report/page.h"

static const double field_mm = 64;

/* ---- pictures ---- */

static void put_image(const struct html *h, const char *class, const void *png,
                      size_t bytes, const char *alternative)
{
    html_format(h, "<img class=%s alt=\"%s\" src=\"data:image/png;base64,", class,
                alternative);
    html_base64(h, png, bytes);
    html_put(h, "\">");
}

/* Lines that stop short of what they point at; in mm, as the picture is laid out. */
static void put_crosshair(const struct html *h, double x, double y, double width,
                          double height, double gap)
{
    html_format(h,
                "<path class=cross d=\"M%.2f 0V%.2fM%.2f %.2fV%.2fM0 %.2fH%.2fM%.2f "
                "%.2fH%.2f\"/>",
                x, fmax(y - gap, 0), x, y + gap, fmax(height, y + gap), y,
                fmax(x - gap, 0), x + gap, y, fmax(width, x + gap));
}

static void put_plane(const struct html *h, const struct view_plane *p, int plane,
                      const struct finding *f, double gap)
{
    static const char *const left[] = {"R", "R", "A"}, *const top[] = {"A", "S", "S"};
    static const char *const names[] = {"axial", "coronal", "sagittal"};
    const double width = (double)p->columns * p->column_mm;
    const double height = (double)p->rows * p->row_mm;
    char alternative[96];
    snprintf(alternative, sizeof alternative, "%s plane, %.0f x %.0f mm", names[plane],
             width, height);
    html_format(h,
                "<figure class=plane data-plane=%s data-row=%.4f data-column=%.4f "
                "data-rows=%lld data-columns=%lld><div class=stack "
                "style=\"aspect-ratio:%.2f/%.2f\">",
                names[plane], p->row, p->column, (long long)p->rows,
                (long long)p->columns, width, height);
    put_image(h, "scan", p->png[VIEW_SCAN], p->bytes[VIEW_SCAN], alternative);
    if (p->png[VIEW_HEAT])
        put_image(h, "heat", p->png[VIEW_HEAT], p->bytes[VIEW_HEAT], "");
    if (p->png[VIEW_TRUTH])
        put_image(h, "truth", p->png[VIEW_TRUTH], p->bytes[VIEW_TRUTH], "");
    html_format(h, "<svg class=marks viewBox=\"0 0 %.2f %.2f\" aria-hidden=true>", width,
                height);
    put_crosshair(h, (p->column + 0.5) * p->column_mm, (p->row + 0.5) * p->row_mm, width,
                  height, gap);
    if (f->nodule && f->nodule->place.diameter_mm > 0)
        html_format(h, "<circle class=nodule cx=%.2f cy=%.2f r=%.2f />",
                    (p->truth_column + 0.5) * p->column_mm,
                    (p->truth_row + 0.5) * p->row_mm, f->nodule->place.diameter_mm / 2);
    html_format(h, "<path class=scale d=\"M%.2f %.2fh10\"/></svg>", fmax(width - 13, 1),
                height - 3);
    html_format(h,
                "<span class=left>%s</span><span class=top>%s</span></div>"
                "<figcaption>%s</figcaption></figure>",
                left[plane], top[plane], names[plane]);
}

static void put_note(const struct html *h, const char *note, const char *seriesuid)
{
    html_put(h, "<p class=\"note nothing\">No picture: ");
    html_message(h, note, seriesuid);
    html_put(h, ".</p>\n");
}

static enum status put_planes(struct page *p, const struct finding *f, double diameter_mm,
                              struct error *err)
{
    struct view view = {0};
    const struct html *h = &p->html;
    if (f->scan == SIZE_MAX || !p->run.scans[f->scan].done) {
        put_note(h, "the scan has no result in this run", "");
        return STATUS_OK;
    }
    const char *seriesuid = p->run.seriesuids[f->scan];
    enum status status = STATUS_OK;
    if (p->room > 0)
        TRY(viewer_look(p->viewer, f->scan, f->xyz, field_mm,
                        f->nodule ? f->nodule->place.xyz : NULL, &view, err));
    const double needed = 4.0 / 3 * (double)view.bytes;
    if (view.note[0]) {
        put_note(h, view.note, seriesuid);
    } else if (p->room <= 0 || needed > p->room) {
        p->room = 0;
        p->left_out++;
        put_note(h, "the file would grow beyond what was allowed (option --megabytes)",
                 "");
    } else {
        p->room -= needed;
        html_put(h, "<div class=planes>");
        for (int k = 0; k < SECTION_PLANES; k++)
            put_plane(h, &view.planes[k], k, f,
                      fmin(fmax(diameter_mm / 2 + 2, 4), field_mm / 4));
        html_put(h, "</div>\n");
    }
out:
    view_release(&view);
    return status;
}

/* ---- what is known of a place ---- */

static void entry(const struct html *h, const char *name, const char *format,
                  double value, const char *unit)
{
    html_format(h, "<div><dt>%s<dd>", name);
    html_number(h, format, value);
    html_format(h, "%s</div>", isfinite(value) ? unit : "");
}

static void put_truth(const struct html *h, const struct finding *f)
{
    static const char *const names[] = {"not known", "nodule",
                                        "finding that does not count", "no nodule"};
    html_format(h, "<div><dt>truth<dd>%s", names[f->truth]);
    if (f->nodule) {
        const struct nodule *n = &f->nodule->place;
        html_put(h, n->diameter_mm < 0 ? ", not measured" : "");
        if (n->diameter_mm >= 0)
            html_format(h, " of %.1f mm", n->diameter_mm);
        html_put(h, n->malignant == 1   ? ", malignant"
                    : n->malignant == 0 ? ", benign"
                                        : "");
    }
    html_put(h, "</div>");
}

static const char *seen_text(int seen)
{
    return seen > 0    ? "yes: results on it are no evidence"
           : seen == 0 ? "no"
                       : "not known";
}

static void put_command(const struct page *p, const struct finding *f)
{
    const struct html *h = &p->html;
    if (h->hide || f->scan == SIZE_MAX)
        return;
    html_put(h, "<p class=command><code>pulmo why ");
    html_text(h, p->options->folder);
    html_put(h, " ");
    html_text(h, p->run.seriesuids[f->scan]);
    html_format(h, " %.2f,%.2f,%.2f</code></p>", f->xyz[0], f->xyz[1], f->xyz[2]);
}

static void put_facts(const struct page *p, const struct finding *f,
                      const struct run_store_candidate *c)
{
    const struct html *h = &p->html;
    const bool known = f->scan != SIZE_MAX;
    html_put(h, "<dl class=facts>");
    if (f->nodule && f->candidate == SIZE_MAX) {
        html_put(h, "<div><dt>lost in<dd>");
        html_text(h, f->nodule->lost_in);
        html_put(h, "</div>");
    }
    entry(h, f->candidate == SIZE_MAX ? "best candidate near it" : "probability", "%.3f",
          f->probability, "");
    if (c) {
        if (isfinite(c->disagreement))
            entry(h, "models disagree by", "%.3f", (double)c->disagreement, "");
        entry(h, "malignancy", "%.3f", (double)c->malignancy, "");
        if (isfinite(c->malignancy_disagreement))
            entry(h, "on malignancy by", "%.3f", (double)c->malignancy_disagreement, "");
        entry(h, "diameter", "%.1f", c->diameter_mm > 0 ? c->diameter_mm : (double)NAN,
              " mm");
    }
    put_truth(h, f);
    html_format(h, "<div><dt>x, y, z<dd>%.1f, %.1f, %.1f mm</div>", f->xyz[0], f->xyz[1],
                f->xyz[2]);
    html_format(h, "<div><dt>seen by the models<dd>%s</div></dl>\n",
                known ? seen_text(p->run.scans[f->scan].seen) : seen_text(-1));
}

/* *out = the stored candidate of a finding; *has: there is one. */
static enum status read_candidate(struct page *p, const struct finding *f,
                                  struct run_store_candidate *out, bool *has,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct run_store_scan row;
    struct run_store_candidate *list = NULL;
    *has = f->candidate != SIZE_MAX;
    if (!*has)
        return STATUS_OK;
    const struct stored_scan *scan = &p->run.scans[f->scan];
    TRY(run_reader_scan(p->run.store, scan->row, &row, err));
    TRY(run_reader_candidates(p->run.store, &row, &list, err));
    *out = list[f->candidate - scan->candidate_first];
out:
    free(list);
    return status;
}

static enum status put_finding(struct page *p, const struct finding *f, size_t number,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const struct html *h = &p->html;
    struct run_store_candidate c;
    bool has;
    TRY(read_candidate(p, f, &c, &has, err));
    html_format(h,
                "<article class=finding><h4><span class=count>%zu</span> <span "
                "class=uid>",
                number);
    html_scan(h, f->scan != SIZE_MAX ? p->run.seriesuids[f->scan] : f->nodule->seriesuid);
    html_put(h, "</span></h4>\n");
    TRY(put_planes(p, f,
                   f->nodule ? f->nodule->place.diameter_mm
                   : has     ? c.diameter_mm
                             : 0,
                   err));
    put_facts(p, f, has ? &c : NULL);
    put_command(p, f);
    html_put(h, "</article>\n");
    page_alive(p);
out:
    return status;
}

static enum status put_group(struct page *p, const char *title, const char *remark,
                             const struct finding *list, size_t count, size_t all,
                             struct error *err)
{
    const struct html *h = &p->html;
    html_format(h, "<h3>%s</h3><p>%s", title, remark);
    if (count < all)
        html_format(h, " The first %zu of %zu.", count, all);
    html_put(h, count ? "</p>\n<div class=findings>\n" : " None.</p>\n");
    for (size_t i = 0; i < count; i++) {
        enum status status = put_finding(p, &list[i], i + 1, err);
        if (status != STATUS_OK)
            return status;
    }
    if (count)
        html_put(h, "</div>\n");
    return STATUS_OK;
}

static void switches(const struct html *h)
{
    html_put(
        h,
        "<fieldset class=switches><legend>Laid over the pictures</legend>"
        "<label><input type=checkbox checked data-layer=cross> crosshair</label>"
        "<label><input type=checkbox checked data-layer=nodule> annotated size</label>"
        "<label><input type=checkbox data-layer=heat> heatmap, or mask of the segmenter"
        "</label><label><input type=checkbox data-layer=truth> exact mask</label>"
        "</fieldset>\n<p class=note>Lung window (centre -600 HU, width 1500). Each voxel "
        "is shown as it is. R right, A front, S head; the bar is 10 mm.</p>\n");
}

enum status page_findings(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    const struct highlights *f = &p->findings;
    page_part(p, "findings", "Findings");
    switches(&p->html);
    if (f->scored) {
        TRY(put_group(p, "Missed nodules",
                      "Annotated nodules without a candidate that is called one, the "
                      "largest first.",
                      f->missed, f->missed_shown, f->missed_count, err));
        TRY(put_group(
            p, "Worst false positives",
            "Candidates outside of every annotated nodule and finding, the most "
            "probable first.",
            f->falses, f->false_count, f->false_count, err));
    }
    TRY(put_group(p, "Most probable", "Candidates of the whole run.", f->probable,
                  f->probable_count, p->run.candidate_count, err));
    page_part_end(p);
out:
    return status;
}
