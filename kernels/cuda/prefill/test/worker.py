"""Runs jobs from standard input, one a line, and says DONE after each: a job that hangs costs its own process only (see bench.py).

Jobs: ceilings | checks | check VARIANT | time TOKENS VARIANT,... | dispatch TOKENS | dense VARIANT,... (one 8192^3 product)
| sustain TOKENS VARIANT,... (half a second of each, with the card's clock and power)
A variant whose name begins with x is an experiment that computes nonsense (a stage left out): it is timed unchecked.
"""

import os
import statistics
import sys
import time as clock
import traceback

import torch

import checks
from kernels import Dispatch, Grouped, Quantize

FOLDER = sys.argv[1]
EXPERTS, HIDDEN, INNER, SLOTS = int(os.environ.get("HENG_EXPERTS", 256)), 7168, 2048, 8
torch.manual_seed(20261125)
torch.backends.cuda.matmul.allow_tf32 = False


def median_ms(functions, repeats, rest=0.0):
    """Medians of functions run in turn, each between two events; `rest`: seconds of idleness before each, so that power is no limit."""
    for function in functions.values():
        function()
    torch.cuda.synchronize()
    events = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            if rest:
                torch.cuda.synchronize()
                clock.sleep(rest)
            begin.record()
            function()
            end.record()
            events[name].append((begin, end))
    torch.cuda.synchronize()
    return {name: statistics.median(b.elapsed_time(e) for b, e in pairs) for name, pairs in events.items()}


def ceilings():
    print(" ", torch.cuda.get_device_name(), torch.version.cuda, torch.__version__)
    a = torch.randn(1 << 30, device="cuda").bfloat16()
    b = torch.empty_like(a)
    found = median_ms({"copy": lambda: b.copy_(a), "read": lambda: torch.sum(a.view(torch.int32), dtype=torch.int32)}, 9)
    print(f"  copy of 2 GiB {2 * 2**31 / found['copy'] / 1e9:.2f} TB/s (read + written)  torch.sum read {2**31 / found['read'] / 1e9:.2f} TB/s")
    del a, b
    n = 8192
    x, w = torch.randn(n, n, device="cuda").bfloat16(), torch.randn(n, n, device="cuda").bfloat16()
    x8, w8 = x.to(torch.float8_e4m3fn), w.to(torch.float8_e4m3fn)
    one = torch.ones(1, device="cuda")
    xs, ws = torch.rand(n // 128, n, device="cuda").t(), torch.rand(n // 128, n // 128, device="cuda").t()
    functions = {
        "bf16": lambda: x @ w.t(),
        "fp8": lambda: torch._scaled_mm(x8, w8.t(), one, one, out_dtype=torch.bfloat16),
        "fp8 1x128/128x128": lambda: torch._scaled_mm(x8, w8.t(), xs, ws, out_dtype=torch.bfloat16),
    }
    for name, function in functions.items():
        try:
            print(f"  {n}^3 {name}: {2 * n**3 / median_ms({name: function}, 15)[name] / 1e9:.0f} TFLOP/s")
        except Exception as error:
            print(f"  {n}^3 {name}: {str(error)[:150]}")


def random_bf16(*shape):
    out = torch.empty(*shape, dtype=torch.bfloat16, device="cuda")
    for part in out:
        part.normal_(std=shape[-1] ** -0.5)
    return out


class Case:
    """V3's experts; weights are made once for a process."""

    weights = None

    def __init__(self, tokens):
        if Case.weights is None:
            gate, up, down = random_bf16(EXPERTS, INNER, HIDDEN), random_bf16(EXPERTS, INNER, HIDDEN), random_bf16(EXPERTS, HIDDEN, INNER)
            Case.weights = dict(gate=gate, up=up, down=down, both=torch.cat([gate, up], 1))
            small = {}
            for name in ("gate", "up", "down"):
                full = Case.weights[name]
                small[name] = torch.empty(full.shape, dtype=torch.float8_e4m3fn, device="cuda")
                for i in range(EXPERTS):
                    small[name][i] = (full[i] * full.shape[2] ** 0.5).to(torch.float8_e4m3fn)
                small[name + "_scales"] = checks.block_scales(EXPERTS, full.shape[1], full.shape[2])
            Case.small = small
        self.tokens = tokens
        self.rows = tokens * SLOTS
        self.ids = torch.rand(tokens, EXPERTS, device="cuda").topk(SLOTS, dim=1).indices.int()
        self.x = torch.randn(tokens, HIDDEN, device="cuda").bfloat16()
        self.weights_of = torch.rand(tokens, SLOTS, device="cuda")


def sample_check(name, out, rows, kernel, tokens, offsets, weight, up, scales=None):
    """Sampled rows at full size against float64."""
    ends = offsets[1:].long()
    worst = 0.0
    columns = checks.scale_columns(offsets)
    for row in torch.randint(0, rows, (6,)).tolist() + [0, rows - 1]:
        expert = int((ends <= row).sum())
        if kernel.bytes == 1:
            s, ws, us = scales
            a = tokens[row].view(torch.float8_e4m3fn).double() * s[:, columns[row]].double().repeat_interleave(128)[: tokens.shape[1]]
            w = checks.real(weight[expert][None], ws[expert][None])[0]
            u = checks.real(up[expert][None], us[expert][None])[0] if up is not None else None
        else:
            a, w, u = tokens[row].double(), weight[expert].double(), up[expert].double() if up is not None else None
        y = w @ a
        if u is not None:
            y = checks.swiglu(y, u @ a)
        worst = max(worst, float((out[row].double() - y).norm() / y.norm()))
    return worst


def time(tokens, names, sustained=False):
    case = Case(tokens)
    w, small, rows = Case.weights, Case.small, tokens * SLOTS
    dispatch, quantize = Dispatch(FOLDER), Quantize(FOLDER)
    offsets, origins, inverse = dispatch.sort(case.ids, EXPERTS)
    touched = int((offsets[1:] > offsets[:-1]).sum())
    x = torch.empty(rows, HIDDEN, dtype=torch.bfloat16, device="cuda")
    dispatch.scatter(case.x, inverse, SLOTS, x)
    h = torch.randn(rows, INNER, device="cuda").bfloat16()
    pitch = checks.pitch(rows, EXPERTS)
    xq, xs = torch.empty(rows, HIDDEN, dtype=torch.uint8, device="cuda"), torch.empty(HIDDEN // 128, pitch, device="cuda")
    hq, hs = torch.empty(rows, INNER, dtype=torch.uint8, device="cuda"), torch.empty(INNER // 128, pitch, device="cuda")
    quantize(x, None, offsets, 1, xq, xs)
    quantize(h, None, offsets, 1, hq, hs)
    out_up = torch.full((rows, INNER), float("nan"), device="cuda").bfloat16()
    out_down = torch.full((rows, HIDDEN), float("nan"), device="cuda").bfloat16()
    flops = {"gate+up": 4.0 * rows * HIDDEN * INNER, "down": 2.0 * rows * HIDDEN * INNER}
    runs = {"gate+up": {}, "down": {}}
    errors = {}
    ends = offsets[1:].contiguous()
    runs["gate+up"]["torch"] = lambda: torch._grouped_mm(x, w["both"].transpose(1, 2), offs=ends)
    runs["down"]["torch"] = lambda: torch._grouped_mm(h, w["down"].transpose(1, 2), offs=ends)
    bytes_of = {}
    for name in names:
        plain, fused = Grouped(FOLDER, name + "_plain"), Grouped(FOLDER, name + "_fused")
        plan = dispatch.plan(offsets, plain.columns)
        source = w if plain.bytes == 2 else small
        scaled = plain.bytes == 1
        up = fused.prepare(source["gate"], source["up"], xq if scaled else x, out_up, plan,
                           *((small["gate_scales"], small["up_scales"], xs) if scaled else ()))
        down = plain.prepare(source["down"], None, hq if scaled else h, out_down, plan,
                             *((small["down_scales"], None, hs) if scaled else ()))
        if name.startswith("x"):
            runs["gate+up"][name], runs["down"][name], bytes_of[name], errors[name] = up, down, plain.bytes, (0.0, 0.0)
            continue
        up(), down()
        torch.cuda.synchronize()
        errors[name] = (
            sample_check(name, out_up, rows, fused, xq if scaled else x, offsets, source["gate"], source["up"],
                         (xs, small["gate_scales"], small["up_scales"]) if scaled else None),
            sample_check(name, out_down, rows, plain, hq if scaled else h, offsets, source["down"], None,
                         (hs, small["down_scales"], None) if scaled else None))
        assert not bool(torch.isnan(out_up).any()) and not bool(torch.isnan(out_down).any()), "an element was not written"
        assert max(errors[name]) < 6e-3, f"{name}: {errors[name]}"
        runs["gate+up"][name], runs["down"][name] = up, down
        bytes_of[name] = plain.bytes
    if sustained:
        for side in ("gate+up", "down"):
            for name, function in runs[side].items():
                ms, mhz, watts = sustain(function)
                print(f"  T={tokens:5d} {side:7s} {name:14s} sustained {ms:8.3f} ms {flops[side] / ms / 1e9:6.0f} TFLOP/s at {mhz} MHz, {watts:.0f} W",
                      flush=True)
        return
    for side in ("gate+up", "down"):
        # The slowest of the small cases is the weights' own transfer: a few milliseconds, many times the cache.
        found = median_ms(runs[side], 9 if tokens >= 4096 else 11)
        rested = median_ms(runs[side], 7, rest=0.02)
        for name, ms in found.items():
            size = bytes_of.get(name, 2)
            moved = touched * flops[side] / 2 / rows * size + rows * (HIDDEN * size + INNER * 2 if side == "gate+up" else INNER * size + HIDDEN * 2)
            if name == "torch" and side == "gate+up":
                moved += rows * INNER * 2
            error = f"err {errors[name][side == 'down']:.1e}" if name in errors else ""
            print(f"  T={tokens:5d} {side:7s} {name:14s} {ms:8.3f} ms {flops[side] / ms / 1e9:6.0f} TFLOP/s {moved / ms / 1e9:5.2f} TB/s"
                  f"  {found['torch'] / ms:5.2f}x torch; rested {flops[side] / rested[name] / 1e9:6.0f} TFLOP/s"
                  f" {rested['torch'] / rested[name]:5.2f}x {error}", flush=True)


def sustain(function):
    """Milliseconds of one call, SM clock and power after half a second of it."""
    import pynvml

    pynvml.nvmlInit()
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    function()
    torch.cuda.synchronize()
    start = clock.perf_counter()
    function()
    torch.cuda.synchronize()
    count = max(3, int(0.6 / (clock.perf_counter() - start)))
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(count):
        function()
    end.record()
    clock.sleep(0.45)
    mhz, watts = pynvml.nvmlDeviceGetClockInfo(card, pynvml.NVML_CLOCK_SM), pynvml.nvmlDeviceGetPowerUsage(card) / 1000
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / count, mhz, watts


def dense(names):
    """One product of 8192^3 through the grouped kernels: what they reach when every tile is full."""
    n = 8192
    x, w = torch.randn(n, n, device="cuda").bfloat16(), torch.randn(1, n, n, device="cuda").bfloat16()
    offsets = checks.offsets_of([n])
    dispatch = Dispatch(FOLDER)
    out = torch.empty(n, n, dtype=torch.bfloat16, device="cuda")
    x8, w8 = x.to(torch.float8_e4m3fn), w.to(torch.float8_e4m3fn)
    scales, block = torch.rand(n // 128, checks.pitch(n, 1), device="cuda"), torch.rand(1, n // 128, n // 128, device="cuda")
    functions = {"torch": lambda: x @ w[0].t()}
    for name in names:
        kernel = Grouped(FOLDER, name + "_plain")
        plan = dispatch.plan(offsets, kernel.columns)
        extra = dict(weight_scales=block, scales=scales) if kernel.bytes == 1 else {}
        functions[name] = kernel.prepare(w if kernel.bytes == 2 else w8, None, x if kernel.bytes == 2 else x8, out, plan, **extra)
    for name, ms in median_ms(functions, 15).items():
        print(f"  8192^3 {name:14s} {ms:7.3f} ms {2 * n**3 / ms / 1e9:6.0f} TFLOP/s")
    for name, function in functions.items():
        ms, mhz, watts = sustain(function)
        print(f"  8192^3 {name:14s} sustained {2 * n**3 / ms / 1e9:6.0f} TFLOP/s at {mhz} MHz, {watts:.0f} W", flush=True)


def dispatch_times(tokens):
    case = Case(tokens)
    dispatch, quantize = Dispatch(FOLDER), Quantize(FOLDER)
    rows = tokens * SLOTS
    offsets, origins, inverse = dispatch.sort(case.ids, EXPERTS)
    x = torch.empty(rows, HIDDEN, dtype=torch.bfloat16, device="cuda")
    xq, xs = torch.empty(rows, HIDDEN, dtype=torch.uint8, device="cuda"), torch.empty(HIDDEN // 128, checks.pitch(rows, EXPERTS), device="cuda")
    y = torch.empty(tokens, HIDDEN, dtype=torch.bfloat16, device="cuda")
    found = median_ms({
        "sort": lambda: dispatch.sort(case.ids, EXPERTS),
        "plan": lambda: dispatch.plan(offsets, 256),
        "scatter": lambda: dispatch.scatter(case.x, inverse, SLOTS, x),
        "scatter+quantize": lambda: quantize(case.x, inverse, offsets, SLOTS, xq, xs),
        "combine": lambda: dispatch.combine(x, inverse, case.weights_of, y),
    }, 15)
    moved = {"scatter": rows * HIDDEN * 2 + tokens * HIDDEN * 2, "scatter+quantize": rows * HIDDEN + tokens * HIDDEN * 2,
             "combine": rows * HIDDEN * 2 + tokens * HIDDEN * 2}
    for name, ms in found.items():
        rate = f"{moved[name] / ms / 1e9:.2f} TB/s" if name in moved else "(host-bound: several launches and allocations)"
        print(f"  T={tokens:5d} {name:16s} {ms * 1000:8.1f} us {rate}")


def run(job):
    words = job.split()
    if words[0] == "ceilings":
        ceilings()
    elif words[0] == "checks":
        checks.check_dispatch(Dispatch(FOLDER))
        checks.check_quantize(Quantize(FOLDER), FOLDER)
    elif words[0] == "check":
        checks.check_variant(FOLDER, words[1], Dispatch(FOLDER), Quantize(FOLDER))
    elif words[0] == "time":
        time(int(words[1]), words[2].split(","))
    elif words[0] == "sustain":
        time(int(words[1]), words[2].split(","), sustained=True)
    elif words[0] == "dense":
        dense(words[1].split(","))
    elif words[0] == "dispatch":
        dispatch_times(int(words[1]))
    else:
        raise ValueError(job)


for line in sys.stdin:
    try:
        run(line.strip())
    except Exception:
        print("  FAILED " + line.strip() + ": " + traceback.format_exc(limit=-3), flush=True)
        print("BROKEN" if "CUDA" in traceback.format_exc() or "launch" in traceback.format_exc() else "DONE", flush=True)
        continue
    print("DONE", flush=True)
