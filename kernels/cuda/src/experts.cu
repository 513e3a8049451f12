// Gated products and experts for few rows, output by output: no sorting, no padding, experts chosen by ids on the device. Every rounding of the
// nodes that are fused here is kept.
#include "dot.cuh"

// grid (outputs / 8, rows or slots), 8 warps: a warp holds one output of gate and up.
template <int FORMAT>
DEVICE void gated(const GatedArgs& a) {
    extern __shared__ float staged[];
    int lane = threadIdx.x & 31;
    int slot = blockIdx.y;
    int n = blockIdx.x * 8 + (threadIdx.x >> 5);
    if (a.ids == nullptr && n < a.gate.rows) {
        prefetch_row(a.gate, expert_of(a.gate, 0), n, lane);
        prefetch_row(a.up, expert_of(a.up, 0), n, lane);
    }
    dependents_may_start();
    dependency_wait();
    int expert = 0;
    if (a.ids != nullptr) {
        expert = ((const int*)a.ids)[slot] - a.first_expert;
        if (expert < 0 || expert >= a.experts) return;
    }
    Matrix gate = expert_of(a.gate, expert), up = expert_of(a.up, expert);
    float sums[2][1] = {};
    for (int from = 0; from < a.gate.columns; from += STAGED) {
        int count = min(STAGED, a.gate.columns - from);
        int padded = (count + 31) & ~31;
        __syncthreads();
        stage<FORMAT, 1>(a.gate, a.x, slot / a.top_k, 1, from, count, staged, padded);
        __syncthreads();
        if (n < a.gate.rows) dot2<FORMAT, 1>(a.gate, gate, n, up, n, from, count, staged, padded, lane, sums);
    }
    if (n >= a.gate.rows) return;
    float g = warp_sum(sums[0][0]), u = warp_sum(sums[1][0]);
    if (lane == 0) store(a.y, slot, n, silu_times(round_to(g, a.round_to), round_to(u, a.round_to)));
}

// Outputs of a block, in pairs.
#define DOWN_OUTPUTS 4

// grid (outputs / DOWN_OUTPUTS, rows), a warp for each slot: it stages its own row of h and takes the block's outputs in pairs.
template <int FORMAT>
DEVICE void expert_down(const ExpertDownArgs& a) {
    extern __shared__ float memory[];
    int lane = threadIdx.x & 31, slot = threadIdx.x >> 5;
    i64 row = blockIdx.y;
    int padded = (a.down.columns + 31) & ~31;
    float* staged = memory + DOWN_OUTPUTS * a.top_k + slot * padded;
    dependents_may_start();
    dependency_wait();
    int expert = ((const int*)a.ids)[row * a.top_k + slot] - a.first_expert;
    bool mine = expert >= 0 && expert < a.experts;
    if (mine) {
        bool streamable = is_streamable<FORMAT>(a.down);
        stage_row<FORMAT>(streamable, a.h, row * a.top_k + slot, 0, a.down.columns, staged, padded, lane, 32);
        __syncwarp();
        Matrix m = expert_of(a.down, expert);
        for (int pair = 0; pair < DOWN_OUTPUTS; pair += 2) {
            int n = blockIdx.x * DOWN_OUTPUTS + pair;
            if (n >= a.down.rows) break;
            int second = min(n + 1, a.down.rows - 1);
            float sums[2][1] = {};
            dot2<FORMAT, 1>(a.down, m, n, m, second, 0, a.down.columns, staged, padded, lane, sums);
            float x = warp_sum(sums[0][0]), y = warp_sum(sums[1][0]);
            if (lane == 0) {
                memory[slot * DOWN_OUTPUTS + pair] = round_to(x, a.round_to);
                memory[slot * DOWN_OUTPUTS + pair + 1] = round_to(y, a.round_to);
            }
        }
    }
    __syncthreads();
    int n = blockIdx.x * DOWN_OUTPUTS + threadIdx.x;
    if (threadIdx.x >= DOWN_OUTPUTS || n >= a.down.rows) return;
    float sum = 0;
    for (int s = 0; s < a.top_k; s++) {
        int id = ((const int*)a.ids)[row * a.top_k + s] - a.first_expert;
        if (id >= 0 && id < a.experts) sum = fmaf(((const float*)a.weights)[row * a.top_k + s], memory[s * DOWN_OUTPUTS + threadIdx.x], sum);
    }
    if (a.addend.data == nullptr) {
        store(a.y, row, n, sum);
    } else {
        store(a.y, row, n, (double)round_to(sum, a.sum_round_to) + (double)load(a.addend, row, n));
    }
}

#define EXPERTS(NAME, FORMAT)                                                                                                \
    KERNEL void __launch_bounds__(256) gated_##NAME(const __grid_constant__ GatedArgs a) { gated<FORMAT>(a); }               \
    KERNEL void __launch_bounds__(256) expert_down_##NAME(const __grid_constant__ ExpertDownArgs a) { expert_down<FORMAT>(a); }
EXPERTS(f32, FORMAT_F32)
EXPERTS(f16, FORMAT_F16)
EXPERTS(bf16, FORMAT_BF16)
EXPERTS(e4m3, FORMAT_E4M3)
EXPERTS(i8, FORMAT_I8)
EXPERTS(i4, FORMAT_I4)
