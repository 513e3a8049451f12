/* Facts: mirror-cann/ops-transformer@3a280bcc34d8 posembedding/interleave_rope/op_host/op_api/aclnn_rotary_position_embedding.h. */
#ifndef HENG_SIM_ACLNN_ROTARY_POSITION_EMBEDDING_H
#define HENG_SIM_ACLNN_ROTARY_POSITION_EMBEDDING_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnRotaryPositionEmbedding, const aclTensor *x, const aclTensor *cos, const aclTensor *sin, int64_t mode, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
