#define LANES 16
#define PASSES passes_avx512

#include "tensor/passes_lanes.h"
