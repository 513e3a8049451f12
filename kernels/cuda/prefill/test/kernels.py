"""The prefill kernels as Python functions on torch tensors, one for each entry point."""

import os

import torch

import device

MULTIPROCESSORS = 132


class Dispatch:
    """Sorts (token, slot) items by expert: offsets, origins, inverse, plans, scatter, combine."""

    def __init__(self, folder):
        module = device.Module(os.path.join(folder, "dispatch.cubin"))
        for name in ("group_count", "group_scan", "group_place", "group_plan", "scatter_rows", "group_combine"):
            setattr(self, "_" + name, module.kernel("heng_" + name, 65536 if name == "group_place" else 0))

    def sort(self, ids, experts, first=0):
        items = ids.numel()
        chunks = max(1, (items + 1023) // 1024)
        counts = torch.empty(chunks, experts, dtype=torch.int32, device="cuda")
        offsets = torch.empty(experts + 1, dtype=torch.int32, device="cuda")
        origins = torch.full((items,), -77, dtype=torch.int32, device="cuda")
        inverse = torch.full((items,), -77, dtype=torch.int32, device="cuda")
        device.launch(self._group_count, chunks, 1024, 4 * experts, ids, counts, items, first, experts)
        device.launch(self._group_scan, 1, 1024, 0, counts, offsets, chunks, experts)
        device.launch(self._group_place, chunks, 1024, 64 * experts, ids, counts, offsets, origins, inverse, items, first, experts)
        return offsets, origins, inverse

    def plan(self, offsets, widest):
        experts = offsets.numel() - 1
        plan = torch.empty(8 * (experts + 1), dtype=torch.int32, device="cuda")
        device.launch(self._group_plan, 1, 1024, 0, None, offsets, plan, experts, widest)
        return plan

    def scatter(self, x, inverse, slots, rows):
        pieces = x.shape[1] * x.element_size() // 16
        device.launch(self._scatter_rows, min(x.shape[0], 132 * 8), 256, 0, x, inverse, rows, x.shape[0], slots, pieces, pieces)

    def combine(self, rows, inverse, weights, y):
        tokens, slots = weights.shape
        device.launch(self._group_combine, (tokens, (y.shape[1] + 2047) // 2048), 256, 0, rows, inverse, weights, None, y, slots, y.shape[1])


class Quantize:
    def __init__(self, folder):
        self._kernel = device.Module(os.path.join(folder, "quantize.cubin")).kernel("heng_quantize_e4m3")

    def __call__(self, x, inverse, offsets, slots, q, scales, power_of_two=0):
        device.launch(self._kernel, 132 * 16, 128, 0, x, inverse, offsets, q, scales, offsets.numel() - 1, x.shape[0], slots,
                      x.shape[1], scales.shape[1], power_of_two)


def padded(scales):
    """Each expert's scales at a multiple of 64 floats, as weights are stored."""
    flat = scales.reshape(scales.shape[0], -1)
    return torch.nn.functional.pad(flat, (0, -flat.shape[1] % 64)).contiguous()


class Grouped:
    """One variant: plain or fused."""

    def __init__(self, folder, name):
        self.name = name
        self.module = device.Module(os.path.join(folder, name + ".cubin"))
        (self.shared, self.columns, self.box, self.cluster, self.features, self.stages, self.bytes, self.fused) = self.module.ints(
            name + "_shape", 8)
        self.kernel = self.module.kernel(name, self.shared)

    def _map(self, tensor, rows):
        width = tensor.shape[-1]
        kind = device.BF16 if self.bytes == 2 else device.BYTES
        return device.tensor_map(kind, self.bytes, tensor.data_ptr(), width, tensor.numel() // width, width * self.bytes,
                                 128 // self.bytes, rows, 3)

    def prepare(self, weights, up, tokens, out, plan, weight_scales=None, up_scales=None, scales=None):
        """Encodes the maps once and returns a function that launches."""
        weight_map = self._map(weights, 64)
        up_map = self._map(up, 64) if up is not None else weight_map
        token_map = self._map(tokens, self.box)
        scale_map = token_map
        if scales is not None:
            scale_map = device.tensor_map(device.PAIRS, 8, scales.data_ptr(), scales.shape[1] // 2, scales.shape[0],
                                          scales.shape[1] * 4, self.columns // 2, 1, 0)
        features, k = weights.shape[1], weights.shape[2]
        grid = MULTIPROCESSORS // self.cluster * self.cluster
        if weight_scales is not None:
            weight_scales = padded(weight_scales)
            up_scales = padded(up_scales) if up is not None else weight_scales
        arguments = (weight_map, up_map, token_map, scale_map, weight_scales, up_scales, out, plan,
                     features, k)
        return lambda: device.launch(self.kernel, grid, 384, self.shared, *arguments)
