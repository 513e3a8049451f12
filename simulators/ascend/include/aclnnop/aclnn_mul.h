/* Facts: hicann/ops-math@c41933244c31 math/mul/op_api/aclnn_mul.h. */
#ifndef HENG_SIM_ACLNN_MUL_H
#define HENG_SIM_ACLNN_MUL_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnMul, const aclTensor *self, const aclTensor *other, aclTensor *out);

HENG_SIM_OPERATOR(aclnnMuls, const aclTensor *self, const aclScalar *other, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
