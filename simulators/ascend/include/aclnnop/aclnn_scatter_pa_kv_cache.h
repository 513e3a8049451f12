/* Facts: mirror-cann/ops-transformer@3a280bcc34d8 attention/scatter_pa_kv_cache/op_host/op_api/aclnn_scatter_pa_kv_cache.h. */
#ifndef HENG_SIM_ACLNN_SCATTER_PA_KV_CACHE_H
#define HENG_SIM_ACLNN_SCATTER_PA_KV_CACHE_H

#include "aclnn/aclnn_base.h"

#ifdef __cplusplus
extern "C" {
#endif

HENG_SIM_OPERATOR(aclnnScatterPaKvCache, const aclTensor *key, aclTensor *keyCacheRef, const aclTensor *slotMapping, const aclTensor *value,
                  aclTensor *valueCacheRef, const aclTensor *compressLensOptional, const aclTensor *compressSeqOffsetOptional,
                  const aclTensor *seqLensOptional, char *cacheModeOptional, char *scatterModeOptional, const aclIntArray *stridesOptional,
                  const aclIntArray *offsetsOptional);

#ifdef __cplusplus
}
#endif

#endif
