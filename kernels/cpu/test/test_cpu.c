/*
 * Tests of libheng_cpu through its public interface, every level forced in turn: test_cpu [LEVEL ...].
 *
 * Integer fills must be exact. Float fills must lie within the classical order-free bound of a sum of K products in float32,
 * (K + c) * 2^-24 * sum |a_k b_k|, where c counts the roundings of scales and epilogues. References are computed here in double, from
 * the stored bits, by code that shares nothing with the library.
 */
#include "heng_cpu.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures, checks;
static const char *level_name;

#define CHECK(condition, ...)                                             \
    do {                                                                  \
        checks++;                                                         \
        if (!(condition)) {                                               \
            if (failures++ < 20) {                                        \
                printf("FAIL %s %s:%d ", level_name, __func__, __LINE__); \
                printf(__VA_ARGS__);                                      \
                printf("\n");                                             \
            }                                                             \
        }                                                                 \
    } while (0)

static uint64_t state = 88172645463325252u;
static uint32_t random_bits(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}
static double uniform(void) { return random_bits() / 2147483648.0 - 1.0; }

/* ---- stored numbers, decoded independently of the library ---- */

static double value_of(int type, const void *data, int64_t i) {
    switch (type) {
        case HENG_CPU_F32: return ((const float *)data)[i];
        case HENG_CPU_BF16: {
            uint32_t bits = (uint32_t)((const uint16_t *)data)[i] << 16;
            float f;
            memcpy(&f, &bits, 4);
            return f;
        }
        case HENG_CPU_F16: {
            uint16_t h = ((const uint16_t *)data)[i];
            int e = h >> 10 & 31, m = h & 1023;
            double v = e == 31 ? (m ? NAN : INFINITY) : e == 0 ? ldexp(m, -24) : ldexp(1024 + m, e - 25);
            return h & 0x8000 ? -v : v;
        }
        case HENG_CPU_E4M3: {
            uint8_t b = ((const uint8_t *)data)[i];
            int e = b >> 3 & 15, m = b & 7;
            double v = (b & 127) == 127 ? NAN : e == 0 ? ldexp(m, -9) : ldexp(8 + m, e - 10);
            return b & 128 ? -v : v;
        }
        case HENG_CPU_E8M0: return ldexp(1.0, (int)((const uint8_t *)data)[i] - 127);
        case HENG_CPU_I8: return ((const int8_t *)data)[i];
        default: return NAN;
    }
}

static void store(int type, void *data, int64_t i, double v) {
    switch (type) {
        case HENG_CPU_F32: ((float *)data)[i] = (float)v; break;
        case HENG_CPU_BF16: {
            float f = (float)v;
            uint32_t bits;
            memcpy(&bits, &f, 4);
            ((uint16_t *)data)[i] = (uint16_t)(bits >> 16); /* truncated: any stored value is as good as another */
            break;
        }
        case HENG_CPU_F16: {
            double a = fabs(v);
            int e;
            uint16_t bits = 0;
            if (a >= ldexp(1, -14)) {
                double m = frexp(a, &e);
                bits = (uint16_t)((e + 14) << 10 | ((int)(m * 2048) & 1023));
            } else {
                bits = (uint16_t)(a * ldexp(1, 24));
            }
            ((uint16_t *)data)[i] = (uint16_t)(bits | (v < 0 ? 0x8000 : 0));
            break;
        }
        case HENG_CPU_E8M0: ((uint8_t *)data)[i] = (uint8_t)(127 + (int)v); break;
        default: break;
    }
}

static double weight_at(const heng_cpu_weight *w, int64_t n, int64_t k) {
    const char *row = (const char *)w->data + n * w->row_bytes;
    int64_t blocks = w->block_columns > 0 ? (w->columns + w->block_columns - 1) / w->block_columns : 0;
    switch (w->type) {
        case HENG_CPU_E4M3:
            return value_of(w->type, row, k) * value_of(w->scale_type, w->scales, n / w->block_rows * blocks + k / w->block_columns);
        case HENG_CPU_I8: return value_of(w->type, row, k) * value_of(w->scale_type, w->scales, n);
        case HENG_CPU_I4: {
            int code = (int)(((const uint32_t *)row)[k / 8] >> 4 * (k % 8) & 15);
            int64_t g = k / w->block_columns;
            int zero = w->zero_points == NULL ? 8 : (int)(w->zero_points[n / 8 * blocks + g] >> 4 * (n % 8) & 15);
            return (code - zero) * value_of(w->scale_type, w->scales, n * blocks + g);
        }
        default: return value_of(w->type, row, k);
    }
}

typedef struct format {
    const char *name;
    int type, scale_type;
    int64_t block_rows, block_columns;
    bool zeros;
} format;

static const format formats[] = {
    {"f32", HENG_CPU_F32, 0, 0, 0, false},
    {"bf16", HENG_CPU_BF16, 0, 0, 0, false},
    {"f16", HENG_CPU_F16, 0, 0, 0, false},
    {"fp8 128x128 f32", HENG_CPU_E4M3, HENG_CPU_F32, 128, 128, false},
    {"fp8 16x24 e8m0", HENG_CPU_E4M3, HENG_CPU_E8M0, 16, 24, false},
    {"int8 f32", HENG_CPU_I8, HENG_CPU_F32, 0, 0, false},
    {"int8 bf16", HENG_CPU_I8, HENG_CPU_BF16, 0, 0, false},
    {"int4 g32 bf16", HENG_CPU_I4, HENG_CPU_BF16, 0, 32, false},
    {"int4 g128 f16", HENG_CPU_I4, HENG_CPU_F16, 0, 128, false},
    {"int4 g32 zeros", HENG_CPU_I4, HENG_CPU_F32, 0, 32, true},
    {"int4 g12", HENG_CPU_I4, HENG_CPU_F32, 0, 12, false},
    {"int4 g20 zeros", HENG_CPU_I4, HENG_CPU_F32, 0, 20, true},
    {"int4 one group", HENG_CPU_I4, HENG_CPU_F32, 0, 1 << 20, false},
};
enum { FORMATS = sizeof formats / sizeof *formats };

/* Every row is its own allocation's end in turn: `data` ends exactly where the last row does, so that sanitizers see overreads. */
static heng_cpu_weight make_weight(const format *f, int64_t rows, int64_t columns, bool integers) {
    heng_cpu_weight w = {.type = f->type, .scale_type = f->scale_type, .rows = rows, .columns = columns, .block_rows = f->block_rows,
        .block_columns = f->block_columns};
    int64_t bytes = f->type == HENG_CPU_F32 ? 4 * columns : f->type <= HENG_CPU_F16 ? 2 * columns : f->type == HENG_CPU_I4 ? (columns + 7) / 8 * 4 : columns;
    w.row_bytes = bytes;
    char *data = malloc((size_t)(bytes * rows + 1));
    for (int64_t n = 0; n < rows; n++)
        for (int64_t k = 0; k < columns; k++) {
            char *row = data + n * bytes;
            switch (f->type) {
                case HENG_CPU_E4M3: {
                    uint8_t b;
                    do b = (uint8_t)random_bits();
                    while ((b & 127) == 127);
                    /* integers -8..8 of E4M3: 1.0 is 0x38 */
                    static const uint8_t small[] = {0x00, 0x38, 0x40, 0x44, 0x48, 0x4a, 0x4c, 0x4e, 0x50};
                    ((uint8_t *)row)[k] = integers ? (uint8_t)(small[random_bits() % 9] | (random_bits() & 0x80)) : b;
                    break;
                }
                case HENG_CPU_I8: ((int8_t *)row)[k] = (int8_t)(integers ? (int)(random_bits() % 17) - 8 : (int)(random_bits() % 256) - 128); break;
                case HENG_CPU_I4: break;
                default: store(f->type, row, k, integers ? (int)(random_bits() % 17) - 8 : uniform()); break;
            }
        }
    if (f->type == HENG_CPU_I4)
        for (int64_t i = 0; i < rows * bytes / 4; i++) ((uint32_t *)data)[i] = random_bits();
    w.data = data;
    int64_t blocks = f->block_columns > 0 ? (columns + f->block_columns - 1) / f->block_columns : 1;
    int64_t scale_rows = f->type == HENG_CPU_E4M3 ? (rows + f->block_rows - 1) / f->block_rows : rows;
    if (f->type >= HENG_CPU_E4M3) {
        void *scales = malloc((size_t)(scale_rows * blocks * 4 + 1));
        for (int64_t i = 0; i < scale_rows * blocks; i++)
            store(f->scale_type, scales, i, f->scale_type == HENG_CPU_E8M0 ? (integers ? 0 : (int)(random_bits() % 9) - 4) : integers ? 1.0 : uniform());
        w.scales = scales;
    }
    if (f->zeros) {
        uint32_t *zeros = malloc((size_t)((rows + 7) / 8 * blocks * 4 + 1));
        for (int64_t i = 0; i < (rows + 7) / 8 * blocks; i++) zeros[i] = random_bits();
        w.zero_points = zeros;
    }
    return w;
}

static void free_weight(heng_cpu_weight *w) {
    free((void *)(uintptr_t)w->data);
    free((void *)(uintptr_t)w->scales);
    free((void *)(uintptr_t)w->zero_points);
}

static float *floats(int64_t n) { return calloc((size_t)(n + 1), sizeof(float)); }

static float *fill(int64_t n, bool integers) {
    float *x = floats(n);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(integers ? (int)(random_bits() % 9) - 4 : uniform());
    return x;
}

/* Fills x as rounded activations are: numbers of 8 bits, near one another or (wide) of magnitudes that no fixed point holds, with zeros among them. */
static void fill_rounded(float *x, int64_t n, bool wide) {
    for (int64_t i = 0; i < n; i++) {
        const float value = (float)ldexp(uniform(), wide ? (int)(random_bits() % 60) - 30 : 0);
        uint32_t bits;
        memcpy(&bits, &value, 4);
        bits = random_bits() % 11 == 0 ? 0 : bits & 0xffff0000u;
        memcpy(&x[i], &bits, 4);
    }
}

static heng_cpu_instruction instruction(int opcode, int64_t rows) {
    heng_cpu_instruction in;
    memset(&in, 0, sizeof in);
    in.opcode = opcode;
    in.rows = (heng_cpu_count){rows, -1};
    return in;
}

static int32_t execute(heng_cpu_team *team, heng_cpu_instruction *in, int64_t count) {
    heng_cpu_program *program = NULL;
    int32_t status = heng_cpu_program_create(team, in, count, NULL, 0, &program);
    /* Twice, so that a run that leaves something behind is seen. */
    if (status == HENG_CPU_OK) status = heng_cpu_run(program, 0, count, NULL);
    if (status == HENG_CPU_OK) status = heng_cpu_run(program, 0, count, NULL);
    heng_cpu_program_free(program);
    return status;
}

static const double U = 0x1p-24;

/* The exact dot product and the sum of magnitudes. */
static double reference(const heng_cpu_weight *w, int64_t n, const float *x, double *magnitude) {
    double sum = 0, size = 0;
    for (int64_t k = 0; k < w->columns; k++) {
        double p = weight_at(w, n, k) * x[k];
        sum += p;
        size += fabs(p);
    }
    *magnitude = size;
    return sum;
}

typedef enum filling { FILL_INTEGERS, FILL_FLOATS, FILL_ROUNDED, FILL_ROUNDED_WIDE, FILLINGS } filling;

static void test_linear_shape(heng_cpu_team *team, const format *f, int64_t tokens, int64_t rows, int64_t columns, filling filling) {
    const bool integers = filling == FILL_INTEGERS;
    heng_cpu_weight w = make_weight(f, rows, columns, integers), bias = make_weight(&formats[1], 1, rows, integers);
    float *x = fill(tokens * columns, integers), *y = floats(tokens * rows), *z = fill(tokens * rows, integers), *a = floats(tokens * rows);
    if (filling >= FILL_ROUNDED) fill_rounded(x, tokens * columns, filling == FILL_ROUNDED_WIDE);
    heng_cpu_instruction in[2] = {instruction(HENG_CPU_LINEAR, tokens), instruction(HENG_CPU_LINEAR, tokens)};
    in[0].flags = HENG_CPU_OVERLAP;
    in[0].as.linear = (heng_cpu_linear){.weight = &w, .x = x, .x_stride = columns, .y = y, .y_stride = rows};
    in[1].as.linear = (heng_cpu_linear){.weight = &w, .x = x, .x_stride = columns, .bias = &bias, .addend = z, .addend_stride = rows, .y = a, .y_stride = rows};
    CHECK(execute(team, in, 2) == HENG_CPU_OK, "%s", heng_cpu_last_error());
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t n = 0; n < rows; n++) {
            double size, exact = reference(&w, n, x + t * columns, &size);
            double bound = integers ? 0 : (double)(columns + 4) * U * size + 1e-40;
            CHECK(fabs(y[t * rows + n] - exact) <= bound, "%s T=%ld N=%ld K=%ld [%ld,%ld]: %.9g, exact %.9g, bound %.3g", f->name, (long)tokens,
                (long)rows, (long)columns, (long)t, (long)n, y[t * rows + n], exact, bound);
            double more = exact + value_of(bias.type, bias.data, n) + z[t * rows + n];
            double slack = integers ? 0 : bound + 4 * U * (size + 4);
            CHECK(fabs(a[t * rows + n] - more) <= slack, "%s with bias and addend: %.9g, exact %.9g", f->name, a[t * rows + n], more);
        }
    free(x), free(y), free(z), free(a), free_weight(&w), free_weight(&bias);
}

static void test_linear(heng_cpu_team *team) {
    static const int64_t shapes[][3] = {{1, 1, 1}, {1, 4, 64}, {1, 96, 160}, {2, 7, 129}, {3, 33, 255}, {4, 5, 24}, {5, 130, 48}, {9, 31, 530},
        {17, 125, 40}, {33, 13, 1100}, {65, 12, 16}, {1, 3, 7}, {1, 9, 0}, {4, 1, 513}, {0, 4, 8}, {300, 5, 9}, {2, 600, 40}, {1, 6, 1032}};
    for (int f = 0; f < FORMATS; f++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            /* Rounded activations take ways of their own only with int4, and on matrix tiles; bf16 stands for all weights there. */
            for (filling i = 0; i < (formats[f].type == HENG_CPU_I4 || formats[f].type == HENG_CPU_BF16 ? FILLINGS : FILL_ROUNDED); i++)
                test_linear_shape(team, &formats[f], shapes[s][0], shapes[s][1], shapes[s][2], i);
}

static void test_nan_in_fp8(heng_cpu_team *team) {
    for (int tokens = 1; tokens < 20; tokens += 18) {
        heng_cpu_weight w = make_weight(&formats[3], 6, 200, true);
        ((uint8_t *)(uintptr_t)w.data)[200 * 2 + 150] = 0x7f;
        ((uint8_t *)(uintptr_t)w.data)[200 * 5 + 3] = 0xff;
        float *x = fill(tokens * 200, true), *y = floats(tokens * 6);
        heng_cpu_instruction in = instruction(HENG_CPU_LINEAR, tokens);
        in.as.linear = (heng_cpu_linear){.weight = &w, .x = x, .x_stride = 200, .y = y, .y_stride = 6};
        CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
        for (int t = 0; t < tokens; t++)
            for (int n = 0; n < 6; n++) CHECK(isnan(y[t * 6 + n]) == (n == 2 || n == 5), "row %d is %g", n, y[t * 6 + n]);
        free(x), free(y), free_weight(&w);
    }
}

/* Scales near the ends of float32 whose products are within it: no way of multiplying may leave it on the way. */
static void test_ends_of_e8m0(heng_cpu_team *team) {
    enum { N = 70, K = 72 };
    for (int tokens = 1; tokens < 40; tokens += 36) {
        heng_cpu_weight w = make_weight(&formats[4], N, K, true);
        for (int64_t i = 0; i < N * K; i++) ((uint8_t *)(uintptr_t)w.data)[i] = (uint8_t)(i % 3 == 0 ? 0x38 : 0xbc); /* 1 and -1.5 */
        for (int64_t i = 0; i < (N + 15) / 16 * 3; i++) ((uint8_t *)(uintptr_t)w.scales)[i] = (uint8_t)(i % 4 == 0 ? 253 : i % 4 == 1 ? 7 : i % 4 == 2 ? 127 : 0);
        float *x = floats(tokens * K), *y = floats(tokens * N);
        for (int64_t t = 0; t < tokens; t++) x[t * K + t * 7 % K] = 1;
        heng_cpu_instruction in = instruction(HENG_CPU_LINEAR, tokens);
        in.as.linear = (heng_cpu_linear){.weight = &w, .x = x, .x_stride = K, .y = y, .y_stride = N};
        CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
        for (int64_t t = 0; t < tokens; t++)
            for (int64_t n = 0; n < N; n++) {
                const double exact = weight_at(&w, n, t * 7 % K);
                /* Subnormal results may be zero where the level says so. */
                CHECK(fabs(y[t * N + n] - exact) <= (fabs(exact) < 0x1p-126 ? fabs(exact) : 0), "[%ld,%ld] %.9g, exact %.9g", (long)t, (long)n, y[t * N + n], exact);
            }
        free(x), free(y), free_weight(&w);
    }
}

/* Returns one row's exact int8 product with dynamic activations. */
static double int8_reference(const heng_cpu_weight *w, int64_t n, const float *x) {
    float largest = 0;
    for (int64_t k = 0; k < w->columns; k++) largest = fmaxf(largest, fabsf(x[k]));
    float scale = largest / 127.0f;
    int64_t sum = 0;
    for (int64_t k = 0; k < w->columns; k++)
        sum += (int64_t)((const int8_t *)w->data)[n * w->row_bytes + k] * (int64_t)(scale > 0 ? rintf(x[k] / scale) : 0);
    return (double)sum * scale * value_of(w->scale_type, w->scales, n);
}

static void test_int8_activations(heng_cpu_team *team) {
    static const int64_t shapes[][3] = {{1, 1, 1}, {1, 12, 64}, {2, 9, 100}, {3, 6, 129}, {11, 21, 320}, {4, 5, 0}, {1, 3, 2048}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t tokens = shapes[s][0], rows = shapes[s][1], columns = shapes[s][2];
        heng_cpu_weight w = make_weight(&formats[5], rows, columns, false);
        /* The extremes that break unsigned-by-signed tricks. */
        for (int64_t i = 0; i < rows * columns; i += 3) ((int8_t *)(uintptr_t)w.data)[i] = -128;
        float *x = fill(tokens * columns, false), *y = floats(tokens * rows);
        if (tokens > 2) memset(x + columns, 0, (size_t)columns * 4);
        heng_cpu_instruction in = instruction(HENG_CPU_LINEAR, tokens);
        in.as.linear = (heng_cpu_linear){.weight = &w, .x = x, .x_stride = columns, .y = y, .y_stride = rows, .quantize_activations = 1};
        CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
        for (int64_t t = 0; t < tokens; t++)
            for (int64_t n = 0; n < rows; n++) {
                double exact = int8_reference(&w, n, x + t * columns);
                CHECK(y[t * rows + n] == (float)exact, "[%ld,%ld] %.9g, exact %.9g", (long)t, (long)n, y[t * rows + n], exact);
            }
        free(x), free(y), free_weight(&w);
    }
}

static double silu(double g) { return g / (1 + exp(-g)); }

static void test_gated_linear(heng_cpu_team *team) {
    for (int f = 0; f < FORMATS; f++)
        for (int64_t tokens = 1; tokens <= 21; tokens += 10) {
            const int64_t rows = 37, columns = 96;
            heng_cpu_weight gate = make_weight(&formats[f], rows, columns, false), up = make_weight(&formats[f], rows, columns, false);
            float *x = fill(tokens * columns, false), *y = floats(tokens * rows);
            heng_cpu_instruction in = instruction(HENG_CPU_GATED_LINEAR, tokens);
            in.as.gated_linear = (heng_cpu_gated_linear){.gate = &gate, .up = &up, .x = x, .x_stride = columns, .y = y, .y_stride = rows};
            CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
            for (int64_t t = 0; t < tokens; t++)
                for (int64_t n = 0; n < rows; n++) {
                    double sg, su, g = reference(&gate, n, x + t * columns, &sg), u = reference(&up, n, x + t * columns, &su);
                    double eg = (double)(columns + 4) * U * sg, eu = (double)(columns + 4) * U * su;
                    /* |silu'| <= 1.1 */
                    double bound = 1.1 * eg * (fabs(u) + eu) + fabs(silu(g)) * eu + 4 * U * fabs(silu(g) * u) + 1e-40;
                    CHECK(fabs(y[t * rows + n] - silu(g) * u) <= bound, "%s %.9g, exact %.9g", formats[f].name, y[t * rows + n], silu(g) * u);
                }
            free(x), free(y), free_weight(&gate), free_weight(&up);
        }
}

static void test_experts(heng_cpu_team *team) {
    enum { EXPERTS = 7, K = 64, I = 24, TOPK = 3 };
    for (int f = 0; f < FORMATS; f++)
        for (int variant = 0; variant < 4; variant++) {
            const int64_t tokens = variant == 0 ? 1 : variant == 1 ? 2 : variant == 2 ? 40 : 300;
            const bool skewed = variant == 3; /* one expert takes every token: more rows than a slab */
            const bool quantize = formats[f].type == HENG_CPU_I8 && variant % 2 == 0;
            heng_cpu_weight gate[EXPERTS], up[EXPERTS], down[EXPERTS];
            for (int e = 0; e < EXPERTS; e++) {
                gate[e] = make_weight(&formats[f], I, K, true);
                up[e] = make_weight(&formats[f], I, K, true);
                down[e] = make_weight(&formats[f], K, I, true);
            }
            float *x = fill(tokens * K, true), *h = floats(tokens * TOPK * I), *y = floats(tokens * K), *z = floats(tokens * K);
            float *rows = floats(tokens * TOPK * K), *out = floats(tokens * TOPK * I), *weights = fill(tokens * TOPK, false), *addend = fill(tokens * K, false);
            int32_t *ids = malloc((size_t)(tokens * TOPK) * 4), *origins = malloc((size_t)(tokens * TOPK) * 4), *places = malloc((size_t)(tokens * TOPK) * 4),
                    *again = malloc((size_t)(tokens * TOPK) * 4), offsets[EXPERTS + 1];
            for (int64_t t = 0; t < tokens; t++) {
                int first = skewed ? 0 : (int)(random_bits() % 3);
                for (int j = 0; j < TOPK; j++) ids[t * TOPK + j] = j == 0 && skewed ? 2 : (first + 2 * j + (skewed ? 1 : 0)) % (EXPERTS + 1);
                if (t % 5 == 1) ids[t * TOPK + 1] = -1; /* no such expert */
            }
            heng_cpu_instruction in[7] = {instruction(HENG_CPU_GROUP, tokens), instruction(HENG_CPU_EXPERT_GATE_UP, tokens * TOPK),
                instruction(HENG_CPU_EXPERT_DOWN, tokens), instruction(HENG_CPU_EXPERT_LINEAR, tokens * TOPK), instruction(HENG_CPU_INVERT, tokens * TOPK),
                instruction(HENG_CPU_EXPERT_LINEAR, tokens * TOPK), instruction(HENG_CPU_COMBINE, tokens)};
            in[0].as.group = (heng_cpu_group){.ids = ids, .top_k = TOPK, .experts = EXPERTS, .offsets = offsets, .origins = origins, .places = places};
            in[1].as.expert_gate_up = (heng_cpu_expert_gate_up){.gate = gate, .up = up, .experts = EXPERTS, .offsets = offsets, .origins = origins,
                .top_k = TOPK, .x = x, .x_stride = K, .h = h, .h_stride = I, .quantize_activations = quantize};
            in[2].as.expert_down = (heng_cpu_expert_down){.down = down, .experts = EXPERTS, .ids = ids, .offsets = offsets, .places = places, .top_k = TOPK,
                .h = h, .h_stride = I, .weights = weights, .addend = addend, .addend_stride = K, .y = y, .y_stride = K, .quantize_activations = quantize};
            in[3].as.expert_linear = (heng_cpu_expert_linear){.weights = gate, .experts = EXPERTS, .offsets = offsets, .origins = origins, .top_k = TOPK,
                .x = x, .x_stride = K, .y = out, .y_stride = I};
            in[4].as.invert = (heng_cpu_invert){.origins = origins, .places = again};
            in[5].as.expert_linear = (heng_cpu_expert_linear){.weights = down, .experts = EXPERTS, .offsets = offsets, .top_k = TOPK, .x = h, .x_stride = I,
                .y = rows, .y_stride = K, .quantize_activations = quantize};
            in[6].as.combine = (heng_cpu_combine){.x = rows, .x_stride = K, .places = again, .weights = weights, .top_k = TOPK, .y = z, .y_stride = K, .columns = K};
            CHECK(execute(team, in, 7) == HENG_CPU_OK, "%s", heng_cpu_last_error());
            CHECK(memcmp(places, again, (size_t)(tokens * TOPK) * 4) == 0, "INVERT disagrees with GROUP");
            for (int64_t t = 0; t < tokens; t++) {
                double sum[K] = {0}, size[K] = {0};
                for (int j = 0; j < TOPK; j++) {
                    int e = ids[t * TOPK + j];
                    int place = places[t * TOPK + j];
                    CHECK((place < 0) == (e < 0 || e >= EXPERTS), "expert %d has place %d", e, place);
                    if (place < 0) continue;
                    CHECK(origins[place] == t * TOPK + j && place >= offsets[e] && place < offsets[e + 1], "slot %ld is at %d", (long)(t * TOPK + j), place);
                    for (int i = 0; i < I; i++) {
                        double size_g, size_u, g = reference(&gate[e], i, x + t * K, &size_g), u = reference(&up[e], i, x + t * K, &size_u);
                        CHECK(out[place * I + i] == (float)g, "%s gate of expert %d: %.9g, exact %.9g", formats[f].name, e, out[place * I + i], g);
                        if (quantize) {
                            g = int8_reference(&gate[e], i, x + t * K);
                            u = int8_reference(&up[e], i, x + t * K);
                        }
                        double exact = silu((float)g) * (float)u;
                        CHECK(fabs(h[place * I + i] - exact) <= 2 * U * fabs(exact) + 1e-40, "%s h: %.9g, exact %.9g", formats[f].name, h[place * I + i], exact);
                    }
                    for (int n = 0; n < K; n++) {
                        double magnitude, d = reference(&down[e], n, h + place * I, &magnitude);
                        if (quantize) d = int8_reference(&down[e], n, h + place * I);
                        sum[n] += weights[t * TOPK + j] * d;
                        size[n] += fabs(weights[t * TOPK + j]) * magnitude;
                    }
                }
                for (int n = 0; n < K; n++) {
                    double bound = (I + TOPK + 6) * U * size[n] + 1e-40;
                    CHECK(fabs(z[t * K + n] - sum[n]) <= bound, "%s combine: %.9g, exact %.9g", formats[f].name, z[t * K + n], sum[n]);
                    CHECK(fabs(y[t * K + n] - sum[n] - addend[t * K + n]) <= bound + 2 * U * (1 + fabs(sum[n])), "%s down: %.9g, exact %.9g", formats[f].name,
                        y[t * K + n], sum[n] + addend[t * K + n]);
                }
            }
            for (int e = 0; e < EXPERTS; e++) free_weight(&gate[e]), free_weight(&up[e]), free_weight(&down[e]);
            free(x), free(h), free(y), free(z), free(rows), free(out), free(weights), free(addend), free(ids), free(origins), free(places), free(again);
        }
}

/* Attention in double, straight from the definition. */
static void attention_reference(int64_t positions, int64_t width, int64_t values, const double *q, const double *keys, const double *v, double scale, double *out,
    double *size) {
    double *p = malloc((size_t)(positions + 1) * 8), largest = -INFINITY, total = 0;
    for (int64_t i = 0; i < positions; i++) {
        p[i] = 0;
        for (int64_t k = 0; k < width; k++) p[i] += q[k] * keys[i * width + k];
        p[i] *= scale;
        largest = fmax(largest, p[i]);
    }
    for (int64_t i = 0; i < positions; i++) total += p[i] = exp(p[i] - largest);
    for (int64_t c = 0; c < values; c++) out[c] = size[c] = 0;
    for (int64_t i = 0; i < positions; i++)
        for (int64_t c = 0; c < values; c++) {
            out[c] += p[i] / total * v[i * values + c];
            size[c] += p[i] / total * fabs(v[i * values + c]);
        }
    free(p);
}

static void test_attention(heng_cpu_team *team) {
    enum { PAGE = 16 };
    for (int latent_form = 0; latent_form < 2; latent_form++)
        for (int cache_type = 0; cache_type < 3; cache_type++)
            for (int variant = 0; variant < 4; variant++) {
                const int64_t tokens = variant == 0 ? 1 : variant == 1 ? 3 : variant == 2 ? 19 : 70;
                const int64_t context = variant <= 1 ? 1200 : 90;
                const int64_t heads = 6, kv_heads = 2, key_width = 20, value_width = 12, latent = 40, nope = 9, rope = 6;
                const int64_t width = latent_form ? latent + rope : kv_heads * key_width;
                const int64_t pages_per_sequence = (context + PAGE - 1) / PAGE + 1, sequences = 2, pages = sequences * pages_per_sequence;
                void *keys = malloc((size_t)(pages * PAGE * width) * 4), *values = malloc((size_t)(pages * PAGE * kv_heads * value_width) * 4);
                for (int64_t i = 0; i < pages * PAGE * width; i++) store(cache_type, keys, i, uniform());
                for (int64_t i = 0; i < pages * PAGE * kv_heads * value_width; i++) store(cache_type, values, i, uniform());
                int32_t *table = malloc((size_t)pages * 4);
                for (int64_t i = 0; i < pages; i++) table[i] = (int32_t)((i * 7 + 3) % pages);
                for (int64_t i = 0; i < pages; i++) /* a permutation even when 7 divides pages */
                    if (pages % 7 == 0) table[i] = (int32_t)(pages - 1 - i);
                heng_cpu_cache k = {keys, cache_type, width, table, sequences, pages_per_sequence, PAGE, pages};
                heng_cpu_cache v = {values, cache_type, kv_heads * value_width, table, sequences, pages_per_sequence, PAGE, pages};
                int32_t *positions = malloc((size_t)tokens * 4), *ids = malloc((size_t)tokens * 4);
                for (int64_t t = 0; t < tokens; t++) {
                    ids[t] = t < tokens / 3 ? 1 : 0;
                    positions[t] = (int32_t)(context - tokens + t);
                }
                if (tokens > 2) positions[tokens - 1] = -1;
                const int64_t q_head = latent_form ? nope + rope : key_width;
                float *q = fill(tokens * heads * q_head, false), *y = floats(tokens * heads * value_width);
                heng_cpu_weight kv_b = make_weight(&formats[variant == 3 ? 7 : 3 - variant], heads * (nope + value_width), latent, false);
                double largest = 1;
                for (int64_t n = 0; n < kv_b.rows; n++)
                    for (int64_t l = 0; l < latent; l++) largest = fmax(largest, fabs(weight_at(&kv_b, n, l)));
                heng_cpu_instruction in = instruction(HENG_CPU_ATTENTION, tokens);
                in.as.attention = (heng_cpu_attention){.q = q, .q_stride = heads * q_head, .q_head_stride = q_head, .heads = heads, .kv_heads = kv_heads,
                    .key_width = key_width, .value_width = value_width, .latent = latent_form ? latent : 0, .nope = nope, .rope = rope, .kv_b = &kv_b, .keys = &k,
                    .values = &v, .sequences = ids, .positions = positions, .max_context = context, .scale = 0.3, .y = y, .y_stride = heads * value_width};
                CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
                for (int64_t t = 0; t < tokens; t++)
                    for (int64_t h = 0; h < heads; h++) {
                        const int64_t n = positions[t] + 1, qk = latent_form ? nope + rope : key_width;
                        double *qd = malloc((size_t)qk * 8), *kd = calloc((size_t)(n * qk + 1), 8), *vd = calloc((size_t)(n * value_width + 1), 8), out[32], size[32];
                        for (int64_t i = 0; i < qk; i++) qd[i] = q[(t * heads + h) * q_head + i];
                        for (int64_t p = 0; p < n; p++) {
                            int64_t slot = (int64_t)table[ids[t] * pages_per_sequence + p / PAGE] * PAGE + p % PAGE;
                            if (latent_form) {
                                for (int64_t i = 0; i < nope; i++)
                                    for (int64_t l = 0; l < latent; l++) kd[p * qk + i] += weight_at(&kv_b, h * (nope + value_width) + i, l) * value_of(cache_type, keys, slot * width + l);
                                for (int64_t i = 0; i < rope; i++) kd[p * qk + nope + i] = value_of(cache_type, keys, slot * width + latent + i);
                                for (int64_t c = 0; c < value_width; c++)
                                    for (int64_t l = 0; l < latent; l++)
                                        vd[p * value_width + c] += weight_at(&kv_b, h * (nope + value_width) + nope + c, l) * value_of(cache_type, keys, slot * width + l);
                            } else {
                                int64_t kv = h / (heads / kv_heads);
                                for (int64_t i = 0; i < qk; i++) kd[p * qk + i] = value_of(cache_type, keys, slot * width + kv * key_width + i);
                                for (int64_t c = 0; c < value_width; c++) vd[p * value_width + c] = value_of(cache_type, values, slot * kv_heads * value_width + kv * value_width + c);
                            }
                        }
                        attention_reference(n, qk, value_width, qd, kd, vd, 0.3, out, size);
                        for (int64_t c = 0; c < value_width; c++) {
                            /* Scores err by delta = (width + latent + 4) u times their size; weights then by e^(2 delta) - 1; sums by n u. Sizes here
                             * are at most 0.3 * (9 * 40 * largest + 6), latents sum 40 values below 1. */
                            double delta = (double)(qk + latent + 4) * U * (latent_form ? 0.3 * (9 * 40 * largest + 6) : 0.3 * 20);
                            double bound = (2 * delta + (double)(n + latent + 8) * U) * (latent_form ? 40 * largest : 1) + 1e-40;
                            if (n <= 0) bound = 0;
                            CHECK(fabs(y[(t * heads + h) * value_width + c] - (n <= 0 ? 0 : out[c])) <= bound, "%s T=%ld row %ld head %ld: %.9g, exact %.9g, bound %g",
                                latent_form ? "latent" : "grouped", (long)tokens, (long)t, (long)h, y[(t * heads + h) * value_width + c], out[c], bound);
                        }
                        free(qd), free(kd), free(vd);
                    }
                free(keys), free(values), free(table), free(positions), free(ids), free(q), free(y), free_weight(&kv_b);
            }
}

static void test_norm_and_rope(heng_cpu_team *team) {
    static const int64_t widths[] = {1, 5, 16, 96, 257};
    for (size_t s = 0; s < 5; s++) {
        const int64_t d = widths[s], groups = 3, tokens = 4;
        heng_cpu_weight w = make_weight(&formats[1], 1, d, false);
        float *x = fill(tokens * groups * d, false), *y = floats(tokens * groups * d), *z = fill(tokens * groups * d, false), *sum = floats(tokens * groups * d);
        heng_cpu_instruction in = instruction(HENG_CPU_RMS_NORM, tokens);
        in.as.rms_norm = (heng_cpu_rms_norm){.x = x, .x_stride = groups * d, .addend = z, .addend_stride = groups * d, .sum = sum, .sum_stride = groups * d,
            .weight = &w, .y = y, .y_stride = groups * d, .groups = groups, .epsilon = 1e-6};
        CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
        for (int64_t r = 0; r < tokens * groups; r++) {
            double squares = 0;
            for (int64_t i = 0; i < d; i++) squares += pow((float)(x[r * d + i] + z[r * d + i]), 2);
            for (int64_t i = 0; i < d; i++) {
                double exact = (float)(x[r * d + i] + z[r * d + i]) / sqrt(squares / (double)d + 1e-6) * value_of(w.type, w.data, i);
                CHECK(fabs(y[r * d + i] - exact) <= 1.0001 * U * fabs(exact) + 1e-45, "norm %.9g, exact %.9g", y[r * d + i], exact);
            }
        }
        free(x), free(y), free(z), free(sum), free_weight(&w);
    }
    const double inverse[3] = {1, 0.01, 3e-5};
    int32_t positions[3] = {0, 77, 2147483647};
    double table[3 * 6];
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        float *x = fill(3 * 2 * 9, false), *y = floats(3 * 2 * 9);
        heng_cpu_instruction in[2] = {instruction(HENG_CPU_ROPE_TABLE, 3), instruction(HENG_CPU_ROPE, 3)};
        in[0].as.rope_table = (heng_cpu_rope_table){.positions = positions, .inverse = inverse, .pairs = 3, .factor = 1.25, .table = table};
        in[1].as.rope = (heng_cpu_rope){.x = x, .x_stride = 18, .x_head_stride = 9, .y = y, .y_stride = 18, .y_head_stride = 9, .table = table, .heads = 2,
            .width = 9, .offset = 2, .pairs = 3, .interleaved = interleaved};
        CHECK(execute(team, in, 2) == HENG_CPU_OK, "%s", heng_cpu_last_error());
        for (int v = 0; v < 6; v++) {
            for (int i = 0; i < 9; i++)
                if (i < 2 || i == 8) CHECK(y[v * 9 + i] == x[v * 9 + i], "element %d was not copied", i);
            for (int i = 0; i < 3; i++) {
                int a = 2 + (interleaved ? 2 * i : i), b = interleaved ? a + 1 : a + 3;
                double angle = positions[v / 2] * inverse[i], c = cos(angle) * 1.25, s = sin(angle) * 1.25;
                CHECK(y[v * 9 + a] == (float)(x[v * 9 + a] * c - x[v * 9 + b] * s), "rope");
                CHECK(y[v * 9 + b] == (float)(x[v * 9 + a] * s + x[v * 9 + b] * c), "rope");
            }
        }
        free(x), free(y);
    }
}

static void test_rounding(heng_cpu_team *team) {
    /* Every 16-bit value survives; halfway values go to even; NaN stays NaN. */
    for (int type = HENG_CPU_BF16; type <= HENG_CPU_F16; type++) {
        uint16_t *all = malloc(65536 * 2), *back = malloc(65536 * 2);
        float *x = floats(65536), *y = floats(65536);
        for (int i = 0; i < 65536; i++) all[i] = (uint16_t)i;
        heng_cpu_instruction in[3] = {instruction(HENG_CPU_COPY, 64), instruction(HENG_CPU_COPY, 64), instruction(HENG_CPU_COPY, 64)};
        in[0].as.copy = (heng_cpu_copy){.x = all, .x_stride = 1024, .x_type = type, .y = x, .y_stride = 1024, .columns = 1024};
        in[1].as.copy = (heng_cpu_copy){.x = x, .x_stride = 1024, .y = back, .y_stride = 1024, .y_type = type, .columns = 1024};
        in[2].as.copy = (heng_cpu_copy){.x = x, .x_stride = 1024, .y = y, .y_stride = 1024, .columns = 1024, .round_to = type};
        CHECK(execute(team, in, 3) == HENG_CPU_OK, "%s", heng_cpu_last_error());
        for (int i = 0; i < 65536; i++) {
            double v = value_of(type, all, i);
            CHECK(isnan(v) ? isnan(x[i]) && isnan(value_of(type, back, i)) : x[i] == v && back[i] == all[i] && y[i] == x[i], "%04x reads %g, comes back %04x", i, x[i], back[i]);
        }
        for (int i = 0; i + 1 < (type == HENG_CPU_F16 ? 0x7c00 : 0x7f80); i++) {
            double low = value_of(type, all, i), high = value_of(type, all, i + 1);
            if (isinf(high)) break;
            x[i] = (float)((low + high) / 2);
        }
        CHECK(execute(team, in + 1, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
        for (int i = 0; i + 1 < (type == HENG_CPU_F16 ? 0x7bff : 0x7f7f); i++) {
            float half = (float)((value_of(type, all, i) + value_of(type, all, i + 1)) / 2);
            if (half == value_of(type, all, i) || half == value_of(type, all, i + 1)) continue; /* below float's subnormals */
            CHECK(back[i] == (i % 2 == 0 ? i : i + 1), "halfway above %04x rounds to %04x", i, back[i]);
        }
        free(all), free(back), free(x), free(y);
    }
}

static void test_route(heng_cpu_team *team) {
    enum { E = 16, K = 4 };
    float logits[3 * E], bias[E], weights[3 * K];
    int32_t ids[3 * K];
    for (int i = 0; i < E; i++) {
        logits[i] = i % 4 == 1 ? 2.0f : 0.5f; /* ties everywhere */
        logits[E + i] = i == 5 ? NAN : (float)i * 0.1f;
        logits[2 * E + i] = (float)uniform();
        bias[i] = (float)uniform() * 0.1f;
    }
    heng_cpu_instruction in = instruction(HENG_CPU_ROUTE, 3);
    in.as.route = (heng_cpu_route){.logits = logits, .logits_stride = E, .experts = E, .top_k = K, .groups = 4, .kept_groups = 2, .normalize = 1, .scaling = 2.5, .ids = ids, .weights = weights};
    CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
    /* Every group holds one 2.0 and three 0.5: groups 0 and 1 win the tie, then 1, 5, 0, 2. */
    const int32_t expected[K] = {1, 5, 0, 2};
    for (int j = 0; j < K; j++) CHECK(ids[j] == expected[j], "choice %d is %d", j, ids[j]);
    double s2 = (float)(1 / (1 + exp(-2.0))), s5 = (float)(1 / (1 + exp(-0.5)));
    CHECK(fabs(weights[0] - 2.5 * s2 / (2 * s2 + 2 * s5)) <= 2 * U, "weight %.9g", weights[0]);
    for (int r = 0; r < 3; r++)
        for (int j = 0; j < K; j++) {
            CHECK(ids[r * K + j] >= 0 && ids[r * K + j] < E, "row %d chose %d", r, ids[r * K + j]);
            for (int i = 0; i < j; i++) CHECK(ids[r * K + i] != ids[r * K + j], "row %d chose %d twice", r, ids[r * K + j]);
        }
    /* V2: softmax, maximum of groups, masked to zero; a bias that must not reach the weights. */
    in.as.route.score = HENG_CPU_SCORE_SOFTMAX;
    in.as.route.group_score = HENG_CPU_GROUP_MAXIMUM;
    in.as.route.masked_to_zero = 1;
    in.as.route.normalize = 0;
    in.as.route.bias = bias;
    CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
    double sum = 0;
    for (int e = 0; e < E; e++) sum += exp(logits[2 * E + e]);
    for (int j = 0; j < K; j++) {
        double exact = 2.5 * exp(logits[2 * E + ids[2 * K + j]]) / sum;
        CHECK(fabs(weights[2 * K + j] - exact) <= 3 * U * exact, "weight %.9g, exact %.9g", weights[2 * K + j], exact);
    }
}

static void test_argmax_and_gather(heng_cpu_team *team) {
    enum { C = 1000 };
    float *x = fill(5 * C, false);
    int32_t ids[5];
    x[700] = x[333] = 3;
    for (int i = 0; i < C; i++) x[C + i] = NAN;
    x[2 * C + 10] = NAN, x[2 * C + 999] = 9;
    for (int i = 0; i < C; i++) x[3 * C + i] = -INFINITY;
    x[4 * C] = NAN, x[4 * C + 1] = INFINITY;
    heng_cpu_instruction in = instruction(HENG_CPU_ARGMAX, 5);
    in.as.argmax = (heng_cpu_argmax){.x = x, .x_stride = C, .columns = C, .ids = ids};
    CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
    CHECK(ids[0] == 333 && ids[1] == 0 && ids[2] == 999 && ids[3] == 0 && ids[4] == 1, "%d %d %d %d %d", ids[0], ids[1], ids[2], ids[3], ids[4]);
    int32_t rows[3] = {4, 0, 9};
    float *y = floats(3 * C);
    in = instruction(HENG_CPU_GATHER, 2);
    in.as.gather = (heng_cpu_gather){.x = x, .x_stride = C, .x_rows = {5, -1}, .rows_of = rows, .divisor = 1, .y = y, .y_stride = C, .columns = C};
    CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
    CHECK(memcmp(y, x + 4 * C, C * 4) == 0 && memcmp(y + C, x, C * 4) == 0, "gathered rows differ");
    in.rows.factor = 3;
    CHECK(execute(team, &in, 1) == HENG_CPU_INVALID && strstr(heng_cpu_last_error(), "row 9") != NULL, "'%s'", heng_cpu_last_error());
    free(x), free(y);
}

static void test_cache_append_and_errors(heng_cpu_team *team) {
    float x[4 * 3] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, data[4 * 2 * 5] = {0};
    int32_t table[2 * 2] = {3, 1, 0, 2}, sequences[4] = {0, 0, 1, 1}, positions[4] = {1, 2, -1, 3};
    heng_cpu_cache cache = {data, HENG_CPU_F32, 5, table, 2, 2, 2, 4};
    heng_cpu_instruction in = instruction(HENG_CPU_CACHE_APPEND, 4);
    in.as.cache_append = (heng_cpu_cache_append){.x = x, .x_stride = 3, .columns = 3, .column_offset = 2, .cache = &cache, .sequences = sequences, .positions = positions};
    CHECK(execute(team, &in, 1) == HENG_CPU_OK, "%s", heng_cpu_last_error());
    CHECK(data[(3 * 2 + 1) * 5 + 2] == 1 && data[(1 * 2 + 0) * 5 + 3] == 5 && data[(2 * 2 + 1) * 5 + 4] == 12, "rows lie elsewhere");
    double total = 0;
    for (int i = 0; i < 40; i++) total += data[i];
    CHECK(total == 1 + 2 + 3 + 4 + 5 + 6 + 10 + 11 + 12, "the cache sums to %g", total);
    positions[0] = 4;
    CHECK(execute(team, &in, 1) == HENG_CPU_INVALID, "a position past the table is accepted");
    positions[0] = 0, table[0] = 4;
    CHECK(execute(team, &in, 1) == HENG_CPU_INVALID && strstr(heng_cpu_last_error(), "page 4") != NULL, "'%s'", heng_cpu_last_error());
    positions[0] = -1, positions[3] = 4, table[0] = 3;
    memset(data, 0, sizeof data);
    CHECK(execute(team, &in, 1) == HENG_CPU_INVALID, "a position past the table is accepted");
    for (int i = 0; i < 40; i++) CHECK(data[i] == 0, "a refused append wrote element %d", i);
    heng_cpu_instruction bad = instruction(HENG_CPU_LINEAR, 1);
    CHECK(execute(team, &bad, 1) == HENG_CPU_INVALID && strstr(heng_cpu_last_error(), "LINEAR") != NULL, "'%s'", heng_cpu_last_error());
    bad.opcode = 31;
    CHECK(execute(team, &bad, 1) == HENG_CPU_INVALID, "an unknown opcode is accepted");
    heng_cpu_weight w = make_weight(&formats[0], 4, 4, true);
    int32_t tokens[2] = {1, 4};
    float y[8];
    in = instruction(HENG_CPU_EMBED, 2);
    in.as.embed = (heng_cpu_embed){.table = &w, .tokens = tokens, .y = y, .y_stride = 4};
    CHECK(execute(team, &in, 1) == HENG_CPU_INVALID && strstr(heng_cpu_last_error(), "token id 4") != NULL, "'%s'", heng_cpu_last_error());
    free_weight(&w);
}

static void test_sample(heng_cpu_team *team) {
    /* Known answer of Philox4x32-10 with counter and key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8 (Random123's kat_vectors). */
    float x[4] = {0, 0, 0, 0}, temperature = 1, top_p = 1;
    int32_t top_k = 0, counter = 0, id = -1;
    int64_t seed = 0;
    heng_cpu_instruction in = instruction(HENG_CPU_SAMPLE, 1);
    in.as.sample = (heng_cpu_sample){.x = x, .x_stride = 4, .columns = 4, .temperature = &temperature, .top_k = &top_k, .top_p = &top_p, .seed = &seed,
        .counter = &counter, .ids = &id};
    CHECK(execute(team, &in, 1) == HENG_CPU_OK && id == 1, "equal logits give the largest word's index 1, not %d", id);
    /* Frequencies of 20,000 draws against the softmax: within 5 standard deviations. */
    const double p[4] = {0.1, 0.2, 0.3, 0.4};
    int counts[4] = {0};
    for (int i = 0; i < 4; i++) x[i] = (float)log(p[i]);
    for (counter = 0; counter < 10000; counter++) {
        execute(team, &in, 1);
        counts[id]++;
    }
    for (int i = 0; i < 4; i++) CHECK(fabs(counts[i] - 10000 * p[i]) <= 5 * sqrt(10000 * p[i] * (1 - p[i])), "candidate %d came %d times", i, counts[i]);
    top_k = 2;
    for (counter = 0; counter < 100; counter++) {
        execute(team, &in, 1);
        CHECK(id >= 2, "top-k 2 gave %d", id);
    }
    top_k = 0, top_p = 0.39f;
    for (counter = 0; counter < 100; counter++) {
        execute(team, &in, 1);
        CHECK(id == 3, "top-p 0.39 gave %d", id);
    }
    temperature = 0;
    CHECK(execute(team, &in, 1) == HENG_CPU_OK && id == 3, "temperature 0 gave %d", id);
    temperature = NAN;
    CHECK(execute(team, &in, 1) == HENG_CPU_INVALID, "a temperature of NaN is accepted");
}

/* The same work twice as large a team: the same bits. */
static void test_same_bits(const char *level) {
    float *results[3];
    for (int threads = 1; threads <= 3; threads++) {
        state = 12345;
        heng_cpu_team *team = NULL;
        if (heng_cpu_team_create(threads, 0, level, &team) != HENG_CPU_OK) return;
        heng_cpu_weight w = make_weight(&formats[7], 333, 640, false);
        float *x = fill(640 * 30, false);
        results[threads - 1] = floats(333 * 31);
        for (int i = 0; i < 2; i++) {
            heng_cpu_instruction in = instruction(HENG_CPU_LINEAR, i == 0 ? 1 : 30);
            in.as.linear = (heng_cpu_linear){.weight = &w, .x = x, .x_stride = 640, .y = results[threads - 1] + (i == 0 ? 0 : 333), .y_stride = 333};
            execute(team, &in, 1);
        }
        heng_cpu_team_free(team);
        free(x), free_weight(&w);
    }
    CHECK(memcmp(results[0], results[1], 333 * 31 * 4) == 0 && memcmp(results[0], results[2], 333 * 31 * 4) == 0, "bits depend on the number of threads");
    for (int i = 0; i < 3; i++) free(results[i]);
}

static void test_layout(void) {
    const char *layout = heng_cpu_layout();
    char expected[64];
    snprintf(expected, sizeof expected, "sizeof instruction 0 %zu\n", sizeof(heng_cpu_instruction));
    CHECK(strstr(layout, expected) != NULL, "no '%s'", expected);
    CHECK(sizeof(heng_cpu_instruction) == 256, "an instruction is %zu bytes", sizeof(heng_cpu_instruction));
    /* The fields of each structure cover it: none was forgotten in layout_fields.inc. Padding is at most 7 bytes per structure. */
    char name[64] = "", line[128];
    size_t size = 0, covered = 0;
    for (const char *p = layout; *p != 0; p = strchr(p, '\n') + 1) {
        size_t offset, bytes;
        char field[64];
        sscanf(p, "%127[^\n]", line);
        if (sscanf(line, "sizeof %63s %zu %zu", field, &offset, &bytes) == 3) {
            if (name[0] != 0 && strcmp(name, "instruction") != 0) CHECK(size - covered < 8, "%s: %zu of %zu bytes are described", name, covered, size);
            strcpy(name, field), size = bytes, covered = 0;
        } else if (sscanf(line, "%63s %zu %zu", field, &offset, &bytes) == 3 && strncmp(field, "const", 5) != 0) {
            covered += bytes;
        }
    }
}

int main(int argc, char **argv) {
    char levels[256];
    snprintf(levels, sizeof levels, "%s", heng_cpu_levels());
    test_layout();
    for (char *level = strtok(levels, " "); level != NULL; level = strtok(NULL, " ")) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++) wanted |= strcmp(argv[i], level) == 0;
        if (!wanted) continue;
        level_name = level;
        int before = checks;
        for (int threads = 1; threads <= 3; threads += 2) {
            heng_cpu_team *team = NULL;
            if (heng_cpu_team_create(threads, threads == 3, level, &team) != HENG_CPU_OK) {
                CHECK(false, "%s", heng_cpu_last_error());
                continue;
            }
            CHECK(strcmp(heng_cpu_team_level(team), level) == 0, "the team runs %s", heng_cpu_team_level(team));
            test_linear(team);
            test_nan_in_fp8(team);
            test_ends_of_e8m0(team);
            test_int8_activations(team);
            test_gated_linear(team);
            test_experts(team);
            test_attention(team);
            test_norm_and_rope(team);
            test_rounding(team);
            test_route(team);
            test_argmax_and_gather(team);
            test_cache_append_and_errors(team);
            test_sample(team);
            heng_cpu_team_free(team);
        }
        test_same_bits(level);
        printf("%s: %d checks\n", level, checks - before);
    }
    heng_cpu_team *none = NULL;
    CHECK(heng_cpu_team_create(1, 0, "sse9", &none) == HENG_CPU_UNSUPPORTED && none == NULL, "an unknown level is accepted");
    printf("%s, %d of %d checks failed\n", failures == 0 && checks > 1000 ? "PASS" : "FAIL", failures, checks);
    return failures == 0 && checks > 1000 ? 0 : 1;
}
