// Words every kernel of this folder shares. No header of a CUDA toolkit is included anywhere, so that nvcc and NVRTC
// compile the same text on a machine that has nothing but the compiler.
//
// A guard, not #pragma once: test/emulate.cpp stands in for this file and runs kernels on the host.
#ifndef HENG_TYPES_CUH
#define HENG_TYPES_CUH

#include "../src/matrix_arguments.h"

namespace heng {

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

using ::TensorMap; // part of an argument block, which is a __grid_constant__ parameter: the copy engine reads it there

__host__ __device__ constexpr int round_up(int value, int step) { return (value + step - 1) / step * step; }
__host__ __device__ constexpr int ceil_div(int value, int divisor) { return (value + divisor - 1) / divisor; }

/// Two floats rounded to bf16, to nearest even; `low` lands in the lower half.
__device__ __forceinline__ u32 pack_bf16(float low, float high) {
    u32 packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

__device__ __forceinline__ float low_bf16(u32 packed) { return __uint_as_float(packed << 16); }
__device__ __forceinline__ float high_bf16(u32 packed) { return __uint_as_float(packed & 0xffff0000u); }

/// SWIGLU-001 on a gate and an up that carry their declared rounding already. The exponential is taken of what is negative, so that it never
/// overflows. The reciprocal is the hardware's (1 unit in the last place): a division costs four times the rest together.
__device__ __forceinline__ float swiglu(float gate, float up) {
    const float small = expf(-fabsf(gate));
    float inverse;
    asm("rcp.approx.f32 %0, %1;" : "=f"(inverse) : "f"(1.0f + small));
    return (gate < 0.0f ? gate * small : gate) * inverse * up;
}

__device__ __forceinline__ u32 shared_address(const void *pointer) { return (u32)__cvta_generic_to_shared(pointer); }

} // namespace heng
#endif
