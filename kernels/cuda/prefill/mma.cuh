// What every GPU from sm_80 on has: asynchronous copies into shared memory, ldmatrix and mma.sync.
//
// A guard, not #pragma once: test/emulate.cpp stands in for this file and runs the same kernels on the host.
// Source: PTX ISA, "cp.async", "ldmatrix", "mma".
#ifndef HENG_MMA_CUH
#define HENG_MMA_CUH
#include "types.cuh"

namespace heng {

/// Copies 16 bytes to shared memory, or writes 16 zeros and reads nothing where not `present`.
__device__ __forceinline__ void copy_async(u32 target, const void *source, bool present) {
    const int size = present ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"((u64)source), "r"(size) : "memory");
}
__device__ __forceinline__ void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most PENDING of this thread's groups are unfinished.
template <int PENDING> __device__ __forceinline__ void copy_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory"); }

/// Four 8x8 blocks of 16-bit numbers: lane 8i + j gives the address of block i's row j; lane l gets of each block row l/4, columns 2(l mod 4)
/// and the next.
__device__ __forceinline__ void load_blocks(u32 (&blocks)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(blocks[0]), "=r"(blocks[1]), "=r"(blocks[2]), "=r"(blocks[3])
                 : "r"(address)
                 : "memory");
}

/// The same with each block transposed: lane l gets of block i column l/4, rows 2(l mod 4) and the next.
__device__ __forceinline__ void load_blocks_transposed(u32 (&blocks)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(blocks[0]), "=r"(blocks[1]), "=r"(blocks[2]), "=r"(blocks[3])
                 : "r"(address)
                 : "memory");
}

/// d[16, 8] += a[16, 16] . b[8, 16]^T in bf16 with float32 sums. Lane l: d[0], d[1] = row l/4, columns 2(l mod 4) and the next; d[2], d[3]
/// eight rows further down.
__device__ __forceinline__ void multiply_blocks(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

} // namespace heng
#endif
