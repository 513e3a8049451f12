/*
 * Products of int8 with int8. Source: hicann/ops-nn@e5c3fa9327ea matmul/quant_batch_matmul_v3/docs/aclnnQuantMatmulV4.md and
 * matmul/quant_batch_matmul_v4/docs/aclnnQuantMatmulV5.md: tables of data types, "K-C" (a scale for each row of x1 and each column of x2) and INT32 results.
 */
#include "aclnnop/aclnn_quant_matmul_v4.h"
#include "aclnnop/aclnn_quant_matmul_v5.h"
#include "op.h"

enum { X1, X2, X1_SCALE, X2_SCALE, BIAS, OUT };

/* Exact sums; then, in float32 one step after the other, the scale of the column, that of the row, and the bias. */
static int run_quant_matmul(sim_call *call) {
    const sim_view *a = sim_at(call, X1), *b = sim_at(call, X2), *rows = sim_at(call, X1_SCALE), *columns = sim_at(call, X2_SCALE), *bias = sim_at(call, BIAS),
                   *out = sim_at(call, OUT);
    bool transposed = call->integers[0];
    int64_t m = a->dims[0], k = a->dims[1], n = out->dims[1];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            int64_t sum = 0;
            for (int64_t l = 0; l < k; l++) sum += (int64_t)sim_get(a, i * k + l) * (int64_t)sim_get(b, transposed ? j * k + l : l * n + j);
            if (out->dtype == ACL_INT32) {
                /* The scales take no part in an INT32 result. */
                sim_put(out, i * n + j, (double)(sum + (bias ? (int64_t)sim_get(bias, j) : 0)));
                continue;
            }
            if (bias && bias->dtype == ACL_INT32) sum += (int64_t)sim_get(bias, j);
            float value = (float)sum * (float)sim_get(columns, sim_elements(columns) == 1 ? 0 : j);
            if (rows) value *= (float)sim_get(rows, i);
            if (bias && bias->dtype != ACL_INT32) value += (float)sim_get(bias, j);
            sim_put(out, i * n + j, value);
        }
    return 0;
}

/* What both versions demand of int8 operands. */
static void check(sim_call *call, const char *doc, bool transposeX1, bool transposeX2) {
    sim_bool(call, "transposeX1", transposeX1);
    sim_bool(call, "transposeX2", transposeX2);
    const sim_view *a = call ? sim_at(call, X1) : 0, *b = call ? sim_at(call, X2) : 0, *out = call ? sim_at(call, OUT) : 0, *scale = call ? sim_at(call, X2_SCALE) : 0;
    if (!a || !b || !out || !scale) return;
    const sim_view *token = sim_at(call, X1_SCALE), *bias = sim_at(call, BIAS);
    sim_require(call, a->rank == 2 && b->rank == 2 && out->rank == 2 && !transposeX1, "the simulator", "two dimensions and x1 as it is are simulated");
    if (call->error) return;
    int64_t m = a->dims[0], k = a->dims[1], n = out->dims[1];
    sim_require(call, m > 0 && k > 0 && n > 0, doc, "no operand is empty");
    sim_require(call, out->dims[0] == m && b->dims[transposeX2 ? 1 : 0] == k && b->dims[transposeX2 ? 0 : 1] == n, doc,
                "x1 [m, k] with x2 [k, n], or [n, k] if transposed, gives [m, n]");
    sim_require(call, scale->rank == 1 && (scale->dims[0] == n || scale->dims[0] == 1), doc, "x2Scale has n elements or one");
    sim_require(call, !token || (token->rank == 1 && token->dims[0] == m), doc, "x1Scale has an element for each row");
    sim_require(call, !bias || (bias->rank == 1 && bias->dims[0] == n), doc, "bias has n elements");
    aclDataType o = out->dtype, s = scale->dtype;
    int t = bias ? (int)bias->dtype : -1;
    bool f32 = t < 0 || t == ACL_INT32 || t == ACL_FLOAT;
    sim_require(call,
                (o == ACL_INT32 && !token && (t < 0 || t == ACL_INT32)) || (o == ACL_BF16 && (f32 || t == ACL_BF16)) ||
                    (o == ACL_FLOAT16 && token && s == ACL_FLOAT && (f32 || t == ACL_FLOAT16)),
                doc, "table of data types: x2Scale %d, x1Scale %s, bias %d, out %d", (int)s, token ? "FLOAT" : "null", t, (int)o);
    sim_require(call, !sim_is_310p(), "the document, Atlas inference series", "x2 is in FRACTAL_NZ, which is not simulated");
    call->integers[0] = transposeX2;
}

SIM_API aclnnStatus aclnnQuantMatmulV4GetWorkspaceSize(const aclTensor *x1, const aclTensor *x2, const aclTensor *scale, const aclTensor *offset,
                                                       const aclTensor *pertokenScaleOptional, const aclTensor *bias, bool transposeX1, bool transposeX2,
                                                       const aclTensor *out, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnQuantMatmulV4", run_quant_matmul, workspaceSize, executor);
    sim_input(call, "x1", x1, I8);
    sim_input(call, "x2", x2, I8);
    sim_optional(call, "pertokenScaleOptional", pertokenScaleOptional, F32, false);
    sim_input(call, "scale", scale, F32 | BF16);
    sim_optional(call, "bias", bias, FLOATS | I32, false);
    sim_output(call, "out", out, F16 | BF16 | I32);
    sim_absent(call, "offset", offset);
    check(call, "aclnnQuantMatmulV4.md", transposeX1, transposeX2);
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnQuantMatmulV4)

#if HENG_SIM_HEAD
SIM_API aclnnStatus aclnnQuantMatmulV5GetWorkspaceSize(const aclTensor *x1, const aclTensor *x2, const aclTensor *x1Scale, const aclTensor *x2Scale,
                                                       const aclTensor *yScale, const aclTensor *x1Offset, const aclTensor *x2Offset,
                                                       const aclTensor *yOffset, const aclTensor *bias, bool transposeX1, bool transposeX2,
                                                       int64_t groupSize, aclTensor *out, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnQuantMatmulV5", run_quant_matmul, workspaceSize, executor);
    sim_input(call, "x1", x1, I8);
    sim_input(call, "x2", x2, I8);
    sim_optional(call, "x1Scale", x1Scale, F32, false);
    sim_input(call, "x2Scale", x2Scale, F32 | BF16);
    sim_optional(call, "bias", bias, FLOATS | I32, false);
    sim_output(call, "out", out, F16 | BF16 | I32);
    sim_absent(call, "yScale", yScale);
    sim_absent(call, "x1Offset", x1Offset);
    sim_absent(call, "x2Offset", x2Offset);
    sim_absent(call, "yOffset", yOffset);
    sim_require(call, groupSize == 0, "aclnnQuantMatmulV5.md", "groupSize is 0 where scales have one dimension, not %ld", (long)groupSize);
    check(call, "aclnnQuantMatmulV5.md", transposeX1, transposeX2);
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnQuantMatmulV5)
#endif
