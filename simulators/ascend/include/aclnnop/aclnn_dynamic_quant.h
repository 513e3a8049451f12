/* Facts: hicann/ops-nn@e5c3fa9327ea quant/dynamic_quant/op_host/op_api/aclnn_dynamic_quant.h. */
#ifndef HENG_SIM_ACLNN_DYNAMIC_QUANT_H
#define HENG_SIM_ACLNN_DYNAMIC_QUANT_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnDynamicQuant, const aclTensor *x, const aclTensor *smoothScalesOptional, const aclTensor *yOut,
                  const aclTensor *scaleOut);

#ifdef __cplusplus
}
#endif

#endif
