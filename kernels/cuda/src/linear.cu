// Products with a weight for any number of rows, in float32 (LINEAR, GROUPED). Three shapes of work:
//   linear_rows_*    up to 8 rows: a warp holds two outputs and streams their weights once for all rows; activations stand in shared memory
//   linear_tile      more rows: 64 x 64 tiles of dequantised weights and activations
//   grouped_*        the same for rows sorted by expert
// The order of each sum depends on neither the number of rows nor the device, but differs between the shapes.
#include "dot.cuh"

// ---- up to 8 rows ----------------------------------------------------------------------------------------------------------------------

template <int FORMAT, int ROWS>
DEVICE void linear_rows(const LinearArgs& a) {
    extern __shared__ float staged[];
    int lane = threadIdx.x & 31;
    int warps = blockDim.x >> 5;
    int first_row = blockIdx.y * ROWS;
    int rows = min(ROWS, a.rows - first_row);
    int n = (blockIdx.x * warps + (threadIdx.x >> 5)) * 2;
    bool two = n + 1 < a.weight.rows;
    Matrix m = expert_of(a.weight, 0);
    float sums[2][ROWS];
#pragma unroll
    for (int t = 0; t < ROWS; t++) sums[0][t] = sums[1][t] = 0.0f;
    if (n < a.weight.rows) {
        prefetch_row(a.weight, m, n, lane);
        if (two) prefetch_row(a.weight, m, n + 1, lane);
    }
    dependents_may_start();
    dependency_wait();
    for (int from = 0; from < a.weight.columns; from += STAGED / ROWS) {
        int count = min(STAGED / ROWS, a.weight.columns - from);
        int padded = (count + 31) & ~31;
        __syncthreads();
        stage<FORMAT, ROWS>(a.weight, a.x, first_row, rows, from, count, staged, padded);
        __syncthreads();
        if (n < a.weight.rows) {
            dot2<FORMAT, ROWS>(a.weight, m, n, m, two ? n + 1 : n, from, count, staged, padded, lane, sums);
        }
    }
    if (n >= a.weight.rows) return;
#pragma unroll
    for (int t = 0; t < ROWS; t++) {
        float first = warp_sum(sums[0][t]), second = warp_sum(sums[1][t]);
        float sum = lane == 0 ? first : second;
        if (t < rows && (lane == 0 || (lane == 1 && two))) finish(a.bias, a.addend, a.second, a.y, a.round_to, a.sum_round_to, first_row + t, n + lane, sum);
    }
}

#define LINEAR_ROWS(NAME, FORMAT)                                                                                                         \
    KERNEL void __launch_bounds__(256) linear_rows1_##NAME(const __grid_constant__ LinearArgs a) { linear_rows<FORMAT, 1>(a); }           \
    KERNEL void __launch_bounds__(256) linear_rows2_##NAME(const __grid_constant__ LinearArgs a) { linear_rows<FORMAT, 2>(a); }           \
    KERNEL void __launch_bounds__(256) linear_rows4_##NAME(const __grid_constant__ LinearArgs a) { linear_rows<FORMAT, 4>(a); }           \
    KERNEL void __launch_bounds__(256) linear_rows8_##NAME(const __grid_constant__ LinearArgs a) { linear_rows<FORMAT, 8>(a); }

LINEAR_ROWS(f32, FORMAT_F32)
LINEAR_ROWS(f16, FORMAT_F16)
LINEAR_ROWS(bf16, FORMAT_BF16)
LINEAR_ROWS(e4m3, FORMAT_E4M3)
LINEAR_ROWS(i8, FORMAT_I8)
LINEAR_ROWS(i4, FORMAT_I4)
