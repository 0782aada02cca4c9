/*
 * The points of F(4, 3), beside 0 and infinity: +-A and +-B. Their product is 1, which
 * saves multiplications; these keep rounding smaller than the usual 1 and 2
 * (docs/numerics.md).
 */
#ifndef TENSOR_KERNELS_POINTS_H
#define TENSOR_KERNELS_POINTS_H

#define POINT_A 0.70710678118654752440
#define POINT_B 1.41421356237309504880

#endif
