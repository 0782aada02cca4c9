#include "phantom/synthesis.h"

#include <math.h>

#include "base/memory.h"
#include "ct/metaimage_writer.h"
#include "phantom/truth.h"

/* Slices that are painted at a time: what is painted twice stays near. */
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

/* Voxels of a scan: hu and voxels always, masks when they are asked for. */
struct canvas {
    float *hu;
    int16_t *voxels;
    uint16_t *nodules;
    uint8_t *lungs;
};

static void canvas_release(struct canvas *c)
{
    free(c->hu);
    free(c->voxels);
    free(c->nodules);
    free(c->lungs);
}

static enum status canvas_init(struct canvas *c, int64_t voxels, bool nodules, bool lungs,
                               struct error *err)
{
    enum status status = STATUS_OK;
    size_t count = (size_t)voxels;
    void *p;
    TRY(memory_new(count, sizeof *c->hu, "a phantom", &p, err));
    c->hu = p;
    TRY(memory_new(count, sizeof *c->voxels, "voxels of a phantom", &p, err));
    c->voxels = p;
    if (nodules) {
        TRY(memory_new(count, sizeof *c->nodules, "mask of nodules", &p, err));
        c->nodules = p;
    }
    if (lungs) {
        TRY(memory_new(count, sizeof *c->lungs, "mask of lungs", &p, err));
        c->lungs = p;
    }
out:
    return status;
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
            CHECK(i < UINT16_MAX);
            TRY(finding_paint(f, g, first, count, hu, nodule ? nodules : NULL,
                              (uint16_t)(i + 1), err));
        }
out:
    return status;
}

static enum status paint(const struct synthesis *s, struct canvas *c, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = &s->scanner.grid;
    for (int64_t z = 0; z < g->size[0]; z += SLAB) {
        int64_t n = g->size[0] - z < SLAB ? g->size[0] - z : SLAB;
        int64_t at = z * g->size[1] * g->size[2];
        TRY(patient_paint(s->patient, g, z, n, c->hu + at,
                          c->lungs ? c->lungs + at : NULL, err));
        TRY(paint_findings(s, g, z, n, c->hu + at, c->nodules ? c->nodules + at : NULL,
                           err));
    }
out:
    return status;
}

static enum status write_nodules(const char *path, const struct geometry *g,
                                 uint16_t *labels, size_t nodules, struct error *err)
{
    uint8_t *bytes = (uint8_t *)labels;
    int64_t voxels = geometry_voxels(g);
    if (nodules > UINT8_MAX)
        return metaimage_write(path, g, "MET_USHORT", labels, true, err);
    for (int64_t i = 0; i < voxels; i++)
        bytes[i] = (uint8_t)labels[i]; /* never ahead of what is read */
    return metaimage_write(path, g, "MET_UCHAR", bytes, true, err);
}

enum status synthesis_write_volumes(const struct synthesis *s,
                                    const struct synthesis_paths *paths,
                                    struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry world = scanner_world(&s->scanner);
    struct canvas c = {0};
    size_t nodules = 0;
    while (nodules < s->findings.count &&
           s->findings.items[nodules].kind == FINDING_NODULE)
        nodules++;
    TRY(canvas_init(&c, geometry_voxels(&world), paths->nodules != NULL,
                    paths->lungs != NULL, err));
    TRY(paint(s, &c, err));
    TRY(scanner_image(&s->scanner, c.hu, c.voxels, err));
    if (paths->nodules)
        TRY(write_nodules(paths->nodules, &world, c.nodules, nodules, err));
    if (paths->lungs)
        TRY(metaimage_write(paths->lungs, &world, "MET_UCHAR", c.lungs, true, err));
    TRY(metaimage_write(paths->volume, &world, "MET_SHORT", c.voxels,
                        s->scanner.compressed, err));
out:
    canvas_release(&c);
    return status;
}

enum status synthesis_probe(const struct synthesis *s, int64_t first, int64_t count,
                            struct error *err)
{
    enum status status = STATUS_OK;
    struct scanner part = s->scanner;
    struct geometry *g = &part.grid;
    struct canvas c = {0};
    double index[3] = {(double)first, 0, 0}, origin[3];
    geometry_to_mm(g, index, origin);
    memcpy(g->origin, origin, sizeof origin);
    g->size[0] = count;
    TRY(canvas_init(&c, geometry_voxels(g), false, false, err));
    TRY(patient_paint(s->patient, g, 0, count, c.hu, NULL, err));
    TRY(paint_findings(s, g, 0, count, c.hu, NULL, err));
    TRY(scanner_image(&part, c.hu, c.voxels, err));
out:
    canvas_release(&c);
    return status;
}
