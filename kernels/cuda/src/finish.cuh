// What follows a product: bias, additions, and the roundings between them.
#pragma once
#include "weights.cuh"

DEVICE float bias_at(const Weight& bias, int n) {
    return bias.data == nullptr ? 0.0f : weight_at(bias, expert_of(bias, 0), 0, n);
}

DEVICE float rounded(double x, int type) { return type == TYPE_F32 ? (float)x : round_to(to_odd(x), type); }

// The additions that fused Adds bring, each with its own rounding.
DEVICE void add_up(const Rows& addend, const Rows& second, const Rows& y, int type, int sum_type, i64 row, int n, double value) {
    if (addend.data != nullptr) {
        value = (double)rounded(value, type) + (double)load(addend, row, n);
        if (second.data != nullptr) value = (double)rounded(value, sum_type) + (double)load(second, row, n);
    }
    store(y, row, n, value);
}

// Bias and what follows a product.
DEVICE void finish(const Weight& bias, const Rows& addend, const Rows& second, const Rows& y, int type, int sum_type, i64 row, int n, float sum) {
    add_up(addend, second, y, type, sum_type, row, n, (double)sum + (double)bias_at(bias, n));
}
