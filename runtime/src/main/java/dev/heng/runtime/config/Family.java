package dev.heng.runtime.config;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The families of models that Heng builds graphs for, by {@code model_type} and {@code architectures} of config.json. */
public enum Family {
    /** DeepSeek-V3, R1, V3.1: latent attention, sigmoid router with a choice bias. */
    DEEPSEEK_V3("deepseek_v3", "DeepseekV3ForCausalLM"),
    /** Kimi K2: the computation of DeepSeek-V3 in other sizes, with a tokenizer of its own. */
    KIMI_K2("kimi_k2", "DeepseekV3ForCausalLM"),
    /** DeepSeek-V2, V2.5, V2-Lite: latent attention, softmax router. */
    DEEPSEEK_V2("deepseek_v2", "DeepseekV2ForCausalLM"),
    /** DeepSeek-MoE-16B: plain attention, softmax router. */
    DEEPSEEK("deepseek", "DeepseekForCausalLM"),
    /** DeepSeek-LLM 7B and 67B and others of llama's architecture: dense. */
    LLAMA("llama", "LlamaForCausalLM"),
    /** GLM-4.5 and 4.5-Air: grouped-query attention, DeepSeek-V3's router. */
    GLM4_MOE("glm4_moe", "Glm4MoeForCausalLM"),
    /** Qwen3 mixture-of-experts models: grouped-query attention, softmax router without shared experts. */
    QWEN3_MOE("qwen3_moe", "Qwen3MoeForCausalLM");

    private final String modelType;
    private final String architecture;

    Family(String modelType, String architecture) {
        this.modelType = modelType;
        this.architecture = architecture;
    }

    /** Returns the value of {@code model_type} that means this family. */
    public String modelType() {
        return modelType;
    }

    /** Returns the one entry of {@code architectures} that goes with it. */
    public String architecture() {
        return architecture;
    }

    static Optional<Family> ofModelType(String modelType) {
        return Arrays.stream(values())
                .filter(family -> family.modelType.equals(modelType))
                .findFirst();
    }

    static List<String> modelTypes() {
        return Arrays.stream(values()).map(Family::modelType).toList();
    }
}
