package dev.heng.cli;

import picocli.CommandLine;
import picocli.CommandLine.IFactory;

/** Makes commands: those that read or write get the streams as their constructor's argument. */
final class CommandFactory implements IFactory {

    private final Streams streams;

    CommandFactory(Streams streams) {
        this.streams = streams;
    }

    @Override
    public <K> K create(Class<K> type) throws Exception {
        for (var constructor : type.getDeclaredConstructors()) {
            if (constructor.getParameterCount() == 1 && constructor.getParameterTypes()[0].equals(Streams.class)) {
                return type.cast(constructor.newInstance(streams));
            }
        }
        return CommandLine.defaultFactory().create(type);
    }
}
