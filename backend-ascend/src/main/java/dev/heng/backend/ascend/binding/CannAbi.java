package dev.heng.backend.ascend.binding;

import dev.heng.kernels.abi.AbiTable;
import dev.heng.kernels.abi.AbiTableReader;

/** The facts of CANN that this backend relies on. */
public final class CannAbi {

    private static final AbiTable TABLE =
            AbiTableReader.read(CannAbi.class, "runtime.abi", "base.abi", "operators.abi", "hccl.abi");

    private CannAbi() {}

    /** Returns the table: functions by role of library, constants, structures, each with its source. */
    public static AbiTable table() {
        return TABLE;
    }
}
