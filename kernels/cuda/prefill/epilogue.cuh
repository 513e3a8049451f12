// From accumulators, which hold features by tokens, to rows of tokens in memory.
//
// Each warpgroup turns 64 features by 64 (or 32) tokens at a time through shared memory (stmatrix with .trans) and writes 128 bytes of every row,
// 16 bytes a lane. Rows past the expert's and features past the weight's are not written.
#pragma once
#include "mbarrier.cuh"
#include "stages.cuh"

namespace heng {

/// Stores four (two, where COUNT is 2) 8x8 blocks of 16-bit numbers transposed: lane 8i + j gives the address of block i's column j.
template <int COUNT> __device__ __forceinline__ void store_transposed(u32 address, const u32 (&blocks)[4]) {
    if constexpr (COUNT == 4) {
        asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(blocks[0]),
                     "r"(blocks[1]), "r"(blocks[2]), "r"(blocks[3])
                     : "memory");
    } else {
        asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(address), "r"(blocks[0]), "r"(blocks[1])
                     : "memory");
    }
}

__device__ __forceinline__ uint4 load_shared(u32 address) {
    uint4 value;
    asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "r"(address));
    return value;
}

__device__ __forceinline__ u32 swiglu_pair(u32 gate, u32 up) {
    return pack_bf16(swiglu(low_bf16(gate), low_bf16(up)), swiglu(high_bf16(gate), high_bf16(up)));
}

/// One 64-feature block's accumulators: HALVES instructions of WIDTH columns each.
template <int N> struct Columns {
    static constexpr int HALVES = N > 256 ? 2 : 1;
    static constexpr int WIDTH = N / HALVES;
    float d[HALVES][WIDTH / 2];

    /// Accumulator `i` (0 to 3) of the group of 8 columns `group`.
    __device__ __forceinline__ float at(int group, int i) const { return d[group / (WIDTH / 8)][group % (WIDTH / 8) * 4 + i]; }
    __device__ __forceinline__ void add(int group, int i, float value) { d[group / (WIDTH / 8)][group % (WIDTH / 8) * 4 + i] += value; }
    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int half = 0; half < HALVES; half++)
#pragma unroll
            for (int i = 0; i < WIDTH / 2; i++) d[half][i] = 0.0f;
    }
};

/// Puts TOKENS tokens (from column TOKENS * chunk on) of one block into the warpgroup's staging room, rounded to bf16.
/// FUSED: SwiGLU of `block` and `up`, each rounded first, as the graph's own operators would; else `up` is not looked at.
template <bool FUSED, int TOKENS, int N>
__device__ __forceinline__ void stage_chunk(const Columns<N> &block, const Columns<N> &up, int chunk, u32 staging, int pitch, int warp,
                                            int lane) {
    const u32 address = staging + (lane / 16 * 8 + lane % 8) * pitch + warp * 32 + lane / 8 % 2 * 16;
#pragma unroll
    for (int pair = 0; pair < TOKENS / 16; pair++) {
        const int group = chunk * (TOKENS / 8) + pair * 2;
        u32 packed[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int column = group + i / 2;
            if (column < N / 8) {
                packed[i] = pack_bf16(block.at(column, i % 2 * 2), block.at(column, i % 2 * 2 + 1));
                if (FUSED) packed[i] = swiglu_pair(packed[i], pack_bf16(up.at(column, i % 2 * 2), up.at(column, i % 2 * 2 + 1)));
            }
        }
        if (group + 1 < N / 8)
            store_transposed<4>(address + pair * 16 * pitch, packed);
        else if (group < N / 8)
            store_transposed<2>(address + pair * 16 * pitch, packed);
    }
}

/// Writes the staged chunk: `out` points at the chunk's first row and feature. THREADS threads take part.
template <int THREADS, int TOKENS, bool FUSED>
__device__ __forceinline__ void write_chunk(u16 *out, long long pitch_out, u32 staged, u32 staged_up, int pitch, int rows, int features,
                                            int thread) {
#pragma unroll
    for (int i = 0; i < TOKENS * 8 / THREADS; i++) {
        const int piece = thread + i * THREADS;
        const int row = piece / 8;
        const int feature = piece % 8 * 8;
        if (row < rows && feature < features) {
            uint4 value = load_shared(staged + row * pitch + feature * 2);
            if (FUSED) {
                const uint4 up = load_shared(staged_up + row * pitch + feature * 2);
                value = make_uint4(swiglu_pair(value.x, up.x), swiglu_pair(value.y, up.y), swiglu_pair(value.z, up.z),
                                   swiglu_pair(value.w, up.w));
            }
            *reinterpret_cast<uint4 *>(out + row * pitch_out + feature) = value;
        }
    }
}

/// Writes a whole tile in float32, straight from the accumulators: eight lanes hold eight adjacent features of a token, 32 bytes.
template <class S, int N>
__device__ __forceinline__ void write_floats(const Columns<N> (&blocks)[S::BLOCKS], const Tile &tile, float *out, int features, int group,
                                             int thread) {
#pragma unroll
    for (int block = 0; block < S::BLOCKS; block++)
#pragma unroll
        for (int column = 0; column < N / 8; column++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int token = column * 8 + thread % 4 * 2 + i % 2;
                const int feature = tile.feature + (group * S::BLOCKS + block) * 64 + thread / 32 * 16 + thread % 32 / 4 + i / 2 * 8;
                if (token < tile.rows && feature < features)
                    out[(long long)(tile.row + token) * features + feature] = blocks[block].at(column, i);
            }
}

/// Writes a whole tile. `group` is the warpgroup (0 or 1), `thread` its thread.
template <class S, int N>
__device__ __forceinline__ void write_tile(const Columns<N> (&blocks)[S::BLOCKS], const Stages<S> stages, const Tile &tile, void *result,
                                           int features, int group, int thread) {
    // Else the compiler computes the addresses below ahead of the products and has no registers left for those.
    asm volatile("" : "+r"(thread));
    if constexpr (S::FLOATS) {
        write_floats<S, N>(blocks, tile, (float *)result, features, group, thread);
        return;
    }
    u16 *const out = (u16 *)result;
    const int warp = thread / 32;
    const int lane = thread % 32;
    constexpr int TOKENS = S::STAGING_TOKENS;
    constexpr int CHUNKS = ceil_div(N, TOKENS);
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        u16 *const rows_out = out + (long long)(tile.row + chunk * TOKENS) * features;
        const int rows = tile.rows - chunk * TOKENS;
        if constexpr (S::FUSED && S::BLOCKS == 1) {
            // Gate and up sit in different warpgroups and meet in shared memory.
            stage_chunk<false, TOKENS, N>(blocks[0], blocks[0], chunk, stages.staging(group), S::STAGING_PITCH, warp, lane);
            named_barrier(1, 256);
            write_chunk<256, TOKENS, true>(rows_out + tile.feature, features, stages.staging(0), stages.staging(1), S::STAGING_PITCH, rows,
                                   features - tile.feature, group * 128 + thread);
            named_barrier(1, 256);
        } else {
            constexpr int OUTPUTS = S::FUSED ? 1 : S::BLOCKS;
#pragma unroll
            for (int block = 0; block < OUTPUTS; block++) {
                const int feature = tile.feature + (group * OUTPUTS + block) * 64;
                stage_chunk<S::FUSED, TOKENS, N>(blocks[block], blocks[S::BLOCKS - 1], chunk, stages.staging(group), S::STAGING_PITCH, warp, lane);
                if (group == 0)
                    named_barrier(2, 128);
                else
                    named_barrier(3, 128);
                write_chunk<128, TOKENS, false>(rows_out + feature, features, stages.staging(group), 0, S::STAGING_PITCH, rows, features - feature,
                                        thread);
                if (group == 0)
                    named_barrier(2, 128);
                else
                    named_barrier(3, 128);
            }
        }
    }
}

} // namespace heng
