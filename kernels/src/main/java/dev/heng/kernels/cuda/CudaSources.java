package dev.heng.kernels.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The kernels' sources as resources, one text for each module, for compiling them where no machine code was built for a GPU. Threading: safe for use by several threads.
 */
public final class CudaSources {

    private static final String ROOT = "/dev/heng/kernels/cuda/source/";

    private static final Pattern INCLUDE = Pattern.compile("\\s*#include \"([^\"]+)\"\\s*");

    /** Modules of {@code prefill} that every GPU takes, and those that need Hopper: as build.sh has them. */
    private static final List<String> EVERYWHERE =
            List.of("dispatch", "unpack", "grouped_mma", "latent_gather", "latent_prefill");

    private static final List<String> HOPPER = List.of("quantize", "grouped_bf16", "grouped_scaled", "grouped_e4m3");

    private CudaSources() {}

    /**
     * A module's source with everything that it includes.
     *
     * @param name of the module
     * @param text which includes nothing
     */
    public record Unit(String name, String text) {}

    /**
     * Returns the modules of a target, the slowest to compile first.
     *
     * @param target for example {@code sm_90a}
     */
    public static List<Unit> units(String target) {
        List<String> files = new ArrayList<>();
        if (target.equals("sm_90a")) {
            HOPPER.forEach(name -> files.add("prefill/" + name + ".cu"));
        }
        EVERYWHERE.forEach(name -> files.add("prefill/" + name + ".cu"));
        text("sources.txt")
                .lines()
                .filter(file -> file.startsWith("src/") && file.endsWith(".cu"))
                .forEach(files::add);
        return files.stream().map(CudaSources::unit).toList();
    }

    private static Unit unit(String file) {
        StringBuilder text = new StringBuilder();
        append(file, text, new HashSet<>());
        String name = file.substring(file.indexOf('/') + 1, file.length() - ".cu".length());
        return new Unit(name, text.toString());
    }

    /** Appends a file in place of its includes, each once, with the names and lines that a compiler's messages should quote. */
    private static void append(String file, StringBuilder into, Set<String> seen) {
        if (!seen.add(file)) {
            return;
        }
        into.append("#line 1 \"").append(file).append("\"\n");
        int number = 0;
        for (String line : text(file).lines().toList()) {
            number++;
            Matcher include = INCLUDE.matcher(line);
            if (include.matches()) {
                append(resolved(file, include.group(1)), into, seen);
                into.append("#line ")
                        .append(number + 1)
                        .append(" \"")
                        .append(file)
                        .append("\"\n");
            } else {
                into.append(line.equals("#pragma once") ? "" : line).append('\n');
            }
        }
    }

    private static String resolved(String from, String name) {
        return java.nio.file.Path.of(from)
                .resolveSibling(name)
                .normalize()
                .toString()
                .replace('\\', '/');
    }

    private static String text(String file) {
        try (InputStream stream = CudaSources.class.getResourceAsStream(ROOT + file)) {
            if (stream == null) {
                throw new IllegalStateException("resource " + ROOT + file + " is not packaged");
            }
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("resource " + ROOT + file + " cannot be read", e);
        }
    }
}
