/* Facts: hicann/ops-math@c41933244c31 math/add/op_api/aclnn_add.h. */
#ifndef HENG_SIM_ACLNN_ADD_H
#define HENG_SIM_ACLNN_ADD_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnAdd, const aclTensor *self, const aclTensor *other, const aclScalar *alpha, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
