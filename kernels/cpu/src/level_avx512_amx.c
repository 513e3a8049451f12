/* The kernels at level avx512-amx. Compiled with the flags that build.sh names for this file, run only where the processor has them. */
#include "internal.h"

#define HENG_VNNI 1
#define HENG_AMX 1
#include "simd_avx512.h"

#define LEVEL_SYMBOL heng_level_avx512_amx
#define LEVEL_NAME "avx512-amx"
extern const heng_level LEVEL_SYMBOL;
#include "kernels.inc"
