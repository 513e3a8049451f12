// Grouped GEMMs of bf16 for GPUs from sm_80 on (GROUPED-001, and fused with SWIGLU-001): for cards without wgmma.
//
// Launch: MAX_DYNAMIC_SHARED_SIZE_BYTES and dynamic shared memory 73728; block 256; grid: multiprocessors, or twice as many where two
// blocks fit; plan of heng_group_plan for widest = 64. weights, up: [experts, features, k]; tokens [rows, k]; out [rows, features]; all
// row-major and 16-byte aligned; features and k multiples of 8.
//
// Never run on a device. Its arithmetic and layout are held to float64 by test/emulate.cpp, which runs this text on the host.
#include "grouped_mma.cuh"

extern "C" __global__ void __launch_bounds__(256, 2)
    heng_grouped_bf16_mma(const heng::u16 *weights, const heng::u16 *tokens, heng::u16 *out, const int *plan, int features, int k) {
    extern __shared__ __align__(16) heng::u8 shared[];
    heng::grouped_mma<false>(heng::MmaOperands{weights, weights, tokens, features, k}, out, plan, shared);
}

extern "C" __global__ void __launch_bounds__(256, 2) heng_grouped_bf16_mma_swiglu(const heng::u16 *weights, const heng::u16 *up,
                                                                              const heng::u16 *tokens, heng::u16 *out, const int *plan,
                                                                              int features, int k) {
    extern __shared__ __align__(16) heng::u8 shared[];
    heng::grouped_mma<true>(heng::MmaOperands{weights, up, tokens, features, k}, out, plan, shared);
}
