"""Writes kernels.json: torch's log_softmax + gather with their gradient, torch.optim.AdamW, transformers' schedules.

    .deps/torch/bin/python Tests/DamaKernelsTests/Fixtures/make_kernels.py

Log-probabilities and their gradients are computed in double from float32 logits; AdamW in float32 by torch itself (its
foreach-free form), over several steps.
"""

import json
from pathlib import Path

import torch
from transformers import get_scheduler


def rounded(tensor):
    """Shortest decimals that round to the same float32."""
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def log_probabilities(rows, vocabulary, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(rows, vocabulary, generator=generator) * scale).float()
    labels = torch.randint(vocabulary, (rows,), generator=generator)
    labels[rows // 2] = -100
    weights = torch.randn(rows, generator=generator).float()
    weights[0] = 0
    exact = logits.double().requires_grad_()
    taken = exact.log_softmax(-1).gather(1, labels.clamp(min=0)[:, None])[:, 0] * (labels != -100)
    (taken * weights.double()).sum().backward()
    return dict(rows=rows, vocabulary=vocabulary, logits=rounded(logits), labels=labels.tolist(),
                weights=rounded(weights), log_probabilities=taken.tolist(), gradient=rounded(exact.grad))


def adamw(count, steps, seed, **options):
    generator = torch.Generator().manual_seed(seed)
    parameter = torch.nn.Parameter(torch.randn(count, generator=generator))
    start = rounded(parameter.detach())
    optimizer = torch.optim.AdamW([parameter], foreach=False, fused=False, **options)
    gradients = []
    for _ in range(steps):
        # Gradients over many powers of ten, and some that are 0.
        gradient = torch.randn(count, generator=generator) * 10 ** (torch.rand(count, generator=generator) * 8 - 6)
        gradient[::7] = 0
        parameter.grad = gradient
        gradients.append(rounded(gradient))
        optimizer.step()
    state = optimizer.state[parameter]
    return dict(options=options, parameters=start, gradients=gradients, result=rounded(parameter.detach()),
                first=rounded(state["exp_avg"]), second=rounded(state["exp_avg_sq"]))


def schedule(kind, total, warmup):
    names = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=5e-7)
    scheduler = get_scheduler(names[kind], optimizer, num_warmup_steps=warmup, num_training_steps=total)
    rates = []
    for _ in range(total + 1):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return dict(kind=kind, total=total, warmup=warmup, rates=rates)


def main():
    made = dict(
        log_probabilities=[
            log_probabilities(4, 1, 1, 0),
            log_probabilities(3, 5, 3, 1),
            log_probabilities(4, 16, 1, 2),
            log_probabilities(3, 47, 30, 3),
            log_probabilities(2, 2061, 4, 4),
            log_probabilities(2, 4199, 10, 5),
        ],
        adamw=[
            adamw(37, 5, 6, lr=1e-3, weight_decay=0.0),
            adamw(37, 5, 7, lr=1e-2, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-6),
            adamw(3, 12, 8, lr=5e-7, weight_decay=0.01),
        ],
        schedules=[schedule(kind, total, warmup) for kind in ("constant", "linear", "cosine")
                   for total, warmup in ((20, 0), (20, 2), (17, 5), (3, 3), (1, 0))],
    )
    path = Path(__file__).parent / "kernels.json"
    path.write_text(json.dumps(made, separators=(",", ":")) + "\n")
    print(path.stat().st_size, "bytes")


main()
