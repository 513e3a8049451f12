/* The vector vocabulary of kernels.inc in AVX-512 (F, BW, DQ, VL; with HENG_VNNI also VNNI). See simd_scalar.h for the contract. */
#include <immintrin.h>

#define VL 16
#define GEMM_VECTORS 2
#define GEMM_ROWS 12
#define DOT_BYTES 64

typedef __m512 vf;
typedef __m512i vi;
typedef __m512i vdot;

INLINE __mmask16 vf_mask(int n) { return (__mmask16)((1u << n) - 1u); }
INLINE vf vf_zero(void) { return _mm512_setzero_ps(); }
INLINE vf vf_set1(float a) { return _mm512_set1_ps(a); }
INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
INLINE vf vf_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(vf_mask(n), p); }
INLINE void vf_store_n(float *p, vf a, int n) { _mm512_mask_storeu_ps(p, vf_mask(n), a); }
INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE float vf_sum(vf a) { return _mm512_reduce_add_ps(a); }
INLINE float vf_largest(vf a) { return _mm512_reduce_max_ps(a); }
INLINE vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vf vf_scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }

INLINE vf vf_load_bf16(const void *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
INLINE vf vf_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE vf vf_load_i8(const void *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
/* E4M3's sign, exponent and significand, moved into the fields of a binary16, are the value divided by 256; subnormals too. */
INLINE vf vf_load_e4m3_256th(const void *p) {
    __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
    return _mm512_cvtph_ps(_mm256_and_si256(_mm256_slli_epi16(w, 7), _mm256_set1_epi16((short)0xbf80)));
}

INLINE vi vi_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE vi vi_load_n(const void *p, int n) { return _mm512_maskz_loadu_epi32(vf_mask(n), p); }
typedef vf vi4_lookup;
INLINE vi4_lookup vi4_table(void) {
    return _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
}
/* vpermps looks at the lowest four bits of each index only, so a shifted word is an index as it stands. */
#define VI4_CODE(words, position, table) _mm512_permutexvar_ps(_mm512_srli_epi32(words, 4 * (position)), table)

#define SPREADS 1
typedef __m512i vspread;
INLINE vspread vspread_of(int run) {
    int lanes[16];
    for (int i = 0; i < 16; i++) lanes[i] = i / run;
    return _mm512_loadu_si512(lanes);
}
INLINE vf vf_spread(const float *p, vspread runs) { return _mm512_permutexvar_ps(runs, _mm512_loadu_ps(p)); }

INLINE void i4_decode_word(uint32_t word, float *out) {
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    __m256i codes = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((int)word), shifts), _mm256_set1_epi32(15));
    _mm256_storeu_ps(out, _mm256_cvtepi32_ps(_mm256_sub_epi32(codes, _mm256_set1_epi32(8))));
}

INLINE vdot vdot_zero(void) { return _mm512_setzero_si512(); }
#ifdef HENG_VNNI
/* The first operand of vpdpbusd is unsigned: w + 128 stands in for w, and 128 * sum(x) is taken off at the end. */
#define DOT_BIAS 128
INLINE vdot vdot_add(vdot acc, const void *w, const void *x) {
    return _mm512_dpbusd_epi32(acc, _mm512_xor_si512(_mm512_loadu_si512(w), _mm512_set1_epi8((char)0x80)), _mm512_loadu_si512(x));
}
#else
#define DOT_BIAS 0
INLINE vdot vdot_add(vdot acc, const void *w, const void *x) {
    const __m256i *a = (const __m256i *)w, *b = (const __m256i *)x;
    __m512i low = _mm512_madd_epi16(_mm512_cvtepi8_epi16(_mm256_loadu_si256(a)), _mm512_cvtepi8_epi16(_mm256_loadu_si256(b)));
    __m512i high =
        _mm512_madd_epi16(_mm512_cvtepi8_epi16(_mm256_loadu_si256(a + 1)), _mm512_cvtepi8_epi16(_mm256_loadu_si256(b + 1)));
    return _mm512_add_epi32(acc, _mm512_add_epi32(low, high));
}
#endif
#ifdef HENG_VNNI
#define FIXED_POINT 1
INLINE vdot vi4_bytes(vi words, const int half) {
    return _mm512_and_si512(half ? _mm512_srli_epi16(words, 4) : words, _mm512_set1_epi8(15));
}
INLINE vdot vdot_bytes(vdot acc, vdot codes, const int32_t *x) { return _mm512_dpbusd_epi32(acc, codes, _mm512_loadu_si512(x)); }
INLINE vdot vdot_times_256(vdot a) { return _mm512_slli_epi32(a, 8); }
INLINE vdot vdot_plus(vdot a, const int32_t *b) { return _mm512_add_epi32(a, _mm512_loadu_si512(b)); }
INLINE vf vdot_to_float(vdot a) { return _mm512_cvtepi32_ps(a); }
#endif
INLINE int32_t vdot_sum(vdot a) { return _mm512_reduce_add_epi32(a); }

INLINE void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }
INLINE void prefetch_far(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }

/* rows[i] becomes column i of sixteen rows of sixteen words. */
INLINE void vi_transpose(__m512i rows[16]) {
    __m512i a[16], b[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        a[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        a[i] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x88);
        a[i + 4] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xdd);
        a[i + 8] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x88);
        a[i + 12] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
        rows[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xdd);
        rows[i + 4] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0x88);
        rows[i + 12] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0xdd);
    }
}
