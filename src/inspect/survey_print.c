/* A survey for people. */
#include <math.h>

#include "base/file.h"
#include "config/path_list.h"
#include "inspect/survey.h"
#include "run/crossval_groups.h"

enum { SHOWN = 10, BAR = 40, BYTES_TEXT = 24 };

/* "1.2 GB" */
static const char *bytes_text(int64_t bytes, char text[BYTES_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    snprintf(text, BYTES_TEXT, unit && value < 99.95 ? "%.1f %s" : "%.0f %s", value,
             units[unit]);
    return text;
}

static double percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

static void print_bar(int64_t count, int64_t most, FILE *out)
{
    int64_t n = most > 0 ? (count * BAR + most - 1) / most : 0;
    while (n-- > 0)
        fputc('#', out);
    fputc('\n', out);
}

static void print_more(int64_t shown, int64_t all, FILE *out)
{
    if (all > shown)
        fprintf(out, "  ... and %lld more (--json names all)\n",
                (long long)(all - shown));
}

/* --- scans --- */

static void print_scans(const struct survey *v, FILE *out)
{
    char bytes[BYTES_TEXT];
    fprintf(out, "data set     %s\n", v->root);
    fprintf(out, "scans        %zu, %s; %lld broken, %lld missing, %lld in no list\n\n",
            v->dataset.count, bytes_text(v->bytes, bytes), (long long)v->broken,
            (long long)v->missing_count, (long long)v->unlisted);
    fprintf(out, "subset    scans   broken  in no list       size\n");
    for (int k = 0; k < DATASET_SUBSETS; k++) {
        const struct survey_subset *s = &v->subsets[k];
        if (s->asked && s->present)
            fprintf(out, "  %d     %7lld  %7lld     %7lld  %9s\n", k, (long long)s->scans,
                    (long long)s->broken, (long long)s->unlisted,
                    bytes_text(s->bytes, bytes));
        else if (s->asked)
            fprintf(out, "  %d     no folder\n", k);
    }
}

static void print_broken(const struct survey *v, FILE *out)
{
    int64_t shown = 0;
    if (v->broken)
        fprintf(out, "\nbroken scans\n");
    for (size_t i = 0; i < v->dataset.count && shown < SHOWN; i++)
        if (v->reasons[i]) {
            fprintf(out, "  %s\n", v->reasons[i]);
            shown++;
        }
    print_more(shown, v->broken, out);
}

static void print_missing(const struct survey *v, FILE *out)
{
    int64_t shown = v->missing_count < SHOWN ? v->missing_count : SHOWN;
    if (v->missing_count)
        fprintf(out, "\nmissing scans: in %s, not on disk\n",
                path_name(v->lists[LIST_SERIES].path));
    for (int64_t i = 0; i < shown; i++)
        fprintf(out, "  %s\n", v->missing[i]);
    print_more(shown, v->missing_count, out);
}

static void print_problems(const struct survey *v, FILE *out)
{
    int64_t all = (int64_t)v->dataset.problem_count, shown = all < SHOWN ? all : SHOWN;
    if (all)
        fprintf(out, "\nproblems of the tree\n");
    for (int64_t i = 0; i < shown; i++)
        fprintf(out, "  %s\n", v->dataset.problems[i].sentence);
    print_more(shown, all, out);
}

/* --- headers and voxels --- */

static void print_spread(const char *name, const struct spread *s, const char *format,
                         FILE *out)
{
    const double values[] = {s->low, s->q1, s->median, s->q3, s->high};
    fprintf(out, "  %-24s", name);
    for (int i = 0; i < 5; i++)
        fprintf(out, format, values[i]);
    fputc('\n', out);
}

static void print_thickness(const struct survey_headers *h, FILE *out)
{
    int64_t most = 0;
    for (int i = 0; i < THICKNESS_BINS; i++)
        most = h->thickness_bins[i] > most ? h->thickness_bins[i] : most;
    fprintf(out, "slice thickness\n");
    for (int i = 0; i < THICKNESS_BINS; i++) {
        if (i < THICKNESS_BINS - 1)
            fprintf(out, "  to %-5g mm", thickness_bounds[i]);
        else
            fprintf(out, "  above %g mm", thickness_bounds[i - 1]);
        fprintf(out, " %7lld  ", (long long)h->thickness_bins[i]);
        print_bar(h->thickness_bins[i], most, out);
    }
}

static void print_headers(const struct survey *v, FILE *out)
{
    const struct survey_headers *h = &v->headers;
    static const char *const axes[] = {"slices", "rows", "columns"};
    char bytes[BYTES_TEXT];
    if (!h->scans)
        return;
    fprintf(
        out,
        "\nheaders                        min  quartile    median  quartile       max\n");
    print_spread("slice thickness, mm", &h->thickness, "%10.3f", out);
    print_spread("pixel spacing, mm", &h->pixel, "%10.3f", out);
    for (int k = 0; k < 3; k++)
        print_spread(axes[k], &h->size[k], "%10.0f", out);
    print_thickness(h, out);
    fprintf(out, "directions  ");
    for (int k = 0; k < DIRECTION_KINDS; k++)
        fprintf(out, "%s %s: %lld", k ? "," : "", direction_name((enum direction_kind)k),
                (long long)h->directions[k]);
    fprintf(out, "\nvoxels       %.4g million, the largest scan %.4g million;",
            (double)h->voxels * 1e-6, (double)h->largest_voxels * 1e-6);
    for (int k = 0; k < h->element_count; k++)
        fprintf(out, "%s %s: %lld", k ? "," : "", h->elements[k].name,
                (long long)h->elements[k].scans);
    fprintf(out, "\ncompressed   %lld scans (%.1f %%), %s\n", (long long)h->compressed,
            percent(h->compressed, h->scans), bytes_text(h->compressed_bytes, bytes));
    if (h->oblong)
        fprintf(out, "not square   the pixels of %lld scans\n", (long long)h->oblong);
}

static void print_voxels(const struct survey *v, FILE *out)
{
    const struct survey_voxels *x = &v->voxels;
    if (!v->deep || !x->scans)
        return;
    fprintf(out, "\nvoxels of %lld scans, padding left out\n", (long long)x->scans);
    fprintf(out, "  HU                      %.0f to %.0f, mean %.1f\n", x->low, x->high,
            x->mean);
    print_spread("mean HU of a scan", &x->scan_mean, "%10.1f", out);
    fprintf(out, "  field-of-view padding   %.3f %% of the voxels, in %lld scans",
            percent(x->padding, x->voxels), (long long)x->padded_scans);
    if (x->padding)
        fprintf(out, ", down to %.0f HU", x->padding_low);
    fputc('\n', out);
}

/* --- lists --- */

static const char *list_title(enum survey_list_kind k)
{
    static const char *const titles[] = {"seriesuids", "annotations", "malignancy",
                                         "candidates", "excluded"};
    return titles[k];
}

static void print_list(const struct survey_list *l, enum survey_list_kind k, FILE *out)
{
    fprintf(out, "%-12s ", list_title(k));
    if (!l->path[0]) {
        fprintf(out, "no list\n");
        return;
    }
    if (l->error) {
        fprintf(out, "cannot be used: %s\n", l->error);
        return;
    }
    fprintf(out, "%lld rows of %lld scans; here %lld of %lld", (long long)l->rows,
            (long long)l->scans, (long long)l->rows_here, (long long)l->scans_here);
    if (l->rows_absent)
        fprintf(out, "; %lld of %lld scans that are not there", (long long)l->rows_absent,
                (long long)l->scans_absent);
    if (l->rows_outside)
        fprintf(out, "; %lld centres outside their volume", (long long)l->rows_outside);
    fputc('\n', out);
}

static int64_t nodule_count(const struct survey *v, int bin)
{
    int64_t n = 0;
    for (int k = 0; k < MALIGNANCY_KINDS; k++)
        n += v->nodules[bin][k];
    return n;
}

static void print_nodules(const struct survey *v, FILE *out)
{
    static const char *const bins[] = {"not measured", "< 3 mm",   "3-5 mm",  "5-10 mm",
                                       "10-20 mm",     "20-30 mm", ">= 30 mm"};
    int64_t all = 0, most = 0;
    for (int i = 0; i < DIAMETER_BINS; i++) {
        all += nodule_count(v, i);
        most = nodule_count(v, i) > most ? nodule_count(v, i) : most;
    }
    if (!all)
        return;
    fprintf(out, "\nnodules        all   benign  malignant  not said\n");
    for (int i = 0; i < DIAMETER_BINS; i++) {
        const int64_t *n = v->nodules[i];
        if (i == 0 && !nodule_count(v, i))
            continue;
        fprintf(out, "  %-12s%4lld  %7lld    %7lld   %7lld  ", bins[i],
                (long long)nodule_count(v, i), (long long)n[MALIGNANCY_NO],
                (long long)n[MALIGNANCY_YES], (long long)n[MALIGNANCY_UNSAID]);
        print_bar(nodule_count(v, i), most, out);
    }
    if (v->unmatched_malignancies)
        fprintf(out, "  %lld rows of the malignancy list are of no annotated nodule\n",
                (long long)v->unmatched_malignancies);
}

static void print_lists(const struct survey *v, FILE *out)
{
    fprintf(out, "\n");
    for (int k = 0; k < LIST_KINDS; k++)
        print_list(&v->lists[k], (enum survey_list_kind)k, out);
    if (!v->complete)
        fprintf(
            out,
            "             subsets that were not asked for are not on this disk: listed "
            "scans may be there\n");
    print_nodules(v, out);
    if (v->lists[LIST_CANDIDATES].rows_here)
        fprintf(out, "\ncandidates   class 0: %lld, class 1: %lld\n",
                (long long)v->candidates[0], (long long)v->candidates[1]);
}

/* --- what the job needs --- */

/* A line a model. */
static void print_ensemble(const struct survey_weights *w, FILE *out)
{
    fprintf(out, "mean of %zu models, %s, %lld parameters in all:\n",
            path_list_count(w->path), w->network, (long long)w->parameters);
    for (const char *p = w->path; p; p = path_list_next(p))
        fprintf(out, "             %.*s\n", (int)path_list_length(p), p);
}

static void print_weights(const struct survey_weights *w, FILE *out)
{
    fprintf(out, "%-12s ", w->stage);
    if (!w->path[0])
        fprintf(out, "no weights%s\n", w->needed ? ": missing, the job needs them" : "");
    else if (w->error)
        fprintf(out, "cannot be used: %s\n", w->error);
    else if (path_list_count(w->path) > 1)
        print_ensemble(w, out);
    else
        fprintf(out, "%s, %lld parameters: %s\n", w->network, (long long)w->parameters,
                w->path);
}

static void print_cache_room(const struct survey_room *r, FILE *out)
{
    char a[BYTES_TEXT], b[BYTES_TEXT];
    if (!r->cache[0])
        return;
    fprintf(out, "cache        %s: all scans take up to %s", r->cache,
            bytes_text(r->cache_bytes, a));
    if (r->cache_free_bytes >= 0)
        fprintf(out, ", %s free", bytes_text(r->cache_free_bytes, b));
    fputc('\n', out);
}

static void print_training(const struct survey_room *r, FILE *out)
{
    char a[BYTES_TEXT], b[BYTES_TEXT];
    if (r->refusal)
        fprintf(out, "train        would be refused: %s\n", r->refusal);
    for (int i = 0; i < TRAIN_STAGES; i++) {
        const struct survey_training *t = &r->training[i];
        if (!t->stage)
            continue;
        fprintf(out, "train        %s: ", t->stage);
        if (t->error) {
            fprintf(out, "cannot be trained: %s\n", t->error);
            continue;
        }
        fprintf(out, "batches of %lld take %s on one worker, %s a sample of its share",
                (long long)t->batch, bytes_text(t->alone_bytes, a),
                bytes_text(t->sample_bytes, b));
        if (t->workers == 0)
            fprintf(out, "; MORE than limits.memory_gb = %g on any number\n",
                    r->memory_gb);
        else if (t->workers > 1)
            fprintf(out,
                    "; limits.memory_gb = %g needs %lld workers or a smaller batch\n",
                    r->memory_gb, (long long)t->workers);
        else
            fputc('\n', out);
    }
}

static void print_folds(const struct survey_room *r, FILE *out)
{
    static const int workers[] = {1, 2, 4, 8, 16, 32};
    if (r->fold_count == 0)
        return;
    fprintf(out, "crossval     %d folds:", r->fold_count);
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        if (r->folds[k])
            fprintf(out, " %d (%lld scans)", k, (long long)r->fold_scans[k]);
    fprintf(out, "\n             at the same time, of");
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++)
        fprintf(out, "%s %d worker%s: %d", i ? "," : "", workers[i],
                workers[i] == 1 ? "" : "s",
                crossval_groups(r->groups, r->fold_count, workers[i]));
    fprintf(out, "\n");
}

static void print_room(const struct survey_room *r, FILE *out)
{
    char a[BYTES_TEXT], b[BYTES_TEXT], c[BYTES_TEXT];
    fprintf(out, "memory       %s a rank for voxels", bytes_text(r->voxel_bytes, a));
    if (r->thread_bytes)
        fprintf(out, ", %s for the weights and %s a thread for the networks",
                bytes_text(r->model_bytes, b), bytes_text(r->thread_bytes, c));
    fprintf(out, ", besides the program\n");
    if (r->too_large)
        fprintf(
            out,
            "             segment.method \"threshold\" needs a volume whole: %lld scans "
            "exceed limits.memory_gb and will be quarantined (the largest takes %s)\n",
            (long long)r->too_large, bytes_text(r->whole_bytes, a));
    if (!r->output[0]) {
        fprintf(out, "output       not given\n");
        return;
    }
    fprintf(out, "output       %s: ", r->output);
    if (r->free_bytes < 0)
        fprintf(out, "free room is not known");
    else
        fprintf(out, "%s free", bytes_text(r->free_bytes, a));
    if (r->heatmap_bytes)
        fprintf(out, ", heatmaps take %s%s", bytes_text(r->heatmap_bytes, b),
                r->free_bytes >= 0 && r->heatmap_bytes > r->free_bytes ? ": TOO LITTLE"
                                                                       : "");
    fputc('\n', out);
}

void survey_print(const struct survey *v, FILE *out)
{
    print_scans(v, out);
    print_broken(v, out);
    print_missing(v, out);
    print_problems(v, out);
    print_headers(v, out);
    print_voxels(v, out);
    print_lists(v, out);
    fputc('\n', out);
    for (int i = 0; i < 3; i++)
        print_weights(&v->weights[i], out);
    print_room(&v->room, out);
    print_training(&v->room, out);
    print_folds(&v->room, out);
    print_cache_room(&v->room, out);
}
