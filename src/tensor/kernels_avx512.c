#define LANES 16
#define REGISTERS 32
#define KERNELS kernels_avx512

#include "tensor/kernels_lanes.h"
