// Quantised weights as exact bf16 elements and float32 factors, for the matrix unit.
//
// An element stands for element * factor of its feature and 128 columns (QUANT-001): int8 and E4M3 as they are, int4 less its zero point.
// Eight significant bits hold every one of them, so nothing is rounded here. Blocks and groups of the weight must be multiples of 128 columns
// wide, or whole rows; k a multiple of 8.
#include "../src/weights.cuh"

// The integer or E4M3 number that is stored, without its scale.
DEVICE float element_at(const Weight& w, const Matrix& m, int row, int column) {
    const u8* line = m.data + w.row_bytes * row;
    if (w.format == FORMAT_E4M3) return e4m3_to_float(line[column]);
    if (w.format == FORMAT_I8) return (float)((const signed char*)line)[column];
    int groups = (w.columns + w.block_columns - 1) / w.block_columns;
    float code = (float)((line[column >> 1] >> (4 * (column & 1))) & 15u);
    return code - zero_at(w, m.zeros, row, column / w.block_columns, groups);
}

DEVICE float factor_at(const Weight& w, const Matrix& m, int row, int column) {
    if (w.format == FORMAT_I8) return scale_at(m.scales, w.scale_type, row);
    int groups = (w.columns + w.block_columns - 1) / w.block_columns;
    return scale_at(m.scales, w.scale_type, (i64)(w.format == FORMAT_E4M3 ? row / w.block_rows : row) * groups + column / w.block_columns);
}

// elements bf16 [experts, rows, columns], scales float32 [experts, rows, ceil(columns / 128)]. A thread makes eight adjacent elements.
// grid (ceil(rows * ceil(columns / 128) / 16), experts), 256 threads: 16 of them for 128 columns.
KERNEL void __launch_bounds__(256) unpack(const __grid_constant__ UnpackArgs a) {
    const Weight& w = a.weight;
    int groups = (w.columns + 127) / 128;
    i64 block = (i64)blockIdx.x * 16 + threadIdx.x / 16;
    if (block >= (i64)w.rows * groups) return;
    int row = (int)(block / groups), group = (int)(block % groups);
    int column = group * 128 + threadIdx.x % 16 * 8;
    Matrix m = expert_of(w, a.first_expert + blockIdx.y);
    if (threadIdx.x % 16 == 0) ((float*)a.scales)[(i64)blockIdx.y * w.rows * groups + block] = factor_at(w, m, row, group * 128);
    if (column >= w.columns) return;
    u16 values[8];
    const u8* line = m.data + w.row_bytes * row;
    bool whole = ((((u64)line) | (u64)w.row_bytes) & 7u) == 0 && w.format != FORMAT_I4;
    if (whole) {
        uint2 v = __ldg((const uint2*)(line + column));
#pragma unroll
        for (int i = 0; i < 8; i++) {
            u32 code = ((i < 4 ? v.x : v.y) >> (8 * (i & 3))) & 255u;
            values[i] = float_to_bf16(w.format == FORMAT_E4M3 ? e4m3_to_float(code) : (float)(signed char)code);
        }
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) values[i] = float_to_bf16(element_at(w, m, row, column + i));
    }
    uint4 out = {values[0] | (u32)values[1] << 16, values[2] | (u32)values[3] << 16, values[4] | (u32)values[5] << 16,
                 values[6] | (u32)values[7] << 16};
    *(uint4*)((u16*)a.elements + ((i64)blockIdx.y * w.rows + row) * w.columns + column) = out;
}
