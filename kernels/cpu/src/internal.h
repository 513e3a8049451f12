/* What the parts of libheng_cpu share. Not installed. */
#ifndef HENG_CPU_INTERNAL_H
#define HENG_CPU_INTERNAL_H

#include "heng_cpu.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Tokens that a dot kernel takes at once; more go through it in turns, or through the tiled kernel. */
#define HENG_DOT_TOKENS 4

/* Columns that the tiled kernel multiplies before it goes on to the next weight rows: a token panel of them stays in level 2. */
#define HENG_GEMM_COLUMNS 512

/* Weight rows and tokens of a tile of gemm, at most. */
#define HENG_GEMM_ROWS 128
#define HENG_GEMM_TOKENS 256

/* Positions of a cache whose scores are taken at once. */
#define HENG_ATTENTION_TILE 64

/* Positions that one task of a long context covers; fixed, so that results do not depend on the number of threads. */
#define HENG_ATTENTION_SPLIT 512

static inline float heng_bf16_to_float(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

static inline uint16_t heng_float_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static inline float heng_f16_to_float(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    uint32_t exponent = bits >> 10 & 31u, fraction = bits & 1023u;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    uint32_t wide = sign | (exponent == 31 ? 0x7f800000u | fraction << 13 : (exponent + 112) << 23 | fraction << 13);
    memcpy(&value, &wide, 4);
    return value;
}

static inline uint16_t heng_float_to_f16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7c00u); /* 65536 and more; below, rounding carries into infinity */
    if (magnitude < 0x38800000u) {                                   /* subnormal: count units of 2^-24, ties to even */
        float absolute;
        memcpy(&absolute, &magnitude, 4);
        return (uint16_t)(sign | (uint16_t)rintf(absolute * 0x1p24f));
    }
    uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return (uint16_t)(sign | (uint16_t)((rounded - 0x38000000u) >> 13));
}

static inline float heng_e4m3_to_float(uint8_t code) {
    if ((code & 0x7f) == 0x7f) return NAN;
    return heng_f16_to_float((uint16_t)((code & 0x80) << 8 | (code & 0x7f) << 7)) * 256.0f;
}

/* Returns element `index` of an array of scales (or of one row of a plain weight). */
static inline float heng_real(int32_t type, const void *data, int64_t index) {
    switch (type) {
        case HENG_CPU_F32: return ((const float *)data)[index];
        case HENG_CPU_BF16: return heng_bf16_to_float(((const uint16_t *)data)[index]);
        case HENG_CPU_F16: return heng_f16_to_float(((const uint16_t *)data)[index]);
        case HENG_CPU_E8M0: {
            uint8_t exponent = ((const uint8_t *)data)[index];
            return exponent == 255 ? NAN : (float)ldexp(1.0, (int)exponent - 127);
        }
        default: return NAN;
    }
}

static inline int64_t heng_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t heng_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t heng_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t heng_round_up(int64_t a, int64_t b) { return heng_ceil_div(a, b) * b; }

static inline int64_t heng_type_bytes(int64_t type) {
    return type == HENG_CPU_F32 ? 4 : type == HENG_CPU_BF16 || type == HENG_CPU_F16 ? 2 : 1;
}

/* One sequence of a paged cache, from one column on. */
typedef struct heng_cache_view {
    const heng_cpu_cache *cache;
    const int32_t *table;
    int64_t column;
} heng_cache_view;

static inline const void *heng_cache_at(const heng_cache_view *view, int64_t position) {
    const heng_cpu_cache *cache = view->cache;
    int64_t row = (int64_t)view->table[position / cache->page_size] * cache->page_size + position % cache->page_size;
    return (const char *)cache->data + (row * cache->row_stride + view->column) * heng_type_bytes(cache->type);
}

/*
 * The kernels of one dispatch level. Each is a pure function of its arguments: which thread runs it changes nothing.
 * "Tile" results are written to tile[token * token_stride + row * row_stride].
 */
typedef struct heng_level {
    const char *name;
    bool flushes_subnormals; /* somewhere; see heng_cpu_team_flushes_subnormals */

    /* Tokens from which the tiled kernel is faster than turns of the dot kernel. */
    int64_t gemm_tokens;
    int64_t vector; /* floats in a vector: token counts of packed activations are rounded up to it */

    /* tile = W[row0 .. row0 + rows) times x[0 .. tokens), tokens <= HENG_DOT_TOKENS. `prepared` comes from prepare. */
    void (*dot)(const heng_cpu_weight *w, int64_t row0, int64_t rows, const float *const *prepared, int tokens, float *tile,
        int64_t token_stride, float *scales);
    /* Returns x in the order that dot wants for this weight: x itself, or `scratch` (heng_prepared_floats). */
    const float *(*prepare)(const heng_cpu_weight *w, const float *x, float *scratch);

    /* sum[0 .. columns) = sum over r < rows of coefficients[r] * W[row0 + r]; scratch holds heng_combine_floats. */
    void (*combine)(const heng_cpu_weight *w, int64_t row0, int64_t rows, const float *coefficients, float *sum, float *scratch);

    /* q = int8 of x with scale = max|x| / 127; q is padded with zeros to a multiple of 64; *sum is the sum of q. */
    void (*quantize)(const float *x, int64_t columns, int8_t *q, float *scale, int32_t *sum);
    void (*dot_i8)(const heng_cpu_weight *w, int64_t row0, int64_t rows, const int8_t *const *q, const float *scales,
        const int32_t *sums, int tokens, float *tile, int64_t token_stride);

    /*
     * Packs x[token] from column0 on for gemm: a block of at most HENG_GEMM_COLUMNS columns and HENG_GEMM_TOKENS tokens, which takes
     * packed_bytes. The blocks of a slab of tokens follow one another.
     */
    void (*pack)(const float *const *x, int64_t tokens, int64_t column0, int64_t columns, void *packed);
    int64_t (*packed_bytes)(int64_t tokens, int64_t columns);
    /* tile[row * row_stride + token], row_stride >= tokens rounded up to `vector`; scratch holds gemm_scratch floats. */
    void (*gemm)(const heng_cpu_weight *w, int64_t row0, int64_t rows, const void *packed, int64_t tokens, float *tile,
        int64_t row_stride, float *scratch);
    int64_t gemm_scratch;
    int64_t gemm_rows; /* weight rows of a task of gemm: at most HENG_GEMM_ROWS */
    /* out[token * out_stride + row] = tile[row * row_stride + token] for 16 tokens; rows are rounded up to 16. */
    void (*transpose)(const float *tile, int64_t row_stride, int64_t rows, float *out, int64_t out_stride);

    /* out[0 .. count) = W[row][column0 .. column0 + count), scaled. */
    void (*decode)(const heng_cpu_weight *w, int64_t row, int64_t column0, int64_t count, float *out);
    void (*decode_plain)(int64_t type, const void *data, int64_t count, float *out);

    /* sums[q][0 .. width) += sum over p < positions of weights[q * HENG_ATTENTION_TILE + p] * values[p * value_stride ..]. */
    void (*weighted_sum)(int64_t count, const float *weights, const float *values, int64_t value_stride, int64_t positions,
        float *const *sums, int64_t width);

    /*
     * Scores of `count` query vectors against positions [begin, end) of one sequence, and the weighted sum of the values: leaves the
     * largest score, the sum of exponentials and the unnormalised sum of each query in state[q] (2 + value_width floats).
     * limits[q] is the number of positions that query q sees. Without `values` the values are the keys' first value_width elements.
     */
    void (*attend)(const float *const *queries, const int64_t *limits, int64_t count, const heng_cache_view *keys, int64_t key_width,
        const heng_cache_view *values, int64_t value_width, float scale, int64_t begin, int64_t end, float *const *state, float *scratch);

    void (*rms_norm)(const float *x, const float *weight, int64_t columns, double epsilon, int64_t round_to, float *y);
    void (*swiglu)(const float *gate, const float *up, int64_t count, int64_t round_to, float *y);
    void (*add)(const float *a, const float *b, int64_t count, int64_t round_to, float *y);
    void (*round)(float *y, int64_t count, int64_t round_to);
    int64_t (*argmax)(const float *x, int64_t count);
    float (*read)(const void *data, int64_t bytes);
    float (*fma_rounds)(int64_t rounds, int64_t *operations);
} heng_level;

/* Floats of scratch that attend needs. */
#define HENG_ATTEND_SCRATCH(key_width, value_width) (HENG_ATTENTION_TILE * ((key_width) + (value_width) + 32 + 4) + 64)

/* Floats of a row that prepare made ready: whole blocks of words, twice. */
static inline int64_t heng_prepared_floats(const heng_cpu_weight *w) { return 2 * heng_round_up(w->columns, 128); }

/* Floats of scratch that combine needs: a row, and four rows' scales and offsets. */
static inline int64_t heng_combine_floats(const heng_cpu_weight *w) { return 2 * heng_round_up(w->columns, 128); }

/* Bytes of all packed blocks of a slab of tokens. */
static inline int64_t heng_packed_bytes(const heng_level *level, int64_t tokens, int64_t columns) {
    const int64_t rest = columns % HENG_GEMM_COLUMNS;
    return columns / HENG_GEMM_COLUMNS * level->packed_bytes(tokens, HENG_GEMM_COLUMNS) + (rest > 0 ? level->packed_bytes(tokens, rest) : 0);
}

/* Levels, null where this build lacks them; see levels.c. */
const heng_level *heng_find_level(const char *name);
const heng_level *heng_best_level(void);

/* Records the text of a failure for heng_cpu_last_error and returns its status. */
int32_t heng_fail(int32_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Round one number to a type of result. */
static inline float heng_round_to(float value, int64_t type) {
    if (type == HENG_CPU_BF16) return heng_bf16_to_float(heng_float_to_bf16(value));
    if (type == HENG_CPU_F16) return heng_f16_to_float(heng_float_to_f16(value));
    return value;
}

#endif
