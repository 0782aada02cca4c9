#define LANES 4
#define PASSES passes_portable

#include "tensor/passes_lanes.h"
