package dev.heng.conformance.faulty;

import dev.heng.spi.Backend;
import dev.heng.spi.graph.Op;
import java.util.List;
import java.util.regex.Pattern;

/** One way in which a device can be wrong, to be planted in a real backend. Immutable and reusable. */
public abstract class Fault {

    private static final Pattern ID = Pattern.compile("[a-z]+(/[a-z0-9-]+)+");

    private final String id;
    private final String description;
    private final String rule;
    private final List<String> ops;

    /**
     * Describes a fault.
     *
     * @param id {@code family/name}, in lower case with hyphens
     * @param description one sentence: what the device does instead of what it should
     * @param rule the rule of docs/ops.md that it breaks
     * @param ops the operators whose kernels have the fault; empty for a fault outside kernels
     */
    protected Fault(String id, String description, String rule, List<Class<? extends Op>> ops) {
        if (!ID.matcher(id).matches()) {
            throw new IllegalArgumentException("'" + id + "' is not family/name in lower case with hyphens");
        }
        this.id = id;
        this.description = description;
        this.rule = rule;
        this.ops = ops.stream().map(Class::getSimpleName).toList();
    }

    /** Returns {@code family/name}. */
    public final String id() {
        return id;
    }

    /** Returns the part of the id before the first slash. */
    public final String family() {
        return id.substring(0, id.indexOf('/'));
    }

    /** Returns one sentence: what the device does instead of what it should. */
    public final String description() {
        return description;
    }

    /** Returns the rule of docs/ops.md that this breaks. */
    public final String rule() {
        return rule;
    }

    /** Returns the names of the operators whose kernels have the fault; empty for a fault outside kernels. */
    public final List<String> ops() {
        return ops;
    }

    /**
     * Returns a backend with this fault.
     *
     * @param real a sound backend, which the faulty one owns from now on
     */
    public abstract Backend plant(Backend real);

    @Override
    public final String toString() {
        return id;
    }
}
