#define LANES 4
#define REGISTERS 16
#define KERNELS kernels_portable

#include "tensor/kernels_lanes.h"
