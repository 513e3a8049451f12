/* Which levels this build holds and this processor runs. */
#include "internal.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

extern const heng_level heng_level_scalar;
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
extern const heng_level heng_level_avx2;
extern const heng_level heng_level_avx512;
extern const heng_level heng_level_avx512_vnni;
extern const heng_level heng_level_avx512_amx;
#elif defined(__aarch64__)
#include <sys/auxv.h>
extern const heng_level heng_level_neon;
extern const heng_level heng_level_neon_dotprod;
extern const heng_level heng_level_neon_i8mm;
extern const heng_level heng_level_neon_bf16;
#endif

typedef struct level_entry {
    const heng_level *level;
    bool runs;
} level_entry;

/* From the slowest to the fastest. */
static level_entry entries[6];
static int entry_count;
static char level_names[128];
static char features[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void add_level(const heng_level *level, bool runs) {
    entries[entry_count++] = (level_entry){level, runs};
    if (!runs) return;
    if (level_names[0] != 0) strcat(level_names, " ");
    strcat(level_names, level->name);
}

static void add_feature(const char *name, bool present) {
    if (!present) return;
    if (features[0] != 0) strcat(features, " ");
    strcat(features, name);
}

#if defined(__x86_64__)
/*
 * Whether the processor has AMX with bf16 and int8, and the system lets this process use it: the tiles' 8 KiB of state are granted on
 * request, for all threads (linux Documentation/arch/x86/xstate.rst).
 */
static bool amx_granted(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    const unsigned wanted = 1u << 22 | 1u << 24 | 1u << 25; /* AMX-BF16, AMX-TILE, AMX-INT8 */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & wanted) != wanted) return false;
    const long request_permission = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, asm/prctl.h */
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}
#endif

static void detect(void) {
    add_level(&heng_level_scalar, true);
#if defined(__x86_64__)
    /* __builtin_cpu_supports also asks XGETBV whether the system saves the registers. */
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    unsigned a = 0, b = 0, c = 0, d = 0;
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
    bool avx512 = avx2 && f16c && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    add_level(&heng_level_avx2, avx2 && f16c);
    add_level(&heng_level_avx512, avx512);
    add_level(&heng_level_avx512_vnni, vnni);
    const bool amx = vnni && amx_granted();
    add_level(&heng_level_avx512_amx, amx);
    add_feature("avx2", avx2);
    add_feature("f16c", f16c);
    add_feature("avx512", avx512);
    add_feature("avx512-vnni", vnni);
    add_feature("amx", amx);
    unsigned a7 = 0, b7 = 0, c7 = 0, d7 = 0;
    if (__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7)) {
        add_feature("disabled-by-system:avx512", (b7 & bit_AVX512F) != 0 && !__builtin_cpu_supports("avx512f"));
    }
#elif defined(__aarch64__)
    const unsigned long hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
    const bool dotprod = (hwcap & (1ul << 20)) != 0; /* HWCAP_ASIMDDP, asm/hwcap.h */
    const bool i8mm = dotprod && (hwcap2 & (1ul << 13)) != 0; /* HWCAP2_I8MM */
    const bool bf16 = i8mm && (hwcap2 & (1ul << 14)) != 0;    /* HWCAP2_BF16 */
    add_level(&heng_level_neon, true);
    add_level(&heng_level_neon_dotprod, dotprod);
    add_level(&heng_level_neon_i8mm, i8mm);
    add_level(&heng_level_neon_bf16, bf16);
    add_feature("neon", true);
    add_feature("dotprod", dotprod);
    add_feature("i8mm", i8mm);
    add_feature("bf16", bf16);
#endif
}

const heng_level *heng_find_level(const char *name) {
    pthread_once(&once, detect);
    for (int i = 0; i < entry_count; i++)
        if (entries[i].runs && strcmp(entries[i].level->name, name) == 0) return entries[i].level;
    return NULL;
}

const heng_level *heng_best_level(void) {
    pthread_once(&once, detect);
    const heng_level *best = NULL;
    for (int i = 0; i < entry_count; i++)
        if (entries[i].runs) best = entries[i].level;
    return best;
}

const char *heng_cpu_levels(void) {
    pthread_once(&once, detect);
    return level_names;
}

const char *heng_cpu_features(void) {
    pthread_once(&once, detect);
    return features;
}

int32_t heng_cpu_abi_version(void) { return HENG_CPU_ABI_VERSION; }

static _Thread_local char error_text[512];

const char *heng_cpu_last_error(void) { return error_text; }

int32_t heng_fail(int32_t status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error_text, sizeof error_text, format, arguments);
    va_end(arguments);
    return status;
}
