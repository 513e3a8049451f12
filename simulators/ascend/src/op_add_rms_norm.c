/* Addition and norm in one. Source: hicann/ops-nn@e5c3fa9327ea norm/add_rms_norm/docs/aclnnAddRmsNorm.md. */
#include "aclnnop/aclnn_add_rms_norm.h"
#include "op.h"

#include <math.h>
#include <stdlib.h>

enum { X1, X2, GAMMA, Y, RSTD, X };

static double rounded(aclDataType type, double value) {
    double cell = 0;
    sim_view one = {.dtype = type, .dense = true, .data = (char *)&cell};
    sim_put(&one, 0, value);
    return sim_get(&one, 0);
}

/*
 * The norm is that of the sum before it is rounded to xOut, as the document's formula has it. In a 16-bit type the normalised row is rounded before it
 * meets gamma: op_kernel/add_rms_norm.h.
 */
static int run_add_norm(sim_call *call) {
    const sim_view *a = sim_at(call, X1), *b = sim_at(call, X2), *gamma = sim_at(call, GAMMA), *y = sim_at(call, Y), *rstd = sim_at(call, RSTD), *x = sim_at(call, X);
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
        for (int64_t i = 0; i < width; i++) sim_put(y, r * width + i, rounded(y->dtype, row[i] / root) * sim_get(gamma, i));
        sim_put(rstd, r, 1 / root);
    }
    free(row);
    return 0;
}

SIM_API aclnnStatus aclnnAddRmsNormGetWorkspaceSize(const aclTensor *x1, const aclTensor *x2, const aclTensor *gamma, double epsilon, aclTensor *yOut,
                                                    aclTensor *rstdOut, aclTensor *xOut, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnAddRmsNorm", run_add_norm, workspaceSize, executor);
    sim_input(call, "x1", x1, FLOATS);
    sim_input(call, "x2", x2, FLOATS);
    sim_input(call, "gamma", gamma, FLOATS);
    sim_output(call, "yOut", yOut, FLOATS);
    sim_output(call, "rstdOut", rstdOut, F32);
    sim_output(call, "xOut", xOut, FLOATS);
    const char *doc = "aclnnAddRmsNorm.md";
    const sim_view *a = call ? sim_at(call, X1) : 0, *b = call ? sim_at(call, X2) : 0, *g = call ? sim_at(call, GAMMA) : 0, *y = call ? sim_at(call, Y) : 0,
                   *r = call ? sim_at(call, RSTD) : 0, *x = call ? sim_at(call, X) : 0;
    if (a && b && g && y && r && x) {
        sim_require(call, a->dtype == b->dtype && a->dtype == g->dtype && a->dtype == y->dtype && a->dtype == x->dtype, doc,
                    "x1, x2, gamma, yOut and xOut of one type");
        sim_require(call, sim_same_dims(a, b) && sim_same_dims(a, y) && sim_same_dims(a, x), doc, "x1, x2, yOut and xOut of one shape");
        sim_require(call, a->rank > 0 && g->rank == 1 && g->dims[0] == a->dims[a->rank - 1], doc, "gamma is as wide as x1");
        sim_require(call, r->rank == a->rank && r->dims[r->rank - 1] == 1, doc, "rstdOut has the rank of x1 and is 1 wide");
        call->reals[0] = epsilon;
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnAddRmsNorm)
