// The choice of experts for one row (ROUTE), by one block of 128 threads or more. Scores are evaluated in double and rounded once.
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

// Sum and maximum of a softmax over all experts, by every warp for itself.
DEVICE void softmax_facts(const float* logits, int experts, int lane, double* largest, double* total) {
    float most = as_float(0xff800000u);
    for (int e = lane; e < experts; e += 32) most = fmaxf(most, logits[e]);
    for (int mask = 16; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));
    double sum = 0;
    for (int e = lane; e < experts; e += 32) sum += exp((double)logits[e] - most);
    *largest = most;
    *total = warp_sum(sum);
}

// Marks the groups that experts may be chosen from (ROUTE-005, ROUTE-006).
DEVICE void keep_groups(const RouteArgs& a, const float* choice, float* group_score, int* kept) {
    int lane = threadIdx.x & 31;
    int width = a.experts / a.groups;
    for (int g = threadIdx.x; g < a.groups; g += blockDim.x) {
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
        group_score[g] = a.two_sum ? choice[index_of(best)] + choice[index_of(second)] : choice[index_of(best)];
        kept[g] = 0;
    }
    __syncthreads();
    if (threadIdx.x < 32) {
        for (int i = 0; i < a.kept_groups; i++) {
            u64 best = 0;
            for (int g = lane; g < a.groups; g += 32) {
                u64 key = rank_key(group_score[g], g);
                if (!kept[g] && key > best) best = key;
            }
            best = warp_max(best);
            __syncwarp();
            if (lane == 0) kept[index_of(best)] = 1;
            __syncwarp();
        }
    }
    __syncthreads();
}

DEVICE void choose_experts(const RouteArgs& a, const float* logits, int row, float* memory) {
    float* score = memory;
    float* choice = memory + a.experts;
    u32* rank = (u32*)(memory + 2 * a.experts);
    float* group_score = memory + 3 * a.experts;
    int* kept = (int*)(group_score + a.groups);
    int lane = threadIdx.x & 31;
    double largest = 0, total = 1;
    if (a.score == SCORE_SOFTMAX) softmax_facts(logits, a.experts, lane, &largest, &total);
    for (int e = threadIdx.x; e < a.experts; e += blockDim.x) {
        score[e] = (float)score_of(a.score, logits[e], largest, total);
        choice[e] = a.bias == nullptr ? score[e] : score[e] + ((const float*)a.bias)[e];
    }
    __syncthreads();
    bool limited = a.kept_groups < a.groups;
    if (limited) keep_groups(a, choice, group_score, kept);
    int width = a.experts / a.groups;
    // A rank of 0 is no candidate, or one that was chosen already; a NaN ranks 1, below all numbers (ROUTE-011).
    for (int e = threadIdx.x; e < a.experts; e += blockDim.x) {
        bool other = limited && !kept[e / width];
        rank[e] = other ? (a.masked_zero ? order_of(0.0f) + 1u : 0u) : order_of(choice[e]) + 1u;
    }
    __syncthreads();
    if (threadIdx.x >= 32) return;
    int* ids = (int*)a.ids + (i64)row * a.top_k;
    double sum = 0;
    for (int pick = 0; pick < a.top_k; pick++) {
        u64 best = 0;
        for (int e = lane; e < a.experts; e += 32) {
            u64 key = rank[e] == 0 ? 0 : ((u64)rank[e] << 32) | (u64)(0xffffffffu - (u32)e);
            best = key > best ? key : best;
        }
        best = warp_max(best);
        int id = (int)index_of(best);
        __syncwarp();
        if (lane == 0) {
            ids[pick] = id;
            rank[id] = 0;
        }
        sum += score[id];
        __syncwarp();
    }
    for (int pick = lane; pick < a.top_k; pick += 32) {
        double weight = score[ids[pick]];
        if (a.normalize) weight /= sum + 1e-20;
        ((float*)a.weights)[(i64)row * a.top_k + pick] = (float)(weight * a.scale);
    }
}
