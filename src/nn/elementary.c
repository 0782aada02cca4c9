#include "nn/elementary.h"

#include <math.h>

static const double ln2 = 0.69314718055994530942;

/* x = n ln 2 + r with |r| <= ln 2 / 2, then Taylor's series of r. */
double same_exp(double x)
{
    /* The first part of ln 2 has few bits, so that n times it is exact. */
    static const double ln2_high = 0.693145751953125, ln2_low = 1.42860682030941723212e-6;
    if (!(x >= -708))
        return x < -708 ? 0 : x;
    if (x > 709)
        return INFINITY;
    const double n = rint(x / ln2);
    const double r = (x - n * ln2_high) - n * ln2_low;
    double term = 1, sum = 0;
    for (int i = 1; i <= 14; i++) {
        term *= r / i;
        sum += term;
    }
    return ldexp(1 + sum, (int)n);
}

/* log((1 + s) / (1 - s)) for |s| <= 1/3: twice the series s + s^3 / 3 + s^5 / 5 ... */
static double log_of_ratio(double s)
{
    const double square = s * s;
    double sum = 0;
    for (int i = 35; i >= 3; i -= 2)
        sum = (sum + 1.0 / i) * square;
    return 2 * s + 2 * s * sum;
}

double same_log(double x)
{
    int exponent;
    if (!(x > 0) || isinf(x))
        return x == 0 ? -INFINITY : x > 0 ? x : NAN;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752440) {
        m *= 2;
        exponent--;
    }
    return exponent * ln2 + log_of_ratio((m - 1) / (m + 1));
}

double same_log1p(double x)
{
    return log_of_ratio(x / (2 + x));
}

double same_pow(double x, double y)
{
    return y == 0 ? 1 : x == 0 ? 0 : same_exp(y * same_log(x));
}
