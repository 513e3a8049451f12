package dev.heng.kernels.abi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class AbiTableReaderTest {

    private static final String HEAD = """
            type aclError int32
            type aclnnStatus int32
            type aclrtStream pointer
            library acl_rt
            source header owner/name@0123abc include/acl.h
            include acl/acl.h
            """;

    @Test
    void aFunctionKeepsSpellingsAndKnowsHowTheyTravel() {
        AbiTable table = AbiTableReader.parse(
                "t",
                HEAD + "since capture\nfunction aclError f(void** p, size_t n, bool b, const char* s, double d)\n");
        FunctionDeclaration f = table.function("f");
        assertEquals(
                List.of(NativeType.POINTER, NativeType.INT64, NativeType.INT8, NativeType.POINTER, NativeType.DOUBLE),
                f.parameters().stream().map(FunctionDeclaration.Parameter::type).toList());
        assertEquals("aclError (*)(void**, size_t, bool, const char*, double)", f.pointerType());
        assertEquals("acl_rt", f.library());
        assertEquals("capture", f.since());
        assertEquals("acl/acl.h", f.source().include());
        assertEquals("owner/name@0123abc", f.source().revision());
    }

    @Test
    void sinceMarksOneFunction() {
        AbiTable table = AbiTableReader.parse("t", HEAD + "since x\nfunction aclError f()\nfunction aclError g()\n");
        assertEquals("x", table.function("f").since());
        assertEquals("", table.function("g").since());
    }

    @Test
    void anOperatorIsTwoFunctions() {
        AbiTable table = AbiTableReader.parse("t", HEAD + "operator aclnnAdd(const aclTensor* self, aclTensor* out)\n");
        assertEquals(4, table.function("aclnnAddGetWorkspaceSize").parameters().size());
        assertEquals(
                "aclnnStatus (*)(void*, uint64_t, aclOpExecutor*, aclrtStream)",
                table.function("aclnnAdd").pointerType());
    }

    @Test
    void constantsMayBeHexadecimalAndStructsHaveOffsets() {
        AbiTable table = AbiTableReader.parse("t", HEAD + "constant C 0x20\nstruct S 16 a@0 b@8\n");
        assertEquals(32, table.constant("C"));
        assertEquals(8, table.struct("S").offset("b"));
        assertThrows(IllegalArgumentException.class, () -> table.struct("S").offset("c"));
        assertThrows(IllegalArgumentException.class, () -> table.function("nothing"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nonsense x",
                "function aclError f(unknown_t x)",
                "function aclError",
                "constant C",
                "constant C twelve",
                "struct S 8 field",
                "type t int128",
                "constant C 1\nconstant C 2"
            })
    void aMalformedLineIsNamed(String line) {
        IllegalStateException refused =
                assertThrows(IllegalStateException.class, () -> AbiTableReader.parse("table", HEAD + line + "\n"));
        assertTrue(String.valueOf(refused.getMessage()).startsWith("table:"), refused.getMessage());
    }

    @Test
    void aFactWithoutASourceIsRefused() {
        assertThrows(IllegalStateException.class, () -> AbiTableReader.parse("t", "constant C 1\n"));
    }
}
