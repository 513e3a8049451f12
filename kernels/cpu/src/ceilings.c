/*
 * What the machine can do at most besides what kernels_ceilings.inc measures: copying, and the dot-product instructions that the team's level
 * multiplies integers and bfloat16 with. Each function is compiled for the instructions it measures, whatever the flags of this file.
 */
#include "team.h"

#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef struct copying {
    char *to;
    const char *from;
    int64_t bytes;
    int32_t threads;
} copying;

typedef int64_t (*dot_rounds)(int64_t rounds, int32_t *sink);

typedef struct dotting {
    dot_rounds run;
    int64_t rounds;
    atomic_long operations;
    int32_t sinks[4096];
} dotting;

static double seconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void copy_part(void *context, int32_t thread) {
    copying *c = context;
    const int64_t part = c->bytes / c->threads / 64 * 64;
    memcpy(c->to + part * thread, c->from + part * thread, (size_t)part);
}

int32_t heng_cpu_measure_copy(heng_cpu_team *team, const void *from, void *to, int64_t bytes, double *seconds) {
    if (bytes <= 0 || from == NULL || to == NULL) return heng_fail(HENG_CPU_INVALID, "nothing to copy");
    copying c = {.to = to, .from = from, .bytes = bytes, .threads = heng_team_threads(team)};
    const double start = seconds_now();
    heng_team_run(team, copy_part, &c, NULL);
    *seconds = seconds_now() - start;
    return HENG_CPU_OK;
}

#if defined(__x86_64__)

/* Ten chains cover the latency of 5 cycles of two units. */
__attribute__((target("avx512f,avx512vnni"))) static int64_t int8_vnni(int64_t rounds, int32_t *sink) {
    enum { CHAINS = 10 };
    __m512i sums[CHAINS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
    for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_set1_epi32(i);
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 10
        for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
    }
    for (int i = 1; i < CHAINS; i++) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
    *sink = _mm512_reduce_add_epi32(sums[0]);
    return rounds * CHAINS * 64 * 2;
}

/* A tile configuration: palette 1, all eight tiles of 16 rows of 64 bytes (Intel SDM, LDTILECFG). */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static const tile_config all_tiles = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

#define FOUR_TILES(instruction)                                                                                                                    \
    for (int64_t round = 0; round < rounds; round++) {                                                                                             \
        instruction(0, 4, 6);                                                                                                                      \
        instruction(1, 4, 7);                                                                                                                      \
        instruction(2, 5, 6);                                                                                                                      \
        instruction(3, 5, 7);                                                                                                                      \
    }

/* The tiles are zero: the time of the instruction does not depend on what is in them. */
__attribute__((target("amx-tile,amx-int8"))) static int64_t int8_amx(int64_t rounds, int32_t *sink) {
    _tile_loadconfig(&all_tiles);
    FOUR_TILES(_tile_dpbssd)
    _tile_release();
    *sink = 0;
    return rounds * 4 * 16 * 16 * 64 * 2;
}

__attribute__((target("amx-tile,amx-bf16"))) static int64_t bf16_amx(int64_t rounds, int32_t *sink) {
    _tile_loadconfig(&all_tiles);
    FOUR_TILES(_tile_dpbf16ps)
    _tile_release();
    *sink = 0;
    return rounds * 4 * 16 * 16 * 32 * 2;
}

#elif defined(__aarch64__)

__attribute__((target("arch=armv8.2-a+dotprod"))) static int64_t int8_dotprod(int64_t rounds, int32_t *sink) {
    enum { CHAINS = 16 };
    int32x4_t sums[CHAINS];
    const int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(5);
    for (int i = 0; i < CHAINS; i++) sums[i] = vdupq_n_s32(i);
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) sums[i] = vdotq_s32(sums[i], a, b);
    }
    for (int i = 1; i < CHAINS; i++) sums[0] = vaddq_s32(sums[0], sums[i]);
    *sink = vaddvq_s32(sums[0]);
    return rounds * CHAINS * 16 * 2;
}

__attribute__((target("arch=armv8.2-a+i8mm"))) static int64_t int8_i8mm(int64_t rounds, int32_t *sink) {
    enum { CHAINS = 16 };
    int32x4_t sums[CHAINS];
    const int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(5);
    for (int i = 0; i < CHAINS; i++) sums[i] = vdupq_n_s32(i);
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) sums[i] = vmmlaq_s32(sums[i], a, b);
    }
    for (int i = 1; i < CHAINS; i++) sums[0] = vaddq_s32(sums[0], sums[i]);
    *sink = vaddvq_s32(sums[0]);
    return rounds * CHAINS * 32 * 2;
}

__attribute__((target("arch=armv8.2-a+bf16"))) static int64_t bf16_bfmmla(int64_t rounds, int32_t *sink) {
    enum { CHAINS = 16 };
    float32x4_t sums[CHAINS];
    /* Volatile because gcc 12 writes a constant 1.0 in bf16 as an instruction of binary16, which need not be there. */
    const volatile uint16_t one = 0x3f80;
    const bfloat16x8_t a = vreinterpretq_bf16_u16(vdupq_n_u16(one)), b = a;
    for (int i = 0; i < CHAINS; i++) sums[i] = vdupq_n_f32((float)i);
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) sums[i] = vbfmmlaq_f32(sums[i], a, b);
    }
    for (int i = 1; i < CHAINS; i++) sums[0] = vaddq_f32(sums[0], sums[i]);
    *sink = (int32_t)(vaddvq_f32(sums[0]) != 0);
    return rounds * CHAINS * 16 * 2;
}

#endif

typedef struct dot_entry {
    const char *level;
    int32_t kind;
    dot_rounds run;
    const char *instruction;
} dot_entry;

/* Which levels multiply with which instruction; a level that is not here converts to floats, or sums in several steps. */
static const dot_entry entries[] = {
#if defined(__x86_64__)
    {"avx512-vnni", HENG_CPU_DOT_INT8, int8_vnni, "vpdpbusd zmm"},
    {"avx512-amx", HENG_CPU_DOT_INT8, int8_amx, "tdpbssd"},
    {"avx512-amx", HENG_CPU_DOT_BF16, bf16_amx, "tdpbf16ps"},
#elif defined(__aarch64__)
    {"neon-dotprod", HENG_CPU_DOT_INT8, int8_dotprod, "sdot"},
    {"neon-i8mm", HENG_CPU_DOT_INT8, int8_i8mm, "smmla"},
    {"neon-bf16", HENG_CPU_DOT_INT8, int8_i8mm, "smmla"},
    {"neon-bf16", HENG_CPU_DOT_BF16, bf16_bfmmla, "bfmmla"},
#endif
    {NULL, 0, NULL, NULL},
};

static const dot_entry *find_entry(const heng_cpu_team *team, int32_t kind) {
    for (const dot_entry *entry = entries; entry->level != NULL; entry++)
        if (entry->kind == kind && strcmp(entry->level, heng_team_level(team)->name) == 0) return entry;
    return NULL;
}

const char *heng_cpu_dot_instruction(const heng_cpu_team *team, int32_t kind) {
    const dot_entry *entry = find_entry(team, kind);
    return entry == NULL ? "" : entry->instruction;
}

static void dot_part(void *context, int32_t thread) {
    dotting *d = context;
    atomic_fetch_add(&d->operations, d->run(d->rounds, &d->sinks[thread % 4096]));
}

int32_t heng_cpu_measure_dot(heng_cpu_team *team, int32_t kind, int64_t rounds, double *rate) {
    const dot_entry *entry = find_entry(team, kind);
    if (entry == NULL) return heng_fail(HENG_CPU_UNSUPPORTED, "level %s has no dot-product instruction of kind %d", heng_team_level(team)->name, (int)kind);
    dotting d = {.run = entry->run, .rounds = rounds};
    const double start = seconds_now();
    heng_team_run(team, dot_part, &d, NULL);
    *rate = (double)atomic_load(&d.operations) / (seconds_now() - start);
    return HENG_CPU_OK;
}
