// A warp's dot products: two weight rows against up to 8 staged rows of activations, 16 bytes of weights a lane and load.
#pragma once
#include "weights.cuh"

// Floats of activations that a block keeps in shared memory.
#define STAGED 12288

DEVICE float bias_at(const Weight& bias, int n) {
    return bias.data == nullptr ? 0.0f : weight_at(bias, expert_of(bias, 0), 0, n);
}

DEVICE float rounded(double x, int type) { return type == TYPE_F32 ? (float)x : round_to(to_odd(x), type); }

// The additions that fused Adds bring, each with its own rounding.
DEVICE void add_up(const Rows& addend, const Rows& second, const Rows& y, int type, int sum_type, i64 row, int n, double value) {
    if (addend.data != nullptr) {
        value = (double)rounded(value, type) + (double)load(addend, row, n);
        if (second.data != nullptr) value = (double)rounded(value, sum_type) + (double)load(second, row, n);
    }
    store(y, row, n, value);
}

// Bias and what follows a product.
DEVICE void finish(const Weight& bias, const Rows& addend, const Rows& second, const Rows& y, int type, int sum_type, i64 row, int n, float sum) {
    add_up(addend, second, y, type, sum_type, row, n, (double)sum + (double)bias_at(bias, n));
}

// How many columns a 16-byte word holds, and the word as floats without its scale.
template <int FORMAT>
struct Word;

template <>
struct Word<FORMAT_F32> {
    static const int COLUMNS = 4;
    DEVICE void decode(uint4 v, float* out) {
        out[0] = as_float(v.x), out[1] = as_float(v.y), out[2] = as_float(v.z), out[3] = as_float(v.w);
    }
};
template <>
struct Word<FORMAT_F16> {
    static const int COLUMNS = 8;
    DEVICE void decode(uint4 v, float* out) {
        u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            out[2 * i] = f16_to_float((u16)words[i]);
            out[2 * i + 1] = f16_to_float((u16)(words[i] >> 16));
        }
    }
};
template <>
struct Word<FORMAT_BF16> {
    static const int COLUMNS = 8;
    DEVICE void decode(uint4 v, float* out) {
        u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            out[2 * i] = as_float(words[i] << 16);
            out[2 * i + 1] = as_float(words[i] & 0xffff0000u);
        }
    }
};
template <>
struct Word<FORMAT_E4M3> {
    static const int COLUMNS = 16;
    DEVICE void decode(uint4 v, float* out) {
        u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
#if __CUDA_ARCH__ >= 890
#pragma unroll
            for (int half = 0; half < 2; half++) {
                u32 pair;
                asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"((u16)(words[i] >> (16 * half))));
                out[4 * i + 2 * half] = f16_to_float((u16)pair);
                out[4 * i + 2 * half + 1] = f16_to_float((u16)(pair >> 16));
            }
#else
#pragma unroll
            for (int j = 0; j < 4; j++) out[4 * i + j] = e4m3_to_float((words[i] >> (8 * j)) & 255u);
#endif
        }
    }
};
template <>
struct Word<FORMAT_I8> {
    static const int COLUMNS = 16;
    DEVICE void decode(uint4 v, float* out) {
        u32 words[4] = {v.x ^ 0x80808080u, v.y ^ 0x80808080u, v.z ^ 0x80808080u, v.w ^ 0x80808080u};
        // A byte b in the low bits of 2^23 is 2^23 + b: an exact float without a conversion.
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
            for (int j = 0; j < 4; j++) out[4 * i + j] = as_float(__byte_perm(words[i], 0x4b000000u, 0x7440 + j)) - 8388736.0f;
        }
    }
};
template <>
struct Word<FORMAT_I4> {
    static const int COLUMNS = 32;
    // Codes less 8, the zero point of symmetric groups.
    DEVICE void decode(uint4 v, float* out) {
        u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
            for (int j = 0; j < 8; j++) out[8 * i + j] = as_float(((words[i] >> (4 * j)) & 15u) | 0x4b000000u) - 8388616.0f;
        }
    }
};

// Whether rows are whole 16-byte words, each under one scale.
template <int FORMAT>
DEVICE bool is_streamable(const Weight& w) {
    const int columns = Word<FORMAT>::COLUMNS;
    if ((((u64)w.data) | (u64)w.row_bytes | (u64)w.expert_bytes) & 15u) return false;
    if (w.columns % columns != 0) return false;
    return (FORMAT != FORMAT_E4M3 && FORMAT != FORMAT_I4) || w.block_columns % columns == 0;
}

// The scale of the word that starts at a column of a row; zero receives what must still be taken off decoded int4 codes.
template <int FORMAT>
DEVICE float word_scale(const Weight& w, const Matrix& m, int row, int column, float* zero) {
    *zero = 0.0f;
    if (FORMAT == FORMAT_E4M3) {
        int blocks = (w.columns + w.block_columns - 1) / w.block_columns;
        return scale_at(m.scales, w.scale_type, (i64)(row / w.block_rows) * blocks + column / w.block_columns);
    }
    if (FORMAT == FORMAT_I8) return scale_at(m.scales, w.scale_type, row);
    if (FORMAT == FORMAT_I4) {
        int groups = (w.columns + w.block_columns - 1) / w.block_columns;
        int group = column / w.block_columns;
        *zero = m.zeros == nullptr ? 0.0f : zero_at(w, m.zeros, row, group, groups) - 8.0f;
        return scale_at(m.scales, w.scale_type, (i64)row * groups + group);
    }
    return 1.0f;
}

DEVICE uint4 stream(const u8* p) {
    uint4 v;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
    return v;
}

// Where column i of `stride` staged ones stands: the first four columns of every word side by side, then the next four, so that the lanes of
// a warp read adjacent 16 bytes from shared memory.
template <int FORMAT>
DEVICE int place_of(int i, int stride, bool streamable) {
    const int COLUMNS = Word<FORMAT>::COLUMNS;
    if (!streamable) return i;
    return (i % COLUMNS) / 4 * (stride / COLUMNS * 4) + i / COLUMNS * 4 + i % 4;
}

// Four adjacent elements of a row, from a multiple of four.
DEVICE float4 load4(const Rows& x, i64 row, int column) {
    float4 v;
    if (x.type == TYPE_F32) return *(const float4*)((const float*)x.data + row * x.stride + column);
    uint2 bits = *(const uint2*)((const u16*)x.data + row * x.stride + column);
    if (x.type == TYPE_BF16) {
        v.x = as_float(bits.x << 16), v.y = as_float(bits.x & 0xffff0000u);
        v.z = as_float(bits.y << 16), v.w = as_float(bits.y & 0xffff0000u);
    } else {
        v.x = f16_to_float((u16)bits.x), v.y = f16_to_float((u16)(bits.x >> 16));
        v.z = f16_to_float((u16)bits.y), v.w = f16_to_float((u16)(bits.y >> 16));
    }
    return v;
}
DEVICE bool has_words(const Rows& x) { return (((u64)x.data) & 15u) == 0 && x.stride % 8 == 0; }

// Stages one row by `threads` threads, of which this is number `thread`, zeros past its end.
template <int FORMAT>
DEVICE void stage_row(bool streamable, const Rows& x, i64 row, int from, int count, float* staged, int stride, int thread, int threads) {
    if (streamable && has_words(x) && from % 4 == 0 && count % 4 == 0) {
#pragma unroll 4
        for (int i = 4 * thread; i < stride; i += 4 * threads) {
            float4 v = {0.0f, 0.0f, 0.0f, 0.0f};
            if (i < count) v = load4(x, row, from + i);
            *(float4*)(staged + place_of<FORMAT>(i, stride, true)) = v;
        }
        return;
    }
    for (int i = thread; i < stride; i += threads) {
        staged[place_of<FORMAT>(i, stride, streamable)] = i < count ? load(x, row, from + i) : 0.0f;
    }
}

// Stages up to ROWS rows of activations, zeros where there are none; the caller synchronises before and after.
template <int FORMAT, int ROWS>
DEVICE void stage(const Weight& w, const Rows& x, i64 first_row, int rows, int from, int count, float* staged, int stride) {
    bool streamable = is_streamable<FORMAT>(w);
    for (int t = 0; t < ROWS; t++) {
        stage_row<FORMAT>(streamable, x, first_row + min(t, rows - 1), from, t < rows ? count : 0, staged + t * stride, stride, threadIdx.x, blockDim.x);
    }
}

// Asks for a weight row to be brought to the second-level cache, by a whole warp: what can be done before the kernel before has ended.
DEVICE void prefetch_row(const Weight& w, const Matrix& m, int row, int lane) {
    const u8* line = m.data + w.row_bytes * row;
    for (i64 at = (i64)lane * 128; at < w.row_bytes; at += 32 * 128) asm volatile("prefetch.global.L2 [%0];" ::"l"(line + at));
}

// sums[j][t] += (row j of matrix j) . x[t] over columns from .. from + count, both matrices of w's format; x as staged.
template <int FORMAT, int ROWS>
DEVICE void dot2(const Weight& w, const Matrix& m0, int first, const Matrix& m1, int second, int from, int count, const float* staged,
                 int stride, int lane, float (*sums)[ROWS]) {
    const int COLUMNS = Word<FORMAT>::COLUMNS;
    const int UNROLL = ROWS == 1 && FORMAT != FORMAT_I4 ? 6 : 4;
    if (!is_streamable<FORMAT>(w)) {
        for (int i = lane; i < count; i += 32) {
            float a = weight_at(w, m0, first, from + i), b = weight_at(w, m1, second, from + i);
#pragma unroll
            for (int t = 0; t < ROWS; t++) {
                sums[0][t] = fmaf(a, staged[t * stride + i], sums[0][t]);
                sums[1][t] = fmaf(b, staged[t * stride + i], sums[1][t]);
            }
        }
        return;
    }
    const int BYTES = 16;
    const int PLANE = stride / COLUMNS * 4;
    const u8* line0 = m0.data + w.row_bytes * first + (i64)(from / COLUMNS) * BYTES;
    const u8* line1 = m1.data + w.row_bytes * second + (i64)(from / COLUMNS) * BYTES;
    int words = count / COLUMNS;
    for (int base = lane; base < words; base += 32 * UNROLL) {
        uint4 v[2][UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            int word = base + 32 * u;
            if (word < words) {
                v[0][u] = stream(line0 + (i64)word * BYTES);
                v[1][u] = stream(line1 + (i64)word * BYTES);
            }
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            int word = base + 32 * u;
            if (word >= words) continue;
            int column = word * COLUMNS;
            float zero[2], scale[2];
            scale[0] = word_scale<FORMAT>(w, m0, first, from + column, &zero[0]);
            scale[1] = word_scale<FORMAT>(w, m1, second, from + column, &zero[1]);
            float part[2][ROWS];
#pragma unroll
            for (int t = 0; t < ROWS; t++) part[0][t] = part[1][t] = 0.0f;
            float values[2][COLUMNS];
            Word<FORMAT>::decode(v[0][u], values[0]);
            Word<FORMAT>::decode(v[1][u], values[1]);
            if (FORMAT == FORMAT_I4 && m0.zeros != nullptr) {
#pragma unroll
                for (int c = 0; c < COLUMNS; c++) {
                    values[0][c] -= zero[0];
                    values[1][c] -= zero[1];
                }
            }
#pragma unroll
            for (int c = 0; c < COLUMNS; c += 4) {
#pragma unroll
                for (int t = 0; t < ROWS; t++) {
                    float4 x = *(const float4*)(staged + t * stride + c / 4 * PLANE + word * 4);
#pragma unroll
                    for (int j = 0; j < 2; j++) {
                        float sum = part[j][t];
                        sum = fmaf(values[j][c], x.x, sum);
                        sum = fmaf(values[j][c + 1], x.y, sum);
                        sum = fmaf(values[j][c + 2], x.z, sum);
                        part[j][t] = fmaf(values[j][c + 3], x.w, sum);
                    }
                }
            }
#pragma unroll
            for (int t = 0; t < ROWS; t++) {
#pragma unroll
                for (int j = 0; j < 2; j++) {
                    if (FORMAT == FORMAT_E4M3 || FORMAT == FORMAT_I8 || FORMAT == FORMAT_I4) {
                        sums[j][t] = fmaf(scale[j], part[j][t], sums[j][t]);
                    } else {
                        sums[j][t] += part[j][t];
                    }
                }
            }
        }
    }
}
