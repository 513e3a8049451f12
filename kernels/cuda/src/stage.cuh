// Rows of activations in shared memory as floats, in the order in which a warp that streams weights reads them, and their norm on the way.
#pragma once
#include "word.cuh"

// Floats that stand for a row of so many columns.
DEVICE int staged_floats(int columns) { return (columns + 31) & ~31; }

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

// Stages whole adjacent rows, each thread with several words under way. Rows of slots without an expert hold anything, and nobody looks at them.
template <int FORMAT>
DEVICE void stage_rows(bool streamable, const Rows& x, i64 first_row, int rows, float* staged, int stride) {
    if (!streamable || !has_words(x) || x.columns % 4 != 0) {
        for (int r = 0; r < rows; r++) stage_row<FORMAT>(streamable, x, first_row + r, 0, x.columns, staged + r * stride, stride, threadIdx.x, blockDim.x);
        return;
    }
    int words = x.columns / 4;
    const int UNROLL = 6;
    for (int base = threadIdx.x; base < rows * words; base += UNROLL * blockDim.x) {
        float4 v[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            int i = base + u * blockDim.x;
            if (i < rows * words) v[u] = load4(x, first_row + i / words, i % words * 4);
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            int i = base + u * blockDim.x;
            if (i < rows * words) *(float4*)(staged + i / words * stride + place_of<FORMAT>(i % words * 4, stride, true)) = v[u];
        }
    }
}

// Stages up to ROWS rows, zeros where there are none; the caller synchronises before and after.
template <int FORMAT, int ROWS>
DEVICE void stage(bool streamable, const Rows& x, i64 first_row, int rows, int from, int count, float* staged, int stride) {
    for (int t = 0; t < ROWS; t++) {
        stage_row<FORMAT>(streamable, x, first_row + min(t, rows - 1), from, t < rows ? count : 0, staged + t * stride, stride, threadIdx.x, blockDim.x);
    }
}

// Whether a row can be taken eight columns at a time.
DEVICE bool has_octets(bool streamable, const Rows& x, const Weight& norm) {
    return streamable && x.type == TYPE_BF16 && norm.format == FORMAT_BF16 && x.columns % 8 == 0 && has_words(x) && (((u64)norm.data) & 15u) == 0;
}

// Stages a norm's weights: each thread finds what it needs where it put it. As they are stored where there are octets, as floats otherwise.
template <int FORMAT>
DEVICE void stage_gains(bool streamable, const Rows& x, const Weight& norm, float* gains, int stride) {
    if (has_octets(streamable, x, norm)) {
#pragma unroll 4
        for (int i = threadIdx.x; i < norm.columns / 8; i += blockDim.x) ((uint4*)gains)[i] = __ldg((const uint4*)norm.data + i);
        return;
    }
    Matrix m = expert_of(norm, 0);
    for (int i = threadIdx.x; i < norm.columns; i += blockDim.x) gains[i] = weight_at(norm, m, 0, i);
}

// Two BF16 of a word.
DEVICE void split_pair(u32 pair, float* out) {
    out[0] = as_float(pair << 16);
    out[1] = as_float(pair & 0xffff0000u);
}
DEVICE void split_octet(uint4 v, float* out) {
    split_pair(v.x, out), split_pair(v.y, out + 2), split_pair(v.z, out + 4), split_pair(v.w, out + 6);
}

// The sum of a double over the block, by every thread; `parts` is the row's own.
DEVICE double sum_of_parts(const double* parts) {
    double sum = 0;
    for (int i = 0; i < blockDim.x / 32; i++) sum += parts[i];
    return sum;
}

// Stages up to ROWS whole rows normalised (NORM): sum of squares and product in double, one rounding to `type`. Gains as stage_gains left them.
template <int FORMAT, int ROWS>
DEVICE void stage_norm(bool streamable, const Rows& x, const Weight& norm, i64 first_row, int rows, double epsilon, int type, const float* gains,
                       float* staged, int stride) {
    __shared__ double parts[ROWS][32];
    bool octets = has_octets(streamable, x, norm);
#pragma unroll
    for (int t = 0; t < ROWS; t++) {
        double squares = 0;
        i64 row = first_row + min(t, rows - 1);
        float* to = staged + t * stride;
        if (octets) {
            const uint4* p = (const uint4*)((const u16*)x.data + row * x.stride);
#pragma unroll 2
            for (int i = threadIdx.x; i < x.columns / 8; i += blockDim.x) {
                float v[8];
                split_octet(p[i], v);
#pragma unroll
                for (int c = 0; c < 8; c++) squares += (double)v[c] * v[c];
#pragma unroll
                for (int c = 0; c < 8; c += 4) {
                    float4 four = {v[c], v[c + 1], v[c + 2], v[c + 3]};
                    *(float4*)(to + place_of<FORMAT>(8 * i + c, stride, true)) = four;
                }
            }
        } else {
            for (int i = threadIdx.x; i < x.columns; i += blockDim.x) {
                float v = load(x, row, i);
                squares += (double)v * v;
                to[place_of<FORMAT>(i, stride, streamable)] = v;
            }
        }
        for (int i = x.columns + threadIdx.x; i < stride; i += blockDim.x) to[place_of<FORMAT>(i, stride, streamable)] = 0.0f;
        squares = warp_sum(squares);
        if ((threadIdx.x & 31) == 0) parts[t][threadIdx.x >> 5] = squares;
    }
    __syncthreads();
#pragma unroll
    for (int t = 0; t < ROWS; t++) {
        // The error of 2^-52 is far below the one rounding that follows.
        double inverse = rsqrt(sum_of_parts(parts[t]) / x.columns + epsilon);
        float* at = staged + t * stride;
        if (octets && type == TYPE_BF16) {
#pragma unroll 1
            for (int i = threadIdx.x; i < x.columns / 8; i += blockDim.x) {
                float gain[8];
                split_octet(((const uint4*)gains)[i], gain);
#pragma unroll
                for (int c = 0; c < 8; c += 4) {
                    float4* four = (float4*)(at + place_of<FORMAT>(8 * i + c, stride, true));
                    float4 v = *four;
                    v.x = bf16_to_float(float_to_bf16(to_odd((double)v.x * inverse * (double)gain[c])));
                    v.y = bf16_to_float(float_to_bf16(to_odd((double)v.y * inverse * (double)gain[c + 1])));
                    v.z = bf16_to_float(float_to_bf16(to_odd((double)v.z * inverse * (double)gain[c + 2])));
                    v.w = bf16_to_float(float_to_bf16(to_odd((double)v.w * inverse * (double)gain[c + 3])));
                    *four = v;
                }
            }
            continue;
        }
        // Octets leave each thread eight columns, so that it is theirs that it finds.
        int unit = octets ? 8 : 1;
        for (int first = threadIdx.x * unit; first < x.columns; first += blockDim.x * unit) {
            for (int i = first; i < first + unit; i++) {
                float* place = at + place_of<FORMAT>(i, stride, streamable);
                float gain = octets ? bf16_to_float(((const u16*)gains)[i]) : gains[i];
                double y = (double)*place * inverse * (double)gain;
                *place = type == TYPE_F32 ? (float)y : round_to(to_odd(y), type);
            }
        }
    }
}
