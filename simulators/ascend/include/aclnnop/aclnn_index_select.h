/* Facts: hicann/ops-nn@e5c3fa9327ea index/gather_v2/op_api/aclnn_index_select.h. */
#ifndef HENG_SIM_ACLNN_INDEX_SELECT_H
#define HENG_SIM_ACLNN_INDEX_SELECT_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnIndexSelect, const aclTensor *self, int64_t dim, const aclTensor *index, aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
