/* The kernels at level neon-i8mm. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#define HENG_DOTPROD 1
#define HENG_I8MM 1
#include "simd_neon.h"

#define LEVEL_SYMBOL heng_level_neon_i8mm
#define LEVEL_NAME "neon-i8mm"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
