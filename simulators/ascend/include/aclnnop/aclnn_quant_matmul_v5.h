/* Facts: hicann/ops-nn@e5c3fa9327ea matmul/quant_batch_matmul_v4/op_host/op_api/aclnn_quant_matmul_v5.h. */
#ifndef HENG_SIM_ACLNN_QUANT_MATMUL_V5_H
#define HENG_SIM_ACLNN_QUANT_MATMUL_V5_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnQuantMatmulV5, const aclTensor *x1, const aclTensor *x2, const aclTensor *x1Scale, const aclTensor *x2Scale,
                  const aclTensor *yScale, const aclTensor *x1Offset, const aclTensor *x2Offset, const aclTensor *yOffset, const aclTensor *bias,
                  bool transposeX1, bool transposeX2, int64_t groupSize, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
