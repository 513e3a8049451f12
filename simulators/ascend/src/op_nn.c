/* Norms, products, gathers. Source of each: hicann/ops-nn@e5c3fa9327ea, the document of its name. */
#include "aclnnop/aclnn_batch_matmul.h"
#include "aclnnop/aclnn_embedding.h"
#include "aclnnop/aclnn_index_select.h"
#include "aclnnop/aclnn_matmul.h"
#include "aclnnop/aclnn_rms_norm.h"
#include "aclnnop/aclnn_scatter_nd_update.h"
#include "aclnnop/aclnn_softmax.h"
#include "aclnnop/aclnn_swi_glu.h"
#include "op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int run_gather(sim_call *call) {
    const sim_view *table = sim_at(call, 0), *index = sim_at(call, 1), *out = sim_at(call, 2);
    int64_t width = 1;
    for (int i = 1; i < table->rank; i++) width *= table->dims[i];
    int64_t n = sim_elements(index);
    for (int64_t r = 0; r < n; r++) {
        int64_t from = (int64_t)sim_get(index, r);
        if (from < 0) {
            snprintf(call->failure, 512, "%s: index %ld is negative", call->name, (long)from);
            return ACL_ERROR_RT_AICORE_EXCEPTION;
        }
        for (int64_t i = 0; i < width; i++) {
            /* Beyond the end the document promises random values and no error. */
            if (from < table->dims[0]) sim_move(out, r * width + i, table, from * width + i);
            else sim_put(out, r * width + i, 1e4 * ((double)((r * 31 + i * 17) % 7) - 3));
        }
    }
    return 0;
}

SIM_API aclnnStatus aclnnEmbeddingGetWorkspaceSize(const aclTensor *weight, const aclTensor *indices, const aclTensor *out, uint64_t *workspaceSize,
                                                   aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnEmbedding", run_gather, workspaceSize, executor);
    sim_input(call, "weight", weight, ANY);
    sim_input(call, "indices", indices, INDICES);
    sim_output(call, "out", out, ANY);
    const sim_view *w = call ? sim_at(call, 0) : 0, *i = call ? sim_at(call, 1) : 0, *o = call ? sim_at(call, 2) : 0;
    if (w && i && o) {
        sim_require(call, w->rank == 2 && w->dtype == o->dtype, "aclnnEmbedding", "weight has 2 dimensions and the type of out");
        sim_require(call, w->rank == 2 && sim_elements(o) == sim_elements(i) * w->dims[1], "aclnnEmbedding", "out is indices by width");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnEmbedding)

SIM_API aclnnStatus aclnnIndexSelectGetWorkspaceSize(const aclTensor *self, int64_t dim, const aclTensor *index, aclTensor *out, uint64_t *workspaceSize,
                                                     aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnIndexSelect", run_gather, workspaceSize, executor);
    sim_input(call, "self", self, ANY);
    sim_input(call, "index", index, INDICES);
    sim_output(call, "out", out, ANY);
    const sim_view *x = call ? sim_at(call, 0) : 0, *i = call ? sim_at(call, 1) : 0, *o = call ? sim_at(call, 2) : 0;
    if (x && i && o) {
        sim_require(call, dim == 0, "the simulator", "dimension 0 is simulated");
        sim_require(call, i->rank <= 1 && o->dtype == x->dtype && o->rank == x->rank && o->dims[0] == sim_elements(i), "aclnnIndexSelect",
                    "index is a vector, out has its length and the type of self");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnIndexSelect)

static int run_scatter(sim_call *call) {
    const sim_view *to = sim_at(call, 0), *index = sim_at(call, 1), *from = sim_at(call, 2);
    int64_t width = 1, rows = index->dims[0];
    for (int i = 1; i < to->rank; i++) width *= to->dims[i];
    for (int64_t r = 0; r < rows; r++) {
        int64_t at = (int64_t)sim_get(index, r);
        if (at < 0 || at >= to->dims[0]) {
            snprintf(call->failure, 512, "%s: index %ld is out of range", call->name, (long)at);
            return ACL_ERROR_RT_AICORE_EXCEPTION;
        }
        for (int64_t i = 0; i < width; i++) sim_move(to, at * width + i, from, r * width + i);
    }
    return 0;
}

SIM_API aclnnStatus aclnnScatterNdUpdateGetWorkspaceSize(aclTensor *varRef, const aclTensor *indices, const aclTensor *updates, uint64_t *workspaceSize,
                                                         aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnScatterNdUpdate", run_scatter, workspaceSize, executor);
    sim_output(call, "varRef", varRef, FLOATS | I8 | I64);
    sim_input(call, "indices", indices, INDICES);
    sim_input(call, "updates", updates, FLOATS | I8 | I64);
    const sim_view *v = call ? sim_at(call, 0) : 0, *i = call ? sim_at(call, 1) : 0, *u = call ? sim_at(call, 2) : 0;
    if (v && i && u) {
        sim_require(call, i->rank == 2 && i->dims[1] == 1, "the simulator", "indices [rows, 1] are simulated");
        sim_require(call, v->dtype == u->dtype && u->rank == v->rank && i->rank == 2 && u->dims[0] == i->dims[0], "aclnnScatterNdUpdate",
                    "updates has the type of varRef and a row for each index");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnScatterNdUpdate)

static int run_norm(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *gamma = sim_at(call, 1), *y = sim_at(call, 2), *rstd = sim_at(call, 3);
    int64_t width = sim_elements(gamma), rows = width ? sim_elements(x) / width : 0;
    double *row = malloc(sizeof(double) * (size_t)(width + 1));
    for (int64_t r = 0; r < rows; r++) {
        double squares = 0;
        for (int64_t i = 0; i < width; i++) {
            row[i] = sim_get(x, r * width + i);
            squares += row[i] * row[i];
        }
        double root = sqrt(squares / (double)width + call->reals[0]);
        for (int64_t i = 0; i < width; i++) sim_put(y, r * width + i, row[i] / root * sim_get(gamma, i));
        sim_put(rstd, r, 1 / root);
    }
    free(row);
    return 0;
}

SIM_API aclnnStatus aclnnRmsNormGetWorkspaceSize(const aclTensor *x, const aclTensor *gamma, double epsilon, const aclTensor *yOut, const aclTensor *rstdOut,
                                                 uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnRmsNorm", run_norm, workspaceSize, executor);
    sim_input(call, "x", x, FLOATS);
    sim_input(call, "gamma", gamma, FLOATS);
    sim_output(call, "yOut", yOut, FLOATS);
    sim_output(call, "rstdOut", rstdOut, F32);
    const sim_view *a = call ? sim_at(call, 0) : 0, *g = call ? sim_at(call, 1) : 0, *y = call ? sim_at(call, 2) : 0, *r = call ? sim_at(call, 3) : 0;
    if (a && g && y && r) {
        sim_require(call, a->dtype == y->dtype && (g->dtype == a->dtype || g->dtype == ACL_FLOAT), "aclnnRmsNorm",
                    "yOut has the type of x, gamma that of x or FLOAT");
        sim_require(call, sim_same_dims(a, y) && g->rank == 1 && a->rank > 0 && g->dims[0] == a->dims[a->rank - 1], "aclnnRmsNorm",
                    "gamma is as wide as x, yOut has its shape");
        sim_require(call, r->rank == a->rank && r->dims[r->rank - 1] == 1, "aclnnRmsNorm", "rstdOut has the rank of x and is 1 wide");
        sim_require(call, !sim_is_310p() || g->dims[0] * (int64_t)aclDataTypeSize(a->dtype) >= 32, "aclnnRmsNorm, Atlas inference series",
                    "the last dimension has 32 bytes at least");
        call->reals[0] = epsilon;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnRmsNorm)

static int run_softmax(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *y = sim_at(call, 1);
    int64_t width = x->dims[x->rank - 1], rows = width ? sim_elements(x) / width : 0;
    double *row = malloc(sizeof(double) * (size_t)(width + 1));
    for (int64_t r = 0; r < rows; r++) {
        double most = -INFINITY, sum = 0;
        for (int64_t i = 0; i < width; i++) {
            row[i] = sim_get(x, r * width + i);
            if (row[i] > most || isnan(row[i])) most = row[i];
        }
        for (int64_t i = 0; i < width; i++) sum += row[i] = exp(row[i] - most);
        for (int64_t i = 0; i < width; i++) sim_put(y, r * width + i, row[i] / sum);
    }
    free(row);
    return 0;
}

SIM_API aclnnStatus aclnnSoftmaxGetWorkspaceSize(const aclTensor *self, int64_t dim, aclTensor *out, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnSoftmax", run_softmax, workspaceSize, executor);
    sim_input(call, "self", self, FLOATS);
    sim_output(call, "out", out, FLOATS);
    const sim_view *x = call ? sim_at(call, 0) : 0, *y = call ? sim_at(call, 1) : 0;
    if (x && y) {
        sim_require(call, dim == -1 || dim == x->rank - 1, "the simulator", "the last dimension is simulated");
        sim_require(call, sim_same_dims(x, y), "aclnnSoftmax", "out has the shape of self");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnSoftmax)

static int run_swiglu(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *y = sim_at(call, 1);
    int64_t half = y->dims[y->rank - 1], rows = half ? sim_elements(y) / half : 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < half; i++) {
            /* The first half is the activated one. */
            double gate = sim_get(x, r * 2 * half + i), up = sim_get(x, r * 2 * half + half + i);
            sim_put(y, r * half + i, gate / (1 + exp(-gate)) * up);
        }
    return 0;
}

SIM_API aclnnStatus aclnnSwiGluGetWorkspaceSize(const aclTensor *x, int64_t dim, const aclTensor *out, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnSwiGlu", run_swiglu, workspaceSize, executor);
    sim_input(call, "x", x, FLOATS);
    sim_output(call, "out", out, FLOATS);
    const sim_view *a = call ? sim_at(call, 0) : 0, *y = call ? sim_at(call, 1) : 0;
    if (a && y) {
        sim_require(call, dim == -1 || dim == a->rank - 1, "the simulator", "the last dimension is simulated");
        sim_require(call, a->dtype == y->dtype && a->rank == y->rank && a->dims[a->rank - 1] == 2 * y->dims[y->rank - 1], "aclnnSwiGlu",
                    "x is twice as wide as out, and of its type");
        int64_t dense = 1;
        for (int d = a->rank - 1; d >= 0; dense *= a->dims[d], d--)
            sim_require(call, a->dims[d] == 1 || a->strides[d] == dense, "aclnnSwiGlu", "x is contiguous");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnSwiGlu)

/* [batch] x [m, k] x [k, n]; a batch of 1 meets any. */
static int run_matmul(sim_call *call) {
    const sim_view *a = sim_at(call, 0), *b = sim_at(call, 1), *out = sim_at(call, 2);
    int64_t m = a->dims[a->rank - 2], k = a->dims[a->rank - 1], n = b->dims[b->rank - 1];
    int64_t batches = m > 0 && n > 0 ? sim_elements(out) / (m * n) : 0;
    /* Products and sums are kept in float32, as a profile of float32 accumulation says: an exact sum would hide what a device loses. */
    double *left = sim_load(a), *right = sim_load(b), *result = malloc(sizeof(double) * (size_t)(batches * m * n + 1));
    float *sums = malloc(sizeof(float) * (size_t)(n + 1));
    bool broadcast_left = sim_elements(a) == m * k, broadcast_right = sim_elements(b) == k * n;
    for (int64_t t = 0; t < batches; t++) {
        const double *x = left + (broadcast_left ? 0 : t * m * k), *y = right + (broadcast_right ? 0 : t * k * n);
        double *z = result + t * m * n;
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) sums[j] = 0;
            for (int64_t l = 0; l < k; l++)
                for (int64_t j = 0; j < n; j++) sums[j] += (float)(x[i * k + l] * y[l * n + j]);
            for (int64_t j = 0; j < n; j++) z[i * n + j] = sums[j];
        }
    }
    free(sums);
    sim_store(out, result);
    free(left);
    free(right);
    free(result);
    return 0;
}

static void check_product(sim_call *call, int rank, int8_t cubeMathType) {
    if (call) call->strides = TRANSPOSED;
    const sim_view *a = call ? sim_at(call, 0) : 0, *b = call ? sim_at(call, 1) : 0, *out = call ? sim_at(call, 2) : 0;
    if (!a || !b || !out) return;
    sim_require(call, a->rank == rank && b->rank == rank && out->rank == rank, "the simulator", "operands of %d dimensions are simulated", rank);
    if (call->error) return;
    int64_t m = a->dims[rank - 2], k = a->dims[rank - 1], n = b->dims[rank - 1];
    sim_require(call, b->dims[rank - 2] == k && out->dims[rank - 2] == m && out->dims[rank - 1] == n, call->name,
                "[%ld, %ld] x [%ld, %ld] does not give [%ld, %ld]", (long)m, (long)k, (long)b->dims[rank - 2], (long)n, (long)out->dims[rank - 2],
                (long)out->dims[rank - 1]);
    sim_require(call, a->dtype == b->dtype && a->dtype == out->dtype, call->name, "self, mat2 and out of one type (bf16 does not mix with fp16)");
    sim_require(call, cubeMathType >= 0 && cubeMathType <= 4, call->name, "cubeMathType %d", cubeMathType);
    sim_require(call, !(sim_is_310p() && a->dtype == ACL_FLOAT && cubeMathType == 0), "aclnnMatmul, Atlas inference series",
                "FLOAT with cubeMathType 0 is not supported");
    sim_require(call, cubeMathType == 0 || cubeMathType == 4 || a->dtype != ACL_FLOAT, "the simulator", "FLOAT in reduced precision is not simulated");
}

SIM_API aclnnStatus aclnnMatmulGetWorkspaceSize(const aclTensor *self, const aclTensor *mat2, aclTensor *out, int8_t cubeMathType, uint64_t *workspaceSize,
                                                aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnMatmul", run_matmul, workspaceSize, executor);
    sim_input(call, "self", self, FLOATS);
    sim_input(call, "mat2", mat2, FLOATS);
    sim_output(call, "out", out, FLOATS);
    check_product(call, 2, cubeMathType);
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnMatmul)

SIM_API aclnnStatus aclnnBatchMatMulGetWorkspaceSize(const aclTensor *self, const aclTensor *mat2, aclTensor *out, int8_t cubeMathType,
                                                     uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnBatchMatMul", run_matmul, workspaceSize, executor);
    sim_input(call, "self", self, FLOATS);
    sim_input(call, "mat2", mat2, FLOATS);
    sim_output(call, "out", out, FLOATS);
    check_product(call, 3, cubeMathType);
    const sim_view *a = call ? sim_at(call, 0) : 0, *b = call ? sim_at(call, 1) : 0, *o = call ? sim_at(call, 2) : 0;
    if (a && b && o && !call->error)
        sim_require(call, (a->dims[0] == o->dims[0] || a->dims[0] == 1) && (b->dims[0] == o->dims[0] || b->dims[0] == 1), "aclnnBatchMatMul", "batches agree");
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnBatchMatMul)
