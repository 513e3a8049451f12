package dev.heng.conformance.shard;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One child process as its parent sees it. Used by one thread; close ends the process and removes its files.
 *
 * <p>A thread accepts the connection and reads answers into a queue, so that the parent can wait with a limit; the end of the stream is the
 * end of the child, whose status tells the rest.
 */
final class ShardProcess implements AutoCloseable {

    /** How long a process may take to end after its last answer or its death. */
    private static final Duration TO_END = Duration.ofSeconds(10);

    private final Path folder;
    private final Process process;
    private final ServerSocketChannel server;
    private final BlockingQueue<Optional<String>> answers = new LinkedBlockingQueue<>();
    private volatile @Nullable SocketChannel channel;
    private @Nullable BufferedWriter writer;

    private ShardProcess(Path folder, Process process, ServerSocketChannel server) {
        this.folder = folder;
        this.process = process;
        this.server = server;
    }

    /**
     * Starts a child and tells it what to do; does not wait for it.
     *
     * @throws IOException if no process can be started
     */
    static ShardProcess start(ShardOrder order) throws IOException {
        // The default temporary folder, for a socket's path may be a hundred bytes long only.
        Path folder = Files.createTempDirectory("heng-");
        Path socket = folder.resolve("socket");
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            server.bind(UnixDomainSocketAddress.of(socket));
            Process process = new ProcessBuilder(ShardCommand.of(folder, socket))
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("printed").toFile())
                    .redirectInput(ProcessBuilder.Redirect.from(nothing()))
                    .start();
            ShardProcess shard = new ShardProcess(folder, process, server);
            Thread.ofPlatform().daemon().name("answers").start(() -> shard.receive(order));
            // A child that dies before it connects must not leave the thread in accept().
            CompletableFuture<Void> _ = process.onExit().thenRun(shard::closeServer);
            return shard;
        } catch (IOException | RuntimeException failure) {
            server.close();
            delete(folder);
            throw failure;
        }
    }

    private static java.io.File nothing() {
        return new java.io.File(System.getProperty("os.name").startsWith("Windows") ? "NUL" : "/dev/null");
    }

    private void receive(ShardOrder order) {
        try (SocketChannel accepted = server.accept()) {
            channel = accepted;
            BufferedWriter orders = new BufferedWriter(Channels.newWriter(accepted, StandardCharsets.UTF_8));
            orders.write(ShardReply.line(order));
            orders.newLine();
            orders.flush();
            writer = orders;
            BufferedReader reader = new BufferedReader(Channels.newReader(accepted, StandardCharsets.UTF_8));
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                answers.add(Optional.of(line));
            }
        } catch (IOException gone) {
            // Handled below: the child is gone, or was killed.
        }
        answers.add(Optional.empty());
    }

    /** What waiting for an answer came to. */
    sealed interface Answer {
        /** The child answered. */
        record Given(ShardReply reply) implements Answer {}

        /** The child is dead. */
        record Dead(String how) implements Answer {}

        /** Nothing came in time; the child was killed. */
        record Late() implements Answer {}
    }

    /** Waits for the next answer; on {@link Answer.Late} and {@link Answer.Dead} the child is over. */
    Answer await(Duration limit) throws InterruptedException {
        Optional<String> line = answers.poll(limit.toMillis(), TimeUnit.MILLISECONDS);
        if (line == null) {
            process.destroyForcibly().waitFor();
            return new Answer.Late();
        }
        if (line.isEmpty()) {
            return new Answer.Dead(postMortem());
        }
        return new Answer.Given(ShardReply.read(line.get(), ShardReply.class));
    }

    /** Orders a case. What a dead child does not receive shows in {@link #await}. */
    void order(String id) {
        BufferedWriter orders = writer;
        if (orders == null) {
            throw new IllegalStateException("a case was ordered before the child answered");
        }
        try {
            orders.write(id);
            orders.newLine();
            orders.flush();
        } catch (IOException dead) {
            // The reader of answers sees the same death and reports it.
        }
    }

    /** Tells the child that no case follows, so that it closes its backends. What a dead child does not hear shows in {@link #await}. */
    void finish() {
        SocketChannel open = channel;
        if (open == null) {
            throw new IllegalStateException("a child was dismissed before it answered");
        }
        try {
            open.shutdownOutput();
        } catch (IOException dead) {
            // The reader of answers sees the same death and reports it.
        }
    }

    /** Waits for the child's end; returns how it ended unless that was in order. */
    String end() throws InterruptedException {
        if (!process.waitFor(TO_END.toMillis(), TimeUnit.MILLISECONDS)) {
            process.destroyForcibly().waitFor();
            return "the process did not end after its backends were closed";
        }
        return process.exitValue() == 0 ? "" : postMortem();
    }

    private String postMortem() throws InterruptedException {
        if (!process.waitFor(TO_END.toMillis(), TimeUnit.MILLISECONDS)) {
            process.destroyForcibly().waitFor();
            return "the process closed its connection and did not end";
        }
        return PostMortem.of(process.exitValue(), folder.resolve("hs_err.log"), folder.resolve("printed"));
    }

    private void closeServer() {
        try {
            server.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
        closeServer();
        delete(folder);
    }

    /** Removes a child's files. What cannot be removed lies in the temporary folder and harms nobody. */
    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            List<Path> all = files.sorted(Comparator.reverseOrder()).toList();
            for (Path file : all) {
                Files.deleteIfExists(file);
            }
        } catch (IOException left) {
            System.err.println("heng: could not remove " + folder + ": " + left.getMessage());
        }
    }
}
