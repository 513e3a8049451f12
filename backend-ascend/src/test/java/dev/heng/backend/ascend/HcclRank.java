package dev.heng.backend.ascend;

import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.Share;
import dev.heng.runtime.checkpoint.WeightCatalog;
import dev.heng.runtime.config.ModelConfig;
import dev.heng.runtime.family.GraphOptions;
import dev.heng.runtime.family.Names;
import dev.heng.runtime.generate.CompiledModel;
import dev.heng.runtime.generate.Feed;
import dev.heng.runtime.generate.RunLimits;
import dev.heng.runtime.generate.Session;
import dev.heng.runtime.parallel.ParallelBackend;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.runtime.registry.BackendWish;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendOptions;
import dev.heng.spi.Buffer;
import dev.heng.spi.BufferRequest;
import dev.heng.spi.Communicator;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Shape;
import dev.heng.spi.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** One rank of {@link HcclTest}, a process of its own: {@code RANK SIZE FOLDER TASK}, the folder being where ranks find the group's id and leave their results. */
final class HcclRank {

    private final Communicator communicator;
    private final Backend backend;

    private HcclRank(Backend backend, Communicator communicator) {
        this.backend = backend;
        this.communicator = communicator;
    }

    public static void main(String[] arguments) throws Exception {
        int rank = Integer.parseInt(arguments[0]);
        int size = Integer.parseInt(arguments[1]);
        Path folder = Path.of(arguments[2]);
        String task = arguments[3];
        Backend backend = BackendRegistry.discover(List.of())
                .choose(BackendWish.parse("ascend"))
                .open(BackendOptions.none());
        Communicator communicator = backend.join(new Communicator.Group(id(folder, rank, backend), rank, size));
        if (task.equals("collectives")) {
            HcclRank one = new HcclRank(backend, communicator);
            one.sums();
            one.gathers();
            one.exchanges();
            communicator.close();
            backend.close();
        } else {
            try (Backend parallel = new ParallelBackend(backend, communicator)) {
                model(Path.of(task), parallel, rank, size, folder);
            }
        }
        System.out.println("rank " + rank + " is done");
    }

    private static byte[] id(Path folder, int rank, Backend backend) throws IOException, InterruptedException {
        Path file = folder.resolve("id");
        if (rank == 0) {
            byte[] made = backend.newGroupId();
            Path written = folder.resolve("id.part");
            Files.write(written, made);
            Files.move(written, file, StandardCopyOption.ATOMIC_MOVE);
            return made;
        }
        for (int attempt = 0; !Files.exists(file); attempt++) {
            require(attempt < 3000, "rank 0 left no id");
            Thread.sleep(20);
        }
        return Files.readAllBytes(file);
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what);
        }
    }

    private Buffer buffer(String name, DType dtype, long count) {
        return backend.allocate(
                new BufferRequest(name, BufferRequest.Usage.TENSOR, TensorType.of(dtype, Shape.of(count)), Map.of()));
    }

    /** Integers, whose sums are exact in every order; more than a piece of the shared memory holds. */
    private void sums() {
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
            int count = 150_001;
            MemorySegment bytes = MemorySegment.ofArray(new byte[(int) dtype.bytes(count)]);
            for (int i = 0; i < count; i++) {
                StoredNumbers.put(bytes, dtype, i, i % 13 + communicator.rank());
            }
            try (Buffer source = buffer("source", dtype, count);
                    Buffer target = buffer("target", dtype, count)) {
                source.write(bytes, 0);
                communicator.allReduceSum(source, target, dtype, count);
                target.read(0, bytes);
            }
            int size = communicator.size();
            for (int i = 0; i < count; i++) {
                float wanted = size * (i % 13) + size * (size - 1) / 2f;
                require(StoredNumbers.get(bytes, dtype, i) == wanted, "sum of " + dtype + " at " + i);
            }
        }
    }

    private void gathers() {
        int count = 1_000;
        int size = communicator.size();
        MemorySegment own = MemorySegment.ofArray(new byte[4 * count]);
        for (int i = 0; i < count; i++) {
            own.set(StoredNumbers.INT, 4L * i, communicator.rank() * count + i);
        }
        MemorySegment all = MemorySegment.ofArray(new byte[4 * count * size]);
        MemorySegment one = MemorySegment.ofArray(new byte[4 * count]);
        try (Buffer source = buffer("source", DType.I32, count);
                Buffer target = buffer("target", DType.I32, (long) count * size)) {
            source.write(own, 0);
            communicator.allGather(source, target, DType.I32, count);
            target.read(0, all);
            communicator.broadcast(source, DType.I32, count, size - 1);
            source.read(0, one);
        }
        for (int i = 0; i < count * size; i++) {
            require(all.get(StoredNumbers.INT, 4L * i) == i, "gathered element " + i);
        }
        for (int i = 0; i < count; i++) {
            require(one.get(StoredNumbers.INT, 4L * i) == (size - 1) * count + i, "broadcast element " + i);
        }
    }

    /** Rank r sends (r + d) mod 3 thousand elements to rank d, among them nothing; each says from whom and for whom it is. */
    private void exchanges() {
        int size = communicator.size();
        int rank = communicator.rank();
        long[] sends = new long[size];
        long[] receives = new long[size];
        Arrays.setAll(sends, other -> (rank + other) % 3 * 40_000L);
        Arrays.setAll(receives, other -> (rank + other) % 3 * 40_000L);
        long sent = Arrays.stream(sends).sum();
        long received = Arrays.stream(receives).sum();
        MemorySegment out = MemorySegment.ofArray(new byte[(int) (4 * sent)]);
        MemorySegment in = MemorySegment.ofArray(new byte[(int) (4 * received)]);
        int at = 0;
        for (int other = 0; other < size; other++) {
            for (int i = 0; i < sends[other]; i++) {
                out.set(StoredNumbers.INT, 4L * at++, (rank * 16 + other) * 100_000 + i);
            }
        }
        try (Buffer source = buffer("source", DType.I32, Math.max(1, sent));
                Buffer target = buffer("target", DType.I32, Math.max(1, received))) {
            source.write(out, 0);
            communicator.allToAll(source, sends, target, receives, DType.I32);
            target.read(0, in);
        }
        at = 0;
        for (int other = 0; other < size; other++) {
            for (int i = 0; i < receives[other]; i++) {
                int wanted = (other * 16 + rank) * 100_000 + i;
                require(in.get(StoredNumbers.INT, 4L * at++) == wanted, "element " + i + " of rank " + other);
            }
        }
    }

    /** Computes a golden's logits, each rank its part, and leaves them as raw floats. */
    private static void model(Path golden, Backend rank, int number, int size, Path folder) throws IOException {
        ModelConfig config = ModelConfig.read(golden);
        try (Checkpoint checkpoint = Checkpoint.open(golden);
                Checkpoint expected = Checkpoint.open(golden.resolve("golden.safetensors"))) {
            int length = Math.toIntExact(
                    expected.require("input_ids").shape().dim(-1).size());
            int[] ids = Arrays.stream(expected.require("input_ids").integers(), 0, length)
                    .mapToInt(Math::toIntExact)
                    .toArray();
            GraphOptions options =
                    new GraphOptions(DType.F32, 16, true, false, false).withShare(new Share(number, size, true, true));
            WeightCatalog weights =
                    new WeightCatalog(checkpoint, config, dev.heng.runtime.checkpoint.ActivationRounding.NONE);
            try (CompiledModel model = CompiledModel.compile(
                            rank,
                            config,
                            weights,
                            options,
                            new RunLimits(length, length, length, 1),
                            BackendOptions.none());
                    Session session = model.open()) {
                session.run(List.of(new Feed(0, ids, Feed.Wanted.ALL)));
                float[] logits = session.floats(Names.LOGITS);
                byte[] bytes = new byte[4 * logits.length];
                MemorySegment.copy(MemorySegment.ofArray(logits), 0, MemorySegment.ofArray(bytes), 0, bytes.length);
                Files.write(Objects.requireNonNull(folder.resolve("logits." + number)), bytes);
            }
        }
    }
}
