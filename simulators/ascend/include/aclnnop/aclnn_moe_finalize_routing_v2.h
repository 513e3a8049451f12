/* Facts: mirror-cann/ops-transformer@3a280bcc34d8 moe/moe_finalize_routing_v2/op_host/op_api/aclnn_moe_finalize_routing_v2.h. */
#ifndef HENG_SIM_ACLNN_MOE_FINALIZE_ROUTING_V2_H
#define HENG_SIM_ACLNN_MOE_FINALIZE_ROUTING_V2_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnMoeFinalizeRoutingV2, const aclTensor *expandedX, const aclTensor *expandedRowIdx, const aclTensor *x1Optional,
                  const aclTensor *x2Optional, const aclTensor *biasOptional, const aclTensor *scalesOptional,
                  const aclTensor *expertIdxOptional, int64_t dropPadMode, const aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
