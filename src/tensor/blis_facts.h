/* Which BLIS serves the kernels that call it, for provenance and for people. */
#ifndef TENSOR_BLIS_FACTS_H
#define TENSOR_BLIS_FACTS_H

#include <stddef.h>

/* "BLIS 0.9.0, haswell kernels": as isa_use left it, or as it starts on its own. */
void blis_describe(char *text, size_t bytes);

#endif
