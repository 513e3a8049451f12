/* The kernels at level neon. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#include "simd_neon.h"

#define LEVEL_SYMBOL heng_level_neon
#define LEVEL_NAME "neon"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
