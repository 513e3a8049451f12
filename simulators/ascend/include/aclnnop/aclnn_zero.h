/* Facts: hicann/ops-math@c41933244c31 math/zero_op/op_api/aclnn_zero.h. */
#ifndef HENG_SIM_ACLNN_ZERO_H
#define HENG_SIM_ACLNN_ZERO_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnInplaceZero, aclTensor *selfRef);

#ifdef __cplusplus
}
#endif

#endif
