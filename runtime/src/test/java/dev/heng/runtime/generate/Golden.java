package dev.heng.runtime.generate;

import dev.heng.runtime.checkpoint.Checkpoint;
import dev.heng.runtime.checkpoint.StoredTensor;
import java.nio.file.Path;
import java.util.Arrays;

/** Tensors of a golden.safetensors, and how far other numbers are from them. */
final class Golden implements AutoCloseable {

    private final Checkpoint file;

    Golden(Path path) {
        this.file = Checkpoint.open(path);
    }

    boolean has(String name) {
        return file.find(name) != null;
    }

    float[] floats(String name) {
        return file.require(name).floats();
    }

    int dim(String name, int dim) {
        return Math.toIntExact(file.require(name).shape().dim(dim).size());
    }

    /** Returns row {@code row} of a matrix of ids. */
    int[] ids(String name, int row) {
        StoredTensor tensor = file.require(name);
        long[] all = tensor.integers();
        int width = Math.toIntExact(tensor.shape().dim(-1).size());
        return Arrays.stream(all, row * width, (row + 1) * width)
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    /** Returns the root of the mean square of the difference, over that of {@code expected}. */
    static double relativeRms(float[] actual, float[] expected) {
        if (actual.length != expected.length || actual.length == 0) {
            throw new AssertionError("lengths " + actual.length + " and " + expected.length);
        }
        double difference = 0;
        double square = 0;
        for (int index = 0; index < actual.length; index++) {
            double error = (double) actual[index] - expected[index];
            difference += error * error;
            square += (double) expected[index] * expected[index];
        }
        return Math.sqrt(difference / square);
    }

    @Override
    public void close() {
        file.close();
    }
}
