/* Facts: hicann/ops-nn@e5c3fa9327ea matmul/weight_quant_batch_matmul_v2/op_host/op_api/aclnn_weight_quant_batch_matmul_v2.h. */
#ifndef HENG_SIM_ACLNN_WEIGHT_QUANT_BATCH_MATMUL_V2_H
#define HENG_SIM_ACLNN_WEIGHT_QUANT_BATCH_MATMUL_V2_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnWeightQuantBatchMatmulV2, const aclTensor *x, const aclTensor *weight, const aclTensor *antiquantScale,
                  const aclTensor *antiquantOffsetOptional, const aclTensor *quantScaleOptional, const aclTensor *quantOffsetOptional,
                  const aclTensor *biasOptional, int antiquantGroupSize, const aclTensor *y);

#ifdef __cplusplus
}
#endif

#endif
