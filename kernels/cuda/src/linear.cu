// Products with a weight for few rows, in float32 (LINEAR): a warp takes two outputs and streams their weights once for up to 8 rows; activations,
// or their norm, stand in shared memory. The order of each sum does not depend on the number of rows of a run, nor on the device.
#include "finish.cuh"
#include "route.cuh"
#include "stream.cuh"

// Floats of activations that a block stages at a time where there is no norm, which takes whole rows.
#define STAGED 12288

#define RING 16

// grid (blocks, batches of ROWS rows): the warps of a batch take pairs of outputs in turn, or one pair each where rows are staged in pieces. Dynamic
// shared memory: ROWS rows of staged floats, the norm's weights, a ring for each warp.
template <int FORMAT, int ROWS>
DEVICE void project(const ProjectArgs& a, float* staged) {
    const int R = 2;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    int first_row = blockIdx.y * ROWS;
    int rows = min(ROWS, a.rows - first_row);
    bool normed = a.norm.data != nullptr;
    int chunk = normed ? a.weight.columns : min(STAGED / ROWS, a.weight.columns);
    int stride = staged_floats(chunk);
    float* gains = staged + ROWS * stride;
    u8* ring = (u8*)(gains + (normed ? stride : 0)) + warp * RING_BYTES(RING, Word<FORMAT>::SCALED);
    bool streamable = is_streamable<FORMAT, R>(a.weight) && (a.other.data == nullptr || is_streamable<FORMAT, R>(a.other));

    // Pairs of outputs of the first weight, then of the other.
    int pairs = (a.weight.rows + R - 1) / R;
    int all = pairs + (a.other.rows + R - 1) / R;
    int first = blockIdx.x * warps + warp, step = gridDim.x * warps;
    int tiles = first < all ? (all - 1 - first) / step + 1 : 0;
    int from = 0, count = chunk;
    auto place = [&](int tile) {
        int pair = first + tile * step;
        bool second = pair >= pairs;
        const Weight& w = second ? a.other : a.weight;
        Matrix m = expert_of(w, 0);
        int n = R * (second ? pair - pairs : pair);
        Place p = {&w, {m, m}, {n, n + 1}, from, count};
        return p;
    };
    Stream<FORMAT, R, RING, decltype(place)> stream(a.weight, place, tiles, ring, lane);

    dependents_may_start();
    if (streamable) stream.begin();
    if (normed) stage_gains<FORMAT>(streamable, a.x, a.norm, gains, stride);
    dependency_wait();

    // Lane 2 t + j ends with output n + j of row t.
    int t = lane / R;
    i64 row = first_row + t;
    float sums[R][ROWS] = {};
    for (; from < a.weight.columns; from += chunk) {
        if (from > 0) {
            count = min(chunk, a.weight.columns - from);
            stream.restart();
            if (streamable) stream.begin();
            __syncthreads();
        }
        if (normed) {
            stage_norm<FORMAT, ROWS>(streamable, a.x, a.norm, first_row, rows, a.epsilon, a.norm_round_to, gains, staged, stride);
        } else {
            stage<FORMAT, ROWS>(streamable, a.x, first_row, rows, from, count, staged, stride);
        }
        __syncthreads();
        for (int tile = 0; tile < tiles; tile++) {
            Place p = place(tile);
            bool last = from + chunk >= a.weight.columns;
            bool other = p.weight == &a.other;
            int output = p.row[0] + lane % R;
            bool writes = last && t < rows && lane < R * ROWS && output < p.weight->rows;
            // Asked for at once, so that it is there when the sum is.
            bool adds = writes && !other && a.addend.data != nullptr;
            float bias = writes && !other ? bias_at(a.bias, output) : 0.0f;
            float addend = adds ? load(a.addend, row, output) : 0.0f;
            float addend2 = adds && a.second.data != nullptr ? load(a.second, row, output) : 0.0f;
            if (from == 0) {
#pragma unroll
                for (int i = 0; i < ROWS; i++) sums[0][i] = sums[1][i] = 0.0f;
            }
            if (streamable) {
                stream.template multiply<ROWS>(staged, stride, sums);
            } else {
                multiply_elements<ROWS, R>(p, staged, stride, lane, sums);
            }
            if (!last) continue;
            float sum = 0.0f;
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
#pragma unroll
                for (int j = 0; j < R; j++) {
                    float whole = warp_sum(sums[j][i]);
                    if (lane == R * i + j) sum = whole;
                }
            }
            if (!writes) continue;
            double value = (double)sum + (double)bias;
            if (adds) {
                value = (double)rounded(value, a.round_to) + (double)addend;
                if (a.second.data != nullptr) value = (double)rounded(value, a.sum_round_to) + (double)addend2;
            }
            store(other ? a.other_y : a.y, row, output, value);
        }
    }
    if (a.normed.data != nullptr && blockIdx.x == 0) {
        for (int r = 0; r < rows; r++) {
            for (int i = threadIdx.x; i < chunk; i += blockDim.x) store(a.normed, first_row + r, i, staged[r * stride + place_of<FORMAT>(i, stride, streamable)]);
        }
    }
}

// The same, and then the choice of experts for every row, by the block that ends last.
template <int FORMAT, int ROWS>
DEVICE void route_product(const RouterArgs& a, float* memory) {
    __shared__ bool last;
    project<FORMAT, ROWS>(a.product, memory);
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicAdd((int*)a.finished, 1) == (int)gridDim.x - 1;
    __syncthreads();
    if (!last) return;
    __threadfence();
    int floats = ROUTE_FLOATS(a.route.experts, a.route.groups);
    for (int row = threadIdx.x >> 5; row < a.product.rows; row += blockDim.x >> 5) choose_experts(a.route, row, memory + (threadIdx.x >> 5) * floats);
    if (threadIdx.x == 0) *(int*)a.finished = 0;
}

#define PROJECT(NAME, FORMAT, ROWS)                                                                            \
    KERNEL void __launch_bounds__(256) project##ROWS##_##NAME(const __grid_constant__ ProjectArgs a) {         \
        extern __shared__ __align__(16) float memory[];                                                        \
        project<FORMAT, ROWS>(a, memory);                                                                      \
    }
#define ROUTER(NAME, FORMAT, ROWS)                                                                             \
    KERNEL void __launch_bounds__(256) router##ROWS##_##NAME(const __grid_constant__ RouterArgs a) {           \
        extern __shared__ __align__(16) float memory[];                                                        \
        route_product<FORMAT, ROWS>(a, memory);                                                                \
    }
#define FOR_ROWS(KIND, NAME, FORMAT) KIND(NAME, FORMAT, 1) KIND(NAME, FORMAT, 2) KIND(NAME, FORMAT, 4) KIND(NAME, FORMAT, 8)

FOR_ROWS(PROJECT, f32, FORMAT_F32)
FOR_ROWS(PROJECT, f16, FORMAT_F16)
FOR_ROWS(PROJECT, bf16, FORMAT_BF16)
FOR_ROWS(PROJECT, e4m3, FORMAT_E4M3)
FOR_ROWS(PROJECT, i8, FORMAT_I8)
FOR_ROWS(PROJECT, i4, FORMAT_I4)
FOR_ROWS(ROUTER, f32, FORMAT_F32)
FOR_ROWS(ROUTER, bf16, FORMAT_BF16)
