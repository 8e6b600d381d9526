"""Time of a preference loss with its backward pass, N = 16: libdama.torch compared with the same formulas in torch.

    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/preference_loss.py

From tensors of log-probabilities with gradients to the gradients in them, and the running mean. The contenders take
turns in one process on one thread; the results are medians. `plan` is the same batch as 8 micro-batches of 2.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import numpy as np
import torch
import torch.nn.functional as F

import libdama
from libdama.torch import AdaptiveBeta, plan, preference_loss

N, ROUNDS = 16, 3000


class Torch:
    """The paper's algorithm in float32 with autograd, as trainers do it: Eqs. (9) to (17) with the same guard."""

    def __init__(self):
        self.mean = torch.zeros(())

    def step(self, chosen, rejected, reference_chosen, reference_rejected, alpha):
        h = (chosen - reference_chosen) - (rejected - reference_rejected)
        with torch.no_grad():
            gaps = 0.1 * h
            if self.mean >= max(1e-6, 0.25 * gaps.abs().mean()):
                gaps = gaps / self.mean
            kept = ((gaps - self.mean) ** 2).topk(12, largest=False).indices
            mask = torch.zeros_like(gaps)
            mask[kept] = 1
            batch_gap = gaps[kept].mean()
            beta = 0.1 * alpha * torch.sigmoid(batch_gap) / torch.sigmoid(self.mean)
        loss = (-F.logsigmoid(beta * h) * mask).sum() / mask.sum()
        loss.backward()
        self.mean = 0.9 * self.mean + 0.1 * batch_gap
        return loss


class Dama:
    def __init__(self):
        self.controller = AdaptiveBeta("paper", batch=N)

    def step(self, *columns):
        loss, _ = preference_loss(*columns, controller=self.controller)
        loss.backward()
        self.controller.commit()
        return loss


class Planned(Dama):
    def step(self, *columns):
        pieces = list(zip(*(column.split(2) for column in columns)))
        for micro, piece in zip(plan(self.controller, lambda piece: piece, pieces), pieces):
            if not micro.skip:
                micro.loss(piece[0], piece[1]).backward()
        self.controller.commit()


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    reference = torch.randn(2, N) * 5 - 60
    policy = [(row + torch.randn(N)).requires_grad_() for row in reference]
    columns = (*policy, *reference, torch.rand(N) * 0.4 + 0.8)
    contenders = {"torch": Torch(), "libdama.torch, preference_loss": Dama(), "libdama.torch, plan of 8 × 2": Planned()}

    gradients = {}
    for name in list(contenders)[:2]:
        contenders[name].step(*columns)
        gradients[name] = torch.cat([row.grad for row in policy])
        for row in policy:
            row.grad = None
    torch.testing.assert_close(*gradients.values(), rtol=1e-5, atol=1e-8)

    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            for row in policy:
                row.grad = None
            start = time.perf_counter()
            contender.step(*columns)
            times[name].append(time.perf_counter() - start)
    print(f"torch {torch.__version__}, libdama {libdama.version()}, one thread, N = {N}")
    for name, values in times.items():
        print(f"{name:32} {1e6 * np.median(values):7.1f} µs a step and backward pass")


if __name__ == "__main__":
    main()
