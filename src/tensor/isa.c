#include "tensor/isa.h"

#include <blis.h>

static const char *const names[] = {
    [ISA_PORTABLE] = "portable",
    [ISA_AVX2] = "avx2",
    [ISA_AVX512] = "avx512",
};

enum { ISA_COUNT = sizeof names / sizeof names[0] };

enum isa isa_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return ISA_AVX2;
#endif
    return ISA_PORTABLE;
}

const char *isa_name(enum isa i)
{
    return names[i];
}

enum status isa_parse(const char *name, enum isa *out, struct error *err)
{
    if (strcmp(name, "auto") == 0) {
        *out = isa_best();
        return STATUS_OK;
    }
    for (int i = 0; i < ISA_COUNT; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        if ((enum isa)i > isa_best())
            return error_set(
                err, STATUS_JOB_CONFIG,
                "instruction set \"%s\": this machine has none better than \"%s\"", name,
                names[isa_best()]);
        *out = (enum isa)i;
        return STATUS_OK;
    }
    return error_set(err, STATUS_JOB_CONFIG,
                     "unknown instruction set \"%s\" (auto, portable, avx2 or avx512)",
                     name);
}

/* The library reads BLIS_ARCH_TYPE when it starts, and only then. A value from outside is
 * overridden: kernels, and so bits, follow from compute.isa alone. The haswell kernels
 * stand for AVX-512 too: the skx kernels are twice as fast on a large square product, but
 * half as fast on the narrow ones of a convolution (512x48x16: 51 GFLOP/s against 100 on
 * Zen 5). */
void isa_use(enum isa i)
{
    char type[16];
    snprintf(type, sizeof type, "%d",
             (int)(i == ISA_PORTABLE ? BLIS_ARCH_GENERIC : BLIS_ARCH_HASWELL));
    CHECK(setenv("BLIS_ARCH_TYPE", type, 1) == 0);
    bli_init();
    bli_thread_set_num_threads(1);
    bli_error_checking_level_set(BLIS_NO_ERROR_CHECKING);
}
