package dev.heng.kernels.abi;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Holds a table against installed headers, with the system's C++ compiler as the judge.
 *
 * <p>Every fact becomes one line of a source file that compiles only if the fact is true; nothing is run or linked. A function of a header must
 * have exactly the declared type; one that was read from a document must have the same types up to qualifiers. A fact that the headers do not
 * declare at all is absent, which is no error by itself: older releases lack symbols, and operators' headers may not be installed.
 */
public final class AbiAudit {

    /** How long the compiler may take, in seconds. */
    private static final long COMPILER_SECONDS = 300;

    private static final String PRELUDE = """
            #include <cstddef>
            #include <cstdint>
            #include <type_traits>
            namespace heng {
            template <class T> constexpr int travels() {
                if (std::is_void<T>::value) return 0;
                if (std::is_pointer<T>::value) return 1;
                if (std::is_floating_point<T>::value) return 100;
                if (std::is_enum<T>::value || std::is_integral<T>::value) return 200;
                return 300;
            }
            template <class T> struct code { static constexpr int value = travels<T>() + (travels<T>() >= 100 ? int(sizeof(T)) : 0); };
            template <int... C> struct codes {};
            template <class F> struct shape;
            template <class R, class... A> struct shape<R (*)(A...)> { using type = codes<code<R>::value, code<A>::value...>; };
            template <class F, class G> constexpr bool same_shape() { return std::is_same<typename shape<F>::type, typename shape<G>::type>::value; }
            }
            """;

    private AbiAudit() {}

    /** A verdict on one fact. */
    public enum Verdict {
        /** The headers say the same. */
        MATCHES,
        /** The headers say something else. */
        DIFFERS,
        /** The headers do not declare it. */
        ABSENT
    }

    /**
     * The finding about one fact.
     *
     * @param fact what was claimed, as the report prints it
     * @param source where the table has it from
     * @param verdict the verdict
     * @param detail the compiler's words if the verdict is not {@link Verdict#MATCHES}, else ""
     */
    public record Finding(String fact, AbiSource source, Verdict verdict, String detail) {}

    private record Claim(String name, String struct, String fact, AbiSource source, String code) {}

    /**
     * Compiles the claims of a table against headers.
     *
     * @param table the facts
     * @param folders where to look for headers, first match wins
     * @param compiler a C++17 compiler that understands GCC's options
     * @return a finding for each fact, in the table's order
     * @throws IOException if none of the table's headers is in the folders, if the compiler cannot be started, or if it fails without judging a
     *     claim; the message says why
     */
    public static List<Finding> run(AbiTable table, List<Path> folders, String compiler) throws IOException {
        List<Claim> claims = claims(table);
        requireSomeHeader(claims, folders);
        Map<String, List<String>> complaints = compile(source(claims), folders, compiler);
        List<String> general = complaints.get("heng-audit.cpp");
        if (general != null) {
            throw new IOException("the headers do not compile with " + compiler + ": " + String.join("; ", general));
        }
        List<Finding> findings = new ArrayList<>();
        Set<String> absentStructs = new HashSet<>();
        for (Claim claim : claims) {
            List<String> words = complaints.remove(claim.name());
            if (words == null) {
                findings.add(new Finding(claim.fact(), claim.source(), Verdict.MATCHES, ""));
                continue;
            }
            // Compilers find many words for a field of a structure that is not there.
            boolean absent = words.stream().anyMatch(word -> word.contains("was not declared"))
                    || absentStructs.contains(claim.struct());
            if (absent && !claim.struct().isEmpty()) {
                absentStructs.add(claim.struct());
            }
            Verdict verdict = absent ? Verdict.ABSENT : Verdict.DIFFERS;
            findings.add(new Finding(claim.fact(), claim.source(), verdict, String.join("; ", words)));
        }
        if (!complaints.isEmpty()) {
            throw new IOException("the headers do not compile with " + compiler + ": " + complaints);
        }
        return findings;
    }

    /** An audit of an empty folder would find everything absent and nothing wrong. */
    private static void requireSomeHeader(List<Claim> claims, List<Path> folders) throws IOException {
        for (Claim claim : claims) {
            for (Path folder : folders) {
                if (Files.isRegularFile(folder.resolve(claim.source().include()))) {
                    return;
                }
            }
        }
        throw new IOException("none of the headers that the table names, "
                + claims.getFirst().source().include() + " being the first, is in " + folders);
    }

    private static List<Claim> claims(AbiTable table) {
        List<Claim> claims = new ArrayList<>();
        for (FunctionDeclaration function : table.functions()) {
            // A cast picks the one overload of this type; C++ wrappers of the same name do not disturb it.
            String code = switch (function.source().kind()) {
                case HEADER ->
                    "auto " + probe(claims) + " = static_cast<" + function.pointerType() + ">(&" + function.name()
                            + ");";
                case DOCUMENT ->
                    "static_assert(heng::same_shape<decltype(&" + function.name() + "), " + function.pointerType()
                            + ">(), \"other types\");";
            };
            claims.add(new Claim(function.name(), "", function.toString(), function.source(), code));
        }
        for (ConstantDeclaration constant : table.constants()) {
            claims.add(new Claim(
                    constant.name(),
                    "",
                    constant.name() + " = " + constant.value(),
                    constant.source(),
                    "static_assert((long long)" + constant.name() + " == " + constant.value()
                            + "LL, \"other value\");"));
        }
        for (StructDeclaration struct : table.structs()) {
            claims.add(new Claim(
                    struct.name(),
                    struct.name(),
                    "sizeof " + struct.name() + " = " + struct.bytes(),
                    struct.source(),
                    "static_assert(sizeof(" + struct.name() + ") == " + struct.bytes() + ", \"other size\");"));
            for (StructDeclaration.Field field : struct.fields()) {
                claims.add(new Claim(
                        struct.name() + "." + field.name(),
                        struct.name(),
                        struct.name() + "." + field.name() + " at " + field.offset(),
                        struct.source(),
                        "static_assert(offsetof(" + struct.name() + ", " + field.name() + ") == " + field.offset()
                                + ", \"other offset\");"));
            }
        }
        return claims;
    }

    private static String probe(List<Claim> claims) {
        return "heng_probe_" + claims.size();
    }

    private static String source(List<Claim> claims) {
        Set<String> includes = new LinkedHashSet<>();
        for (Claim claim : claims) {
            if (!claim.source().include().isEmpty()) {
                includes.add(claim.source().include());
            }
        }
        StringBuilder code = new StringBuilder(PRELUDE);
        for (String include : includes) {
            code.append("#if __has_include(<")
                    .append(include)
                    .append(">)\n#include <")
                    .append(include)
                    .append(">\n#endif\n");
        }
        for (Claim claim : claims) {
            // The compiler then names the claim where it would name a file.
            code.append("#line 1 \"")
                    .append(claim.name())
                    .append("\"\n")
                    .append(claim.code())
                    .append('\n');
        }
        return code.toString();
    }

    private static Map<String, List<String>> compile(String code, List<Path> folders, String compiler)
            throws IOException {
        Path folder = Files.createTempDirectory("heng-abi-audit");
        Path file = folder.resolve("heng-audit.cpp");
        Path output = folder.resolve("diagnostics");
        try {
            Files.writeString(file, code);
            List<String> command = new ArrayList<>(List.of(
                    compiler, "-std=c++17", "-fsyntax-only", "-w", "-fmax-errors=0", "-fno-diagnostics-show-caret"));
            for (Path include : folders) {
                command.add("-I" + include.toAbsolutePath());
            }
            command.add(file.getFileName().toString());
            ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
            builder.environment().put("LC_ALL", "C");
            builder.redirectErrorStream(true).redirectOutput(output.toFile());
            Process process = builder.start();
            if (!waitFor(process)) {
                throw new IOException(compiler + " was not done in " + COMPILER_SECONDS + " s");
            }
            String text = Files.readString(output, StandardCharsets.UTF_8);
            Map<String, List<String>> complaints = complaints(text);
            if (process.exitValue() != 0 && complaints.isEmpty()) {
                throw new IOException(compiler + " failed with status " + process.exitValue() + ": " + text.strip());
            }
            return complaints;
        } finally {
            Files.deleteIfExists(file);
            Files.deleteIfExists(output);
            Files.deleteIfExists(folder);
        }
    }

    private static boolean waitFor(Process process) {
        try {
            if (process.waitFor(COMPILER_SECONDS, TimeUnit.SECONDS)) {
                return true;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        process.destroyForcibly();
        return false;
    }

    /** Returns the errors by what stands where a file name stands: the claim's name, or a header's. */
    private static Map<String, List<String>> complaints(String diagnostics) {
        Map<String, List<String>> complaints = new LinkedHashMap<>();
        for (String line : diagnostics.lines().toList()) {
            int mark = line.contains(": fatal error: ") ? line.indexOf(": fatal error: ") : line.indexOf(": error: ");
            if (mark > 0) {
                String place = line.substring(0, mark);
                int colon = place.indexOf(':');
                String name = colon < 0 ? place : place.substring(0, colon);
                complaints
                        .computeIfAbsent(name, _ -> new ArrayList<>())
                        .add(line.substring(line.indexOf("error: ", mark) + "error: ".length()));
            }
        }
        return complaints;
    }
}
