/* Facts: hicann/ops-nn@e5c3fa9327ea index/embedding/op_api/aclnn_embedding.h. */
#ifndef HENG_SIM_ACLNN_EMBEDDING_H
#define HENG_SIM_ACLNN_EMBEDDING_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnEmbedding, const aclTensor *weight, const aclTensor *indices, const aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
