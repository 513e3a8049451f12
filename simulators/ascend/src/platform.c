/*
 * Which chips each operator is for: the table of supported products at the head of its document. Sources: NN hicann/ops-nn@e5c3fa9327ea,
 * MATH hicann/ops-math@c41933244c31, TRANSFORMER mirror-cann/ops-transformer@3a280bcc34d8.
 */
#include "op.h"

#include <string.h>

enum { A2 = 1, A3 = 2, P950 = 4, P310 = 8, TRAINING = A2 | A3 | P950, EVERY = TRAINING | P310 };

#define NN "hicann/ops-nn "
#define MATH "hicann/ops-math "
#define TRANSFORMER "mirror-cann/ops-transformer "

static const struct {
    const char *name;
    int chips;
    const char *document;
} operators[] = {
    {"aclnnAdd", TRAINING, MATH "math/add/docs/aclnnAdd&aclnnInplaceAdd.md"},
    {"aclnnAddRmsNorm", EVERY, NN "norm/add_rms_norm/docs/aclnnAddRmsNorm.md"},
    {"aclnnAddRmsNormCast", TRAINING, NN "norm/add_rms_norm_cast/docs/aclnnAddRmsNormCast.md"},
    {"aclnnApplyRotaryPosEmbV2", EVERY, TRANSFORMER "posembedding/apply_rotary_pos_emb/docs/aclnnApplyRotaryPosEmbV2.md"},
    {"aclnnArange", EVERY, MATH "math/range/docs/aclnnArange.md"},
    {"aclnnArgMax", EVERY, MATH "math/arg_max_v2/docs/aclnnArgMax.md"},
    {"aclnnBatchMatMul", EVERY, NN "matmul/batch_mat_mul_v3/docs/aclnnBatchMatMul.md"},
    {"aclnnCast", EVERY, MATH "math/cast/docs/aclnnCast.md"},
    {"aclnnCat", EVERY, MATH "conversion/concat_d/docs/aclnnCat.md"},
    {"aclnnConvertWeightToINT4Pack", TRAINING, NN "matmul/convert_weight_to_int4_pack/docs/aclnnConvertWeightToINT4Pack.md"},
    {"aclnnCumsum", EVERY, MATH "math/cumsum/docs/aclnnCumsum.md"},
    {"aclnnDiv", TRAINING, MATH "math/div/docs/aclnnDiv&aclnnInplaceDiv.md"},
    {"aclnnDynamicQuant", EVERY, NN "quant/dynamic_quant/docs/aclnnDynamicQuant.md"},
    {"aclnnDynamicQuantV2", EVERY, NN "quant/dynamic_quant_v2/docs/aclnnDynamicQuantV2.md"},
    {"aclnnEmbedding", EVERY, NN "index/embedding/docs/aclnnEmbedding.md"},
    {"aclnnEqTensor", TRAINING, MATH "math/equal/docs/aclnnEqTensor&aclnnInplaceEqTensor.md"},
    {"aclnnFusedInferAttentionScoreV2", A2 | A3, TRANSFORMER "attention/fused_infer_attention_score/docs/aclnnFusedInferAttentionScoreV2.md"},
    {"aclnnFusedInferAttentionScoreV3", A2 | A3, TRANSFORMER "attention/fused_infer_attention_score/docs/aclnnFusedInferAttentionScoreV3.md"},
    {"aclnnFusedInferAttentionScoreV4", A2 | A3, TRANSFORMER "attention/fused_infer_attention_score/docs/aclnnFusedInferAttentionScoreV4.md"},
    {"aclnnFusedInferAttentionScoreV5", P950, TRANSFORMER "attention/fused_infer_attention_score/docs/aclnnFusedInferAttentionScoreV5.md"},
    {"aclnnGatherPaKvCache", TRAINING, TRANSFORMER "attention/gather_pa_kv_cache/docs/aclnnGatherPaKvCache.md"},
    {"aclnnGatherV2", EVERY, NN "index/gather_v2/docs/aclnnGatherV2.md"},
    {"aclnnGatherV3", TRAINING, NN "index/gather_v2/docs/aclnnGatherV3.md"},
    {"aclnnGroupedMatmulSwigluQuant", A2 | A3, TRANSFORMER "gmm/grouped_matmul_swiglu_quant/docs/aclnnGroupedMatmulSwigluQuant.md"},
    {"aclnnGroupedMatmulV4", EVERY, TRANSFORMER "gmm/grouped_matmul/docs/aclnnGroupedMatmulV4.md"},
    {"aclnnGroupedMatmulV5", EVERY, TRANSFORMER "gmm/grouped_matmul/docs/aclnnGroupedMatmulV5.md"},
    {"aclnnIncreFlashAttentionV4", A2 | A3 | P310, TRANSFORMER "attention/incre_flash_attention/docs/aclnnIncreFlashAttentionV4.md"},
    {"aclnnIndexSelect", EVERY, NN "index/gather_v2/docs/aclnnIndexSelect.md"},
    {"aclnnInplaceAdd", TRAINING, MATH "math/add/docs/aclnnAdd&aclnnInplaceAdd.md"},
    {"aclnnInplaceCopy", EVERY, MATH "conversion/view_copy/docs/aclnnInplaceCopy.md"},
    {"aclnnInplaceFillScalar", EVERY, MATH "conversion/fill/docs/aclnnInplaceFillScalar.md"},
    {"aclnnInplaceIndexCopy", TRAINING, NN "index/scatter_update/docs/aclnnIndexCopy&aclnnInplaceIndexCopy.md"},
    {"aclnnInplaceZero", EVERY, MATH "math/zero_op/docs/aclnnInplaceZero.md"},
    {"aclnnInterleaveRope", P950, TRANSFORMER "posembedding/interleave_rope/docs/aclnnInterleaveRope.md"},
    {"aclnnKvRmsNormRopeCache", TRAINING, TRANSFORMER "posembedding/kv_rms_norm_rope_cache/docs/aclnnKvRmsNormRopeCache.md"},
    {"aclnnKvRmsNormRopeCacheV2", TRAINING, TRANSFORMER "posembedding/kv_rms_norm_rope_cache/docs/aclnnKvRmsNormRopeCacheV2.md"},
    {"aclnnMatmul", EVERY, NN "matmul/mat_mul_v3/docs/aclnnMatmul.md"},
    {"aclnnMatmulWeightNz", EVERY, NN "matmul/mat_mul_v3/docs/aclnnMatmulWeightNz.md"},
    {"aclnnMlaProlog", A2 | A3, TRANSFORMER "attention/mla_prolog/docs/aclnnMlaProlog.md"},
    {"aclnnMlaPrologV3WeightNz", TRAINING, TRANSFORMER "attention/mla_prolog_v3/docs/aclnnMlaPrologV3WeightNz.md"},
    {"aclnnMm", EVERY, NN "matmul/mat_mul_v3/docs/aclnnMm.md"},
    {"aclnnMoeComputeExpertTokens", TRAINING, TRANSFORMER "moe/moe_compute_expert_tokens/docs/aclnnMoeComputeExpertTokens.md"},
    {"aclnnMoeDistributeCombineV2", TRAINING, TRANSFORMER "mc2/moe_distribute_combine_v2/docs/aclnnMoeDistributeCombineV2.md"},
    {"aclnnMoeDistributeDispatchV2", TRAINING, TRANSFORMER "mc2/moe_distribute_dispatch_v2/docs/aclnnMoeDistributeDispatchV2.md"},
    {"aclnnMoeFinalizeRoutingV2", EVERY, TRANSFORMER "moe/moe_finalize_routing_v2/docs/aclnnMoeFinalizeRoutingV2.md"},
    {"aclnnMoeGatingTopK", TRAINING, TRANSFORMER "moe/moe_gating_top_k/docs/aclnnMoeGatingTopK.md"},
    {"aclnnMoeGatingTopKSoftmax", EVERY, TRANSFORMER "moe/moe_gating_top_k_softmax/docs/aclnnMoeGatingTopKSoftmax.md"},
    {"aclnnMoeGatingTopKSoftmaxV2", TRAINING, TRANSFORMER "moe/moe_gating_top_k_softmax_v2/docs/aclnnMoeGatingTopKSoftmaxV2.md"},
    {"aclnnMoeGatingTopKV2", TRAINING, TRANSFORMER "moe/moe_gating_top_k/docs/aclnnMoeGatingTopKV2.md"},
    {"aclnnMoeInitRoutingV2", EVERY, TRANSFORMER "moe/moe_init_routing_v2/docs/aclnnMoeInitRoutingV2.md"},
    {"aclnnMoeInitRoutingV3", TRAINING, TRANSFORMER "moe/moe_init_routing_v3/docs/aclnnMoeInitRoutingV3.md"},
    {"aclnnMoeTokenPermute", TRAINING, TRANSFORMER "moe/moe_token_permute/docs/aclnnMoeTokenPermute.md"},
    {"aclnnMoeTokenUnpermute", TRAINING, TRANSFORMER "moe/moe_token_unpermute/docs/aclnnMoeTokenUnpermute.md"},
    {"aclnnMul", EVERY, MATH "math/mul/docs/aclnnMul&aclnnInplaceMul.md"},
    {"aclnnMuls", EVERY, MATH "math/muls/docs/aclnnMuls&aclnnInplaceMuls.md"},
    {"aclnnNanToNum", TRAINING, MATH "math/nan_to_num/docs/aclnnNanToNum&aclnnInplaceNanToNum.md"},
    {"aclnnNpuFormatCast", TRAINING, MATH "conversion/npu_format_cast/docs/aclnnNpuFormatCast.md"},
    {"aclnnPermute", TRAINING, MATH "conversion/transpose/docs/aclnnPermute.md"},
    {"aclnnPromptFlashAttentionV3", A2 | A3 | P310, TRANSFORMER "attention/prompt_flash_attention/docs/aclnnPromptFlashAttentionV3.md"},
    {"aclnnQuantMatmulV4", EVERY, NN "matmul/quant_batch_matmul_v3/docs/aclnnQuantMatmulV4.md"},
    {"aclnnQuantMatmulV5", EVERY, NN "matmul/quant_batch_matmul_v4/docs/aclnnQuantMatmulV5.md"},
    {"aclnnReduceSum", EVERY, MATH "math/reduce_sum/docs/aclnnReduceSum.md"},
    {"aclnnRmsNorm", EVERY, NN "norm/rms_norm/docs/aclnnRmsNorm.md"},
    {"aclnnRopeWithSinCosCache", TRAINING, TRANSFORMER "posembedding/rope_with_sin_cos_cache/docs/aclnnRopeWithSinCosCache.md"},
    {"aclnnRotaryPositionEmbedding", EVERY, TRANSFORMER "posembedding/rotary_position_embedding/docs/aclnnRotaryPositionEmbedding.md"},
    {"aclnnSWhere", EVERY, MATH "math/select/docs/aclnnSWhere.md"},
    {"aclnnScatterNdUpdate", TRAINING, NN "index/scatter_nd_update/docs/aclnnScatterNdUpdate.md"},
    {"aclnnScatterPaKvCache", TRAINING, TRANSFORMER "attention/scatter_pa_kv_cache/docs/aclnnScatterPaKvCache.md"},
    {"aclnnSigmoid", EVERY, NN "activation/sigmoid/docs/aclnnSigmoid&aclnnInplaceSigmoid.md"},
    {"aclnnSilu", EVERY, NN "activation/swish/docs/aclnnSilu.md"},
    {"aclnnSlice", TRAINING, MATH "conversion/slice/docs/aclnnSlice.md"},
    {"aclnnSoftmax", EVERY, NN "activation/softmax_v2/docs/aclnnSoftmax.md"},
    {"aclnnSort", EVERY, MATH "math/sort/docs/aclnnSort.md"},
    {"aclnnSub", TRAINING, MATH "math/sub/docs/aclnnSub&aclnnInplaceSub.md"},
    {"aclnnSwiGlu", EVERY, NN "activation/swi_glu/docs/aclnnSwiGlu.md"},
    {"aclnnTopk", EVERY, MATH "math/topk/docs/aclnnTopk.md"},
    {"aclnnTransMatmulWeight", EVERY, MATH "conversion/trans_data/docs/aclnnTransMatmulWeight.md"},
    {"aclnnTransposeBatchMatMul", TRAINING, NN "matmul/transpose_batch_mat_mul/docs/aclnnTransposeBatchMatMul.md"},
    {"aclnnWeightQuantBatchMatmulV2", EVERY, NN "matmul/weight_quant_batch_matmul_v2/docs/aclnnWeightQuantBatchMatmulV2.md"},
    {"aclnnWeightQuantBatchMatmulV3", TRAINING, NN "matmul/weight_quant_batch_matmul_v2/docs/aclnnWeightQuantBatchMatmulV3.md"},
};

static int chip(void) {
    const char *soc = sim_configuration()->soc;
    if (!strcmp(soc, "a2")) return A2;
    if (!strcmp(soc, "a3")) return A3;
    return strcmp(soc, "950") ? P310 : P950;
}

bool sim_platform_has(const char *operator_name) {
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (!strcmp(operators[i].name, operator_name)) {
            if (operators[i].chips & chip()) return true;
            sim_fail(ACLNN_ERR_PARAM_INVALID, "an operator runs on the products that its document names", operators[i].document, "%s on %s", operator_name,
                     sim_configuration()->soc_name);
            return false;
        }
    sim_fail(ACLNN_ERR_PARAM_INVALID, "every operator is in the table of products", "the simulator", "%s has no line in platform.c", operator_name);
    return false;
}
