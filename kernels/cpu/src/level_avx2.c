/* The kernels at level avx2. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#include "simd_avx2.h"

#define LEVEL_SYMBOL heng_level_avx2
#define LEVEL_NAME "avx2"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
