// Runs grouped_mma.cu on the host: every thread of a block is a fiber, warp-wide instructions wait for their 32 lanes, asynchronous copies
// land no earlier than the wait that demands them. Simulated: it holds index arithmetic, layouts, tails and barriers to float64, and says
// nothing about speed or about a device.
//
//   c++ -std=c++17 -O2 emulate.cpp -o emulate && ./emulate
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

struct int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct Index { int x; };
static Index threadIdx, blockIdx, gridDim;
alignas(1024) unsigned char shared[73728];

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

constexpr int ceil_div(int value, int divisor) { return (value + divisor - 1) / divisor; }
static int min(int a, int b) { return a < b ? a : b; }

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
} // namespace heng

#include "../grouped_mma.cu"

// ---- The test ----
static std::vector<int> plan_of(const std::vector<int> &sizes, int widest) {
    std::vector<int> plan(8 * (sizes.size() + 1), 0);
    int row = 0;
    int tiles = 0;
    for (size_t expert = 0; expert < sizes.size(); row += sizes[expert], expert++) {
        const int rows = sizes[expert];
        if (rows == 0) continue;
        const int parts = heng::ceil_div(rows, widest);
        const int width = parts > 1 ? heng::ceil_div(heng::ceil_div(rows, parts), 16) * 16 : heng::columns_for(rows);
        const int count = heng::ceil_div(rows, width);
        const int entry[8] = {(int)expert, row, rows, width, tiles, count, 0, 0};
        memcpy(&plan[8 * (plan[0] + 1)], entry, sizeof entry);
        plan[0]++;
        tiles += count;
    }
    plan[1] = tiles;
    return plan;
}

static std::mt19937 random_bits(20261125);
static std::vector<heng::u16> random_matrix(size_t count, float scale) {
    std::normal_distribution<float> normal(0, scale);
    std::vector<heng::u16> values(count);
    for (auto &value : values) value = heng::to_bf16(normal(random_bits));
    return values;
}

static long long check(const std::vector<int> &sizes, int features, int k, bool fused, int blocks) {
    int rows = 0;
    for (int size : sizes) rows += size;
    const auto weights = random_matrix(sizes.size() * features * k, 1 / std::sqrt((float)k));
    const auto up = random_matrix(weights.size(), 1 / std::sqrt((float)k));
    auto tokens = random_matrix((size_t)(rows + 3) * k, 1);
    for (size_t i = (size_t)rows * k; i < tokens.size(); i++) tokens[i] = 0x7fff;
    if (rows > 2) tokens[k + 1] = 0x7fff; // a NaN in row 1
    std::vector<heng::u16> out((size_t)(rows + 3) * features, 0xdead);
    const auto plan = plan_of(sizes, 64);
    gridDim.x = blocks;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        memset(shared, 0xff, sizeof shared);
        fibers::run_block([&] {
            if (fused)
                heng_grouped_bf16_mma_swiglu(weights.data(), up.data(), tokens.data(), out.data(), plan.data(), features, k);
            else
                heng_grouped_bf16_mma(weights.data(), tokens.data(), out.data(), plan.data(), features, k);
        });
    }
    long long wrong = 0;
    int row = 0;
    for (size_t expert = 0; expert < sizes.size(); expert++)
        for (int i = 0; i < sizes[expert]; i++, row++)
            for (int f = 0; f < features; f++) {
                double y[2] = {0, 0};
                double magnitude[2] = {0, 0};
                for (int c = 0; c < k; c++) {
                    const double x = heng::from_bf16(tokens[(size_t)row * k + c]);
                    const double w = heng::from_bf16(weights[(expert * features + f) * k + c]);
                    const double u = heng::from_bf16(up[(expert * features + f) * k + c]);
                    y[0] += x * w, y[1] += x * u;
                    magnitude[0] += std::fabs(x * w), magnitude[1] += std::fabs(x * u);
                }
                const double got = heng::from_bf16(out[(size_t)row * features + f]);
                const double lost[2] = {magnitude[0] * k * 0x1p-24 + std::fabs(y[0]) * 0x1p-8, magnitude[1] * k * 0x1p-24 + std::fabs(y[1]) * 0x1p-8};
                double expected = y[0];
                double bound = lost[0];
                if (fused) {
                    expected = y[0] / (1 + std::exp(-y[0])) * y[1];
                    bound = 1.1 * lost[0] * (std::fabs(y[1]) + lost[1]) + std::fabs(y[0]) * lost[1] + std::fabs(expected) * 0x1p-8;
                }
                const bool right = row == 1 && rows > 2 ? got != got : std::fabs(got - expected) <= bound;
                wrong += !right;
            }
    for (size_t i = (size_t)rows * features; i < out.size(); i++) wrong += out[i] != 0xdead;
    printf("%s features %d k %d experts %zu rows %d blocks %d: %lld wrong\n", fused ? "swiglu" : "plain ", features, k, sizes.size(), rows, blocks,
           wrong);
    return wrong;
}

int main() {
    long long wrong = 0;
    for (bool fused : {false, true}) {
        wrong += check({0, 1, 7, 8, 9, 0, 63, 64, 65}, 136, 200, fused, 3);
        wrong += check({130}, 64, 64, fused, 2);
        wrong += check({0, 0}, 128, 72, fused, 1);
        wrong += check({17, 1}, 8, 8, fused, 1);
        wrong += check({33, 0, 96}, 320, 136, fused, 5);
    }
    return wrong == 0 ? 0 : 1;
}
