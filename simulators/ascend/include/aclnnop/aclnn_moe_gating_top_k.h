/* Facts: mirror-cann/ops-transformer@3a280bcc34d8 moe/moe_gating_top_k/op_host/op_api/aclnn_moe_gating_top_k.h. */
#ifndef HENG_SIM_ACLNN_MOE_GATING_TOP_K_H
#define HENG_SIM_ACLNN_MOE_GATING_TOP_K_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnMoeGatingTopK, const aclTensor *x, const aclTensor *biasOptional, int64_t k, int64_t kGroup, int64_t groupCount, int64_t groupSelectMode,
                  int64_t renorm, int64_t normType, bool outFlag, double routedScalingFactor, double eps, const aclTensor *yOut,
                  const aclTensor *expertIdxOut, const aclTensor *outOut);

#ifdef __cplusplus
}
#endif

#endif
