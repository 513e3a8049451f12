// From routed experts to rows sorted by expert and back, on the device alone: no count ever reaches the host.
//
//   heng_group_count   ids -> how many of each chunk's items go to each expert
//   heng_group_scan    counts -> offsets of the experts, and where each chunk's items of each expert begin
//   heng_group_place   ids, starts -> origins (row -> item) and inverse (item -> row)
//   heng_group_plan    offsets -> tiles of the grouped GEMMs (schedule.cuh)
//   heng_scatter_rows  x, inverse -> rows
//   heng_one_group_plan  the same for a single group of all rows
//   heng_group_combine rows, inverse, weights -> y
//
// An item is a (token, slot) pair, numbered token * slots + slot. Rows are sorted by expert, within an expert by item (DISPATCH-001); the
// sort counts and ranks, it never races, so every run gives the same bits. Ids outside first .. first + experts - 1 make no row.
// Nothing here needs more than sm_80. Limits, which the host must keep: experts <= 1024, and grids of at least one block also for no items.
// Offsets are this file's own or must be such: they begin at 0, ascend and end within the rows (GROUPED-004 is the caller's to check).
#include "../src/arguments.h"
#include "schedule.cuh"

using namespace heng;

namespace {

/// Items of one block of count and place.
constexpr int CHUNK = 1024;
constexpr int MAX_EXPERTS = 1024;

/// Inclusive sum over the block's 1024 threads.
__device__ int block_scan(int value) {
    __shared__ int sums[32];
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    for (int step = 1; step < 32; step *= 2) {
        const int other = __shfl_up_sync(0xffffffffu, value, step);
        if (lane >= step) value += other;
    }
    __syncthreads();
    if (lane == 31) sums[warp] = value;
    __syncthreads();
    if (warp == 0) {
        int sum = sums[lane];
        for (int step = 1; step < 32; step *= 2) {
            const int other = __shfl_up_sync(0xffffffffu, sum, step);
            if (lane >= step) sum += other;
        }
        sums[lane] = sum;
    }
    __syncthreads();
    return warp == 0 ? value : value + sums[warp - 1];
}

} // namespace

/// counts int32 [ceil(items / 1024), experts]. Grid: ceil(items / 1024) blocks of 1024. Shared: 4 * experts bytes. experts <= 1024.
extern "C" __global__ void __launch_bounds__(CHUNK) heng_group_count(const __grid_constant__ GroupCountArgs a) {
    const int *ids = (const int *)a.ids;
    const int items = a.items, first = a.first, experts = a.experts;
    int *counts = (int *)a.counts;
    extern __shared__ int found[];
    for (int expert = threadIdx.x; expert < experts; expert += CHUNK) found[expert] = 0;
    __syncthreads();
    const int item = blockIdx.x * CHUNK + threadIdx.x;
    if (item < items) {
        const int expert = ids[item] - first;
        if (expert >= 0 && expert < experts) atomicAdd(&found[expert], 1);
    }
    __syncthreads();
    for (int expert = threadIdx.x; expert < experts; expert += CHUNK) counts[blockIdx.x * experts + expert] = found[expert];
}

/// Turns counts in place into each chunk's first row of each expert; offsets int32 [experts + 1]. One block of 1024.
extern "C" __global__ void __launch_bounds__(CHUNK) heng_group_scan(const __grid_constant__ GroupScanArgs a) {
    int *counts = (int *)a.counts;
    int *offsets = (int *)a.offsets;
    const int chunks = a.chunks, experts = a.experts;
    const int expert = threadIdx.x;
    int total = 0;
    if (expert < experts) {
#pragma unroll 8
        for (int chunk = 0; chunk < chunks; chunk++) total += counts[chunk * experts + expert];
    }
    const int end = block_scan(total);
    if (expert >= experts) return;
    int start = end - total;
    if (expert == 0) offsets[0] = 0;
    offsets[expert + 1] = end;
#pragma unroll 8
    for (int chunk = 0; chunk < chunks; chunk++) {
        const int count = counts[chunk * experts + expert];
        counts[chunk * experts + expert] = start;
        start += count;
    }
}

/// origins int32 [items]: item of each row, -1 past the last; inverse int32 [items]: row of each item, -1 where it has none.
/// Grid: ceil(items / 1024) blocks of 1024. Shared: 32 * experts * 2 bytes (64 KiB at 1024 experts).
extern "C" __global__ void __launch_bounds__(CHUNK) heng_group_place(const __grid_constant__ GroupPlaceArgs a) {
    const int *ids = (const int *)a.ids;
    const int *starts = (const int *)a.starts;
    const int *offsets = (const int *)a.offsets;
    int *origins = (int *)a.origins;
    int *inverse = (int *)a.inverse;
    const int items = a.items, first = a.first, experts = a.experts;
    extern __shared__ u16 in_warp[]; // [32][experts]: this chunk's items of each expert in each warp
    for (int i = threadIdx.x; i < 32 * experts; i += CHUNK) in_warp[i] = 0;
    __syncthreads();
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    const int item = blockIdx.x * CHUNK + threadIdx.x;
    int expert = item < items ? ids[item] - first : -1;
    if (expert < 0 || expert >= experts) expert = -1;
    const u32 same = __match_any_sync(0xffffffffu, expert);
    const int rank = __popc(same & ((1u << lane) - 1));
    if (expert >= 0 && rank == 0) in_warp[warp * experts + expert] = (u16)__popc(same);
    __syncthreads();
    if (item >= items) return;
    if (item >= offsets[experts]) origins[item] = -1;
    if (expert < 0) {
        inverse[item] = -1;
        return;
    }
    int row = starts[blockIdx.x * experts + expert] + rank;
    for (int before = 0; before < warp; before++) row += in_warp[before * experts + expert];
    origins[row] = item;
    inverse[item] = row;
}

/// The plan of schedule.cuh for tiles of at most `widest` columns (a multiple of 16); empty once a fault was raised, since offsets may then
/// lead anywhere. One block of 1024.
extern "C" __global__ void __launch_bounds__(CHUNK) heng_group_plan(const __grid_constant__ GroupPlanArgs a) {
    const int *offsets = (const int *)a.offsets;
    int *plan = (int *)a.plan;
    const int experts = a.experts, widest = a.widest;
    if (a.fault != nullptr && ((const volatile Fault *)a.fault)->raised != 0) {
        if (threadIdx.x == 0) plan[0] = plan[1] = 0;
        return;
    }
    __shared__ int width[MAX_EXPERTS];
    __shared__ int order[MAX_EXPERTS];
    const int expert = threadIdx.x;
    const int rows = expert < experts ? offsets[expert + 1] - offsets[expert] : 0;
    const int parts = ceil_div(rows, widest);
    // Tiles of one expert begin at multiples of 16 rows, as the order of activation scales (quantize.cu) demands.
    const int tile_rows = parts > 1 ? ceil_div(ceil_div(rows, parts), 16) * 16 : rows == 0 ? 0 : columns_for(rows);
    width[expert] = tile_rows;
    __syncthreads();
    // Rank by width, the widest first, ties by expert.
    int place = 0;
    for (int other = 0; other < MAX_EXPERTS; other++)
        place += width[other] > tile_rows || (width[other] == tile_rows && other < expert) ? 1 : 0;
    order[place] = expert;
    __syncthreads();
    const int mine = order[threadIdx.x];
    const int my_width = width[mine];
    const int my_row = my_width == 0 ? 0 : offsets[mine];
    const int my_rows = my_width == 0 ? 0 : offsets[mine + 1] - my_row;
    const int my_tiles = my_width == 0 ? 0 : ceil_div(my_rows, my_width);
    const int end = block_scan(my_tiles);
    if (my_width > 0) {
        int *entry = plan + PLAN_WORDS * (threadIdx.x + 1);
        *reinterpret_cast<int4 *>(entry) = make_int4(mine, my_row, my_rows, my_width);
        *reinterpret_cast<int4 *>(entry + 4) = make_int4(end - my_tiles, my_tiles, 0, 0);
    }
    const int entries = __syncthreads_count(my_width > 0);
    if (threadIdx.x == MAX_EXPERTS - 1) {
        plan[0] = entries;
        plan[1] = end;
    }
}

/// The plan of one group of all rows, for a product with a single weight, and behind it that group's offsets {0, rows}. One block of 32.
extern "C" __global__ void __launch_bounds__(32) heng_one_group_plan(const __grid_constant__ OneGroupPlanArgs a) {
    if (threadIdx.x != 0) return;
    int *plan = (int *)a.plan;
    const int parts = ceil_div(a.rows, a.widest);
    const int width = parts > 1 ? ceil_div(ceil_div(a.rows, parts), 16) * 16 : a.rows == 0 ? 0 : columns_for(a.rows);
    const int tiles = width == 0 ? 0 : ceil_div(a.rows, width);
    *reinterpret_cast<int4 *>(plan) = make_int4(a.rows > 0 ? 1 : 0, tiles, 0, 0);
    *reinterpret_cast<int4 *>(plan + PLAN_WORDS) = make_int4(0, 0, a.rows, width);
    *reinterpret_cast<int4 *>(plan + PLAN_WORDS + 4) = make_int4(0, tiles, 0, 0);
    *reinterpret_cast<int2 *>(plan + 2 * PLAN_WORDS) = make_int2(0, a.rows);
}

/// rows[inverse[t * slots + s]] = x[t], 16 bytes at a time; `pieces` = bytes of a row / 16. By token and not by row: x is read once, while
/// the rows of one token lie far apart. Blocks of 256; the grid strides over tokens.
extern "C" __global__ void __launch_bounds__(256) heng_scatter_rows(const __grid_constant__ ScatterRowsArgs a) {
    const uint4 *x = (const uint4 *)a.x;
    const int *inverse = (const int *)a.inverse;
    uint4 *rows = (uint4 *)a.rows;
    const int tokens = a.tokens, slots = a.slots, pieces = a.pieces;
    for (int token = blockIdx.x; token < tokens; token += gridDim.x) {
        const int *targets = inverse + (long long)token * slots;
        for (int piece = threadIdx.x; piece < pieces; piece += 256) {
            const uint4 value = x[(long long)token * a.pitch + piece];
#pragma unroll 8
            for (int slot = 0; slot < slots; slot++) {
                const int row = targets[slot];
                if (row >= 0) rows[(long long)row * pieces + piece] = value;
            }
        }
    }
}

/// COMBINE-001: y[t] = sum over slots, in order, of weights[t][s] * rows[inverse[t * slots + s]], in float32, rounded once to bf16; and
/// the addend, if there is one, rounded again. A slot without a row adds nothing. Grid: (tokens, ceil(width / 2048)) blocks of 256; width a
/// multiple of 8.
extern "C" __global__ void __launch_bounds__(256) heng_group_combine(const __grid_constant__ GroupCombineArgs a) {
    const u16 *rows = (const u16 *)a.rows;
    const int *inverse = (const int *)a.inverse;
    const float *weights = (const float *)a.weights;
    u16 *y = (u16 *)a.y;
    const int slots = a.slots, width = a.width;
    const int column = (blockIdx.y * 256 + threadIdx.x) * 8;
    if (column >= width) return;
    const long long token = blockIdx.x;
    float sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
#pragma unroll 8
    for (int slot = 0; slot < slots; slot++) {
        const int row = inverse[token * slots + slot];
        if (row < 0) continue;
        const float weight = weights[token * slots + slot];
        const uint4 value = *reinterpret_cast<const uint4 *>(rows + (long long)row * width + column);
        const u32 words[4] = {value.x, value.y, value.z, value.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            sum[2 * i] = fmaf(weight, low_bf16(words[i]), sum[2 * i]);
            sum[2 * i + 1] = fmaf(weight, high_bf16(words[i]), sum[2 * i + 1]);
        }
    }
    u32 packed[4] = {pack_bf16(sum[0], sum[1]), pack_bf16(sum[2], sum[3]), pack_bf16(sum[4], sum[5]), pack_bf16(sum[6], sum[7])};
    if (a.addend != nullptr) {
        const uint4 value = *reinterpret_cast<const uint4 *>((const u16 *)a.addend + token * width + column);
        const u32 words[4] = {value.x, value.y, value.z, value.w};
#pragma unroll
        for (int i = 0; i < 4; i++)
            packed[i] = pack_bf16(low_bf16(packed[i]) + low_bf16(words[i]), high_bf16(packed[i]) + high_bf16(words[i]));
    }
    *reinterpret_cast<uint4 *>(y + token * width + column) = make_uint4(packed[0], packed[1], packed[2], packed[3]);
}
