// The warpgroup matrix instruction: D[64, N] += A[64, 128 bytes of K / 4] * B[N, same]^T, both operands in shared memory.
//
// Operands are tiles of rows of 128 bytes along K under the copy engine's 128-byte swizzle, 1024-byte aligned. One instruction takes
// 32 bytes of K: 16 bf16 or 32 e4m3. Fragment: lane l of warp w of the warpgroup holds, for each group g of 8 columns,
// d[4g], d[4g+1] = row 16w + l/4, columns 8g + 2(l mod 4) and the next; d[4g+2], d[4g+3] = the same 8 rows further down.
// Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions".
#pragma once
#include "types.cuh"

namespace heng {

/// Matrix descriptor of such a tile: address and strides in units of 16 bytes, 8 rows (1024 bytes) from one swizzle atom to the next,
/// layout 1 (128-byte swizzle) in the two highest bits. A step of 32 bytes along K adds 2.
__device__ __forceinline__ u64 tile_descriptor(u32 address) {
    return (u64)((address & 0x3ffff) >> 4) | (u64)1 << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}

/// Orders accesses to accumulator registers before the next products.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// Closes a group of products.
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most PENDING groups are unfinished.
template <int PENDING> __device__ __forceinline__ void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

/// One product of N columns. `accumulate` 0 overwrites the accumulator.
template <int N> struct Wgmma;

#define HENG_D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define HENG_D_8 HENG_D4(0)
#define HENG_D_16 HENG_D_8, HENG_D4(4)
#define HENG_D_24 HENG_D_16, HENG_D4(8)
#define HENG_D_32 HENG_D_24, HENG_D4(12)
#define HENG_D_40 HENG_D_32, HENG_D4(16)
#define HENG_D_48 HENG_D_40, HENG_D4(20)
#define HENG_D_56 HENG_D_48, HENG_D4(24)
#define HENG_D_64 HENG_D_56, HENG_D4(28)
#define HENG_D_72 HENG_D_64, HENG_D4(32)
#define HENG_D_80 HENG_D_72, HENG_D4(36)
#define HENG_D_88 HENG_D_80, HENG_D4(40)
#define HENG_D_96 HENG_D_88, HENG_D4(44)
#define HENG_D_104 HENG_D_96, HENG_D4(48)
#define HENG_D_112 HENG_D_104, HENG_D4(52)
#define HENG_D_120 HENG_D_112, HENG_D4(56)
#define HENG_D_128 HENG_D_120, HENG_D4(60)
#define HENG_D_136 HENG_D_128, HENG_D4(64)
#define HENG_D_144 HENG_D_136, HENG_D4(68)
#define HENG_D_152 HENG_D_144, HENG_D4(72)
#define HENG_D_160 HENG_D_152, HENG_D4(76)
#define HENG_D_168 HENG_D_160, HENG_D4(80)
#define HENG_D_176 HENG_D_168, HENG_D4(84)
#define HENG_D_184 HENG_D_176, HENG_D4(88)
#define HENG_D_192 HENG_D_184, HENG_D4(92)
#define HENG_D_200 HENG_D_192, HENG_D4(96)
#define HENG_D_208 HENG_D_200, HENG_D4(100)
#define HENG_D_216 HENG_D_208, HENG_D4(104)
#define HENG_D_224 HENG_D_216, HENG_D4(108)
#define HENG_D_232 HENG_D_224, HENG_D4(112)
#define HENG_D_240 HENG_D_232, HENG_D4(116)
#define HENG_D_248 HENG_D_240, HENG_D4(120)
#define HENG_D_256 HENG_D_248, HENG_D4(124)
#define HENG_P_8 "%0, %1, %2, %3"
#define HENG_P_16 HENG_P_8 ", %4, %5, %6, %7"
#define HENG_P_24 HENG_P_16 ", %8, %9, %10, %11"
#define HENG_P_32 HENG_P_24 ", %12, %13, %14, %15"
#define HENG_P_40 HENG_P_32 ", %16, %17, %18, %19"
#define HENG_P_48 HENG_P_40 ", %20, %21, %22, %23"
#define HENG_P_56 HENG_P_48 ", %24, %25, %26, %27"
#define HENG_P_64 HENG_P_56 ", %28, %29, %30, %31"
#define HENG_P_72 HENG_P_64 ", %32, %33, %34, %35"
#define HENG_P_80 HENG_P_72 ", %36, %37, %38, %39"
#define HENG_P_88 HENG_P_80 ", %40, %41, %42, %43"
#define HENG_P_96 HENG_P_88 ", %44, %45, %46, %47"
#define HENG_P_104 HENG_P_96 ", %48, %49, %50, %51"
#define HENG_P_112 HENG_P_104 ", %52, %53, %54, %55"
#define HENG_P_120 HENG_P_112 ", %56, %57, %58, %59"
#define HENG_P_128 HENG_P_120 ", %60, %61, %62, %63"
#define HENG_P_136 HENG_P_128 ", %64, %65, %66, %67"
#define HENG_P_144 HENG_P_136 ", %68, %69, %70, %71"
#define HENG_P_152 HENG_P_144 ", %72, %73, %74, %75"
#define HENG_P_160 HENG_P_152 ", %76, %77, %78, %79"
#define HENG_P_168 HENG_P_160 ", %80, %81, %82, %83"
#define HENG_P_176 HENG_P_168 ", %84, %85, %86, %87"
#define HENG_P_184 HENG_P_176 ", %88, %89, %90, %91"
#define HENG_P_192 HENG_P_184 ", %92, %93, %94, %95"
#define HENG_P_200 HENG_P_192 ", %96, %97, %98, %99"
#define HENG_P_208 HENG_P_200 ", %100, %101, %102, %103"
#define HENG_P_216 HENG_P_208 ", %104, %105, %106, %107"
#define HENG_P_224 HENG_P_216 ", %108, %109, %110, %111"
#define HENG_P_232 HENG_P_224 ", %112, %113, %114, %115"
#define HENG_P_240 HENG_P_232 ", %116, %117, %118, %119"
#define HENG_P_248 HENG_P_240 ", %120, %121, %122, %123"
#define HENG_P_256 HENG_P_248 ", %124, %125, %126, %127"

// The last three arguments are the operand numbers that follow N / 2 accumulators: inline PTX knows operands by number only.
#define HENG_WGMMA(N, A, B, ACCUMULATE)                                                                                                      \
    template <> struct Wgmma<N> {                                                                                                            \
        static __device__ __forceinline__ void bf16(float (&d)[N / 2], u64 a, u64 b, int accumulate) {                                       \
            asm volatile("{\n .reg .pred keep;\n setp.ne.b32 keep, %" #ACCUMULATE ", 0;\n"                                                   \
                         " wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" HENG_P_##N "}, %" #A ", %" #B ", keep, 1, 1, 0, 0;\n}"  \
                         : HENG_D_##N                                                                                                        \
                         : "l"(a), "l"(b), "r"(accumulate));                                                                                 \
        }                                                                                                                                    \
        static __device__ __forceinline__ void e4m3(float (&d)[N / 2], u64 a, u64 b, int accumulate) {                                       \
            asm volatile("{\n .reg .pred keep;\n setp.ne.b32 keep, %" #ACCUMULATE ", 0;\n"                                                   \
                         " wgmma.mma_async.sync.aligned.m64n" #N "k32.f32.e4m3.e4m3 {" HENG_P_##N "}, %" #A ", %" #B ", keep, 1, 1;\n}"        \
                         : HENG_D_##N                                                                                                        \
                         : "l"(a), "l"(b), "r"(accumulate));                                                                                 \
        }                                                                                                                                    \
    };

HENG_WGMMA(8, 4, 5, 6)
HENG_WGMMA(16, 8, 9, 10)
HENG_WGMMA(24, 12, 13, 14)
HENG_WGMMA(32, 16, 17, 18)
HENG_WGMMA(40, 20, 21, 22)
HENG_WGMMA(48, 24, 25, 26)
HENG_WGMMA(56, 28, 29, 30)
HENG_WGMMA(64, 32, 33, 34)
HENG_WGMMA(72, 36, 37, 38)
HENG_WGMMA(80, 40, 41, 42)
HENG_WGMMA(88, 44, 45, 46)
HENG_WGMMA(96, 48, 49, 50)
HENG_WGMMA(104, 52, 53, 54)
HENG_WGMMA(112, 56, 57, 58)
HENG_WGMMA(120, 60, 61, 62)
HENG_WGMMA(128, 64, 65, 66)
HENG_WGMMA(136, 68, 69, 70)
HENG_WGMMA(144, 72, 73, 74)
HENG_WGMMA(152, 76, 77, 78)
HENG_WGMMA(160, 80, 81, 82)
HENG_WGMMA(168, 84, 85, 86)
HENG_WGMMA(176, 88, 89, 90)
HENG_WGMMA(184, 92, 93, 94)
HENG_WGMMA(192, 96, 97, 98)
HENG_WGMMA(200, 100, 101, 102)
HENG_WGMMA(208, 104, 105, 106)
HENG_WGMMA(216, 108, 109, 110)
HENG_WGMMA(224, 112, 113, 114)
HENG_WGMMA(232, 116, 117, 118)
HENG_WGMMA(240, 120, 121, 122)
HENG_WGMMA(248, 124, 125, 126)
HENG_WGMMA(256, 128, 129, 130)

#undef HENG_WGMMA

} // namespace heng
