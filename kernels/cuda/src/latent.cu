// Before latent attention, for few rows, in one kernel: norm of the latent, rotation of key and queries, the append, and queries taken through K_h
// (NORM, ROPE, KV, MLA).
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

// Columns of the latent that a thread of the appending block has.
#define OWN_COLUMNS 2

// One block of 256 threads appends a row. What depends on no other kernel is looked up before the wait, and all that is read after it is asked for at once.
DEVICE void append_latent(const LatentArgs& a, i64 row) {
    __shared__ double parts[8];
    __shared__ bool sound;
    int width = a.latent.columns;
    Matrix weight = expert_of(a.norm, 0);
    float gain[OWN_COLUMNS], x[OWN_COLUMNS];
#pragma unroll
    for (int k = 0; k < OWN_COLUMNS; k++) {
        int i = threadIdx.x + 256 * k;
        gain[k] = i < width ? weight_at(a.norm, weight, 0, i) : 0.0f;
    }
    int position = ((const int*)a.cache.positions)[row];
    i64 slot = position < 0 ? -1 : cache_row(a.cache, ((const int*)a.cache.sequences)[row], position);
    // Every row is looked at before one is written (RUN-006).
    bool right = true;
    if (threadIdx.x < a.rows) {
        int p = ((const int*)a.cache.positions)[threadIdx.x];
        right = p < 0 || cache_row(a.cache, ((const int*)a.cache.sequences)[threadIdx.x], p) >= 0;
    }
    dependents_may_start();
    dependency_wait();
    bool rotates = threadIdx.x < a.pairs;
    double low = 0, high = 0;
    int at = 0, partner = 0;
    if (threadIdx.x == 0) sound = !faulted(a.origin);
#pragma unroll
    for (int k = 0; k < OWN_COLUMNS; k++) x[k] = threadIdx.x + 256 * k < width ? load(a.latent, row, threadIdx.x + 256 * k) : 0.0f;
    if (rotates) rotate(a, (const double2*)a.table + row * a.pairs, a.rope_key, row, 0, threadIdx.x, &low, &high, &at, &partner);
    double squares = 0;
#pragma unroll
    for (int k = 0; k < OWN_COLUMNS; k++) squares += (double)x[k] * x[k];
    squares = warp_sum(squares);
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = squares;
    __syncthreads();
    if (!right) {
        if (threadIdx.x == row) check_row(a, row);
        sound = false;
    }
    double sum = 0;
    for (int i = 0; i < 8; i++) sum += parts[i];
    __syncthreads();
    if (!sound || position < 0) return;
    double inverse = rsqrt(sum / width + a.epsilon);
    i64 to = slot * a.cache.width;
#pragma unroll
    for (int k = 0; k < OWN_COLUMNS; k++) {
        int i = threadIdx.x + 256 * k;
        if (i < width) store(a.cache.data, a.cache.type, to + i, (double)x[k] * inverse * (double)gain[k]);
    }
    if (rotates) {
        store(a.cache.data, a.cache.type, to + width + at, low);
        store(a.cache.data, a.cache.type, to + width + partner, high);
    }
}

// Rows of K_h that a thread holds before the queries are there.
#define HELD 8

// absorbed[row][h] = (K_h^T q_nope, rotated q_rope) in float32, 128 columns: 16 threads share 8 of them, each over a sixteenth of K_h's rows.
template <int FORMAT>
DEVICE void absorb(const LatentArgs& a, i64 row, int head, int slice) {
    Weight w = a.kv_b;
    w.format = FORMAT;
    Matrix m = expert_of(w, 0);
    int first = threadIdx.x & 15;
    int column = slice * 128 + (threadIdx.x >> 4) * 8;
    bool regular = is_regular(w), inside = column < w.columns;
    int k = head * (a.nope + a.value);
    float held[HELD][8];
#pragma unroll
    for (int u = 0; u < HELD; u++) {
        int n = first + 16 * u;
        if (inside && n < a.nope) {
            weights8(w, m, k + n, column, regular, held[u]);
        } else {
#pragma unroll
            for (int i = 0; i < 8; i++) held[u][i] = 0.0f;
        }
    }
    dependents_may_start();
    dependency_wait();
    i64 q = (i64)head * (a.nope + 2 * a.pairs);
    float x[HELD];
#pragma unroll
    for (int u = 0; u < HELD; u++) x[u] = first + 16 * u < a.nope ? load(a.q, row, q + first + 16 * u) : 0.0f;
    float* out = (float*)a.absorbed + (row * a.heads + head) * (w.columns + 2 * a.pairs);
    if (slice == 0 && threadIdx.x < a.pairs) {
        double low, high;
        int at, partner, rope = (int)q + a.nope;
        rotate(a, (const double2*)a.table + row * a.pairs, a.q, row, rope, threadIdx.x, &low, &high, &at, &partner);
        bool padding = ((const int*)a.cache.positions)[row] < 0;
        out[w.columns + at - rope] = padding ? load(a.q, row, at) : a.q.type == TYPE_F32 ? (float)low : round_to(to_odd(low), a.q.type);
        out[w.columns + partner - rope] = padding ? load(a.q, row, partner) : a.q.type == TYPE_F32 ? (float)high : round_to(to_odd(high), a.q.type);
    }
    float sums[8] = {};
#pragma unroll
    for (int u = 0; u < HELD; u++) {
#pragma unroll
        for (int i = 0; i < 8; i++) sums[i] = fmaf(x[u], held[u][i], sums[i]);
    }
    for (int n = first + 16 * HELD; inside && n < a.nope; n += 16) {
        float values[8], y = load(a.q, row, q + n);
        weights8(w, m, k + n, column, regular, values);
#pragma unroll
        for (int i = 0; i < 8; i++) sums[i] = fmaf(y, values[i], sums[i]);
    }
    u32 sharing = 0xffffu << (threadIdx.x & 16);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        for (int mask = 8; mask > 0; mask >>= 1) sums[i] += __shfl_xor_sync(sharing, sums[i], mask);
        if (first == 0 && column + i < w.columns) out[column + i] = sums[i];
    }
}

// grid (1 + heads * slices of 128 columns, rows), 256 threads: block 0 of a row appends. At most 256 rows and pairs, latent at most 512.
#define LATENT_QUERY(NAME, FORMAT)                                                                       \
    KERNEL void __launch_bounds__(256) latent_query_##NAME(const __grid_constant__ LatentArgs a) {       \
        int slices = (a.kv_b.columns + 127) / 128;                                                       \
        if (blockIdx.x == 0) {                                                                           \
            append_latent(a, blockIdx.y);                                                                \
        } else {                                                                                         \
            absorb<FORMAT>(a, blockIdx.y, (blockIdx.x - 1) / slices, (blockIdx.x - 1) % slices);         \
        }                                                                                                \
    }
LATENT_QUERY(f32, FORMAT_F32)
LATENT_QUERY(f16, FORMAT_F16)
LATENT_QUERY(bf16, FORMAT_BF16)
LATENT_QUERY(e4m3, FORMAT_E4M3)
LATENT_QUERY(i8, FORMAT_I8)
LATENT_QUERY(i4, FORMAT_I4)
