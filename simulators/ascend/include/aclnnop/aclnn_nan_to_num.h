/* Facts: hicann/ops-math@c41933244c31 math/nan_to_num/op_api/aclnn_nan_to_num.h. */
#ifndef HENG_SIM_ACLNN_NAN_TO_NUM_H
#define HENG_SIM_ACLNN_NAN_TO_NUM_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnNanToNum, const aclTensor *self, float nan, float posinf, float neginf, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
