#include "export/scan_export.h"

#include <jansson.h>
#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "export/label_volume.h"
#include "run/record.h"
#include "run/stored_mask.h"
#include "run/stored_run.h"

/* One scan under way. */
struct exporting {
    const struct scan_export *asked;
    struct stored_run *run;
    struct run_store_scan row;
    struct geometry geometry;
    struct run_store_candidate *candidates; /* those above the threshold come first */
    int64_t count;
    uint8_t *mask; /* packed */
    size_t mask_position;
    uint8_t *slab;
    int64_t files;
};

/* ---- Slicer's markups ---- */

static void describe(const struct run_store_candidate *c, char *out, size_t bytes)
{
    const struct {
        const char *what;
        float value; /* NaN: not said */
    } more[] = {{"models disagree by", c->disagreement},
                {"malignancy", c->malignancy},
                {"models disagree on malignancy by", c->malignancy_disagreement}};
    size_t used = (size_t)snprintf(out, bytes, "probability %.3f, diameter %.1f mm",
                                   (double)c->probability, c->diameter_mm);
    for (size_t i = 0; i < sizeof more / sizeof *more && used < bytes; i++)
        if (isfinite(more[i].value))
            used += (size_t)snprintf(out + used, bytes - used, ", %s %.3f", more[i].what,
                                     (double)more[i].value);
}

static json_t *point_of(const struct run_store_candidate *c, int64_t number)
{
    char id[32], label[64], description[160];
    snprintf(id, sizeof id, "%lld", (long long)number);
    snprintf(label, sizeof label, "%lld: %.3f", (long long)number,
             (double)c->probability);
    describe(c, description, sizeof description);
    return json_pack("{s:s, s:s, s:s, s:s, s:[f,f,f], s:[f,f,f,f,f,f,f,f,f], s:b, s:b, "
                     "s:b, s:s}",
                     "id", id, "label", label, "description", description,
                     "associatedNodeID", "", "position", c->xyz[0], c->xyz[1], c->xyz[2],
                     "orientation", -1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0,
                     "selected", 1, "locked", 0, "visibility", 1, "positionStatus",
                     "defined");
}

static enum status write_markups(struct exporting *x, const char *stem, struct error *err)
{
    static const char *const schema =
        "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
        "Resources/Schema/markups-schema-v1.0.3.json#";
    enum status status = STATUS_OK;
    char path[4096], *text = NULL;
    json_t *points = json_array();
    for (int64_t i = 0; i < x->count; i++)
        json_array_append_new(points, point_of(&x->candidates[i], i + 1));
    json_t *root =
        json_pack("{s:s, s:[{s:s, s:s, s:s, s:b, s:s, s:i, s:o}]}", "@schema", schema,
                  "markups", "type", "Fiducial", "coordinateSystem", "LPS",
                  "coordinateUnits", "mm", "locked", 0, "labelFormat", "%d",
                  "lastUsedControlPointNumber", (int)x->count, "controlPoints", points);
    text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    const int n = snprintf(path, sizeof path, "%s.mrk.json", stem);
    if (!text || n < 0 || (size_t)n >= sizeof path)
        status = error_set(err, STATUS_STAGE_MEMORY, "%s: cannot be written", stem);
    else
        status = file_write(path, text, strlen(text), err);
    x->files += status == STATUS_OK;
    free(text);
    json_decref(root);
    return status;
}

/* ---- label volumes ---- */

/* Slabs come in the order in which they are stored. */
static enum status fill_mask(void *context, int64_t first, int64_t count,
                             uint16_t *labels, struct error *err)
{
    struct exporting *x = context;
    const size_t voxels =
        (size_t)count * (size_t)x->geometry.size[1] * (size_t)x->geometry.size[2];
    if (first == 0)
        x->mask_position = 0;
    enum status status = mask_unpack(x->mask, (size_t)x->row.mask_bytes,
                                     &x->mask_position, x->slab, voxels, err);
    for (size_t i = 0; status == STATUS_OK && i < voxels; i++)
        labels[i] = x->slab[i];
    return status;
}

static enum status write_volumes(struct exporting *x, const char *stem, bool nifti,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    char name[4096];
    struct label_balls balls = {&x->geometry, x->candidates, x->count};
    int n = snprintf(name, sizeof name, "%s-findings", stem);
    if (n < 0 || (size_t)n >= sizeof name)
        return error_set(err, STATUS_STAGE_IO, "%s: too long a name", stem);
    TRY(label_volume_write(name, &x->geometry, nifti, label_balls_fill, &balls, err));
    x->files++;
    if (x->row.mask_bytes == 0)
        goto out;
    snprintf(name, sizeof name, "%s-mask", stem);
    TRY(label_volume_write(name, &x->geometry, nifti, fill_mask, x, err));
    x->files++;
out:
    return status;
}

/* ---- scans ---- */

static enum status read_scan(struct exporting *x, const struct stored_scan *scan,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct geometry *g = &x->geometry;
    TRY(run_reader_scan(x->run->store, scan->row, &x->row, err));
    memcpy(g->size, x->row.size, sizeof g->size);
    memcpy(g->spacing, x->row.spacing, sizeof g->spacing);
    memcpy(g->origin, x->row.origin, sizeof g->origin);
    memcpy(g->direction, x->row.direction, sizeof g->direction);
    TRY(geometry_check(g, err));
    TRY(run_reader_candidates(x->run->store, &x->row, &x->candidates, err));
    const double asked = x->asked->threshold;
    const float threshold =
        (float)(isnan(asked) ? x->run->settings.classify.threshold : asked);
    for (x->count = 0; x->count < x->row.candidate_count &&
                       x->candidates[x->count].probability >= threshold;)
        x->count++;
    TRY(memory_new((size_t)g->size[1] * (size_t)g->size[2] * SLAB_SLICES, 1,
                   "a slab of mask", (void **)&x->slab, err));
    if (x->row.mask_bytes > 0)
        TRY(stored_mask_read(x->run->store, &x->row, &x->mask, err));
out:
    return status;
}

static enum status export_scan(struct exporting *x, const struct stored_scan *scan,
                               struct error *err)
{
    enum status status = STATUS_OK;
    char *stem = NULL;
    if (strchr(scan->seriesuid, '/'))
        return error_set(err, STATUS_JOB_FAILED, "scan %s: no name for a file",
                         scan->seriesuid);
    TRY(read_scan(x, scan, err));
    TRY(path_join(x->asked->folder, scan->seriesuid, &stem, err));
    if (x->asked->markups)
        TRY(write_markups(x, stem, err));
    if (x->asked->nifti)
        TRY(write_volumes(x, stem, true, err));
    if (x->asked->metaimage)
        TRY(write_volumes(x, stem, false, err));
out:
    free(x->candidates);
    free(x->mask);
    free(x->slab);
    x->candidates = NULL;
    x->mask = x->slab = NULL;
    free(stem);
    return status;
}

enum status scan_export_write(const struct scan_export *e, int64_t *files,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct stored_run run;
    struct exporting x = {.asked = e, .run = &run};
    TRY(stored_run_open(&run, e->run, err));
    if (e->scan && !stored_run_find(&run, e->scan))
        TRY(error_set(err, STATUS_JOB_FAILED, "%s: no scan '%s' in this run", e->run,
                      e->scan));
    TRY(folder_make(e->folder, err));
    for (size_t i = 0; i < run.scan_count; i++)
        if (run.scans[i].done && (!e->scan || !strcmp(run.seriesuids[i], e->scan)))
            TRY(export_scan(&x, &run.scans[i], err));
    *files = x.files;
out:
    stored_run_release(&run);
    return status;
}
