/* Facts: hicann/ops-math@c41933244c31 math/cumsum/op_api/aclnn_cumsum.h. */
#ifndef HENG_SIM_ACLNN_CUMSUM_H
#define HENG_SIM_ACLNN_CUMSUM_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnCumsum, const aclTensor *self, int64_t dim, aclDataType dtype, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
