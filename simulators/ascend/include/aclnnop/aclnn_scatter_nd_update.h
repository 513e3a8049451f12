/* Facts: hicann/ops-nn@e5c3fa9327ea index/scatter_nd_update/op_api/aclnn_scatter_nd_update.h. */
#ifndef HENG_SIM_ACLNN_SCATTER_ND_UPDATE_H
#define HENG_SIM_ACLNN_SCATTER_ND_UPDATE_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnScatterNdUpdate, aclTensor *varRef, const aclTensor *indices, const aclTensor *updates);

#ifdef __cplusplus
}
#endif

#endif
