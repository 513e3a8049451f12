"""A forward pass in float64 NumPy, written from the papers and published configurations, not from transformers.

It reads the same folder a runtime reads. One sequence at a time, no cache, nothing fused: slow and plain.
"""

import json
import math
import pathlib

import numpy as np

import checkpoint


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softmax(x):
    exponential = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


def yarn_gain(factor, mscale):
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1


class Model:
    """A checkpoint folder. `margins` collects how near each discrete choice was to falling the other way."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.quantization = self.config.get("quantization_config")
        tensors = checkpoint.read(folder)
        self.weights = checkpoint.dequantise(tensors, self.quantization)
        self.dynamic = set()
        if self.quantization and self.quantization["quant_method"] == "compressed-tensors":
            (group,) = self.quantization["config_groups"].values()
            if group["input_activations"]:
                self.dynamic = {name for name, tensor in tensors.items() if tensor.dtype == "I8"}
        self.margins = {"routing": math.inf, "activation code": math.inf, "argmax": math.inf}
        self.family = self.config["model_type"]
        self.rope = self.rotary_frequencies()

    def get(self, key, default=None):
        value = self.config.get(key)
        return default if value is None else value

    def note(self, kind, margin):
        self.margins[kind] = min(self.margins[kind], float(np.min(margin, initial=math.inf)))

    # Linear layers

    def linear(self, name, x):
        weight = self.weights[f"{name}.weight"]
        if f"{name}.weight" in self.dynamic:
            x = self.quantise_activations(x)
        y = x @ weight.T
        bias = self.weights.get(f"{name}.bias")
        return y if bias is None else y + bias

    def quantise_activations(self, x):
        """Dynamic symmetric int8 per token: scale = rowmax / 127 in float32, half to even; a row of zeros stays zero."""
        scale = (np.abs(x).max(axis=-1, keepdims=True).astype(np.float32) / np.float32(127)).astype(np.float64)
        safe = np.where(scale == 0, 1, scale)
        position = x / safe
        self.note("activation code", np.abs(np.abs(position - np.floor(position)) - 0.5))
        return np.clip(np.rint(position), -128, 127) * scale

    # Rotary embedding

    def rotary_frequencies(self):
        config = self.config
        parameters = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
        theta = parameters.get("rope_theta", config.get("rope_theta", 10000.0))
        if "kv_lora_rank" in config:
            width = config["qk_rope_head_dim"]
        else:
            head = self.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
            partial = parameters.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0))
            width = int(head * partial)
        plain = theta ** (-np.arange(0, width, 2) / width)
        kind = parameters.get("rope_type", parameters.get("type", "default"))
        self.rope_gain, self.score_gain = 1.0, 1.0
        if kind == "default":
            return plain
        assert kind == "yarn", kind
        factor, original = parameters["factor"], parameters["original_max_position_embeddings"]

        def dimension(rotations):
            return width * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

        low = max(math.floor(dimension(parameters.get("beta_fast", 32))), 0)
        high = min(math.ceil(dimension(parameters.get("beta_slow", 1))), width - 1)
        if low == high:
            high += 0.001
        ramp = np.clip((np.arange(width // 2) - low) / (high - low), 0, 1)
        mscale, all_dimensions = parameters.get("mscale", 1.0), parameters.get("mscale_all_dim", 0.0)
        self.rope_gain = yarn_gain(factor, mscale) / yarn_gain(factor, all_dimensions)
        if all_dimensions:
            self.score_gain = yarn_gain(factor, all_dimensions) ** 2
        return plain / factor * ramp + plain * (1 - ramp)

    def rotate(self, x, positions, interleaved):
        """Rotate x [tokens, heads, rotary width]."""
        angle = positions[:, None, None] * self.rope
        cosine, sine = np.cos(angle) * self.rope_gain, np.sin(angle) * self.rope_gain
        if interleaved:
            a, b = x[..., 0::2], x[..., 1::2]
        else:
            a, b = np.split(x, 2, axis=-1)
        rotated = (a * cosine - b * sine, a * sine + b * cosine)
        return np.stack(rotated, axis=-1).reshape(x.shape) if interleaved else np.concatenate(rotated, axis=-1)

    # Attention

    def attend(self, q, k, v, scale):
        """Causal attention on [tokens, heads, width]; key and value heads are shared by consecutive query heads."""
        share = q.shape[1] // k.shape[1]
        k, v = k.repeat(share, axis=1), v.repeat(share, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) * scale
        tokens = len(q)
        scores = np.where(np.tril(np.ones((tokens, tokens), bool)), scores, -np.inf)
        return np.einsum("hqk,khd->qhd", softmax(scores), v).reshape(tokens, -1)

    def latent_attention(self, name, x, positions):
        config, tokens = self.config, len(x)
        heads, nope, rope = config["num_attention_heads"], config["qk_nope_head_dim"], config["qk_rope_head_dim"]
        value = config["v_head_dim"]
        if config.get("q_lora_rank") is None:
            q = self.linear(f"{name}.q_proj", x)
        else:
            # These two norms are built without an eps in the published code, so 1e-6 whatever rms_norm_eps says.
            compressed = rms_norm(self.linear(f"{name}.q_a_proj", x), self.weights[f"{name}.q_a_layernorm.weight"], 1e-6)
            q = self.linear(f"{name}.q_b_proj", compressed)
        q = q.reshape(tokens, heads, nope + rope)
        latent = self.linear(f"{name}.kv_a_proj_with_mqa", x)
        latent, k_rope = latent[:, : config["kv_lora_rank"]], latent[:, config["kv_lora_rank"] :]
        latent = rms_norm(latent, self.weights[f"{name}.kv_a_layernorm.weight"], 1e-6)
        kv = self.linear(f"{name}.kv_b_proj", latent).reshape(tokens, heads, nope + value)
        q_rope = self.rotate(q[..., nope:], positions, True)
        k_rope = self.rotate(k_rope[:, None], positions, True).repeat(heads, axis=1)
        q = np.concatenate((q[..., :nope], q_rope), axis=-1)
        k = np.concatenate((kv[..., :nope], k_rope), axis=-1)
        scale = (nope + rope) ** -0.5 * self.score_gain
        return self.linear(f"{name}.o_proj", self.attend(q, k, kv[..., nope:], scale))

    def plain_attention(self, name, x, positions):
        config, tokens = self.config, len(x)
        heads = config["num_attention_heads"]
        head = self.get("head_dim", config["hidden_size"] // heads)
        q, k, v = (self.linear(f"{name}.{part}_proj", x).reshape(tokens, -1, head) for part in "qkv")
        if self.family == "qwen3_moe" or config.get("use_qk_norm"):
            q = rms_norm(q, self.weights[f"{name}.q_norm.weight"], config["rms_norm_eps"])
            k = rms_norm(k, self.weights[f"{name}.k_norm.weight"], config["rms_norm_eps"])
        width = 2 * len(self.rope)
        q, k = (np.concatenate((self.rotate(t[..., :width], positions, False), t[..., width:]), axis=-1) for t in (q, k))
        return self.linear(f"{name}.o_proj", self.attend(q, k, v, head**-0.5))

    # Mixture of experts

    def choose(self, scores, count):
        """Indices of the `count` largest, the lower index first among equals; notes the margin to the next one."""
        order = np.argsort(-scores, axis=-1, kind="stable")
        if count < scores.shape[-1]:
            ranked = np.take_along_axis(scores, order, axis=-1)
            margin = ranked[:, count - 1] - ranked[:, count]
            self.note("routing", margin[np.isfinite(margin)])
        return order[:, :count]

    def route(self, logits):
        config = self.config
        count = config["num_experts_per_tok"]
        experts = logits.shape[1]
        factor = self.get("routed_scaling_factor", 1.0)
        if self.family in ("deepseek_v3", "glm4_moe"):
            scores = sigmoid(logits)
            choice = scores + self.bias
            groups = choice.reshape(len(choice), config["n_group"], -1)
            kept = self.choose(np.sort(groups, axis=2)[..., -2:].sum(axis=2), config["topk_group"])
            mask = np.zeros(groups.shape[:2], bool)
            np.put_along_axis(mask, kept, True, axis=1)
            choice = np.where(mask.repeat(experts // config["n_group"], axis=1), choice, -np.inf)
            chosen = self.choose(choice, count)
            weights = np.take_along_axis(scores, chosen, axis=1)
            if config["norm_topk_prob"]:
                weights = weights / (weights.sum(axis=1, keepdims=True) + 1e-20)
            return chosen, weights * factor
        scores = softmax(logits)
        if config.get("topk_method") == "group_limited_greedy":
            groups = scores.reshape(len(scores), config["n_group"], -1)
            kept = self.choose(groups.max(axis=2), config["topk_group"])
            mask = np.zeros(groups.shape[:2], bool)
            np.put_along_axis(mask, kept, True, axis=1)
            scores = np.where(mask.repeat(experts // config["n_group"], axis=1), scores, 0.0)
        chosen = self.choose(scores, count)
        weights = np.take_along_axis(scores, chosen, axis=1)
        if config["norm_topk_prob"]:
            return chosen, weights / weights.sum(axis=1, keepdims=True)
        return chosen, weights * factor

    def mlp(self, name, x):
        return self.linear(f"{name}.down_proj", silu(self.linear(f"{name}.gate_proj", x)) * self.linear(f"{name}.up_proj", x))

    def mixture(self, name, x):
        self.bias = self.weights.get(f"{name}.gate.e_score_correction_bias")
        chosen, weights = self.route(self.linear(f"{name}.gate", x))
        y = np.zeros_like(x)
        for expert in np.unique(chosen):
            token, slot = np.nonzero(chosen == expert)
            y[token] += self.mlp(f"{name}.experts.{expert}", x[token]) * weights[token, slot, None]
        if f"{name}.shared_experts.gate_proj.weight" in self.weights:
            y += self.mlp(f"{name}.shared_experts", x)
        return y

    def is_sparse(self, layer):
        config = self.config
        if self.family == "llama":
            return False
        if self.family == "qwen3_moe":
            return layer not in config.get("mlp_only_layers", []) and (layer + 1) % config["decoder_sparse_step"] == 0
        return layer >= config["first_k_dense_replace"] and layer % config.get("moe_layer_freq", 1) == 0

    # The whole model

    def forward(self, tokens):
        """Hidden states (embedding, then each layer; the last one after the final norm) and logits of one sequence."""
        config = self.config
        eps, positions = config["rms_norm_eps"], np.arange(len(tokens), dtype=np.float64)
        x = self.weights["model.embed_tokens.weight"][np.asarray(tokens)]
        states = [x]
        attention = self.latent_attention if "kv_lora_rank" in config else self.plain_attention
        for layer in range(config["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            x = x + attention(f"{name}.self_attn", rms_norm(x, self.weights[f"{name}.input_layernorm.weight"], eps), positions)
            normed = rms_norm(x, self.weights[f"{name}.post_attention_layernorm.weight"], eps)
            x = x + (self.mixture if self.is_sparse(layer) else self.mlp)(f"{name}.mlp", normed)
            states.append(x)
        states[-1] = rms_norm(x, self.weights["model.norm.weight"], eps)
        tied = config.get("tie_word_embeddings", False)
        head = self.weights["model.embed_tokens.weight" if tied else "lm_head.weight"]
        return states, states[-1] @ head.T

    def greedy(self, prompt, count):
        tokens = list(prompt)
        for _ in range(count):
            logits = self.forward(tokens)[1][-1]
            ranked = np.sort(logits)
            self.note("argmax", ranked[-1] - ranked[-2])
            tokens.append(int(np.argmax(logits)))
        return tokens
