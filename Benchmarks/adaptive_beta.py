"""Time of one adaptive-β step, N = 16: libdama from C and from Python, compared with the same formulas in torch.

    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/adaptive_beta.py

The contenders take turns in one process; the results are medians. Each computes a step from log-probabilities to the
gradients with respect to them, and updates its running mean. torch runs the formulas eagerly in float32 with autograd,
as trainers do, on one thread, which is its fastest setting at this size.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import libdama

ROOT = Path(__file__).parent.parent
N, ROUNDS, STEPS = 16, 400, 10


class TorchPaper:
    """The paper's algorithm: nearest K, Eqs. (9) to (17), with the same guard."""

    def __init__(self):
        self.mean = torch.zeros(())

    def step(self, pc, pr, rc, rr, alpha_data):
        pc, pr = pc.detach().requires_grad_(), pr.detach().requires_grad_()
        h = (pc - rc) - (pr - rr)
        with torch.no_grad():
            gaps = 0.1 * h
            if self.mean >= max(1e-6, 0.25 * gaps.abs().mean()):
                gaps = gaps / self.mean
            kept = ((gaps - self.mean) ** 2).topk(12, largest=False).indices
            mask = torch.zeros_like(gaps)
            mask[kept] = 1
            batch_gap = gaps[kept].mean()
            beta = 0.1 * alpha_data * torch.sigmoid(batch_gap) / torch.sigmoid(self.mean)
        loss = (-F.logsigmoid(beta * h) * mask).sum() / mask.sum()
        loss.backward()
        self.mean = 0.9 * self.mean + 0.1 * batch_gap
        return pc.grad, pr.grad


class TorchReleased:
    """The authors' trainer: a weighted sample without replacement, and the mean of σ."""

    def __init__(self):
        self.mean = torch.zeros(())

    def step(self, pc, pr, rc, rr, alpha_data):
        pc, pr = pc.detach().requires_grad_(), pr.detach().requires_grad_()
        h = (pc - rc) - (pr - rr)
        with torch.no_grad():
            gaps = h.detach()
            weights = torch.exp(-0.5 * (gaps - self.mean) ** 2)
            kept = torch.multinomial(weights + 1e-30, int(0.8 * N), replacement=False)
            mask = torch.zeros_like(gaps)
            mask[kept] = 1
            alpha_model = torch.sigmoid(gaps[kept]).mean() / torch.sigmoid(self.mean)
            beta = (0.1 * alpha_data * alpha_model).clamp(min=1e-3)
        loss = (-F.logsigmoid(beta * h) * mask).sum() / mask.sum()
        loss.backward()
        self.mean = 0.9 * self.mean + 0.1 * gaps.mean()
        return pc.grad, pr.grad


class Dama:
    def __init__(self, preset):
        self.controller = libdama.AdaptiveBeta(preset)

    def step(self, *batch):
        out = self.controller.step(*batch)
        self.controller.commit()
        return out.grad_chosen, out.grad_rejected


class DamaFromTensors(Dama):
    """Takes and returns tensors, as a torch trainer would call it."""

    def step(self, *batch):
        return tuple(map(torch.from_numpy, super().step(*batch)))


def native():
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/adaptive_beta"
        library = Path(libdama.library_path()).resolve().parent
        subprocess.run(
            ["cc", "-O2", "-std=gnu11", ROOT / "Benchmarks/adaptive_beta.c", f"-I{ROOT}/include", f"-L{library}",
             "-ldama", f"-Wl,-rpath,{library}", "-lm", "-o", program], check=True)  # fmt: skip
        subprocess.run([program], check=True)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    batches = []
    for _ in range(STEPS):
        rc, rr = rng.normal(-60, 5, (2, N))
        batches.append([rc + rng.normal(1, 2, N), rr + rng.normal(0, 2, N), rc, rr, rng.uniform(0.8, 1.2, N)])
    arrays = [[np.asarray(x, dtype=np.float32) for x in batch] for batch in batches]
    tensors = [[torch.from_numpy(x) for x in batch] for batch in arrays]
    contenders = {
        "torch, paper": (TorchPaper(), tensors),
        "torch, released": (TorchReleased(), tensors),
        "dama from numpy, paper": (Dama("paper"), arrays),
        "dama from numpy, released": (Dama("released"), arrays),
        "dama from torch tensors, paper": (DamaFromTensors("paper"), tensors),
        "dama from torch tensors, released": (DamaFromTensors("released"), tensors),
    }
    # First check that the results agree: float32 against double.
    a = contenders["torch, paper"][0].step(*tensors[0])
    b = contenders["dama from numpy, paper"][0].step(*arrays[0])
    np.testing.assert_allclose(a[0].numpy(), b[0], rtol=1e-5, atol=1e-7)

    native()
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (contender, inputs) in contenders.items():
            start = time.perf_counter()
            for batch in inputs:
                contender.step(*batch)
            times[name].append((time.perf_counter() - start) / STEPS)
    for name, values in times.items():
        print(f"{name:34} N = {N}: {1e6 * np.median(values):7.2f} µs a step")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
