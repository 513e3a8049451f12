// Attention over paged caches in float32 (KV, MLA, GQA), any shape: what holds where the fast kernels do not apply.
//
// MLA runs in its absorbed form: queries are taken through K_h once (absorb), rows of the cache are keys and values for all heads (attend), and
// the sums go through V_h at the end (mla_values). Slots are split over blocks; the parts meet by their maxima and normalisers.
#include "cache.cuh"
#include "stream.cuh"

#define SPLIT_FLOATS(width) ((width) + 2)
#define MAX_VALUE_WIDTH 1024

// All rows are looked at before one is written, so that a refused append writes nothing (RUN-006).
KERNEL void kv_check(const __grid_constant__ KvCheckArgs a) {
    for (int row = threadIdx.x; row < a.rows; row += blockDim.x) {
        int position = ((const int*)a.cache.positions)[row];
        if (position < 0) continue;
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
}

// grid (rows, blocks of columns)
KERNEL void kv_append(const __grid_constant__ KvAppendArgs a) {
    int row = blockIdx.x;
    int position = ((const int*)a.cache.positions)[row];
    int column = blockIdx.y * blockDim.x + threadIdx.x;
    if (position < 0 || column >= a.part.columns || faulted(a.origin)) return;
    i64 to = cache_row(a.cache, ((const int*)a.cache.sequences)[row], position) * a.cache.width + a.offset + column;
    if (a.cache.type == TYPE_F32) {
        ((u32*)a.cache.data)[to] = ((const u32*)a.part.data)[row * a.part.stride + column];
    } else {
        ((u16*)a.cache.data)[to] = ((const u16*)a.part.data)[row * a.part.stride + column];
    }
}

// absorbed[t][h] = (K_h^T q_nope, q_rope) in float32. grid (heads, rows, slices of 128 columns), 256 threads: 16 share 8 columns, each over a
// sixteenth of K_h's rows.
template <int FORMAT>
DEVICE void absorb_head(const AbsorbArgs& a) {
    extern __shared__ float head_query[];
    int head = blockIdx.x;
    i64 row = blockIdx.y;
    Weight w = a.kv_b;
    w.format = FORMAT;
    Matrix m = expert_of(w, 0);
    int slice = threadIdx.x & 15;
    u32 sharing = 0xffffu << (threadIdx.x & 16);
    int column = blockIdx.z * 128 + (threadIdx.x >> 4) * 8;
    dependents_may_start();
    dependency_wait();
    for (int i = threadIdx.x; i < a.nope + a.rope; i += 256) head_query[i] = load(a.q, row, (i64)head * (a.nope + a.rope) + i);
    __syncthreads();
    bool regular = is_regular(w);
    float* out = (float*)a.absorbed + (row * a.heads + head) * (a.latent + a.rope);
    float sums[8] = {};
    if (column < a.latent) {
#pragma unroll 8
        for (int n = slice; n < a.nope; n += 16) {
            float values[8];
            weights8(w, m, head * (a.nope + a.value) + n, column, regular, values);
#pragma unroll
            for (int i = 0; i < 8; i++) sums[i] = fmaf(head_query[n], values[i], sums[i]);
        }
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        for (int mask = 8; mask > 0; mask >>= 1) sums[i] += __shfl_xor_sync(sharing, sums[i], mask);
        if (slice == 0 && column + i < a.latent) out[column + i] = sums[i];
    }
    if (blockIdx.z == 0) {
        for (int i = threadIdx.x; i < a.rope; i += 256) out[a.latent + i] = head_query[a.nope + i];
    }
}

// grid (splits, heads, rows), 128 threads; dynamic shared memory: key_width floats
KERNEL void __launch_bounds__(128) attend(const __grid_constant__ AttendArgs a) {
    extern __shared__ float query[];
    __shared__ float scores[32];
    __shared__ i64 value_rows[32];
    int split = blockIdx.x, head = blockIdx.y;
    i64 row = blockIdx.z;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int position = ((const int*)a.keys.positions)[row];
    int slots = slots_per_split(max(position, 0), a.splits);
    int first = split * slots;
    if (position < first) return;
    int last = min(position, first + slots - 1);
    int sequence = ((const int*)a.keys.sequences)[row];
    int kv_head = head / a.group;
    for (int i = threadIdx.x; i < a.key_width; i += 128) query[i] = load(a.q, row, (i64)head * a.key_width + i);
    float sums[MAX_VALUE_WIDTH / 128];
#pragma unroll
    for (int i = 0; i < MAX_VALUE_WIDTH / 128; i++) sums[i] = 0.0f;
    float largest = as_float(0xff800000u), normaliser = 0.0f;
    for (int base = first; base <= last; base += 32) {
        int count = min(32, last - base + 1);
        __syncthreads();
        for (int j = warp; j < count; j += 4) {
            i64 slot = cache_row(a.keys, sequence, base + j);
            if (slot < 0) {
                if (lane == 0) raise_fault(a.origin, a.table_operand, a.first_row + row, base + j);
                slot = 0;
            }
            float dot = 0;
            for (int i = lane; i < a.key_width; i += 32) {
                dot = fmaf(query[i], load(a.keys.data, a.keys.type, slot * a.keys.width + (i64)kv_head * a.key_width + i), dot);
            }
            dot = warp_sum(dot);
            if (lane == 0) {
                scores[j] = dot * (float)a.scale;
                value_rows[j] = slot * a.values.width + (i64)kv_head * a.value_width;
            }
        }
        __syncthreads();
        float most = largest;
        bool nan = false;
        for (int j = 0; j < count; j++) {
            most = fmaxf(most, scores[j]);
            nan |= !(scores[j] == scores[j]);
        }
        if (nan) most = as_float(0x7fc00000u);
        float base_score = most == as_float(0xff800000u) ? 0.0f : most;
        float correction = largest == as_float(0xff800000u) ? 0.0f : expf(largest - base_score);
        normaliser *= correction;
#pragma unroll
        for (int i = 0; i < MAX_VALUE_WIDTH / 128; i++) sums[i] *= correction;
        for (int j = 0; j < count; j++) {
            float p = expf(scores[j] - base_score);
            normaliser += p;
#pragma unroll
            for (int i = 0; i < MAX_VALUE_WIDTH / 128; i++) {
                int column = threadIdx.x + 128 * i;
                if (column < a.value_width) sums[i] = fmaf(p, load(a.values.data, a.values.type, value_rows[j] + column), sums[i]);
            }
        }
        largest = most;
    }
    float* out = (float*)a.partial + ((row * a.heads + head) * a.splits + split) * SPLIT_FLOATS(a.value_width);
#pragma unroll
    for (int i = 0; i < MAX_VALUE_WIDTH / 128; i++) {
        int column = threadIdx.x + 128 * i;
        if (column < a.value_width) out[column] = sums[i];
    }
    if (threadIdx.x == 0) {
        out[a.value_width] = largest;
        out[a.value_width + 1] = normaliser;
    }
}

// The factors by which the parts of a (row, head) enter its result, and their normaliser, by one warp.
DEVICE float merge_factors(const float* parts, int width, int splits, float* factors, int lane) {
    float largest = as_float(0xff800000u);
    bool nan = false;
    for (int s = lane; s < splits; s += 32) {
        float m = parts[(i64)s * SPLIT_FLOATS(width) + width];
        largest = fmaxf(largest, m);
        nan |= !(m == m);
    }
    for (int mask = 16; mask > 0; mask >>= 1) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, mask));
    if (__any_sync(0xffffffffu, nan)) largest = as_float(0x7fc00000u);
    float total = 0.0f;
    for (int s = lane; s < splits; s += 32) {
        float m = parts[(i64)s * SPLIT_FLOATS(width) + width];
        factors[s] = m == as_float(0xff800000u) ? 0.0f : expf(m - largest);
        total = fmaf(factors[s], parts[(i64)s * SPLIT_FLOATS(width) + width + 1], total);
    }
    return warp_sum(total);
}

// grid (heads, rows), 128 threads; dynamic shared memory: splits floats
KERNEL void merge_heads(const __grid_constant__ MergeArgs a) {
    extern __shared__ float factors[];
    __shared__ float total;
    int head = blockIdx.x;
    i64 row = blockIdx.y;
    int position = ((const int*)a.positions)[row];
    const float* parts = (const float*)a.partial + (row * a.heads + head) * a.splits * SPLIT_FLOATS(a.width);
    int splits = splits_of(position, a.splits);
    if (threadIdx.x < 32) {
        float sum = merge_factors(parts, a.width, splits, factors, threadIdx.x);
        if (threadIdx.x == 0) total = sum;
    }
    __syncthreads();
    for (int column = threadIdx.x; column < a.width; column += blockDim.x) {
        float sum = 0;
        for (int s = 0; s < splits; s++) sum = fmaf(factors[s], parts[(i64)s * SPLIT_FLOATS(a.width) + column], sum);
        store(a.y, row, (i64)head * a.width + column, splits == 0 ? 0.0f : sum / total);
    }
}

// Splits whose sums a thread asks for before it knows their factors, and columns it has.
#define EARLY 8
#define VALUES_RING 16

// y[t][h] = V_h (merged latent). grid (heads, rows, slices of 32 values), 256 threads, a warp for four values. Latent at most 1,024. Dynamic shared
// memory: the staged latent, a factor for each split, a ring for each warp.
template <int FORMAT>
DEVICE void values_of(const MlaValuesArgs& a) {
    extern __shared__ __align__(16) float memory[];
    __shared__ float total;
    const int R = 4;
    int head = blockIdx.x;
    i64 row = blockIdx.y;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int stride = staged_floats(a.latent);
    float* factors = memory + stride;
    u8* ring = (u8*)(factors + ((a.splits + 3) & ~3)) + warp * RING_BYTES(VALUES_RING, Word<FORMAT>::SCALED);
    int value = blockIdx.z * 32 + R * warp;
    int n = head * (a.nope + a.value) + a.nope + value;
    bool active = value < a.value;
    bool streamable = is_streamable<FORMAT, R>(a.kv_b) && n % 2 == 0;
    Matrix m = expert_of(a.kv_b, 0);
    auto place = [&](int) {
        Place p = {&a.kv_b, {m, m}, {n, n + R / 2}, 0, a.latent};
        return p;
    };
    Stream<FORMAT, R, VALUES_RING, decltype(place)> stream(a.kv_b, place, 1, ring, lane);
    if (active && streamable) stream.begin();
    dependents_may_start();
    int position = ((const int*)a.positions)[row];
    int splits = splits_of(position, a.splits);
    dependency_wait();
    const float* parts = (const float*)a.partial + (row * a.heads + head) * a.splits * SPLIT_FLOATS(a.latent);
    float early[2][EARLY];
#pragma unroll
    for (int k = 0; k < 2; k++) {
#pragma unroll
        for (int s = 0; s < EARLY; s++) {
            int column = threadIdx.x + 256 * k;
            early[k][s] = s < splits && column < a.latent ? parts[(i64)s * SPLIT_FLOATS(a.latent) + column] : 0.0f;
        }
    }
    if (warp == 0) {
        float sum = merge_factors(parts, a.latent, splits, factors, lane);
        if (lane == 0) total = sum;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < (MAX_VALUE_WIDTH + 255) / 256; k++) {
        int column = threadIdx.x + 256 * k;
        if (column >= stride) break;
        float sum = 0;
        if (column < a.latent && splits > 0) {
            int s = 0;
            if (k < 2) {
#pragma unroll
                for (; s < EARLY; s++) {
                    if (s < splits) sum = fmaf(factors[s], early[k < 2 ? k : 0][s], sum);
                }
            }
#pragma unroll 8
            for (; s < splits; s++) sum = fmaf(factors[s], parts[(i64)s * SPLIT_FLOATS(a.latent) + column], sum);
            sum /= total;
        }
        memory[place_of<FORMAT>(column, stride, streamable)] = sum;
    }
    __syncthreads();
    if (!active) return;
    float sums[R][1] = {};
    if (streamable) {
        stream.template multiply<1>(memory, stride, sums);
    } else {
        multiply_elements<1, R>(place(0), memory, stride, lane, sums);
    }
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < R; j++) {
        float whole = warp_sum(sums[j][0]);
        if (lane == j) sum = whole;
    }
    if (lane < R && value + lane < a.value) store(a.y, row, (i64)head * a.value + value + lane, sum);
}

#define MLA_VALUES(NAME, FORMAT) \
    KERNEL void __launch_bounds__(256) mla_values_##NAME(const __grid_constant__ MlaValuesArgs a) { values_of<FORMAT>(a); } \
    KERNEL void __launch_bounds__(256) absorb_##NAME(const __grid_constant__ AbsorbArgs a) { absorb_head<FORMAT>(a); }
MLA_VALUES(f32, FORMAT_F32)
MLA_VALUES(f16, FORMAT_F16)
MLA_VALUES(bf16, FORMAT_BF16)
MLA_VALUES(e4m3, FORMAT_E4M3)
MLA_VALUES(i8, FORMAT_I8)
MLA_VALUES(i4, FORMAT_I4)
