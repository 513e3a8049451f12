package dev.heng.runtime.parallel;

import dev.heng.spi.Buffer;
import dev.heng.spi.Communicator;
import dev.heng.spi.tensor.DType;

/** A rank whose group nobody ever hears of: for what happens before the first collective. */
record FakeRank(int rank, int size) implements Communicator {

    @Override
    public void allReduceSum(Buffer source, Buffer target, DType dtype, long count) {
        throw new AssertionError("nothing is summed here");
    }

    @Override
    public void allGather(Buffer source, Buffer target, DType dtype, long count) {
        throw new AssertionError("nothing is gathered here");
    }

    @Override
    public void broadcast(Buffer buffer, DType dtype, long count, int root) {
        throw new AssertionError("nothing is sent here");
    }

    @Override
    public void allToAll(Buffer source, long[] sendCounts, Buffer target, long[] receiveCounts, DType dtype) {
        throw new AssertionError("nothing is exchanged here");
    }

    @Override
    public void close() {}
}
