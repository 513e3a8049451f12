/* Facts: hicann/ops-nn@e5c3fa9327ea matmul/transpose_batch_mat_mul/op_api/aclnn_transpose_batch_mat_mul.h. */
#ifndef HENG_SIM_ACLNN_TRANSPOSE_BATCH_MAT_MUL_H
#define HENG_SIM_ACLNN_TRANSPOSE_BATCH_MAT_MUL_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnTransposeBatchMatMul, const aclTensor *x1, const aclTensor *x2, const aclTensor *bias, const aclTensor *scale,
                  const aclIntArray *permX1, const aclIntArray *permX2, const aclIntArray *permY, int8_t cubeMathType, int32_t batchSplitFactor,
                  aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
