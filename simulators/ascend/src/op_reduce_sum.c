/* Sums along the last dimension. Source: hicann/ops-math@c41933244c31 math/reduce_sum/docs/aclnnReduceSum.md. */
#include "aclnnop/aclnn_reduce_sum.h"
#include "op.h"

static int run_sum(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *out = sim_at(call, 1);
    int64_t width = x->dims[x->rank - 1], rows = sim_elements(out);
    for (int64_t r = 0; r < rows; r++) {
        float sum = 0; /* the vector unit adds in float32 */
        for (int64_t i = 0; i < width; i++) sum += (float)sim_get(x, r * width + i);
        sim_put(out, r, sum);
    }
    return 0;
}

SIM_API aclnnStatus aclnnReduceSumGetWorkspaceSize(const aclTensor *self, const aclIntArray *dims, bool keepDims, aclDataType dtype, aclTensor *out,
                                                   uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnReduceSum", run_sum, workspaceSize, executor);
    sim_input(call, "self", self, FLOATS);
    sim_output(call, "out", out, FLOATS);
    sim_list(call, "dims", dims, 0);
    sim_bool(call, "keepDims", keepDims);
    const sim_view *x = call ? sim_at(call, 0) : 0, *y = call ? sim_at(call, 1) : 0;
    if (x && y && !call->error) {
        sim_require(call, call->lists[0] && call->lists[0]->size == 1 && (call->lists[0]->values[0] == -1 || call->lists[0]->values[0] == x->rank - 1), "the simulator", "the last dimension is simulated");
        sim_require(call, y->dtype == dtype, "aclnnReduceSum", "out has the type dtype");
        sim_require(call, x->rank > 0 && sim_elements(y) * x->dims[x->rank - 1] == sim_elements(x), "aclnnReduceSum", "out is self without its last dimension");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnReduceSum)
