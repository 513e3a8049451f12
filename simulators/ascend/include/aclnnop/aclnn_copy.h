/* Facts: hicann/ops-math@c41933244c31 conversion/view_copy/op_api/aclnn_copy.h. */
#ifndef HENG_SIM_ACLNN_COPY_H
#define HENG_SIM_ACLNN_COPY_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnInplaceCopy, aclTensor *selfRef, const aclTensor *src);

#ifdef __cplusplus
}
#endif

#endif
