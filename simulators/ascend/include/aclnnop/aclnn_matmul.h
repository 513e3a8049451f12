/* Facts: hicann/ops-nn@e5c3fa9327ea matmul/mat_mul_v3/op_host/op_api/aclnn_matmul.h. */
#ifndef HENG_SIM_ACLNN_MATMUL_H
#define HENG_SIM_ACLNN_MATMUL_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnMatmul, const aclTensor *self, const aclTensor *mat2, aclTensor *out, int8_t cubeMathType);

#ifdef __cplusplus
}
#endif

#endif
