#define LANES 8
#define REGISTERS 16
#define KERNELS kernels_avx2

#include "tensor/kernels_lanes.h"
