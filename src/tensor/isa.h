/*
 * Which instruction set the kernels use. Results are the same bits within one instruction
 * set, so ranks agree on the lowest that all of them have (isa_lowest over ranks) before
 * any kernel is made, and the choice covers BLIS too.
 */
#ifndef TENSOR_ISA_H
#define TENSOR_ISA_H

#include "base/status.h"

/* In ascending order. */
enum isa { ISA_PORTABLE, ISA_AVX2, ISA_AVX512 };

/* The best set of this machine. */
enum isa isa_best(void);

/* "portable", "avx2", "avx512". */
const char *isa_name(enum isa i);

/* By name; "auto" gives isa_best(). Errors: STATUS_JOB_CONFIG for an unknown name or a
 * set that this machine lacks. */
enum status isa_parse(const char *name, enum isa *out, struct error *err);

/* Makes BLIS use kernels of this set (Debian's BLIS falls back to its slow generic
 * kernels on processors younger than itself) and one thread. Called once, before the
 * first kernel. */
void isa_use(enum isa i);

#endif
