/* Facts: hicann/ops-math@c41933244c31 math/cast/op_api/aclnn_cast.h. */
#ifndef HENG_SIM_ACLNN_CAST_H
#define HENG_SIM_ACLNN_CAST_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnCast, const aclTensor *self, const aclDataType dtype, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
