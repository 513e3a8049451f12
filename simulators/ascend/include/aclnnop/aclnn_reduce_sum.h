/* Facts: hicann/ops-math@c41933244c31 math/reduce_sum/op_api/aclnn_reduce_sum.h. */
#ifndef HENG_SIM_ACLNN_REDUCE_SUM_H
#define HENG_SIM_ACLNN_REDUCE_SUM_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnReduceSum, const aclTensor *self, const aclIntArray *dims, bool keepDims, aclDataType dtype, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
