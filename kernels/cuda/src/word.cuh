// A 16-byte word of a weight row, four columns at a time, as floats without their scale.
#pragma once
#include "weights.cuh"

DEVICE u32 part_of(uint4 v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

// COLUMNS: of a word. SCALED: whether the numbers need a scale. decode4: columns 4 * quad to 4 * quad + 3, quad known to the compiler.
template <int FORMAT>
struct Word;

template <>
struct Word<FORMAT_F32> {
    static const int COLUMNS = 4;
    static const bool SCALED = false;
    DEVICE void decode4(uint4 v, int quad, float* out) {
        out[0] = as_float(v.x), out[1] = as_float(v.y), out[2] = as_float(v.z), out[3] = as_float(v.w);
    }
};
template <>
struct Word<FORMAT_F16> {
    static const int COLUMNS = 8;
    static const bool SCALED = false;
    DEVICE void decode4(uint4 v, int quad, float* out) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            u32 pair = part_of(v, 2 * quad + i);
            out[2 * i] = f16_to_float((u16)pair);
            out[2 * i + 1] = f16_to_float((u16)(pair >> 16));
        }
    }
};
template <>
struct Word<FORMAT_BF16> {
    static const int COLUMNS = 8;
    static const bool SCALED = false;
    DEVICE void decode4(uint4 v, int quad, float* out) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            u32 pair = part_of(v, 2 * quad + i);
            out[2 * i] = as_float(pair << 16);
            out[2 * i + 1] = as_float(pair & 0xffff0000u);
        }
    }
};
template <>
struct Word<FORMAT_E4M3> {
    static const int COLUMNS = 16;
    static const bool SCALED = true;
    DEVICE void decode4(uint4 v, int quad, float* out) {
        u32 codes = part_of(v, quad);
#if __CUDA_ARCH__ >= 890
#pragma unroll
        for (int i = 0; i < 2; i++) {
            u32 pair = e4m3x2_to_f16x2((u16)(codes >> (16 * i)));
            out[2 * i] = f16_to_float((u16)pair);
            out[2 * i + 1] = f16_to_float((u16)(pair >> 16));
        }
#else
#pragma unroll
        for (int i = 0; i < 4; i++) out[i] = e4m3_to_float((codes >> (8 * i)) & 255u);
#endif
    }
};
template <>
struct Word<FORMAT_I8> {
    static const int COLUMNS = 16;
    static const bool SCALED = true;
    DEVICE void decode4(uint4 v, int quad, float* out) {
        u32 codes = part_of(v, quad) ^ 0x80808080u;
        // A byte b in the low bits of 2^23 is 2^23 + b: an exact float without a conversion.
#pragma unroll
        for (int i = 0; i < 4; i++) out[i] = as_float(__byte_perm(codes, 0x4b000000u, 0x7440 + i)) - 8388736.0f;
    }
};
template <>
struct Word<FORMAT_I4> {
    static const int COLUMNS = 32;
    static const bool SCALED = true;
    // Codes less 8, the zero point of symmetric groups: even columns are the low halves of bytes, odd ones the high halves.
    DEVICE void decode4(uint4 v, int quad, float* out) {
        u32 codes = part_of(v, quad / 2);
        u32 even = codes & 0x0f0f0f0fu, odd = (codes >> 4) & 0x0f0f0f0fu;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int byte = (quad & 1) * 2 + i / 2;
            out[i] = as_float(__byte_perm(i & 1 ? odd : even, 0x4b000000u, 0x7440 + byte)) - 8388616.0f;
        }
    }
};
