/*
 * The vector vocabulary of kernels.inc in portable C, and its contract. A level's header defines:
 *   VL            floats in a vector `vf`
 *   GEMM_VECTORS  vectors of tokens in a register tile, GEMM_ROWS weight rows of it
 *   vf_*          the obvious; *_n touch only the first n (< VL) elements of memory, the others read as 0
 *   vf_fma        a * b + c, fused where the processor has it
 *   vf_scale2     a * 2^n for integral n
 *   vf_load_T     VL stored elements of type T, widened exactly; vf_load_e4m3_256th the value / 256, with NaN read as 480 / 256
 *   vi, VI4_CODE  VL words of eight codes; VI4_CODE(words, p, vi4_table()) is code p of each word, minus 8
 *   vf_spread     element i / run of p in lane i; only where SPREADS is 1. Reads VL floats
 *   i4_decode_word  the eight codes of a word minus 8, in order
 *   FIXED_POINT   where bytes are multiplied in one instruction: vi4_bytes(words, half) are the codes at even (0) or odd (1) positions as bytes,
 *                 vdot_bytes adds their products with signed bytes to 32-bit lanes, one word a lane
 *   vdot_*        exact products of DOT_BYTES signed bytes, summed in 32-bit lanes; every w counts DOT_BIAS too much
 */
#define VL 1
#define GEMM_VECTORS 4
#define GEMM_ROWS 4
#define DOT_BYTES 4

typedef float vf;
typedef uint32_t vi;
typedef int32_t vdot;

INLINE vf vf_zero(void) { return 0.0f; }
INLINE vf vf_set1(float a) { return a; }
INLINE vf vf_load(const float *p) { return *p; }
INLINE void vf_store(float *p, vf a) { *p = a; }
INLINE vf vf_load_n(const float *p, int n) { return n > 0 ? *p : 0.0f; }
INLINE void vf_store_n(float *p, vf a, int n) {
    if (n > 0) *p = a;
}
INLINE vf vf_add(vf a, vf b) { return a + b; }
INLINE vf vf_sub(vf a, vf b) { return a - b; }
INLINE vf vf_mul(vf a, vf b) { return a * b; }
INLINE vf vf_max(vf a, vf b) { return a > b ? a : b; }
INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
INLINE float vf_sum(vf a) { return a; }
INLINE float vf_largest(vf a) { return a; }
INLINE vf vf_round(vf a) { return rintf(a); }
INLINE vf vf_scale2(vf a, vf n) { return ldexpf(a, (int)n); }

INLINE vf vf_load_bf16(const void *p) { return heng_bf16_to_float(*(const uint16_t *)p); }
INLINE vf vf_load_f16(const void *p) { return heng_f16_to_float(*(const uint16_t *)p); }
INLINE vf vf_load_i8(const void *p) { return (float)*(const int8_t *)p; }
INLINE vf vf_load_e4m3_256th(const void *p) {
    uint8_t code = *(const uint8_t *)p;
    return heng_f16_to_float((uint16_t)((code & 0x80) << 8 | (code & 0x7f) << 7));
}

INLINE vi vi_load(const void *p) { return *(const uint32_t *)p; }
INLINE vi vi_load_n(const void *p, int n) { return n > 0 ? *(const uint32_t *)p : 0; }
typedef int vi4_lookup;
INLINE vi4_lookup vi4_table(void) { return 8; }
#define VI4_CODE(words, position, table) ((float)((int)((words) >> (4 * (position)) & 15u) - (table)))

#define SPREADS 0
typedef int vspread;
INLINE vspread vspread_of(int run) { return run; }
INLINE vf vf_spread(const float *p, vspread runs) { return p[0 * runs]; }

INLINE void i4_decode_word(uint32_t word, float *out) {
    for (int i = 0; i < 8; i++) out[i] = (float)((int)(word >> (4 * i) & 15u) - 8);
}

#define DOT_BIAS 0
INLINE vdot vdot_zero(void) { return 0; }
INLINE vdot vdot_add(vdot acc, const void *w, const void *x) {
    const int8_t *a = (const int8_t *)w, *b = (const int8_t *)x;
    return acc + a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}
INLINE int32_t vdot_sum(vdot a) { return a; }

INLINE void prefetch(const void *p) { (void)p; }
INLINE void prefetch_far(const void *p) { (void)p; }
