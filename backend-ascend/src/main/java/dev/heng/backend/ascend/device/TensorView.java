package dev.heng.backend.ascend.device;

import dev.heng.spi.tensor.DType;
import java.util.Arrays;

/** Elements of device memory seen as a tensor. It owns nothing. */
public final class TensorView {

    private final DType dtype;
    private final long address;
    private final long[] dims;
    private final long[] strides;

    private TensorView(DType dtype, long address, long[] dims, long[] strides) {
        this.dtype = dtype;
        this.address = address;
        this.dims = dims;
        this.strides = strides;
    }

    /**
     * Returns a dense row-major view.
     *
     * @param address of its first element; a multiple of the element's size
     * @param dims sizes in elements, outermost first
     */
    public static TensorView dense(DType dtype, long address, long... dims) {
        long[] strides = new long[dims.length];
        long step = 1;
        for (int i = dims.length - 1; i >= 0; i--) {
            strides[i] = step;
            step *= Math.max(1, dims[i]);
        }
        return new TensorView(dtype, address, dims.clone(), strides);
    }

    /** Returns a view of the same memory: other sizes and strides in elements, beginning {@code offset} elements further on. */
    public TensorView strided(long offset, long[] newDims, long[] newStrides) {
        return new TensorView(dtype, address + offset * dtype.bytes(1), newDims.clone(), newStrides.clone());
    }

    /** Returns a dense view of the same memory with other sizes. */
    public TensorView reshaped(long... newDims) {
        return dense(dtype, address, newDims);
    }

    /** Returns adjacent rows of a dense view. */
    public TensorView rows(long first, long count) {
        long[] newDims = dims.clone();
        newDims[0] = count;
        return new TensorView(dtype, address + first * strides[0] * dtype.bytes(1), newDims, strides);
    }

    /** Returns this view with its last two dimensions exchanged: the transposed matrices. */
    public TensorView transposed() {
        long[] newDims = dims.clone();
        long[] newStrides = strides.clone();
        int last = dims.length - 1;
        newDims[last] = dims[last - 1];
        newDims[last - 1] = dims[last];
        newStrides[last] = strides[last - 1];
        newStrides[last - 1] = strides[last];
        return new TensorView(dtype, address, newDims, newStrides);
    }

    /** Returns the element type. */
    public DType dtype() {
        return dtype;
    }

    /** Returns the address of the first element. */
    public long address() {
        return address;
    }

    /** Returns the size of one dimension in elements. */
    public long dim(int index) {
        return dims[index];
    }

    /** Returns the stride of one dimension in elements. */
    public long stride(int index) {
        return strides[index];
    }

    /** Returns whether the elements lie row-major without gaps. */
    public boolean isDense() {
        long step = 1;
        for (int i = dims.length - 1; i >= 0; i--) {
            if (dims[i] != 1 && strides[i] != step) {
                return false;
            }
            step *= Math.max(1, dims[i]);
        }
        return true;
    }

    /** Returns the number of dimensions. */
    public int rank() {
        return dims.length;
    }

    long[] dims() {
        return dims;
    }

    long[] strides() {
        return strides;
    }

    /** Returns the number of elements. */
    public long elements() {
        return Arrays.stream(dims).reduce(1, Math::multiplyExact);
    }

    /** Returns the elements from the first to the last one touched, which is what must lie in one allocation. */
    long extent() {
        long last = 0;
        for (int i = 0; i < dims.length; i++) {
            last += (dims[i] - 1) * strides[i];
        }
        return last + 1;
    }
}
