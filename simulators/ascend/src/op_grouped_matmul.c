/*
 * Products of rows with the matrix of their group. Source: mirror-cann/ops-transformer@3a280bcc34d8 gmm/grouped_matmul/docs/aclnnGroupedMatmulV4.md and V5 (tables
 * of data types) and op_api/aclnn_grouped_matmul.cpp (what is null when).
 */
#include "aclnnop/aclnn_grouped_matmul_v4.h"
#include "op.h"

#include <stdio.h>
#include <stdlib.h>

enum { X, WEIGHT, SCALE, ANTIQUANT_SCALE, ANTIQUANT_OFFSET, TOKEN_SCALE, LIST, OUT };

/* The element of a weight as the cube meets it: what stands there, or (element + offset) * scale rounded to the type of x. */
static double weight_at(const sim_call *call, int64_t e, int64_t l, int64_t j) {
    const sim_view *x = sim_at(call, X), *w = sim_at(call, WEIGHT), *scale = sim_at(call, ANTIQUANT_SCALE), *offset = sim_at(call, ANTIQUANT_OFFSET);
    int64_t k = w->dims[1], n = w->dims[2];
    double value = sim_get(w, (e * k + l) * n + j);
    if (!scale) return value;
    int64_t groups = scale->rank == 3 ? scale->dims[1] : 1, at = (e * groups + l / (k / groups)) * n + j;
    return sim_rounded(x->dtype, (value + (offset ? sim_get(offset, at) : 0)) * sim_get(scale, at));
}

static void multiply_row(sim_call *call, int64_t e, int64_t row, float *sum, int64_t *whole) {
    const sim_view *x = sim_at(call, X), *w = sim_at(call, WEIGHT), *scale = sim_at(call, SCALE), *token = sim_at(call, TOKEN_SCALE), *y = sim_at(call, OUT);
    int64_t k = w->dims[1], n = w->dims[2];
    for (int64_t j = 0; j < n; j++) sum[j] = 0, whole[j] = 0;
    for (int64_t l = 0; l < k; l++) {
        double left = sim_get(x, row * k + l);
        for (int64_t j = 0; j < n; j++)
            if (x->dtype == ACL_INT8) whole[j] += (int64_t)left * (int64_t)sim_get(w, (e * k + l) * n + j);
            else sum[j] += (float)(left * weight_at(call, e, l, j)); /* as in the plain product */
    }
    for (int64_t j = 0; j < n; j++) {
        if (x->dtype == ACL_INT8) sum[j] = (float)whole[j] * (scale ? (float)sim_get(scale, e * n + j) : 1);
        if (token) sum[j] *= (float)sim_get(token, row);
        sim_put(y, row * n + j, y->dtype == ACL_INT32 ? (double)whole[j] : (double)sum[j]);
    }
}

static int run_grouped(sim_call *call) {
    const sim_view *x = sim_at(call, X), *w = sim_at(call, WEIGHT), *list = sim_at(call, LIST);
    int64_t experts = w->dims[0], n = w->dims[2], at = 0;
    float *sum = malloc(sizeof(float) * (size_t)(n + 1));
    int64_t *whole = malloc(sizeof(int64_t) * (size_t)(n + 1));
    int status = 0;
    for (int64_t e = 0; e < experts && !status; e++) {
        int64_t number = (int64_t)sim_get(list, e), end = call->integers[0] == 0 ? number : at + number;
        if (end > x->dims[0] || end < at) {
            snprintf(call->failure, 512, "%s: group %ld ends at row %ld of %ld", call->name, (long)e, (long)end, (long)x->dims[0]);
            status = ACL_ERROR_RT_AICORE_EXCEPTION;
        }
        /* Rows beyond the list are not written. */
        for (; !status && at < end; at++) multiply_row(call, e, at, sum, whole);
    }
    free(sum);
    free(whole);
    return status;
}

/* One of the table's rows: plain, int8 by int8, or a float with int8 or int4. */
static void check_types(sim_call *call, const char *doc) {
    const sim_view *x = sim_at(call, X), *w = sim_at(call, WEIGHT), *s = sim_at(call, SCALE), *as = sim_at(call, ANTIQUANT_SCALE), *ao = sim_at(call, ANTIQUANT_OFFSET),
                   *t = sim_at(call, TOKEN_SCALE), *y = sim_at(call, OUT);
    int64_t experts = w->dims[0], k = w->dims[1], n = w->dims[2];
    if (x->dtype == ACL_INT8) {
        sim_require(call, w->dtype == ACL_INT8 && !as && !ao, doc, "A8W8: x and weight are INT8, without antiquant arguments");
        sim_require(call,
                    (y->dtype == ACL_INT32 && !s && !t) || (y->dtype == ACL_BF16 && s && (s->dtype == ACL_BF16 || (sim_is_950() && s->dtype == ACL_FLOAT))) ||
                        (y->dtype == ACL_FLOAT16 && s && s->dtype == ACL_FLOAT),
                    doc, "A8W8: BFLOAT16 scales give BFLOAT16, FLOAT scales FLOAT16, none INT32");
        sim_require(call, !s || (s->rank == 2 && s->dims[0] == experts && s->dims[1] == n), doc, "scale is [groups, n]");
        sim_require(call, !t || (t->rank == 1 && t->dims[0] == x->dims[0]), doc, "perTokenScale has an element for each row");
        return;
    }
    sim_require(call, !s && !t && x->dtype == y->dtype, doc, "out has the type of x, which has no scales");
    if (w->dtype == x->dtype) {
        sim_require(call, !as && !ao, doc, "a plain weight has no antiquant arguments");
        return;
    }
    sim_require(call, (w->dtype == ACL_INT8 || w->dtype == ACL_INT4) && x->dtype != ACL_FLOAT, doc, "x, weight and out of one type, or A16W8, or A16W4");
    sim_require(call, as && as->dtype == x->dtype && (!ao || (ao->dtype == x->dtype && sim_same_dims(as, ao))), doc,
                "antiquantScale has the type of x, antiquantOffset is like it");
    if (call->error) return;
    sim_require(call, ao || w->dtype == ACL_INT4 || sim_is_950(), "aclnn_grouped_matmul.cpp", "A16W8: antiquantOffset must not be null");
    bool channels = as->rank == 2 && as->dims[0] == experts && as->dims[1] == n;
    bool groups = as->rank == 3 && as->dims[0] == experts && as->dims[2] == n && as->dims[1] > 0 && k % as->dims[1] == 0;
    sim_require(call, channels || (groups && w->dtype == ACL_INT4 && !ao && k / as->dims[1] % 2 == 0), doc,
                "antiquantScale is [groups, n], or for symmetric INT4 [groups, parts, n] in parts of an even number that divides k");
    sim_require(call, w->dtype != ACL_INT4 || (w->strides[2] == 1 && w->dense ? n : k) % 2 == 0, doc, "the last dimension of an INT4 weight is even");
    sim_require(call, !sim_is_310p(), "aclnn_grouped_matmul.cpp", "antiquant is not supported on 310P");
}

SIM_API aclnnStatus aclnnGroupedMatmulV4GetWorkspaceSize(const aclTensorList *x, const aclTensorList *weight, const aclTensorList *biasOptional,
                                                         const aclTensorList *scaleOptional, const aclTensorList *offsetOptional,
                                                         const aclTensorList *antiquantScaleOptional, const aclTensorList *antiquantOffsetOptional,
                                                         const aclTensorList *perTokenScaleOptional, const aclTensor *groupListOptional,
                                                         const aclTensorList *activationInputOptional, const aclTensorList *activationQuantScaleOptional,
                                                         const aclTensorList *activationQuantOffsetOptional, int64_t splitItem, int64_t groupType,
                                                         int64_t groupListType, int64_t actType, aclTensorList *out,
                                                         aclTensorList *activationFeatureOutOptional, aclTensorList *dynQuantScaleOutOptional,
                                                         uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnGroupedMatmulV4", run_grouped, workspaceSize, executor);
    if (call) call->strides = TRANSPOSED;
    sim_single(call, "x", x, FLOATS | I8, false);
    sim_single(call, "weight", weight, FLOATS | I8 | I4, false);
    sim_single_optional(call, "scaleOptional", scaleOptional, F32 | BF16);
    sim_single_optional(call, "antiquantScaleOptional", antiquantScaleOptional, F16 | BF16);
    sim_single_optional(call, "antiquantOffsetOptional", antiquantOffsetOptional, F16 | BF16);
    sim_single_optional(call, "perTokenScaleOptional", perTokenScaleOptional, F32);
    sim_input(call, "groupListOptional", groupListOptional, I64);
    sim_single(call, "out", out, FLOATS | I32, true);
    const void *others[] = {biasOptional, offsetOptional, activationInputOptional, activationQuantScaleOptional, activationQuantOffsetOptional,
                            activationFeatureOutOptional, dynQuantScaleOutOptional};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) sim_absent(call, "an optional list", others[i]);
    const sim_view *a = call ? sim_at(call, X) : 0, *w = call ? sim_at(call, WEIGHT) : 0, *l = call ? sim_at(call, LIST) : 0, *y = call ? sim_at(call, OUT) : 0;
    const char *doc = "aclnnGroupedMatmulV4";
    if (a && w && l && y) {
        sim_require(call, a->rank == 2 && w->rank == 3 && y->rank == 2 && w->dims[1] == a->dims[1] && y->dims[1] == w->dims[2] && y->dims[0] == a->dims[0], doc,
                    "x [rows, k], weight [groups, k, n], out [rows, n]");
        if (!call->error) check_types(call, doc);
        sim_require(call, groupType == 0 && (splitItem == 2 || splitItem == 3) && actType == 0, "the simulator", "groups of rows with a single output are simulated");
        sim_require(call, groupListType == 0 || groupListType == 1, "the simulator", "groupListType 0 and 1 are simulated");
        sim_require(call, w->rank == 3 && w->dims[0] <= 1024 && sim_elements(l) == w->dims[0], doc, "one number for each group, 1024 groups at most");
        sim_require(call, a->dims[1] < 65536 && y->dims[1] < 65536, doc, "last dimensions are below 65536");
        call->integers[0] = groupListType;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnGroupedMatmulV4)
