/* Elements of tensors as doubles, and the one rounding on their way back. */
#include "op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t bytes_of(aclDataType type) {
    return aclDataTypeSize(type);
}

static double from_half(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -value : value;
}

/* Rounds to a binary format of `precision` significant bits with least exponent `least` (of the last place of subnormals), ties to even. */
static double round_to(double value, int precision, int least) {
    if (!isfinite(value) || value == 0) return value;
    int exponent;
    frexp(value, &exponent);
    int last = exponent - precision > least ? exponent - precision : least;
    return ldexp(nearbyint(ldexp(value, -last)), last);
}

static uint16_t to_half(double value) {
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return 0x7E00;
    double r = fabs(round_to(value, 11, -24));
    if (r > 65504) return sign | 0x7C00;
    if (r == 0) return sign;
    int exponent;
    frexp(r, &exponent);
    if (exponent < -13) return (uint16_t)(sign | (uint16_t)ldexp(r, 24));
    return (uint16_t)(sign | (exponent + 14) << 10 | ((uint16_t)ldexp(r, 11 - exponent) & 1023));
}

static uint16_t to_bfloat(double value) {
    if (isnan(value)) return 0x7FC0;
    double r = round_to(value, 8, -133);
    float f = fabs(r) > 3.3895313892515355e38 ? (r > 0 ? INFINITY : -INFINITY) : (float)r;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return (uint16_t)(bits >> 16);
}

/* The place of an element in its storage, in elements. */
static int64_t place(const sim_view *view, int64_t index) {
    if (view->dense) return view->offset + index;
    int64_t at = view->offset;
    for (int d = view->rank - 1; d >= 0; d--) {
        at += index % view->dims[d] * view->strides[d];
        index /= view->dims[d];
    }
    return at;
}

static char *address(const sim_view *view, int64_t index) {
    return view->data + place(view, index) * (int64_t)bytes_of(view->dtype);
}

double sim_get(const sim_view *view, int64_t index) {
    if (view->dtype == ACL_INT4) { /* two's complement, the lower half of a byte first */
        int64_t at = place(view, index);
        int code = ((const uint8_t *)view->data)[at / 2] >> (at % 2 * 4) & 15;
        return code - (code & 8) * 2;
    }
    const char *at = address(view, index);
    switch (view->dtype) {
        case ACL_FLOAT: { float f; memcpy(&f, at, 4); return f; }
        case ACL_DOUBLE: { double d; memcpy(&d, at, 8); return d; }
        case ACL_FLOAT16: { uint16_t h; memcpy(&h, at, 2); return from_half(h); }
        case ACL_BF16: { uint16_t h; memcpy(&h, at, 2); uint32_t b = (uint32_t)h << 16; float f; memcpy(&f, &b, 4); return f; }
        case ACL_INT8: return *(const int8_t *)at;
        case ACL_BOOL: case ACL_UINT8: return *(const uint8_t *)at;
        case ACL_INT32: { int32_t i; memcpy(&i, at, 4); return i; }
        case ACL_INT64: { int64_t i; memcpy(&i, at, 8); return (double)i; }
        default: return NAN;
    }
}

void sim_put(const sim_view *view, int64_t index, double value) {
    char *at = address(view, index);
    switch (view->dtype) {
        case ACL_FLOAT: { float f = (float)value; memcpy(at, &f, 4); break; }
        case ACL_DOUBLE: memcpy(at, &value, 8); break;
        case ACL_FLOAT16: { uint16_t h = to_half(value); memcpy(at, &h, 2); break; }
        case ACL_BF16: { uint16_t h = to_bfloat(value); memcpy(at, &h, 2); break; }
        case ACL_INT8: *(int8_t *)at = (int8_t)value; break;
        case ACL_BOOL: case ACL_UINT8: *(uint8_t *)at = (uint8_t)value; break;
        case ACL_INT32: { int32_t i = (int32_t)value; memcpy(at, &i, 4); break; }
        case ACL_INT64: { int64_t i = (int64_t)value; memcpy(at, &i, 8); break; }
        default: break;
    }
}

double sim_rounded(aclDataType type, double value) {
    double cell = 0;
    sim_view one = {.dtype = type, .dense = true, .data = (char *)&cell};
    sim_put(&one, 0, value);
    return sim_get(&one, 0);
}

void sim_move(const sim_view *to, int64_t to_index, const sim_view *from, int64_t from_index) {
    memcpy(address(to, to_index), address(from, from_index), bytes_of(to->dtype));
}

double *sim_load(const sim_view *view) {
    int64_t n = sim_elements(view);
    double *values = malloc(sizeof(double) * (size_t)(n ? n : 1));
    for (int64_t i = 0; i < n; i++) values[i] = sim_get(view, i);
    return values;
}

void sim_store(const sim_view *view, const double *values) {
    int64_t n = sim_elements(view);
    for (int64_t i = 0; i < n; i++) sim_put(view, i, values[i]);
}
