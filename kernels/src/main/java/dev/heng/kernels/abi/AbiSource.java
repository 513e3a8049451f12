package dev.heng.kernels.abi;

/**
 * Where a fact was read.
 *
 * @param kind a header that compiles, or a document about a header that is made when the vendor's package is built
 * @param revision repository and commit, {@code owner/name@commit}
 * @param path the file in it
 * @param include the header to include for it in an installation, as it stands between angle brackets
 */
public record AbiSource(Kind kind, String revision, String path, String include) {

    /** What was read. */
    public enum Kind {
        /** A public C or C++ header. */
        HEADER,
        /** A document: types are certain, qualifiers such as {@code const} are not. */
        DOCUMENT
    }
}
