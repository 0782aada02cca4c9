#include "tensor/passes.h"

const struct passes *passes_of(enum isa isa)
{
    static const struct passes *const tables[] = {
        [ISA_PORTABLE] = &passes_portable,
        [ISA_AVX2] = &passes_avx2,
        [ISA_AVX512] = &passes_avx512,
    };
    return tables[isa];
}
