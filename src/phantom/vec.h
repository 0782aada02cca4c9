/* Three doubles as a point or a direction, mm. */
#ifndef PHANTOM_VEC_H
#define PHANTOM_VEC_H

#include <math.h>

struct vec {
    double x, y, z;
};

static inline struct vec vec(double x, double y, double z)
{
    return (struct vec){x, y, z};
}

static inline struct vec vec_add(struct vec a, struct vec b)
{
    return vec(a.x + b.x, a.y + b.y, a.z + b.z);
}

static inline struct vec vec_sub(struct vec a, struct vec b)
{
    return vec(a.x - b.x, a.y - b.y, a.z - b.z);
}

static inline struct vec vec_scale(struct vec a, double s)
{
    return vec(a.x * s, a.y * s, a.z * s);
}

/* a + s b */
static inline struct vec vec_step(struct vec a, double s, struct vec b)
{
    return vec(a.x + s * b.x, a.y + s * b.y, a.z + s * b.z);
}

static inline double vec_dot(struct vec a, struct vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec vec_cross(struct vec a, struct vec b)
{
    return vec(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline double vec_length(struct vec a)
{
    return sqrt(vec_dot(a, a));
}

/* The direction of a; the z axis when a has none. */
static inline struct vec vec_unit(struct vec a)
{
    double l = vec_length(a);
    return l > 1e-12 ? vec_scale(a, 1 / l) : vec(0, 0, 1);
}

/* a per axis times b. */
static inline struct vec vec_times(struct vec a, struct vec b)
{
    return vec(a.x * b.x, a.y * b.y, a.z * b.z);
}

/* As fmin and fmax, but for numbers only, which compilers then do without a call. */
static inline double least(double a, double b)
{
    return a < b ? a : b;
}

static inline double most(double a, double b)
{
    return a > b ? a : b;
}

static inline double lerp(double a, double b, double t)
{
    return a + (b - a) * t;
}

static inline double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

/* The smaller of two distances, rounded where they come within k mm: shapes joined by a
 * fillet. The larger: -smooth_min(-a, -b, k). */
static inline double smooth_min(double a, double b, double k)
{
    double h = k - fabs(a - b);
    double m = least(a, b);
    return h > 0 ? m - h * h / (4 * k) : m;
}

static inline double smooth_max(double a, double b, double k)
{
    return -smooth_min(-a, -b, k);
}

#endif
