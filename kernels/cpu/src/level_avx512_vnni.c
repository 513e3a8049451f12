/* The kernels at level avx512-vnni. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#define HENG_VNNI 1
#include "simd_avx512.h"

#define LEVEL_SYMBOL heng_level_avx512_vnni
#define LEVEL_NAME "avx512-vnni"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
