// Entry points of the grouped GEMMs, all with one signature, and their shapes for whoever launches them.
//
// HENG_GROUPED(NAME, ...) defines the kernel NAME and int NAME_shape[8] = { bytes of dynamic shared memory, widest tile, rows of a token
// box, blocks of a cluster, features of a block, stages, bytes of an element, 1 if fused }, to be read with cuModuleGetGlobal.
//
// Launch: cuFuncSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES, shape[0]); grid = multiprocessors rounded down to a multiple of the cluster,
// block 384; the cluster size is compiled in. The one parameter is GroupedWgmmaArgs (arguments.h):
//   weights  [experts * features, k]: gate where fused. Box {128 bytes, 64 rows}, swizzle 128B.
//   up       as weights, up's where fused; else weights again.
//   tokens   [rows, k]. Box {128 bytes, shape[2] rows}, swizzle 128B.
//   scales   e4m3: float32 [ceil(k / 128), pitch] (quantize.cu), as 64-bit elements {pitch / 2, ceil(k / 128)} because a box is at
//            most 256 elements wide: box {shape[1] / 2, 1}, no swizzle; else tokens again.
//   weight_scales, up_scales   as WeightScales (grouped.cuh) says; else null.
//   out      [rows, features], 16-byte aligned: bf16, or float32 where the kernel says so.
//   plan     of heng_group_plan or heng_one_group_plan for widest <= shape[1].
//   features of one weight (a multiple of 8, any number for float32); k: a multiple of 8 (bf16, scaled) or 16 (e4m3).
//
// Tensor maps: cuTensorMapEncodeTiled(map, type BFLOAT16 (9) or UINT8 (0) or UINT64 (4), rank 2, address (16-byte aligned), dims {inner,
// outer} in elements, strides {bytes of a row} (a multiple of 16), box, element strides {1, 1}, interleave NONE (0), swizzle 128B (3) or
// NONE (0), L2 promotion 256B (3), fill with zeros (0)). A map stays valid while address and sizes do: encode once for each tensor. The
// outer dimension of tokens may be the capacity: rows past the last offset are read, at most a tile of them, and never used.
#pragma once
#include "grouped.cuh"

#define HENG_GROUPED_AS(NAME, ELEMENT, BLOCKS, COLUMNS, STAGES, CLUSTER, BOX, FUSED, FLOATS)                                                 \
    using NAME##_type = heng::Shape<heng::Element::ELEMENT, BLOCKS, COLUMNS, STAGES, CLUSTER, BOX, FUSED, FLOATS>;                           \
    extern "C" __device__ __attribute__((used)) int NAME##_shape[8] = {                                                                      \
        NAME##_type::SHARED_BYTES, COLUMNS, BOX, CLUSTER, NAME##_type::FEATURES, STAGES, 128 / NAME##_type::SLAB, FUSED ? 1 : 0};            \
    extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(NAME##_type::THREADS, 1)                                    \
        NAME(const __grid_constant__ GroupedWgmmaArgs a) {                                                                                   \
        const heng::WeightScales scales{(const float *)a.weight_scales, (const float *)a.up_scales};                                         \
        heng::grouped<NAME##_type>(heng::Sources{&a.weights, &a.up, &a.tokens, &a.scales}, scales, a.out, (const int *)a.plan, a.features,   \
                                   a.k);                                                                                                     \
    }
#define HENG_GROUPED(NAME, ELEMENT, BLOCKS, COLUMNS, STAGES, CLUSTER, BOX, FUSED)                                                            \
    HENG_GROUPED_AS(NAME, ELEMENT, BLOCKS, COLUMNS, STAGES, CLUSTER, BOX, FUSED, false)
