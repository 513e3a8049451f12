// Weights: the real number that each stored element stands for (QUANT), one by one or eight adjacent columns at a time.
#pragma once
#include "types.cuh"

DEVICE float scale_at(const void* scales, int type, i64 index) {
    if (type == TYPE_F32) return ((const float*)scales)[index];
    if (type == TYPE_BF16) return bf16_to_float(((const u16*)scales)[index]);
    if (type == TYPE_E8M0) return e8m0_to_float(((const u8*)scales)[index]);
    return f16_to_float(((const u16*)scales)[index]);
}

struct Matrix {
    const u8* data;
    const u8* scales;
    const u8* zeros;
};
DEVICE Matrix expert_of(const Weight& w, int expert) {
    Matrix m;
    m.data = (const u8*)w.data + w.expert_bytes * expert;
    m.scales = (const u8*)w.scales + w.expert_scale_bytes * expert;
    m.zeros = w.zeros == nullptr ? nullptr : (const u8*)w.zeros + w.expert_zero_bytes * expert;
    return m;
}

DEVICE float zero_at(const Weight& w, const u8* zeros, int row, int group, int groups) {
    if (zeros == nullptr) return 8.0f;
    u32 word = ((const u32*)zeros)[(i64)(row / 8) * groups + group];
    return (float)((word >> (4 * (row % 8))) & 15u);
}

// One element, at any shape.
DEVICE float weight_at(const Weight& w, const Matrix& m, int row, int column) {
    const u8* line = m.data + w.row_bytes * row;
    switch (w.format) {
        case FORMAT_F32: return ((const float*)line)[column];
        case FORMAT_F16: return f16_to_float(((const u16*)line)[column]);
        case FORMAT_BF16: return bf16_to_float(((const u16*)line)[column]);
        case FORMAT_E4M3: {
            int blocks = (w.columns + w.block_columns - 1) / w.block_columns;
            i64 at = (i64)(row / w.block_rows) * blocks + column / w.block_columns;
            return e4m3_to_float(line[column]) * scale_at(m.scales, w.scale_type, at);
        }
        case FORMAT_I8: return (float)((const signed char*)line)[column] * scale_at(m.scales, w.scale_type, row);
        default: {
            int groups = (w.columns + w.block_columns - 1) / w.block_columns;
            int group = column / w.block_columns;
            float code = (float)((line[column >> 1] >> (4 * (column & 1))) & 15u);
            return (code - zero_at(w, m.zeros, row, group, groups)) * scale_at(m.scales, w.scale_type, (i64)row * groups + group);
        }
    }
}

// Whether whole words of 16 bytes (8 for int4, 8 for 8-bit formats) of a row can be read, each under one scale.
DEVICE bool is_regular(const Weight& w) {
    if ((((u64)w.data) | (u64)w.row_bytes | (u64)w.expert_bytes) & 15u) return false;
    if (w.format == FORMAT_E4M3) return w.columns % 8 == 0 && w.block_columns % 8 == 0;
    if (w.format == FORMAT_I4) return w.columns % 8 == 0 && w.block_columns % 8 == 0;
    return w.columns % 8 == 0;
}

// Eight adjacent columns from a multiple of eight, zeros beyond the row's end.
DEVICE void weights8(const Weight& w, const Matrix& m, int row, int column, bool regular, float* out) {
    if (!regular) {
#pragma unroll
        for (int i = 0; i < 8; i++) out[i] = column + i < w.columns ? weight_at(w, m, row, column + i) : 0.0f;
        return;
    }
    const u8* line = m.data + w.row_bytes * row;
    switch (w.format) {
        case FORMAT_F32: {
            const float4* p = (const float4*)(line + (i64)column * 4);
            float4 a = __ldg(p), b = __ldg(p + 1);
            out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w;
            out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
            return;
        }
        case FORMAT_F16: {
            uint4 v = __ldg((const uint4*)(line + (i64)column * 2));
            u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                out[2 * i] = f16_to_float((u16)words[i]);
                out[2 * i + 1] = f16_to_float((u16)(words[i] >> 16));
            }
            return;
        }
        case FORMAT_BF16: {
            uint4 v = __ldg((const uint4*)(line + (i64)column * 2));
            u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                out[2 * i] = as_float(words[i] << 16);
                out[2 * i + 1] = as_float(words[i] & 0xffff0000u);
            }
            return;
        }
        case FORMAT_E4M3: {
            uint2 v = __ldg((const uint2*)(line + column));
            int blocks = (w.columns + w.block_columns - 1) / w.block_columns;
            float scale = scale_at(m.scales, w.scale_type, (i64)(row / w.block_rows) * blocks + column / w.block_columns);
#pragma unroll
            for (int i = 0; i < 8; i++) out[i] = e4m3_to_float(((i < 4 ? v.x : v.y) >> (8 * (i & 3))) & 255u) * scale;
            return;
        }
        case FORMAT_I8: {
            uint2 v = __ldg((const uint2*)(line + column));
            float scale = scale_at(m.scales, w.scale_type, row);
#pragma unroll
            for (int i = 0; i < 8; i++) out[i] = (float)(signed char)((i < 4 ? v.x : v.y) >> (8 * (i & 3))) * scale;
            return;
        }
        default: {
            u32 v = __ldg((const u32*)(line + (column >> 1)));
            int groups = (w.columns + w.block_columns - 1) / w.block_columns;
            int group = column / w.block_columns;
            float scale = scale_at(m.scales, w.scale_type, (i64)row * groups + group);
            float zero = zero_at(w, m.zeros, row, group, groups);
#pragma unroll
            for (int i = 0; i < 8; i++) out[i] = ((float)((v >> (4 * i)) & 15u) - zero) * scale;
            return;
        }
    }
}
