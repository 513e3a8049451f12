"""The models: for each a configuration, how its weights are stored and what is special about its random values.

Sizes are small, odd where the layout allows it and different from each other, so that a swapped dimension cannot pass.
"""

import dataclasses
from typing import Callable

import numpy as np

import checkpoint


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    note: str
    config: dict
    seed: int = 1
    store: Callable = checkpoint.bf16
    quantise: Callable | None = None
    shards: Callable | None = None
    transformers5: bool = False
    bias_mean: float = 0.0
    bias_spread: float = 0.1
    attention_bias: tuple = ()
    mtp: bool = False
    qk_norm: bool = False
    small_latent: bool = False
    long: int = 0
    activation_margin: float = 0.0
    embedding_gain: float = 0.7
    unquantised: tuple = ("lm_head", ".mlp.gate.", "embed_tokens", "eh_proj")


COMMON = {
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
    "attention_bias": False,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "use_cache": True,
    "torch_dtype": "bfloat16",
    "bos_token_id": 0,
    "eos_token_id": 1,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "vocab_size": 163,
}


def v3(**changes):
    return COMMON | {
        "architectures": ["DeepseekV3ForCausalLM"],
        "model_type": "deepseek_v3",
        "hidden_size": 69,
        "intermediate_size": 101,
        "moe_intermediate_size": 17,
        "num_hidden_layers": 2,
        "num_nextn_predict_layers": 1,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "q_lora_rank": 35,
        "kv_lora_rank": 21,
        "qk_nope_head_dim": 11,
        "qk_rope_head_dim": 6,
        "v_head_dim": 13,
        "n_routed_experts": 12,
        "n_shared_experts": 1,
        "num_experts_per_tok": 4,
        "n_group": 4,
        "topk_group": 2,
        "topk_method": "noaux_tc",
        "scoring_func": "sigmoid",
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
        "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
        "aux_loss_alpha": 0.001,
        "seq_aux": True,
        "pretraining_tp": 1,
        "ep_size": 1,
        "rope_scaling": None,
    } | changes


def glm(**changes):
    return COMMON | {
        "architectures": ["Glm4MoeForCausalLM"],
        "model_type": "glm4_moe",
        "attention_bias": True,
        "partial_rotary_factor": 0.5,
        "use_qk_norm": False,
        "rope_theta": 1000000.0,
        "rope_scaling": None,
        "rms_norm_eps": 1e-5,
        "hidden_size": 66,
        "intermediate_size": 91,
        "moe_intermediate_size": 19,
        "num_hidden_layers": 3,
        "num_nextn_predict_layers": 1,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 20,
        "n_routed_experts": 10,
        "n_shared_experts": 1,
        "num_experts_per_tok": 3,
        "n_group": 1,
        "topk_group": 1,
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
        "first_k_dense_replace": 1,
    } | changes


def qwen3(**changes):
    return COMMON | {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
        "output_router_logits": False,
        "router_aux_loss_coef": 0.001,
        "rope_theta": 1000000.0,
        "rope_scaling": None,
        "sliding_window": None,
        "use_sliding_window": False,
        "max_window_layers": 3,
        "hidden_size": 60,
        "intermediate_size": 87,
        "moe_intermediate_size": 21,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "num_key_value_heads": 3,
        "head_dim": 14,
        "num_experts": 11,
        "num_experts_per_tok": 3,
    } | changes


def compressed(weights, activations, layout, ignore):
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "quantization_status": "compressed",
        "ignore": ignore,
        "kv_cache_scheme": None,
        "global_compression_ratio": None,
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {
                    "num_bits": 8,
                    "type": "int",
                    "symmetric": True,
                    "dynamic": False,
                    "strategy": "channel",
                    "group_size": None,
                    "actorder": None,
                    "block_structure": None,
                    "observer": "minmax",
                    "observer_kwargs": {},
                }
                | weights,
                "input_activations": activations,
                "output_activations": None,
            }
        },
    }


W8A8 = compressed(
    {},
    {
        "num_bits": 8,
        "type": "int",
        "symmetric": True,
        "dynamic": True,
        "strategy": "token",
        "group_size": None,
        "actorder": None,
        "block_structure": None,
        "observer": None,
        "observer_kwargs": {},
    },
    "int-quantized",
    ["lm_head", "re:.*mlp.gate$", "re:.*kv_b_proj$"],
)

FP8 = {
    "activation_scheme": "dynamic",
    "fmt": "e4m3",
    "quant_method": "fp8",
    "scale_fmt": "ue8m0",
    "weight_block_size": [128, 128],
}


def yarn(mscale, all_dimensions, original, factor=40):
    return {
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": factor,
        "mscale": mscale,
        "mscale_all_dim": all_dimensions,
        "original_max_position_embeddings": original,
        "type": "yarn",
    }


def apart(name):
    """Three shards; a weight and its scale never share one."""
    if name.endswith("weight_scale_inv"):
        return 2
    return sum(name.encode()) % 2


CASES = [
    Case(
        "glm4-moe-tiny",
        "GLM-4.5-Air layout: grouped-query attention with q, k, v biases, rotary on the first half of each head, sigmoid router "
        "with bias, one dense layer; hub form",
        glm(),
        bias_mean=0.05,
        attention_bias=("q_proj", "k_proj", "v_proj"),
    ),
    Case(
        "glm4-moe-tiny-qk-norm",
        "GLM-4.5 layout: the same with q and k norms per head (before the rotation), two groups; transformers 5 form",
        glm(use_qk_norm=True, head_dim=12, num_attention_heads=5, num_key_value_heads=1, hidden_size=65, n_group=2, topk_group=1,
            routed_scaling_factor=1.0),
        bias_mean=-0.05,
        attention_bias=("q_proj", "k_proj", "v_proj"),
        qk_norm=True,
        transformers5=True,
    ),
    Case("qwen3-moe-tiny", "softmax router renormalised over the chosen, q and k norms, no shared expert; hub form", qwen3(), qk_norm=True),
    Case(
        "qwen3-moe-tiny-sparse-step",
        "decoder_sparse_step 2 and mlp_only_layers [3]: of five layers only layer 1 is sparse; not renormalised; transformers 5 form",
        qwen3(decoder_sparse_step=2, mlp_only_layers=[3], num_hidden_layers=5, hidden_size=54, num_attention_heads=3,
              num_key_value_heads=1, head_dim=22, norm_topk_prob=False),
        qk_norm=True,
        transformers5=True,
    ),
    Case(
        "deepseek-moe-tiny",
        "DeepSeek-MoE-16B (V1) layout: multi-head attention, half-split rotary, softmax greedy router without renormalisation, two "
        "shared experts as one MLP, first layer dense",
        COMMON
        | {
            "architectures": ["DeepseekForCausalLM"],
            "auto_map": {
                "AutoConfig": "configuration_deepseek.DeepseekConfig",
                "AutoModel": "modeling_deepseek.DeepseekModel",
                "AutoModelForCausalLM": "modeling_deepseek.DeepseekForCausalLM",
            },
            "model_type": "deepseek",
            "hidden_size": 70,
            "intermediate_size": 99,
            "moe_intermediate_size": 15,
            "num_hidden_layers": 3,
            "num_attention_heads": 5,
            "num_key_value_heads": 5,
            "n_routed_experts": 11,
            "n_shared_experts": 2,
            "num_experts_per_tok": 3,
            "norm_topk_prob": False,
            "scoring_func": "softmax",
            "first_k_dense_replace": 1,
            "moe_layer_freq": 1,
            "aux_loss_alpha": 0.001,
            "seq_aux": True,
            "pretraining_tp": 1,
            "rope_scaling": None,
        },
    ),
    Case("deepseek-v3-tiny-tied", "tie_word_embeddings true: the file has no lm_head", v3(tie_word_embeddings=True), embedding_gain=0.15),
    Case(
        "deepseek-v3-tiny-no-q-lora",
        "q_lora_rank null (one q_proj) in a sigmoid-routed model, two shared experts as one MLP",
        v3(q_lora_rank=None, n_shared_experts=2, n_group=3, topk_group=2),
    ),
    Case(
        "deepseek-v3-tiny-mtp",
        "a complete multi-token-prediction layer behind the last one (model.layers.2, with its own embedding, head, eh_proj and "
        "norms) that must be recognised and skipped",
        v3(n_routed_experts=8, n_group=2, topk_group=1, num_experts_per_tok=3),
        mtp=True,
    ),
    Case("deepseek-v3-tiny-f16", "float16 weights", v3(torch_dtype="float16", n_routed_experts=9, n_group=3), store=checkpoint.f16),
    Case(
        "deepseek-v3-tiny-f32",
        "float32 weights; rms_norm_eps 1e-3 and small latents, so that the norms inside MLA betray an eps other than 1e-6",
        v3(torch_dtype="float32", rms_norm_eps=1e-3, n_routed_experts=8, n_group=2, topk_group=1, moe_intermediate_size=15),
        store=checkpoint.f32,
        small_latent=True,
    ),
    Case(
        "deepseek-v3-tiny-bias-high",
        "router biases around +7 (choice only: a bias in the weights, or one kept in bf16, shows at once)",
        v3(),
        bias_mean=7.0,
        bias_spread=0.05,
    ),
    Case(
        "deepseek-v3-tiny-bias-negative",
        "every router bias below -1, so every choice score is negative: masking dropped groups with 0 picks them",
        v3(n_group=4, topk_group=1, num_experts_per_tok=3),
        bias_mean=-1.6,
    ),
    Case(
        "deepseek-v3-tiny-all-moe",
        "first_k_dense_replace 0; YaRN with mscale 1.0 and mscale_all_dim 0.707, so that cos and sin carry a factor too, and with a "
        "rope_theta of 20, so that the ramp ends beyond the last pair (it is clamped to width - 1, not width / 2 - 1)",
        v3(first_k_dense_replace=0, rope_theta=20.0, rope_scaling=yarn(1.0, 0.707, 64), max_position_embeddings=2560),
    ),
    Case(
        "deepseek-v3-tiny-attention-bias",
        "attention_bias true: biases on q_a_proj, kv_a_proj_with_mqa and o_proj, none on q_b_proj and kv_b_proj",
        v3(num_hidden_layers=3, attention_bias=True),
        attention_bias=("q_a_proj", "kv_a_proj_with_mqa", "o_proj"),
        transformers5=True,
    ),
    Case(
        "deepseek-v3-tiny-fp8-ue8m0",
        "float8 e4m3 with power-of-two F32 weight_scale_inv (scale_fmt ue8m0), partial 128x128 blocks, three shards with each "
        "weight and its scale in different ones",
        v3(hidden_size=141, intermediate_size=150, moe_intermediate_size=33, q_lora_rank=131, kv_lora_rank=129,
           n_routed_experts=6, n_group=2, topk_group=1, num_experts_per_tok=2, quantization_config=FP8),
        quantise=checkpoint.quantise_fp8_blocks,
        shards=apart,
    ),
    Case(
        "deepseek-v3-tiny-w8a8",
        "compressed-tensors int-quantized W8A8: int8 weights per channel, dynamic int8 activations per token, kv_b_proj ignored",
        v3(hidden_size=48, intermediate_size=40, moe_intermediate_size=16, n_routed_experts=6, n_group=2,
           topk_group=1, num_experts_per_tok=2, q_lora_rank=24, num_attention_heads=2, num_key_value_heads=2, quantization_config=W8A8),
        quantise=checkpoint.quantise_int8_channels,
        unquantised=("lm_head", ".mlp.gate.", "embed_tokens", "kv_b_proj"),
        activation_margin=1e-4,
    ),
    Case(
        "deepseek-v3-tiny-int4-asymmetric",
        "compressed-tensors pack-quantized, asymmetric: weight_zero_point packed along the output, groups of 12, inputs that 8 does "
        "not divide (a padded last word in weights and zero points)",
        v3(hidden_size=60, intermediate_size=108, moe_intermediate_size=36, q_lora_rank=36, kv_lora_rank=24, v_head_dim=12,
           quantization_config=compressed(
               {"num_bits": 4, "symmetric": False, "strategy": "group", "group_size": 12}, None, "pack-quantized",
               ["lm_head", "re:.*mlp.gate$"])),
        quantise=lambda name, weight: checkpoint.quantise_int4_groups(name, weight, 12),
    ),
    Case(
        "deepseek-v2-lite-tiny-yarn",
        "V2-Lite layout with YaRN, mscale and mscale_all_dim 0.707, trained length 16, so that 40 positions are far beyond it; "
        "`long.input_ids` [1, 600] and `long.logits` [1, 4, vocabulary] (its last four positions) besides",
        COMMON
        | {
            "architectures": ["DeepseekV2ForCausalLM"],
            "model_type": "deepseek_v2",
            "hidden_size": 63,
            "intermediate_size": 95,
            "moe_intermediate_size": 21,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "q_lora_rank": None,
            "kv_lora_rank": 26,
            "qk_nope_head_dim": 10,
            "qk_rope_head_dim": 14,
            "v_head_dim": 9,
            "n_routed_experts": 10,
            "n_shared_experts": 2,
            "num_experts_per_tok": 3,
            "n_group": 1,
            "topk_group": 1,
            "topk_method": "greedy",
            "scoring_func": "softmax",
            "norm_topk_prob": False,
            "routed_scaling_factor": 1.0,
            "first_k_dense_replace": 1,
            "moe_layer_freq": 1,
            "aux_loss_alpha": 0.001,
            "seq_aux": True,
            "max_position_embeddings": 640,
            "rope_scaling": yarn(0.707, 0.707, 16),
        },
        long=600,
    ),
    Case(
        "llama-tiny-head-dim",
        "llama without rope_scaling, head_dim 20 explicit where hidden_size / heads is 18, attention and MLP biases false",
        COMMON
        | {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": 72,
            "intermediate_size": 103,
            "mlp_bias": False,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 20,
            "pretraining_tp": 1,
            "rms_norm_eps": 1e-5,
        },
    ),
]


def shapes(case):
    """Every tensor of the unquantised checkpoint: name -> shape."""
    c, found = case.config, {}
    hidden, heads = c["hidden_size"], c["num_attention_heads"]

    def mlp(name, width):
        found[f"{name}.gate_proj.weight"] = (width, hidden)
        found[f"{name}.up_proj.weight"] = (width, hidden)
        found[f"{name}.down_proj.weight"] = (hidden, width)

    def layer(name, sparse):
        found[f"{name}.input_layernorm.weight"] = (hidden,)
        found[f"{name}.post_attention_layernorm.weight"] = (hidden,)
        attention = f"{name}.self_attn"
        if "kv_lora_rank" in c:
            query, key_value = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["qk_nope_head_dim"] + c["v_head_dim"]
            if c["q_lora_rank"] is None:
                found[f"{attention}.q_proj.weight"] = (heads * query, hidden)
            else:
                found[f"{attention}.q_a_proj.weight"] = (c["q_lora_rank"], hidden)
                found[f"{attention}.q_a_layernorm.weight"] = (c["q_lora_rank"],)
                found[f"{attention}.q_b_proj.weight"] = (heads * query, c["q_lora_rank"])
            found[f"{attention}.kv_a_proj_with_mqa.weight"] = (c["kv_lora_rank"] + c["qk_rope_head_dim"], hidden)
            found[f"{attention}.kv_a_layernorm.weight"] = (c["kv_lora_rank"],)
            found[f"{attention}.kv_b_proj.weight"] = (heads * key_value, c["kv_lora_rank"])
            found[f"{attention}.o_proj.weight"] = (hidden, heads * c["v_head_dim"])
        else:
            width = c.get("head_dim") or hidden // heads
            found[f"{attention}.q_proj.weight"] = (heads * width, hidden)
            found[f"{attention}.k_proj.weight"] = (c["num_key_value_heads"] * width, hidden)
            found[f"{attention}.v_proj.weight"] = (c["num_key_value_heads"] * width, hidden)
            found[f"{attention}.o_proj.weight"] = (hidden, heads * width)
            if case.qk_norm:
                found[f"{attention}.q_norm.weight"] = (width,)
                found[f"{attention}.k_norm.weight"] = (width,)
        for part in case.attention_bias:
            found[f"{attention}.{part}.bias"] = found[f"{attention}.{part}.weight"][:1]
        if not sparse:
            mlp(f"{name}.mlp", c["intermediate_size"])
            return
        experts = c.get("n_routed_experts") or c["num_experts"]
        found[f"{name}.mlp.gate.weight"] = (experts, hidden)
        if c["model_type"] in ("deepseek_v3", "glm4_moe"):
            found[f"{name}.mlp.gate.e_score_correction_bias"] = (experts,)
        for expert in range(experts):
            mlp(f"{name}.mlp.experts.{expert}", c["moe_intermediate_size"])
        if c.get("n_shared_experts"):
            mlp(f"{name}.mlp.shared_experts", c["moe_intermediate_size"] * c["n_shared_experts"])

    found["model.embed_tokens.weight"] = (c["vocab_size"], hidden)
    found["model.norm.weight"] = (hidden,)
    if not c["tie_word_embeddings"]:
        found["lm_head.weight"] = (c["vocab_size"], hidden)
    for number in range(c["num_hidden_layers"]):
        if c["model_type"] == "llama":
            sparse = False
        elif c["model_type"] == "qwen3_moe":
            sparse = number not in c["mlp_only_layers"] and (number + 1) % c["decoder_sparse_step"] == 0
        else:
            sparse = number >= c["first_k_dense_replace"]
        layer(f"model.layers.{number}", sparse)
    if case.mtp:
        name = f"model.layers.{c['num_hidden_layers']}"
        layer(name, True)
        found[f"{name}.embed_tokens.weight"] = (c["vocab_size"], hidden)
        found[f"{name}.enorm.weight"] = (hidden,)
        found[f"{name}.hnorm.weight"] = (hidden,)
        found[f"{name}.eh_proj.weight"] = (hidden, 2 * hidden)
        found[f"{name}.shared_head.norm.weight"] = (hidden,)
        found[f"{name}.shared_head.head.weight"] = (c["vocab_size"], hidden)
    return found


def tensors(case, seed):
    """The checkpoint's tensors, as stored."""
    stored = {}
    for name, shape in shapes(case).items():
        values = checkpoint.random(seed, name, shape)
        linear, _, kind = name.rpartition(".")
        if kind == "e_score_correction_bias":
            # Published checkpoints keep this one in float32 whatever the rest is.
            stored[name] = checkpoint.f32(case.bias_mean + case.bias_spread * values)
        elif kind == "bias":
            stored[name] = case.store(0.2 * values)
        elif len(shape) == 1:
            stored[name] = case.store(1 + 0.2 * values)
        elif "embed_tokens" in name:
            stored[name] = case.store(case.embedding_gain * values)
        else:
            gain = 2.0 if name.endswith(("lm_head.weight", ".mlp.gate.weight")) else 1.0
            if case.small_latent and name.endswith(("q_a_proj.weight", "kv_a_proj_with_mqa.weight")):
                gain = 0.01
            values = values * (gain / np.sqrt(shape[1]))
            if case.quantise and not any(part in name for part in case.unquantised):
                stored.update(case.quantise(linear, values))
            else:
                stored[name] = case.store(values)
    return stored
