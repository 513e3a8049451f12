// Shared memory of a grouped GEMM, and the warp that fills it.
#pragma once
#include "mbarrier.cuh"
#include "schedule.cuh"
#include "tma.cuh"

namespace heng {

/// What a kernel multiplies. SCALED: bf16 weights whose products stand under a factor for each feature and 128 columns (unpack.cu).
enum class Element { BF16, SCALED, E4M3 };

/// The shape of one kernel.
/// BLOCKS: 64-row blocks of weights for each of the two consumer warpgroups. COLUMNS: the widest token tile. BOX: rows of one token box.
/// CLUSTER: blocks that compute neighbouring features of the same tokens; each fetches a share of the tokens for all.
/// FUSED: half the blocks are gate's, half up's, and the epilogue writes SwiGLU. FLOATS: the result is float32.
template <Element ELEMENT_, int BLOCKS_, int COLUMNS_, int STAGES_, int CLUSTER_, int BOX_, bool FUSED_, bool FLOATS_> struct Shape {
    static constexpr Element ELEMENT = ELEMENT_;
    static constexpr int BLOCKS = BLOCKS_;
    static constexpr int COLUMNS = COLUMNS_;
    static constexpr int STAGES = STAGES_;
    static constexpr int CLUSTER = CLUSTER_;
    static constexpr int BOX = BOX_;
    static constexpr bool FUSED = FUSED_;
    static constexpr bool FLOATS = FLOATS_;
    static_assert(!FUSED || !FLOATS, "gate and up are rounded to bf16 before they meet");

    /// A stage holds slabs of 128 bytes of K, the width of a swizzled row. SCALED takes two, so that a stage is what stands under one factor.
    static constexpr int SLABS = ELEMENT == Element::SCALED ? 2 : 1;
    static constexpr int SLAB = ELEMENT == Element::E4M3 ? 128 : 64;
    /// K elements of one stage.
    static constexpr int STEP = SLAB * SLABS;
    static constexpr int WEIGHT_ROWS = 2 * BLOCKS * 64;
    /// Features (columns of the result) of one block.
    static constexpr int FEATURES = FUSED ? WEIGHT_ROWS / 2 : WEIGHT_ROWS;
    static constexpr int BLOCK_BYTES = 64 * 128;
    static constexpr int SLAB_WEIGHT_BYTES = WEIGHT_ROWS * 128;
    static constexpr int SLAB_TOKEN_BYTES = ceil_div(COLUMNS, BOX) * BOX * 128;
    static constexpr int WEIGHT_BYTES = SLABS * SLAB_WEIGHT_BYTES;
    static constexpr int TOKEN_BYTES = SLABS * SLAB_TOKEN_BYTES;
    static constexpr int SCALE_BYTES = ELEMENT == Element::E4M3 ? COLUMNS * 4 : 0;
    static constexpr int SCALE_ROOM = ceil_div(SCALE_BYTES, 128) * 128;

    /// Offsets into dynamic shared memory, which begins 1024-byte aligned.
    static constexpr int TOKENS_AT = STAGES * WEIGHT_BYTES;
    static constexpr int SCALES_AT = TOKENS_AT + STAGES * TOKEN_BYTES;
    static constexpr int STAGING_AT = SCALES_AT + STAGES * SCALE_ROOM;
    /// The epilogue turns this many tokens by 64 features at a time for each warpgroup; rows of 144 bytes keep the banks apart.
    static constexpr int STAGING_TOKENS = ELEMENT == Element::E4M3 && COLUMNS > 256 ? 32 : 64;
    static constexpr int STAGING_PITCH = 144;
    static constexpr int STAGING_BYTES = STAGING_TOKENS * STAGING_PITCH;
    static constexpr int TILES_AT = STAGING_AT + 2 * STAGING_BYTES;
    /// One tile for each stage, and the producer's next.
    static constexpr int BARRIERS_AT = TILES_AT + (STAGES + 1) * (int)sizeof(Tile);
    static constexpr int SHARED_BYTES = BARRIERS_AT + 2 * STAGES * 8;
    static_assert(SHARED_BYTES <= 232448, "more shared memory than a block can have");
    static_assert(COLUMNS % 16 == 0 && BOX % 8 == 0, "tiles are multiples of 16 columns, boxes of a swizzle atom");

    static constexpr int THREADS = 384;
};

/// Addresses within one block's shared memory.
template <class S> struct Stages {
    u32 base;

    __device__ u32 weights(u32 stage, int block) const { return base + stage * S::WEIGHT_BYTES + block * S::BLOCK_BYTES; }
    __device__ u32 tokens(u32 stage) const { return base + S::TOKENS_AT + stage * S::TOKEN_BYTES; }
    __device__ u32 scales(u32 stage) const { return base + S::SCALES_AT + stage * S::SCALE_ROOM; }
    __device__ u32 staging(int group) const { return base + S::STAGING_AT + group * S::STAGING_BYTES; }
    __device__ u32 full(u32 stage) const { return base + S::BARRIERS_AT + stage * 8; }
    __device__ u32 empty(u32 stage) const { return base + S::BARRIERS_AT + (S::STAGES + stage) * 8; }

    /// A stage is full when this block's producer has announced its bytes and they, and the cluster's share, are there; it is empty when
    /// every consumer warp of the cluster has said so, because any block's producer writes tokens into all of them.
    __device__ void init() const {
        for (int stage = 0; stage < S::STAGES; stage++) {
            barrier_init(full(stage), 1);
            barrier_init(empty(stage), 8 * S::CLUSTER);
        }
        barrier_init_fence();
    }

    /// Says for the calling warp that it has read the stage.
    __device__ __forceinline__ void release(u32 stage, int lane) const {
        if (S::CLUSTER == 1) {
            if (lane == 0) barrier_arrive(empty(stage));
        } else if (lane < S::CLUSTER) {
            barrier_arrive_remote(empty(stage), lane);
        }
    }
};

/// What the copy engine reads. `weights` and `up` are the same map where nothing is fused; `scales` is read for E4M3 only.
struct Sources {
    const TensorMap *weights;
    const TensorMap *up;
    const TensorMap *tokens;
    const TensorMap *scales;
};

/// Fills stages, tile after tile, on one thread of the block. The tile itself travels with its first stage.
template <class S>
__device__ __forceinline__ void produce(const Stages<S> stages, Tile *tiles, const Sources &sources, const int *plan, int features, int k,
                                        u32 rank) {
    const int steps = ceil_div(k, S::STEP);
    const int cluster = blockIdx.x / S::CLUSTER;
    const int clusters = gridDim.x / S::CLUSTER;
    TileWalk walk(plan, ceil_div(ceil_div(features, S::FEATURES), S::CLUSTER));
    RingPlace place;
    const u64 often = policy_evict_normal();
    Tile &next = tiles[S::STAGES]; // not in registers: the producer has few
    bool more = walk.find(cluster, S::FEATURES, S::CLUSTER, rank, next);
    for (int index = cluster + clusters; more; index += clusters) {
        Tile tile = next;
        const u64 policy = walk.weights_again() ? policy_evict_normal() : policy_evict_first();
        more = walk.find(index, S::FEATURES, S::CLUSTER, rank, next);
        tile.next_expert = next.expert;
        tile.next_feature = next.feature;
        const int boxes = ceil_div(tile.columns, S::BOX);
        const u32 bytes = S::WEIGHT_BYTES + S::SLABS * boxes * S::BOX * 128 + S::SCALE_BYTES;
        const int weight_row = tile.expert * features + tile.feature;
        for (int step = 0; step < steps; step++, place.advance<S::STAGES>()) {
            const u32 full = stages.full(place.stage);
            barrier_wait(stages.empty(place.stage), place.parity ^ 1);
            if (step == 0) tiles[place.stage] = tile;
            barrier_expect_bytes(full, bytes);
#pragma unroll
            for (int slab = 0; slab < S::SLABS; slab++) {
                const int column = step * S::STEP + slab * S::SLAB;
                const u32 weights = slab * S::SLAB_WEIGHT_BYTES;
                const u32 tokens = stages.tokens(place.stage) + slab * S::SLAB_TOKEN_BYTES;
#pragma unroll
                for (int block = 0; block < 2 * S::BLOCKS; block++) {
                    // Fused: with one block a warpgroup, warpgroup 0 has gate and 1 has up; with two, each has a gate and an up block.
                    const bool up = S::FUSED && (block & 1);
                    const int row = weight_row + (S::FUSED ? block / 2 : block) * 64;
                    load_box(up ? sources.up : sources.weights, stages.weights(place.stage, block) + weights, full, column, row, policy);
                }
                if (S::CLUSTER == 1) {
                    for (int box = 0; box < boxes; box++)
                        load_box(sources.tokens, tokens + box * S::BOX * 128, full, column, tile.row + box * S::BOX, often);
                } else {
                    for (int box = rank; box < boxes; box += S::CLUSTER)
                        load_box_for_all(sources.tokens, tokens + box * S::BOX * 128, full, column, tile.row + box * S::BOX, often,
                                         (1 << S::CLUSTER) - 1);
                }
            }
            if (S::ELEMENT == Element::E4M3) load_box(sources.scales, stages.scales(place.stage), full, tile.scale / 2, step, often);
        }
    }
    barrier_wait(stages.empty(place.stage), place.parity ^ 1);
    tiles[place.stage].columns = 0;
    barrier_arrive(stages.full(place.stage));
}

} // namespace heng
