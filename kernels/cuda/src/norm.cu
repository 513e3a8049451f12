// RmsNorm, rotary embedding and the rounding of activations: one block or warp for each row.
#include "weights.cuh"

DEVICE double block_sum(double x) {
    __shared__ double parts[32];
    x = warp_sum(x);
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = x;
    __syncthreads();
    double sum = 0;
    for (int i = 0; i < blockDim.x / 32; i++) sum += parts[i];
    return sum;
}

// grid (rows, groups of a row)
KERNEL void rms_norm(const __grid_constant__ RmsNormArgs a) {
    int row = blockIdx.x;
    int first = blockIdx.y * a.group;
    dependents_may_start();
    dependency_wait();
    double squares = 0;
    for (int i = threadIdx.x; i < a.group; i += blockDim.x) {
        double x = load(a.x, row, first + i);
        squares += x * x;
    }
    // One division for the row: its error of 2^-53 is far below the one rounding that follows.
    double inverse = 1.0 / sqrt(block_sum(squares) / a.group + a.epsilon);
    Matrix weight = expert_of(a.weight, 0);
    for (int i = threadIdx.x; i < a.group; i += blockDim.x) {
        double x = load(a.x, row, first + i);
        store(a.y, row, first + i, x * inverse * (double)weight_at(a.weight, weight, 0, i));
    }
}

// The angle is the exact product of position and frequency: what the product loses in rounding comes back by the addition theorem (ROPE-003).
KERNEL void rope_table(const __grid_constant__ RopeTableArgs a) {
    int row = blockIdx.x;
    double position = (double)((const int*)a.positions)[row];
    double2* table = (double2*)a.table + (i64)row * a.pairs;
    for (int pair = threadIdx.x; pair < a.pairs; pair += blockDim.x) {
        double frequency = ((const double*)a.inverse)[pair];
        double angle = position * frequency;
        double lost = fma(position, frequency, -angle);
        double s, c;
        sincos(angle, &s, &c);
        double2 out;
        out.x = a.factor * (c - s * lost);
        out.y = a.factor * (s + c * lost);
        table[pair] = out;
    }
}

// grid (rows, heads)
KERNEL void rope(const __grid_constant__ RopeArgs a) {
    int row = blockIdx.x;
    i64 first = (i64)blockIdx.y * a.head_dim;
    bool padding = ((const int*)a.positions)[row] < 0;
    const double2* table = (const double2*)a.table + (i64)row * a.pairs;
    for (int i = threadIdx.x; i < a.head_dim; i += blockDim.x) {
        int at = i - a.offset;
        float x = load(a.x, row, first + i);
        if (padding || at < 0 || at >= 2 * a.pairs) {
            store(a.y, row, first + i, x);
            continue;
        }
        int pair = a.interleaved ? at / 2 : at % a.pairs;
        bool second = a.interleaved ? (at & 1) : at >= a.pairs;
        int partner = a.interleaved ? (second ? -1 : 1) : (second ? -a.pairs : a.pairs);
        double self = x, other = load(a.x, row, first + i + partner);
        double2 t = table[pair];
        store(a.y, row, first + i, second ? other * t.y + self * t.x : self * t.x - other * t.y);
    }
}

// The E4M3 code nearest to x, as a float; saturates (QUANT-053).
DEVICE float nearest_e4m3(float x) {
    float magnitude = fabsf(x);
    if (!(magnitude == magnitude)) return x;
    if (magnitude >= 448.0f) return copysignf(448.0f, x);
    // The spacing is 2^(exponent-3), and 2^-9 below the smallest normal number 2^-6.
    int exponent = max((int)((as_bits(magnitude) >> 23) & 255u) - 127, -6);
    float step = as_float((u32)(exponent - 3 + 127) << 23);
    return copysignf(fminf(rintf(magnitude / step) * step, 448.0f), x);
}

// grid (rows, blocks of 128 columns), 128 threads
KERNEL void quantize_fp8(const __grid_constant__ QuantizeFp8Args a) {
    __shared__ float parts[4];
    int row = blockIdx.x;
    int column = blockIdx.y * 128 + threadIdx.x;
    float x = column < a.x.columns ? load(a.x, row, column) : 0.0f;
    // NaN and infinity must reach the whole block (QUANT-043): infinity as a maximum gives them by inf / inf and x * NaN.
    float largest = x == x ? fabsf(x) : as_float(0x7f800000u);
    for (int mask = 16; mask > 0; mask >>= 1) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, mask));
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = largest;
    __syncthreads();
    largest = fmaxf(fmaxf(parts[0], parts[1]), fmaxf(parts[2], parts[3]));
    float scale = fmaxf(largest, 1e-4f) / 448.0f;
    if (a.power_of_two && scale < as_float(0x7f800000u)) {
        u32 bits = as_bits(scale);
        scale = as_float((bits & 0x7fffffu) ? (bits & 0x7f800000u) + 0x800000u : bits);
    }
    if (column >= a.x.columns) return;
    float rounded = largest < as_float(0x7f800000u) ? nearest_e4m3(x / scale) * scale : as_float(0x7fc00000u);
    ((float*)a.y.data)[row * a.y.stride + column] = rounded;
}

// grid (rows); a row that holds a NaN or an infinity has a NaN for its scale (QUANT-043)
KERNEL void quantize_int8(const __grid_constant__ QuantizeInt8Args a) {
    __shared__ float parts[32];
    int row = blockIdx.x;
    float largest = 0;
    for (int i = threadIdx.x; i < a.x.columns; i += blockDim.x) {
        float x = load(a.x, row, i);
        largest = fmaxf(largest, x == x ? fabsf(x) : as_float(0x7f800000u));
    }
    for (int mask = 16; mask > 0; mask >>= 1) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, mask));
    if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = largest;
    __syncthreads();
    for (int i = 0; i < blockDim.x / 32; i++) largest = fmaxf(largest, parts[i]);
    bool finite = largest < as_float(0x7f800000u);
    float scale = largest / 127.0f;
    signed char* q = (signed char*)a.q + (i64)row * a.x.columns;
    for (int i = threadIdx.x; i < a.x.columns; i += blockDim.x) {
        float code = scale == 0.0f || !finite ? 0.0f : rintf(load(a.x, row, i) / scale);
        q[i] = (signed char)fminf(fmaxf(code, -128.0f), 127.0f);
    }
    if (threadIdx.x == 0) ((float*)a.scales)[row] = finite ? scale : as_float(0x7fc00000u);
}
