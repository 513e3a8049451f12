/* Facts: hicann/ops-nn@e5c3fa9327ea activation/softmax_v2/op_api/aclnn_softmax.h. */
#ifndef HENG_SIM_ACLNN_SOFTMAX_H
#define HENG_SIM_ACLNN_SOFTMAX_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnSoftmax, const aclTensor *self, int64_t dim, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
