// Products for many rows: tiles of 64 rows by 64 outputs in float32, weights dequantised on their way into shared memory; and exact int8
// products. The portable path: any shape, any format.
#include "finish.cuh"

#define TILE 64
#define DEPTH 32
#define PITCH (TILE + 4)

// One tile of y for rows from first_row, at most TILE and below end_row.
DEVICE void tile(const Weight& w, const Matrix& m, const Rows& x, i64 first_row, int rows, int first_n, float (*sums)[4]) {
    __shared__ float xs[DEPTH * PITCH];
    __shared__ float ws[DEPTH * PITCH];
    bool regular = is_regular(w);
    int line = threadIdx.x >> 2;
    int part = (threadIdx.x & 3) * 8;
    int tx = threadIdx.x & 15, ty = threadIdx.x >> 4;
    for (int k = 0; k < w.columns; k += DEPTH) {
        float values[8];
        int column = k + part;
        if (first_n + line < w.rows && column < w.columns) {
            weights8(w, m, first_n + line, column, regular, values);
        } else {
#pragma unroll
            for (int i = 0; i < 8; i++) values[i] = 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 8; i++) {
            ws[(part + i) * PITCH + line] = values[i];
            xs[(part + i) * PITCH + line] = line < rows && column + i < w.columns ? load(x, first_row + line, column + i) : 0.0f;
        }
        __syncthreads();
#pragma unroll 8
        for (int d = 0; d < DEPTH; d++) {
            float4 a = *(const float4*)(xs + d * PITCH + ty * 4);
            float4 b = *(const float4*)(ws + d * PITCH + tx * 4);
            float xa[4] = {a.x, a.y, a.z, a.w}, wb[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++) sums[i][j] = fmaf(xa[i], wb[j], sums[i][j]);
            }
        }
    }
}

// grid (tiles of outputs, tiles of rows), 256 threads
KERNEL void __launch_bounds__(256) linear_tile(const __grid_constant__ LinearArgs a) {
    i64 first_row = (i64)blockIdx.y * TILE;
    int rows = min((i64)TILE, a.rows - first_row);
    int first_n = blockIdx.x * TILE;
    float sums[4][4] = {};
    tile(a.weight, expert_of(a.weight, 0), a.x, first_row, rows, first_n, sums);
    int tx = threadIdx.x & 15, ty = threadIdx.x >> 4;
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            int row = ty * 4 + i, n = first_n + tx * 4 + j;
            if (row < rows && n < a.weight.rows) finish(a.bias, a.addend, a.second, a.y, a.round_to, a.sum_round_to, first_row + row, n, sums[i][j]);
        }
    }
}

// Offsets must begin at 0, ascend and end within the rows (GROUPED-004). One block.
KERNEL void grouped_check(const __grid_constant__ GroupedCheckArgs a) {
    const int* offsets = (const int*)a.offsets;
    for (int e = threadIdx.x; e <= a.experts; e += blockDim.x) {
        int at = offsets[e];
        bool right = e == 0 ? at == 0 : at >= offsets[e - 1];
        if (!right || at > a.rows) raise_fault(a.origin, 1, e, at);
    }
}

// grid (tiles of outputs, tiles of rows: at most rows / TILE + experts), 256 threads
KERNEL void __launch_bounds__(256) grouped_tile(const __grid_constant__ GroupedArgs a) {
    if (faulted(a.origin)) return;
    const int* offsets = (const int*)a.offsets;
    int tiles = blockIdx.y;
    int expert = 0;
    for (; expert < a.experts; expert++) {
        int here = (offsets[expert + 1] - offsets[expert] + TILE - 1) / TILE;
        if (tiles < here) break;
        tiles -= here;
    }
    if (expert == a.experts) return;
    i64 first_row = offsets[expert] + (i64)tiles * TILE;
    int rows = min((i64)TILE, offsets[expert + 1] - first_row);
    int first_n = blockIdx.x * TILE;
    float sums[4][4] = {};
    tile(a.weight, expert_of(a.weight, expert), a.x, first_row, rows, first_n, sums);
    int tx = threadIdx.x & 15, ty = threadIdx.x >> 4;
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            int row = ty * 4 + i, n = first_n + tx * 4 + j;
            if (row < rows && n < a.weight.rows) store(a.y, first_row + row, n, sums[i][j]);
        }
    }
}

// The expert of a row, or -1 past the last offset.
DEVICE int expert_of_row(const int* offsets, int experts, int row) {
    if (row >= offsets[experts]) return -1;
    int low = 0, high = experts - 1;
    while (low < high) {
        int middle = (low + high) >> 1;
        if (row < offsets[middle + 1]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

// Int8 activations by int8 weights: the sum is exact (QUANT-042). grid (outputs / 8, rows), 8 warps, a warp for each output.
KERNEL void __launch_bounds__(256) linear_int8(const __grid_constant__ LinearInt8Args a) {
    int row = blockIdx.y + (int)(blockIdx.z * 65535u);
    if (row >= a.rows) return;
    int n = blockIdx.x * 8 + (threadIdx.x >> 5);
    int lane = threadIdx.x & 31;
    if (n >= a.weight.rows) return;
    int expert = a.offsets == nullptr ? 0 : expert_of_row((const int*)a.offsets, a.experts, row);
    if (expert < 0) return;
    Matrix m = expert_of(a.weight, expert);
    const signed char* w = (const signed char*)m.data + a.weight.row_bytes * n;
    const signed char* q = (const signed char*)a.q + (i64)row * a.weight.columns;
    int sum = 0;
    if (a.weight.columns % 4 == 0 && (((u64)w | (u64)q) & 3) == 0) {
        for (int i = lane; i < a.weight.columns / 4; i += 32) sum = __dp4a(((const int*)w)[i], ((const int*)q)[i], sum);
    } else {
        for (int i = lane; i < a.weight.columns; i += 32) sum += (int)w[i] * (int)q[i];
    }
    for (int mask = 16; mask > 0; mask >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    if (lane != 0) return;
    double value = (double)sum * ((const float*)a.scales)[row] * scale_at(m.scales, a.weight.scale_type, n) + (double)bias_at(a.bias, n);
    add_up(a.addend, a.second, a.y, a.round_to, a.sum_round_to, row, n, value);
}
