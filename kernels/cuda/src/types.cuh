// Element types: how bits become float and back. No header of a toolkit is needed, so that NVRTC compiles these files as they are.
#pragma once
#include "arguments.h"
#include "matrix_arguments.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// The numbers that Java writes for DType.
enum Type { TYPE_F32 = 0, TYPE_F16 = 1, TYPE_BF16 = 2, TYPE_E8M0 = 3, TYPE_I32 = 4, TYPE_I64 = 5 };

// The numbers that Java writes for a weight's format.
enum Format { FORMAT_F32 = 0, FORMAT_F16 = 1, FORMAT_BF16 = 2, FORMAT_E4M3 = 3, FORMAT_I8 = 4, FORMAT_I4 = 5 };

#define KERNEL extern "C" __global__
#define DEVICE static __device__ __forceinline__
#define METHOD __device__ __forceinline__

DEVICE float as_float(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 as_bits(float x) { return __float_as_uint(x); }

#include "ptx.cuh"

DEVICE float bf16_to_float(u16 bits) { return as_float((u32)bits << 16); }
DEVICE u16 float_to_bf16(float x) {
    u32 bits = as_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (u16)((bits >> 16) | 0x40u);
    return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
// E4M3: moved into the exponent and fraction of an F16 it stands for 2^-8 of its value, subnormals included.
DEVICE float e4m3_to_float(u32 code) {
    float x = f16_to_float((u16)(((code & 0x80u) << 8) | ((code & 0x7fu) << 7))) * 256.0f;
    return (code & 0x7fu) == 0x7fu ? as_float(0x7fc00000u) : x;
}
DEVICE float e8m0_to_float(u32 code) {
    return code == 255u ? as_float(0x7fc00000u) : code == 0u ? as_float(0x00400000u) : as_float(code << 23);
}

// A double as the float that rounds on to any narrower type as the double itself would: cut toward zero, sticky last bit.
DEVICE float to_odd(double x) {
    float cut = __double2float_rz(x);
    if ((double)cut == x || !(x == x)) return cut;
    // Beyond the largest float the cut stays finite, and the sticky bit would not carry it to infinity.
    if (fabs(x) > 3.4028234663852886e38) return fabs(x) >= 3.4028235677973366e38 ? (float)x : cut;
    return as_float(as_bits(cut) | 1u);
}

DEVICE float load(const void* data, int type, i64 index) {
    if (type == TYPE_BF16) return bf16_to_float(((const u16*)data)[index]);
    if (type == TYPE_F32) return ((const float*)data)[index];
    return f16_to_float(((const u16*)data)[index]);
}
DEVICE void store(void* data, int type, i64 index, float x) {
    if (type == TYPE_BF16) {
        ((u16*)data)[index] = float_to_bf16(x);
    } else if (type == TYPE_F32) {
        ((float*)data)[index] = x;
    } else {
        ((u16*)data)[index] = float_to_f16(x);
    }
}
// One rounding of a double to the element type (FORMAT-002).
DEVICE void store(void* data, int type, i64 index, double x) { store(data, type, index, type == TYPE_F32 ? (float)x : to_odd(x)); }

DEVICE float round_to(float x, int type) {
    if (type == TYPE_BF16) return bf16_to_float(float_to_bf16(x));
    if (type == TYPE_F16) return f16_to_float(float_to_f16(x));
    return x;
}

DEVICE float load(const Rows& rows, i64 row, i64 column) { return load(rows.data, rows.type, row * rows.stride + column); }
template <typename Real>
DEVICE void store(const Rows& rows, i64 row, i64 column, Real x) { store(rows.data, rows.type, row * rows.stride + column, x); }

// SwiGLU in float32 (SWIGLU-001). Below -64 the sum in the quotient is the exponential itself, which would overflow before the result vanishes.
DEVICE float silu_times(float gate, float up) {
    float silu = gate < -64.0f ? gate * expf(gate) : gate / (1.0f + expf(-gate));
    return silu * up;
}

DEVICE float warp_sum(float x) {
    for (int mask = 16; mask > 0; mask >>= 1) x += __shfl_xor_sync(0xffffffffu, x, mask);
    return x;
}
DEVICE double warp_sum(double x) {
    for (int mask = 16; mask > 0; mask >>= 1) x += __shfl_xor_sync(0xffffffffu, x, mask);
    return x;
}
DEVICE u64 warp_max(u64 x) {
    for (int mask = 16; mask > 0; mask >>= 1) {
        u64 other = __shfl_xor_sync(0xffffffffu, x, mask);
        x = other > x ? other : x;
    }
    return x;
}

DEVICE u32 warp_max(u32 x) { return __reduce_max_sync(0xffffffffu, x); }
DEVICE u32 warp_min(u32 x) { return __reduce_min_sync(0xffffffffu, x); }

// Notes a datum out of range; the first one of a run stays.
DEVICE void raise_fault(const Origin& origin, int operand, i64 index, double value) {
    Fault* fault = (Fault*)origin.fault;
    if (atomicCAS(&fault->raised, 0, 1) == 0) {
        fault->program = origin.program;
        fault->node = origin.node;
        fault->operand = operand;
        fault->index = index;
        fault->value = value;
    }
}
DEVICE bool faulted(const Origin& origin) { return ((volatile Fault*)origin.fault)->raised != 0; }

// A float's place in the order of numbers; NaN below all, both zeros alike.
DEVICE u32 order_of(float x) {
    if (!(x == x)) return 0u;
    u32 bits = as_bits(x + 0.0f);
    return (bits & 0x80000000u) ? ~bits : bits | 0x80000000u;
}
// The larger number wins, then the lower index. Zero is no candidate.
DEVICE u64 rank_key(float x, u32 index) { return ((u64)order_of(x) << 32) | (u64)(0xffffffffu - index); }
DEVICE u32 index_of(u64 key) { return 0xffffffffu - (u32)key; }
