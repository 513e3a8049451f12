/* Products of one batch dimension that stands second. Source: hicann/ops-nn@e5c3fa9327ea matmul/transpose_batch_mat_mul/docs/aclnnTransposeBatchMatMul.md. */
#include "aclnnop/aclnn_transpose_batch_mat_mul.h"
#include "op.h"

#include <stdlib.h>

enum { X1, X2, OUT };

static int run_transposed(sim_call *call) {
    const sim_view *x = sim_at(call, X1), *w = sim_at(call, X2), *out = sim_at(call, OUT);
    bool turned = call->integers[0], weight_turned = call->integers[1];
    int64_t m = x->dims[turned ? 0 : 1], batches = x->dims[turned ? 1 : 0], k = x->dims[2], n = w->dims[weight_turned ? 1 : 2];
    double *left = sim_load(x), *right = sim_load(w);
    float *sums = malloc(sizeof(float) * (size_t)(n + 1));
    for (int64_t b = 0; b < batches; b++)
        for (int64_t i = 0; i < m; i++) {
            const double *row = left + (turned ? i * batches + b : b * m + i) * k;
            for (int64_t j = 0; j < n; j++) sums[j] = 0;
            for (int64_t l = 0; l < k; l++)
                for (int64_t j = 0; j < n; j++) sums[j] += (float)(row[l] * right[b * k * n + (weight_turned ? j * k + l : l * n + j)]);
            for (int64_t j = 0; j < n; j++) sim_put(out, (i * batches + b) * n + j, sums[j]);
        }
    free(left);
    free(right);
    free(sums);
    return 0;
}

static bool is(const sim_call *call, int list, int64_t a, int64_t b, int64_t c) {
    const sim_ints *array = call->lists[list];
    const int64_t *have = array ? array->values : 0;
    return array && array->size == 3 && have[0] == a && have[1] == b && have[2] == c;
}

SIM_API aclnnStatus aclnnTransposeBatchMatMulGetWorkspaceSize(const aclTensor *x1, const aclTensor *x2, const aclTensor *bias, const aclTensor *scale,
                                                              const aclIntArray *permX1, const aclIntArray *permX2, const aclIntArray *permY,
                                                              int8_t cubeMathType, int32_t batchSplitFactor, aclTensor *out, uint64_t *workspaceSize,
                                                              aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnTransposeBatchMatMul", run_transposed, workspaceSize, executor);
    sim_input(call, "x1", x1, FLOATS);
    sim_input(call, "x2", x2, FLOATS);
    sim_output(call, "out", out, FLOATS);
    sim_absent(call, "bias", bias);
    sim_absent(call, "scale", scale);
    sim_list(call, "permY", permY, 0);
    const char *doc = "aclnnTransposeBatchMatMul.md";
    sim_require(call, call && is(call, 0, 1, 0, 2), doc, "permY is [1, 0, 2]");
    sim_list(call, "permX1", permX1, 0);
    sim_list(call, "permX2", permX2, 1);
    const sim_view *x = call ? sim_at(call, X1) : 0, *w = call ? sim_at(call, X2) : 0, *y = call ? sim_at(call, OUT) : 0;
    if (x && w && y) {
        bool turned = is(call, 0, 1, 0, 2), weight_turned = is(call, 1, 0, 2, 1);
        sim_require(call, turned || is(call, 0, 0, 1, 2), doc, "permX1 is [0, 1, 2] or [1, 0, 2]");
        sim_require(call, weight_turned || is(call, 1, 0, 1, 2), doc, "permX2 is [0, 1, 2] or [0, 2, 1]");
        sim_require(call, !weight_turned || turned || sim_is_950(), doc, "permX2 [0, 2, 1] goes with permX1 [1, 0, 2]");
        sim_require(call, x->rank == 3 && w->rank == 3 && y->rank == 3, doc, "tensors of three dimensions");
        if (!call->error) {
            int64_t m = x->dims[turned ? 0 : 1], b = x->dims[turned ? 1 : 0], n = w->dims[weight_turned ? 1 : 2];
            sim_require(call, w->dims[0] == b && w->dims[weight_turned ? 2 : 1] == x->dims[2], doc, "x1 and x2 agree in batch and inner width");
            sim_require(call, y->dims[0] == m && y->dims[1] == b && y->dims[2] == n, doc, "out is [rows, batch, width]");
            sim_require(call, b < 65536 && n < 65536, doc, "batch and width are below 65536");
        }
        sim_require(call, x->dtype == w->dtype && x->dtype == y->dtype, doc, "x1, x2 and out of one type");
        sim_require(call, batchSplitFactor == 1, "the simulator", "batchSplitFactor 1 is simulated");
        sim_require(call, cubeMathType == 0, "the simulator", "cubeMathType 0 is simulated");
        call->integers[0] = turned;
        call->integers[1] = weight_turned;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnTransposeBatchMatMul)
