// Latent attention in float32: a block takes 32 slots at a time for HEADS heads, so that a row of the cache is read once for all of them. For the
// scores, a warp has an eighth of the width and a lane a slot; for the sums, a thread keeps two columns of every head in registers.
#include "cache.cuh"

#define SLOTS 32
#define WARPS 8
#define SPLIT_FLOATS(width) ((width) + 2)

// Words of 16 bytes that a lane has under way for each slot: rows of at most 768 columns.
#define LANE_WORDS 3

// Where the warp's slots of the 32 from `base` on lie in the cache, -1 for those past `count`: lane i looks up the warp's slot i.
DEVICE i64 find_slot(const AttendArgs& a, i64 row, int sequence, int base, int count) {
    const int OWN = SLOTS / WARPS;
    int lane = threadIdx.x & 31, own = (threadIdx.x >> 5) * OWN + lane;
    if (lane >= OWN || own >= count) return -1;
    i64 found = cache_row(a.keys, sequence, base + own);
    if (found < 0) raise_fault(a.origin, a.table_operand, a.first_row + row, base + own);
    return found;
}

// Brings those of the slots from `base` on that lie within [low, high), and zeros where find_slot found none; each warp has four.
DEVICE void bring_slots(const AttendArgs& a, i64 found, int base, int low, int high, float* tile, int pitch) {
    const int OWN = SLOTS / WARPS;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int width = a.key_width;
    i64 from[OWN];
    bool wanted[OWN];
#pragma unroll
    for (int i = 0; i < OWN; i++) {
        int s = base + warp * OWN + i;
        from[i] = __shfl_sync(0xffffffffu, found, i);
        wanted[i] = s >= low && s < high;
    }
    if (a.keys.type == TYPE_BF16) {
        uint4 v[OWN][LANE_WORDS];
#pragma unroll
        for (int i = 0; i < OWN; i++) {
#pragma unroll
            for (int u = 0; u < LANE_WORDS; u++) {
                uint4 zero = {0u, 0u, 0u, 0u};
                int word = lane + 32 * u;
                v[i][u] = zero;
                if (wanted[i] && from[i] >= 0 && 8 * word < width) v[i][u] = *(const uint4*)((const u16*)a.keys.data + from[i] * a.keys.width + 8 * word);
            }
        }
#pragma unroll
        for (int i = 0; i < OWN; i++) {
#pragma unroll
            for (int u = 0; u < LANE_WORDS; u++) {
                int word = lane + 32 * u;
                if (!wanted[i] || 8 * word >= width) continue;
                float* to = tile + (warp * OWN + i) * pitch + 8 * word;
                float4 one = {as_float(v[i][u].x << 16), as_float(v[i][u].x & 0xffff0000u), as_float(v[i][u].y << 16), as_float(v[i][u].y & 0xffff0000u)};
                float4 two = {as_float(v[i][u].z << 16), as_float(v[i][u].z & 0xffff0000u), as_float(v[i][u].w << 16), as_float(v[i][u].w & 0xffff0000u)};
                *(float4*)to = one;
                *(float4*)(to + 4) = two;
            }
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < OWN; i++) {
        if (!wanted[i]) continue;
        float* to = tile + (warp * OWN + i) * pitch;
        for (int c = lane; c < width; c += 32) to[c] = from[i] < 0 ? 0.0f : load(a.keys.data, a.keys.type, from[i] * a.keys.width + c);
    }
}

// The first position of a sequence that this run writes: slots before it can be read before the append has ended.
DEVICE int first_fresh(const AttendArgs& a, int sequence, int position) {
    if (!a.all_rows) return 0;
    int fresh = position;
    for (int r = 0; r < gridDim.z; r++) {
        int p = ((const int*)a.keys.positions)[r];
        if (p >= 0 && ((const int*)a.keys.sequences)[r] == sequence) fresh = min(fresh, p);
    }
    return fresh;
}

// grid (splits, groups of HEADS heads, rows), 256 threads. Latent at most 512 and even, key width at most 768 and a multiple of 8. Dynamic shared
// memory: HEADS queries, and 32 slots of the cache with 4 floats between them.
template <int HEADS>
DEVICE void attend_heads(const AttendArgs& a) {
    extern __shared__ __align__(16) float memory[];
    __shared__ float scores[WARPS][HEADS][SLOTS + 1];
    __shared__ __align__(16) float weights[SLOTS][HEADS];
    __shared__ float running[HEADS], normaliser[HEADS], correction[HEADS];
    const int LAST = 0x7fffffff;
    int width = a.key_width, pitch = width + 4;
    float* query = memory;                // [HEADS][width]
    float* tile = memory + HEADS * width; // [32][pitch]
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    i64 row = blockIdx.z;
    int first_head = blockIdx.y * HEADS;
    int heads = min(HEADS, a.heads - first_head);
    dependents_may_start();
    int position = ((const int*)a.keys.positions)[row];
    int sequence = ((const int*)a.keys.sequences)[row];
    int slots = slots_per_split(max(position, 0), a.splits);
    int first = blockIdx.x * slots;
    bool idle = position < first;
    int last = min(position, first + slots - 1);
    int fresh = 0;
    i64 found = -1;
    if (!idle) {
        fresh = first_fresh(a, sequence, position);
        found = find_slot(a, row, sequence, first, last - first + 1);
        bring_slots(a, found, first, 0, fresh, tile, pitch);
    }
    dependency_wait();
    if (idle) return;
    // Queries are asked for before the fresh slots, and put down after them.
    const int WORDS = HEADS * LANE_WORDS / 4;
    float4 queries[WORDS];
    const float* q = (const float*)a.q.data + row * a.q.stride + (i64)first_head * width;
#pragma unroll
    for (int u = 0; u < WORDS; u++) {
        int i = 4 * threadIdx.x + 1024 * u;
        float4 zero = {0.0f, 0.0f, 0.0f, 0.0f};
        queries[u] = i < heads * width ? *(const float4*)(q + i) : zero;
    }
    bring_slots(a, found, first, fresh, LAST, tile, pitch);
#pragma unroll
    for (int u = 0; u < WORDS; u++) {
        int i = 4 * threadIdx.x + 1024 * u;
        if (i < HEADS * width) *(float4*)(query + i) = queries[u];
    }
    if (threadIdx.x < HEADS) {
        running[threadIdx.x] = as_float(0xff800000u);
        normaliser[threadIdx.x] = 0.0f;
    }
    float sums[HEADS][2];
#pragma unroll
    for (int h = 0; h < HEADS; h++) sums[h][0] = sums[h][1] = 0.0f;
    int column = 2 * threadIdx.x;
    for (int base = first; base <= last; base += SLOTS) {
        int count = min(SLOTS, last - base + 1);
        if (base > first) {
            found = find_slot(a, row, sequence, base, count);
            __syncthreads();
            bring_slots(a, found, base, 0, LAST, tile, pitch);
        }
        __syncthreads();
        float dots[HEADS];
#pragma unroll
        for (int h = 0; h < HEADS; h++) dots[h] = 0.0f;
#pragma unroll 2
        for (int i = 4 * warp; i < width; i += 4 * WARPS) {
            float4 k = *(const float4*)(tile + lane * pitch + i);
#pragma unroll
            for (int h = 0; h < HEADS; h++) {
                float4 x = *(const float4*)(query + h * width + i);
                dots[h] = fmaf(x.x, k.x, fmaf(x.y, k.y, fmaf(x.z, k.z, fmaf(x.w, k.w, dots[h]))));
            }
        }
#pragma unroll
        for (int h = 0; h < HEADS; h++) scores[warp][h][lane] = dots[h];
        __syncthreads();
        for (int h = warp; h < HEADS; h += WARPS) {
            float s = 0.0f;
#pragma unroll
            for (int part = 0; part < WARPS; part++) s += scores[part][h][lane];
            s = lane < count ? s * (float)a.scale : as_float(0xff800000u);
            bool nan = __any_sync(0xffffffffu, !(s == s));
            float before = running[h];
            float most = fmaxf(s, before);
            for (int mask = 16; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));
            if (nan || !(before == before)) most = as_float(0x7fc00000u);
            float reference = most == as_float(0xff800000u) ? 0.0f : most;
            float p = lane < count ? expf(s - reference) : 0.0f;
            weights[lane][h] = p;
            float part = warp_sum(p);
            __syncwarp();
            if (lane == 0) {
                float factor = before == as_float(0xff800000u) ? 0.0f : expf(before - reference);
                correction[h] = factor;
                normaliser[h] = fmaf(normaliser[h], factor, part);
                running[h] = most;
            }
        }
        __syncthreads();
        if (column < a.value_width) {
#pragma unroll
            for (int h = 0; h < HEADS; h++) {
                sums[h][0] *= correction[h];
                sums[h][1] *= correction[h];
            }
#pragma unroll 4
            for (int j = 0; j < count; j++) {
                float2 v = *(const float2*)(tile + j * pitch + column);
#pragma unroll
                for (int h = 0; h < HEADS; h += 4) {
                    float4 p = *(const float4*)&weights[j][h];
                    sums[h][0] = fmaf(p.x, v.x, sums[h][0]), sums[h][1] = fmaf(p.x, v.y, sums[h][1]);
                    sums[h + 1][0] = fmaf(p.y, v.x, sums[h + 1][0]), sums[h + 1][1] = fmaf(p.y, v.y, sums[h + 1][1]);
                    sums[h + 2][0] = fmaf(p.z, v.x, sums[h + 2][0]), sums[h + 2][1] = fmaf(p.z, v.y, sums[h + 2][1]);
                    sums[h + 3][0] = fmaf(p.w, v.x, sums[h + 3][0]), sums[h + 3][1] = fmaf(p.w, v.y, sums[h + 3][1]);
                }
            }
        }
    }
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
        if (h < heads) {
            float* out = (float*)a.partial + ((row * a.heads + first_head + h) * a.splits + blockIdx.x) * SPLIT_FLOATS(a.value_width);
            if (column < a.value_width) {
                out[column] = sums[h][0];
                out[column + 1] = sums[h][1];
            }
            if (threadIdx.x == 0) {
                out[a.value_width] = running[h];
                out[a.value_width + 1] = normaliser[h];
            }
        }
    }
}

KERNEL void __launch_bounds__(256) attend_latent4(const __grid_constant__ AttendArgs a) { attend_heads<4>(a); }
KERNEL void __launch_bounds__(256) attend_latent16(const __grid_constant__ AttendArgs a) { attend_heads<16>(a); }
