#include "cli/info_picture.h"

#include <errno.h>
#include <math.h>
#include <strings.h>

#include "base/memory.h"
#include "ct/volume.h"
#include "picture/canvas.h"
#include "picture/sheet.h"

/* --- arguments --- */

enum {
    OPTION_PNG = 0x200,
    OPTION_AT,
    OPTION_FIELD,
    OPTION_WINDOW,
    OPTION_WIDTH,
    OPTION_VIEW,
    OPTION_CROSSHAIR,
    OPTION_OVERLAY,
};

static const struct argp_option options[] = {
    {"png", OPTION_PNG, "OUT.png", 0, "Volumes: draw planes through a point", 1},
    {"at", OPTION_AT, "X,Y,Z", 0,
     "The point, mm as in annotations.csv; default: the middle of the volume", 1},
    {"view", OPTION_VIEW, "LIST", 0,
     "The planes, side by side; default: axial,coronal,sagittal", 1},
    {"window", OPTION_WINDOW, "lung|soft|C,W", 0,
     "Centre and width of the greys in HU; default: lung (-600,1500); soft is 40,400", 1},
    {"field", OPTION_FIELD, "MM", 0, "Only a square of this side around the point", 1},
    {"width", OPTION_WIDTH, "PIXELS", 0, "Of the picture; default: as the voxels have it",
     1},
    {"crosshair", OPTION_CROSSHAIR, NULL, 0, "Mark the point", 1},
    {"overlay", OPTION_OVERLAY, "VOLUME", 0,
     "A mask or heatmap of the same size, laid over in colour", 1},
    {0},
};

/* Numbers between commas and nothing else; all finite. */
static bool parse_numbers(const char *text, int count, double *out)
{
    for (int k = 0; k < count; k++) {
        char *end;
        out[k] = strtod(text, &end);
        if (end == text || !isfinite(out[k]) || *end != (k < count - 1 ? ',' : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

/* Names of planes between commas, each at most once. */
static bool parse_planes(const char *text, struct picture_arguments *a)
{
    bool taken[SECTION_PLANES] = {false};
    a->plane_count = 0;
    for (;;) {
        size_t n = strcspn(text, ",");
        int plane = 0;
        while (plane < SECTION_PLANES && (strlen(section_plane_name(plane)) != n ||
                                          memcmp(section_plane_name(plane), text, n)))
            plane++;
        if (plane == SECTION_PLANES || taken[plane])
            return false;
        taken[plane] = true;
        a->planes[a->plane_count++] = (enum section_plane)plane;
        if (!text[n])
            return true;
        text += n + 1;
    }
}

static bool parse_width(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return end != text && !*end && !errno && value >= 1 && value <= CANVAS_LIMIT;
}

/* Asked for, so that a slip does not put a picture in the place of the volume. */
static bool ends_as_png(const char *text)
{
    size_t n = strlen(text);
    return n > 4 && strcasecmp(text + n - 4, ".png") == 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct picture_arguments *a = state->input;
    struct error err;
    a->dressed |= key > OPTION_PNG && key <= OPTION_OVERLAY;
    switch (key) {
    case ARGP_KEY_INIT:
        a->window = window_lung;
        parse_planes("axial,coronal,sagittal", a);
        return 0;
    case OPTION_PNG:
        a->png = text;
        if (!ends_as_png(text))
            argp_error(state, "--png '%s': the name of a picture ends in .png", text);
        return 0;
    case OPTION_AT:
        a->has_point = true;
        if (!parse_numbers(text, 3, a->xyz))
            argp_error(state, "'%s' is not a point: three numbers X,Y,Z in mm", text);
        return 0;
    case OPTION_FIELD:
        if (!parse_numbers(text, 1, &a->field_mm) || a->field_mm <= 0)
            argp_error(state, "--field '%s' is not a length in mm", text);
        return 0;
    case OPTION_WINDOW:
        if (window_parse(text, &a->window, &err) != STATUS_OK)
            argp_error(state, "%s", err.message);
        return 0;
    case OPTION_WIDTH:
        if (!parse_width(text, &a->width))
            argp_error(state, "--width '%s' is not a number of pixels from 1 to %d", text,
                       CANVAS_LIMIT);
        return 0;
    case OPTION_VIEW:
        if (!parse_planes(text, a))
            argp_error(state, "--view '%s': a list of axial, coronal, sagittal", text);
        return 0;
    case OPTION_CROSSHAIR:
        a->crosshair = true;
        return 0;
    case OPTION_OVERLAY:
        a->overlay = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->png && a->dressed)
            argp_error(state, "options of a picture need --png OUT.png");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp picture_argp = {.options = options, .parser = parse};

/* --- picture --- */

/* Fills sections of one volume, a slice at a time. */
static enum status take_slices(struct volume *v, struct section *sections, size_t count,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = volume_geometry(v);
    float *slice = NULL;
    TRY(memory_new((size_t)g->size[1] * (size_t)g->size[2], sizeof *slice, "a slice",
                   (void **)&slice, err));
    for (int64_t z = 0; z < g->size[0]; z++) {
        bool wanted = false;
        for (size_t i = 0; i < count; i++) {
            int64_t first, slices;
            section_slices(&sections[i], &first, &slices);
            wanted |= z >= first && z < first + slices;
        }
        if (!wanted)
            continue;
        TRY(volume_read(v, z, 1, slice, err));
        for (size_t i = 0; i < count; i++)
            section_take(&sections[i], g, z, 1, slice);
    }
out:
    free(slice);
    return status;
}

/* The planes of a volume: sections[plane_count], to be released also after a failure. */
static enum status read_sections(struct volume *v, const struct picture_arguments *a,
                                 const double xyz[3], struct section *sections,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < a->plane_count; i++)
        TRY(section_init(&sections[i], volume_geometry(v), a->planes[i], xyz, a->field_mm,
                         err));
    TRY(take_slices(v, sections, a->plane_count, err));
out:
    return status;
}

/* The overlay lies on the same voxels: its header is held against the volume's size. */
static enum status read_overlay(const struct geometry *g,
                                const struct picture_arguments *a, const double xyz[3],
                                struct section *sections, struct error *err)
{
    enum status status = STATUS_OK;
    struct volume *v = NULL;
    TRY(volume_open(a->overlay, &(struct volume_options){0}, &v, err));
    const struct geometry *o = volume_geometry(v);
    if (memcmp(o->size, g->size, sizeof g->size)) {
        status = error_set(err, STATUS_JOB_CONFIG,
                           "%s: %lld x %lld x %lld voxels over a volume of %lld x %lld x "
                           "%lld",
                           a->overlay, (long long)o->size[0], (long long)o->size[1],
                           (long long)o->size[2], (long long)g->size[0],
                           (long long)g->size[1], (long long)g->size[2]);
        goto out;
    }
    TRY(read_sections(v, a, xyz, sections, err));
out:
    volume_close(v);
    return status;
}

static void print_picture(const struct picture_arguments *a, const double xyz[3],
                          const struct canvas *canvas, double mm_per_pixel)
{
    printf("picture      %s, %lld x %lld pixels of %.3g mm:", a->png,
           (long long)canvas->width, (long long)canvas->height, mm_per_pixel);
    for (size_t i = 0; i < a->plane_count; i++)
        printf("%s %s", i ? "," : "", section_plane_name(a->planes[i]));
    printf(" through %.1f, %.1f, %.1f mm; window %g, %g HU\n", xyz[0], xyz[1], xyz[2],
           a->window.centre, a->window.width);
}

static enum status draw(struct volume *v, const struct picture_arguments *a,
                        const double xyz[3], struct section *sections,
                        struct section *overlays, struct error *err)
{
    enum status status = STATUS_OK;
    struct sheet_view views[SECTION_PLANES];
    struct canvas canvas = {0};
    double mm_per_pixel;
    TRY(read_sections(v, a, xyz, sections, err));
    if (a->overlay)
        TRY(read_overlay(volume_geometry(v), a, xyz, overlays, err));
    for (size_t i = 0; i < a->plane_count; i++)
        views[i] = (struct sheet_view){&sections[i], a->overlay ? &overlays[i] : NULL};
    TRY(sheet_init(&canvas, views, a->plane_count,
                   &(struct sheet_options){a->window, a->width, a->crosshair},
                   &mm_per_pixel, err));
    TRY(canvas_write_png(&canvas, a->png, err));
    print_picture(a, xyz, &canvas, mm_per_pixel);
out:
    canvas_release(&canvas);
    return status;
}

enum status info_picture(const char *path, const struct picture_arguments *a,
                         struct error *err)
{
    struct section sections[SECTION_PLANES] = {0}, overlays[SECTION_PLANES] = {0};
    struct volume *v;
    double xyz[3];
    enum status status = volume_open(path, &(struct volume_options){0}, &v, err);
    if (status != STATUS_OK)
        return status;
    const struct geometry *g = volume_geometry(v);
    const double middle[3] = {(double)(g->size[0] - 1) / 2, (double)(g->size[1] - 1) / 2,
                              (double)(g->size[2] - 1) / 2};
    geometry_to_mm(g, middle, xyz);
    if (a->has_point)
        memcpy(xyz, a->xyz, sizeof xyz);
    status = draw(v, a, xyz, sections, overlays, err);
    for (int i = 0; i < SECTION_PLANES; i++) {
        section_release(&sections[i]);
        section_release(&overlays[i]);
    }
    volume_close(v);
    return status;
}
