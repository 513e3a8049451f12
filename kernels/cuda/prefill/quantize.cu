// Activations to E4M3 with one scale for 128 columns of a row (QUANT-050 to QUANT-053), with or without the dispatch to experts on the way.
//
// Scales are written transposed, float32 [ceil(k / 128), pitch], so that a tile's scales for one step of K lie side by side and travel as
// one box. An expert's rows begin at column scale_start (schedule.cuh), and of each 16 columns the order is that in which the matrix
// unit's lanes need them: column 8g + 2q + b lies at 4q + 2g + b. pitch: a multiple of 4, at least rows + 15 * experts rounded up to 16.
// Needs sm_89 (cvt to e4m3).
#include "schedule.cuh"

using namespace heng;

namespace {

__device__ __forceinline__ u32 pack_e4m3(float a, float b, float c, float d) {
    u16 low, high;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(low) : "f"(b), "f"(a));
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(high) : "f"(d), "f"(c));
    return (u32)low | (u32)high << 16;
}

/// x / scale to nearest: the residual of x * (1 / scale), added back. Scales lie between 2^-23 and 2^119, so nothing leaves the range.
__device__ __forceinline__ float divide(float x, float scale, float inverse) {
    const float quotient = x * inverse;
    return fmaf(fmaf(-quotient, scale, x), inverse, quotient);
}

/// The expert of a row: the last whose rows begin at or before it.
__device__ __forceinline__ int expert_of(const int *offsets, int experts, int row) {
    int low = 0;
    int high = experts - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (offsets[middle] <= row)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/// Where the scales of a row lie.
__device__ __forceinline__ int scale_column(const int *offsets, int experts, int row) {
    const int expert = expert_of(offsets, experts, row);
    const int within = row - offsets[expert];
    const int column = within % 16;
    return scale_start(expert, offsets[expert]) + within - column + column % 8 / 2 * 4 + column / 8 * 2 + column % 2;
}

} // namespace

/// Rows of q (e4m3 [rows, k]) for each row t of x (bf16 [.., k], k a multiple of 16): row inverse[t * slots + s] for every slot that has
/// one, tokens rows of x in all; or, where inverse is null, row t itself for t < offsets[experts] (slots and tokens are not looked at).
/// offsets also place the scales; for rows of one matrix without experts pass {0, rows} and experts = 1. slots <= 64.
/// power_of_two: the scale is the smallest power of two not below QUANT-050's. A NaN or infinity makes its scale NaN (QUANT-043).
/// Blocks of 128 threads: 16 lanes take 128 columns. The grid strides over rows of x.
extern "C" __global__ void __launch_bounds__(128) heng_quantize_e4m3(const __grid_constant__ QuantizeE4m3Args a) {
    const u16 *x = (const u16 *)a.x;
    const int *inverse = (const int *)a.inverse;
    const int *offsets = (const int *)a.offsets;
    u8 *q = (u8 *)a.q;
    float *scales = (float *)a.scales;
    const int experts = a.experts, tokens = a.tokens, slots = a.slots, k = a.k, pitch = a.pitch, power_of_two = a.power_of_two;
    __shared__ int targets[64];
    __shared__ int scale_columns[64];
    const int count = inverse == nullptr ? offsets[experts] : tokens;
    const int copies = inverse == nullptr ? 1 : slots;
    const int lane = threadIdx.x % 16;
    const int first = threadIdx.x / 16;
    const int groups = ceil_div(k, 128);
    // The 16 lanes of one group of columns: the other half of the warp may be past the end.
    const u32 half = threadIdx.x & 16 ? 0xffff0000u : 0xffffu;
    for (int token = blockIdx.x; token < count; token += gridDim.x) {
        __syncthreads();
        if (threadIdx.x < copies) {
            const int row = inverse == nullptr ? token : inverse[(long long)token * slots + threadIdx.x];
            targets[threadIdx.x] = row;
            if (row >= 0) scale_columns[threadIdx.x] = scale_column(offsets, experts, row);
        }
        __syncthreads();
#pragma unroll 4
        for (int group = first; group < groups; group += 8) {
            const int column = group * 128 + lane * 8;
            uint4 value = make_uint4(0, 0, 0, 0);
            if (column < k) value = *reinterpret_cast<const uint4 *>(x + (long long)token * k + column);
            const u32 words[4] = {value.x, value.y, value.z, value.w};
            // As integers magnitudes order like the numbers, with infinity and then NaN above them all.
            u32 largest = 0;
#pragma unroll
            for (int i = 0; i < 4; i++) largest = max(largest, max(words[i] & 0x7fffu, words[i] >> 16 & 0x7fffu));
#pragma unroll
            for (int step = 8; step > 0; step /= 2) largest = max(largest, __shfl_xor_sync(half, largest, step));
            float scale = fmaxf(__uint_as_float(largest << 16), 1e-4f) / 448.0f;
            if (power_of_two) scale = __uint_as_float((__float_as_uint(scale) + 0x7fffffu) & 0xff800000u);
            if (largest >= 0x7f80u) scale = __uint_as_float(0x7fc00000u);
            const float inverse_scale = 1.0f / scale;
            u32 codes[2];
#pragma unroll
            for (int i = 0; i < 2; i++)
                codes[i] = pack_e4m3(divide(low_bf16(words[2 * i]), scale, inverse_scale), divide(high_bf16(words[2 * i]), scale, inverse_scale),
                                     divide(low_bf16(words[2 * i + 1]), scale, inverse_scale),
                                     divide(high_bf16(words[2 * i + 1]), scale, inverse_scale));
            for (int copy = 0; copy < copies; copy++) {
                const int row = targets[copy];
                if (row < 0) continue;
                if (column < k) *reinterpret_cast<uint2 *>(q + (long long)row * k + column) = make_uint2(codes[0], codes[1]);
                if (lane == 0) scales[(long long)group * pitch + scale_columns[copy]] = scale;
            }
        }
    }
}
