// Grouped GEMMs of bf16 for GPUs from sm_80 on (GROUPED-001, and fused with SWIGLU-001): for cards without wgmma.
//
// Launch: MAX_DYNAMIC_SHARED_SIZE_BYTES and dynamic shared memory 73728; block 256; grid: multiprocessors, or twice as many where two
// blocks fit; plan of heng_group_plan for widest = 64. weights, up: [experts, features, k]; tokens rows of k, token_pitch apart; out
// [rows, features]; all row-major and 16-byte aligned; k a multiple of 8, and features where the result is bf16.
//
// Its arithmetic and layout are held to float64 by test/emulate.cpp, which runs this text on the host.
#include "grouped_mma.cuh"

namespace heng {
template <bool FUSED, bool FLOATS> __device__ __forceinline__ void run(const GroupedMmaArgs &a, u8 *shared) {
    const MmaOperands from{(const u16 *)a.weights, (const u16 *)a.up, (const u16 *)a.tokens, a.token_pitch, a.features, a.k};
    grouped_mma<FUSED, FLOATS>(from, a.out, (const int *)a.plan, shared);
}
} // namespace heng

extern "C" __global__ void __launch_bounds__(256, 2) heng_grouped_bf16_mma(const __grid_constant__ GroupedMmaArgs a) {
    extern __shared__ __align__(16) heng::u8 shared[];
    heng::run<false, false>(a, shared);
}

extern "C" __global__ void __launch_bounds__(256, 2) heng_grouped_bf16_mma_f32(const __grid_constant__ GroupedMmaArgs a) {
    extern __shared__ __align__(16) heng::u8 shared[];
    heng::run<false, true>(a, shared);
}

extern "C" __global__ void __launch_bounds__(256, 2) heng_grouped_bf16_mma_swiglu(const __grid_constant__ GroupedMmaArgs a) {
    extern __shared__ __align__(16) heng::u8 shared[];
    heng::run<true, false>(a, shared);
}
