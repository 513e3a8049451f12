// Grouped GEMMs of bf16 weights and activations for Hopper: GROUPED-001, and the same fused with SWIGLU-001. See entry.cuh for how to launch.
//
// wide: from about 32 rows an expert on. Its tile of 288 columns takes an expert of 256 rows on average (8,192 tokens, 256 experts, top-8)
// in one piece with room for two standard deviations, so that weights are read once.
// narrow: fewer rows, where only the stream of weights counts: more and smaller stages, no cluster.
// Either is right for any routing; which is faster depends on tokens * slots / experts, which the host knows.
// Ran on an H200: docs/cuda-performance.md.
#include "entry.cuh"

HENG_GROUPED(heng_grouped_bf16_wide, BF16, 1, 288, 4, 2, 16, false)
HENG_GROUPED(heng_grouped_bf16_wide_swiglu, BF16, 1, 288, 4, 2, 16, true)
HENG_GROUPED(heng_grouped_bf16_narrow, BF16, 1, 64, 8, 1, 16, false)
HENG_GROUPED(heng_grouped_bf16_narrow_swiglu, BF16, 1, 64, 8, 1, 16, true)
// Float32 results, which routers and heads ask for: features are few or tokens are, so that one width does.
HENG_GROUPED_AS(heng_grouped_bf16_narrow_f32, BF16, 1, 64, 8, 1, 16, false, true)
