/* Facts: hicann/ops-math@c41933244c31 math/arg_max_v2/op_api/aclnn_argmax.h. */
#ifndef HENG_SIM_ACLNN_ARGMAX_H
#define HENG_SIM_ACLNN_ARGMAX_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnArgMax, const aclTensor *self, int64_t dim, bool keepdim, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
