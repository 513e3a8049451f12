/* Facts: mirror-cann/ops-transformer@3a280bcc34d8 gmm/grouped_matmul/op_api/aclnn_grouped_matmul_v4.h. */
#ifndef HENG_SIM_ACLNN_GROUPED_MATMUL_V4_H
#define HENG_SIM_ACLNN_GROUPED_MATMUL_V4_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnGroupedMatmulV4, const aclTensorList *x, const aclTensorList *weight, const aclTensorList *biasOptional,
                  const aclTensorList *scaleOptional, const aclTensorList *offsetOptional, const aclTensorList *antiquantScaleOptional,
                  const aclTensorList *antiquantOffsetOptional, const aclTensorList *perTokenScaleOptional,
                  const aclTensor *groupListOptional, const aclTensorList *activationInputOptional,
                  const aclTensorList *activationQuantScaleOptional, const aclTensorList *activationQuantOffsetOptional,
                  int64_t splitItem, int64_t groupType, int64_t groupListType, int64_t actType, aclTensorList *out,
                  aclTensorList *activationFeatureOutOptional, aclTensorList *dynQuantScaleOutOptional);

#ifdef __cplusplus
}
#endif

#endif
