/*
 * Convolution forward, 2D and 3D, over channels-last views with a zero halo.
 *
 * A struct conv is a convolution made ready once for its weights (packed or transformed
 * for the chosen algorithm) and used for any number of inputs, by any number of threads
 * at once: it is not changed by conv_forward. Weights come in PyTorch's order
 * [out][in][kd][kh][kw].
 *
 *   CONV_REFERENCE   the obvious loops, double accumulation: what the others are held to
 *   CONV_BLIS        kd*kh shifted sgemm calls a row: the path without kernels of ours
 *   CONV_DIRECT      register-tiled, vector lanes over output channels, one source per
 *                    instruction set
 *   CONV_WINOGRAD    F(2,3) in 2D and 3D for kernel 3, stride 1, pad 1
 *   CONV_WINOGRAD_4  F(4,3) for the same in 2D: faster, with a few times the rounding;
 *                    what training takes (conv_training_algorithm), not CONV_AUTO
 *   CONV_PLANES      F(4,3) in the plane for the same in 2D and 3D, summed directly over
 *                    slices: what inference takes (conv_inference_algorithm)
 *   CONV_LINES       direct for one input channel and stride 1, vector lanes along x;
 *                    inference takes it too
 *
 * The choice depends on the shape alone, never on ranks or threads, so results are the
 * same bits everywhere within one instruction set.
 */
#ifndef TENSOR_CONV_H
#define TENSOR_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "tensor/isa.h"
#include "tensor/view.h"

enum conv_algorithm {
    CONV_AUTO,
    CONV_REFERENCE,
    CONV_BLIS,
    CONV_DIRECT,
    CONV_WINOGRAD,
    CONV_WINOGRAD_4,
    CONV_PLANES,
    CONV_LINES
};

struct conv_shape {
    int in_channels, out_channels;
    int kernel[3], stride[3],
        pad[3]; /* d, h, w; 2D: kernel[0] = stride[0] = 1, pad[0] = 0 */
};

/* What happens to a sum before it is stored: + bias, max(0, .) when relu, * scale +
 * shift. Arrays of out_channels floats, NULL for none. */
struct conv_epilogue {
    const float *bias;
    bool relu;
    const float *scale, *shift;
};

struct conv;

/* "auto", "reference", "blis", "direct", "winograd", "winograd4", "planes", "lines". */
const char *conv_algorithm_name(enum conv_algorithm a);

/* Whether an algorithm serves a shape. REFERENCE and BLIS serve all. */
bool conv_algorithm_serves(enum conv_algorithm a, const struct conv_shape *s);

/* What training asks for where CONV_AUTO is asked of it. */
enum conv_algorithm conv_training_algorithm(const struct conv_shape *s, enum isa isa);

/* What inference asks for there, for an output of this height and width: algorithms that
 * round more than CONV_AUTO's, or that trainings have never used. */
enum conv_algorithm conv_inference_algorithm(const struct conv_shape *s, enum isa isa,
                                             int64_t height, int64_t width);

/* *out = the convolution, the caller's to free; weights are copied. CONV_AUTO picks by
 * shape and instruction set. Errors: STATUS_STAGE_MEMORY, STATUS_JOB_CONFIG (an algorithm
 * that does not serve the shape). Not collective. */
enum status conv_new(const struct conv_shape *s, enum conv_algorithm a, enum isa isa,
                     const float *weights, struct conv **out, struct error *err);
void conv_free(struct conv *c);

/* Other weights of the same shape, as training wants after each step; not while
 * conv_forward runs. */
void conv_set_weights(struct conv *c, const float *weights);

enum conv_algorithm conv_algorithm(const struct conv *c);

/* Scratch that conv_forward needs for an output of this size, in bytes; 64-byte aligned.
 */
size_t conv_scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                          int64_t width);

/* out[z][y][x][:] = epilogue(sum of weights * in[z*s-p+k]...). The halo of `in` is at
 * least the pad; in and out do not overlap; the halo of out is not touched. No
 * allocation, no threads. */
void conv_forward(const struct conv *c, const struct view *in, const struct view *out,
                  const struct conv_epilogue *e, void *scratch);

#endif
