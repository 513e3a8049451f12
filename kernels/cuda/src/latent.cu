// Before latent attention, for few rows: norm of the latent, rotations of key and queries, and the append, in one kernel (NORM, ROPE, KV).
#include "cache.cuh"
#include "weights.cuh"

// The row of the cache that a position belongs to, noting a fault for what is out of range.
DEVICE void check_row(const LatentArgs& a, int row) {
    int position = ((const int*)a.cache.positions)[row];
    if (position < 0) return;
    int sequence = ((const int*)a.cache.sequences)[row];
    if (sequence < 0 || sequence >= a.cache.sequence_count) {
        raise_fault(a.origin, a.positions_operand + 1, row, sequence);
    } else if (position / a.cache.page_size >= a.cache.table_stride) {
        raise_fault(a.origin, a.positions_operand, row, position);
    } else if (cache_row(a.cache, sequence, position) < 0) {
        i64 at = (i64)sequence * a.cache.table_stride + position / a.cache.page_size;
        raise_fault(a.origin, a.positions_operand + 2, at, ((const int*)a.cache.page_table)[at]);
    }
}

// Pair p of x rotated, as two values at their places.
DEVICE void rotate(const LatentArgs& a, const double2* table, const Rows& x, i64 row, int first, int pair, double* low, double* high, int* at, int* to) {
    *at = first + (a.interleaved ? 2 * pair : pair);
    *to = first + (a.interleaved ? 2 * pair + 1 : pair + a.pairs);
    double u = load(x, row, *at), v = load(x, row, *to);
    double2 t = table[pair];
    *low = u * t.x - v * t.y;
    *high = u * t.y + v * t.x;
}

// grid (rows, 1 + heads): block 0 of a row appends, the others rotate a head each. 128 threads.
KERNEL void __launch_bounds__(128) latent_prologue(const __grid_constant__ LatentArgs a) {
    __shared__ double parts[4];
    __shared__ bool sound;
    int row = blockIdx.x;
    dependents_may_start();
    dependency_wait();
    const double2* table = (const double2*)a.table + (i64)row * a.pairs;
    int position = ((const int*)a.cache.positions)[row];
    double low, high;
    int at, to;
    if (blockIdx.y > 0) {
        int width = a.nope + 2 * a.pairs;
        int first = (blockIdx.y - 1) * width;
        for (int i = threadIdx.x; i < a.nope; i += 128) store(a.rotated, row, first + i, load(a.q, row, first + i));
        for (int pair = threadIdx.x; pair < a.pairs; pair += 128) {
            rotate(a, table, a.q, row, first + a.nope, pair, &low, &high, &at, &to);
            store(a.rotated, row, at, position < 0 ? (double)load(a.q, row, at) : low);
            store(a.rotated, row, to, position < 0 ? (double)load(a.q, row, to) : high);
        }
        return;
    }
    // Every row is looked at before one is written (RUN-006).
    if (threadIdx.x == 0) {
        bool all = !faulted(a.origin);
        for (int r = 0; r < a.rows; r++) {
            int p = ((const int*)a.cache.positions)[r];
            bool right = p < 0 || cache_row(a.cache, ((const int*)a.cache.sequences)[r], p) >= 0;
            if (!right && r == row) check_row(a, r);
            all &= right;
        }
        sound = all;
    }
    double squares = 0;
    int width = a.latent.columns;
    for (int i = threadIdx.x; i < width; i += 128) {
        double x = load(a.latent, row, i);
        squares += x * x;
    }
    squares = warp_sum(squares);
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = squares;
    __syncthreads();
    if (!sound || position < 0) return;
    double inverse = 1.0 / sqrt(((parts[0] + parts[1]) + (parts[2] + parts[3])) / width + a.epsilon);
    i64 slot = cache_row(a.cache, ((const int*)a.cache.sequences)[row], position) * a.cache.width;
    Matrix weight = expert_of(a.norm, 0);
    for (int i = threadIdx.x; i < width; i += 128) {
        store(a.cache.data, a.cache.type, slot + i, (double)load(a.latent, row, i) * inverse * (double)weight_at(a.norm, weight, 0, i));
    }
    for (int pair = threadIdx.x; pair < a.pairs; pair += 128) {
        rotate(a, table, a.rope_key, row, 0, pair, &low, &high, &at, &to);
        store(a.cache.data, a.cache.type, slot + width + at, low);
        store(a.cache.data, a.cache.type, slot + width + to, high);
    }
}
