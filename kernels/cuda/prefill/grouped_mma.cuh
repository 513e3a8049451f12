// Grouped GEMM of bf16 weights and activations for any GPU from sm_80 on: the same plan and operands as grouped.cuh without what only Hopper
// has. Weights lie on M (128 rows), tokens on N (64), eight warps of 32 x 32, three stages of 64 columns of K by cp.async.
//
// Rows of a stage have 128 bytes; the 16-byte piece c of row r lies at piece c xor (r mod 8), so that neither copies nor ldmatrix conflict.
#pragma once
#include "mma.cuh"
#include "schedule.cuh"

namespace heng {

/// FUSED: of a warp's 32 rows the first 16 are gate's and the others up's for the same 16 features, so that SwiGLU needs no exchange.
template <bool FUSED> struct MmaShape {
    static constexpr int ROWS = 128;
    static constexpr int TOKENS = 64;
    static constexpr int STEP = 64;
    static constexpr int STAGES = 3;
    static constexpr int FEATURES = FUSED ? ROWS / 2 : ROWS;
    static constexpr int STAGE_BYTES = (ROWS + TOKENS) * 128;
    static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
    static constexpr int THREADS = 256;
    /// Pitch of the epilogue's [TOKENS][FEATURES] in 16-bit numbers: 16 bytes more than a row, to keep the banks apart.
    static constexpr int PITCH = FEATURES + 8;
};

/// What one block reads.
struct MmaOperands {
    const u16 *weights;
    const u16 *up;
    const u16 *tokens;
    long long token_pitch;
    int features;
    int k;
};

__device__ __forceinline__ u32 swizzled(u32 base, int row, int piece) { return base + row * 128 + ((piece ^ (row & 7)) * 16); }

/// Starts the copies of K columns step * 64 to step * 64 + 63 of a tile. What lies outside a weight, an expert or K becomes zero.
template <bool FUSED> __device__ __forceinline__ void mma_fetch(const MmaOperands &from, const Tile &tile, int step, u32 stage, int thread) {
    using S = MmaShape<FUSED>;
    const int piece = thread % 8;
    const int column = step * S::STEP + piece * 8;
#pragma unroll
    for (int i = 0; i < S::ROWS * 8 / S::THREADS; i++) {
        const int row = thread / 8 + i * (S::THREADS / 8);
        const int feature = tile.feature + (FUSED ? row / 32 * 16 + row % 16 : row);
        const bool present = feature < from.features && column < from.k;
        const u16 *matrix = FUSED && row % 32 >= 16 ? from.up : from.weights;
        const long long offset = present ? ((long long)tile.expert * from.features + feature) * from.k + column : 0;
        copy_async(swizzled(stage, row, piece), matrix + offset, present);
    }
#pragma unroll
    for (int i = 0; i < S::TOKENS * 8 / S::THREADS; i++) {
        const int row = thread / 8 + i * (S::THREADS / 8);
        const bool present = row < tile.rows && column < from.k;
        const long long offset = present ? (tile.row + row) * from.token_pitch + column : 0;
        copy_async(swizzled(stage + S::ROWS * 128, row, piece), from.tokens + offset, present);
    }
}

/// Multiplies one stage: the warp's 32 weight rows by its 32 tokens.
template <bool FUSED> __device__ __forceinline__ void mma_stage(float (&sums)[2][4][4], u32 stage, int warp_row, int warp_token, int lane) {
    using S = MmaShape<FUSED>;
#pragma unroll
    for (int k = 0; k < S::STEP / 16; k++) {
        u32 weights[2][4];
        u32 tokens[2][4];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            load_blocks(weights[i], swizzled(stage, warp_row + i * 16 + lane % 16, k * 2 + lane / 16));
            load_blocks(tokens[i], swizzled(stage + S::ROWS * 128, warp_token + i * 16 + lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
        }
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) multiply_blocks(sums[i][j], weights[i], tokens[j / 2][j % 2 * 2], tokens[j / 2][j % 2 * 2 + 1]);
    }
}

/// Turns the tile to rows of tokens in shared memory, rounded to bf16 (each operator's rounding where fused), and writes them.
template <bool FUSED>
__device__ __forceinline__ void mma_write(const float (&sums)[2][4][4], const Tile &tile, u8 *shared, u16 *out, int features, int warp_row,
                                          int warp_token, int thread) {
    using S = MmaShape<FUSED>;
    u16 *const staged = reinterpret_cast<u16 *>(shared);
    const int lane = thread % 32;
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int i = 0; i < (FUSED ? 1 : 2); i++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const int feature = (FUSED ? warp_row / 2 : warp_row + i * 16) + half * 8 + lane / 4;
                const int token = warp_token + j * 8 + lane % 4 * 2;
                u32 pair = pack_bf16(sums[i][j][half * 2], sums[i][j][half * 2 + 1]);
                if (FUSED) {
                    const u32 up = pack_bf16(sums[1][j][half * 2], sums[1][j][half * 2 + 1]);
                    pair = pack_bf16(swiglu(low_bf16(pair), low_bf16(up)), swiglu(high_bf16(pair), high_bf16(up)));
                }
                staged[token * S::PITCH + feature] = (u16)pair;
                staged[(token + 1) * S::PITCH + feature] = (u16)(pair >> 16);
            }
    __syncthreads();
    constexpr int PIECES = S::FEATURES / 8;
    for (int i = thread; i < S::TOKENS * PIECES; i += S::THREADS) {
        const int token = i / PIECES;
        const int feature = i % PIECES * 8;
        if (token < tile.rows && tile.feature + feature < features)
            *reinterpret_cast<uint4 *>(out + (long long)(tile.row + token) * features + tile.feature + feature) =
                *reinterpret_cast<const uint4 *>(staged + token * S::PITCH + feature);
    }
    __syncthreads();
}

/// Writes the tile in float32, straight from the accumulators: eight lanes hold eight adjacent features of a token.
__device__ __forceinline__ void mma_write_floats(const float (&sums)[2][4][4], const Tile &tile, float *out, int features, int warp_row,
                                                 int warp_token, int lane) {
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int at = 0; at < 4; at++) {
                const int feature = tile.feature + warp_row + i * 16 + at / 2 * 8 + lane / 4;
                const int token = warp_token + j * 8 + lane % 4 * 2 + at % 2;
                if (token < tile.rows && feature < features) out[(long long)(tile.row + token) * features + feature] = sums[i][j][at];
            }
}

/// The body of the kernels in grouped_mma.cu: the grid strides over the plan's tiles. FLOATS: the result is float32 and not bf16.
template <bool FUSED, bool FLOATS = false>
__device__ __forceinline__ void grouped_mma(const MmaOperands &from, void *out, const int *plan, u8 *shared) {
    using S = MmaShape<FUSED>;
    const u32 stages = shared_address(shared);
    const int thread = threadIdx.x;
    const int warp_row = thread / 32 % 4 * 32;
    const int warp_token = thread / 128 * 32;
    const int steps = ceil_div(from.k, S::STEP);
    TileWalk walk(plan, ceil_div(from.features, S::FEATURES));
    Tile tile;
    for (int index = blockIdx.x; walk.find(index, S::FEATURES, 1, 0, tile); index += gridDim.x) {
        float sums[2][4][4] = {};
#pragma unroll
        for (int step = 0; step < S::STAGES - 1; step++) {
            if (step < steps) mma_fetch<FUSED>(from, tile, step, stages + step * S::STAGE_BYTES, thread);
            copy_commit();
        }
        for (int step = 0; step < steps; step++) {
            copy_wait<S::STAGES - 2>();
            __syncthreads();
            const int ahead = step + S::STAGES - 1;
            if (ahead < steps) mma_fetch<FUSED>(from, tile, ahead, stages + ahead % S::STAGES * S::STAGE_BYTES, thread);
            copy_commit();
            if (warp_token < tile.rows) mma_stage<FUSED>(sums, stages + step % S::STAGES * S::STAGE_BYTES, warp_row, warp_token, thread % 32);
        }
        copy_wait<0>();
        __syncthreads();
        if (FLOATS)
            mma_write_floats(sums, tile, (float *)out, from.features, warp_row, warp_token, thread % 32);
        else
            mma_write<FUSED>(sums, tile, shared, (u16 *)out, from.features, warp_row, warp_token, thread);
    }
}

} // namespace heng
