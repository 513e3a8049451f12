/*
 * Attention over a paged cache, one query row for each sequence. Source: mirror-cann/ops-transformer@3a280bcc34d8
 * attention/fused_infer_attention_score/docs aclnnFusedInferAttentionScoreV3.md, V4.md (A2, A3) and V5.md (950).
 *
 * As the document has it, bfloat16 knows no higher precision: scores and sums are float32, probabilities go to the matrix unit in the type of the query.
 */
#include "aclnnop/aclnn_fused_infer_attention_score_v3.h"
#include "aclnnop/aclnn_fused_infer_attention_score_v4.h"
#include "aclnnop/aclnn_fused_infer_attention_score_v5.h"
#include "op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUERY, KEY, VALUE, TABLE, QUERY_ROPE, KEY_ROPE, OUT };

/* The scores of one head of one row, and their largest. */
static float score(const sim_call *call, int64_t b, int64_t h, int64_t slot, int64_t kv_head) {
    const sim_view *q = sim_at(call, QUERY), *k = sim_at(call, KEY), *qr = sim_at(call, QUERY_ROPE), *kr = sim_at(call, KEY_ROPE);
    int64_t heads = q->dims[2], width = q->dims[3], kv_heads = call->integers[1];
    float sum = 0;
    for (int64_t i = 0; i < width; i++) sum += (float)(sim_get(q, (b * heads + h) * width + i) * sim_get(k, (slot * kv_heads + kv_head) * width + i));
    int64_t rope = qr ? qr->dims[3] : 0;
    for (int64_t i = 0; i < rope; i++) sum += (float)(sim_get(qr, (b * heads + h) * rope + i) * sim_get(kr, slot * rope + i));
    return sum * (float)call->reals[0];
}

static double rounded(const sim_view *like, double value) {
    char bytes[8];
    sim_view one = {.dtype = like->dtype, .dense = true, .data = bytes};
    sim_put(&one, 0, value);
    return sim_get(&one, 0);
}

static int attend(sim_call *call, int64_t b, int64_t length, float *scores, float *sums) {
    const sim_view *q = sim_at(call, QUERY), *k = sim_at(call, KEY), *v = sim_at(call, VALUE), *table = sim_at(call, TABLE), *out = sim_at(call, OUT);
    int64_t heads = q->dims[2], kv_heads = call->integers[1], block = call->integers[2], width = sim_elements(v) / (v->dims[0] * block * kv_heads);
    for (int64_t h = 0; h < heads; h++) {
        int64_t kv_head = h / (heads / kv_heads);
        float most = -INFINITY, total = 0;
        for (int64_t s = 0; s < length; s++) {
            int64_t page = (int64_t)sim_get(table, b * table->dims[1] + s / block);
            if (page < 0 || page >= k->dims[0]) {
                snprintf(call->failure, 512, "%s: blockTable names block %ld of %ld", call->name, (long)page, (long)k->dims[0]);
                return ACL_ERROR_RT_AICORE_EXCEPTION;
            }
            scores[s] = score(call, b, h, page * block + s % block, kv_head);
            if (scores[s] > most || isnan(scores[s])) most = scores[s];
        }
        for (int64_t i = 0; i < width; i++) sums[i] = 0;
        for (int64_t s = 0; s < length; s++) {
            float p = expf(scores[s] - most);
            total += p;
            double weight = rounded(q, p);
            int64_t slot = (int64_t)sim_get(table, b * table->dims[1] + s / block) * block + s % block;
            for (int64_t i = 0; i < width; i++) sums[i] += (float)(weight * sim_get(v, (slot * kv_heads + kv_head) * width + i));
        }
        int64_t to = call->integers[3] ? (h * q->dims[0] + b) * width : (b * heads + h) * width;
        for (int64_t i = 0; i < width; i++) sim_put(out, to + i, length ? sums[i] / total : 0);
    }
    return 0;
}

static int run_attention(sim_call *call) {
    const sim_view *q = sim_at(call, QUERY);
    int64_t longest = 1;
    const sim_ints *lengths = call->lists[1];
    for (int i = 0; i < lengths->size; i++)
        if (lengths->values[i] > longest) longest = lengths->values[i];
    float *scores = malloc(sizeof(float) * (size_t)longest), *sums = malloc(sizeof(float) * 1024);
    int error = 0;
    for (int64_t b = 0; b < q->dims[0] && !error; b++) error = attend(call, b, lengths->values[lengths->size == 1 ? 0 : b], scores, sums);
    free(scores);
    free(sums);
    return error;
}

static void check_latent(sim_call *call, const char *doc, int64_t heads, int64_t kv_heads) {
    const sim_view *q = sim_at(call, QUERY), *k = sim_at(call, KEY), *qr = sim_at(call, QUERY_ROPE), *kr = sim_at(call, KEY_ROPE);
    sim_require(call, qr && kr, doc, "queryRope and keyRope come together");
    if (!qr || !kr) return;
    sim_require(call, q->dims[3] == 512 && kv_heads == 1, doc, "with rope apart in a paged cache the width is 512 and there is one key head");
    sim_require(call, heads >= 1 && heads <= 128 && (heads & (heads - 1)) == 0, doc, "1, 2, 4 ... 128 heads, not %ld", (long)heads);
    sim_require(call, qr->rank == 4 && qr->dims[0] == q->dims[0] && qr->dims[1] == 1 && qr->dims[2] == q->dims[2] && qr->dims[3] == 64, doc,
                "queryRope is as query, 64 wide");
    sim_require(call, kr->rank == k->rank && kr->dims[0] == k->dims[0] && kr->dims[1] == k->dims[1] && kr->dims[kr->rank - 1] == 64, doc,
                "keyRope is as key, 64 wide");
}

static void check_attention(sim_call *call, const char *doc, int64_t numHeads, double scaleValue, const char *inputLayout, int64_t numKeyValueHeads,
                            int64_t sparseMode, int64_t innerPrecise, int64_t blockSize, bool softmaxLseFlag) {
    const sim_view *q = sim_at(call, QUERY), *k = sim_at(call, KEY), *v = sim_at(call, VALUE), *table = sim_at(call, TABLE), *out = sim_at(call, OUT);
    sim_require(call, q && k && v && table && out, doc, "query, key, value, blockTable and attentionOut are given (only a paged cache is simulated)");
    if (call->error) return;
    bool turned = inputLayout && !strcmp(inputLayout, "BSND_NBSD");
    sim_bool(call, "softmaxLseFlag", softmaxLseFlag);
    sim_require(call, turned || (inputLayout && !strcmp(inputLayout, "BSND")), "the simulator", "layouts BSND and BSND_NBSD are simulated");
    sim_require(call, q->rank == 4 && q->dims[1] == 1 && q->dims[2] == numHeads, "the simulator", "query [batch, 1, heads, width] is simulated");
    sim_require(call, q->dtype == k->dtype && q->dtype == v->dtype && q->dtype == out->dtype, doc, "query, key, value and attentionOut of one type");
    sim_require(call, numKeyValueHeads >= 1 && numHeads % numKeyValueHeads == 0, doc, "key heads divide heads");
    sim_require(call, k->rank == 3 && k->dims[1] == blockSize && v->rank == 3 && v->dims[0] == k->dims[0] && v->dims[1] == blockSize, doc,
                "key and value [blocks, blockSize, heads * width]");
    if (call->error) return;
    int64_t width = v->dims[2] / numKeyValueHeads;
    sim_require(call, k->dims[2] == numKeyValueHeads * q->dims[3] && width == q->dims[3] && width <= 512 && width % 16 == 0 && k->dims[2] <= 65535, doc,
                "one width for query, key and value, 512 at most; 65535 for all heads");
    sim_require(call, blockSize > 0 && blockSize % 16 == 0 && blockSize <= (sim_at(call, QUERY_ROPE) ? 1024 : 512), doc,
                "blockSize is a multiple of 16, 512 at most (1024 with rope apart), not %ld", (long)blockSize);
    sim_require(call, table->rank == 2 && table->dims[0] == q->dims[0], doc, "blockTable has a row for each sequence");
    const sim_ints *lengths = call->lists[1];
    sim_require(call, lengths && (lengths->size == 1 || lengths->size >= q->dims[0]), doc, "actualSeqLengthsKv has a number for each sequence");
    if (call->error) return;
    for (int i = 0; i < lengths->size; i++)
        sim_require(call, lengths->values[i] >= 0 && (lengths->values[i] + blockSize - 1) / blockSize <= table->dims[1], doc,
                    "a sequence of %ld is not negative, and its blocks are in the table", (long)lengths->values[i]);
    sim_require(call, sparseMode == 0, doc, "with one query row the sparse mode is 0");
    sim_require(call, innerPrecise >= 0 && innerPrecise <= 3, doc, "innerPrecise %ld", (long)innerPrecise);
    if (sim_at(call, QUERY_ROPE) || sim_at(call, KEY_ROPE)) check_latent(call, doc, numHeads, numKeyValueHeads);
    if (turned)
        sim_require(call, out->rank == 4 && out->dims[0] == numHeads && out->dims[1] == q->dims[0] && out->dims[3] == width, doc,
                    "attentionOut is [heads, batch, 1, width] in layout BSND_NBSD");
    else sim_require(call, sim_same_dims(out, q), doc, "attentionOut has the shape of query");
    for (int i = 0; i < call->count; i++)
        sim_require(call, !call->operands[i].tensor || call->operands[i].view.dense, doc, "%s is contiguous", call->operands[i].name);
    call->integers[0] = numHeads;
    call->integers[1] = numKeyValueHeads;
    call->integers[2] = blockSize;
    call->integers[3] = turned;
    call->reals[0] = scaleValue;
}

/* Begins a call of any version with the operands that all of them have. */
static sim_call *begin(const char *name, const aclTensor *query, const aclTensorList *key, const aclTensorList *value, const aclTensor *blockTable, const aclTensor *queryRope,
                       const aclTensor *keyRope, const aclTensor *attentionOut, const aclIntArray *lengths, uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_call *call = sim_begin(name, run_attention, workspaceSize, executor);
    sim_input(call, "query", query, F16 | BF16);
    sim_single(call, "key", key, F16 | BF16, false);
    sim_single(call, "value", value, F16 | BF16, false);
    sim_input(call, "blockTableOptional", blockTable, I32);
    sim_optional(call, "queryRopeOptional", queryRope, F16 | BF16, false);
    sim_optional(call, "keyRopeOptional", keyRope, F16 | BF16, false);
    sim_output(call, "attentionOut", attentionOut, F16 | BF16);
    sim_list(call, "actualSeqLengthsKvOptional", lengths, 1);
    return call;
}

SIM_API aclnnStatus aclnnFusedInferAttentionScoreV3GetWorkspaceSize(const aclTensor *query, const aclTensorList *key, const aclTensorList *value, const aclTensor *pseShiftOptional,
                                                     const aclTensor *attenMaskOptional, const aclIntArray *actualSeqLengthsOptional, const aclIntArray *actualSeqLengthsKvOptional,
                                                     const aclTensor *deqScale1Optional, const aclTensor *quantScale1Optional, const aclTensor *deqScale2Optional,
                                                     const aclTensor *quantScale2Optional, const aclTensor *quantOffset2Optional, const aclTensor *antiquantScaleOptional,
                                                     const aclTensor *antiquantOffsetOptional, const aclTensor *blockTableOptional, const aclTensor *queryPaddingSizeOptional,
                                                     const aclTensor *kvPaddingSizeOptional, const aclTensor *keyAntiquantScaleOptional, const aclTensor *keyAntiquantOffsetOptional,
                                                     const aclTensor *valueAntiquantScaleOptional, const aclTensor *valueAntiquantOffsetOptional,
                                                     const aclTensor *keySharedPrefixOptional, const aclTensor *valueSharedPrefixOptional,
                                                     const aclIntArray *actualSharedPrefixLenOptional, const aclTensor *queryRopeOptional, const aclTensor *keyRopeOptional,
                                                     const aclTensor *keyRopeAntiquantScaleOptional, int64_t numHeads, double scaleValue, int64_t preTokens, int64_t nextTokens, char *inputLayout,
                                                     int64_t numKeyValueHeads, int64_t sparseMode, int64_t innerPrecise, int64_t blockSize, int64_t antiquantMode, bool softmaxLseFlag,
                                                     int64_t keyAntiquantMode, int64_t valueAntiquantMode, const aclTensor *attentionOut, const aclTensor *softmaxLse, uint64_t *workspaceSize,
                                                     aclOpExecutor **executor) {
    const char *doc = "aclnnFusedInferAttentionScoreV3.md";
    sim_call *call = begin("aclnnFusedInferAttentionScoreV3", query, key, value, blockTableOptional, queryRopeOptional, keyRopeOptional, attentionOut,
                           actualSeqLengthsKvOptional, workspaceSize, executor);
    const void *absent[] = {pseShiftOptional, attenMaskOptional, actualSeqLengthsOptional, deqScale1Optional, quantScale1Optional,
                                    deqScale2Optional, quantScale2Optional, quantOffset2Optional, antiquantScaleOptional, antiquantOffsetOptional,
                                    queryPaddingSizeOptional, kvPaddingSizeOptional, keyAntiquantScaleOptional, keyAntiquantOffsetOptional,
                                    valueAntiquantScaleOptional, valueAntiquantOffsetOptional, keySharedPrefixOptional, valueSharedPrefixOptional,
                                    actualSharedPrefixLenOptional, keyRopeAntiquantScaleOptional, softmaxLse};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) sim_absent(call, "an optional argument", absent[i]);
    (void)preTokens;
    (void)nextTokens;
    if (call) {
        sim_require(call, antiquantMode == 0 && keyAntiquantMode == 0 && valueAntiquantMode == 0, "the simulator", "modes of absent arguments are 0");
        check_attention(call, doc, numHeads, scaleValue, inputLayout, numKeyValueHeads, sparseMode, innerPrecise, blockSize, softmaxLseFlag);
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnFusedInferAttentionScoreV3)

SIM_API aclnnStatus aclnnFusedInferAttentionScoreV4GetWorkspaceSize(const aclTensor *query, const aclTensorList *key, const aclTensorList *value, const aclTensor *pseShiftOptional,
                                                     const aclTensor *attenMaskOptional, const aclIntArray *actualSeqLengthsOptional, const aclIntArray *actualSeqLengthsKvOptional,
                                                     const aclTensor *deqScale1Optional, const aclTensor *quantScale1Optional, const aclTensor *deqScale2Optional,
                                                     const aclTensor *quantScale2Optional, const aclTensor *quantOffset2Optional, const aclTensor *antiquantScaleOptional,
                                                     const aclTensor *antiquantOffsetOptional, const aclTensor *blockTableOptional, const aclTensor *queryPaddingSizeOptional,
                                                     const aclTensor *kvPaddingSizeOptional, const aclTensor *keyAntiquantScaleOptional, const aclTensor *keyAntiquantOffsetOptional,
                                                     const aclTensor *valueAntiquantScaleOptional, const aclTensor *valueAntiquantOffsetOptional,
                                                     const aclTensor *keySharedPrefixOptional, const aclTensor *valueSharedPrefixOptional,
                                                     const aclIntArray *actualSharedPrefixLenOptional, const aclTensor *queryRopeOptional, const aclTensor *keyRopeOptional,
                                                     const aclTensor *keyRopeAntiquantScaleOptional, const aclTensor *dequantScaleQueryOptional,
                                                     const aclTensor *learnableSinkOptional, int64_t numHeads, double scaleValue, int64_t preTokens, int64_t nextTokens, char *inputLayout,
                                                     int64_t numKeyValueHeads, int64_t sparseMode, int64_t innerPrecise, int64_t blockSize, int64_t antiquantMode, bool softmaxLseFlag,
                                                     int64_t keyAntiquantMode, int64_t valueAntiquantMode, int64_t queryQuantMode, const aclTensor *attentionOut, const aclTensor *softmaxLse, uint64_t *workspaceSize,
                                                     aclOpExecutor **executor) {
    const char *doc = "aclnnFusedInferAttentionScoreV4.md";
    sim_call *call = begin("aclnnFusedInferAttentionScoreV4", query, key, value, blockTableOptional, queryRopeOptional, keyRopeOptional, attentionOut,
                           actualSeqLengthsKvOptional, workspaceSize, executor);
    const void *absent[] = {pseShiftOptional, attenMaskOptional, actualSeqLengthsOptional, deqScale1Optional, quantScale1Optional,
                                    deqScale2Optional, quantScale2Optional, quantOffset2Optional, antiquantScaleOptional, antiquantOffsetOptional,
                                    queryPaddingSizeOptional, kvPaddingSizeOptional, keyAntiquantScaleOptional, keyAntiquantOffsetOptional,
                                    valueAntiquantScaleOptional, valueAntiquantOffsetOptional, keySharedPrefixOptional, valueSharedPrefixOptional,
                                    actualSharedPrefixLenOptional, keyRopeAntiquantScaleOptional, dequantScaleQueryOptional, learnableSinkOptional, softmaxLse};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) sim_absent(call, "an optional argument", absent[i]);
    (void)preTokens;
    (void)nextTokens;
    if (call) {
        sim_require(call, antiquantMode == 0 && keyAntiquantMode == 0 && valueAntiquantMode == 0 && queryQuantMode == 0, "the simulator", "modes of absent arguments are 0");
        check_attention(call, doc, numHeads, scaleValue, inputLayout, numKeyValueHeads, sparseMode, innerPrecise, blockSize, softmaxLseFlag);
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnFusedInferAttentionScoreV4)

SIM_API aclnnStatus aclnnFusedInferAttentionScoreV5GetWorkspaceSize(const aclTensor *query, const aclTensorList *key, const aclTensorList *value, const aclTensor *pseShiftOptional,
                                                     const aclTensor *attenMaskOptional, const aclIntArray *actualSeqLengthsOptional, const aclIntArray *actualSeqLengthsKvOptional,
                                                     const aclTensor *deqScale1Optional, const aclTensor *quantScale1Optional, const aclTensor *deqScale2Optional,
                                                     const aclTensor *quantScale2Optional, const aclTensor *quantOffset2Optional, const aclTensor *antiquantScaleOptional,
                                                     const aclTensor *antiquantOffsetOptional, const aclTensor *blockTableOptional, const aclTensor *queryPaddingSizeOptional,
                                                     const aclTensor *kvPaddingSizeOptional, const aclTensor *keyAntiquantScaleOptional, const aclTensor *keyAntiquantOffsetOptional,
                                                     const aclTensor *valueAntiquantScaleOptional, const aclTensor *valueAntiquantOffsetOptional,
                                                     const aclTensor *keySharedPrefixOptional, const aclTensor *valueSharedPrefixOptional,
                                                     const aclIntArray *actualSharedPrefixLenOptional, const aclTensor *queryRopeOptional, const aclTensor *keyRopeOptional,
                                                     const aclTensor *keyRopeAntiquantScaleOptional, const aclTensor *dequantScaleQueryOptional,
                                                     const aclTensor *learnableSinkOptional, const aclIntArray *qStartIdxOptional, const aclIntArray *kvStartIdxOptional,
                                                     int64_t numHeads, double scaleValue, int64_t preTokens, int64_t nextTokens, char *inputLayout,
                                                     int64_t numKeyValueHeads, int64_t sparseMode, int64_t innerPrecise, int64_t blockSize, int64_t antiquantMode, bool softmaxLseFlag,
                                                     int64_t keyAntiquantMode, int64_t valueAntiquantMode, int64_t queryQuantMode, int64_t pseType, const aclTensor *attentionOut, const aclTensor *softmaxLse, uint64_t *workspaceSize,
                                                     aclOpExecutor **executor) {
    const char *doc = "aclnnFusedInferAttentionScoreV5.md";
    sim_call *call = begin("aclnnFusedInferAttentionScoreV5", query, key, value, blockTableOptional, queryRopeOptional, keyRopeOptional, attentionOut,
                           actualSeqLengthsKvOptional, workspaceSize, executor);
    const void *absent[] = {pseShiftOptional, attenMaskOptional, actualSeqLengthsOptional, deqScale1Optional, quantScale1Optional,
                                    deqScale2Optional, quantScale2Optional, quantOffset2Optional, antiquantScaleOptional, antiquantOffsetOptional,
                                    queryPaddingSizeOptional, kvPaddingSizeOptional, keyAntiquantScaleOptional, keyAntiquantOffsetOptional,
                                    valueAntiquantScaleOptional, valueAntiquantOffsetOptional, keySharedPrefixOptional, valueSharedPrefixOptional,
                                    actualSharedPrefixLenOptional, keyRopeAntiquantScaleOptional, dequantScaleQueryOptional, learnableSinkOptional,
                                    qStartIdxOptional, kvStartIdxOptional, softmaxLse};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) sim_absent(call, "an optional argument", absent[i]);
    (void)preTokens;
    (void)nextTokens;
    if (call) {
        sim_require(call, antiquantMode == 0 && keyAntiquantMode == 0 && valueAntiquantMode == 0 && queryQuantMode == 0 && pseType == 0, "the simulator", "modes of absent arguments are 0");
        check_attention(call, doc, numHeads, scaleValue, inputLayout, numKeyValueHeads, sparseMode, innerPrecise, blockSize, softmaxLseFlag);
    }
    return sim_finish(call, workspaceSize, executor);
}
SIM_SECOND_PHASE(aclnnFusedInferAttentionScoreV5)
