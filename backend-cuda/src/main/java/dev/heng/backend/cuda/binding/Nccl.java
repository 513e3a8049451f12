package dev.heng.backend.cuda.binding;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Structure;

/**
 * NCCL's functions, of 2.7 and later. All return an ncclResult_t but for the text. Pointers to results are addresses of host memory, buffers of device memory, counts are elements.
 * Source: nccl.h.
 */
public final class Nccl {

    /** Bytes of an id: NCCL_UNIQUE_ID_BYTES. */
    public static final int ID_BYTES = 128;

    private Nccl() {}

    /** An ncclUniqueId, which one function takes by value. */
    @Structure.FieldOrder("internal")
    public static final class UniqueId extends Structure implements Structure.ByValue {
        /** The bytes. */
        public byte[] internal = new byte[ID_BYTES];
    }

    /**
     * Binds every function of this class.
     *
     * @param name a path, or a name for the system's loader
     * @throws UnsatisfiedLinkError if the library or one of its functions is missing; the message names it
     */
    public static void register(String name) {
        Native.register(Nccl.class, NativeLibrary.getInstance(name));
    }

    public static native int ncclGetVersion(long version);

    public static native int ncclGetUniqueId(long id);

    public static native int ncclCommInitRank(long communicator, int ranks, UniqueId id, int rank);

    public static native int ncclCommDestroy(long communicator);

    public static native String ncclGetErrorString(int result);

    public static native int ncclAllReduce(
            long source, long target, long count, int type, int operation, long communicator, long stream);

    public static native int ncclAllGather(
            long source, long target, long count, int type, long communicator, long stream);

    public static native int ncclBroadcast(
            long source, long target, long count, int type, int root, long communicator, long stream);

    public static native int ncclSend(long source, long count, int type, int peer, long communicator, long stream);

    public static native int ncclRecv(long target, long count, int type, int peer, long communicator, long stream);

    public static native int ncclGroupStart();

    public static native int ncclGroupEnd();
}
