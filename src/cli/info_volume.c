/* What a volume holds. */
#include <math.h>

#include "cli/info.h"
#include "inspect/scan_facts.h"

void info_geometry(const struct geometry *g)
{
    const double *d = g->direction;
    printf("size         %lld x %lld x %lld voxels (slices, rows, columns)\n",
           (long long)g->size[0], (long long)g->size[1], (long long)g->size[2]);
    printf("spacing      %.6g, %.6g, %.6g mm (x, y, z)\n", g->spacing[0], g->spacing[1],
           g->spacing[2]);
    printf("extent       %.1f x %.1f x %.1f mm\n", (double)g->size[2] * g->spacing[0],
           (double)g->size[1] * g->spacing[1], (double)g->size[0] * g->spacing[2]);
    printf("origin       %.6g, %.6g, %.6g mm (LPS)\n", g->origin[0], g->origin[1],
           g->origin[2]);
    printf("direction    %s:", direction_name(direction_kind(d)));
    for (int row = 0; row < 3; row++)
        printf(" [%.6g %.6g %.6g]", d[3 * row], d[3 * row + 1], d[3 * row + 2]);
    printf("\n");
}

static void print_voxels(const struct scan_facts *f)
{
    int64_t voxels = geometry_voxels(&f->geometry);
    printf("HU           %.6g to %.6g, mean %.2f, without padding\n", f->low, f->high,
           scan_facts_mean(f));
    printf("padding      %lld voxels (%.3f %%) at or below %g HU", (long long)f->padding,
           100.0 * (double)f->padding / (double)voxels, (double)PADDING_HU);
    if (f->padding)
        printf(", the lowest %.6g", f->padding_low);
    printf("\n");
}

enum status info_volume(const char *path, const struct info_options *o, struct error *err)
{
    struct scan_facts f;
    enum status status = scan_facts_read(path, true, o->deep, &f, err);
    if (status != STATUS_OK)
        return status;
    printf("volume       %s\n", path);
    info_geometry(&f.geometry);
    printf("voxels       %s, %s\n", f.element,
           f.compressed ? "compressed" : "not compressed");
    printf("files        %lld bytes\n", (long long)f.file_bytes);
    if (f.has_voxels)
        print_voxels(&f);
    return STATUS_OK;
}
