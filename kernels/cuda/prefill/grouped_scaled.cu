// Grouped GEMMs of bf16 activations and quantised weights of any format for Hopper, whose elements unpack.cu has turned into bf16 without a
// rounding: int8, int4 less its zero, and E4M3 all fit its 8 bits. Their scales multiply float32 sums of 128 columns. See entry.cuh.
// wide and narrow as in grouped_bf16.cu, at half the width: sums and products share the registers.
#include "entry.cuh"

HENG_GROUPED(heng_grouped_scaled_wide, SCALED, 1, 128, 3, 2, 16, false)
HENG_GROUPED(heng_grouped_scaled_wide_swiglu, SCALED, 1, 128, 3, 2, 16, true)
HENG_GROUPED(heng_grouped_scaled_narrow, SCALED, 1, 64, 4, 1, 16, false)
HENG_GROUPED(heng_grouped_scaled_narrow_swiglu, SCALED, 1, 64, 4, 1, 16, true)
HENG_GROUPED_AS(heng_grouped_scaled_narrow_f32, SCALED, 1, 64, 4, 1, 16, false, true)
