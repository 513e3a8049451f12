package dev.heng.backend.ascend;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.backend.ascend.lowering.DeviceWeight;
import dev.heng.backend.ascend.lowering.Unit;
import dev.heng.backend.ascend.lowering.WeightForm;
import dev.heng.backend.ascend.lowering.WeightViews;
import dev.heng.spi.BackendException;
import dev.heng.spi.WeightSizes;
import dev.heng.spi.WeightSource;
import dev.heng.spi.WeightSource.Part;
import dev.heng.spi.graph.Graph;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import dev.heng.spi.tensor.Quantization;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A program's weights on the device, once in each form that a node takes: W[N, K], vectors, and stacked experts W[E, N, K] part after part. */
final class DeviceWeights implements WeightViews, AutoCloseable {

    /** Bytes that are converted on the host at once. */
    private static final long PIECE = 1L << 20;

    private record Key(Value weight, WeightForm form) {}

    private final AscendDevice device;
    private final WeightForms policy;
    private final Map<Key, DeviceWeight> weights = new HashMap<>();
    private final List<Long> allocations = new ArrayList<>();
    private final Map<Value, Value> followers = new HashMap<>();
    private final Map<Key, TensorView> pairs = new HashMap<>();
    private final Map<Node, LatentWeights> latent = new HashMap<>();

    /** Uploads; if it fails, nothing stays allocated. */
    DeviceWeights(AscendDevice device, Graph graph, WeightSource source, WeightForms policy, List<Unit> units) {
        this.device = device;
        this.policy = policy;
        Map<Value, Set<WeightForm>> forms = new LinkedHashMap<>();
        for (Node node : graph.nodes()) {
            for (Value operand : node.operands()) {
                if (operand.role() == Value.Role.WEIGHT) {
                    forms.computeIfAbsent(operand, _ -> new LinkedHashSet<>()).add(policy.of(node, operand));
                }
            }
        }
        requireFits(graph, forms);
        units.forEach(unit -> unit.pair().ifPresent(pair -> followers.put(pair.first(), pair.second())));
        try {
            // The first of a pair makes room for both, whichever was declared first.
            List<Value> order = new ArrayList<>(graph.weights());
            order.sort(Comparator.comparing(weight -> !followers.containsKey(weight)));
            for (Value weight : order) {
                WeightSource.WeightData stored = source.data(weight);
                WeightSizes.check(weight, stored);
                for (WeightForm form : forms.getOrDefault(weight, Set.of())) {
                    weights.put(new Key(weight, form), upload(weight, form, stored));
                }
            }
            units.forEach(unit -> unit.latentParts().ifPresent(this::split));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Refuses before the first byte is copied, with the arithmetic shown. */
    private void requireFits(Graph graph, Map<Value, Set<WeightForm>> forms) {
        long wanted = 0;
        for (Map.Entry<Value, Set<WeightForm>> entry : forms.entrySet()) {
            for (WeightForm form : entry.getValue()) {
                Extent extent = Extent.of(entry.getKey());
                wanted += extent.experts() * extent.rows() * bytes(form, entry.getKey(), extent.columns());
            }
        }
        long free = device.runtime().memory()[0];
        if (wanted > free) {
            throw BackendException.of(
                    BackendException.Code.OUT_OF_MEMORY,
                    device.address() + ": the weights of graph '" + graph.name() + "' take " + wanted + " bytes, and "
                            + free + " are free",
                    "use a narrower weight format or a device with more memory");
        }
    }

    private record Extent(long experts, long rows, int columns) {
        static Extent of(Value weight) {
            int rank = weight.type().shape().rank();
            return new Extent(
                    rank == 3 ? weight.type().shape().dim(0).size() : 1,
                    rank >= 2 ? weight.type().shape().dim(-2).size() : 1,
                    Math.toIntExact(weight.type().shape().dim(-1).size()));
        }

        long[] dims(Value weight, long... last) {
            int rank = weight.type().shape().rank();
            long[] dims = new long[rank - 2 + last.length];
            if (rank == 3) {
                dims[0] = experts;
            }
            System.arraycopy(last, 0, dims, dims.length - last.length, last.length);
            return dims;
        }
    }

    /** Bytes of one row of elements. */
    private static long bytes(WeightForm form, Value weight, int columns) {
        return switch (form.kind()) {
            case PLAIN -> weight.type().dtype().bytes(columns);
            case WIDENED -> DType.F32.bytes(columns);
            case INT8, INT8_FROM_FP8 -> columns;
            case INT4 -> DType.I4.bytes(columns);
        };
    }

    private DeviceWeight upload(Value weight, WeightForm form, WeightSource.WeightData stored) {
        Extent extent = Extent.of(weight);
        return switch (form.kind()) {
            case PLAIN -> plain(weight, form, stored);
            case WIDENED -> weight.type().isPlain() ? plain(weight, form, stored) : widened(weight, extent, stored);
            case INT8 -> int8(weight, form, extent, stored);
            case INT8_FROM_FP8 -> requantised(weight, form, extent, stored);
            case INT4 -> int4(weight, form, extent, stored);
        };
    }

    /** A plain weight part after part, as stored or widened by the device; the second of a pair fills the gaps that the first leaves. */
    private DeviceWeight plain(Value weight, WeightForm form, WeightSource.WeightData stored) {
        DType from = weight.type().dtype();
        DType to = form.kind() == WeightForm.Kind.WIDENED ? DType.F32 : from;
        long[] dims = new long[weight.type().shape().rank()];
        long elements = 1;
        for (int i = 0; i < dims.length; i++) {
            dims[i] = weight.type().shape().dim(i).size();
            elements *= dims[i];
        }
        long part = elements / stored.parts().size();
        TensorView target = TensorView.dense(to, 0, dims);
        Value follower = followers.get(weight);
        TensorView pair = pairs.get(new Key(weight, form));
        long stride = part;
        if (pair != null) {
            target = TensorView.dense(to, pair.address() + to.bytes(part), dims);
            stride = 2 * part;
        } else if (follower != null) {
            long[] both = dims.clone();
            both[both.length - 2] *= 2;
            target = TensorView.dense(to, allocate(weight, to.bytes(2 * elements)), dims);
            pairs.put(new Key(weight, form), TensorView.dense(to, target.address(), both));
            pairs.put(new Key(follower, form), TensorView.dense(to, target.address(), both));
            stride = 2 * part;
        } else {
            target = TensorView.dense(to, allocate(weight, to.bytes(elements)), dims);
        }
        write(weight, stored, target, part, stride);
        return DeviceWeight.plain(target);
    }

    private void write(Value weight, WeightSource.WeightData stored, TensorView target, long part, long stride) {
        DType from = weight.type().dtype();
        long narrow = from == target.dtype() || part == 0
                ? 0
                : device.allocate("a part of weight '" + weight.name() + "'", from.bytes(part));
        try {
            for (int i = 0; i < stored.parts().size(); i++) {
                MemorySegment elements = stored.parts().get(i).elements();
                long at = target.address() + target.dtype().bytes(i * stride);
                if (narrow == 0) {
                    device.stage().write(elements, at);
                } else {
                    device.stage().write(elements, narrow);
                    device.basics()
                            .store(TensorView.dense(from, narrow, part), TensorView.dense(target.dtype(), at, part));
                }
            }
        } finally {
            if (narrow != 0) {
                device.runtime().synchronise(device.stream());
                device.runtime().free(narrow);
            }
        }
    }

    /** Takes kvB apart into keys and values, once. */
    private void split(Unit.LatentParts parts) {
        Op.MlaAttention op = (Op.MlaAttention) parts.attention().op();
        latent.put(
                parts.attention(),
                new LatentWeights(part(parts, op, 0, op.nopeDim()), part(parts, op, op.nopeDim(), op.valueDim())));
    }

    private TensorView part(Unit.LatentParts parts, Op.MlaAttention op, long from, long rows) {
        Value weight = parts.attention().operand(2);
        TensorView kvB = of(parts.attention(), weight).elements();
        long width = kvB.dim(1);
        long[] dims = {op.heads(), rows, width};
        TensorView to =
                TensorView.dense(parts.type(), allocate(weight, parts.type().bytes(op.heads() * rows * width)), dims);
        long perHead = ((long) op.nopeDim() + op.valueDim()) * width;
        device.basics().store(kvB.strided(from * width, dims, new long[] {perHead, width, 1}), to);
        return to;
    }

    private DeviceWeight widened(Value weight, Extent extent, WeightSource.WeightData stored) {
        long rowBytes = DType.F32.bytes(extent.columns());
        long address = allocate(weight, extent.experts() * extent.rows() * rowBytes);
        long at = address;
        double[] row = new double[extent.columns()];
        int rowsAtOnce = (int) Math.max(1, PIECE / Math.max(1, rowBytes));
        MemorySegment piece = MemorySegment.ofArray(new byte[Math.toIntExact(rowsAtOnce * rowBytes)]);
        for (Part part : stored.parts()) {
            WeightRows rows = new WeightRows(weight.type(), part);
            for (long first = 0; first < extent.rows(); first += rowsAtOnce) {
                int count = (int) Math.min(rowsAtOnce, extent.rows() - first);
                for (int i = 0; i < count; i++) {
                    rows.read(first + i, row);
                    for (int k = 0; k < row.length; k++) {
                        StoredNumbers.put(piece, DType.F32, (long) i * row.length + k, (float) row[k]);
                    }
                }
                device.stage().write(piece.asSlice(0, count * rowBytes), at);
                at += count * rowBytes;
            }
        }
        return DeviceWeight.plain(
                TensorView.dense(DType.F32, address, extent.dims(weight, extent.rows(), extent.columns())));
    }

    private DeviceWeight int8(Value weight, WeightForm form, Extent extent, WeightSource.WeightData stored) {
        DType from = ((Quantization.Int8Channels) weight.type().quantization()).scaleType();
        long elements = allocate(weight, extent.experts() * extent.rows() * extent.columns());
        long at = elements;
        MemorySegment scales = floats(form, extent.experts() * extent.rows());
        long index = 0;
        for (Part part : stored.parts()) {
            device.stage().write(part.elements(), at);
            at += part.elements().byteSize();
            for (long n = 0; n < extent.rows(); n++) {
                StoredNumbers.put(
                        scales,
                        form.scaleType(),
                        index++,
                        StoredNumbers.get(WeightRows.scales(part.scales()), from, n));
            }
        }
        return new DeviceWeight(
                TensorView.dense(DType.I8, elements, extent.dims(weight, extent.rows(), extent.columns())),
                beside(weight, form, scales, extent.dims(weight, extent.rows())),
                null,
                0);
    }

    private DeviceWeight requantised(Value weight, WeightForm form, Extent extent, WeightSource.WeightData stored) {
        long matrix = extent.rows() * extent.columns();
        long elements = allocate(weight, extent.experts() * matrix);
        long at = elements;
        MemorySegment scales = floats(form, extent.experts() * extent.rows());
        MemorySegment codes = MemorySegment.ofArray(new byte[Math.toIntExact(matrix)]);
        long scaleBytes = form.scaleType().bytes(extent.rows());
        for (int expert = 0; expert < stored.parts().size(); expert++) {
            Requantisation.convert(
                    weight,
                    form,
                    stored.parts().get(expert),
                    extent.rows(),
                    extent.columns(),
                    codes,
                    scales.asSlice(expert * scaleBytes, scaleBytes));
            device.stage().write(codes, at);
            at += matrix;
        }
        return new DeviceWeight(
                TensorView.dense(DType.I8, elements, extent.dims(weight, extent.rows(), extent.columns())),
                beside(weight, form, scales, extent.dims(weight, extent.rows())),
                null,
                0);
    }

    /** Codes 0..15 become signed numbers by their highest bit: code - 8 is the code with that bit turned over. Zero points become offsets 8 - zero. */
    private DeviceWeight int4(Value weight, WeightForm form, Extent extent, WeightSource.WeightData stored) {
        Quantization.Int4Groups format = (Quantization.Int4Groups) weight.type().quantization();
        long rowBytes = DType.I4.bytes(extent.columns());
        long stride = WeightSizes.rowBytes(weight.type());
        long groups = Math.ceilDiv(extent.columns(), format.groupSize());
        long elements = allocate(weight, extent.experts() * extent.rows() * rowBytes);
        long at = elements;
        MemorySegment row = MemorySegment.ofArray(new byte[Math.toIntExact(extent.rows() * rowBytes)]);
        MemorySegment scales = floats(form, extent.experts() * extent.rows() * groups);
        MemorySegment offsets = floats(form, extent.experts() * extent.rows() * groups);
        long index = 0;
        for (Part part : stored.parts()) {
            WeightRows rows = new WeightRows(weight.type(), part);
            for (long n = 0; n < extent.rows(); n++) {
                for (long i = 0; i < rowBytes; i++) {
                    byte codes = part.elements().get(ValueLayout.JAVA_BYTE, n * stride + i);
                    row.set(ValueLayout.JAVA_BYTE, n * rowBytes + i, (byte) (codes ^ 0x88));
                }
                for (int group = 0; group < groups; group++, index++) {
                    StoredNumbers.put(
                            scales,
                            form.scaleType(),
                            index,
                            StoredNumbers.get(
                                    WeightRows.scales(part.scales()), format.scaleType(), n * groups + group));
                    StoredNumbers.put(offsets, form.scaleType(), index, 8 - rows.zero(n, group, groups));
                }
            }
            device.stage().write(row, at);
            at += row.byteSize();
        }
        boolean byChannel = groups == 1;
        long[] dims = byChannel ? extent.dims(weight, extent.rows()) : extent.dims(weight, extent.rows(), groups);
        return new DeviceWeight(
                TensorView.dense(DType.I4, elements, extent.dims(weight, extent.rows(), extent.columns())),
                beside(weight, form, scales, dims),
                format.zeroPoints() ? beside(weight, form, offsets, dims) : null,
                byChannel ? 0 : format.groupSize());
    }

    private static MemorySegment floats(WeightForm form, long count) {
        return MemorySegment.ofArray(new byte[Math.toIntExact(form.scaleType().bytes(count))]);
    }

    private TensorView beside(Value weight, WeightForm form, MemorySegment numbers, long[] dims) {
        long address = allocate(weight, numbers.byteSize());
        device.stage().write(numbers, address);
        return TensorView.dense(form.scaleType(), address, dims);
    }

    private long allocate(Value weight, long bytes) {
        long address = device.allocate("weight '" + weight.name() + "'", bytes);
        allocations.add(address);
        return address;
    }

    @Override
    public DeviceWeight of(Node node, Value weight) {
        DeviceWeight found = weights.get(new Key(weight, policy.of(node, weight)));
        if (found == null) {
            throw new IllegalStateException("weight '" + weight.name() + "' was not uploaded");
        }
        return found;
    }

    @Override
    public TensorView together(Node first, Node second) {
        Value weight = first.operand(first.operands().size() - 1);
        TensorView pair = pairs.get(new Key(weight, policy.of(first, weight)));
        if (pair == null) {
            throw new IllegalStateException(
                    "the weights of '" + first.name() + "' and '" + second.name() + "' do not lie together");
        }
        return pair;
    }

    @Override
    public LatentWeights latent(Node attention) {
        LatentWeights parts = latent.get(attention);
        if (parts == null) {
            throw new IllegalStateException("the weight of '" + attention.name() + "' was not taken apart");
        }
        return parts;
    }

    @Override
    public void close() {
        device.runtime().synchronise(device.stream());
        allocations.forEach(address -> device.runtime().free(address));
        allocations.clear();
        weights.clear();
    }
}
