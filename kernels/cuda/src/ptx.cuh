// What C++ cannot say: conversions, asynchronous copies, dependent launch. Only types.cuh includes this file, and no other has inline PTX.
#pragma once

DEVICE float f16_to_float(u16 bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}
DEVICE u16 float_to_f16(float x) {
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}
#if __CUDA_ARCH__ >= 890
// Two E4M3 codes as two F16.
DEVICE u32 e4m3x2_to_f16x2(u16 codes) {
    u32 pair;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"(codes));
    return pair;
}
#endif

// Programmatic dependent launch: nothing written by the kernels before may be touched above dependency_wait. Every thread of every kernel that
// is launched in this way must come to dependency_wait, so that the end of a kernel is the end of all before it.
DEVICE void dependency_wait() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// The next kernel may begin once every block of this one has said so. Said after dependency_wait, it lets the next kernel read what the kernel
// before this one wrote without waiting for this one (by load_settled).
DEVICE void dependents_may_start() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Read from the second-level cache, where all multiprocessors see the same.
DEVICE int load_settled(const int* p) {
    int x;
    asm volatile("ld.global.cg.s32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
    return x;
}
DEVICE float load_settled(const float* p) { return as_float((u32)load_settled((const int*)p)); }

DEVICE void prefetch(const void* p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }

// Copies to shared memory that the issuing thread waits for in groups.
DEVICE void copy_async16(void* shared, const void* global) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"((u32)__cvta_generic_to_shared(shared)), "l"(global) : "memory");
}
DEVICE void copy_async4(void* shared, const void* global) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"((u32)__cvta_generic_to_shared(shared)), "l"(global) : "memory");
}
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most PENDING of this thread's groups are under way.
template <int PENDING>
DEVICE void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
