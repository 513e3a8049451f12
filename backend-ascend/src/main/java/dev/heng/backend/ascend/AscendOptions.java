package dev.heng.backend.ascend;

import dev.heng.backend.ascend.lowering.Lowering;
import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import java.util.Locale;
import java.util.Set;

/**
 * What an operator may ask of this backend.
 *
 * @param fp8AsInt8 {@code fp8=int8}: FP8 weights that no operator multiplies become int8 by channel when they are loaded, which changes the model
 * @param widen {@code widen=f32}: quantised weights that no operator multiplies with the graph's float activations become F32 when they are loaded, which takes 4 to 8 times
 *     the memory and changes nothing
 * @param attention {@code attention=unfused} keeps probabilities and absorbed queries in float32; by default latent attention in BF16 is one operator where its limits allow, which
 *     rounds both to that type; {@code attention=fused} lets all attention in a 16-bit type be one, and loosens what the profile declares of attention
 * @param launch {@code launch=eager}, {@code repeated} or, by default, {@code captured}
 */
record AscendOptions(boolean fp8AsInt8, boolean widen, Lowering.Attention attention, Replays.Launch launch) {

    /** Asks for nothing. */
    static final AscendOptions NONE =
            new AscendOptions(false, false, Lowering.Attention.LATENT_BF16, Replays.Launch.CAPTURED);

    /**
     * Reads settings.
     *
     * @throws BackendException INVALID_OPTION, naming the setting
     */
    static AscendOptions of(String backend, BackendOptions options) {
        options.requireKnown(backend, Set.of("fp8", "widen", "attention", "launch"));
        return new AscendOptions(
                is(backend, options, "fp8", "int8"),
                is(backend, options, "widen", "f32"),
                attention(backend, options),
                launch(backend, options));
    }

    private static Lowering.Attention attention(String backend, BackendOptions options) {
        String wish = options.settings().get("attention");
        return switch (wish) {
            case null -> NONE.attention();
            case "unfused" -> Lowering.Attention.UNFUSED;
            case "fused" -> Lowering.Attention.FUSED;
            default ->
                throw invalid(backend, "attention", wish, "use attention=fused or attention=unfused, or leave it out");
        };
    }

    private static Replays.Launch launch(String backend, BackendOptions options) {
        String wish = options.settings().get("launch");
        if (wish == null) {
            return NONE.launch();
        }
        for (Replays.Launch launch : Replays.Launch.values()) {
            if (launch.name().toLowerCase(Locale.ROOT).equals(wish)) {
                return launch;
            }
        }
        throw invalid(backend, "launch", wish, "use launch=eager, launch=repeated or launch=captured");
    }

    private static boolean is(String backend, BackendOptions options, String name, String value) {
        String wish = options.settings().get(name);
        if (wish != null && !wish.equals(value)) {
            throw invalid(backend, name, wish, "use " + name + "=" + value + ", or leave it out");
        }
        return wish != null;
    }

    private static BackendException invalid(String backend, String name, String wish, String remedy) {
        return BackendException.of(
                BackendException.Code.INVALID_OPTION,
                "backend '" + backend + "' has no value '" + wish + "' of option '" + name + "'",
                remedy);
    }
}
