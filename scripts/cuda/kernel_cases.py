"""Each kernel's definition in float64, for inputs of a given type and size."""

import ctypes
import math

import numpy as np
from kernel_calls import AdamW, Attention, BF16, Calls, F16, F32, Product, rounded, Same, TILE, TOLERANCE


class Cases(Calls):
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
