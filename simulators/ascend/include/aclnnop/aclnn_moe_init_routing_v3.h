/* Facts: mirror-cann/ops-transformer@3a280bcc34d8 moe/moe_init_routing_v3/op_host/op_api/aclnn_moe_init_routing_v3.h. */
#ifndef HENG_SIM_ACLNN_MOE_INIT_ROUTING_V3_H
#define HENG_SIM_ACLNN_MOE_INIT_ROUTING_V3_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnMoeInitRoutingV3, const aclTensor *x, const aclTensor *expertIdx, const aclTensor *scaleOptional, const aclTensor *offsetOptional,
                  int64_t activeNum, int64_t expertCapacity, int64_t expertNum, int64_t dropPadMode, int64_t expertTokensNumType,
                  bool expertTokensNumFlag, int64_t quantMode, const aclIntArray *activeExpertRangeOptional, int64_t rowIdxType,
                  const aclTensor *expandedXOut, const aclTensor *expandedRowIdxOut, const aclTensor *expertTokensCountOrCumsumOut,
                  const aclTensor *expandedScaleOut);

#ifdef __cplusplus
}
#endif

#endif
