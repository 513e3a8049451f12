/* Multiplication with a host scalar. Source: hicann/ops-math@c41933244c31 math/muls/docs, aclnnMuls. */
#include "aclnnop/aclnn_mul.h"
#include "op.h"

bool sim_scalar_lives(const aclScalar *scalar);

static int run_muls(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *out = sim_at(call, 1);
    int64_t n = sim_elements(x);
    for (int64_t i = 0; i < n; i++) sim_put(out, i, sim_get(x, i) * call->reals[0]);
    return 0;
}

SIM_API aclnnStatus aclnnMulsGetWorkspaceSize(const aclTensor *self, const aclScalar *other, aclTensor *out, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnMuls", run_muls, workspaceSize, executor);
    sim_input(call, "self", self, FLOATS | I32 | I64);
    sim_output(call, "out", out, FLOATS | I32 | I64);
    sim_require(call, sim_scalar_lives(other), "aclnnMuls", "other is a live scalar");
    const sim_view *x = call ? sim_at(call, 0) : 0, *y = call ? sim_at(call, 1) : 0;
    if (x && y && !call->error) {
        sim_require(call, sim_same_dims(x, y) && x->dtype == y->dtype, "aclnnMuls", "out has shape and type of self");
        call->reals[0] = other->value;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnMuls)
