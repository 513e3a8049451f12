// The copy engine: boxes of a two-dimensional tensor into shared memory.
//
// Coordinates count elements, the innermost dimension first. What lies outside the tensor arrives as zeros and counts as
// delivered, so every box announces its full size. Source: PTX ISA, "cp.async.bulk.tensor".
#pragma once
#include "types.cuh"

namespace heng {

__device__ __forceinline__ void prefetch_map(const TensorMap *map) {
    asm volatile("prefetch.tensormap [%0];" ::"l"((u64)map) : "memory");
}

/// What the second-level cache should think of the lines: gone first, or as usual.
__device__ __forceinline__ u64 policy_evict_first() {
    u64 policy;
    asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    return policy;
}
__device__ __forceinline__ u64 policy_evict_normal() {
    u64 policy;
    asm volatile("createpolicy.fractional.L2::evict_unchanged.b64 %0, 1.0;" : "=l"(policy));
    return policy;
}

/// Fetches one box to `target` of this block and reports its bytes to `barrier`.
__device__ __forceinline__ void load_box(const TensorMap *map, u32 target, u32 barrier, int inner, int outer, u64 policy) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint"
                 " [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(target), "l"((u64)map), "r"(barrier), "r"(inner), "r"(outer), "l"(policy)
                 : "memory");
}

/// Fetches one box once and delivers it to the same offsets in every block of the cluster that `blocks` (one bit each) names.
__device__ __forceinline__ void load_box_for_all(const TensorMap *map, u32 target, u32 barrier, int inner, int outer, u64 policy,
                                                 u16 blocks) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint"
                 " [%0], [%1, {%3, %4}], [%2], %5, %6;" ::"r"(target), "l"((u64)map), "r"(barrier), "r"(inner), "r"(outer), "h"(blocks),
                 "l"(policy)
                 : "memory");
}

} // namespace heng
