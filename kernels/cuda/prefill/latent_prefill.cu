// Latent attention of many rows: see latent_prefill.cuh. Launch: grid (heads, ceil(rows / 128)), 256 threads, LatentShape::SHARED_BYTES
// (81,920) of dynamic shared memory. bf16 throughout; nope, rope, value and latent multiples of 8; keys up to 192 wide, values up to 128.
#include "latent_prefill.cuh"

namespace heng {
template <class S> __device__ __forceinline__ void attend_block(const LatentAttendArgs &a, u8 *memory, LatentShared &shared) {
    const int head = blockIdx.x;
    // Rows that see the most slots first, so that the grid does not end with them.
    const long long first_row = (long long)(gridDim.y - 1 - blockIdx.y) * S::ROWS;
    const int head_width = a.nope + a.value;
    const LatentHead one{(const u16 *)a.q + (long long)head * (a.nope + a.rope),
                         (const u16 *)a.expanded + (long long)head * head_width,
                         (const u16 *)a.gathered,
                         (u16 *)a.y + (long long)head * a.value,
                         a.q_stride,
                         a.y_stride,
                         a.heads * head_width,
                         a.latent + a.rope,
                         a.nope,
                         a.rope,
                         a.value,
                         a.latent,
                         (float)a.scale};
    latent_attend<S>(one, (const int *)a.positions, (const int *)a.sequences, (const int *)a.lengths, (const int *)a.bases, a.sequence_count,
                     first_row, min((long long)S::ROWS, a.rows - first_row), memory, shared);
}
} // namespace heng

/// For heads of 192-wide keys and 128-wide values: DeepSeek-V2, V3 and their kin.
extern "C" __global__ void __launch_bounds__(256, 1) heng_latent_attend_192_128(const __grid_constant__ LatentAttendArgs a) {
    extern __shared__ __align__(128) heng::u8 memory[];
    __shared__ heng::LatentShared shared;
    heng::attend_block<heng::LatentShape<12, 8, true>>(a, memory, shared);
}

extern "C" __global__ void __launch_bounds__(256, 1) heng_latent_attend(const __grid_constant__ LatentAttendArgs a) {
    extern __shared__ __align__(128) heng::u8 memory[];
    __shared__ heng::LatentShared shared;
    heng::attend_block<heng::LatentShape<12, 8, false>>(a, memory, shared);
}
