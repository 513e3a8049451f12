package dev.heng.conformance.shard;

import dev.heng.conformance.run.CaseExecutor;
import dev.heng.conformance.run.CaseResult;
import dev.heng.conformance.run.CaseState;
import dev.heng.conformance.run.RegistryOpener;
import dev.heng.conformance.run.RunRequest;
import dev.heng.conformance.suite.ConformanceCase;
import dev.heng.conformance.suite.Suite;
import dev.heng.runtime.HengException;
import dev.heng.runtime.registry.BackendRegistry;
import dev.heng.spi.Backend;
import dev.heng.spi.BackendException;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The child: opens both backends on its main thread, runs the cases that it is told, closes and exits with 0.
 *
 * <p>It talks over a socket and not over standard output, which belongs to whatever the backend's native code prints. If the parent goes
 * away, it ends at once, in the middle of a case too.
 */
public final class ShardMain {

    /** Stands in the queue for the end of the orders. */
    private static final String END = "";

    private final BufferedWriter answers;
    private final BlockingQueue<String> orders = new LinkedBlockingQueue<>();

    /** Whether a case is running; then the end of the orders is the parent's death. */
    private volatile boolean busy;

    private ShardMain(BufferedWriter answers) {
        this.answers = answers;
    }

    /**
     * Serves one parent.
     *
     * @param arguments the path of the parent's Unix-domain socket
     */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length != 1) {
            System.err.println("heng: a shard is started by 'heng parity', which passes its socket");
            System.exit(2);
        }
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(arguments[0]));
                BufferedReader reader = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
                BufferedWriter writer = new BufferedWriter(Channels.newWriter(channel, StandardCharsets.UTF_8))) {
            ShardOrder order = ShardReply.read(String.valueOf(reader.readLine()), ShardOrder.class);
            ShardMain shard = new ShardMain(writer);
            Thread.ofPlatform().daemon().name("orders").start(() -> shard.receive(reader));
            shard.serve(order);
        }
        // Threads that a backend left behind must not keep this process.
        System.exit(0);
    }

    private void receive(BufferedReader reader) {
        try {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                busy = true;
                orders.add(line);
            }
        } catch (IOException gone) {
            // Handled as the end of the orders, which it is.
        }
        if (busy) {
            Runtime.getRuntime().halt(1);
        }
        orders.add(END);
    }

    private void serve(ShardOrder order) throws IOException, InterruptedException {
        Backend device;
        Backend oracle;
        BackendRegistry registry;
        try {
            registry = BackendRegistry.discover(order.pluginPaths());
            device = open(registry, order.backend());
        } catch (HengException failure) {
            send(ShardReply.obstacle(failure.getMessage() + " (" + failure.remedy() + ")"));
            return;
        } catch (BackendException failure) {
            send(ShardReply.obstacle(
                    "cannot open the backend: " + failure.getMessage() + " (" + failure.remedy() + ")"));
            return;
        }
        try {
            oracle = open(registry, "reference");
        } catch (HengException | BackendException failure) {
            device.close();
            send(ShardReply.obstacle("cannot open the oracle: " + failure.getMessage()));
            return;
        }
        send(ShardReply.opened(device.device(), device.numerics().toString()));
        Suite suite = Suite.standard();
        RunRequest request = order.request();
        for (String id = orders.take(); !id.equals(END); id = orders.take()) {
            List<ConformanceCase> named = request.onlyCases(id).select(suite.cases());
            CaseResult result = execute(named.getFirst(), request, registry, device, oracle);
            busy = false;
            send(ShardReply.result(result));
        }
        send(ShardReply.closed(close(device, oracle)));
    }

    private static Backend open(BackendRegistry registry, String backend) {
        return new RegistryOpener(registry, backend).open();
    }

    /** Executes a case; what is thrown past the executor, an Error of the backend's, is an ERROR and no end. */
    private static CaseResult execute(
            ConformanceCase one, RunRequest request, BackendRegistry registry, Backend device, Backend oracle)
            throws InterruptedException {
        FutureTask<CaseResult> task = new FutureTask<>(() ->
                CaseExecutor.execute(one, request, device, oracle, new RegistryOpener(registry, request.backend())));
        task.run();
        try {
            return task.get();
        } catch (ExecutionException failure) {
            return new CaseResult(one, CaseState.ERROR, "" + failure.getCause(), List.of(), 0, request.replay(one));
        }
    }

    private static String close(Backend device, Backend oracle) {
        try {
            oracle.close();
            device.close();
            return "";
        } catch (RuntimeException failure) {
            return "the backend could not be closed after its cases: " + failure;
        }
    }

    private void send(ShardReply reply) throws IOException {
        answers.write(ShardReply.line(reply));
        answers.newLine();
        answers.flush();
    }
}
