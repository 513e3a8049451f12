/* Elementwise and shape operators. Source of each: hicann/ops-math@c41933244c31, the document of its name. */
#include "aclnnop/aclnn_add.h"
#include "aclnnop/aclnn_argmax.h"
#include "aclnnop/aclnn_cast.h"
#include "aclnnop/aclnn_copy.h"
#include "aclnnop/aclnn_cumsum.h"
#include "aclnnop/aclnn_mul.h"
#include "aclnnop/aclnn_nan_to_num.h"
#include "aclnnop/aclnn_zero.h"
#include "op.h"

#include <math.h>
#include <stdlib.h>

bool sim_scalar_lives(const aclScalar *scalar);

/* The element of `from`, broadcast to `to`, that meets element `index` of `to`; -1 if the shapes do not broadcast. */
static int64_t broadcast(const sim_view *from, const sim_view *to, int64_t index) {
    int64_t at = 0, step = 1;
    for (int d = to->rank - 1, f = from->rank - 1; d >= 0; d--, f--) {
        int64_t coordinate = index % to->dims[d];
        index /= to->dims[d];
        if (f < 0) continue;
        if (from->dims[f] != 1) at += coordinate * step;
        step *= from->dims[f];
    }
    return at;
}

static bool broadcasts(const sim_view *from, const sim_view *to) {
    if (from->rank > to->rank) return false;
    for (int i = 1; i <= from->rank; i++) {
        int64_t have = from->dims[from->rank - i];
        if (have != 1 && have != to->dims[to->rank - i]) return false;
    }
    return true;
}

static void check_binary(sim_call *call) {
    const sim_view *a = call ? sim_at(call, 0) : 0, *b = call ? sim_at(call, 1) : 0, *out = call ? sim_at(call, 2) : 0;
    if (!a || !b || !out) return;
    sim_require(call, broadcasts(a, out) && broadcasts(b, out), "broadcast rules", "self and other do not broadcast to out");
    sim_require(call, a->dtype == b->dtype && a->dtype == out->dtype, "the simulator", "self, other and out of one type are simulated");
}

static int run_add(sim_call *call) {
    const sim_view *a = sim_at(call, 0), *b = sim_at(call, 1), *out = sim_at(call, 2);
    int64_t n = sim_elements(out);
    double *sum = malloc(sizeof(double) * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++) sum[i] = sim_get(a, broadcast(a, out, i)) + call->reals[0] * sim_get(b, broadcast(b, out, i));
    sim_store(out, sum);
    free(sum);
    return 0;
}

SIM_API aclnnStatus aclnnAddGetWorkspaceSize(const aclTensor *self, const aclTensor *other, const aclScalar *alpha, aclTensor *out,
                                             uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnAdd", run_add, workspaceSize, executor);
    sim_input(call, "self", self, ANY);
    sim_input(call, "other", other, ANY);
    sim_output(call, "out", out, ANY);
    sim_require(call, sim_scalar_lives(alpha), "aclnnAdd", "alpha is no live scalar");
    check_binary(call);
    if (call && sim_scalar_lives(alpha)) call->reals[0] = alpha->value;
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnAdd)

static int run_mul(sim_call *call) {
    const sim_view *a = sim_at(call, 0), *b = sim_at(call, 1), *out = sim_at(call, 2);
    int64_t n = sim_elements(out);
    double *product = malloc(sizeof(double) * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++) product[i] = sim_get(a, broadcast(a, out, i)) * sim_get(b, broadcast(b, out, i));
    sim_store(out, product);
    free(product);
    return 0;
}

SIM_API aclnnStatus aclnnMulGetWorkspaceSize(const aclTensor *self, const aclTensor *other, aclTensor *out, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnMul", run_mul, workspaceSize, executor);
    sim_input(call, "self", self, ANY);
    sim_input(call, "other", other, ANY);
    sim_output(call, "out", out, ANY);
    check_binary(call);
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnMul)

static int run_cast(sim_call *call) {
    const sim_view *from = sim_at(call, 0), *to = sim_at(call, 1);
    bool integers = to->dtype == ACL_INT32 || to->dtype == ACL_INT64 || to->dtype == ACL_INT8;
    int64_t n = sim_elements(to);
    for (int64_t i = 0; i < n; i++) {
        double value = sim_get(from, i);
        /* Not a number becomes 0, fractions are cut off. */
        sim_put(to, i, integers ? (isnan(value) ? 0 : trunc(value)) : value);
    }
    return 0;
}

SIM_API aclnnStatus aclnnCastGetWorkspaceSize(const aclTensor *self, const aclDataType dtype, aclTensor *out, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnCast", run_cast, workspaceSize, executor);
    sim_input(call, "self", self, ANY);
    sim_output(call, "out", out, ANY);
    const sim_view *from = call ? sim_at(call, 0) : 0, *to = call ? sim_at(call, 1) : 0;
    if (from && to) {
        sim_require(call, to->dtype == dtype, "aclnnCast", "dtype is %d, out has %d", (int)dtype, (int)to->dtype);
        sim_require(call, sim_same_dims(from, to), "aclnnCast", "self and out have other shapes");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnCast)

static int run_copy(sim_call *call) {
    const sim_view *to = sim_at(call, 0), *from = sim_at(call, 1);
    int64_t n = sim_elements(to);
    for (int64_t i = 0; i < n; i++) {
        if (to->dtype == from->dtype) sim_move(to, i, from, broadcast(from, to, i));
        else sim_put(to, i, sim_get(from, broadcast(from, to, i)));
    }
    return 0;
}

SIM_API aclnnStatus aclnnInplaceCopyGetWorkspaceSize(aclTensor *selfRef, const aclTensor *src, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnInplaceCopy", run_copy, workspaceSize, executor);
    sim_output(call, "selfRef", selfRef, ANY);
    sim_input(call, "src", src, ANY);
    const sim_view *to = call ? sim_at(call, 0) : 0, *from = call ? sim_at(call, 1) : 0;
    if (to && from) {
        sim_require(call, broadcasts(from, to), "aclnnInplaceCopy", "src does not broadcast to selfRef");
        call->strides = ANY_STRIDES;
        call->more_kernels = from->dtype != to->dtype; /* a cast, then the copy */
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnInplaceCopy)

static int run_zero(sim_call *call) {
    const sim_view *to = sim_at(call, 0);
    int64_t n = sim_elements(to);
    for (int64_t i = 0; i < n; i++) sim_put(to, i, 0);
    return 0;
}

SIM_API aclnnStatus aclnnInplaceZeroGetWorkspaceSize(aclTensor *selfRef, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnInplaceZero", run_zero, workspaceSize, executor);
    sim_output(call, "selfRef", selfRef, ANY);
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnInplaceZero)

static int run_nan_to_num(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *out = sim_at(call, 1);
    int64_t n = sim_elements(out);
    for (int64_t i = 0; i < n; i++) {
        double value = sim_get(x, i);
        sim_put(out, i, isnan(value) ? call->reals[0] : isinf(value) ? call->reals[value > 0 ? 1 : 2] : value);
    }
    return 0;
}

SIM_API aclnnStatus aclnnNanToNumGetWorkspaceSize(const aclTensor *self, float nan, float posinf, float neginf, aclTensor *out, uint64_t *workspaceSize,
                                                  aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnNanToNum", run_nan_to_num, workspaceSize, executor);
    sim_input(call, "self", self, FLOATS);
    sim_output(call, "out", out, FLOATS);
    const sim_view *x = call ? sim_at(call, 0) : 0, *y = call ? sim_at(call, 1) : 0;
    if (x && y) {
        sim_require(call, x->dtype == y->dtype && sim_same_dims(x, y), "aclnnNanToNum", "out has type and shape of self");
        call->reals[0] = nan;
        call->reals[1] = posinf;
        call->reals[2] = neginf;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnNanToNum)

static int run_argmax(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *out = sim_at(call, 1);
    int64_t width = x->dims[x->rank - 1], rows = width ? sim_elements(x) / width : 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t best = 0;
        double most = sim_get(x, r * width);
        for (int64_t i = 1; i < width; i++) {
            double value = sim_get(x, r * width + i);
            if (value > most) {
                most = value;
                best = i;
            }
        }
        sim_put(out, r, (double)best);
    }
    return 0;
}

SIM_API aclnnStatus aclnnArgMaxGetWorkspaceSize(const aclTensor *self, int64_t dim, bool keepdim, aclTensor *out, uint64_t *workspaceSize,
                                                aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnArgMax", run_argmax, workspaceSize, executor);
    sim_input(call, "self", self, FLOATS);
    sim_output(call, "out", out, INDICES);
    const sim_view *x = call ? sim_at(call, 0) : 0;
    if (x) sim_require(call, (dim == -1 || dim == x->rank - 1) && !keepdim, "the simulator", "the last dimension without keepdim is simulated");
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnArgMax)

static int run_cumsum(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *out = sim_at(call, 1);
    double sum = 0;
    int64_t n = sim_elements(x);
    for (int64_t i = 0; i < n; i++) {
        sum += sim_get(x, i);
        sim_put(out, i, sum);
    }
    return 0;
}

SIM_API aclnnStatus aclnnCumsumGetWorkspaceSize(const aclTensor *self, int64_t dim, aclDataType dtype, aclTensor *out, uint64_t *workspaceSize,
                                                aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnCumsum", run_cumsum, workspaceSize, executor);
    sim_input(call, "self", self, ANY);
    sim_output(call, "out", out, ANY);
    const sim_view *x = call ? sim_at(call, 0) : 0, *y = call ? sim_at(call, 1) : 0;
    if (x && y) {
        sim_require(call, x->rank == 1 && dim == 0, "the simulator", "vectors are simulated");
        sim_require(call, y->dtype == dtype && sim_same_dims(x, y), "aclnnCumsum", "out differs from self in shape, or from dtype");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnCumsum)
