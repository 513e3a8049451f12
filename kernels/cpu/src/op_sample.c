/* Sampling by the Gumbel maximum over counter-based random numbers: no order of summation matters, and a seed reproduces anywhere. */
#include "program.h"

#include <stdlib.h>

/* Philox4x32-10; Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). */
static void philox(uint32_t first, uint32_t second, uint64_t key, uint32_t words[4]) {
    uint32_t c0 = first, c1 = second, c2 = 0, c3 = 0, k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t left = UINT64_C(0xD2511F53) * c0, right = UINT64_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(right >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)right;
        c2 = (uint32_t)(left >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)left;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

typedef struct candidate {
    double z;
    int32_t index;
} candidate;

static int by_rank(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    if (a->z != b->z) return a->z > b->z ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void sample_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_sample *op = &in->as.sample;
    heng_check_pointer(needs, "x", op->x);
    heng_check_pointer(needs, "ids", op->ids);
    heng_check_that(needs, op->columns >= 1, "columns is not positive");
    heng_check_that(needs,
        needs->rows == 0 || (op->temperature != NULL && op->top_k != NULL && op->top_p != NULL && op->seed != NULL && op->counter != NULL),
        "a parameter is null");
    needs->private_bytes = op->columns * (int64_t)sizeof(candidate);
}

static int64_t sample_tasks(heng_context *context, int phase) {
    (void)phase;
    return context->rows;
}

static int32_t sample_row(const float *x, int64_t columns, double temperature, int64_t top_k, double top_p, uint64_t seed, uint32_t counter,
    int64_t largest, candidate *candidates) {
    int64_t count = 0;
    for (int64_t i = 0; i < columns; i++)
        if (x[i] == x[i]) candidates[count++] = (candidate){((double)x[i] - (double)x[largest]) / temperature, (int32_t)i};
    const bool limit = top_k > 0 && top_k < count;
    if (limit || top_p != 1.0) {
        qsort(candidates, (size_t)count, sizeof *candidates, by_rank);
        if (limit) count = top_k;
        if (top_p != 1.0) {
            double total = 0, better = 0;
            for (int64_t i = 0; i < count; i++) total += exp(candidates[i].z);
            int64_t left = 0;
            while (left < count && (left == 0 || better < top_p * total)) better += exp(candidates[left++].z);
            count = left;
        }
    }
    int32_t chosen = (int32_t)largest;
    double highest = -INFINITY;
    for (int64_t c = 0; c < count; c++) {
        uint32_t words[4];
        const int32_t i = candidates[c].index;
        philox((uint32_t)i >> 2, counter, seed, words);
        double noisy = candidates[c].z - log(-log(((double)words[i & 3] + 0.5) * 0x1p-32));
        if (noisy > highest || (noisy == highest && i < chosen)) {
            highest = noisy;
            chosen = i;
        }
    }
    return chosen;
}

static void sample_task(heng_context *context, int phase, int64_t row) {
    (void)phase;
    const heng_cpu_sample *op = &context->instruction->as.sample;
    const double temperature = op->temperature[row], top_p = op->top_p[row];
    if (!(temperature >= 0 && temperature <= 3.4028234663852886e38) || op->top_k[row] < 0 || !(top_p >= 0 && top_p <= 1)) {
        heng_task_fail(context, "row %lld: temperature is finite and >= 0, top-k is >= 0 (it is %lld), top-p within 0..1", row, op->top_k[row]);
        return;
    }
    const float *x = op->x + row * op->x_stride;
    const int64_t largest = context->level->argmax(x, op->columns);
    op->ids[row] = temperature == 0 || !isfinite(x[largest])
        ? (int32_t)largest
        : sample_row(x, op->columns, temperature, op->top_k[row], top_p, (uint64_t)op->seed[row], (uint32_t)op->counter[row], largest,
              (candidate *)context->scratch);
}

const heng_operation heng_op_sample = {"SAMPLE", 1, sample_check, sample_tasks, sample_task, false};
