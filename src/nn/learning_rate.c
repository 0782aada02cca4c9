#include "nn/learning_rate.h"

static const char *const names[] = {
    [LEARNING_RATE_CONSTANT] = "constant",
    [LEARNING_RATE_STEP] = "step",
    [LEARNING_RATE_COSINE] = "cosine",
};

enum { KINDS = sizeof names / sizeof names[0] };

enum status learning_rate_parse(const char *name, enum learning_rate_kind *out,
                                struct error *err)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum learning_rate_kind)i;
            return STATUS_OK;
        }
    return error_set(err, STATUS_JOB_CONFIG,
                     "unknown schedule \"%s\" (constant, step or cosine)", name);
}

const char *learning_rate_name(enum learning_rate_kind k)
{
    return names[k];
}

/* (1 + cos(pi x)) / 2 for x in [0, 1], that is cos^2(pi x / 2): Taylor's series of the
 * sine of at most pi / 4, to the last bit. */
static double half_cosine(double x)
{
    static const double pi = 3.14159265358979323846;
    const double angle = x <= 0.5 ? pi * x / 2 : pi * (1 - x) / 2;
    double term = angle, sine = angle;
    for (int i = 1; i <= 8; i++) {
        term *= -angle * angle / ((2 * i) * (2 * i + 1));
        sine += term;
    }
    return x <= 0.5 ? 1 - sine * sine : sine * sine;
}

double learning_rate_at(const struct learning_rate *r, int64_t step)
{
    if (step < r->warmup) /* the schedule's first rate is its base */
        return r->base * (double)(step + 1) / (double)r->warmup;
    const int64_t done = step - r->warmup, steps = r->steps - r->warmup;
    double rate = r->base;
    switch (r->kind) {
    case LEARNING_RATE_CONSTANT:
        break;
    case LEARNING_RATE_STEP:
        CHECK(r->period > 0);
        for (int64_t i = r->period; i <= done; i += r->period)
            rate *= r->gamma;
        break;
    case LEARNING_RATE_COSINE:
        rate = done >= steps ? r->least
                             : r->least + (r->base - r->least) *
                                              half_cosine((double)done / (double)steps);
        break;
    }
    return rate;
}

double learning_rate_scale(double base, int64_t batch, int64_t reference_batch)
{
    CHECK(reference_batch > 0);
    return base * (double)batch / (double)reference_batch;
}
