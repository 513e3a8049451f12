// Gated products and experts for few rows, output by output: no sorting, no padding, experts chosen by ids on the device. Every rounding of the
// nodes that are fused here is kept.
#include "finish.cuh"
#include "stream.cuh"

// Outputs that a warp of `gated` takes: a row of gate and one of up where numbers have 16 bits, two of each where they have fewer.
#define GATED_OUTPUTS(scaled) ((scaled) ? 2 : 1)

// Columns of x that a block stages at a time, and rows of a warp's ring.
#define STAGED_ROW 12288
#define GATED_RING 16

// 8 warps; blocks of the dense gated product (or shared expert) for all rows come first, since nobody has to choose their weights, then those of
// every slot. Dynamic shared memory: the staged floats of a row of x, or of STAGED_ROW of its columns, and a ring for each warp.
template <int FORMAT>
DEVICE void gated(const GatedArgs& a) {
    extern __shared__ __align__(16) float staged[];
    const int OUTPUTS = GATED_OUTPUTS(Word<FORMAT>::SCALED), R = 2 * OUTPUTS;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int dense_blocks = (a.gate.rows + 8 * OUTPUTS - 1) / (8 * OUTPUTS) * a.rows;
    bool dense = blockIdx.x < dense_blocks;
    const Weight& gate = dense ? a.gate : a.expert_gate;
    const Weight& up = dense ? a.up : a.expert_up;
    int per_slot = (a.expert_gate.rows + 8 * OUTPUTS - 1) / (8 * OUTPUTS);
    int block = blockIdx.x - dense_blocks;
    // The rows of a dense product take turns, so that they find each other's weights in the second-level cache.
    int slot = dense ? blockIdx.x % a.rows : block / per_slot;
    int n = ((dense ? blockIdx.x / a.rows : block % per_slot) * 8 + warp) * OUTPUTS;
    bool active = n < gate.rows;
    int chunk = min(STAGED_ROW, gate.columns);
    int stride = staged_floats(chunk);
    u8* ring = (u8*)(staged + stride) + warp * RING_BYTES(GATED_RING, Word<FORMAT>::SCALED);
    bool streamable = is_streamable<FORMAT, R>(gate) && is_streamable<FORMAT, R>(up);
    int expert = 0, from = 0, count = chunk;
    auto place = [&](int) {
        Place p = {&gate, {expert_of(gate, expert), expert_of(up, expert)}, {n, n}, from, count};
        return p;
    };
    Stream<FORMAT, R, GATED_RING, decltype(place)> stream(gate, place, active ? 1 : 0, ring, lane);

    if (dense && streamable) stream.begin();
    dependency_wait();
    // The kernel after this one reads the ids before its own wait.
    dependents_may_start();
    if (!dense) {
        expert = ((const int*)a.ids)[slot] - a.first_expert;
        if (expert < 0 || expert >= a.experts) return;
        if (streamable) stream.begin();
    }
    float sums[R][1] = {};
    for (; from < gate.columns; from += chunk) {
        if (from > 0) {
            count = min(chunk, gate.columns - from);
            stream.restart();
            if (streamable) stream.begin();
            __syncthreads();
        }
        stage_row<FORMAT>(streamable, a.x, dense ? slot : slot / a.top_k, from, count, staged, stride, threadIdx.x, blockDim.x);
        __syncthreads();
        if (active && streamable) {
            stream.template multiply<1>(staged, stride, sums);
        } else if (active) {
            multiply_elements<1, R>(place(0), staged, stride, lane, sums);
        }
    }
    int type = dense ? a.round_to : a.expert_round_to;
    float g = 0.0f, u = 0.0f;
#pragma unroll
    for (int j = 0; j < OUTPUTS; j++) {
        float gate_sum = warp_sum(sums[j][0]), up_sum = warp_sum(sums[OUTPUTS + j][0]);
        if (lane == j) g = gate_sum, u = up_sum;
    }
    if (lane < OUTPUTS && n + lane < gate.rows) store(dense ? a.y : a.expert_y, slot, n + lane, silu_times(round_to(g, type), round_to(u, type)));
}

// Outputs of a group of warps of `expert_down`, rows of a warp's ring, and most parts of an output: eight slots and as many parts of a shared expert.
#define DOWN_OUTPUTS 2
#define DOWN_RING 8
#define MOST_PARTS 16

// The parts in which a shared expert's columns are taken, each about as wide as a routed expert's.
DEVICE int shared_parts(int columns, int shared_columns) { return min(max(shared_columns / columns, 1), MOST_PARTS / 2); }

// grid (outputs / DOWN_OUTPUTS / groups, rows): two warps to a group, which take its outputs' parts in turn: one for each slot and the shared
// expert's. Dynamic shared memory: the staged floats of every slot's row of h and of the shared expert's, and a ring for each warp.
template <int FORMAT>
DEVICE void expert_down(const ExpertDownArgs& a) {
    extern __shared__ __align__(16) float staged[];
    __shared__ float results[MOST_PARTS][16 * DOWN_OUTPUTS / 2];
    const int R = DOWN_OUTPUTS;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, groups = blockDim.x >> 6;
    int group = warp % groups, turn = warp / groups;
    i64 row = blockIdx.y;
    int n = (blockIdx.x * groups + group) * R;
    bool active = n < a.down.rows;
    bool shared = a.shared_down.data != nullptr;
    int stride = staged_floats(a.down.columns);
    int shared_stride = shared ? staged_floats(a.shared_down.columns) : 0;
    float* shared_staged = staged + a.top_k * stride;
    u8* ring = (u8*)(shared_staged + shared_stride) + warp * RING_BYTES(DOWN_RING, Word<FORMAT>::SCALED);
    bool streamable = is_streamable<FORMAT, R>(a.down) && (!shared || is_streamable<FORMAT, R>(a.shared_down));

    // Lane s knows slot s. Ids and weights were settled before the kernel before this one went on: see dependents_may_start.
    int expert = -1;
    float weight = 0.0f;
    if (lane < a.top_k) {
        expert = load_settled((const int*)a.ids + row * a.top_k + lane) - a.first_expert;
        weight = load_settled((const float*)a.weights + row * a.top_k + lane);
    }
    u32 local = __ballot_sync(0xffffffffu, expert >= 0 && expert < a.experts);
    int slots = __popc(local);
    auto slot_of = [&](int part) {
        u32 left = local;
        for (; part > 0; part--) left &= left - 1;
        return __ffs(left) - 1;
    };
    int pieces = shared ? shared_parts(a.down.columns, a.shared_down.columns) : 0;
    int piece = shared ? ((a.shared_down.columns + pieces - 1) / pieces + 31) & ~31 : 0;
    int parts = slots + (shared ? (a.shared_down.columns + piece - 1) / piece : 0);
    auto place = [&](int tile) {
        int part = turn + 2 * tile;
        bool routed = part < slots;
        const Weight& w = routed ? a.down : a.shared_down;
        Matrix m = expert_of(w, routed ? __shfl_sync(0xffffffffu, expert, slot_of(part)) : 0);
        int from = routed ? 0 : (part - slots) * piece;
        Place p = {&w, {m, m}, {n, n + 1}, from, routed ? w.columns : min(piece, w.columns - from)};
        return p;
    };
    int tiles = active ? (parts - turn + 1) / 2 : 0;
    Stream<FORMAT, R, DOWN_RING, decltype(place)> stream(a.down, place, tiles, ring, lane);

    if (streamable) stream.begin();
    dependents_may_start();
    dependency_wait();
    i64 output = (i64)blockIdx.x * groups * R + threadIdx.x;
    bool writes = threadIdx.x < groups * R && output < a.down.rows;
    float addend = writes && a.addend.data != nullptr ? load(a.addend, row, output) : 0.0f;
    stage_rows<FORMAT>(streamable, a.h, row * a.top_k, a.top_k, staged, stride);
    if (shared) stage_row<FORMAT>(streamable, a.shared_h, row, 0, a.shared_down.columns, shared_staged, shared_stride, threadIdx.x, blockDim.x);
    __syncthreads();
    for (int tile = 0; tile < tiles; tile++) {
        int part = turn + 2 * tile;
        bool routed = part < slots;
        float sums[R][1] = {};
        if (!streamable) {
            Place p = place(tile);
            multiply_elements<1, R>(p, routed ? staged + slot_of(part) * stride : shared_staged + p.from, 0, lane, sums);
        } else if (routed) {
            stream.template multiply<1>(staged + slot_of(part) * stride, stride, sums);
        } else {
            stream.template multiply<1>(shared_staged + (part - slots) * piece / Word<FORMAT>::COLUMNS * 4, shared_stride, sums);
        }
        float x = warp_sum(sums[0][0]), y = warp_sum(sums[1][0]);
        if (lane == 0) results[part][group * R] = x, results[part][group * R + 1] = y;
    }
    __syncthreads();
    if (warp > 0) return;
    float combined = 0.0f, sum = 0.0f;
    for (int part = 0; part < parts; part++) {
        float slot_weight = __shfl_sync(0xffffffffu, weight, part < slots ? slot_of(part) : 0);
        float result = lane < groups * R ? results[part][lane] : 0.0f;
        if (part < slots) {
            combined = fmaf(slot_weight, round_to(result, a.round_to), combined);
        } else {
            sum += result;
        }
    }
    if (!writes) return;
    double value = combined;
    int type = a.combine_round_to;
    if (shared) {
        value = (double)round_to(combined, type) + (double)round_to(sum, a.shared_round_to);
        type = a.sum_round_to;
    }
    if (a.addend.data != nullptr) value = (double)rounded(value, type) + (double)addend;
    store(a.y, row, output, value);
}

#define EXPERTS(NAME, FORMAT)                                                                                                \
    KERNEL void __launch_bounds__(256, 2) gated_##NAME(const __grid_constant__ GatedArgs a) { gated<FORMAT>(a); }               \
    KERNEL void __launch_bounds__(512) expert_down_##NAME(const __grid_constant__ ExpertDownArgs a) { expert_down<FORMAT>(a); }
EXPERTS(f32, FORMAT_F32)
EXPERTS(f16, FORMAT_F16)
EXPERTS(bf16, FORMAT_BF16)
EXPERTS(e4m3, FORMAT_E4M3)
EXPERTS(i8, FORMAT_I8)
EXPERTS(i4, FORMAT_I4)
