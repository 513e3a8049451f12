/* Facts: hicann/opbase@aa3cd74b7f6d include/nnopbase/aclnn/aclnn_base.h. */
#ifndef HENG_SIM_ACLNN_BASE_H
#define HENG_SIM_ACLNN_BASE_H

#include "aclnn/acl_meta.h"

#ifdef __cplusplus
extern "C" {
#endif

aclnnStatus aclnnInit(const char *configPath);
aclnnStatus aclnnFinalize(void);

#ifdef __cplusplus
}
#endif

/* Every operator: a first phase with a list of its own, and a second phase that is the same for all. */
#define HENG_SIM_OPERATOR(name, ...)                                                                                            \
    aclnnStatus name##GetWorkspaceSize(__VA_ARGS__, uint64_t *workspaceSize, aclOpExecutor **executor);                        \
    aclnnStatus name(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream)

#endif
