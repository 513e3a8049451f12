/* Facts: hicann/ops-nn@e5c3fa9327ea norm/rms_norm/docs/aclnnRmsNorm.md. */
#ifndef HENG_SIM_ACLNN_RMS_NORM_H
#define HENG_SIM_ACLNN_RMS_NORM_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnRmsNorm, const aclTensor *x, const aclTensor *gamma, double epsilon, const aclTensor *yOut, const aclTensor *rstdOut);

#ifdef __cplusplus
}
#endif

#endif
