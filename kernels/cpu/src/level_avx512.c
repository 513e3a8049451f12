/* The kernels at level avx512. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#include "simd_avx512.h"

#define LEVEL_SYMBOL heng_level_avx512
#define LEVEL_NAME "avx512"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
