/* The kernels at level neon-dotprod. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#define HENG_DOTPROD 1
#include "simd_neon.h"

#define LEVEL_SYMBOL heng_level_neon_dotprod
#define LEVEL_NAME "neon-dotprod"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
