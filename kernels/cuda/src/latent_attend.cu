// Latent attention for steps of few rows, in float32: a block takes 32 slots at a time for 16 heads, so that a cache row is read once for all of
// them. Scores split the width over four groups of two warps; sums keep two columns for 16 heads in a thread's registers.
#include "cache.cuh"

#define HEADS 16
#define SLOTS 32
#define SPLIT_FLOATS(width) ((width) + 2)

// grid (splits, groups of 16 heads, rows), 256 threads. Latent at most 512, key width a multiple of 16.
KERNEL void __launch_bounds__(256) attend_latent(const __grid_constant__ AttendArgs a) {
    extern __shared__ float memory[];
    __shared__ float scores[4][HEADS][SLOTS + 1];
    __shared__ __align__(16) float weights[SLOTS][HEADS];
    __shared__ float running[HEADS], normaliser[HEADS], correction[HEADS];
    int width = a.key_width, pitch = width + 4;
    float* query = memory;                // [16][width]
    float* tile = memory + HEADS * width; // [32][pitch]
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    i64 row = blockIdx.z;
    int first_head = blockIdx.y * HEADS;
    int heads = min(HEADS, a.heads - first_head);
    dependents_may_start();
    int position = ((const int*)a.keys.positions)[row];
    int first = blockIdx.x * a.slots_per_split;
    dependency_wait();
    if (position < first) return;
    int last = min(position, first + a.slots_per_split - 1);
    int sequence = ((const int*)a.keys.sequences)[row];
    const float* q = (const float*)a.q.data + row * a.q.stride + (i64)first_head * width;
    for (int i = 4 * threadIdx.x; i < HEADS * width; i += 1024) {
        float4 zero = {0.0f, 0.0f, 0.0f, 0.0f};
        *(float4*)(query + i) = i < heads * width ? *(const float4*)(q + i) : zero;
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
        __syncthreads();
        // Each warp brings four slots.
        for (int j = warp; j < SLOTS; j += 8) {
            i64 slot = j < count ? cache_row(a.keys, sequence, base + j) : -1;
            if (slot < 0 && j < count) {
                if (lane == 0) raise_fault(a.origin, a.table_operand, a.first_row + row, base + j);
            }
            if (slot < 0) {
                for (int i = lane; i < width; i += 32) tile[j * pitch + i] = 0.0f;
            } else if (a.keys.type == TYPE_BF16) {
                const uint2* p = (const uint2*)((const u16*)a.keys.data + slot * a.keys.width);
#pragma unroll 5
                for (int i = lane; i < width / 4; i += 32) {
                    uint2 v = p[i];
                    float4 f = {as_float(v.x << 16), as_float(v.x & 0xffff0000u), as_float(v.y << 16), as_float(v.y & 0xffff0000u)};
                    *(float4*)(tile + j * pitch + 4 * i) = f;
                }
            } else {
                for (int i = lane; i < width; i += 32) tile[j * pitch + i] = load(a.keys.data, a.keys.type, slot * a.keys.width + i);
            }
        }
        __syncthreads();
        // Scores: warp pairs take a quarter of the width each, a warp of the pair half of the heads, a lane one slot.
        int quarter = warp >> 1, half = (warp & 1) * 8;
        float dots[8];
#pragma unroll
        for (int h = 0; h < 8; h++) dots[h] = 0.0f;
        int from = quarter * (width / 4);
        for (int i = from; i < from + width / 4; i += 4) {
            float4 k = *(const float4*)(tile + lane * pitch + i);
#pragma unroll
            for (int h = 0; h < 8; h++) {
                float4 x = *(const float4*)(query + (half + h) * width + i);
                dots[h] = fmaf(x.x, k.x, fmaf(x.y, k.y, fmaf(x.z, k.z, fmaf(x.w, k.w, dots[h]))));
            }
        }
#pragma unroll
        for (int h = 0; h < 8; h++) scores[quarter][half + h][lane] = dots[h];
        __syncthreads();
        // Softmax: a warp for two heads.
        for (int h = 2 * warp; h < 2 * warp + 2; h++) {
            float s = (scores[0][h][lane] + scores[1][h][lane]) + (scores[2][h][lane] + scores[3][h][lane]);
            s = lane < count ? s * (float)a.scale : as_float(0xff800000u);
            bool nan = __any_sync(0xffffffffu, !(s == s));
            float most = fmaxf(s, running[h]);
            for (int mask = 16; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));
            if (nan || !(running[h] == running[h])) most = as_float(0x7fc00000u);
            float reference = most == as_float(0xff800000u) ? 0.0f : most;
            float p = lane < count ? expf(s - reference) : 0.0f;
            weights[lane][h] = p;
            float part = warp_sum(p);
            if (lane == 0) {
                float factor = running[h] == as_float(0xff800000u) ? 0.0f : expf(running[h] - reference);
                correction[h] = factor;
                normaliser[h] = fmaf(normaliser[h], factor, part);
            }
            __syncwarp();
            if (lane == 0) running[h] = most;
        }
        __syncthreads();
        if (column < a.value_width) {
#pragma unroll
            for (int h = 0; h < HEADS; h++) {
                sums[h][0] *= correction[h];
                sums[h][1] *= correction[h];
            }
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
    __syncthreads();
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
