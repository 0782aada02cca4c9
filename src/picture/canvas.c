#include "picture/canvas.h"

#include <math.h>
#include <png.h>

#include "base/file.h"
#include "base/memory.h"

enum status canvas_init(struct canvas *c, int64_t width, int64_t height,
                        struct colour fill, struct error *err)
{
    *c = (struct canvas){0};
    if (width < 1 || width > CANVAS_LIMIT || height < 1 || height > CANVAS_LIMIT)
        return error_set(err, STATUS_JOB_CONFIG,
                         "a picture of %lld x %lld pixels: each side may have 1 to %d",
                         (long long)width, (long long)height, CANVAS_LIMIT);
    size_t count = (size_t)(width * height);
    enum status status =
        memory_new(count, sizeof *c->pixels, "a picture", (void **)&c->pixels, err);
    if (status != STATUS_OK)
        return status;
    c->width = width;
    c->height = height;
    for (size_t i = 0; i < count; i++)
        c->pixels[i] = fill;
    return STATUS_OK;
}

void canvas_release(struct canvas *c)
{
    free(c->pixels);
    *c = (struct canvas){0};
}

static uint8_t mix(uint8_t below, uint8_t above, double alpha)
{
    return (uint8_t)lrint(below + alpha * (above - below));
}

void canvas_blend(struct canvas *c, int64_t x, int64_t y, struct colour colour,
                  double alpha)
{
    if (x < 0 || x >= c->width || y < 0 || y >= c->height)
        return;
    struct colour *p = &c->pixels[y * c->width + x];
    p->red = mix(p->red, colour.red, alpha);
    p->green = mix(p->green, colour.green, alpha);
    p->blue = mix(p->blue, colour.blue, alpha);
}

/* *greys = one byte a pixel, to be freed; NULL when the picture has colours. */
static enum status canvas_greys(const struct canvas *c, uint8_t **greys,
                                struct error *err)
{
    size_t count = (size_t)(c->width * c->height);
    *greys = NULL;
    for (size_t i = 0; i < count; i++)
        if (c->pixels[i].red != c->pixels[i].green ||
            c->pixels[i].red != c->pixels[i].blue)
            return STATUS_OK;
    enum status status = memory_new(count, 1, "a picture", (void **)greys, err);
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        (*greys)[i] = c->pixels[i].red;
    return status;
}

enum status canvas_write_png(const struct canvas *c, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    struct atomic_file file = {0};
    uint8_t *greys = NULL;
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)c->width,
                       .height = (png_uint_32)c->height};
    TRY(canvas_greys(c, &greys, err));
    TRY(atomic_file_open(path, &file, err));
    image.format = greys ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    const void *pixels = greys ? (const void *)greys : (const void *)c->pixels;
    if (!png_image_write_to_stdio(&image, file.stream, 0, pixels, 0, NULL)) {
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, image.message);
        goto out;
    }
    TRY(atomic_file_commit(&file, err));
out:
    atomic_file_abandon(&file);
    png_image_free(&image);
    free(greys);
    return status;
}
