/* The vector vocabulary of kernels.inc in AVX2 with FMA and F16C. See simd_scalar.h for the contract. */
#include <immintrin.h>

#define VL 8
#define GEMM_VECTORS 2
#define GEMM_ROWS 6
#define DOT_BYTES 32

typedef __m256 vf;
typedef __m256i vi;
typedef __m256i vdot;

INLINE __m256i vf_mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf vf_zero(void) { return _mm256_setzero_ps(); }
INLINE vf vf_set1(float a) { return _mm256_set1_ps(a); }
INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
INLINE vf vf_load_n(const float *p, int n) { return _mm256_maskload_ps(p, vf_mask(n)); }
INLINE void vf_store_n(float *p, vf a, int n) { _mm256_maskstore_ps(p, vf_mask(n), a); }
INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE float vf_sum(vf a) {
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}
INLINE float vf_largest(vf a) {
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}
INLINE vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/* a * 2^n for integral n in -252..254, in two factors so that a subnormal result is rounded once, at the end. */
INLINE vf vf_scale2(vf a, vf n) {
    __m256i whole = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half);
    const __m256i bias = _mm256_set1_epi32(127);
    vf first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    vf second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, first), second);
}

INLINE vf vf_load_bf16(const void *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
INLINE vf vf_load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE vf vf_load_i8(const void *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE vf vf_load_e4m3_256th(const void *p) {
    __m128i w = _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)p));
    return _mm256_cvtph_ps(_mm_and_si128(_mm_slli_epi16(w, 7), _mm_set1_epi16((short)0xbf80)));
}

INLINE vi vi_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE vi vi_load_n(const void *p, int n) { return _mm256_maskload_epi32((const int *)p, vf_mask(n)); }
typedef vi vi4_lookup;
INLINE vi4_lookup vi4_table(void) { return _mm256_set1_epi32((int)0x88888888u); }
/* code - 8 is the nibble with its highest bit flipped, read as a signed number. */
#define VI4_CODE(words, position, table) \
    _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(_mm256_xor_si256(words, table), 28 - 4 * (position)), 28))

#define SPREADS 1
typedef __m256i vspread;
INLINE vspread vspread_of(int run) {
    int lanes[8];
    for (int i = 0; i < 8; i++) lanes[i] = i / run;
    return _mm256_loadu_si256((const __m256i *)lanes);
}
INLINE vf vf_spread(const float *p, vspread runs) { return _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), runs); }

INLINE void i4_decode_word(uint32_t word, float *out) {
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    __m256i codes = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((int)word), shifts), _mm256_set1_epi32(15));
    _mm256_storeu_ps(out, _mm256_cvtepi32_ps(_mm256_sub_epi32(codes, _mm256_set1_epi32(8))));
}

#define DOT_BIAS 0
INLINE vdot vdot_zero(void) { return _mm256_setzero_si256(); }
INLINE vdot vdot_add(vdot acc, const void *w, const void *x) {
    const __m128i *a = (const __m128i *)w, *b = (const __m128i *)x;
    __m256i low = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(a)), _mm256_cvtepi8_epi16(_mm_loadu_si128(b)));
    __m256i high = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(a + 1)), _mm256_cvtepi8_epi16(_mm_loadu_si128(b + 1)));
    return _mm256_add_epi32(acc, _mm256_add_epi32(low, high));
}
INLINE int32_t vdot_sum(vdot a) {
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
}

INLINE void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }
INLINE void prefetch_far(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }
