// What nvcc gives the kernels, for a C++ compiler of the host: one block at a time, each of its threads a fiber. Simulated: it holds indices,
// layouts, barriers and arithmetic to the suite, and says nothing about speed, memory ordering or overlap.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __CUDA_ARCH__ 900

struct Index3 { int x, y, z; };
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct double2 { double x, y; };
struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };

namespace host {
struct Copy { void* to; uint64_t bytes[2]; const void* from; int size; };
struct Fiber {
    void* stack_pointer;
    char* stack;
    bool done;
    Index3 index;
    int lane, warp;
    std::vector<std::vector<Copy>> groups;
};
extern Fiber* current;
extern Index3 block_index, block_size, grid_size;
extern char* dynamic_shared;
void barrier();
/// Meets the lanes of `mask` and returns all their values.
const uint64_t* meet(unsigned mask, uint64_t value);
void copy_async(void* to, const void* from, int size);
void commit();
void wait_copies(int pending);
typedef void (*Kernel)(const void*);
struct Registration { Registration(const char* name, Kernel kernel, size_t bytes); };
template <typename To, typename From> To cast(From x) { To y; static_assert(sizeof(x) == sizeof(y)); memcpy(&y, &x, sizeof y); return y; }
template <typename T> uint64_t pack(T x) { uint64_t y = 0; memcpy(&y, &x, sizeof x); return y; }
template <typename T> T unpack(uint64_t x) { T y; memcpy(&y, &x, sizeof y); return y; }
}  // namespace host

#define threadIdx (host::current->index)
#define blockIdx (host::block_index)
#define blockDim (host::block_size)
#define gridDim (host::grid_size)

static inline void __syncthreads() { host::barrier(); }
static inline void __syncwarp() { host::meet(0xffffffffu, 0); }
static inline void __threadfence() {}
template <typename T> T __shfl_xor_sync(unsigned mask, T x, int flip) { return host::unpack<T>(host::meet(mask, host::pack(x))[host::current->lane ^ flip]); }
template <typename T> T __shfl_sync(unsigned mask, T x, int lane) { return host::unpack<T>(host::meet(mask, host::pack(x))[lane & 31]); }
static inline unsigned __ballot_sync(unsigned mask, bool p) {
    const uint64_t* all = host::meet(mask, p);
    unsigned votes = 0;
    for (int i = 0; i < 32; i++) if (mask >> i & 1 && all[i]) votes |= 1u << i;
    return votes;
}
static inline bool __any_sync(unsigned mask, bool p) { return __ballot_sync(mask, p) != 0; }
static inline unsigned __reduce_max_sync(unsigned mask, unsigned x) {
    const uint64_t* all = host::meet(mask, x);
    uint64_t best = 0;
    for (int i = 0; i < 32; i++) best = all[i] > best ? all[i] : best;
    return (unsigned)best;
}
static inline unsigned __reduce_min_sync(unsigned mask, unsigned x) { return ~__reduce_max_sync(mask, ~x); }
static inline unsigned __float_as_uint(float x) { return host::cast<unsigned>(x); }
static inline float __uint_as_float(unsigned x) { return host::cast<float>(x); }
static inline long long __double_as_longlong(double x) { return host::cast<long long>(x); }
static inline float __double2float_rz(double x) {
    float y = (float)x;
    if (fabs((double)y) > fabs(x)) y = nextafterf(y, 0.0f);
    return y;
}
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    uint64_t both = (uint64_t)b << 32 | a;
    unsigned out = 0;
    for (int i = 0; i < 4; i++) out |= (unsigned)(both >> (8 * (selector >> (4 * i) & 7)) & 255) << (8 * i);
    return out;
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
template <typename T> T __ldg(const T* p) { return *p; }
template <typename T, typename U> T atomicAdd(T* p, U x) { T old = *p; *p += (T)x; return old; }
template <typename T> T atomicCAS(T* p, T expected, T wanted) { T old = *p; if (old == expected) *p = wanted; return old; }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
template <typename A, typename B> auto min(A a, B b) -> decltype(a + b) { return a < b ? a : b; }
template <typename A, typename B> auto max(A a, B b) -> decltype(a + b) { return a > b ? a : b; }
static inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; i++) sum += (int)(signed char)(a >> (8 * i)) * (signed char)(b >> (8 * i));
    return sum;
}
