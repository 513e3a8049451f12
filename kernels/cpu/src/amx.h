/*
 * Intel's matrix tiles, by number: eight registers of 16 rows of 64 bytes.
 *
 * Written as assembly because compilers' own wrappers tell the optimiser nothing of the memory that a tile load reads or a
 * configuration consists of (gcc 12 drops the stores to both); they need no compiler flag, only an assembler that knows them.
 */
#ifndef HENG_CPU_AMX_H
#define HENG_CPU_AMX_H

#include <stdint.h>

/* Palette 1; all tiles 16 rows of 64 bytes. */
typedef struct amx_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} amx_configuration;

static inline void amx_begin(void) {
    amx_configuration configuration = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        configuration.row_bytes[i] = 64;
        configuration.rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(configuration) : "memory");
}

/* Gives the tiles back, so that the system need not save them and the processor may power them down. */
static inline void amx_end(void) { __asm__ volatile("tilerelease" ::: "memory"); }

#define AMX_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::: "memory")
#define AMX_LOAD(tile, base, stride) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"((const void *)(base)), "r"((int64_t)(stride)) : "memory")
#define AMX_STORE(tile, base, stride) \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"((void *)(base)), "r"((int64_t)(stride)) : "memory")
/* c += a * b: a holds 16 rows of 32 bf16, b 16 pairs of rows of 16 columns, c 16 by 16 floats. */
#define AMX_BF16(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")
/* The same for signed bytes: a holds 16 rows of 64, b 16 quadruples of rows of 16 columns, c 16 by 16 int32. */
#define AMX_INT8(c, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")

#endif
