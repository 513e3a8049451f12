package dev.heng.backend.ascend;

import dev.heng.spi.BackendException;
import dev.heng.spi.BackendOptions;
import java.util.Set;

/**
 * What an operator may ask of this backend.
 *
 * @param fp8AsInt8 {@code fp8=int8}: FP8 weights that no operator multiplies become int8 by channel when they are loaded, which changes the model
 * @param widen {@code widen=f32}: quantised weights that no operator multiplies with the graph's float activations become F32 when they are loaded, which takes 4 to 8 times
 *     the memory and changes nothing
 */
record AscendOptions(boolean fp8AsInt8, boolean widen) {

    /** Asks for nothing. */
    static final AscendOptions NONE = new AscendOptions(false, false);

    /**
     * Reads settings.
     *
     * @throws BackendException INVALID_OPTION, naming the setting
     */
    static AscendOptions of(String backend, BackendOptions options) {
        options.requireKnown(backend, Set.of("fp8", "widen"));
        return new AscendOptions(is(backend, options, "fp8", "int8"), is(backend, options, "widen", "f32"));
    }

    private static boolean is(String backend, BackendOptions options, String name, String value) {
        String wish = options.settings().get(name);
        if (wish != null && !wish.equals(value)) {
            throw BackendException.of(
                    BackendException.Code.INVALID_OPTION,
                    "backend '" + backend + "' has no value '" + wish + "' of option '" + name + "'",
                    "use " + name + "=" + value + ", or leave it out");
        }
        return wish != null;
    }
}
