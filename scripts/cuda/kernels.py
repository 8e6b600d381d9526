#!/usr/bin/env python3
"""Compares each kernel of Sources/CDamaCuda with its definition in float64, and times it on the device.

    scripts/cuda/build build/libdamacuda.so
    scripts/cuda/kernels.py build/libdamacuda.so [--on cuda|cpu|emulation] [--large]

Needs numpy, for the device also libcuda.so.1 and NVRTC (DAMA_NVRTC names its file). A line for each kernel: the largest
error relative to the largest number, what it may be, microseconds and GB/s (an array that is read and written counts
once). The exit status is 1 if a kernel is wrong.
"""

import argparse
import ctypes
import ctypes.util
import math
import sys

import numpy as np

F32, F16, BF16 = 1, 10, 16
TYPES = {"f32": F32, "f16": F16, "bf16": BF16}
# Two roundings of the type, for operators that round their inputs' products once more than the definition does.
TOLERANCE = {F32: 4e-6, F16: 2e-3, BF16: 1.6e-2}
NAMES = ("adamw sum_of_squares accumulate add_rows fill cast rotary_heads mask_softmax softmax_grad mask_tiles attention "
         "attention_grad norm added_norm token_embeddings packed_mask add_bias sum_rows product row_dot rms_norm_grad "
         "rms_norm_scale_grad swiglu swiglu_grad likeliest token_logps token_logps_grad").split()
TILE = 64


class AdamW(ctypes.Structure):
    _fields_ = [(name, ctypes.c_float) for name in
                "keep beta1 one_minus_beta1 beta2 one_minus_beta2 step_size inverse_root_correction epsilon "
                "gradient_scale".split()]


class Attention(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in "batch heads key_heads sequence size masks is_merged".split()] + [
        ("scale", ctypes.c_float)]


class Product(ctypes.Structure):
    _fields_ = [("rows", ctypes.c_size_t), ("inner", ctypes.c_size_t), ("columns", ctypes.c_size_t),
                ("transposes_a", ctypes.c_int), ("transposes_b", ctypes.c_int), ("scale", ctypes.c_float)]


class Table(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in NAMES]


def rounded(values, kind):
    """`values` in the type, as its bytes and as float64."""
    values = np.asarray(values, np.float32)
    if kind == F32:
        return values, values.astype(np.float64)
    if kind == F16:
        half = values.astype(np.float16)
        return half, half.astype(np.float64)
    bits = values.view(np.uint32)
    bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return bits, unpacked(bits, BF16)


def unpacked(array, kind):
    if kind == BF16:
        return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


class Host:
    """Memory of the host, at a multiple of 16 bytes, or beside one."""

    def __init__(self, shift=0):
        self.shift = shift

    def put(self, array):
        raw = np.zeros(array.nbytes + 64, np.uint8)
        start = -raw.ctypes.data % 16 + self.shift * array.itemsize
        view = raw[start:start + array.nbytes].view(array.dtype)
        view[:] = array.ravel()
        return view, view.ctypes.data

    def get(self, buffer):
        return buffer.copy()

    def synchronize(self):
        pass


class Cuda:
    """Memory of the first device."""

    def __init__(self):
        self.lib = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name, *arguments):
        code = getattr(self.lib, name)(*arguments)
        if code:
            raise SystemExit(f"{name}: CUDA error {code}")

    def put(self, array):
        array = np.ascontiguousarray(array)
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(16, array.nbytes)))
        self.call("cuMemcpyHtoD_v2", address, ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))
        return (address, array.dtype, array.size), address.value

    def get(self, buffer):
        address, dtype, size = buffer
        array = np.empty(size, dtype)
        self.synchronize()
        self.call("cuMemcpyDtoH_v2", ctypes.c_void_p(array.ctypes.data), address, ctypes.c_size_t(array.nbytes))
        return array

    def free(self, buffer):
        self.call("cuMemFree_v2", buffer[0])

    def synchronize(self):
        self.call("cuCtxSynchronize")

    def time(self, run, times=20):
        """Microseconds of one run."""
        first, last, took = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_float()
        for event in (first, last):
            self.call("cuEventCreate", ctypes.byref(event), 0)
        for _ in range(3):
            run()
        self.call("cuEventRecord", first, None)
        for _ in range(times):
            run()
        self.call("cuEventRecord", last, None)
        self.synchronize()
        self.call("cuEventElapsedTime", ctypes.byref(took), first, last)
        return took.value / times * 1e3


class Same:
    """The array of an earlier argument."""

    def __init__(self, position):
        self.position = position


class Checker:
    def __init__(self, table, memory):
        self.memory = memory
        self.functions = {}
        for name in NAMES:
            prototype = ctypes.CFUNCTYPE(ctypes.c_char_p)
            self.functions[name] = ctypes.cast(getattr(table, name), prototype)
        self.failed = 0
        self.random = np.random.default_rng(7)

    def normal(self, shape, kind, scale=1.0):
        return rounded(self.random.standard_normal(shape) * scale, kind)

    def check(self, name, label, arguments, outputs, tolerance):
        """Runs a kernel. `arguments`: arrays, numbers, Same, or None for NULL. `outputs`: a list of (position, kind,
        expected); the array at that position is read back. Returns what was found there."""
        function, passed, buffers, size = self.functions[name], [], [], 0
        keep = {}
        for position, argument in enumerate(arguments):
            if isinstance(argument, np.ndarray):
                keep[position], address = self.memory.put(argument)
                size += argument.nbytes
                passed.append(ctypes.c_void_p(address))
            elif isinstance(argument, Same):
                passed.append(passed[argument.position])
            elif argument is None:
                passed.append(ctypes.c_void_p(None))
            elif isinstance(argument, float):
                passed.append(ctypes.c_float(argument))
            elif isinstance(argument, int):
                passed.append(ctypes.c_size_t(argument))
            else:
                passed.append(argument)
        error = function(None, *passed)
        if error is not None:
            raise SystemExit(f"{name} {label}: {error.decode()}")
        worst, results = 0.0, []
        for position, kind, expected in outputs:
            array = self.memory.get(keep[position])
            found = array.astype(np.float64) if array.dtype == np.float64 else unpacked(array, kind)
            results.append(found)
            expected = np.asarray(expected, np.float64).ravel()
            scale = max(np.abs(expected).max(initial=0), 1e-30)
            difference = np.abs(found - expected).max(initial=0) / scale
            worst = max(worst, difference if np.isfinite(found).all() else np.inf)
        line = f"{name:20} {label:34} error {worst:8.1e} of {tolerance:8.1e}"
        if isinstance(self.memory, Cuda):
            took = self.memory.time(lambda: function(None, *passed))
            line += f"  {took:9.1f} us {size / took / 1e3:7.0f} GB/s"
            for buffer in keep.values():
                self.memory.free(buffer)
        if not worst <= tolerance:
            self.failed += 1
            line += "  WRONG"
        print(line, flush=True)
        return results

    # Operators

    def rotary(self, kind, batch, sequence, heads, size):
        half, table = size // 2, sequence + 5
        x, xf = self.normal((batch, sequence, heads, size), kind)
        positions = self.random.integers(0, table, (batch, sequence))
        angle = np.arange(table)[:, None] / 10000 ** (np.arange(half) / half)
        cosine, sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        for inverse in (0, 1):
            c, s = cosine.astype(np.float64)[positions], sine.astype(np.float64)[positions] * (-1 if inverse else 1)
            source = xf.reshape(batch, heads, sequence, size).transpose(0, 2, 1, 3) if inverse else xf
            a, b = source[..., :half], source[..., half:]
            c, s = c[:, :, None], s[:, :, None]
            turned = np.concatenate([a * c - b * s, b * c + a * s], -1)
            expected = turned if inverse else turned.transpose(0, 2, 1, 3)
            self.check("rotary_heads", self.label(kind, f"{batch}x{sequence}x{heads}x{size} {'back' if inverse else ''}"),
                       [ctypes.c_int(kind), x, positions, cosine, sine, np.zeros_like(x), batch, sequence, heads, size,
                        table, ctypes.c_int(inverse)], [(5, kind, expected)], TOLERANCE[kind])

    def softmax(self, kind, batch, heads, queries, keys):
        rows = batch * heads * queries
        scores, sf = self.normal((batch, heads, queries, keys), kind, 2)
        hidden = self.random.random((batch, 1, queries, keys)) < 0.4
        hidden[0, 0, 0] = True
        mask, mf = rounded(np.where(hidden, -1e4, 0), kind)
        z = (sf + mf).astype(np.float32).astype(np.float64)  # the kernel adds in float
        p = np.exp(z - z.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        label = self.label(kind, f"{rows} rows of {keys}")
        self.check("mask_softmax", label, [ctypes.c_int(kind), scores, mask, np.zeros_like(scores), rows, keys, queries,
                   rows // batch], [(3, kind, p)], TOLERANCE[kind])
        # A row without any key gives zeros.
        none, _ = rounded(np.full((1, 1, queries, keys), -np.inf), kind)
        self.check("mask_softmax", label + " -inf", [ctypes.c_int(kind), scores, none, scores * 0, rows, keys, queries,
                   rows], [(3, kind, np.zeros(rows * keys))], 0)
        shares, pf = rounded(p, kind)
        flowing, ff = self.normal((rows, keys), kind)
        sums = self.random.standard_normal(rows).astype(np.float32)
        self.check("softmax_grad", label, [ctypes.c_int(kind), shares, flowing, sums, np.zeros_like(flowing), rows, keys],
                   [(4, kind, pf.reshape(rows, keys) * (ff - sums[:, None].astype(np.float64)))], TOLERANCE[kind])

    def tiles(self, mask):
        """What a mask [masks, queries, keys] does to its tiles, as cdama_mask_tile."""
        masks, queries, keys = mask.shape
        down, across = -(-queries // TILE), -(-keys // TILE)
        kinds = np.zeros((masks, down, across), np.int64)
        for i in range(down):
            for j in range(across):
                tile = mask[:, i * TILE:(i + 1) * TILE, j * TILE:(j + 1) * TILE]
                whole = tile.shape[2] == TILE
                kinds[:, i, j] = np.where((tile <= -1e4).all((1, 2)), 0, np.where((tile == 0).all((1, 2)) & whole, 2, 1))
        return kinds

    def attention(self, kind, batch, heads, key_heads, sequence, size, prefix=None, merged=False):
        """Attention of packed pairs, whose second half after the prefix does not see the first, and its gradient. The
        last mask hides everything from some rows. Without a prefix there is no mask. If merged, queries and keys lie as
        values do."""
        mask, mf, kinds = self.packed_masks(kind, batch, sequence, prefix) if prefix else (None, np.zeros((1, 1, 1)), None)

        def heads_of(count):
            numbers, exact = self.normal((batch, count, sequence, size), kind)
            return np.ascontiguousarray(numbers.transpose(0, 2, 1, 3)) if merged else numbers, exact

        def placed(gradient):
            return gradient.transpose(0, 2, 1, 3) if merged else gradient

        q, qf = heads_of(heads)
        k, kf = heads_of(key_heads)
        v, vf = self.normal((batch, sequence, key_heads, size), kind)
        g, gf = self.normal((batch, sequence, heads, size), kind)
        group = heads // key_heads
        scale = np.float32(0.9 / np.sqrt(size))
        keys, values = np.repeat(kf, group, 1), np.repeat(vf.transpose(0, 2, 1, 3), group, 1)
        scores = np.float64(scale) * qf @ keys.transpose(0, 1, 3, 2) + mf[:, None]
        top = scores.max(-1, keepdims=True)
        p = np.exp(scores - np.where(np.isfinite(top), top, 0))
        total = p.sum(-1, keepdims=True)
        with np.errstate(divide="ignore"):
            normalizers = (np.where(np.isfinite(top), top, 0) + np.log(total))[..., 0]
        p /= np.where(total == 0, 1, total)
        out = (p @ values).transpose(0, 2, 1, 3)
        shape = Attention(batch, heads, key_heads, sequence, size, batch if prefix else 0, merged, scale)
        label = self.label(kind, f"{batch}x{heads}/{key_heads}x{sequence}x{size}{'' if prefix else ' all'}{' merged' * merged}")
        empty, given = np.full(q.shape, 1, q.dtype), np.full((batch, heads, sequence), np.nan, np.float32)
        # The shares are rounded to the type before the product with the values, as each operand of a product is.
        self.check("attention", label, [ctypes.c_int(kind), ctypes.byref(shape), q, k, v, mask, kinds, empty, given],
                   [(7, kind, out)], 2 * TOLERANCE[kind])
        if np.isfinite(normalizers).all():
            self.check("attention", label + " sums", [ctypes.c_int(kind), ctypes.byref(shape), q, k, v, mask, kinds, empty,
                       given], [(8, F32, normalizers)], 1e-5)
        flowing = gf.transpose(0, 2, 1, 3)
        dots = (gf * out).sum(-1).transpose(0, 2, 1)
        ds = p * (flowing @ values.transpose(0, 1, 3, 2) - dots[..., None])
        dq = np.float64(scale) * ds @ keys
        dk = (np.float64(scale) * ds.transpose(0, 1, 3, 2) @ qf).reshape(batch, key_heads, group, sequence, size).sum(2)
        dv = (p.transpose(0, 1, 3, 2) @ flowing).reshape(batch, key_heads, group, sequence, size).sum(2)
        known = normalizers.astype(np.float32)
        self.check("attention_grad", label,
                   [ctypes.c_int(kind), ctypes.byref(shape), q, k, v, mask, kinds, g, known, dots.astype(np.float32),
                    empty, np.full(k.shape, 1, k.dtype), np.full(v.shape, 1, v.dtype)],
                   [(10, kind, placed(dq)), (11, kind, placed(dk)), (12, kind, dv.transpose(0, 2, 1, 3))],
                   2 * TOLERANCE[kind])

    def packed_masks(self, kind, batch, sequence, prefix):
        """The masks of packed pairs, as numbers of the type and as float64, and their tiles, which are checked."""
        place = np.arange(sequence)
        middle = (prefix + sequence) // 2
        visible = (place[None] <= place[:, None]) & ~((place[:, None] >= middle) & (place[None] >= prefix) & (place[None] < middle))
        masks = np.where(np.broadcast_to(visible, (batch, sequence, sequence)), 0.0, -1e9 if kind != F16 else -32768)
        if batch > 1:
            masks[-1, :sequence // 3] = -np.inf
        masks[0, -1, 0] = -0.5
        mask, mf = rounded(masks, kind)
        kinds = self.tiles(mf)
        self.check("mask_tiles", self.label(kind, f"{batch}x{sequence}"),
                   [ctypes.c_int(kind), mask, np.full_like(kinds, 7), batch, sequence, sequence], [(2, F32, kinds)], 0)
        return mask, mf, kinds

    def inputs(self, kind, batch, length, width):
        table, tf = self.normal((11, width), kind)
        features, ff = self.normal((5, width), kind)
        tokens = self.random.integers(-3, 11, (batch, length))
        rows = self.random.integers(0, 5, (batch, length))
        self.check("token_embeddings", self.label(kind, f"{batch}x{length}x{width}"),
                   [ctypes.c_int(kind), table, tokens, features, rows, np.full((batch, length, width), 1, table.dtype),
                    11, 5, tokens.size, width], [(5, kind, np.where((tokens < 0)[..., None], ff[rows], tf[tokens]))], 0)
        segments = np.minimum(np.arange(length) * 4 // length, 2)[None] * np.ones((batch, 1), np.int64)
        segments[-1, -length // 5:] = -1
        positions = np.arange(length)[None] - segments.clip(0) * 2
        query, key = segments[:, :, None], segments[:, None]
        seen = ((key == 0) | (key == query)) & (np.arange(length)[:, None] >= np.arange(length))
        for window in (0, 3):
            near = positions[:, :, None] < positions[:, None] + window if window else True
            self.check("packed_mask", self.label(kind, f"{batch}x{length} {window}"),
                       [ctypes.c_int(kind), segments, positions, np.full((batch, length, length), 1, table.dtype), batch,
                        length, window, -32768.0], [(3, kind, np.where(seen & near, 0, -32768))], 0)

    def add_bias(self, kind, rows, width):
        x, xf = self.normal((rows, width), kind, 2)
        bias, bf = self.normal(width, kind)
        residual, rf = self.normal((rows, width), kind)
        u = xf + bf
        erf = np.vectorize(math.erf, otypes=[float])
        expected = {
            0: u, 1: u / (1 + np.exp(-1.702 * u)), 2: u * (1 + erf(u / math.sqrt(2))) / 2,
            3: u * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u ** 3))) / 2,
        }
        for activation, y in expected.items():
            for other, more in ((None, 0), (residual, rf)):
                label = f"{rows}x{width} {activation}{'' if other is None else ' + residual'}"
                self.check("add_bias", self.label(kind, label),
                           [ctypes.c_int(kind), x, bias, other, np.full_like(x, 1), rows, width, ctypes.c_int(activation)],
                           [(4, kind, y + more)], TOLERANCE[kind])

    def sum_rows(self, kind, rows, count, uses, width):
        x, xf = self.normal((rows, width), kind)
        indices = self.random.integers(0, rows + 1, (count, uses))
        padded = np.concatenate([xf, np.zeros((1, width))])
        self.check("sum_rows", self.label(kind, f"{count}x{uses} of {rows}x{width}"),
                   [ctypes.c_int(kind), x, indices.astype(np.int64), np.full((count, width), 1, x.dtype), rows, count, uses,
                    width], [(3, kind, padded[indices].sum(1))], TOLERANCE[kind])

    def product(self, kind, rows, inner, columns):
        for ta, tb, adds, y_kind in [(0, 0, 0, kind), (1, 0, 0, F32), (0, 1, 1, kind), (1, 1, 1, F32)]:
            a, af = self.normal((inner, rows) if ta else (rows, inner), kind)
            b, bf = self.normal((columns, inner) if tb else (inner, columns), kind)
            y, yf = self.normal((rows, columns), y_kind)
            expected = 0.5 * (af.T if ta else af) @ (bf.T if tb else bf) + adds * yf
            shape = Product(rows, inner, columns, ta, tb, 0.5)
            # float32 is multiplied as TF32 on a device, with 11 significant bits.
            tolerance = TOLERANCE[F16] if kind == F32 else TOLERANCE[F32] * 4 if y_kind == F32 else TOLERANCE[kind]
            self.check("product", self.label(kind, f"{rows}x{inner}x{columns}{' T' * ta}{' +' * adds}"),
                       [ctypes.c_int(kind), ctypes.byref(shape), a, b, y, ctypes.c_int(y_kind), ctypes.c_int(adds)],
                       [(4, y_kind, expected)], tolerance)

    def dot(self, kind, batch, sequence, heads, size):
        a, af = self.normal((batch, sequence, heads, size), kind)
        b, bf = self.normal((batch, sequence, heads, size), kind)
        self.check("row_dot", self.label(kind, f"{batch}x{sequence}x{heads}x{size}"),
                   [ctypes.c_int(kind), a, b, np.zeros((batch, heads, sequence), np.float32), batch, sequence, heads, size],
                   [(3, F32, (af * bf).sum(-1).transpose(0, 2, 1))], TOLERANCE[F32])

    def norm(self, kind, rows, width):
        x, xf = self.normal((rows, width), kind, 2)
        scale, wf = self.normal(width, kind)
        bias, bf = self.normal(width, kind)
        zero = np.zeros(rows, np.float32)
        inverse = 1 / np.sqrt((xf ** 2).mean(-1) + 1e-5)
        self.check("norm", self.label(kind, f"{rows}x{width}"),
                   [ctypes.c_int(kind), x, scale, None, np.zeros_like(x), None, zero, rows, width, 1e-5],
                   [(4, kind, xf * inverse[:, None] * wf)], TOLERANCE[kind])
        centred = xf - xf.mean(-1, keepdims=True)
        deviation = 1 / np.sqrt((centred ** 2).mean(-1) + 1e-5)
        arguments = [ctypes.c_int(kind), x, scale, bias, np.zeros_like(x), zero, zero.copy(), rows, width, 1e-5]
        self.check("norm", self.label(kind, f"{rows}x{width} + bias"), arguments,
                   [(4, kind, centred * deviation[:, None] * wf + bf)], TOLERANCE[kind])
        self.check("norm", self.label(kind, f"{rows}x{width} statistics"), arguments,
                   [(5, F32, xf.mean(-1)), (6, F32, deviation)], 2e-6)
        self.added_norm(kind, rows, width)
        dy, df = self.normal((rows, width), kind)
        x, xf = self.normal((rows, width), kind)
        scale, wf = self.normal(width, kind)
        residual, rf = self.normal((rows, width), kind)
        r = (1 / np.sqrt((xf ** 2).mean(-1) + 1e-5)).astype(np.float32)
        r64 = r.astype(np.float64)[:, None]
        h = df * wf
        expected = r64 * h - xf * r64 ** 3 * (h * xf).mean(-1, keepdims=True)
        for other, more in ((None, 0), (residual, rf)):
            self.check("rms_norm_grad", self.label(kind, f"{rows}x{width}{'' if other is None else ' + residual'}"),
                       [ctypes.c_int(kind), dy, x, scale, r, other, np.zeros_like(dy), rows, width],
                       [(6, kind, expected + more)], TOLERANCE[kind])
        self.check("rms_norm_scale_grad", self.label(kind, f"{rows}x{width}"),
                   [ctypes.c_int(kind), dy, x, r, np.zeros_like(scale), rows, width],
                   [(4, kind, (df * xf * r64).sum(0))], max(TOLERANCE[kind], 2e-7 * rows ** 0.5))

    def added_norm(self, kind, rows, width):
        """The bits of the sum, and those of `norm` of the sum; also with the sum in the place of an operand."""
        x, xf = self.normal((rows, width), kind, 2)
        residual, rf = self.normal((rows, width), kind)
        scale, wf = self.normal(width, kind)
        sums, uf = rounded(xf + rf, kind)
        label, zero, last = self.label(kind, f"{rows}x{width}"), np.zeros(rows, np.float32), [rows, width, 1e-5]
        exact = uf / np.sqrt((uf ** 2).mean(-1, keepdims=True) + 1e-5) * wf
        y, inverses = self.check(
            "norm", label + " of a sum", [ctypes.c_int(kind), sums, scale, None, np.zeros_like(x), None, zero, *last],
            [(4, kind, exact), (6, F32, 1 / np.sqrt((uf ** 2).mean(-1) + 1e-5))], TOLERANCE[kind])
        for place, target in ((4, np.zeros_like(x)), (1, Same(1)), (2, Same(2))):
            self.check("added_norm", f"{label} to {place}",
                       [ctypes.c_int(kind), x, residual, scale, target, np.zeros_like(x), zero, *last],
                       [(place, kind, uf), (5, kind, y), (6, F32, inverses)], 0)

    def swiglu(self, kind, count):
        gate, gf = self.normal(count, kind, 3)
        up, uf = self.normal(count, kind)
        dy, df = self.normal(count, kind)
        sigmoid = 1 / (1 + np.exp(-gf))
        zero = np.zeros_like(gate)
        self.check("swiglu", self.label(kind, f"{count}"), [ctypes.c_int(kind), gate, up, zero, count],
                   [(3, kind, gf * sigmoid * uf)], TOLERANCE[kind])
        self.check("swiglu_grad", self.label(kind, f"{count}"), [ctypes.c_int(kind), dy, gate, up, zero, zero, count],
                   [(4, kind, df * uf * (sigmoid + gf * sigmoid * (1 - sigmoid))), (5, kind, df * gf * sigmoid)],
                   TOLERANCE[kind])

    def likeliest(self, kind, rows, vocabulary):
        logits, lf = rounded(np.round(self.random.standard_normal((rows, vocabulary)) * 3), kind)
        logits[0, vocabulary // 2] = np.nan if kind != BF16 else 0x7FC0
        lf[0, vocabulary // 2] = -np.inf
        logits[-1], lf[-1] = rounded(np.full(vocabulary, -np.inf), kind)
        expected = lf.argmax(-1)  # the first of equal ones
        expected[-1] = -1
        self.check("likeliest", self.label(kind, f"{rows}x{vocabulary}"),
                   [ctypes.c_int(kind), logits, np.full(rows, 7, np.int64), rows, vocabulary], [(2, F32, expected)], 0)

    def logps(self, kind, rows, vocabulary):
        logits, lf = self.normal((rows, vocabulary), kind, 4)
        targets = self.random.integers(0, vocabulary, rows)
        weights = self.random.standard_normal(rows).astype(np.float32)
        top = lf.max(-1)
        normalizer = top + np.log(np.exp(lf - top[:, None]).sum(-1))
        label, empty = self.label(kind, f"{rows}x{vocabulary}"), np.zeros(rows, np.float32)
        self.check("token_logps", label, [ctypes.c_int(kind), logits, targets, empty, empty, rows, vocabulary],
                   [(3, F32, lf[np.arange(rows), targets] - normalizer), (4, F32, normalizer)], TOLERANCE[F32])
        expected = -np.exp(lf - normalizer[:, None])
        expected[np.arange(rows), targets] += 1
        self.check("token_logps_grad", label,
                   [ctypes.c_int(kind), logits, targets, normalizer.astype(np.float32), weights, np.zeros_like(logits),
                    rows, vocabulary],
                   [(5, kind, expected * weights[:, None].astype(np.float64))], max(TOLERANCE[kind], 1e-5))

    # The optimizer

    def optimizer(self, kind, count):
        numbers = AdamW(0.999, 0.9, 0.1, 0.99, 0.01, 1e-2, 3.0, 1e-8, 0.5)
        n = {name: np.float64(getattr(numbers, name)) for name, _ in AdamW._fields_}
        (p, pf), (m, mf) = self.normal(count, F32), self.normal(count, F32)
        v = np.abs(self.normal(count, F32)[0])
        g, gf = self.normal(count, kind)
        gf = gf * n["gradient_scale"]
        m2 = mf * n["beta1"] + gf * n["one_minus_beta1"]
        v2 = v.astype(np.float64) * n["beta2"] + gf ** 2 * n["one_minus_beta2"]
        p2 = pf * n["keep"] - n["step_size"] * m2 / (np.sqrt(v2) * n["inverse_root_correction"] + n["epsilon"])
        for working in (None, kind):
            outputs = [(1, F32, p2), (4, F32, m2), (5, F32, v2)]
            self.check("adamw", self.label(kind, f"{count}{'' if working is None else ' + copy'}"),
                       [ctypes.byref(numbers), p, g, ctypes.c_int(kind), m, v,
                        None if working is None else np.zeros_like(g), ctypes.c_int(kind), count], outputs, 1e-6)
        if kind != F32:
            self.check("adamw", self.label(kind, f"{count} the copy"),
                       [ctypes.byref(numbers), p, g, ctypes.c_int(kind), m, v, np.zeros_like(g), ctypes.c_int(kind), count],
                       [(6, kind, p2)], TOLERANCE[kind])
        g, gf = self.normal(count, kind)
        self.check("sum_of_squares", self.label(kind, f"{count}"),
                   [g, ctypes.c_int(kind), count, np.zeros(1024), np.array([0.0])], [(4, F32, [(gf ** 2).sum()])], 1e-12)
        self.check("accumulate", self.label(kind, f"{count}"), [p, g, ctypes.c_int(kind), count], [(0, F32, pf + gf)], 1e-6)
        self.check("fill", self.label(kind, f"{count}"), [np.zeros_like(g), ctypes.c_int(kind), 1.5, count],
                   [(0, kind, np.full(count, 1.5))], 0)
        self.check("cast", self.label(kind, f"{count} from float"),
                   [np.zeros_like(g), ctypes.c_int(kind), p, ctypes.c_int(F32), count], [(0, kind, rounded(p, kind)[1])], 0)
        self.check("cast", self.label(kind, f"{count} to float"),
                   [np.zeros(count, np.float32), ctypes.c_int(F32), g, ctypes.c_int(kind), count], [(0, F32, gf)], 0)

    def rows(self, kind, table_kind, tokens, vocabulary, width):
        indices = self.random.integers(0, vocabulary, tokens)
        indices[: tokens // 3] = indices[0]
        order = np.argsort(indices, kind="stable")
        rows, first = np.unique(indices[order], return_index=True)
        starts = np.append(first, tokens).astype(np.int64)
        values, vf = self.normal((tokens, width), kind)
        table, tf = self.normal((vocabulary, width), table_kind)
        np.add.at(tf, indices, vf)
        self.check("add_rows", self.label(kind, f"{tokens} to {'float' if table_kind == F32 else 'same'} {vocabulary}x{width}"),
                   [table, ctypes.c_int(table_kind), values, ctypes.c_int(kind), rows.astype(np.int64), starts,
                    order.astype(np.int64), len(rows), width], [(0, table_kind, tf)], TOLERANCE[table_kind])

    def large(self, kind):
        """Times alone, at the sizes of 4 pairs of 824 tokens in a model of 7 billion parameters."""
        batch, sequence, heads, size, width, inner, vocabulary = 4, 824, 32, 128, 4096, 11008, 32064
        tokens, rows, count = batch * sequence, batch * heads * sequence, 1 << 26
        numbers = self.normal(1 << 16, kind)[0]

        def real(length):
            return np.resize(numbers, length)

        def floats(length):
            return np.ones(length, np.float32)

        def integers(length, end):
            return np.arange(length, dtype=np.int64) * 7 % end

        c = ctypes.c_int(kind)
        hidden, scores, wide = real(tokens * width), real(rows * sequence), real(tokens * inner)
        logits, table = real(800 * vocabulary), floats(1000 * size // 2)
        step = ctypes.byref(AdamW(0.999, 0.9, 0.1, 0.99, 0.01, 1e-6, 3.0, 1e-8, 0.5))
        for name, arguments in [
            ("rotary_heads", [c, hidden, integers(tokens, 1000), table, table, hidden, batch, sequence, heads, size, 1000,
                              ctypes.c_int(0)]),
            ("mask_softmax", [c, scores, real(batch * sequence * sequence), scores, rows, sequence, sequence,
                              rows // batch]),
            ("softmax_grad", [c, scores, scores, floats(rows), scores, rows, sequence]),
            ("row_dot", [c, hidden, hidden, floats(rows), batch, sequence, heads, size]),
            ("rms_norm_grad", [c, hidden, hidden, real(width), floats(tokens), hidden, hidden, tokens, width]),
            ("rms_norm_scale_grad", [c, hidden, hidden, floats(tokens), real(width), tokens, width]),
            ("swiglu", [c, wide, wide, wide, tokens * inner]),
            ("swiglu_grad", [c, wide, wide, wide, wide, wide, tokens * inner]),
            ("token_logps", [c, logits, integers(800, vocabulary), floats(800), floats(800), 800, vocabulary]),
            ("token_logps_grad", [c, logits, integers(800, vocabulary), floats(800), floats(800), logits, 800, vocabulary]),
            ("adamw", [step, floats(count), real(count), c, floats(count), floats(count), real(count), c, count]),
            ("sum_of_squares", [real(count), c, count, np.zeros(1024), np.zeros(1)]),
            ("accumulate", [floats(count), real(count), c, count]),
            ("add_rows", [real(vocabulary * width), c, hidden, c, integers(1000, vocabulary),
                          np.linspace(0, tokens, 1001).astype(np.int64), integers(tokens, tokens), 1000, width]),
            ("fill", [real(count), c, 1.5, count]),
            ("cast", [real(count), c, floats(count), ctypes.c_int(F32), count]),
            ("norm", [c, hidden, real(width), None, hidden, None, floats(tokens), tokens, width, 1e-5]),
            ("added_norm", [c, hidden, hidden, real(width), hidden, hidden, floats(tokens), tokens, width, 1e-5]),
            ("add_bias", [c, wide, real(inner), None, wide, tokens, inner, ctypes.c_int(1)]),
        ] + ([] if kind == F32 else self.large_attention(c, real, floats)):
            self.check(name, self.label(kind, "large"), arguments, [], 0)

    def large_attention(self, c, real, floats):
        """Attention of 32 images in CLIP's ViT-L/14-336, without a mask."""
        shape = Attention(32, 16, 16, 577, 64, 0, 1, 0.125)
        count = shape.batch * shape.heads * shape.sequence
        rows = [real(count * shape.size) for _ in range(4)]
        return [
            ("attention", [c, ctypes.byref(shape), *rows[:3], None, None, rows[3], floats(count)]),
            ("attention_grad", [c, ctypes.byref(shape), *rows[:3], None, None, rows[3], floats(count), floats(count),
                                *(real(count * shape.size) for _ in range(3))]),
        ]

    def label(self, kind, text):
        return f"{next(n for n, k in TYPES.items() if k == kind):4} {text}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--on", default="cuda", choices=["cuda", "cpu", "emulation"])
    parser.add_argument("--emulation", help="the library of Tests/CudaEmulation")
    parser.add_argument("--shift", type=int, default=0, help="elements by which arrays lie beside a multiple of 16 bytes")
    parser.add_argument("--large", action="store_true", help="only times, at the sizes of a model of 7 billion parameters")
    given = parser.parse_args()
    library = ctypes.CDLL(given.library)
    if given.on == "emulation":
        emulation = ctypes.CDLL(given.emulation)
        library.cdama_cuda_set_launcher(emulation.cuda_emulation_launch)
    if given.on == "cuda":
        memory = Cuda()
        library.cdama_cuda_kernels_status.restype = ctypes.c_char_p
        reason = library.cdama_cuda_kernels_status(0)
        if reason is not None:
            raise SystemExit(reason.decode())
    else:
        memory = Host(given.shift)
    table = Table.in_dll(library, "cdama_cpu_kernels" if given.on == "cpu" else "cdama_cuda_kernels")
    checker = Checker(table, memory)
    for kind in TYPES.values():
        if given.large:
            checker.large(kind)
            continue
        checker.rotary(kind, 2, 7, 3, 16)
        checker.rotary(kind, 1, 5, 2, 10)
        for keys in (1, 7, 8, 103, 104, 1024, 1100, 5000):
            checker.softmax(kind, 2, 3, 1 if keys > 1000 else 5, keys)
        for rows, count, uses, width in ((5, 9, 2, 16), (3, 4, 1, 7)):
            checker.sum_rows(kind, rows, count, uses, width)
        for sizes in ((16, 8, 24), (64, 40, 8)):
            checker.product(kind, *sizes)
        if given.shift == 0 and (kind != F32 or given.on == "cpu"):
            checker.attention(kind, 2, 4, 2, 130, 32, 40)
            checker.attention(kind, 1, 2, 2, 64, 64, 20)
            checker.attention(kind, 2, 2, 1, 200, 128, 100)
            checker.attention(kind, 3, 1, 1, 9, 32, 4)
            checker.attention(kind, 2, 4, 2, 130, 64, 40, merged=True)
            checker.attention(kind, 2, 2, 2, 77, 64, merged=True)
            checker.attention(kind, 1, 2, 1, 128, 128)
            checker.attention(kind, 2, 2, 2, 50, 32, merged=True)
        checker.dot(kind, 2, 7, 3, 16)
        checker.dot(kind, 2, 5, 3, 83)
        for rows, width in ((5, 64), (9, 7), (70, 33), (3, 520), (2, 4096), (2, 5001)):
            checker.norm(kind, rows, width)
        for sizes in ((2, 9, 16), (1, 40, 7)):
            checker.inputs(kind, *sizes)
        for rows, width in ((3, 64), (5, 7), (2, 1000)):
            checker.add_bias(kind, rows, width)
        for count in (1, 1000, 4099):
            checker.swiglu(kind, count)
            checker.optimizer(kind, count)
        for rows, vocabulary in ((3, 64), (2, 5003), (5, 9)):
            checker.logps(kind, rows, vocabulary)
            checker.likeliest(kind, rows, vocabulary)
        checker.rows(kind, kind, 50, 11, 24)
        checker.rows(kind, F32, 50, 11, 13)
        if kind != F32:
            checker.rows(F32, kind, 50, 11, 24)
    print(f"kernels on {given.on}: {checker.failed} wrong")
    sys.exit(bool(checker.failed))


if __name__ == "__main__":
    main()
