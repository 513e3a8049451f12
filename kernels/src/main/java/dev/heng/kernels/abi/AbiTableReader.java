package dev.heng.kernels.abi;

import dev.heng.kernels.abi.FunctionDeclaration.Parameter;
import dev.heng.kernels.abi.StructDeclaration.Field;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads tables. A table is a text of lines; an empty line or one that begins with {@code #} says nothing.
 *
 * <pre>
 * type aclError int32                        how a type name travels: int8 int32 int64 float double pointer
 * library acl_rt                             the role of the library of the functions below
 * source header OWNER/NAME@COMMIT PATH       where the lines below were read: header or document
 * include acl/acl_rt.h                       the installed header that declares them
 * function aclError aclrtFree(void* devPtr)  a function; "since NAME" before it marks one that older releases lack
 * operator aclnnAdd(const aclTensor* self)   two functions: NAMEGetWorkspaceSize with the two results behind the list, and NAME
 * constant ACL_BF16 27
 * struct aclrtMallocConfig 16 attrs@0 numAttrs@8
 * </pre>
 */
public final class AbiTableReader {

    private static final Pattern FUNCTION = Pattern.compile("(.+?[ *])(\\w+)\\((.*)\\)");
    private static final Pattern OPERATOR = Pattern.compile("(\\w+)\\((.*)\\)");
    private static final Pattern PARAMETER = Pattern.compile("(.+?[ *])(\\w+)");
    private static final Pattern SOURCE = Pattern.compile("(header|document) (\\S+@\\S+) (\\S+)");

    /** What every two-phase operator has behind its own list, and the arguments of its second phase. Source: aclnn_base.h and every operator header. */
    private static final String FIRST_PHASE_TAIL = "uint64_t* workspaceSize, aclOpExecutor** executor";

    private static final String SECOND_PHASE =
            "void* workspace, uint64_t workspaceSize, aclOpExecutor* executor, aclrtStream stream";

    private final Map<String, NativeType> types = new LinkedHashMap<>();
    private final Map<String, FunctionDeclaration> functions = new LinkedHashMap<>();
    private final Map<String, ConstantDeclaration> constants = new LinkedHashMap<>();
    private final Map<String, StructDeclaration> structs = new LinkedHashMap<>();
    private String library = "";
    private String since = "";
    private @Nullable AbiSource source;
    private String place = "";

    private AbiTableReader() {
        types.put("void", NativeType.VOID);
        types.put("bool", NativeType.INT8);
        types.put("int8_t", NativeType.INT8);
        types.put("int", NativeType.INT32);
        types.put("int32_t", NativeType.INT32);
        types.put("uint32_t", NativeType.INT32);
        types.put("int64_t", NativeType.INT64);
        types.put("uint64_t", NativeType.INT64);
        types.put("size_t", NativeType.INT64);
        types.put("float", NativeType.FLOAT);
        types.put("double", NativeType.DOUBLE);
    }

    /**
     * Reads tables from resources, in order; later ones see the types of earlier ones.
     *
     * @param owner the class beside which the resources lie
     * @param resources their names
     * @throws IllegalStateException if one is missing or malformed, naming the line: a mistake in the build
     */
    public static AbiTable read(Class<?> owner, String... resources) {
        AbiTableReader reader = new AbiTableReader();
        for (String resource : resources) {
            try (InputStream stream = owner.getResourceAsStream(resource)) {
                if (stream == null) {
                    throw new IllegalStateException("resource " + resource + " is missing beside " + owner.getName());
                }
                reader.accept(resource, new String(stream.readAllBytes(), StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new IllegalStateException("resource " + resource + " cannot be read", e);
            }
        }
        return new AbiTable(reader.functions, reader.constants, reader.structs);
    }

    /**
     * Reads a table from text.
     *
     * @param name what messages call it
     * @param text the table
     * @throws IllegalStateException if it is malformed, naming the line
     */
    public static AbiTable parse(String name, String text) {
        AbiTableReader reader = new AbiTableReader();
        reader.accept(name, text);
        return new AbiTable(reader.functions, reader.constants, reader.structs);
    }

    private void accept(String name, String text) {
        int number = 0;
        for (String line : text.lines().toList()) {
            number++;
            place = name + ":" + number;
            if (!line.isBlank() && !line.startsWith("#")) {
                int blank = line.indexOf(' ');
                if (blank < 0) {
                    throw malformed("'" + line + "' has no content");
                }
                statement(line.substring(0, blank), line.substring(blank + 1).strip());
            }
        }
    }

    private void statement(String keyword, String content) {
        switch (keyword) {
            case "type" -> type(content);
            case "library" -> library = content;
            case "source" -> source(content);
            case "include" -> {
                AbiSource from = currentSource();
                source = new AbiSource(from.kind(), from.revision(), from.path(), content);
            }
            case "since" -> since = content;
            case "function" -> {
                Matcher parts = match(FUNCTION, content);
                add(parts.group(2), parts.group(1).strip(), parts.group(3));
            }
            case "operator" -> {
                Matcher parts = match(OPERATOR, content);
                String own = parts.group(2);
                String separator = own.isEmpty() ? "" : ", ";
                add(parts.group(1) + "GetWorkspaceSize", "aclnnStatus", own + separator + FIRST_PHASE_TAIL);
                add(parts.group(1), "aclnnStatus", SECOND_PHASE);
            }
            case "constant" -> {
                String[] words = content.split(" ", -1);
                if (words.length != 2) {
                    throw malformed("a constant is a name and a number");
                }
                put(constants, words[0], new ConstantDeclaration(words[0], number(words[1]), currentSource()));
            }
            case "struct" -> struct(content);
            default -> throw malformed("unknown statement '" + keyword + "'");
        }
    }

    private void type(String content) {
        String[] words = content.split(" ", -1);
        if (words.length != 2) {
            throw malformed("a type is a name and how it travels");
        }
        NativeType travels = switch (words[1]) {
            case "int8" -> NativeType.INT8;
            case "int32" -> NativeType.INT32;
            case "int64" -> NativeType.INT64;
            case "float" -> NativeType.FLOAT;
            case "double" -> NativeType.DOUBLE;
            case "pointer" -> NativeType.POINTER;
            default -> throw malformed("no type travels as '" + words[1] + "'");
        };
        put(types, words[0], travels);
    }

    private void source(String content) {
        Matcher parts = match(SOURCE, content);
        AbiSource.Kind kind = parts.group(1).equals("header") ? AbiSource.Kind.HEADER : AbiSource.Kind.DOCUMENT;
        source = new AbiSource(kind, parts.group(2), parts.group(3), "");
    }

    private void add(String name, String result, String list) {
        List<Parameter> parameters = new ArrayList<>();
        for (String text : list.isEmpty() ? new String[0] : list.split(",", -1)) {
            Matcher parts = match(PARAMETER, text.strip());
            String spelling = parts.group(1).strip();
            parameters.add(new Parameter(parts.group(2), spelling, travels(spelling)));
        }
        put(
                functions,
                name,
                new FunctionDeclaration(name, library, result, travels(result), parameters, since, currentSource()));
        if (!name.endsWith("GetWorkspaceSize")) {
            since = "";
        }
    }

    private NativeType travels(String spelling) {
        if (spelling.endsWith("*")) {
            return NativeType.POINTER;
        }
        NativeType type = types.get(spelling.startsWith("const ") ? spelling.substring(6) : spelling);
        if (type == null) {
            throw malformed("nothing says how type '" + spelling + "' travels");
        }
        return type;
    }

    private void struct(String content) {
        String[] words = content.split(" ", -1);
        if (words.length < 2) {
            throw malformed("a struct is a name, a size in bytes, and fields");
        }
        List<Field> fields = new ArrayList<>();
        for (int i = 2; i < words.length; i++) {
            int at = words[i].indexOf('@');
            if (at < 1) {
                throw malformed("'" + words[i] + "' is no field@offset");
            }
            fields.add(new Field(words[i].substring(0, at), number(words[i].substring(at + 1))));
        }
        put(structs, words[0], new StructDeclaration(words[0], number(words[1]), fields, currentSource()));
    }

    private AbiSource currentSource() {
        if (source == null) {
            throw malformed("a fact before any 'source'");
        }
        return source;
    }

    private long number(String text) {
        try {
            return Long.decode(text);
        } catch (NumberFormatException e) {
            throw malformed("'" + text + "' is no number");
        }
    }

    private <T> void put(Map<String, T> facts, String name, T fact) {
        if (facts.putIfAbsent(name, fact) != null) {
            throw malformed(name + " is declared twice");
        }
    }

    private Matcher match(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        if (!matcher.matches()) {
            throw malformed("'" + text + "' is not of the form " + pattern);
        }
        return matcher;
    }

    private IllegalStateException malformed(String what) {
        return new IllegalStateException(place + ": " + what);
    }
}
