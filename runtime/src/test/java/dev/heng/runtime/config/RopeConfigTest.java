package dev.heng.runtime.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heng.spi.tensor.RopeFrequencies;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

final class RopeConfigTest {

    /** DeepSeek-V3's published values: factor 40, 4096 original positions, 32 and 1 rotations, both mscale 1. */
    private static final RopeConfig V3 =
            new RopeConfig(10000, 64, true, new RopeConfig.Yarn(40, 4096, 32, 1, 1.0, 1.0, null, true));

    /** Inverse frequencies of DeepSeek-V3, computed apart from this code and printed to 8 digits. */
    private static final double[] V3_INVERSE = {
        1,
        .74989421,
        .56234133,
        .4216965,
        .31622777,
        .23713737,
        .17782794,
        .13335214,
        .1,
        .074989421,
        .056234133,
        .039006927,
        .02687936,
        .018378146,
        .012447956,
        .008334509,
        .0055,
        .0035619975,
        .0022493653,
        .0013705136,
        7.9056942e-4,
        4.149904e-4,
        1.7782794e-4,
        3.3338036e-5,
        2.5e-5,
        1.8747355e-5,
        1.4058533e-5,
        1.0542413e-5,
        7.9056942e-6,
        5.9284343e-6,
        4.4456985e-6,
        3.3338036e-6
    };

    @Test
    void yarnOfDeepSeekV3HasThePublishedFrequencies() {
        RopeFrequencies frequencies = V3.frequencies();
        assertEquals(V3_INVERSE.length, frequencies.pairs());
        for (int pair = 0; pair < V3_INVERSE.length; pair++) {
            // Half a unit of the last of 8 printed digits.
            assertEquals(V3_INVERSE[pair], frequencies.inverse(pair), 5.1e-8 * V3_INVERSE[pair], "pair " + pair);
        }
        assertEquals(1.0, frequencies.attentionFactor());
    }

    @Test
    void softmaxScalesAreThePublishedOnes() {
        Attention latent = new Attention.Latent(128, 1536, 512, 128, 64, 128, false);
        assertEquals(0.1352338, scale(latent, V3), 5e-8);
        RopeConfig lite =
                new RopeConfig(10000, 64, true, new RopeConfig.Yarn(40, 4096, 32, 1, 0.707, 0.707, null, true));
        assertEquals(0.1147214, scale(latent, lite), 5e-8);
        RopeConfig plain = new RopeConfig(10000, 64, true, new RopeConfig.Unscaled());
        assertEquals(0.0721688, scale(latent, plain), 5e-8);
    }

    @Test
    void groupedQueryAttentionScalesByTheHeadAlone() {
        Attention grouped = new Attention.GroupedQuery(8, 2, 64, 64, false, false, false);
        assertEquals(0.125, scale(grouped, V3));
    }

    @Test
    void kimiK2RampsInOneStepFrom19To20() {
        RopeConfig kimi = new RopeConfig(50000, 64, true, new RopeConfig.Yarn(32, 4096, 1, 1, 1.0, 1.0, null, true));
        RopeFrequencies frequencies = kimi.frequencies();
        for (int pair = 0; pair < 32; pair++) {
            double plain = Math.pow(50000, -2.0 * pair / 64);
            assertEquals(pair <= 19 ? plain : plain / 32, frequencies.inverse(pair), 1e-15, "pair " + pair);
        }
    }

    @Test
    void linearScalingDividesEveryFrequency() {
        RopeFrequencies frequencies = new RopeConfig(10000, 8, false, new RopeConfig.Linear(4)).frequencies();
        for (int pair = 0; pair < 4; pair++) {
            assertEquals(Math.pow(10000, -pair / 4.0) / 4, frequencies.inverse(pair), 1e-15);
        }
        assertEquals(1.0, frequencies.attentionFactor());
    }

    @Test
    void yarnWithoutMscaleUsesTheFormulaOfItsPaper() {
        RopeConfig rope = new RopeConfig(1e6, 64, false, new RopeConfig.Yarn(4, 32768, 32, 1, null, null, null, true));
        assertEquals(0.1 * Math.log(4) + 1, rope.frequencies().attentionFactor(), 1e-15);
        assertEquals(1.0, rope.softmaxFactor());
    }

    @Test
    void statedAttentionFactorGoesFirst() {
        RopeConfig rope = new RopeConfig(1e6, 64, false, new RopeConfig.Yarn(4, 32768, 32, 1, null, null, 1.5, true));
        assertEquals(1.5, rope.frequencies().attentionFactor());
    }

    @Test
    void unequalMscalesScaleCosineAndSine() {
        RopeConfig rope = new RopeConfig(10000, 64, true, new RopeConfig.Yarn(40, 4096, 32, 1, 1.0, 0.5, null, true));
        double expected = (0.1 * Math.log(40) + 1) / (0.05 * Math.log(40) + 1);
        assertEquals(expected, rope.frequencies().attentionFactor(), 1e-15);
    }

    @Test
    void impossibleOnesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new RopeConfig(10000, 63, true, new RopeConfig.Unscaled()));
        assertThrows(IllegalArgumentException.class, () -> new RopeConfig(1, 64, true, new RopeConfig.Unscaled()));
        assertThrows(
                IllegalArgumentException.class, () -> new RopeConfig.Yarn(40, 4096, 1, 32, null, null, null, true));
        assertThrows(IllegalArgumentException.class, () -> new RopeConfig.Yarn(40, 4096, 32, 1, 1.0, null, null, true));
    }

    private static double scale(Attention attention, RopeConfig rope) {
        return new ModelConfig(
                        Path.of("config.json"),
                        Family.DEEPSEEK_V3,
                        100,
                        64,
                        1,
                        64,
                        1e-6,
                        false,
                        4096,
                        0,
                        attention,
                        rope,
                        null,
                        new QuantizationConfig.Unquantized(),
                        null,
                        null,
                        List.of())
                .softmaxScale();
    }
}
