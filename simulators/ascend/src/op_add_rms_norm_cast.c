/*
 * Addition, norm and the norm in FLOAT. Source: hicann/ops-nn@e5c3fa9327ea norm/add_rms_norm_cast/docs/aclnnAddRmsNormCast.md and op_kernel/add_rms_norm_cast.h: in
 * BFLOAT16 gamma is applied before the one rounding, in FLOAT16 after a first one; y1Out is y2Out widened.
 */
#include "aclnnop/aclnn_add_rms_norm_cast.h"
#include "op.h"

#include <math.h>
#include <stdlib.h>

enum { X1, X2, GAMMA, Y1, Y2, RSTD, X };

static double rounded(aclDataType type, double value) {
    double cell = 0;
    sim_view one = {.dtype = type, .dense = true, .data = (char *)&cell};
    sim_put(&one, 0, value);
    return sim_get(&one, 0);
}

static int run_add_norm_cast(sim_call *call) {
    const sim_view *a = sim_at(call, X1), *b = sim_at(call, X2), *gamma = sim_at(call, GAMMA), *wide = sim_at(call, Y1), *y = sim_at(call, Y2),
                   *rstd = sim_at(call, RSTD), *x = sim_at(call, X);
    int64_t width = sim_elements(gamma), rows = width ? sim_elements(a) / width : 0;
    double *row = malloc(sizeof(double) * (size_t)(width + 1));
    for (int64_t r = 0; r < rows; r++) {
        double squares = 0;
        for (int64_t i = 0; i < width; i++) {
            row[i] = (float)(sim_get(a, r * width + i) + sim_get(b, r * width + i));
            squares += row[i] * row[i];
            sim_put(x, r * width + i, row[i]);
        }
        double root = sqrt(squares / (double)width + call->reals[0]);
        for (int64_t i = 0; i < width; i++) {
            double normal = row[i] / root;
            sim_put(y, r * width + i, (y->dtype == ACL_FLOAT16 ? rounded(y->dtype, normal) : normal) * sim_get(gamma, i));
            sim_put(wide, r * width + i, sim_get(y, r * width + i));
        }
        sim_put(rstd, r, 1 / root);
    }
    free(row);
    return 0;
}

SIM_API aclnnStatus aclnnAddRmsNormCastGetWorkspaceSize(const aclTensor *x1, const aclTensor *x2, const aclTensor *gamma, double epsilon, const aclTensor *y1Out,
                                                        const aclTensor *y2Out, const aclTensor *rstdOut, const aclTensor *xOut, uint64_t *workspaceSize,
                                                        aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnAddRmsNormCast", run_add_norm_cast, workspaceSize, executor);
    sim_input(call, "x1", x1, F16 | BF16);
    sim_input(call, "x2", x2, F16 | BF16);
    sim_input(call, "gamma", gamma, F16 | BF16);
    sim_output(call, "y1Out", y1Out, F32);
    sim_output(call, "y2Out", y2Out, F16 | BF16);
    sim_output(call, "rstdOut", rstdOut, F32);
    sim_output(call, "xOut", xOut, F16 | BF16);
    const char *doc = "aclnnAddRmsNormCast.md";
    const sim_view *a = call ? sim_at(call, X1) : 0, *b = call ? sim_at(call, X2) : 0, *g = call ? sim_at(call, GAMMA) : 0, *w = call ? sim_at(call, Y1) : 0,
                   *y = call ? sim_at(call, Y2) : 0, *r = call ? sim_at(call, RSTD) : 0, *x = call ? sim_at(call, X) : 0;
    if (a && b && g && w && y && r && x) {
        sim_require(call, a->dtype == b->dtype && a->dtype == g->dtype && a->dtype == y->dtype && a->dtype == x->dtype, doc,
                    "x1, x2, gamma, y2Out and xOut of one type");
        sim_require(call, sim_same_dims(a, b) && sim_same_dims(a, w) && sim_same_dims(a, y) && sim_same_dims(a, x), doc, "x1, x2, y1Out, y2Out and xOut of one shape");
        sim_require(call, a->rank > 0 && g->rank == 1 && g->dims[0] == a->dims[a->rank - 1], doc, "gamma is as wide as x1");
        sim_require(call, r->rank == a->rank && r->dims[r->rank - 1] == 1, doc, "rstdOut has the rank of x1 and is 1 wide");
        call->reals[0] = epsilon;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnAddRmsNormCast)
