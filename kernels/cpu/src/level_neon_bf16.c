/* The kernels at level neon-bf16. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#define HENG_DOTPROD 1
#define HENG_I8MM 1
#define HENG_BFMMLA 1
#include "simd_neon.h"

#define LEVEL_SYMBOL heng_level_neon_bf16
#define LEVEL_NAME "neon-bf16"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
