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
import sys

import numpy as np
from kernel_calls import AdamW, Attention, Cuda, F32, Host, Table, TYPES
from kernel_cases import Cases


class Checker(Cases):
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
