// What precedes latent attention of many rows: how far each sequence reaches, and its cache rows side by side, for products to read.
#include "../src/cache.cuh"

// Slots of a sequence are padded to tiles of so many.
#define SLOT_TILE 64

// One block of 1024. A position past the page table counts as the table's end: the append has raised the fault.
KERNEL void __launch_bounds__(1024) latent_lengths(const __grid_constant__ LatentLengthsArgs a) {
    __shared__ int sums[32];
    __shared__ int total;
    int* lengths = (int*)a.lengths;
    int* bases = (int*)a.bases;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    for (int s = threadIdx.x; s < a.sequence_count; s += 1024) lengths[s] = 0;
    if (threadIdx.x == 0) total = 0;
    __syncthreads();
    for (int row = threadIdx.x; row < a.rows; row += 1024) {
        int position = ((const int*)a.positions)[row], sequence = ((const int*)a.sequences)[row];
        if (position >= 0 && sequence >= 0 && sequence < a.sequence_count) atomicMax(lengths + sequence, min(position, a.capacity - 1) + 1);
    }
    __syncthreads();
    for (int from = 0; from < a.sequence_count; from += 1024) {
        int s = from + threadIdx.x;
        int mine = s < a.sequence_count ? (lengths[s] + SLOT_TILE - 1) / SLOT_TILE * SLOT_TILE : 0;
        int sum = mine;
        for (int step = 1; step < 32; step *= 2) {
            int other = __shfl_up_sync(0xffffffffu, sum, step);
            if (lane >= step) sum += other;
        }
        if (lane == 31) sums[warp] = sum;
        __syncthreads();
        int before = total;
        for (int i = 0; i < warp; i++) before += sums[i];
        if (s < a.sequence_count) bases[s] = before + sum - mine;
        __syncthreads();
        if (threadIdx.x == 1023) total = before + sum;
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        ((int*)a.offsets)[0] = 0;
        ((int*)a.offsets)[1] = total;
    }
}

// grid (ceil(capacity / 64), sequences), 256 threads: a tile of slots. 16-bit elements, rows of multiples of 16 bytes.
KERNEL void __launch_bounds__(256) latent_gather(const __grid_constant__ LatentGatherArgs a) {
    int sequence = blockIdx.y, first = blockIdx.x * SLOT_TILE;
    int length = ((const int*)a.lengths)[sequence];
    if (first >= length) return;
    int pieces = (int)(a.cache.width / 8);
    uint4* to = (uint4*)a.gathered + ((i64)((const int*)a.bases)[sequence] + first) * pieces;
    for (int i = threadIdx.x; i < SLOT_TILE * pieces; i += 256) {
        int slot = first + i / pieces;
        uint4 value = {0, 0, 0, 0};
        if (slot < length) {
            i64 row = cache_row(a.cache, sequence, slot);
            if (row < 0) {
                raise_fault(a.origin, a.table_operand, slot, slot);
            } else {
                value = ((const uint4*)a.cache.data)[row * pieces + i % pieces];
            }
        }
        to[i] = value;
    }
}
