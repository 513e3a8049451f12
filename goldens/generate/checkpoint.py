"""Read and write safetensors checkpoints with NumPy alone, and quantise the way the published formats do.

Kept apart from torch on purpose: the float64 reference must not share decoding code with the model it checks.
"""

import json
import math
import pathlib
import zlib

import numpy as np

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8, "I32": 4, "I8": 1}


class Tensor:
    """A tensor as the file holds it: the safetensors dtype name, the shape and the little-endian bytes."""

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, tuple(int(n) for n in shape), bytes(data)
        if len(self.data) != math.prod(self.shape) * SIZES[dtype]:
            raise ValueError(f"{dtype} {self.shape} needs another number of bytes than {len(self.data)}")

    def numpy(self):
        """Values, floats widened exactly to float64 and integers kept."""
        if self.dtype == "BF16":
            flat = (np.frombuffer(self.data, "<u2").astype(np.uint32) << 16).view(np.float32)
        elif self.dtype == "F8_E4M3":
            flat = E4M3[np.frombuffer(self.data, np.uint8)]
        else:
            flat = np.frombuffer(
                self.data, {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1"}[self.dtype]
            )
        values = flat.reshape(self.shape)
        return values if self.dtype.startswith("I") else values.astype(np.float64)


def _e4m3_values():
    """All 256 values of e4m3fn: bias 7, no infinities, 0x7F and 0xFF are NaN, the largest is 448."""
    values = np.empty(256)
    for code in range(256):
        exponent, mantissa = (code >> 3) & 15, code & 7
        if exponent == 15 and mantissa == 7:
            magnitude = math.nan
        elif exponent == 0:
            magnitude = mantissa * 2.0**-9
        else:
            magnitude = (1 + mantissa / 8) * 2.0 ** (exponent - 7)
        values[code] = -magnitude if code & 128 else magnitude
    return values


E4M3 = _e4m3_values()


def bf16(values):
    """Round to nearest even and store as BF16."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return Tensor("BF16", np.shape(values), rounded.astype("<u2").tobytes())


def f16(values):
    return Tensor("F16", np.shape(values), np.asarray(values, "<f2").tobytes())


def f32(values):
    return Tensor("F32", np.shape(values), np.asarray(values, "<f4").tobytes())


def integers(dtype, values):
    kind = {"I64": "<i8", "I32": "<i4", "I8": "i1"}[dtype]
    return Tensor(dtype, np.shape(values), np.asarray(values).astype(kind).tobytes())


def read(folder):
    """Every tensor of a checkpoint folder, whether in one file or in shards."""
    folder = pathlib.Path(folder)
    index = folder / "model.safetensors.index.json"
    names = sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.exists() else ["model.safetensors"]
    tensors = {}
    for name in names:
        tensors.update(read_file(folder / name))
    return tensors


def read_file(path):
    content = pathlib.Path(path).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    body = memoryview(content)[8 + length :]
    return {
        name: Tensor(entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
        for name, entry in header.items()
    }


def write_file(path, tensors, metadata=None):
    """Write one safetensors file: names sorted, header padded with spaces to a multiple of eight bytes."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name in sorted(tensors):
        tensor = tensors[name]
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(tensor.data)]}
        offset += len(tensor.data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in sorted(tensors):
            file.write(tensors[name].data)


def write(folder, tensors, shards=None):
    """Write `model.safetensors`, or with `shards` (a function from tensor name to shard number) shards and their index."""
    folder = pathlib.Path(folder)
    if shards is None:
        write_file(folder / "model.safetensors", tensors, {"format": "pt"})
        return
    groups = {}
    for name in tensors:
        groups.setdefault(shards(name), {})[name] = tensors[name]
    weight_map = {}
    for number in sorted(groups):
        file = f"model-{number + 1:05d}-of-{len(groups):05d}.safetensors"
        write_file(folder / file, groups[number], {"format": "pt"})
        weight_map.update({name: file for name in groups[number]})
    total = sum(len(tensor.data) for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def random(seed, name, shape):
    """Standard normal values that depend on the seed and the tensor's name only, never on the order of creation."""
    return np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(name.encode())])).standard_normal(shape)


# Quantised weights: functions from (name of the linear, float values [out, in]) to the tensors the file holds.


def quantise_fp8_blocks(name, weight, block=128):
    """DeepSeek's fp8 layout with scales that are powers of two (scale_fmt ue8m0, kept as F32)."""
    rows, columns = (math.ceil(n / block) for n in weight.shape)
    codes, scales = np.empty(weight.shape, np.uint8), np.empty((rows, columns))
    positive = E4M3[:127]  # 0 .. 448, ascending
    for i in range(rows):
        for j in range(columns):
            where = (slice(i * block, (i + 1) * block), slice(j * block, (j + 1) * block))
            scales[i, j] = 2.0 ** math.ceil(math.log2(np.abs(weight[where]).max() / 448))
            scaled = weight[where] / scales[i, j]
            magnitude = np.abs(scaled)
            above = np.clip(np.searchsorted(positive, magnitude), 1, 126)
            below = above - 1
            low, high = magnitude - positive[below], positive[above] - magnitude
            code = np.where((low < high) | ((low == high) & (below % 2 == 0)), below, above)
            codes[where] = code | np.where(scaled < 0, 128, 0)
    return {f"{name}.weight": Tensor("F8_E4M3", weight.shape, codes.tobytes()), f"{name}.weight_scale_inv": f32(scales)}


def quantise_int8_channels(name, weight):
    """compressed-tensors int-quantized: one BF16 scale per output channel, symmetric."""
    scale = bf16(np.abs(weight).max(axis=1, keepdims=True) / 127)
    codes = np.clip(np.rint(weight / scale.numpy()), -128, 127)
    return {f"{name}.weight": integers("I8", codes), f"{name}.weight_scale": scale}


def quantise_int4_groups(name, weight, group):
    """compressed-tensors pack-quantized, asymmetric.

    Weights are packed along the input, zero points along the OUTPUT; both as code + 8, lowest nibble first, the last
    word padded with zero bits. compressed-tensors refuses an input that the group does not divide, so there is no group
    tail; an input that 8 does not divide leaves a word tail.
    """
    out, width = weight.shape
    if width % group:
        raise ValueError(f"{name}: input {width} is not a multiple of the group {group}")
    grouped = weight.reshape(out, width // group, group)
    low, high = np.minimum(grouped.min(axis=2), 0), np.maximum(grouped.max(axis=2), 0)
    scale = bf16((high - low) / 15)
    zero = np.clip(np.rint(-8 - low / scale.numpy()), -8, 7)
    codes = np.clip(np.rint(grouped / scale.numpy()[..., None]) + zero[..., None], -8, 7).reshape(out, width)
    return {
        f"{name}.weight_packed": integers("I32", pack_nibbles(codes)),
        f"{name}.weight_scale": scale,
        f"{name}.weight_shape": integers("I64", weight.shape),
        f"{name}.weight_zero_point": integers("I32", pack_nibbles(zero.T).T),
    }


def pack_nibbles(codes):
    """Pack signed 4-bit codes [rows, columns] into int32 [rows, ceil(columns / 8)]."""
    rows, columns = codes.shape
    padded = np.zeros((rows, -(-columns // 8) * 8), np.uint32)
    padded[:, :columns] = codes + 8
    shifts = np.arange(8, dtype=np.uint32) * 4
    return np.bitwise_or.reduce(padded.reshape(rows, -1, 8) << shifts, axis=2).view(np.int32)


def unpack_nibbles(words, columns):
    """The inverse of pack_nibbles, for the reader."""
    shifts = np.arange(8, dtype=np.uint32) * 4
    codes = (np.ascontiguousarray(words).view(np.uint32)[..., None] >> shifts) & 15
    return codes.reshape(len(words), -1)[:, :columns].astype(np.float64) - 8


def dequantise(tensors, quantization):
    """Weights as exact float64 values: the tensors of a checkpoint with every quantised linear replaced by `weight`."""
    plain = {}
    for name, tensor in tensors.items():
        linear, _, kind = name.rpartition(".")
        if kind in ("weight_scale", "weight_scale_inv", "weight_shape", "weight_zero_point"):
            continue
        if kind == "weight_packed":
            out, width = (int(n) for n in tensors[f"{linear}.weight_shape"].numpy())
            scale = tensors[f"{linear}.weight_scale"].numpy()
            codes = unpack_nibbles(tensor.numpy(), width).reshape(out, scale.shape[1], -1)
            zero = np.zeros_like(scale)
            if f"{linear}.weight_zero_point" in tensors:
                zero = unpack_nibbles(tensors[f"{linear}.weight_zero_point"].numpy().T, out).T
            plain[f"{linear}.weight"] = ((codes - zero[..., None]) * scale[..., None]).reshape(out, width)
        elif tensor.dtype == "F8_E4M3":
            block_rows, block_columns = quantization["weight_block_size"]
            scale = tensors[f"{linear}.weight_scale_inv"].numpy()
            rows, columns = tensor.shape
            spread = scale.repeat(block_rows, axis=0)[:rows].repeat(block_columns, axis=1)[:, :columns]
            plain[name] = tensor.numpy() * spread
        elif tensor.dtype == "I8":
            plain[name] = tensor.numpy() * tensors[f"{linear}.weight_scale"].numpy()
        else:
            plain[name] = tensor.numpy()
    return plain
