/* Facts: hicann/ops-nn@e5c3fa9327ea activation/swi_glu/docs/aclnnSwiGlu.md. */
#ifndef HENG_SIM_ACLNN_SWI_GLU_H
#define HENG_SIM_ACLNN_SWI_GLU_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnSwiGlu, const aclTensor *x, int64_t dim, const aclTensor *out);

#ifdef __cplusplus
}
#endif

#endif
