/* Activations to int8 by token. Source: hicann/ops-nn@e5c3fa9327ea quant/dynamic_quant/docs/aclnnDynamicQuant.md. */
#include "aclnnop/aclnn_dynamic_quant.h"
#include "op.h"

#include <math.h>

/* scale = max|x| / 127 and y = round(x / scale), the scale in float32; a NaN is a row's maximum, and what is no number becomes 0 in y. */
static int run_dynamic_quant(sim_call *call) {
    const sim_view *x = sim_at(call, 0), *y = sim_at(call, 1), *scale = sim_at(call, 2);
    int64_t width = x->dims[x->rank - 1], rows = width ? sim_elements(x) / width : 0;
    for (int64_t r = 0; r < rows; r++) {
        double most = 0;
        for (int64_t i = 0; i < width; i++) {
            double size = fabs(sim_get(x, r * width + i));
            if (size > most || isnan(size)) most = isnan(most) ? most : size;
        }
        float step = (float)(most / 127);
        sim_put(scale, r, step);
        for (int64_t i = 0; i < width; i++) {
            double q = nearbyint(sim_get(x, r * width + i) / step);
            sim_put(y, r * width + i, isnan(q) ? 0 : fmin(127, fmax(-128, q)));
        }
    }
    return 0;
}

SIM_API aclnnStatus aclnnDynamicQuantGetWorkspaceSize(const aclTensor *x, const aclTensor *smoothScalesOptional, const aclTensor *yOut,
                                                      const aclTensor *scaleOut, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnDynamicQuant", run_dynamic_quant, workspaceSize, executor);
    sim_input(call, "x", x, F16 | BF16);
    sim_output(call, "yOut", yOut, I8);
    sim_output(call, "scaleOut", scaleOut, F32);
    sim_absent(call, "smoothScalesOptional", smoothScalesOptional);
    const sim_view *a = call ? sim_at(call, 0) : 0, *y = call ? sim_at(call, 1) : 0, *s = call ? sim_at(call, 2) : 0;
    const char *doc = "aclnnDynamicQuant.md";
    if (a && y && s) {
        sim_require(call, a->rank >= 2 && sim_same_dims(a, y), doc, "x has 2 to 8 dimensions and yOut its shape");
        sim_require(call, s->rank == a->rank - 1 && a->rank >= 2 && sim_elements(s) * a->dims[a->rank - 1] == sim_elements(a), doc,
                    "scaleOut has the shape of x without the last dimension");
        sim_require(call, !sim_is_310p() || a->dims[a->rank - 1] % 32 == 0, "aclnnDynamicQuant.md, Atlas inference series",
                    "the last dimension is a multiple of 32");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnDynamicQuant)
