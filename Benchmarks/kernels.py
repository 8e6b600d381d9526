"""Token log-probabilities and AdamW: libdama compared with torch, taking turns in one process; medians.

    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/kernels.py
    [logprobs|adamw]

Token log-probabilities: logits [8, 160, 32000] in float32, forward and backward to the gradient of the logits. Peak
extra memory is the growth of the process's resident size during one pass, from the kernel's high-water mark in a fresh
process for each contender. "tuned malloc" sets glibc's thresholds so that large blocks are kept and reused:

    MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456

AdamW: 50 million parameters in one tensor; torch's foreach and fused forms.
"""

import os
import subprocess
import sys
import time

import numpy as np
import torch

import libdama
from libdama import kernels

BATCH, LENGTH, VOCABULARY, PARAMETERS = 8, 160, 32000, 50_000_000
TUNED = dict(
    MALLOC_MMAP_THRESHOLD_="4294967296", MALLOC_TRIM_THRESHOLD_="17179869184", MALLOC_TOP_PAD_="268435456"
)


def torch_gather(logits, labels, weights):
    """As trainers do: log_softmax over the vocabulary, gather, mask; autograd for the gradient."""
    logits = logits.detach().requires_grad_()
    mask = labels != -100
    values = logits.log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0] * mask
    values.backward(weights)
    return values.detach(), logits.grad


def torch_logsumexp(logits, labels, weights):
    """The selective form: gather the logit, subtract logsumexp."""
    logits = logits.detach().requires_grad_()
    mask = labels != -100
    taken = logits.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    values = (taken - logits.logsumexp(-1)) * mask
    values.backward(weights)
    return values.detach(), logits.grad


def torch_cross_entropy(logits, labels, weights):
    """torch's fused loss, which ignores label −100."""
    logits = logits.detach().requires_grad_()
    values = -torch.nn.functional.cross_entropy(
        logits.view(-1, logits.shape[-1]), labels.view(-1), ignore_index=-100, reduction="none"
    ).view(labels.shape)
    values.backward(weights)
    return values.detach(), logits.grad


def dama_out_of_place(logits, labels, weights):
    found = kernels.token_logprobs(logits, labels)
    gradient = kernels.token_logprobs_backward(logits, labels, found.normalizers, weights)
    return torch.from_numpy(found.values), torch.from_numpy(gradient)


def dama_kept(logits, labels, weights):
    """Out of place, into an array that is reused from step to step."""
    found = kernels.token_logprobs(logits, labels)
    if KEPT.get("out") is None or KEPT["out"].shape != tuple(logits.shape):
        KEPT["out"] = np.empty(tuple(logits.shape), dtype=np.float32)
    gradient = kernels.token_logprobs_backward(logits, labels, found.normalizers, weights, out=KEPT["out"])
    return torch.from_numpy(found.values), torch.from_numpy(gradient)


def dama_in_place(logits, labels, weights):
    """The gradient replaces the logits; the benchmark restores them before the next round."""
    found = kernels.token_logprobs(logits, labels)
    kernels.token_logprobs_backward(logits, labels, found.normalizers, weights, in_place=True)
    return torch.from_numpy(found.values), logits


KEPT = {}
LOGPROBS = {
    "torch log_softmax + gather": torch_gather,
    "torch gather − logsumexp": torch_logsumexp,
    "torch cross_entropy": torch_cross_entropy,
    "dama": dama_out_of_place,
    "dama, gradient array kept": dama_kept,
    "dama in place": dama_in_place,
}


def logprob_inputs():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(BATCH, LENGTH, VOCABULARY, generator=generator) * 3
    labels = torch.randint(VOCABULARY, (BATCH, LENGTH), generator=generator)
    return logits, labels, torch.randn(BATCH, LENGTH, generator=generator)


def status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


def peak(name):
    """Prints the resident memory beyond the inputs in MiB. A small call first loads the libraries."""
    logits, labels, weights = logprob_inputs()
    LOGPROBS[name](logits[:, :1, :64].contiguous(), labels[:, :1] % 64, weights[:, :1])
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # resets the high-water mark
    before = status("VmRSS")
    LOGPROBS[name](logits, labels, weights)
    print((status("VmHWM") - before) / 1024)


def report(name, seconds, traffic=0):
    """Median and fastest wall time, and the median total CPU time, which other programs disturb less."""
    wall, cpu = 1e3 * np.array(seconds).T
    rate = f"   {traffic / np.median(wall) / 1e6:5.1f} GB/s" if traffic else ""
    print(f"{name:28} {np.median(wall):8.1f} ms   fastest {wall.min():8.1f} ms   CPU {np.median(cpu):8.1f} ms{rate}",
          flush=True)  # fmt: skip


def pause():
    """Lets the previous contender's threads stop spinning, which would take a processor from the next contender."""
    time.sleep(0.05)


def time_logprobs(rounds):
    logits, labels, weights = logprob_inputs()
    original = logits.clone()
    exact = torch_gather(logits[:1, :4].double(), labels[:1, :4], weights[:1, :4].double())
    times = {name: [] for name in LOGPROBS}
    for round_ in range(rounds + 1):
        for name, contender in LOGPROBS.items():
            logits.copy_(original)
            pause()
            start = time.perf_counter(), time.process_time()
            values, gradient = contender(logits, labels, weights)
            seconds = time.perf_counter() - start[0], time.process_time() - start[1]
            if round_:
                times[name].append(seconds)
            else:  # Warm-up, and a check that all compute the same result.
                torch.testing.assert_close(values[:1, :4].double(), exact[0], rtol=1e-6, atol=1e-5)
                torch.testing.assert_close(gradient[:1, :4].double(), exact[1], rtol=1e-4, atol=1e-7)
            del values, gradient
    for name, seconds in times.items():
        report(name, seconds)


def time_adamw(rounds):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(PARAMETERS, generator=generator)
    gradient = torch.randn(PARAMETERS, generator=generator) * 1e-2
    contenders = {}
    for name, options in (("torch foreach", dict(foreach=True)), ("torch fused", dict(fused=True))):
        parameter = torch.nn.Parameter(start.clone())
        parameter.grad = gradient
        contenders[name] = torch.optim.AdamW([parameter], lr=1e-3, weight_decay=0.01, **options).step, parameter
    mine = start.clone()
    first, second = torch.zeros_like(mine), torch.zeros_like(mine)
    count = iter(range(1, 10_000))
    contenders["dama"] = (
        lambda: kernels.adamw_step(
            mine, gradient, first, second, step=next(count), learning_rate=1e-3, weight_decay=0.01
        ),
        mine,
    )
    times = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, (step, _) in contenders.items():
            pause()
            begin = time.perf_counter(), time.process_time()
            step()
            times[name].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    reference = contenders["torch fused"][1].detach()
    print(f"largest difference to torch fused after {rounds + 1} steps: {(mine - reference).abs().max():.2e}")
    for name, seconds in times.items():
        report(name, seconds[1:], 28 * PARAMETERS)


def main():
    which = sys.argv[1:] or ["logprobs", "adamw"]
    if which[0] == "peak":
        return peak(which[1])
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, libdama {libdama.version()}", flush=True)
    if "logprobs-only" in which:
        return time_logprobs(15)
    if "logprobs" in which:
        print(f"\ntoken log-probabilities, logits [{BATCH}, {LENGTH}, {VOCABULARY}], forward and backward", flush=True)
        for label, extra in (("default malloc", {}), ("tuned malloc", TUNED)):
            print(f"-- {label}", flush=True)
            subprocess.run([sys.executable, __file__, "logprobs-only"], env=os.environ | extra, check=True)
        print("-- peak memory beyond the inputs (the logits have 156 MiB)", flush=True)
        for name in LOGPROBS:
            found = subprocess.run([sys.executable, __file__, "peak", name], check=True, capture_output=True, text=True)
            print(f"{name:28} {float(found.stdout):8.1f} MiB", flush=True)
    if "adamw" in which:
        print(f"\nAdamW, {PARAMETERS / 1e6:.0f} million parameters")
        time_adamw(15)


if __name__ == "__main__":
    main()
