// Grouped GEMM for Hopper: y[r] = W[expert of r] . x[r], persistent, one producer warp and two consumer warpgroups.
//
// Weights lie on M, tokens on N. The producer streams 128 bytes of K of the weights and tokens of a tile into a ring of stages; consumers
// multiply straight from shared memory. bf16 keeps one group of products in flight behind the next. E4M3 finishes the products of each
// 128 of K in fresh accumulators and adds them, scaled, to float32 sums on the ordinary units: the tensor core's own running sum keeps
// about 14 bits (docs/numerics.md), and scales change every 128 of K anyway. The two warpgroups take turns: one promotes while the other
// multiplies. SCALED does the same with bf16 elements of quantised weights, which bf16 holds exactly, so that no weight is ever rounded.
#pragma once
#include "epilogue.cuh"
#include "stages.cuh"
#include "wgmma.cuh"

namespace heng {

/// Weight scales, float32, row-major. E4M3: one for 128 x 128 elements, [ceil(features / 128), ceil(k / 128)]; each expert's begin at a
/// multiple of 64, as weights are stored. SCALED: one for 128 columns of each feature, [experts, features, ceil(k / 128)].
struct WeightScales {
    const float *weights;
    const float *up;
};

template <class S, int N>
__device__ __forceinline__ void multiply_bf16(Columns<N> (&blocks)[S::BLOCKS], const Stages<S> stages, RingPlace &place, int steps, int group,
                                              int lane) {
    constexpr int WIDTH = Columns<N>::WIDTH;
#pragma unroll
    for (int block = 0; block < S::BLOCKS; block++) blocks[block].clear();
    u32 previous = 0;
    for (int step = 0; step < steps; step++) {
        barrier_wait(stages.full(place.stage), place.parity);
        u64 weights = tile_descriptor(stages.weights(place.stage, group * S::BLOCKS));
        u64 tokens = tile_descriptor(stages.tokens(place.stage));
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
            for (int block = 0; block < S::BLOCKS; block++)
#pragma unroll
                for (int half = 0; half < Columns<N>::HALVES; half++)
                    Wgmma<WIDTH>::bf16(blocks[block].d[half], weights + block * (S::BLOCK_BYTES >> 4) + 2 * k,
                                       tokens + half * (WIDTH * 128 >> 4) + 2 * k, 1);
        wgmma_commit();
        wgmma_wait<1>();
        if (step > 0) stages.release(previous, lane);
        previous = place.stage;
        place.advance<S::STAGES>();
    }
    wgmma_wait<0>();
    stages.release(previous, lane);
}

/// What multiply_scaled reads besides stages: the factors of the thread's two features.
struct FeatureScales {
    const float *low;
    const float *high;
};

template <class S>
__device__ __forceinline__ FeatureScales feature_scales(const WeightScales &scales, int expert, int feature, int features, int k, int group,
                                                        int thread) {
    const int groups = ceil_div(k, 128);
    const float *base = (S::FUSED && group == 1 ? scales.up : scales.weights) + (long long)expert * features * groups;
    const int first = feature + (S::FUSED ? 0 : group * 64) + thread / 32 * 16 + thread % 32 / 4;
    return {base + (long long)min(first, features - 1) * groups, base + (long long)min(first + 8, features - 1) * groups};
}

/// Products of each 128 of K in fresh accumulators, added under their features' factors to float32 sums.
template <class S, int N>
__device__ __forceinline__ void multiply_scaled(Columns<N> (&blocks)[S::BLOCKS], const Stages<S> stages, RingPlace &place, int steps, int group,
                                                int lane, const FeatureScales scales) {
    static_assert(S::BLOCKS == 1 && N <= 144, "sums and products must fit the registers");
    blocks[0].clear();
    float products[N / 2];
    for (int step = 0; step < steps; step++) {
        const float low = scales.low[step];
        const float high = scales.high[step];
        barrier_wait(stages.full(place.stage), place.parity);
        const u64 weights = tile_descriptor(stages.weights(place.stage, group));
        const u64 tokens = tile_descriptor(stages.tokens(place.stage));
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < 8; k++)
            Wgmma<N>::bf16(products, weights + k / 4 * (S::SLAB_WEIGHT_BYTES >> 4) + k % 4 * 2, tokens + k / 4 * (S::SLAB_TOKEN_BYTES >> 4) + k % 4 * 2,
                           k);
        wgmma_commit();
        wgmma_wait<0>(); // the other warpgroup's products fill the gap
        stages.release(place.stage, lane);
        place.advance<S::STAGES>();
#pragma unroll
        for (int i = 0; i < N / 2; i++) blocks[0].add(i / 4, i % 4, products[i] * (i % 4 < 2 ? low : high));
    }
}

/// Where the weight scales of a tile's block of this warpgroup lie.
template <class S>
__device__ __forceinline__ const float *weight_scales(const WeightScales &scales, int expert, int feature, int features, int steps, int group) {
    const float *base = S::FUSED && group == 1 ? scales.up : scales.weights;
    const int row = min(feature + (S::FUSED ? 0 : group * 64), features - 1) / 128;
    return base + (long long)expert * (ceil_div(ceil_div(features, 128) * steps, 64) * 64) + row * steps;
}

/// A tile's weight scales of 64 steps of K, spread over the lanes of each warp: 8192 of K, so that one fetch serves all but the widest
/// products, and it is made a tile ahead.
struct ScaleRow {
    float low;
    float high;

    __device__ __forceinline__ void fetch(const float *row, int first, int steps, int lane) {
        low = first + lane < steps ? row[first + lane] : 0.0f;
        high = first + lane + 32 < steps ? row[first + lane + 32] : 0.0f;
    }
    __device__ __forceinline__ float at(int step) const { return __shfl_sync(0xffffffffu, step & 32 ? high : low, step & 31); }
};

/// Turns at the matrix unit. It serves two warpgroups' products in alternation, so that without turns both finish together and promote
/// together while the unit idles. A warpgroup waits for its turn before it issues a stage's products, and passes it on when only the last of
/// them is left: the other's first then follows without a gap, and this one promotes meanwhile.
struct Turns {
    static __device__ __forceinline__ void wait(int group) {
        if (group == 0)
            named_barrier(4, 256);
        else
            named_barrier(5, 256);
    }
    static __device__ __forceinline__ void pass(int group) {
        if (group == 0)
            named_barrier_arrive(5, 256);
        else
            named_barrier_arrive(4, 256);
    }
};

/// Columns of one round of products of an e4m3 tile of N: its fresh accumulators must fit beside the sums of all N.
__host__ __device__ constexpr int e4m3_round(int n) {
    const int rounds = n <= 144 ? 1 : ceil_div(n, n <= 256 ? 96 : 80);
    return rounds == 1 ? n : ceil_div(ceil_div(n, rounds), 16) * 16;
}

/// One round of a stage: products of columns START to START + e4m3_round(N), promoted into the sums; then the rounds after it. All rounds
/// use the same `products`, which keeps them in the same registers.
template <int N, int START>
__device__ __forceinline__ void multiply_rounds(Columns<N> &sums, float (&products)[e4m3_round(N) / 2], u64 weights, u32 tokens, u32 scales,
                                                float of_weights, int group) {
    constexpr int WIDTH = e4m3_round(N) < N - START ? e4m3_round(N) : N - START;
    // Scales before the turn: shared memory is slow to answer while the matrix unit reads it. Of each 16 columns a lane's four lie together
    // (quantize.cu).
    float scale[ceil_div(WIDTH, 16)][4];
#pragma unroll
    for (int pair = 0; pair < ceil_div(WIDTH, 16); pair++) {
        asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                     : "=f"(scale[pair][0]), "=f"(scale[pair][1]), "=f"(scale[pair][2]), "=f"(scale[pair][3])
                     : "r"(scales + START * 4 + pair * 64));
#pragma unroll
        for (int i = 0; i < 4; i++) scale[pair][i] *= of_weights;
    }
    const u64 columns = tile_descriptor(tokens + START * 128);
    Turns::wait(group);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < 4; k++) {
        Wgmma<WIDTH>::e4m3(reinterpret_cast<float(&)[WIDTH / 2]>(products), weights + 2 * k, columns + 2 * k, k);
        if (k >= 2) wgmma_commit();
    }
    wgmma_wait<1>();
    Turns::pass(group);
    wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < WIDTH / 2; i++) sums.add(START / 8 + i / 4, i % 4, products[i] * scale[i / 8][i % 8 / 4 * 2 + i % 2]);
    if constexpr (START + WIDTH < N) multiply_rounds<N, START + WIDTH>(sums, products, weights, tokens, scales, of_weights, group);
}

template <class S, int N>
__device__ __forceinline__ void multiply_e4m3(Columns<N> (&blocks)[S::BLOCKS], const Stages<S> stages, RingPlace &place, int steps, int group,
                                              int lane, ScaleRow weight_scale, const float *weight_scale_row) {
    static_assert(S::BLOCKS == 1, "sums and products of two blocks do not fit the registers");
    blocks[0].clear();
    float products[e4m3_round(N) / 2];
    for (int step = 0; step < steps; step++) {
        if (step != 0 && step % 64 == 0) weight_scale.fetch(weight_scale_row, step, steps, lane);
        const float of_weights = weight_scale.at(step);
        barrier_wait(stages.full(place.stage), place.parity);
        multiply_rounds<N, 0>(blocks[0], products, tile_descriptor(stages.weights(place.stage, group)), stages.tokens(place.stage),
                              stages.scales(place.stage) + lane % 4 * 16, of_weights, group);
        stages.release(place.stage, lane);
        place.advance<S::STAGES>();
    }
}

/// What a consumer thread knows all along.
struct Consumer {
    WeightScales scales;
    void *out;
    int features;
    int k;
    int group;
    int thread;
};

/// Computes one tile of exactly N columns. `ahead`: e4m3's weight scales of this tile; replaced by the next tile's.
template <class S, int N>
__device__ __forceinline__ void compute_tile(const Stages<S> stages, RingPlace &place, const Tile &tile, const Consumer &me,
                                             ScaleRow &ahead) {
    Columns<N> blocks[S::BLOCKS];
    const int steps = ceil_div(me.k, S::STEP);
    const int lane = me.thread % 32;
    if constexpr (S::ELEMENT == Element::BF16) {
        multiply_bf16<S, N>(blocks, stages, place, steps, me.group, lane);
    } else if constexpr (S::ELEMENT == Element::SCALED) {
        multiply_scaled<S, N>(blocks, stages, place, steps, me.group, lane,
                              feature_scales<S>(me.scales, tile.expert, tile.feature, me.features, me.k, me.group, me.thread));
    } else {
        const ScaleRow mine = ahead;
        ahead.fetch(weight_scales<S>(me.scales, tile.next_expert, tile.next_feature, me.features, steps, me.group), 0, steps, lane);
        multiply_e4m3<S, N>(blocks, stages, place, steps, me.group, lane, mine,
                            weight_scales<S>(me.scales, tile.expert, tile.feature, me.features, steps, me.group));
    }
    write_tile<S, N>(blocks, stages, tile, me.out, me.features, me.group, me.thread);
}

/// Picks the instruction width at run time: the tile's columns, N or less.
template <class S, int N>
__device__ __forceinline__ void compute_columns(const Stages<S> stages, RingPlace &place, const Tile &tile, const Consumer &me,
                                                ScaleRow &ahead) {
    if constexpr (N == 8) {
        compute_tile<S, N>(stages, place, tile, me, ahead);
    } else {
        if (tile.columns == N)
            compute_tile<S, N>(stages, place, tile, me, ahead);
        else
            compute_columns<S, columns_below(N)>(stages, place, tile, me, ahead);
    }
}

/// The body of every kernel in grouped_*.cu.
template <class S>
__device__ __forceinline__ void grouped(const Sources &sources, const WeightScales &scales, void *out, const int *plan, int features, int k) {
    extern __shared__ __align__(1024) u8 shared[];
    const Stages<S> stages{shared_address(shared)};
    Tile *const tiles = reinterpret_cast<Tile *>(shared + S::TILES_AT);
    const int warp = __shfl_sync(0xffffffffu, (int)threadIdx.x / 32, 0);
    const u32 rank = S::CLUSTER == 1 ? 0 : cluster_rank();
    if (threadIdx.x == 0) stages.init();
    if (S::CLUSTER == 1)
        __syncthreads();
    else
        cluster_sync();

    if (warp < 4) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 56;");
        if (threadIdx.x == 0) {
            prefetch_map(sources.weights);
            prefetch_map(sources.up);
            prefetch_map(sources.tokens);
            produce<S>(stages, tiles, sources, plan, features, k, rank);
        }
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 224;");
        const Consumer me{scales, out, features, k, warp / 4 - 1, (int)threadIdx.x % 128};
        RingPlace place;
        ScaleRow ahead{0.0f, 0.0f};
        bool first = true;
        if (S::ELEMENT == Element::E4M3 && me.group == 1) Turns::pass(1);
        while (true) {
            barrier_wait(stages.full(place.stage), place.parity);
            const Tile tile = tiles[place.stage];
            if (__shfl_sync(0xffffffffu, tile.columns, 0) == 0) break;
            if (S::ELEMENT == Element::E4M3 && first) {
                const int steps = ceil_div(k, S::STEP);
                ahead.fetch(weight_scales<S>(scales, tile.expert, tile.feature, features, steps, me.group), 0, steps, me.thread % 32);
                first = false;
            }
            compute_columns<S, S::COLUMNS>(stages, place, tile, me, ahead);
        }
        if (S::ELEMENT == Element::E4M3 && me.group == 0) Turns::wait(0); // the last turn passed is taken
    }
    // No block may leave while another still fills its stages or arrives at its barriers.
    __syncwarp();
    if (S::CLUSTER > 1) cluster_sync();
}

} // namespace heng
