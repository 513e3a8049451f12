/* The kernels at level scalar. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#include "simd_scalar.h"

#define LEVEL_SYMBOL heng_level_scalar
#define LEVEL_NAME "scalar"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
