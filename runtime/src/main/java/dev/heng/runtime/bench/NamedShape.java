package dev.heng.runtime.bench;

import dev.heng.runtime.HengException;
import dev.heng.runtime.config.ModelConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;

/** Shapes that are known by name, as the publishers' config.json files state them. */
public enum NamedShape {
    /** The embedded model: 5 layers of 256, 64 experts of 64. */
    POET("poet"),
    /** DeepSeek-V2-Lite: 27 layers of 2048, 64 experts of 1408. */
    V2_LITE("v2-lite"),
    /** DeepSeek-MoE-16B: V2-Lite's experts with plain attention. */
    MOE_16B("moe-16b"),
    /** One sparse layer of DeepSeek-V3 at full size, between an embedding and a head of 16,384 tokens. */
    V3_LAYER("v3-layer"),
    /** DeepSeek-V3 whole. */
    V3("v3");

    private final String label;

    NamedShape(String label) {
        this.label = label;
    }

    /** Returns the name that people write. */
    public String label() {
        return label;
    }

    /** Returns the config. */
    public ModelConfig config() {
        String file = label + ".json";
        try (InputStream resource = NamedShape.class.getResourceAsStream(file)) {
            if (resource == null) {
                throw new IllegalStateException("the build left out " + file);
            }
            return ModelConfig.parse(file, new String(resource.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Returns the config that {@code text} names: a shape, or a folder with a config.json, whose weights are not looked at.
     *
     * @throws HengException if it is neither
     */
    public static ModelConfig configOf(String text) {
        for (NamedShape shape : values()) {
            if (shape.label.equals(text)) {
                return shape.config();
            }
        }
        Path folder = Path.of(text);
        if (Files.isDirectory(folder)) {
            return ModelConfig.read(folder);
        }
        throw new HengException(
                "there is no shape '" + text + "', and no folder of that name",
                "use one of " + Arrays.stream(values()).map(NamedShape::label).collect(Collectors.joining(", "))
                        + ", or the folder of a model's config.json");
    }
}
