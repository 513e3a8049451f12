"""Run a checkpoint folder in Hugging Face transformers: float32, eager attention, eager experts, CPU.

Quantised checkpoints are first decoded into a plain float32 copy: exact where code times scale fits 24 bits (int4, int8, ue8m0),
rounded once where it does not (fp8 with free F32 scales). `deepseek` (V1) has no class in transformers and
is arranged as Qwen2-MoE, which computes the same function of the rearranged weights:
  * qwen2_moe multiplies the shared expert by sigmoid(shared_expert_gate . x); a gate of zeros makes that exactly 1/2, and
    the shared expert's down_proj is stored doubled, which is exact in binary floating point;
  * qkv_bias false, norm_topk_prob false, mlp_only_layers = the dense layers, num_key_value_heads = num_attention_heads.
"""

import json
import pathlib
import tempfile

import numpy as np
import torch
import transformers

import checkpoint

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


class Runner:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        config = json.loads((folder / "config.json").read_text())
        quantization = config.pop("quantization_config", None)
        tensors = checkpoint.read(folder)
        if quantization is None and config["model_type"] != "deepseek":
            self.load(folder)
        else:
            weights = checkpoint.dequantise(tensors, quantization)
            if config["model_type"] == "deepseek":
                config, weights = as_qwen2_moe(config, weights)
            with tempfile.TemporaryDirectory() as copy:
                (pathlib.Path(copy) / "config.json").write_text(json.dumps(config))
                checkpoint.write(copy, {name: checkpoint.f32(value) for name, value in weights.items()})
                self.load(copy)
        groups = (quantization or {}).get("config_groups", {}).values()
        self.dynamic = any(group["input_activations"] for group in groups)

    def load(self, folder):
        self.model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation="eager",
            experts_implementation="eager",
            output_loading_info=True,
        )
        beyond = f"model.layers.{self.model.config.num_hidden_layers}."  # multi-token prediction: not part of the model proper
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            keys = [key for key in report.get(kind, ()) if kind != "unexpected_keys" or not key.startswith(beyond)]
            if keys:
                raise ValueError(f"{folder}: {kind} {keys}")
        self.model.eval()

    @torch.no_grad()
    def forward(self, tokens):
        """Hidden states and logits as float32 arrays for tokens [batch, length]."""
        original = torch.nn.functional.linear
        if self.dynamic:
            torch.nn.functional.linear = self.quantised_linear(original)
        try:
            out = self.model(torch.tensor(np.asarray(tokens)), output_hidden_states=True, use_cache=False)
        finally:
            torch.nn.functional.linear = original
        return [state.numpy() for state in out.hidden_states], out.logits.numpy()

    def quantised_linear(self, original):
        """Linear with dynamic per-token int8 inputs, except for the modules the checkpoints' `ignore` names."""
        keep = {
            parameter.data_ptr()
            for name, parameter in self.model.named_parameters()
            if name.endswith(("lm_head.weight", "mlp.gate.weight", "kv_b_proj.weight"))
        }

        def linear(x, weight, bias=None):
            if weight.data_ptr() in keep:
                return original(x, weight, bias)
            scale = x.abs().amax(dim=-1, keepdim=True) / 127
            codes = torch.round(x / torch.where(scale == 0, 1, scale)).clamp(-128, 127)
            return original(codes * scale, weight, bias)

        return linear

    def greedy(self, prompt, count):
        tokens = list(prompt)
        for _ in range(count):
            tokens.append(int(self.forward([tokens])[1][0, -1].argmax()))
        return tokens


def as_qwen2_moe(config, weights):
    dense = [
        layer
        for layer in range(config["num_hidden_layers"])
        if f"model.layers.{layer}.mlp.gate.weight" not in weights
    ]
    arranged = {
        "architectures": ["Qwen2MoeForCausalLM"],
        "model_type": "qwen2_moe",
        "num_experts": config["n_routed_experts"],
        "shared_expert_intermediate_size": config["moe_intermediate_size"] * config["n_shared_experts"],
        "mlp_only_layers": dense,
        "decoder_sparse_step": 1,
        "qkv_bias": False,
        "use_sliding_window": False,
        "rope_theta": config["rope_theta"],
    }
    for key in (
        "hidden_act hidden_size intermediate_size max_position_embeddings moe_intermediate_size norm_topk_prob "
        "num_attention_heads num_experts_per_tok num_hidden_layers num_key_value_heads rms_norm_eps tie_word_embeddings "
        "vocab_size bos_token_id eos_token_id"
    ).split():
        arranged[key] = config[key]
    moved = {}
    for name, value in weights.items():
        if name.endswith(".shared_experts.down_proj.weight"):
            value = value * 2
        moved[name.replace(".shared_experts.", ".shared_expert.")] = value
        if name.endswith(".mlp.gate.weight"):
            moved[name.replace(".gate.", ".shared_expert_gate.")] = np.zeros((1, config["hidden_size"]))
    return arranged, moved
