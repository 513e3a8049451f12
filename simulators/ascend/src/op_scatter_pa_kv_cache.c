/* Rows of a paged cache. Source: mirror-cann/ops-transformer@3a280bcc34d8 attention/scatter_pa_kv_cache/docs/aclnnScatterPaKvCache.md, scenario two. */
#include "aclnnop/aclnn_scatter_pa_kv_cache.h"
#include "op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY, KEY_CACHE, SLOTS, VALUE, VALUE_CACHE };

static int run_scatter_pages(sim_call *call) {
    const sim_view *slots = sim_at(call, SLOTS), *caches[] = {sim_at(call, KEY_CACHE), sim_at(call, VALUE_CACHE)}, *rows[] = {sim_at(call, KEY), sim_at(call, VALUE)};
    int64_t count = sim_elements(slots), room = caches[0]->dims[0] * caches[0]->dims[1];
    bool *seen = calloc((size_t)room + 1, 1);
    int error = 0;
    for (int64_t r = 0; r < count && !error; r++) {
        int64_t slot = (int64_t)sim_get(slots, r);
        if (slot < 0 || slot >= room || seen[slot]) {
            snprintf(call->failure, 512, "%s: slotMapping holds %ld, which is out of 0..%ld or there twice (aclnnScatterPaKvCache.md)", call->name, (long)slot,
                     (long)room - 1);
            error = ACL_ERROR_RT_AICORE_EXCEPTION;
            break;
        }
        seen[slot] = true;
        for (int p = 0; p < 2; p++) {
            int64_t width = sim_elements(rows[p]) / count;
            for (int64_t i = 0; i < width; i++) sim_move(caches[p], slot * width + i, rows[p], r * width + i);
        }
    }
    free(seen);
    return error;
}

SIM_API aclnnStatus aclnnScatterPaKvCacheGetWorkspaceSize(const aclTensor *key, aclTensor *keyCacheRef, const aclTensor *slotMapping, const aclTensor *value,
                                                          aclTensor *valueCacheRef, const aclTensor *compressLensOptional,
                                                          const aclTensor *compressSeqOffsetOptional, const aclTensor *seqLensOptional,
                                                          char *cacheModeOptional, char *scatterModeOptional, const aclIntArray *stridesOptional,
                                                          const aclIntArray *offsetsOptional, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin("aclnnScatterPaKvCache", run_scatter_pages, workspaceSize, executor);
    sim_input(call, "key", key, FLOATS | I8 | I32);
    sim_output(call, "keyCacheRef", keyCacheRef, FLOATS | I8 | I32);
    sim_input(call, "slotMapping", slotMapping, INDICES);
    sim_input(call, "value", value, FLOATS | I8 | I32);
    sim_output(call, "valueCacheRef", valueCacheRef, FLOATS | I8 | I32);
    const void *absent[] = {compressLensOptional, compressSeqOffsetOptional, seqLensOptional, stridesOptional, offsetsOptional};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) sim_absent(call, "an optional argument", absent[i]);
    const char *doc = "aclnnScatterPaKvCache.md";
    const sim_view *k = call ? sim_at(call, KEY) : 0, *kc = call ? sim_at(call, KEY_CACHE) : 0, *s = call ? sim_at(call, SLOTS) : 0,
                   *v = call ? sim_at(call, VALUE) : 0, *vc = call ? sim_at(call, VALUE_CACHE) : 0;
    if (k && kc && s && v && vc) {
        sim_require(call, !cacheModeOptional || !strcmp(cacheModeOptional, "Norm"), "the simulator", "cacheMode Norm is simulated");
        sim_require(call, !scatterModeOptional || !strcmp(scatterModeOptional, "None"), "the simulator", "scatterMode None is simulated");
        sim_require(call, k->dtype == kc->dtype && k->dtype == v->dtype && k->dtype == vc->dtype, doc, "key, value and caches of one type");
        sim_require(call, k->rank == 3 && v->rank == 3 && kc->rank == 4 && vc->rank == 4 && s->rank == 1, doc,
                    "key and value [rows, heads, width], caches [blocks, blockSize, heads, width], slotMapping [rows]");
        sim_require(call, k->dims[0] == s->dims[0] && v->dims[0] == s->dims[0] && k->dims[0] > 0, doc, "a slot for each row, and rows (no empty tensors)");
        sim_require(call, kc->dims[0] == vc->dims[0] && kc->dims[1] == vc->dims[1] && kc->dims[2] == k->dims[1] && kc->dims[3] == k->dims[2]
                              && vc->dims[2] == v->dims[1] && vc->dims[3] == v->dims[2],
                    doc, "both caches have the same blocks, and the widths of key and value");
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnScatterPaKvCache)
