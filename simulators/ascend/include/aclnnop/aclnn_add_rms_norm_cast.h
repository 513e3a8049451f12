/* Facts: hicann/ops-nn@e5c3fa9327ea norm/add_rms_norm_cast/docs/aclnnAddRmsNormCast.md. */
#ifndef HENG_SIM_ACLNN_ADD_RMS_NORM_CAST_H
#define HENG_SIM_ACLNN_ADD_RMS_NORM_CAST_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnAddRmsNormCast, const aclTensor *x1, const aclTensor *x2, const aclTensor *gamma, double epsilon, const aclTensor *y1Out,
                  const aclTensor *y2Out, const aclTensor *rstdOut, const aclTensor *xOut);

#ifdef __cplusplus
}
#endif

#endif
