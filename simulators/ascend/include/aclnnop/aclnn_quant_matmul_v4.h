/* Facts: hicann/ops-nn@e5c3fa9327ea matmul/quant_batch_matmul_v3/op_api/aclnn_quant_matmul_v4.h. */
#ifndef HENG_SIM_ACLNN_QUANT_MATMUL_V4_H
#define HENG_SIM_ACLNN_QUANT_MATMUL_V4_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnQuantMatmulV4, const aclTensor *x1, const aclTensor *x2, const aclTensor *scale, const aclTensor *offset,
                  const aclTensor *pertokenScaleOptional, const aclTensor *bias, bool transposeX1, bool transposeX2, const aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
