"""The driver API's few calls that a kernel test needs: modules, tensor maps, launches. Torch owns context, memory and stream."""

import ctypes

import torch

_cuda = ctypes.CDLL("libcuda.so.1")
BF16, PAIRS, BYTES = 9, 4, 0  # types of tensor maps: bfloat16, 64 bits, 8 bits


def check(status, what):
    if status != 0:
        text = ctypes.c_char_p()
        _cuda.cuGetErrorString(status, ctypes.byref(text))
        raise RuntimeError(f"{what}: {status} {text.value}")


class Module:
    def __init__(self, path):
        torch.cuda.current_stream()  # the context exists from here on
        torch.zeros(1, device="cuda")
        self.handle = ctypes.c_void_p()
        with open(path, "rb") as file:
            self.image = file.read()
        check(_cuda.cuModuleLoadData(ctypes.byref(self.handle), self.image), f"load {path}")

    def kernel(self, name, shared=0):
        function = ctypes.c_void_p()
        check(_cuda.cuModuleGetFunction(ctypes.byref(function), self.handle, name.encode()), f"find {name}")
        if shared > 48 * 1024:
            check(_cuda.cuFuncSetAttribute(function, 8, shared), f"shared memory of {name}")
        return function

    def ints(self, name, count):
        address, size = ctypes.c_uint64(), ctypes.c_size_t()
        check(_cuda.cuModuleGetGlobal_v2(ctypes.byref(address), ctypes.byref(size), self.handle, name.encode()), f"find {name}")
        values = (ctypes.c_int * count)()
        check(_cuda.cuMemcpyDtoH_v2(values, address, 4 * count), f"read {name}")
        return list(values)


def tensor_map(tensor_type, element_bytes, address, inner, outer, row_bytes, box_inner, box_outer, swizzle):
    """128 bytes, 64-byte aligned, in a buffer that ctypes can pass by address."""
    room = ctypes.create_string_buffer(256)
    offset = -ctypes.addressof(room) % 64
    found = (ctypes.c_char * 128).from_buffer(room, offset)
    found._room = room
    status = _cuda.cuTensorMapEncodeTiled(
        ctypes.c_void_p(ctypes.addressof(found)), tensor_type, 2, ctypes.c_void_p(address),
        (ctypes.c_uint64 * 2)(inner, outer), (ctypes.c_uint64 * 1)(row_bytes), (ctypes.c_uint32 * 2)(box_inner, box_outer),
        (ctypes.c_uint32 * 2)(1, 1), 0, swizzle, 3, 0)
    check(status, f"encode a map of {outer} x {inner}")
    return found


def pack(arguments):
    """The one argument block of a kernel: fields at multiples of their size, tensor maps at multiples of 64."""
    fields, size = [], 0
    for argument in arguments:
        if argument is None or isinstance(argument, torch.Tensor):
            data = (0 if argument is None else argument.data_ptr()).to_bytes(8, "little")
        elif isinstance(argument, int):
            data = argument.to_bytes(4, "little", signed=True)
        else:
            data = bytes(argument)
        size = -(-size // min(len(data), 64)) * min(len(data), 64)
        fields.append((size, data))
        size += len(data)
    size = -(-size // 64) * 64
    room = ctypes.create_string_buffer(size + 64)
    start = -ctypes.addressof(room) % 64
    for offset, data in fields:
        ctypes.memmove(ctypes.addressof(room) + start + offset, data, len(data))
    return room, ctypes.addressof(room) + start


def launch(function, grid, block, shared, *arguments):
    room, address = pack(arguments)
    pointers = (ctypes.c_void_p * 1)(address)
    x, y = grid if isinstance(grid, tuple) else (grid, 1)
    stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
    check(_cuda.cuLaunchKernel(function, x, y, 1, block, 1, 1, shared, stream, pointers, None), "launch")
