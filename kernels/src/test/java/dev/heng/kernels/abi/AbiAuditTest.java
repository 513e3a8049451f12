package dev.heng.kernels.abi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heng.kernels.abi.AbiAudit.Verdict;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The audit itself, against headers made for it. */
final class AbiAuditTest {

    private static final String TABLE = """
            type vStatus int32
            type vKind int32
            library v
            source header owner/name@1 v.h
            include v.h
            function vStatus vCopy(void* dst, const void* src, size_t bytes, vKind kind)
            function vStatus vWait(int32_t milliseconds)
            constant V_ONE 1
            struct vPair 16 first@0 second@8
            source document owner/name@1 v.md
            include v.h
            function vStatus vDocumented(const int64_t* values, bool flag)
            """;

    private static final String RIGHT = """
            #pragma once
            #include <stddef.h>
            #include <stdint.h>
            typedef int vStatus;
            typedef enum { V_ZERO, V_ONE } vKind;
            typedef struct { int32_t first; int64_t second; } vPair;
            extern "C" {
            vStatus vCopy(void *dst, const void *src, size_t bytes, vKind kind);
            vStatus vWait(int32_t milliseconds);
            vStatus vDocumented(int64_t *values, bool flag);
            }
            """;

    @TempDir
    private Path folder = Path.of("unset");

    private Map<String, Verdict> audit(String header) throws IOException {
        Files.writeString(folder.resolve("v.h"), header);
        Map<String, Verdict> verdicts = new TreeMap<>();
        for (AbiAudit.Finding finding : AbiAudit.run(AbiTableReader.parse("v", TABLE), List.of(folder), "c++")) {
            verdicts.put(finding.fact().replaceAll(".*?(\\w+)\\(.*", "$1"), finding.verdict());
        }
        return verdicts;
    }

    @Test
    void rightHeadersMatchAndADocumentIsSilentAboutConst() throws IOException {
        assertEquals(
                Map.of(
                        "vCopy", Verdict.MATCHES,
                        "vWait", Verdict.MATCHES,
                        "vDocumented", Verdict.MATCHES,
                        "V_ONE = 1", Verdict.MATCHES,
                        "sizeof vPair = 16", Verdict.MATCHES,
                        "vPair.first at 0", Verdict.MATCHES,
                        "vPair.second at 8", Verdict.MATCHES),
                audit(RIGHT));
    }

    @Test
    void eachWrongFactIsFoundAndNoOther() throws IOException {
        Map<String, String> faults = Map.of(
                "vCopy", RIGHT.replace("size_t bytes, vKind", "uint32_t bytes, vKind"),
                "vWait", RIGHT.replace("vWait(int32_t", "vWait(uint32_t"),
                "vDocumented", RIGHT.replace("bool flag", "int64_t flag"),
                "V_ONE = 1", RIGHT.replace("V_ZERO, V_ONE", "V_ZERO, V_HALF, V_ONE"),
                "sizeof vPair = 16", RIGHT.replace("int64_t second;", "int64_t second; int64_t third;"));
        for (Map.Entry<String, String> fault : faults.entrySet()) {
            Map<String, Verdict> verdicts = audit(fault.getValue());
            verdicts.forEach((fact, verdict) -> assertEquals(
                    fact.equals(fault.getKey()) ? Verdict.DIFFERS : Verdict.MATCHES,
                    verdict,
                    fault.getKey() + ": " + fact));
        }
    }

    @Test
    void aMovedFieldDiffersWhileTheSizeStays() throws IOException {
        Map<String, Verdict> verdicts =
                audit(RIGHT.replace("int32_t first; int64_t second;", "int64_t second; int32_t first;"));
        assertEquals(Verdict.DIFFERS, verdicts.get("vPair.first at 0"));
        assertEquals(Verdict.DIFFERS, verdicts.get("vPair.second at 8"));
        assertEquals(Verdict.MATCHES, verdicts.get("sizeof vPair = 16"));
    }

    @Test
    void whatOlderHeadersLackIsAbsentAndNotWrong() throws IOException {
        Map<String, Verdict> verdicts =
                audit(RIGHT.replaceAll("vStatus vWait.*\n", "").replaceAll("typedef struct.*\n", ""));
        assertEquals(Verdict.ABSENT, verdicts.get("vWait"));
        assertEquals(Verdict.ABSENT, verdicts.get("sizeof vPair = 16"));
        assertEquals(Verdict.ABSENT, verdicts.get("vPair.second at 8"));
        assertEquals(Verdict.MATCHES, verdicts.get("vCopy"));
    }

    @Test
    void aWrapperOfTheSameNameDoesNotDisturb() throws IOException {
        assertEquals(
                Verdict.MATCHES,
                audit(RIGHT + "static inline vStatus vWait(void) { return 0; }\n")
                        .get("vWait"));
    }

    @Test
    void emptyFoldersBrokenHeadersAndMissingCompilersAreNoVerdicts() throws IOException {
        AbiTable table = AbiTableReader.parse("v", TABLE);
        IOException empty = assertThrows(IOException.class, () -> AbiAudit.run(table, List.of(folder), "c++"));
        assertTrue(String.valueOf(empty.getMessage()).contains("v.h"), empty.getMessage());
        IOException broken = assertThrows(IOException.class, () -> audit(RIGHT + "broken thing;\n"));
        assertTrue(String.valueOf(broken.getMessage()).contains("do not compile"), broken.getMessage());
        audit(RIGHT);
        assertThrows(IOException.class, () -> AbiAudit.run(table, List.of(folder), "no-such-compiler"));
    }
}
