/* The vector vocabulary of kernels.inc in NEON (AArch64; with HENG_DOTPROD also SDOT, with HENG_I8MM SMMLA, with HENG_BFMMLA BFMMLA). See simd_scalar.h for the contract. */
#include <arm_neon.h>

#define VL 4
#define GEMM_VECTORS 4
#define GEMM_ROWS 5
#define DOT_BYTES 16

typedef float32x4_t vf;
typedef uint32x4_t vi;
typedef int32x4_t vdot;

INLINE vf vf_zero(void) { return vdupq_n_f32(0); }
INLINE vf vf_set1(float a) { return vdupq_n_f32(a); }
INLINE vf vf_load(const float *p) { return vld1q_f32(p); }
INLINE void vf_store(float *p, vf a) { vst1q_f32(p, a); }
INLINE vf vf_load_n(const float *p, int n) {
    float lanes[4] = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) lanes[i] = p[i];
    return vld1q_f32(lanes);
}
INLINE void vf_store_n(float *p, vf a, int n) {
    float lanes[4];
    vst1q_f32(lanes, a);
    for (int i = 0; i < n; i++) p[i] = lanes[i];
}
INLINE vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
INLINE vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
INLINE vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
INLINE vf vf_max(vf a, vf b) { return vmaxq_f32(a, b); }
INLINE vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
INLINE float vf_sum(vf a) { return vaddvq_f32(a); }
INLINE float vf_largest(vf a) { return vmaxvq_f32(a); }
INLINE vf vf_round(vf a) { return vrndnq_f32(a); }
INLINE vf vf_scale2(vf a, vf n) {
    int32x4_t whole = vcvtq_s32_f32(n);
    int32x4_t half = vshrq_n_s32(whole, 1);
    int32x4_t rest = vsubq_s32(whole, half);
    const int32x4_t bias = vdupq_n_s32(127);
    vf first = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    vf second = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23));
    return vmulq_f32(vmulq_f32(a, first), second);
}

INLINE vf vf_load_bf16(const void *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)p), 16));
}
INLINE vf vf_load_f16(const void *p) { return vcvt_f32_f16(vld1_f16((const float16_t *)p)); }
INLINE vf vf_load_i8(const void *p) {
    int32_t bits;
    memcpy(&bits, p, 4);
    int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(bits)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
INLINE vf vf_load_e4m3_256th(const void *p) {
    int32_t bits;
    memcpy(&bits, p, 4);
    int16x4_t wide = vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(bits))));
    uint16x4_t half = vand_u16(vreinterpret_u16_s16(vshl_n_s16(wide, 7)), vdup_n_u16(0xbf80));
    return vcvt_f32_f16(vreinterpret_f16_u16(half));
}

INLINE vi vi_load(const void *p) { return vld1q_u32((const uint32_t *)p); }
INLINE vi vi_load_n(const void *p, int n) {
    uint32_t lanes[4] = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) lanes[i] = ((const uint32_t *)p)[i];
    return vld1q_u32(lanes);
}
typedef vi vi4_lookup;
INLINE vi4_lookup vi4_table(void) { return vdupq_n_u32(0x88888888u); }
#define VI4_CODE(words, position, table)                                                                                      \
    vcvtq_f32_s32(vshrq_n_s32(vshlq_s32(vreinterpretq_s32_u32(veorq_u32(words, table)), vdupq_n_s32(28 - 4 * (position))), 28))

#define SPREADS 0
typedef int vspread;
INLINE vspread vspread_of(int run) { return run; }
INLINE vf vf_spread(const float *p, vspread runs) { return vdupq_n_f32(p[0 * runs]); }

INLINE void i4_decode_word(uint32_t word, float *out) {
    const int32_t low[4] = {28, 24, 20, 16}, high[4] = {12, 8, 4, 0};
    int32x4_t flipped = vdupq_n_s32((int32_t)(word ^ 0x88888888u));
    vst1q_f32(out, vcvtq_f32_s32(vshrq_n_s32(vshlq_s32(flipped, vld1q_s32(low)), 28)));
    vst1q_f32(out + 4, vcvtq_f32_s32(vshrq_n_s32(vshlq_s32(flipped, vld1q_s32(high)), 28)));
}

#define DOT_BIAS 0
INLINE vdot vdot_zero(void) { return vdupq_n_s32(0); }
INLINE vdot vdot_add(vdot acc, const void *w, const void *x) {
    int8x16_t a = vld1q_s8((const int8_t *)w), b = vld1q_s8((const int8_t *)x);
#ifdef HENG_DOTPROD
    return vdotq_s32(acc, a, b);
#else
    acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(acc, vmull_high_s8(a, b));
#endif
}
#ifdef HENG_DOTPROD
#define FIXED_POINT 1
INLINE vdot vi4_bytes(vi words, const int half) {
    uint8x16_t bytes = vreinterpretq_u8_u32(words);
    return vreinterpretq_s32_u8(half ? vshrq_n_u8(bytes, 4) : vandq_u8(bytes, vdupq_n_u8(15)));
}
INLINE vdot vdot_bytes(vdot acc, vdot codes, const int32_t *x) {
    return vdotq_s32(acc, vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(vld1q_s32(x)));
}
INLINE vdot vdot_times_256(vdot a) { return vshlq_n_s32(a, 8); }
INLINE vdot vdot_plus(vdot a, const int32_t *b) { return vaddq_s32(a, vld1q_s32(b)); }
INLINE vf vdot_to_float(vdot a) { return vcvtq_f32_s32(a); }
#endif
INLINE int32_t vdot_sum(vdot a) { return vaddvq_s32(a); }

INLINE void prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }
INLINE void prefetch_far(const void *p) { __builtin_prefetch(p, 0, 2); }
