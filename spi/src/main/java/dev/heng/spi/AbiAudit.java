package dev.heng.spi;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Holds what a backend believes of its vendor's C interface against the vendor's installed headers. A person runs it on the first real machine, before anything
 * else: a wrong constant or argument type would otherwise show as memory corruption.
 *
 * @since 1.0
 */
@FunctionalInterface
public interface AbiAudit {

    /** A verdict on one fact. */
    enum Verdict {
        /** The headers say the same. */
        MATCHES,
        /** The headers say something else: the backend must not be used with them. */
        DIFFERS,
        /** The headers do not declare it: another release; what depends on it is switched off when it is missing at run time too. */
        ABSENT
    }

    /**
     * The finding about one fact.
     *
     * @param fact a function with its types, a constant with its value, a structure's size or a field's offset
     * @param source repository, commit and file where the backend has it from
     * @param verdict the verdict
     * @param detail the compiler's words if it is not {@link Verdict#MATCHES}
     */
    record Finding(String fact, String source, Verdict verdict, String detail) {}

    /**
     * Compares every fact. Nothing of the vendor is loaded or run.
     *
     * @param folders where to look for headers, first match wins
     * @param compiler a C++17 compiler
     * @return a finding for each fact
     * @throws IOException if the headers are not there or cannot be judged; the message says why
     */
    List<Finding> run(List<Path> folders, String compiler) throws IOException;
}
