// Grouped GEMMs of E4M3 weights (128 x 128 block scales) and activations (1 x 128 scales) for Hopper; the result is bf16. See entry.cuh.
// wide and narrow as in grouped_bf16.cu. Ran on an H200: docs/cuda-performance.md.
#include "entry.cuh"

HENG_GROUPED(heng_grouped_e4m3_wide, E4M3, 1, 288, 4, 2, 16, false)
HENG_GROUPED(heng_grouped_e4m3_wide_swiglu, E4M3, 1, 288, 4, 2, 16, true)
HENG_GROUPED(heng_grouped_e4m3_narrow, E4M3, 1, 64, 8, 1, 16, false)
HENG_GROUPED(heng_grouped_e4m3_narrow_swiglu, E4M3, 1, 64, 8, 1, 16, true)
HENG_GROUPED_AS(heng_grouped_e4m3_narrow_f32, E4M3, 1, 64, 8, 1, 16, false, true)
