#include "phantom/field.h"

#include <math.h>

#include "base/memory.h"

enum status field_init(struct field *f, struct vec low, struct vec high, double step,
                       struct error *err)
{
    CHECK(step > 0);
    *f = (struct field){.low = low, .step = step};
    f->n[0] = (int)ceil((high.x - low.x) / step) + 1;
    f->n[1] = (int)ceil((high.y - low.y) / step) + 1;
    f->n[2] = (int)ceil((high.z - low.z) / step) + 1;
    size_t points = (size_t)f->n[0] * (size_t)f->n[1] * (size_t)f->n[2];
    void *values;
    enum status status = memory_new(points, FIELD_CHANNELS * sizeof(float),
                                    "fields of a phantom", &values, err);
    if (status == STATUS_OK)
        f->values = values;
    return status;
}

void field_release(struct field *f)
{
    free(f->values);
    f->values = NULL;
}

struct vec field_point(const struct field *f, int ix, int iy, int iz)
{
    return vec(f->low.x + ix * f->step, f->low.y + iy * f->step, f->low.z + iz * f->step);
}

float *field_at(const struct field *f, int ix, int iy, int iz)
{
    size_t row = (size_t)iz * (size_t)f->n[1] + (size_t)iy;
    return f->values + (row * (size_t)f->n[0] + (size_t)ix) * FIELD_CHANNELS;
}

static int cell_of(double v, int n, float *t)
{
    v = clamp(v, 0, n - 1);
    int i = (int)v;
    if (i > n - 2)
        i = n - 2;
    *t = (float)(v - i);
    return i;
}

void field_sample(const struct field *f, struct vec p, float out[FIELD_CHANNELS])
{
    enum { C = FIELD_CHANNELS };
    float tx, ty, tz;
    int ix = cell_of((p.x - f->low.x) / f->step, f->n[0], &tx);
    int iy = cell_of((p.y - f->low.y) / f->step, f->n[1], &ty);
    int iz = cell_of((p.z - f->low.z) / f->step, f->n[2], &tz);
    size_t row = (size_t)f->n[0] * C, slice = row * (size_t)f->n[1];
    const float *v = field_at(f, ix, iy, iz), *w = v + slice;
    for (int k = 0; k < C; k++) {
        float a = v[k] + tx * (v[k + C] - v[k]);
        float b = v[row + k] + tx * (v[row + k + C] - v[row + k]);
        float c = w[k] + tx * (w[k + C] - w[k]);
        float d = w[row + k] + tx * (w[row + k + C] - w[row + k]);
        a += ty * (b - a);
        c += ty * (d - c);
        out[k] = a + tz * (c - a);
    }
}

static float slope(const struct field *f, int channel, int ix, int iy, int iz)
{
    int at[3] = {ix, iy, iz};
    double sum = 0;
    for (int a = 0; a < 3; a++) {
        int low[3] = {ix, iy, iz}, high[3] = {ix, iy, iz};
        low[a] = at[a] > 0 ? at[a] - 1 : 0;
        high[a] = at[a] < f->n[a] - 1 ? at[a] + 1 : at[a];
        double d = field_at(f, high[0], high[1], high[2])[channel] -
                   field_at(f, low[0], low[1], low[2])[channel];
        d /= f->step * (high[a] - low[a]);
        sum += d * d;
    }
    return (float)sqrt(sum);
}

void field_normalise(struct field *f, int channel, float *scratch)
{
    size_t i = 0;
    for (int iz = 0; iz < f->n[2]; iz++)
        for (int iy = 0; iy < f->n[1]; iy++)
            for (int ix = 0; ix < f->n[0]; ix++)
                scratch[i++] = slope(f, channel, ix, iy, iz);
    for (size_t k = 0; k < i; k++) {
        float s = scratch[k] > 0.3f ? scratch[k] : 0.3f;
        f->values[k * FIELD_CHANNELS + (size_t)channel] /= s;
    }
}
