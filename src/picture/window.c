#include "picture/window.h"

#include <math.h>

const struct window window_lung = {.centre = -600, .width = 1500};
const struct window window_soft = {.centre = 40, .width = 400};

enum status window_parse(const char *text, struct window *out, struct error *err)
{
    char *end;
    if (!strcmp(text, "lung") || !strcmp(text, "soft")) {
        *out = text[0] == 'l' ? window_lung : window_soft;
        return STATUS_OK;
    }
    out->centre = strtod(text, &end);
    if (end != text && *end == ',') {
        const char *second = end + 1;
        out->width = strtod(second, &end);
        if (end != second && !*end && isfinite(out->centre) && isfinite(out->width) &&
            out->width > 0)
            return STATUS_OK;
    }
    return error_set(err, STATUS_JOB_CONFIG,
                     "'%s' is not a window: lung, soft, or CENTRE,WIDTH in HU", text);
}

uint8_t window_grey(const struct window *w, double hu)
{
    double above = hu - (w->centre - w->width / 2);
    if (!(above > 0))
        return 0;
    return above >= w->width ? 255 : (uint8_t)floor(255 * above / w->width + 0.5);
}
