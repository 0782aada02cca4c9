/*
 * exp and log in double, the same bits on every machine: libm's differ in the last bit
 * between versions, and between processors with and without fused multiply-add, and a
 * loss goes into all weights. Within 3 units of the last place.
 */
#ifndef NN_ELEMENTARY_H
#define NN_ELEMENTARY_H

/* Infinity above 709, 0 below -708; NaN for NaN. */
double same_exp(double x);

/* x > 0; minus infinity for 0, NaN below and for NaN. */
double same_log(double x);

/* log(1 + x) for 0 <= x <= 1, without losing the digits of a small x. */
double same_log1p(double x);

/* x^y for x >= 0. */
double same_pow(double x, double y);

#endif
