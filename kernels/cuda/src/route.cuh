// The choice of experts for one row (ROUTE), by one warp. Scores are evaluated in double and rounded once.
#pragma once
#include "types.cuh"

enum Score { SCORE_SIGMOID = 0, SCORE_SOFTMAX = 1, SCORE_SQRT_SOFTPLUS = 2 };

// Floats of shared memory that a choice takes: scores, choice scores and their ranks, group scores and marks.
#define ROUTE_FLOATS(experts, groups) (3 * (experts) + 2 * (groups))

DEVICE double score_of(int score, double x, double largest, double total) {
    if (score == SCORE_SIGMOID) return 1.0 / (1.0 + exp(-x));
    if (score == SCORE_SOFTMAX) return exp(x - largest) / total;
    // log(1 + exp x) without overflow for large x; NaN and the infinities come through.
    return sqrt(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
}

// Sum and maximum of a softmax over all experts.
DEVICE void softmax_facts(const float* logits, int experts, int lane, double* largest, double* total) {
    float most = as_float(0xff800000u);
    for (int e = lane; e < experts; e += 32) most = fmaxf(most, logits[e]);
    for (int mask = 16; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));
    double sum = 0;
    for (int e = lane; e < experts; e += 32) sum += exp((double)logits[e] - most);
    *largest = most;
    *total = warp_sum(sum);
}

// The lane with the highest rank, then with the lowest index: that index. Ranks of 0 lose to all others.
DEVICE int best_of(u32 rank, u32 index) {
    u32 best = warp_max(rank);
    return (int)warp_min(rank == best ? index : 0xffffffffu);
}

// Marks the groups that experts may be chosen from (ROUTE-005, ROUTE-006).
DEVICE void keep_groups(const RouteArgs& a, const float* choice, u32* group_rank, int* kept, int lane) {
    int width = a.experts / a.groups;
    for (int g = lane; g < a.groups; g += 32) {
        u64 best = 0, second = 0;
        for (int e = g * width; e < (g + 1) * width; e++) {
            u64 key = rank_key(choice[e], e);
            if (key > best) {
                second = best;
                best = key;
            } else if (key > second) {
                second = key;
            }
        }
        float score = a.two_sum ? choice[index_of(best)] + choice[index_of(second)] : choice[index_of(best)];
        group_rank[g] = order_of(score) + 1u;
        kept[g] = 0;
    }
    __syncwarp();
    for (int i = 0; i < a.kept_groups; i++) {
        u32 rank = 0, index = 0xffffffffu;
        for (int g = lane; g < a.groups; g += 32) {
            if (group_rank[g] > rank) rank = group_rank[g], index = g;
        }
        int best = best_of(rank, index);
        __syncwarp();
        if (lane == 0) {
            kept[best] = 1;
            group_rank[best] = 0;
        }
        __syncwarp();
    }
}

// `memory` holds ROUTE_FLOATS of the warp's own. The logits may just have been written by other blocks.
DEVICE void choose_experts(const RouteArgs& a, i64 row, float* memory) {
    float* score = memory;
    float* choice = memory + a.experts;
    u32* rank = (u32*)(memory + 2 * a.experts);
    u32* group_rank = (u32*)(memory + 3 * a.experts);
    int* kept = (int*)(group_rank + a.groups);
    int lane = threadIdx.x & 31;
    const float* logits = (const float*)a.logits + row * a.stride;
    for (int e = lane; e < a.experts; e += 32) score[e] = load_settled(logits + e);
    __syncwarp();
    double largest = 0, total = 1;
    if (a.score == SCORE_SOFTMAX) softmax_facts(score, a.experts, lane, &largest, &total);
    for (int e = lane; e < a.experts; e += 32) {
        score[e] = (float)score_of(a.score, score[e], largest, total);
        choice[e] = a.bias == nullptr ? score[e] : score[e] + ((const float*)a.bias)[e];
    }
    __syncwarp();
    bool limited = a.kept_groups < a.groups;
    if (limited) keep_groups(a, choice, group_rank, kept, lane);
    int width = a.experts / a.groups;
    // A rank of 0 is no candidate, or one that was chosen already; a NaN ranks 1, below all numbers (ROUTE-011).
    for (int e = lane; e < a.experts; e += 32) {
        bool other = limited && !kept[e / width];
        rank[e] = other ? (a.masked_zero ? order_of(0.0f) + 1u : 0u) : order_of(choice[e]) + 1u;
    }
    __syncwarp();
    int* ids = (int*)a.ids + row * a.top_k;
    float* weights = (float*)a.weights + row * a.top_k;
    double sum = 0;
    for (int pick = 0; pick < a.top_k; pick++) {
        u32 most = 0, index = 0xffffffffu;
        for (int e = lane; e < a.experts; e += 32) {
            if (rank[e] > most) most = rank[e], index = e;
        }
        int id = best_of(most, index);
        __syncwarp();
        if (lane == 0) {
            ids[pick] = id;
            // Until the sum is known.
            choice[pick] = score[id];
            rank[id] = 0;
        }
        sum += score[id];
        __syncwarp();
    }
    for (int pick = lane; pick < a.top_k; pick += 32) {
        double weight = choice[pick];
        if (a.normalize) weight /= sum + 1e-20;
        weights[pick] = (float)(weight * a.scale);
    }
    __syncwarp();
}
