/* Rotary embedding and the operators of a mixture of experts. Source of each: mirror-cann/ops-transformer@3a280bcc34d8, the document of its name. */
#include "aclnnop/aclnn_moe_finalize_routing_v2.h"
#include "aclnnop/aclnn_moe_gating_top_k.h"
#include "aclnnop/aclnn_moe_init_routing_v3.h"
#include "aclnnop/aclnn_rotary_position_embedding.h"
#include "op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool sim_array_lives(const aclIntArray *array);

static int run_rotary(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *c = sim_at(call, 1), *s = sim_at(call, 2), *y = sim_at(call, 3);
    int64_t width = x->dims[3], heads = x->dims[2], rows = x->dims[0] * x->dims[1];
    bool interleaved = call->integers[0] == 1;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < width; i++) {
                int64_t base = (r * heads + h) * width, partner = interleaved ? (i ^ 1) : (i + width / 2) % width;
                bool first = interleaved ? !(i & 1) : i < width / 2;
                double turned = sim_get(x, base + partner) * (first ? -1 : 1);
                sim_put(y, base + i, sim_get(x, base + i) * sim_get(c, r * width + i) + turned * sim_get(s, r * width + i));
            }
    return 0;
}

SIM_API aclnnStatus aclnnRotaryPositionEmbeddingGetWorkspaceSize(const aclTensor *x, const aclTensor *cos, const aclTensor *sin, int64_t mode, aclTensor *out,
                                                                 uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnRotaryPositionEmbedding", run_rotary, workspaceSize, executor);
    sim_input(call, "x", x, FLOATS);
    sim_input(call, "cos", cos, FLOATS);
    sim_input(call, "sin", sin, FLOATS);
    sim_output(call, "out", out, FLOATS);
    const sim_view *a = call ? sim_at(call, 0) : 0, *c = call ? sim_at(call, 1) : 0, *s = call ? sim_at(call, 2) : 0, *y = call ? sim_at(call, 3) : 0;
    if (a && c && s && y) {
        sim_require(call, a->rank == 4 && c->rank == 4 && sim_same_dims(a, y) && sim_same_dims(c, s), "the simulator",
                    "x [batch, rows, heads, width] is simulated");
        sim_require(call, a->dtype == c->dtype && a->dtype == s->dtype && a->dtype == y->dtype, "aclnnRotaryPositionEmbedding", "all have the type of x");
        sim_require(call, mode == 0 || mode == 1, "the simulator", "modes half and interleave are simulated");
        sim_require(call, !sim_is_310p() || mode == 0, "aclnnRotaryPositionEmbedding, Atlas inference series", "only mode half");
        sim_require(call, a->rank == 4 && a->dims[3] % 2 == 0 && c->dims[0] == a->dims[0] && c->dims[1] == a->dims[1] && c->dims[2] == 1 && c->dims[3] == a->dims[3],
                    "aclnnRotaryPositionEmbedding", "cos and sin are [batch, rows, 1, width], width even");
        call->integers[0] = mode;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnRotaryPositionEmbedding)

/* Picks the k largest, ties to the lower index; hardware's order among ties is not documented. */
static void largest(const double *values, int64_t n, int64_t k, int64_t *picked) {
    bool *taken = calloc((size_t)n, 1);
    for (int64_t j = 0; j < k; j++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++)
            if (!taken[i] && (best < 0 || values[i] > values[best])) best = i;
        taken[best] = true;
        picked[j] = best;
    }
    free(taken);
}

static int run_gating(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *bias = sim_at(call, 1), *y = sim_at(call, 2), *ids = sim_at(call, 3), *norm = sim_at(call, 4);
    int64_t k = call->integers[0], kept = call->integers[1], groups = call->integers[2], mode = call->integers[3], renorm = call->integers[4],
            type = call->integers[5], experts = x->dims[1], size = experts / groups;
    double *score = malloc(sizeof(double) * (size_t)experts), *choice = malloc(sizeof(double) * (size_t)experts),
           *group = malloc(sizeof(double) * (size_t)groups);
    int64_t *picked = malloc(8 * (size_t)(experts + groups));
    for (int64_t r = 0; r < x->dims[0]; r++) {
        double most = -INFINITY, sum = 0;
        for (int64_t e = 0; e < experts; e++) most = fmax(most, sim_get(x, r * experts + e));
        for (int64_t e = 0; e < experts; e++) {
            double value = sim_get(x, r * experts + e);
            score[e] = type == 0 ? exp(value - most) : 1 / (1 + exp(-value));
            sum += score[e];
        }
        for (int64_t e = 0; e < experts; e++) {
            if (type == 0) score[e] /= sum;
            choice[e] = score[e] + (bias ? sim_get(bias, e) : 0);
            if (norm) sim_put(norm, r * experts + e, score[e]);
        }
        if (groups > 1) {
            for (int64_t g = 0; g < groups; g++) {
                largest(choice + g * size, size, mode == 1 ? 2 : 1, picked);
                group[g] = choice[g * size + picked[0]] + (mode == 1 ? choice[g * size + picked[1]] : 0);
            }
            largest(group, groups, kept, picked);
            for (int64_t g = 0; g < groups; g++) {
                bool keep = false;
                for (int64_t j = 0; j < kept; j++) keep = keep || picked[j] == g;
                for (int64_t e = 0; !keep && e < size; e++) choice[g * size + e] = -INFINITY;
            }
        }
        largest(choice, experts, k, picked);
        double total = 0;
        for (int64_t j = 0; j < k; j++) total += score[picked[j]];
        for (int64_t j = 0; j < k; j++) {
            double weight = score[picked[j]];
            if (type == 1 || renorm == 1) weight /= total + call->reals[1];
            sim_put(y, r * k + j, weight * call->reals[0]);
            sim_put(ids, r * k + j, (double)picked[j]);
        }
    }
    free(score);
    free(choice);
    free(group);
    free(picked);
    return 0;
}

SIM_API aclnnStatus aclnnMoeGatingTopKGetWorkspaceSize(const aclTensor *x, const aclTensor *biasOptional, int64_t k, int64_t kGroup, int64_t groupCount,
                                                       int64_t groupSelectMode, int64_t renorm, int64_t normType, bool outFlag, double routedScalingFactor,
                                                       double eps, const aclTensor *yOut, const aclTensor *expertIdxOut, const aclTensor *outOut,
                                                       uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnMoeGatingTopK", run_gating, workspaceSize, executor);
    sim_input(call, "x", x, FLOATS);
    sim_optional(call, "biasOptional", biasOptional, FLOATS, false);
    sim_output(call, "yOut", yOut, FLOATS);
    sim_output(call, "expertIdxOut", expertIdxOut, I32);
    sim_optional(call, "outOut", outFlag ? outOut : 0, F32, true);
    const sim_view *a = call ? sim_at(call, 0) : 0, *b = call ? sim_at(call, 1) : 0, *y = call ? sim_at(call, 2) : 0, *i = call ? sim_at(call, 3) : 0;
    const char *doc = "aclnnMoeGatingTopK";
    if (a && y && i) {
        sim_bool(call, "outFlag", outFlag);
        sim_require(call, a->rank == 2 && y->rank == 2 && sim_same_dims(y, i) && a->dims[0] == y->dims[0] && y->dims[1] == k, doc,
                    "x [rows, experts], yOut and expertIdxOut [rows, k]");
        int64_t experts = a->rank == 2 ? a->dims[1] : 0;
        sim_require(call, a->dtype == y->dtype, doc, "yOut has the type of x");
        sim_require(call, !b || (b->rank == 1 && b->dims[0] == experts && b->dtype == a->dtype), doc, "bias [experts] of the type of x");
        sim_require(call, experts <= 2048 && groupCount >= 1 && experts % groupCount == 0 && kGroup >= 1 && kGroup <= groupCount && k >= 1
                              && k <= experts / (groupCount ? groupCount : 1) * kGroup,
                    doc, "%ld experts in %ld groups, %ld groups kept, %ld chosen", (long)experts, (long)groupCount, (long)kGroup, (long)k);
        sim_require(call, groupSelectMode == 0 || groupSelectMode == 1, doc, "groupSelectMode %ld", (long)groupSelectMode);
        sim_require(call, groupCount <= 1 || experts / groupCount > groupSelectMode, doc, "a group has more experts than groupSelectMode");
        sim_require(call, (experts / (groupCount ? groupCount : 1) + 31) / 32 * 32 * groupCount <= 2048, doc, "experts by group, rounded up to 32, are 2048 at most");
        sim_require(call, normType == 0 || normType == 1, "the simulator", "softmax and sigmoid are simulated");
        int64_t given[] = {k, kGroup, groupCount, groupSelectMode, renorm, normType};
        for (int n = 0; n < 6; n++) call->integers[n] = given[n];
        call->reals[0] = routedScalingFactor;
        call->reals[1] = eps;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnMoeGatingTopK)

static int run_init(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *ids = sim_at(call, 1), *rows = sim_at(call, 2), *index = sim_at(call, 3), *counts = sim_at(call, 4);
    int64_t n = sim_elements(ids), k = ids->dims[1], width = x->dims[1], start = call->integers[0], end = call->integers[1];
    int64_t at = 0;
    for (int64_t e = start; e < end; e++) {
        int64_t before = at;
        for (int64_t i = 0; i < n; i++)
            if ((int64_t)sim_get(ids, i) == e) {
                for (int64_t j = 0; j < width; j++) sim_move(rows, at * width + j, x, i / k * width + j);
                if (call->integers[2] == 1) sim_put(index, at, (double)i);
                else sim_put(index, i, (double)at);
                at++;
            }
        sim_put(counts, e - start, (double)(call->integers[3] == 0 ? at : at - before));
    }
    if (call->integers[2] == 0)
        for (int64_t i = 0; i < n; i++) {
            int64_t e = (int64_t)sim_get(ids, i);
            if (e < start || e >= end) sim_put(index, i, -1);
        }
    return 0;
}

SIM_API aclnnStatus aclnnMoeInitRoutingV3GetWorkspaceSize(const aclTensor *x, const aclTensor *expertIdx, const aclTensor *scaleOptional,
                                                          const aclTensor *offsetOptional, int64_t activeNum, int64_t expertCapacity, int64_t expertNum,
                                                          int64_t dropPadMode, int64_t expertTokensNumType, bool expertTokensNumFlag, int64_t quantMode,
                                                          const aclIntArray *activeExpertRangeOptional, int64_t rowIdxType, const aclTensor *expandedXOut,
                                                          const aclTensor *expandedRowIdxOut, const aclTensor *expertTokensCountOrCumsumOut,
                                                          const aclTensor *expandedScaleOut, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnMoeInitRoutingV3", run_init, workspaceSize, executor);
    (void)expertCapacity;
    sim_input(call, "x", x, FLOATS | I8);
    sim_input(call, "expertIdx", expertIdx, I32);
    sim_output(call, "expandedXOut", expandedXOut, FLOATS | I8);
    sim_output(call, "expandedRowIdxOut", expandedRowIdxOut, I32);
    sim_output(call, "expertTokensCountOrCumsumOut", expertTokensCountOrCumsumOut, I64);
    sim_absent(call, "scaleOptional", scaleOptional);
    sim_absent(call, "offsetOptional", offsetOptional);
    sim_absent(call, "expandedScaleOut", expandedScaleOut);
    const sim_view *a = call ? sim_at(call, 0) : 0, *i = call ? sim_at(call, 1) : 0, *o = call ? sim_at(call, 2) : 0, *r = call ? sim_at(call, 3) : 0,
                   *c = call ? sim_at(call, 4) : 0;
    const char *doc = "aclnnMoeInitRoutingV3";
    if (a && i && o && r && c) {
        bool range = sim_array_lives(activeExpertRangeOptional) && activeExpertRangeOptional->size == 2;
        int64_t start = range ? activeExpertRangeOptional->values[0] : 0, end = range ? activeExpertRangeOptional->values[1] : expertNum;
        sim_require(call, !activeExpertRangeOptional || range, doc, "activeExpertRangeOptional is a live pair");
        sim_require(call, a->rank == 2 && i->rank == 2 && a->dims[0] == i->dims[0] && o->rank == 2 && o->dims[1] == a->dims[1] && o->dtype == a->dtype, doc,
                    "x [rows, width], expertIdx [rows, k], expandedXOut of the type and width of x");
        sim_require(call, i->rank == 2 && sim_elements(r) == sim_elements(i) && o->dims[0] == sim_elements(i), doc, "expanded outputs have rows * k rows");
        sim_require(call, i->rank == 2 && activeNum == sim_elements(i), "aclnnMoeInitRoutingV3, November 2025 (later releases allow 0)",
                    "activeNum is %ld, rows * k is %ld", (long)activeNum, (long)sim_elements(i));
        sim_require(call, dropPadMode == 0 && quantMode == -1 && expertTokensNumFlag, "the simulator", "dropless, unquantised, with counts is simulated");
        sim_require(call, expertTokensNumType == 1, "aclnnMoeInitRoutingV3, November 2025 (cumulative counts came in 2026)", "expertTokensNumType %ld",
                    (long)expertTokensNumType);
        sim_require(call, rowIdxType == 0 || rowIdxType == 1, doc, "rowIdxType %ld", (long)rowIdxType);
        sim_require(call, start >= 0 && start < end && end <= expertNum && sim_elements(c) == end - start, doc, "experts %ld..%ld of %ld", (long)start,
                    (long)end, (long)expertNum);
        call->integers[0] = start;
        call->integers[1] = end;
        call->integers[2] = rowIdxType;
        call->integers[3] = expertTokensNumType;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnMoeInitRoutingV3)

static int run_finalize(sim_call *call) {
    const sim_view *rows = sim_at(call, 0), *index = sim_at(call, 1), *x1 = sim_at(call, 2), *x2 = sim_at(call, 3), *scales = sim_at(call, 4), *y = sim_at(call, 5);
    int64_t tokens = y->dims[0], width = y->dims[1], k = tokens ? sim_elements(index) / tokens : 0;
    bool by_token = call->integers[0] >= 2;
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t j = 0; j < width; j++) {
            double sum = (x1 ? sim_get(x1, t * width + j) : 0) + (x2 ? sim_get(x2, t * width + j) : 0);
            for (int64_t s = 0; s < k; s++) {
                int64_t row = (int64_t)sim_get(index, by_token ? t * k + s : t + s * tokens);
                if (row < (call->integers[0] & 1 ? -1 : 0) || row >= tokens * k) {
                    snprintf(call->failure, 512, "%s: expandedRowIdx holds %ld (aclnnMoeFinalizeRoutingV2.md: -1 is for modes 1 and 3)", call->name, (long)row);
                    return ACL_ERROR_RT_AICORE_EXCEPTION;
                }
                if (row >= 0) sum += (scales ? sim_get(scales, t * k + s) : 1) * sim_get(rows, row * width + j);
            }
            sim_put(y, t * width + j, sum);
        }
    return 0;
}

SIM_API aclnnStatus aclnnMoeFinalizeRoutingV2GetWorkspaceSize(const aclTensor *expandedX, const aclTensor *expandedRowIdx, const aclTensor *x1Optional,
                                                              const aclTensor *x2Optional, const aclTensor *biasOptional, const aclTensor *scalesOptional,
                                                              const aclTensor *expertIdxOptional, int64_t dropPadMode, const aclTensor *out,
                                                              uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnMoeFinalizeRoutingV2", run_finalize, workspaceSize, executor);
    sim_input(call, "expandedX", expandedX, FLOATS);
    sim_input(call, "expandedRowIdx", expandedRowIdx, I32);
    sim_optional(call, "x1Optional", x1Optional, FLOATS, false);
    sim_optional(call, "x2Optional", x2Optional, FLOATS, false);
    sim_optional(call, "scalesOptional", scalesOptional, FLOATS, false);
    sim_output(call, "out", out, FLOATS);
    sim_absent(call, "biasOptional", biasOptional);
    sim_absent(call, "expertIdxOptional", expertIdxOptional);
    const sim_view *a = call ? sim_at(call, 0) : 0, *i = call ? sim_at(call, 1) : 0, *y = call ? sim_at(call, 5) : 0, *s = call ? sim_at(call, 4) : 0;
    const char *doc = "aclnnMoeFinalizeRoutingV2";
    if (a && i && y) {
        sim_require(call, dropPadMode >= 0 && dropPadMode <= 3, doc, "dropPadMode %ld", (long)dropPadMode);
        sim_require(call, a->rank == (dropPadMode & 1 ? 3 : 2), doc, "expandedX is [rows, width] in modes 0 and 2, [experts, capacity, width] in 1 and 3");
        sim_require(call, y->rank == 2 && a->dims[a->rank - 1] == y->dims[1] && a->dtype == y->dtype, doc, "out has type and width of expandedX");
        sim_require(call, a->rank != 3 || (y->dims[0] && a->dims[0] * a->dims[1] == sim_elements(i) && a->dims[0] >= sim_elements(i) / y->dims[0]), doc,
                    "experts * capacity rows, and no fewer experts than slots");
        sim_require(call, !sim_is_310p() || (dropPadMode == 2 && y->dims[1] % 32 == 0 && !sim_at(call, 2)), "aclnnMoeFinalizeRoutingV2, Atlas inference series",
                    "mode 2 only, a width that 32 divides, no x1");
        sim_require(call, y->rank == 2 && y->dims[0] && sim_elements(i) % y->dims[0] == 0, doc, "expandedRowIdx has rows * k entries");
        sim_require(call, !s || s->dtype == a->dtype || (a->dtype == ACL_BF16 && s->dtype == ACL_FLOAT) || sim_is_950(), doc,
                    "scales have the type of expandedX, or are FLOAT with BFLOAT16");
        sim_require(call, !sim_at(call, 3) || sim_at(call, 2), doc, "x2 needs x1");
        call->integers[0] = dropPadMode;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnMoeFinalizeRoutingV2)
