#define LANES 8
#define PASSES passes_avx2

#include "tensor/passes_lanes.h"
