// The next token: ARGMAX and SAMPLE. Many blocks look for the largest logit, and one of 1024 threads for each row does the rest.
#include "types.cuh"

#define THREADS 1024

DEVICE u64 block_max(u64 key, u64* parts) {
    key = warp_max(key);
    __syncthreads();
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = key;
    __syncthreads();
    u64 best = 0;
    for (int i = 0; i < THREADS / 32; i++) best = parts[i] > best ? parts[i] : best;
    return best;
}

// Columns of a block of `largest`, and its threads.
#define PART 2048
#define PART_THREADS 256

// The key of the largest logit of a part of a row, 0 for nothing but NaN. grid (parts of 2,048 columns, rows), 256 threads.
KERNEL void __launch_bounds__(PART_THREADS) largest(const __grid_constant__ LargestArgs a) {
    __shared__ u64 parts[PART_THREADS / 32];
    dependents_may_start();
    dependency_wait();
    float v[PART / PART_THREADS];
    int first = blockIdx.x * PART + threadIdx.x;
#pragma unroll
    for (int u = 0; u < PART / PART_THREADS; u++) {
        int column = first + u * PART_THREADS;
        v[u] = column < a.x.columns ? load(a.x, blockIdx.y, column) : as_float(0x7fc00000u);
    }
    u64 best = 0;
#pragma unroll
    for (int u = 0; u < PART / PART_THREADS; u++) {
        u64 key = v[u] == v[u] ? rank_key(v[u], first + u * PART_THREADS) : 0;
        best = key > best ? key : best;
    }
    best = warp_max(best);
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = best;
    __syncthreads();
    if (threadIdx.x > 0) return;
    for (int i = 0; i < PART_THREADS / 32; i++) best = parts[i] > best ? parts[i] : best;
    ((u64*)a.best)[(i64)blockIdx.y * gridDim.x + blockIdx.x] = best;
}

// A warp for each row (ARGMAX-002, ARGMAX-003).
KERNEL void argmax(const __grid_constant__ ArgmaxArgs a) {
    dependents_may_start();
    dependency_wait();
    u64 best = 0;
    for (int i = threadIdx.x; i < a.parts; i += 32) {
        u64 key = ((const u64*)a.best)[(i64)blockIdx.x * a.parts + i];
        best = key > best ? key : best;
    }
    best = warp_max(best);
    if (threadIdx.x == 0) ((int*)a.ids)[blockIdx.x] = best == 0 ? 0 : (int)index_of(best);
}

// Philox4x32-10, word i mod 4 of block i / 4 (SAMPLE-004).
DEVICE u32 philox(u32 i, u32 counter, u64 seed) {
    u32 c0 = i / 4, c1 = counter, c2 = 0, c3 = 0;
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u64 p0 = (u64)0xd2511f53u * c0, p1 = (u64)0xcd9e8d57u * c2;
        c0 = (u32)(p1 >> 32) ^ c1 ^ k0;
        c1 = (u32)p1;
        c2 = (u32)(p0 >> 32) ^ c3 ^ k1;
        c3 = (u32)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    u32 word = i & 3u;
    return word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3;
}

DEVICE double gumbel(u32 word) {
    // -log u, from 1 - u where u is near 1 (SAMPLE-005).
    double u = ((double)word + 0.5) / 4294967296.0;
    return -log(-log(u));
}

// exp(z) as a fixed-point number of 2^-44, so that sums have no order.
DEVICE u64 mass_of(double z) { return (u64)(exp(z) * 17592186044416.0); }

// The smallest key still chosen: the `count`-th largest key (by_mass false), or the first at which the mass from the top reaches `count`.
// A descent over the key's bytes, each by a histogram of those that agree with the bytes before.
DEVICE u64 threshold(const Rows& x, i64 row, u64 floor_key, bool by_mass, u64 count, double largest, double temperature, u64* histogram) {
    u64 prefix = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        __syncthreads();
        for (int i = threadIdx.x; i < 256; i += THREADS) histogram[i] = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < x.columns; i += THREADS) {
            float v = load(x, row, i);
            if (!(v == v)) continue;
            u64 key = rank_key(v, i);
            if (key < floor_key || (shift < 56 && (key >> (shift + 8)) != (prefix >> (shift + 8)))) continue;
            atomicAdd(&histogram[(key >> shift) & 255u], by_mass ? mass_of(((double)v - largest) / temperature) : 1ull);
        }
        __syncthreads();
        int digit = 255;
        u64 left = count;
        for (; digit > 0; digit--) {
            u64 here = histogram[digit];
            if (here >= left && here > 0) break;
            left -= here;
        }
        count = left;
        prefix |= (u64)digit << shift;
    }
    return prefix;
}

KERNEL void __launch_bounds__(THREADS) sample(const __grid_constant__ SampleArgs a) {
    __shared__ u64 parts[THREADS / 32];
    __shared__ u64 histogram[256];
    __shared__ u64 mass;
    i64 row = blockIdx.x;
    dependents_may_start();
    dependency_wait();
    float temperature = ((const float*)a.temperature)[row];
    float top_p = ((const float*)a.top_p)[row];
    int top_k = ((const int*)a.top_k)[row];
    bool wrong = !(temperature >= 0) || temperature == as_float(0x7f800000u) || top_k < 0 || !(top_p >= 0 && top_p <= 1);
    if (wrong) {
        if (threadIdx.x == 0) {
            bool t = !(temperature >= 0) || temperature == as_float(0x7f800000u);
            raise_fault(a.origin, t ? 1 : top_k < 0 ? 2 : 3, row, t ? temperature : top_k < 0 ? (double)top_k : (double)top_p);
            ((int*)a.ids)[row] = 0;
        }
        return;
    }
    u64 best = 0;
    for (int i = threadIdx.x; i < a.parts; i += THREADS) {
        u64 key = ((const u64*)a.best)[row * a.parts + i];
        best = key > best ? key : best;
    }
    best = block_max(best, parts);
    int best_index = best == 0 ? 0 : (int)index_of(best);
    float largest = load(a.x, row, best_index);
    // A largest logit that is not finite makes the choice (SAMPLE-008), and so does temperature 0.
    if (temperature == 0.0f || best == 0 || !(fabsf(largest) < as_float(0x7f800000u))) {
        if (threadIdx.x == 0) ((int*)a.ids)[row] = best_index;
        return;
    }
    u64 lowest = 1;
    if (top_k > 0 && top_k < a.x.columns) {
        // NaN are no candidates, so that there may be fewer than top_k.
        if (threadIdx.x == 0) mass = 0;
        __syncthreads();
        u64 numbers = 0;
        for (int i = threadIdx.x; i < a.x.columns; i += THREADS) {
            float v = load(a.x, row, i);
            numbers += v == v ? 1 : 0;
        }
        atomicAdd(&mass, numbers);
        __syncthreads();
        if (mass > (u64)top_k) lowest = threshold(a.x, row, 1, false, top_k, largest, temperature, histogram);
        __syncthreads();
    }
    if (top_p < 1.0f) {
        if (threadIdx.x == 0) mass = 0;
        __syncthreads();
        u64 own = 0;
        for (int i = threadIdx.x; i < a.x.columns; i += THREADS) {
            float v = load(a.x, row, i);
            if (v == v && rank_key(v, i) >= lowest) own += mass_of(((double)v - largest) / temperature);
        }
        atomicAdd(&mass, own);
        __syncthreads();
        u64 wanted = (u64)ceil((double)top_p * (double)mass);
        u64 key = threshold(a.x, row, lowest, true, wanted == 0 ? 1 : wanted, largest, temperature, histogram);
        lowest = key > lowest ? key : lowest;
    }
    double top = -1.0 / 0.0;
    int chosen = best_index;
    u64 seed = ((const u64*)a.seed)[row];
    u32 counter = ((const u32*)a.counter)[row];
    bool found = false;
    for (int i = threadIdx.x; i < a.x.columns; i += THREADS) {
        float v = load(a.x, row, i);
        if (!(v == v) || rank_key(v, i) < lowest) continue;
        double z = ((double)v - largest) / temperature + gumbel(philox(i, counter, seed));
        if (z > top) {
            top = z;
            chosen = i;
            found = true;
        }
    }
    // Doubles in order as integers; a tie goes to the lower index, by a second round among the equal ones.
    u64 bits = (u64)__double_as_longlong(top);
    u64 order = !found ? 0 : (bits >> 63) ? ~bits : bits | 0x8000000000000000ull;
    u64 most = block_max(order, parts);
    u64 winner = block_max(found && order == most ? (u64)(0xffffffffu - (u32)chosen) + 1 : 0, parts);
    if (threadIdx.x == 0) ((int*)a.ids)[row] = winner == 0 ? best_index : (int)(0xffffffffu - (u32)(winner - 1));
}
