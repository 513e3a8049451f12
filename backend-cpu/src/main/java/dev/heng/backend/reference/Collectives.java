package dev.heng.backend.reference;

/** Communication among ranks, of which the oracle knows one (COMM): every exchange is a copy. */
final class Collectives {

    private Collectives() {}

    /** COMM-001: the sum over one rank. */
    static void allReduce(Invocation in) {
        copyRows(in.operand(0), in.result(0));
    }

    /** COMM-002: rows that are sorted by expert already arrive as they are. */
    static void allToAll(Invocation in, int localExperts) {
        Tensor offsets = in.operand(1);
        copyRows(in.operand(0), in.result(0));
        for (int expert = 0; expert <= localExperts; expert++) {
            in.result(1).setInteger(expert, offsets.integer(expert));
        }
        for (int expert = 0; expert < localExperts; expert++) {
            in.result(2).setInteger(expert, offsets.integer(expert + 1) - offsets.integer(expert));
        }
    }

    /** COMM-003: the inverse. */
    static void allToAllReturn(Invocation in) {
        copyRows(in.operand(0), in.result(0));
    }

    private static void copyRows(Tensor source, Tensor target) {
        for (long row = 0; row < source.rows(); row++) {
            target.copyBits(row, 0, source, row, 0, source.columns());
        }
    }
}
