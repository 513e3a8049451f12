"""Correctness of the prefill kernels against torch in float64, on group sizes that break things."""

import torch

from kernels import Grouped


def hostile_groups():
    yield "mixed", [0, 1, 7, 8, 9, 127, 128, 129, 0, 15, 16, 17, 255, 256, 257, 300, 0]
    yield "one", [0, 0, 700, 0]
    yield "ones", [1] * 40
    yield "none", [0, 0, 0]
    yield "large", [64, 3000, 5]


def offsets_of(sizes):
    return torch.tensor([0] + torch.tensor(sizes).cumsum(0).tolist(), dtype=torch.int32, device="cuda")


def scale_columns(offsets):
    """Column of each row in the matrix of activation scales: quantize.cu's layout."""
    offsets = offsets.long()
    experts = offsets.numel() - 1
    rows = torch.arange(int(offsets[-1]), device="cuda")
    expert = torch.bucketize(rows, offsets[1:], right=True)
    within = rows - offsets[expert]
    c = within % 16
    return (offsets[expert] + 15 * expert) // 16 * 16 + within - c + c % 8 // 2 * 4 + c // 8 * 2 + c % 2


def pitch(rows, experts):
    return (rows + 15 * experts + 15) // 16 * 16


def swiglu(gate, up):
    gate, up = gate.bfloat16().double(), up.bfloat16().double()
    return gate / (1 + torch.exp(-gate)) * up


def block_scales(experts, features, k):
    return torch.rand(experts, (features + 127) // 128, (k + 127) // 128, device="cuda") * 0.02 + 0.005


def real(weight, scales):
    """Weights in float64, with their block scales if there are any."""
    if scales is None:
        return weight.double()
    wide = scales.double().repeat_interleave(128, 1).repeat_interleave(128, 2)
    return weight.double() * wide[:, : weight.shape[1], : weight.shape[2]]


def check_dispatch(dispatch):
    for tokens, slots, experts, first in ((1, 1, 1, 0), (5, 2, 3, 1), (1000, 8, 256, 0), (3000, 6, 64, 32), (777, 8, 1024, 0)):
        ids = torch.randint(-1, first + experts + 2, (tokens, slots), dtype=torch.int32, device="cuda")
        offsets, origins, inverse = dispatch.sort(ids, experts, first)
        local = ids.flatten().long() - first
        keep = (local >= 0) & (local < experts)
        items = torch.nonzero(keep).flatten()
        order = items[torch.sort(local[items], stable=True).indices]
        expected = torch.full_like(origins, -1)
        expected[: order.numel()] = order.int()
        assert torch.equal(origins, expected), "origins"
        back = torch.full_like(inverse, -1)
        back[order] = torch.arange(order.numel(), dtype=torch.int32, device="cuda")
        assert torch.equal(inverse, back), "inverse"
        assert torch.equal(offsets[1:].long(), torch.bincount(local[items], minlength=experts).cumsum(0)), "offsets"
        x = torch.randn(tokens, 320, device="cuda").bfloat16()
        rows = torch.full((ids.numel(), 320), float("nan"), device="cuda").bfloat16()
        dispatch.scatter(x, inverse, slots, rows)
        assert torch.equal(rows[: order.numel()], x[order // slots]), "rows"
        weights = torch.rand(tokens, slots, device="cuda")
        y = torch.full((tokens, 320), float("nan"), device="cuda").bfloat16()
        dispatch.combine(rows, inverse, weights, y)
        expected = torch.zeros(tokens, 320, dtype=torch.float64, device="cuda")
        expected.index_add_(0, order // slots, rows[: order.numel()].double() * weights.flatten()[order].double()[:, None])
        error = (y.double() - expected).abs() - expected.abs() * 2.0**-8
        assert float(error.max()) <= 1e-5, f"combine {float(error.max())}"
    print("  dispatch: ok")


def check_quantize(quantize, folder):
    for rows, k, power in ((3, 7168, 0), (130, 2048, 1), (5, 208, 0)):
        x = (torch.randn(rows, k, device="cuda") * torch.logspace(-6, 3, rows, device="cuda")[:, None]).bfloat16()
        x[0, 5] = float("nan")
        q = torch.zeros(rows, k, dtype=torch.uint8, device="cuda")
        scales = torch.zeros((k + 127) // 128, pitch(rows, 1), device="cuda")
        quantize(x, None, offsets_of([rows]), 1, q, scales, power)
        padded = torch.nn.functional.pad(x.float(), (0, -k % 128)).view(rows, -1, 128)
        scale = padded.abs().amax(2).clamp(min=1e-4) / torch.full((), 448.0, device="cuda")  # torch multiplies by the inverse of a plain 448
        if power:
            scale = torch.exp2(torch.ceil(torch.log2(scale.double()))).float()
        got = scales[:, scale_columns(offsets_of([rows]))].t()
        assert bool(torch.isnan(got[0, 0])), "a NaN must reach its scale"
        scale[0, 0] = got[0, 0] = 1
        assert torch.equal(got, scale), f"scales {rows} x {k}: {got[got != scale][:4].tolist()} for {scale[got != scale][:4].tolist()}"
        expected = (padded / scale[:, :, None]).clamp(-448, 448).to(torch.float8_e4m3fn).view(torch.uint8).reshape(rows, -1)[:, :k]
        assert torch.equal(q[1:], expected[1:]) and torch.equal(q[0, 128:], expected[0, 128:]), "codes"
    # With the dispatch on the way: every row and scale as if the rows had been copied first.
    tokens, slots, experts, k = 300, 6, 40, 640
    from kernels import Dispatch

    dispatch = Dispatch(folder)
    ids = torch.randint(-1, experts + 1, (tokens, slots), dtype=torch.int32, device="cuda")
    offsets, _, inverse = dispatch.sort(ids, experts)
    x = torch.randn(tokens, k, device="cuda").bfloat16()
    rows = torch.zeros(tokens * slots, k, dtype=torch.bfloat16, device="cuda")
    dispatch.scatter(x, inverse, slots, rows)
    results = []
    for source, index, copies in ((rows, None, 1), (x, inverse, slots)):
        q = torch.zeros(tokens * slots, k, dtype=torch.uint8, device="cuda")
        scales = torch.zeros(k // 128, pitch(tokens * slots, experts), device="cuda")
        quantize(source, index, offsets, copies, q, scales)
        results.append((q, scales))
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1]), "quantised dispatch"
    print("  quantize: ok")


def check_variant(folder, name, dispatch, quantize, shapes=((320, 200), (256, 1056))):
    """Both kernels of a variant; raises on the first wrong element."""
    worst = 0.0
    for fused in (False, True):
        kernel = Grouped(folder, name + ("_fused" if fused else "_plain"))
        narrow = kernel.bytes == 1
        for features, k in shapes:
            k = k // 16 * 16
            for label, sizes in hostile_groups():
                experts, rows = len(sizes), sum(sizes)
                capacity = rows + 37
                offsets = offsets_of(sizes)
                x = torch.randn(capacity, k, device="cuda").bfloat16()
                if rows > 2:
                    x[1] = float("nan")  # its own row alone must show it
                x[rows:] = float("nan")
                make = lambda: torch.randn(experts, features, k, device="cuda") * (1 if narrow else k**-0.5)
                weights, up = make(), make()
                extra = {}
                if narrow:
                    weights, up = weights.to(torch.float8_e4m3fn), up.to(torch.float8_e4m3fn)
                    ws, us = block_scales(experts, features, k), block_scales(experts, features, k)
                    q = torch.zeros(capacity, k, dtype=torch.uint8, device="cuda")
                    scales = torch.full(((k + 127) // 128, pitch(capacity, experts)), float("nan"), device="cuda")
                    quantize(x, None, offsets, 1, q, scales)
                    extra = dict(weight_scales=ws, up_scales=us, scales=scales)
                    tokens = q
                    wide = scales.t()[scale_columns(offsets)].double().repeat_interleave(128, 1)[:, :k]
                    truth = q.view(torch.float8_e4m3fn)[:rows].double() * wide
                else:
                    weights, up = weights.bfloat16(), up.bfloat16()
                    ws = us = None
                    tokens = x
                    truth = x[:rows].double()
                out = torch.full((capacity, features), -7.0, device="cuda").bfloat16()
                kernel.prepare(weights, up if fused else None, tokens, out, dispatch.plan(offsets, kernel.columns), **extra)()
                torch.cuda.synchronize()
                assert bool((out[rows:] == -7.0).all()), f"{kernel.name} {label} wrote past the last row"
                for expert, size in enumerate(sizes):
                    if size == 0:
                        continue
                    part = slice(int(offsets[expert]), int(offsets[expert + 1]))
                    a, w, u = truth[part], real(weights, ws)[expert], real(up, us)[expert]
                    got = out[part].double()
                    bad = torch.isnan(a).any(1)
                    assert bool(torch.isnan(got[bad]).all()), f"{kernel.name} {label} hid a NaN"
                    a, got = a[~bad], got[~bad]
                    if not len(a):
                        continue
                    gate = a @ w.t()
                    magnitude = a.abs() @ w.abs().t()
                    # What the accumulator may lose: 24 kept bits for bf16; 14 for e4m3 within 128 of K, a handful of steps.
                    slack = magnitude * (2.0**-11 if narrow else 2.0**-18) + 1e-30
                    if not fused:
                        excess = (got - gate).abs() - (slack + gate.abs() * 2.0**-8)
                    else:
                        other = a @ u.t()
                        expected = swiglu(gate, other)
                        # |silu'| <= 1.1, and gate and up are rounded to bf16 each.
                        loose = (slack + gate.abs() * 2.0**-8) * 1.1 * other.abs()
                        loose += (slack / magnitude * (a.abs() @ u.abs().t()) + other.abs() * 2.0**-8) * gate.abs()
                        excess = (got - expected).abs() - 1.1 * loose - expected.abs() * 2.0**-8 - 1e-6
                        # The norm is the sharp test: the bound above hides a wrong rounding, not a wrong formula.
                    assert float(excess.max()) <= 0, f"{kernel.name} {features}x{k} {label} expert {expert}: excess {float(excess.max())}"
                    expected = gate if not fused else expected
                    norm = float((got - expected).norm() / expected.norm().clamp(min=1e-30))
                    worst = max(worst, norm)
                    assert norm < 6e-3, f"{kernel.name} {features}x{k} {label} expert {expert}: norm {norm}"
    print(f"  {name}: ok, worst relative norm {worst:.2e}")
