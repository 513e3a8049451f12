// Row by row and element by element: EMBED, ADD, CAST, SLICE, SELECT, SWIGLU, copies.
#include "weights.cuh"

KERNEL void embed(const __grid_constant__ EmbedArgs a) {
    int row = blockIdx.x;
    int id = ((const int*)a.ids)[row];
    if (id < 0 || id >= a.table.rows) {
        if (threadIdx.x == 0 && blockIdx.y == 0) raise_fault(a.origin, 1, row, id);
        return;
    }
    Matrix table = expert_of(a.table, 0);
    int column = blockIdx.y * blockDim.x + threadIdx.x;
    if (column < a.y.columns) store(a.y, row, column, weight_at(a.table, table, id, column));
}

// Casts, or moves rows; integers of 4 and 8 bytes travel as bits.
KERNEL void copy_rows(const __grid_constant__ CopyArgs a) {
    int row = blockIdx.x;
    int column = blockIdx.y * blockDim.x + threadIdx.x;
    if (column >= a.y.columns) return;
    i64 from = row * a.x.stride + column, to = row * a.y.stride + column;
    if (a.x.type == TYPE_I64) {
        ((i64*)a.y.data)[to] = ((const i64*)a.x.data)[from];
    } else if (a.x.type == TYPE_I32 || (a.x.type == a.y.type && a.x.type == TYPE_F32)) {
        ((int*)a.y.data)[to] = ((const int*)a.x.data)[from];
    } else if (a.x.type == a.y.type) {
        ((u16*)a.y.data)[to] = ((const u16*)a.x.data)[from];
    } else {
        store(a.y, row, column, load(a.x, row, column));
    }
}

KERNEL void add_rows(const __grid_constant__ AddArgs a) {
    int row = blockIdx.x;
    int column = blockIdx.y * blockDim.x + threadIdx.x;
    if (column < a.y.columns) store(a.y, row, column, (double)load(a.a, row, column) + (double)load(a.b, row, column));
}

KERNEL void swiglu(const __grid_constant__ SwigluArgs a) {
    int row = blockIdx.x;
    int column = blockIdx.y * blockDim.x + threadIdx.x;
    if (column < a.y.columns) store(a.y, row, column, silu_times(load(a.gate, row, column), load(a.up, row, column)));
}

KERNEL void gather_rows(const __grid_constant__ GatherArgs a) {
    int row = blockIdx.x;
    int index = ((const int*)a.rows_of)[row];
    if (index < 0 && a.skip_negative) return;
    int source = index / a.divisor;
    if (index < 0 || source >= a.x_rows) {
        if (threadIdx.x == 0 && blockIdx.y == 0) raise_fault(a.origin, 1, row, index);
        return;
    }
    int column = blockIdx.y * blockDim.x + threadIdx.x;
    if (column >= a.y.columns) return;
    if (a.x.type == TYPE_F32 || a.x.type == TYPE_I32) {
        ((u32*)a.y.data)[row * a.y.stride + column] = ((const u32*)a.x.data)[source * a.x.stride + column];
    } else {
        ((u16*)a.y.data)[row * a.y.stride + column] = ((const u16*)a.x.data)[source * a.x.stride + column];
    }
}
