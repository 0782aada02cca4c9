#include "phantom/synthesis.h"

#include <math.h>

#include "base/memory.h"
#include "ct/metaimage_writer.h"
#include "phantom/truth.h"

/* Slices that are painted at a time. */
enum { SLAB = 16 };

enum status synthesis_init(struct synthesis *s, const struct scanner_size *size,
                           uint64_t seed, uint64_t index, struct error *err)
{
    enum status status = STATUS_OK;
    *s = (struct synthesis){.scan = roster_scan(seed, index), .seed = seed};
    TRY(patient_new(seed, s->scan.patient, &s->patient, err));
    scanner_init(&s->scanner, s->patient, size, seed, index);
    TRY(findings_init(&s->findings, s->patient, seed, s->scan.patient, err));
out:
    return status;
}

enum status synthesis_measure(const struct scanner_size *size, uint64_t seed,
                              uint64_t index, int64_t *voxels, struct error *err)
{
    struct patient *p;
    struct scanner s;
    *voxels = size->voxels[0] * size->voxels[1] * size->voxels[2];
    if (*voxels > 0)
        return STATUS_OK;
    enum status status = patient_new(seed, roster_scan(seed, index).patient, &p, err);
    if (status != STATUS_OK)
        return status;
    scanner_init(&s, p, size, seed, index);
    *voxels = geometry_voxels(&s.grid);
    patient_free(p);
    return STATUS_OK;
}

void synthesis_release(struct synthesis *s)
{
    findings_release(&s->findings);
    patient_free(s->patient);
    s->patient = NULL;
}

enum status synthesis_write_truth(const struct synthesis *s, double negatives,
                                  const char *path, struct error *err)
{
    struct phantom_candidate *candidates = NULL;
    size_t count = 0;
    enum status status =
        phantom_candidates(s->patient, &s->findings, s->seed, s->scan.index, negatives,
                           &candidates, &count, err);
    if (status != STATUS_OK)
        return status;
    struct truth t = {.seriesuid = s->scan.seriesuid,
                      .patient = s->scan.patient_name,
                      .findings = &s->findings,
                      .candidates = candidates,
                      .candidate_count = count,
                      .seed = s->seed,
                      .index = s->scan.index};
    memcpy(t.offset, s->scanner.offset, sizeof t.offset);
    status = truth_write(path, &t, err);
    free(candidates);
    return status;
}

/* A slab being painted, a slice being imaged, and the files that they go to: memory does
 * not grow with the number of slices. Masks are NULL unless they are asked for. */
struct canvas {
    float *hu;
    uint16_t *nodules;
    uint8_t *labels, *lungs; /* labels: nodules as they are written */
    int16_t *voxels;
    struct imager *imager;
    struct metaimage_writer *volume_file, *nodule_file, *lung_file;
};

static void canvas_release(struct canvas *c)
{
    free(c->hu);
    free(c->nodules);
    free(c->labels);
    free(c->lungs);
    free(c->voxels);
    imager_free(c->imager);
    metaimage_writer_abandon(c->volume_file);
    metaimage_writer_abandon(c->nodule_file);
    metaimage_writer_abandon(c->lung_file);
}

static enum status canvas_init(struct canvas *c, const struct scanner *s, bool nodules,
                               bool lungs, struct error *err)
{
    enum status status = STATUS_OK;
    size_t slice = (size_t)(s->grid.size[1] * s->grid.size[2]), count = slice * SLAB;
    void *p;
    *c = (struct canvas){0};
    TRY(memory_new(count, sizeof *c->hu, "slab of a phantom", &p, err));
    c->hu = p;
    TRY(memory_new(slice, sizeof *c->voxels, "slice of a phantom", &p, err));
    c->voxels = p;
    if (nodules) {
        TRY(memory_new(count, sizeof *c->nodules, "mask of nodules", &p, err));
        c->nodules = p;
        TRY(memory_new(count, sizeof *c->labels, "mask of nodules", &p, err));
        c->labels = p;
    }
    if (lungs) {
        TRY(memory_new(count, sizeof *c->lungs, "mask of lungs", &p, err));
        c->lungs = p;
    }
    TRY(imager_new(s, &c->imager, err));
out:
    return status;
}

static enum status canvas_open(struct canvas *c, const struct synthesis *s,
                               const struct synthesis_paths *paths, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry world = scanner_world(&s->scanner);
    if (paths->nodules)
        TRY(metaimage_writer_open(paths->nodules, &world, "MET_UCHAR", true,
                                  &c->nodule_file, err));
    if (paths->lungs)
        TRY(metaimage_writer_open(paths->lungs, &world, "MET_UCHAR", true, &c->lung_file,
                                  err));
    TRY(metaimage_writer_open(paths->volume, &world, "MET_SHORT", s->scanner.compressed,
                              &c->volume_file, err));
out:
    return status;
}

/* Ends a file and forgets it, whatever comes of it. */
static enum status close_file(struct metaimage_writer **w, struct error *err)
{
    struct metaimage_writer *ending = *w;
    *w = NULL;
    return ending ? metaimage_writer_close(ending, err) : STATUS_OK;
}

/* Nodules come last, so that no mimic covers what is annotated. */
static enum status paint_findings(const struct synthesis *s, const struct geometry *g,
                                  int64_t first, int64_t count, float *hu,
                                  uint16_t *nodules, struct error *err)
{
    enum status status = STATUS_OK;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->findings.count; i++) {
            const struct finding *f = &s->findings.items[i];
            bool nodule = f->kind == FINDING_NODULE;
            if (nodule != (pass == 1))
                continue;
            CHECK(!nodule || i < UINT8_MAX); /* a mask has bytes */
            TRY(finding_paint(f, g, first, count, hu, nodule ? nodules : NULL,
                              (uint16_t)(i + 1), err));
        }
out:
    return status;
}

static enum status paint(const struct synthesis *s, struct canvas *c, int64_t first,
                         int64_t count, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = &s->scanner.grid;
    size_t voxels = (size_t)(count * g->size[1] * g->size[2]);
    if (c->nodules)
        memset(c->nodules, 0, voxels * sizeof *c->nodules);
    TRY(patient_paint(s->patient, g, first, count, c->hu, c->lungs, err));
    TRY(paint_findings(s, g, first, count, c->hu, c->nodules, err));
out:
    return status;
}

static enum status put_masks(struct canvas *c, const struct geometry *g, int64_t count,
                             struct error *err)
{
    enum status status = STATUS_OK;
    if (c->nodule_file) {
        for (int64_t i = 0; i < count * g->size[1] * g->size[2]; i++)
            c->labels[i] = (uint8_t)c->nodules[i];
        TRY(metaimage_writer_put(c->nodule_file, c->labels, count, err));
    }
    if (c->lung_file)
        TRY(metaimage_writer_put(c->lung_file, c->lungs, count, err));
out:
    return status;
}

/* A slice into the imager, and the one before it out of it into the file, if there is
 * one. */
static enum status put_slice(struct canvas *c, const float *hu, struct error *err)
{
    if (!imager_slice(c->imager, hu, c->voxels) || !c->volume_file)
        return STATUS_OK;
    return metaimage_writer_put(c->volume_file, c->voxels, 1, err);
}

/* Slices [first, end). */
static enum status make(const struct synthesis *s, struct canvas *c, int64_t first,
                        int64_t end, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = &s->scanner.grid;
    for (int64_t z = first; z < end; z += SLAB) {
        int64_t n = end - z < SLAB ? end - z : SLAB;
        TRY(paint(s, c, z, n, err));
        TRY(put_masks(c, g, n, err));
        for (int64_t i = 0; i < n; i++)
            TRY(put_slice(c, c->hu + i * g->size[1] * g->size[2], err));
    }
    TRY(put_slice(c, NULL, err));
out:
    return status;
}

enum status synthesis_write_volumes(const struct synthesis *s,
                                    const struct synthesis_paths *paths,
                                    struct error *err)
{
    enum status status = STATUS_OK;
    struct canvas c;
    TRY(canvas_init(&c, &s->scanner, paths->nodules != NULL, paths->lungs != NULL, err));
    TRY(canvas_open(&c, s, paths, err));
    TRY(make(s, &c, 0, s->scanner.grid.size[0], err));
    TRY(close_file(&c.nodule_file, err));
    TRY(close_file(&c.lung_file, err));
    TRY(close_file(&c.volume_file, err));
out:
    canvas_release(&c);
    return status;
}

enum status synthesis_probe(const struct synthesis *s, int64_t first, int64_t count,
                            struct error *err)
{
    struct canvas c;
    enum status status = canvas_init(&c, &s->scanner, false, false, err);
    if (status == STATUS_OK)
        status = make(s, &c, first, first + count, err);
    canvas_release(&c);
    return status;
}
