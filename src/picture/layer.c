#include "picture/layer.h"

#include <math.h>
#include <png.h>

#include "base/memory.h"

static enum status encode(png_image *image, const void *pixels, const void *colours,
                          void **out, size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(*image);
    void *file = NULL;
    TRY(memory_new(room, 1, "a picture", &file, err));
    if (!png_image_write_to_memory(image, file, &room, 0, pixels, 0, colours)) {
        status = error_set(err, STATUS_STAGE_MEMORY, "a picture: %s", image->message);
        goto out;
    }
    *out = file;
    *bytes = room;
    file = NULL;
out:
    png_image_free(image);
    free(file);
    return status;
}

static enum status check_sides(int64_t width, int64_t height, struct error *err)
{
    if (width >= 1 && width <= CANVAS_LIMIT && height >= 1 && height <= CANVAS_LIMIT)
        return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG,
                     "a picture of %lld x %lld pixels: each side may have 1 to %d",
                     (long long)width, (long long)height, CANVAS_LIMIT);
}

static png_image image_of(int64_t width, int64_t height, png_uint_32 format)
{
    return (png_image){.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = format};
}

enum status layer_grey_png(const uint8_t *greys, int64_t width, int64_t height,
                           void **out, size_t *bytes, struct error *err)
{
    enum status status = check_sides(width, height, err);
    if (status != STATUS_OK)
        return status;
    png_image image = image_of(width, height, PNG_FORMAT_GRAY);
    return encode(&image, greys, NULL, out, bytes, err);
}

enum status layer_tint_png(const uint8_t *steps, int64_t width, int64_t height,
                           struct colour colour, double alpha, void **out, size_t *bytes,
                           struct error *err)
{
    uint8_t colours[LAYER_STEPS + 1][4], *clipped = NULL;
    enum status status = STATUS_OK;
    TRY(check_sides(width, height, err));
    const size_t count = (size_t)(width * height);
    TRY(memory_new(count, 1, "a picture", (void **)&clipped, err));
    for (size_t i = 0; i < count; i++)
        clipped[i] = steps[i] < LAYER_STEPS ? steps[i] : LAYER_STEPS;
    for (int k = 0; k <= LAYER_STEPS; k++) {
        colours[k][0] = colour.red;
        colours[k][1] = colour.green;
        colours[k][2] = colour.blue;
        colours[k][3] = (uint8_t)lrint(255 * alpha * k / LAYER_STEPS);
    }
    png_image image = image_of(width, height, PNG_FORMAT_RGBA_COLORMAP);
    image.colormap_entries = LAYER_STEPS + 1;
    TRY(encode(&image, clipped, colours, out, bytes, err));
out:
    free(clipped);
    return status;
}
