// Mixture of Experts around the products: choosing (ROUTE), sorting (DISPATCH) and summing (COMBINE).
#include "route.cuh"

// A warp for each row; dynamic shared memory: ROUTE_FLOATS for each.
KERNEL void route(const __grid_constant__ RouteArgs a) {
    extern __shared__ float memory[];
    int warp = threadIdx.x >> 5;
    i64 row = (i64)blockIdx.x * (blockDim.x >> 5) + warp;
    dependents_may_start();
    dependency_wait();
    if (row < a.rows) choose_experts(a, row, memory + warp * ROUTE_FLOATS(a.experts, a.groups));
}

// One block of 256 threads for each expert, and one more for the end: rows of an expert in the order of token and slot, without atomics.
KERNEL void __launch_bounds__(256) dispatch(const __grid_constant__ DispatchArgs a) {
    __shared__ int parts[8];
    const int* ids = (const int*)a.ids;
    int* origins = (int*)a.origins;
    int expert = blockIdx.x;
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int before = 0;
    for (int i = threadIdx.x; i < a.slots; i += 256) {
        int local = ids[i] - a.first_expert;
        if (ids[i] >= a.first_expert && local < expert) before++;
    }
    for (int mask = 16; mask > 0; mask >>= 1) before += __shfl_xor_sync(0xffffffffu, before, mask);
    if (lane == 0) parts[warp] = before;
    __syncthreads();
    int at = 0;
    for (int i = 0; i < 8; i++) at += parts[i];
    if (threadIdx.x == 0) ((int*)a.offsets)[expert] = at;
    if (expert == a.experts) {
        for (int i = at + threadIdx.x; i < a.slots; i += 256) origins[i] = -1;
        return;
    }
    for (int base = 0; base < a.slots; base += 256) {
        int i = base + threadIdx.x;
        bool mine = i < a.slots && ids[i] >= a.first_expert && ids[i] - a.first_expert == expert;
        u32 votes = __ballot_sync(0xffffffffu, mine);
        __syncthreads();
        if (lane == 0) parts[warp] = __popc(votes);
        __syncthreads();
        int ahead = 0, all = 0;
        for (int w = 0; w < 8; w++) {
            if (w < warp) ahead += parts[w];
            all += parts[w];
        }
        if (mine) origins[at + ahead + __popc(votes & ((1u << lane) - 1u))] = i;
        at += all;
    }
}

// places[origin] = row. Filled with -1 before; an origin out of range or named twice is a fault (COMBINE-004).
KERNEL void invert(const __grid_constant__ InvertArgs a) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= a.rows) return;
    int origin = ((const int*)a.origins)[row];
    if (origin == -1) return;
    if (origin < -1 || origin >= a.rows || atomicCAS((int*)a.places + origin, -1, row) != -1) raise_fault(a.origin, 1, row, origin);
}

// grid (rows, blocks of columns)
KERNEL void combine(const __grid_constant__ CombineArgs a) {
    int row = blockIdx.x;
    int column = blockIdx.y * blockDim.x + threadIdx.x;
    if (column >= a.y.columns) return;
    float sum = 0;
    for (int slot = 0; slot < a.top_k; slot++) {
        int place = ((const int*)a.places)[row * a.top_k + slot];
        if (place >= 0) sum = fmaf(((const float*)a.weights)[row * a.top_k + slot], load(a.x, place, column), sum);
    }
    store(a.y, row, column, sum);
}

// Over one rank every row stays where it is: offsets are copied and the receipt counts rows (COMM-002).
KERNEL void receipt(const __grid_constant__ ReceiptArgs a) {
    const int* offsets = (const int*)a.offsets;
    for (int e = threadIdx.x; e <= a.experts; e += blockDim.x) {
        ((int*)a.received)[e] = offsets[e];
        if (e < a.experts) ((int*)a.receipt)[e] = offsets[e + 1] - offsets[e];
    }
}
