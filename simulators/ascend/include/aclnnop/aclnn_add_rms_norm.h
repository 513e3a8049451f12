/* Facts: hicann/ops-nn@e5c3fa9327ea norm/add_rms_norm/op_host/op_api/aclnn_add_rms_norm.h. */
#ifndef HENG_SIM_ACLNN_ADD_RMS_NORM_H
#define HENG_SIM_ACLNN_ADD_RMS_NORM_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnAddRmsNorm, const aclTensor *x1, const aclTensor *x2, const aclTensor *gamma, double epsilon, aclTensor *yOut, aclTensor *rstdOut,
                  aclTensor *xOut);

#ifdef __cplusplus
}
#endif

#endif
