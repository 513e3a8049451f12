// Runs kernels of mma.sync on the host: every thread of a block is a fiber, warp-wide instructions wait for their 32 lanes, asynchronous copies
// land no earlier than the wait that demands them. Simulated: it holds index arithmetic, layouts, tails and barriers to float64, and says
// nothing about speed or about a device. Stands in for types.cuh and mma.cuh.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <ucontext.h>
#include <vector>

// ---- What types.cuh and mma.cuh are on a device ----
#define HENG_TYPES_CUH
#define HENG_MMA_CUH
#define __device__
#define __host__
#define __global__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n)
#define __grid_constant__
#include "../../src/matrix_arguments.h"

struct int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct Index { int x, y; };
[[maybe_unused]] static Index threadIdx, blockIdx, gridDim;
alignas(1024) unsigned char shared[81920];

namespace fibers {
constexpr int THREADS = 256;
static ucontext_t scheduler, threads[THREADS];
static std::vector<char> stacks[THREADS];
static bool finished[THREADS];
static int current;
static std::function<void()> body;

static void yield() { swapcontext(&threads[current], &scheduler); }
static void start() {
    body();
    finished[current] = true;
    yield();
}
/// Runs a block of 256 threads to its end; a round in which nobody comes further would be a deadlock and shows as a hang.
static void run_block(const std::function<void()> &kernel) {
    body = kernel;
    for (int i = 0; i < THREADS; i++) {
        stacks[i].resize(64 * 1024);
        getcontext(&threads[i]);
        threads[i].uc_stack.ss_sp = stacks[i].data();
        threads[i].uc_stack.ss_size = stacks[i].size();
        threads[i].uc_link = nullptr;
        makecontext(&threads[i], start, 0);
        finished[i] = false;
    }
    for (int left = THREADS; left > 0;) {
        left = 0;
        for (int i = 0; i < THREADS; i++) {
            if (finished[i]) continue;
            current = i;
            threadIdx.x = i;
            swapcontext(&scheduler, &threads[i]);
            left += !finished[i];
        }
    }
}
/// A meeting of `size` threads; the last to come runs `action`.
struct Meeting {
    int size;
    int come = 0;
    long round = 0;

    void meet(const std::function<void()> &action) {
        const long mine = round;
        if (++come == size) {
            action();
            come = 0;
            round++;
        } else {
            while (round == mine) yield();
        }
    }
};
static Meeting block{THREADS};
static Meeting warps[THREADS / 32] = {{32}, {32}, {32}, {32}, {32}, {32}, {32}, {32}};
} // namespace fibers

static void __syncthreads() {
    fibers::block.meet([] {});
}

namespace heng {
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

constexpr int round_up(int value, int step) { return (value + step - 1) / step * step; }
constexpr int ceil_div(int value, int divisor) { return (value + divisor - 1) / divisor; }
using std::max;
using std::min;

static float from_bf16(u16 bits) {
    const u32 wide = (u32)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}
static u16 to_bf16(float value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    if (value != value) return 0x7fff;
    return (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
static u32 pack_bf16(float low, float high) { return to_bf16(low) | (u32)to_bf16(high) << 16; }
static float low_bf16(u32 packed) { return from_bf16((u16)packed); }
static float high_bf16(u32 packed) { return from_bf16((u16)(packed >> 16)); }
static float swiglu(float gate, float up) { return gate / (1.0f + expf(-gate)) * up; }
static u32 shared_address(const void *pointer) { return (u32)((const u8 *)pointer - ::shared); }

struct Copy {
    u32 target;
    uint4 value;
};
static std::vector<std::vector<Copy>> groups[fibers::THREADS];
static std::vector<Copy> opened[fibers::THREADS];

static void copy_async(u32 target, const void *source, bool present) {
    Copy copy{target, {0, 0, 0, 0}};
    if (target % 16 != 0 || target + 16 > sizeof ::shared) abort();
    if (present) memcpy(&copy.value, source, 16);
    opened[threadIdx.x].push_back(copy);
}
static void copy_commit() {
    groups[threadIdx.x].push_back(opened[threadIdx.x]);
    opened[threadIdx.x].clear();
}
template <int PENDING> static void copy_wait() {
    auto &mine = groups[threadIdx.x];
    while ((int)mine.size() > PENDING) {
        for (const Copy &copy : mine.front()) memcpy(::shared + copy.target, &copy.value, 16);
        mine.erase(mine.begin());
    }
}

static u32 addresses[fibers::THREADS];
static void load_blocks(u32 (&blocks)[4], u32 address) {
    const int thread = threadIdx.x;
    addresses[thread] = address;
    fibers::warps[thread / 32].meet([] {});
    for (int i = 0; i < 4; i++)
        memcpy(&blocks[i], ::shared + addresses[thread / 32 * 32 + 8 * i + thread % 32 / 4] + thread % 4 * 4, 4);
    fibers::warps[thread / 32].meet([] {});
}

struct Fragments {
    u32 a[4];
    u32 b[2];
};
static Fragments fragments[fibers::THREADS];
static void multiply_blocks(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    const int thread = threadIdx.x;
    const Fragments *warp = fragments + thread / 32 * 32;
    fragments[thread] = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
    fibers::warps[thread / 32].meet([] {});
    const int lane = thread % 32;
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8;
        const int column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++) {
            const u32 left = warp[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2];
            const u32 right = warp[column * 4 + k % 8 / 2].b[k / 8];
            d[i] += (k % 2 ? high_bf16(left) : low_bf16(left)) * (k % 2 ? high_bf16(right) : low_bf16(right));
        }
    }
    fibers::warps[thread / 32].meet([] {});
}
static void load_blocks_transposed(u32 (&blocks)[4], u32 address) {
    const int thread = threadIdx.x;
    addresses[thread] = address;
    fibers::warps[thread / 32].meet([] {});
    for (int i = 0; i < 4; i++) {
        u16 pair[2];
        for (int j = 0; j < 2; j++)
            memcpy(&pair[j], ::shared + addresses[thread / 32 * 32 + 8 * i + thread % 4 * 2 + j] + thread % 32 / 4 * 2, 2);
        blocks[i] = pair[0] | (u32)pair[1] << 16;
    }
    fibers::warps[thread / 32].meet([] {});
}
} // namespace heng

static float shuffled[fibers::THREADS];
static float __shfl_sync(unsigned, float value, int lane) {
    const int warp = threadIdx.x / 32;
    shuffled[threadIdx.x] = value;
    fibers::warps[warp].meet([] {});
    const float got = shuffled[warp * 32 + lane % 32];
    fibers::warps[warp].meet([] {});
    return got;
}
static float __shfl_xor_sync(unsigned mask, float value, int lanes) { return __shfl_sync(mask, value, (threadIdx.x % 32) ^ lanes); }
static void atomicOr(unsigned *target, unsigned bits) { *target |= bits; }
static float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
