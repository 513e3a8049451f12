/* Float activations with int8 or int4 weights. Source: hicann/ops-nn@e5c3fa9327ea matmul/weight_quant_batch_matmul_v2/docs/aclnnWeightQuantBatchMatmulV2.md. */
#include "aclnnop/aclnn_weight_quant_batch_matmul_v2.h"
#include "op.h"

#include <stdlib.h>

enum { X, WEIGHT, SCALE, OFFSET, BIAS, Y };

/* The weight, (element + offset) * scale, is rounded to the type of x; then it is a product as any other. */
static int run_weight_quant_matmul(sim_call *call) {
    const sim_view *x = sim_at(call, X), *w = sim_at(call, WEIGHT), *scale = sim_at(call, SCALE), *offset = sim_at(call, OFFSET), *bias = sim_at(call, BIAS),
                   *y = sim_at(call, Y);
    int64_t m = x->dims[0], k = x->dims[1], n = w->dims[1], group = call->integers[0] ? call->integers[0] : k;
    double *left = sim_load(x);
    float *sums = calloc((size_t)(m * n + 1), sizeof(float));
    double *row = malloc(sizeof(double) * (size_t)(n + 1));
    for (int64_t l = 0; l < k; l++) {
        for (int64_t j = 0; j < n; j++) {
            int64_t at = sim_elements(scale) == 1 ? 0 : l / group * n + j;
            row[j] = sim_rounded(x->dtype, (sim_get(w, l * n + j) + (offset ? sim_get(offset, at) : 0)) * sim_get(scale, at));
        }
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) sums[i * n + j] += (float)(left[i * k + l] * row[j]);
    }
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) sim_put(y, i * n + j, bias ? sums[i * n + j] + (float)sim_get(bias, j) : sums[i * n + j]);
    free(row);
    free(sums);
    free(left);
    return 0;
}

/* An operand is either row-major or a transposed row-major matrix. */
static bool is_transposed(const sim_view *view) {
    return view->rank == 2 && view->strides[0] == 1 && view->strides[1] == view->dims[0] && !view->dense;
}

SIM_API aclnnStatus aclnnWeightQuantBatchMatmulV2GetWorkspaceSize(const aclTensor *x, const aclTensor *weight, const aclTensor *antiquantScale,
                                                                  const aclTensor *antiquantOffsetOptional, const aclTensor *quantScaleOptional,
                                                                  const aclTensor *quantOffsetOptional, const aclTensor *biasOptional, int antiquantGroupSize,
                                                                  const aclTensor *y, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnWeightQuantBatchMatmulV2", run_weight_quant_matmul, workspaceSize, executor);
    sim_input(call, "x", x, F16 | BF16);
    sim_input(call, "weight", weight, sim_is_310p() ? I8 : I8 | I4);
    sim_input(call, "antiquantScale", antiquantScale, F16 | BF16);
    sim_optional(call, "antiquantOffsetOptional", antiquantOffsetOptional, F16 | BF16, false);
    sim_optional(call, "biasOptional", biasOptional, FLOATS, false);
    sim_output(call, "y", y, F16 | BF16);
    sim_absent(call, "quantScaleOptional", quantScaleOptional);
    sim_absent(call, "quantOffsetOptional", quantOffsetOptional);
    const sim_view *a = call ? sim_at(call, X) : 0, *w = call ? sim_at(call, WEIGHT) : 0, *s = call ? sim_at(call, SCALE) : 0, *o = call ? sim_at(call, Y) : 0;
    const char *doc = "aclnnWeightQuantBatchMatmulV2.md";
    if (a && w && s && o) {
        const sim_view *offset = sim_at(call, OFFSET), *bias = sim_at(call, BIAS);
        sim_require(call, a->rank == 2 && w->rank == 2 && o->rank == 2 && a->dense, doc, "x (m, k), weight (k, n) and y (m, n), x as it is");
        if (call->error) return sim_finish(call, workspaceSize, executor);
        int64_t m = a->dims[0], k = a->dims[1], n = w->dims[1], group = antiquantGroupSize;
        sim_require(call, w->dims[0] == k && o->dims[0] == m && o->dims[1] == n, doc, "x (m, k), weight (k, n) and y (m, n)");
        sim_require(call, m > 0 && k > 0 && n > 0 && (sim_is_950() || (k <= 65535 && n <= 65535)), doc, "no empty operand, k and n up to 65535");
        sim_require(call, w->dense || is_transposed(w), doc, "weight is contiguous or the transpose of what is");
        sim_require(call, w->dtype != ACL_INT4 || (is_transposed(w) ? k : n) % 2 == 0, doc, "the inner axis of an INT4 weight is even");
        sim_require(call, s->dtype == a->dtype && o->dtype == a->dtype, doc, "antiquantScale and y have the type of x");
        sim_require(call, group == 0 || (group % 32 == 0 && group >= 32 && group <= k - 1), doc, "antiquantGroupSize %ld: 0, or a multiple of 32 within [32, k-1]",
                    (long)group);
        sim_require(call, group == 0 || w->dtype == ACL_INT4 || sim_is_950(), "the simulator", "groups of INT4 are simulated");
        int64_t groups = group ? (k + group - 1) / group : 1;
        bool shaped = group ? s->rank == 2 && s->dims[0] == groups && s->dims[1] == n : (s->rank == 1 && (s->dims[0] == n || s->dims[0] == 1));
        sim_require(call, shaped, doc, "antiquantScale is (n,) by channel, (ceil(k/group), n) by group");
        sim_require(call, !sim_is_950() || !is_transposed(w) || s->rank == 1 || groups == 1 || is_transposed(s), "aclnnWeightQuantBatchMatmulV2.md, Ascend 950",
                    "antiquantScale is transposed if weight is");
        sim_require(call, !offset || (sim_same_dims(offset, s) && offset->dtype == s->dtype), doc, "antiquantOffset is as antiquantScale");
        sim_require(call, !bias || (bias->rank == 1 && bias->dims[0] == n && bias->dtype == (a->dtype == ACL_BF16 ? ACL_FLOAT : ACL_FLOAT16)), doc,
                    "bias (n,) is FLOAT with BFLOAT16 and FLOAT16 with FLOAT16");
        call->integers[0] = group;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnWeightQuantBatchMatmulV2)
