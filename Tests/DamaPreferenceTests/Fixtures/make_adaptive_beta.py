"""Writes adaptive_beta.json and adaptive_beta_long.json: the method in torch, double precision, gradients by autograd.

    .deps/torch/bin/python Tests/DamaPreferenceTests/Fixtures/make_adaptive_beta.py

Batches are not stored: both sides make them from the same generator (xoshiro256++ seeded by SplitMix64), as dyadic
fractions, so that every sum of them is exact. Each case runs over several steps with growing margins, and commits each.
"""

import json
import math
from pathlib import Path

import torch

HERE = Path(__file__).parent
M64 = (1 << 64) - 1


class Generator:
    """xoshiro256++ (Blackman and Vigna), seeded with SplitMix64."""

    def __init__(self, seed):
        self.s = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & M64
            z = seed
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
            self.s.append(z ^ (z >> 31))

    def next(self):
        s = self.s
        rotate = lambda x, k: ((x << k) | (x >> (64 - k))) & M64
        result = (rotate((s[0] + s[3]) & M64, 23) + s[0]) & M64
        t = (s[1] << 17) & M64
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        return result

    def uniform(self):
        return (self.next() >> 11) * 2.0**-53

    def open_uniform(self):
        return ((self.next() >> 12) + 0.5) * 2.0**-52


def batch(generator, n, step, spoiled):
    """Log-probabilities of n pairs: the policy's lie within ±8 of the reference's, the chosen ones 4 above and rising,
    so that the running mean soon allows Eq. (10)."""
    out = {name: [] for name in ("pc", "pr", "rc", "rr", "alpha")}
    for _ in range(n):
        rc = -(generator.next() >> 46) / 1024
        rr = -(generator.next() >> 46) / 1024
        out["rc"].append(rc)
        out["rr"].append(rr)
        out["pc"].append(rc + ((generator.next() >> 50) - 8192) / 1024 + 4 + step / 4)
        out["pr"].append(rr + ((generator.next() >> 50) - 8192) / 1024)
        out["alpha"].append(0.5 + (generator.next() >> 54) / 1024)
    for at, index, value in spoiled:
        if at == step:
            out["pc"][index] = float(value)
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in out.items()}


PAPER = dict(beta=0.1, gap="reward", normalize=True, guard=0.25, filter="nearest", keep=12, sample_scale="unit",
             responsiveness="ratio_of_mean", slope=0.6, mean_source="kept", mean_time="after", combine="product",
             rho=0.5, floor=0.0, ceiling=math.inf, momentum=0.9, seed=0, loss="sigmoid", label_smoothing=0.0,
             simpo_margin=0.0)
RELEASED = PAPER | dict(gap="log_ratio", normalize=False, filter="sample", keep=0.8, responsiveness="mean_of_ratios",
                        mean_source="all", floor=1e-3)
BETA_DPO = RELEASED | dict(sample_scale="running_std", responsiveness="linear", mean_time="before", combine="model")
PRESETS = dict(paper=PAPER, released=RELEASED, beta_dpo=BETA_DPO)


def choose(c, gaps, finite, mean, deviation, generator):
    """Indices of the kept pairs, and whether the sample was uniform."""
    n = len(gaps)
    k = c["keep"] if isinstance(c["keep"], int) else max(1, int(c["keep"] * n))
    if c["filter"] == "none" or k >= len(finite):
        return finite, False
    g = [float(x) for x in gaps]
    uniform = False
    if c["filter"] == "nearest":
        key = {i: (g[i] - mean) ** 2 for i in finite}
    elif c["filter"] == "bottom":
        key = {i: -g[i] for i in finite}
    elif c["filter"] == "top":
        key = {i: g[i] for i in finite}
    elif c["filter"] == "random":
        key = {i: generator.uniform() for i in finite}
    else:
        scale = deviation if c["sample_scale"] == "running_std" else 1.0
        if scale == 0:
            uniform = True
        else:
            log_weight = {i: -0.5 * ((g[i] - mean) / scale) ** 2 for i in finite}
            uniform = sum(math.exp(w) for w in log_weight.values()) == 0
        key = {}
        for i in finite:
            clock = math.log(-math.log(generator.open_uniform()))
            key[i] = clock - (0.0 if uniform else log_weight[i])
    return sorted(sorted(finite, key=lambda i: (key[i], i))[:k]), uniform


def pair_losses(c, h, beta):
    x = beta * h
    eps = c["label_smoothing"]
    log_sigmoid = torch.nn.functional.logsigmoid
    if c["loss"] == "sigmoid":
        return -log_sigmoid(x)
    if c["loss"] == "ipo":
        return (h - 1 / (2 * beta)) ** 2
    if c["loss"] == "hinge":
        return torch.relu(1 - x)
    if c["loss"] == "cdpo":
        return -(1 - eps) * log_sigmoid(x) - eps * log_sigmoid(-x)
    if c["loss"] == "robust":
        return (-(1 - eps) * log_sigmoid(x) + eps * log_sigmoid(-x)) / (1 - 2 * eps)
    if c["loss"] == "simpo":
        return -log_sigmoid(x - c["simpo_margin"])
    raise ValueError(c["loss"])


def run_step(c, state, b, generator):
    """One step of the method and its commit. `state` holds the running mean and standard deviation."""
    pc = b["pc"].clone().requires_grad_()
    pr = b["pr"].clone().requires_grad_()
    if c["loss"] == "simpo":
        h = pc - pr
    else:
        h = (pc - b["rc"]) - (pr - b["rr"])
    with torch.no_grad():
        n = len(h)
        gaps = c["beta"] * h if c["gap"] == "reward" else h.clone()
        finite = [i for i in range(n) if math.isfinite(gaps[i])]
        normalized = c["normalize"] and state["mean"] >= max(1e-6, c["guard"] * float(gaps[finite].abs().mean()))
        if normalized:
            gaps = gaps / state["mean"]
        all_mean = float(gaps[finite].mean())
        all_deviation = float(gaps[finite].std()) if len(finite) > 1 else None

        def moved(mean):
            m = c["momentum"]
            new = dict(state, mean=m * state["mean"] + (1 - m) * mean)
            if all_deviation is not None:
                new["deviation"] = m * state["deviation"] + (1 - m) * all_deviation
            return new

        used = moved(all_mean) if c["mean_time"] == "before" else state
        kept, uniform = choose(c, gaps, finite, used["mean"], used["deviation"], generator)
        r_b = gaps[kept].mean()
        mean = torch.tensor(used["mean"], dtype=torch.float64)
        if c["responsiveness"] == "ratio_of_mean":
            alpha_model = torch.sigmoid(r_b) / torch.sigmoid(mean)
        elif c["responsiveness"] == "mean_of_ratios":
            alpha_model = torch.sigmoid(gaps[kept]).mean() / torch.sigmoid(mean)
        else:
            alpha_model = 1 + c["slope"] * (r_b - mean)
        alpha = {
            "product": b["alpha"] * alpha_model,
            "weighted": (1 - c["rho"]) * alpha_model + c["rho"] * b["alpha"],
            "data": b["alpha"],
            "model": alpha_model.expand(n),
            "none": torch.ones(n, dtype=torch.float64),
        }[c["combine"]]
        beta = (c["beta"] * alpha).clamp(min=c["floor"], max=c["ceiling"])
    losses = pair_losses(c, h, beta)
    loss = losses[kept].sum() / max(1, len(kept))
    loss.backward()
    h = h.detach()
    new_state = used if c["mean_time"] == "before" else moved(float(r_b) if c["mean_source"] == "kept" else all_mean)
    losses = torch.where(torch.isfinite(h), losses.detach(), 0.0)
    return new_state, dict(
        loss=loss.item(),
        alpha_model=float(alpha_model),
        mask="".join("1" if i in kept else "0" for i in range(n)),
        uniform=uniform,
        normalized=normalized,
        accuracy=sum(float(h[i]) > 0 for i in finite) / len(finite),
        running_mean=new_state["mean"],
        running_deviation=new_state["deviation"],
        beta=beta.tolist(),
        losses=losses.tolist(),
        grad_chosen=[pc.grad[i].item() if i in kept else 0.0 for i in range(n)],
        grad_rejected=[pr.grad[i].item() if i in kept else 0.0 for i in range(n)],
    )


def run_case(name, preset, changes, n, steps, batch_seed, spoiled=(), compact=False):
    c = PRESETS[preset] | changes
    inputs, draws = Generator(batch_seed), Generator(c["seed"])
    state = dict(mean=0.0, deviation=0.0)
    results = []
    for step in range(steps):
        state, result = run_step(c, state, batch(inputs, n, step, spoiled), draws)
        rejected = result.pop("grad_rejected")
        assert all(a == -b for a, b in zip(result["grad_chosen"], rejected)), "so only one of them is stored"
        if compact:
            # Weighted sums replace the arrays: one wrong entry changes them.
            for key in ("beta", "losses", "grad_chosen"):
                result[key] = math.fsum((i + 1) * x for i, x in enumerate(result[key]))
        results.append(result)
    return dict(name=name, preset=preset, changes=changes, count=n, batch_seed=batch_seed,
                spoiled=[list(s) for s in spoiled], steps=results)


def cases():
    seed = 100
    for preset in PRESETS:
        for n in (1, 2, 5, 16):
            seed += 1
            yield run_case(f"{preset}, N = {n}", preset, {}, n, 6 if n < 16 else 12, seed)
    for preset in PRESETS:
        for kind in ("none", "nearest", "sample", "bottom", "top", "random"):
            seed += 1
            yield run_case(f"{preset}, filter {kind}", preset, dict(filter=kind, keep=5, seed=seed), 8, 4, seed)
        for combine in ("product", "weighted", "data", "model", "none"):
            seed += 1
            yield run_case(f"{preset}, combine {combine}", preset, dict(combine=combine, rho=0.3), 5, 3, seed)
        for loss in ("sigmoid", "ipo", "hinge", "cdpo", "robust", "simpo"):
            seed += 1
            extra = dict(label_smoothing=0.1) if loss in ("cdpo", "robust") else {}
            extra |= dict(simpo_margin=0.5) if loss == "simpo" else {}
            yield run_case(f"{preset}, loss {loss}", preset, dict(loss=loss, **extra), 6, 3, seed)
    for responsiveness in ("ratio_of_mean", "mean_of_ratios", "linear"):
        for gap in ("reward", "log_ratio"):
            for normalize in (True, False):
                for source, time in (("kept", "after"), ("all", "after"), ("all", "before")):
                    seed += 1
                    changes = dict(responsiveness=responsiveness, gap=gap, normalize=normalize, mean_source=source,
                                   mean_time=time, keep=0.7, floor=0.02, ceiling=0.3, slope=0.25, momentum=0.25)
                    yield run_case(f"{responsiveness}, {gap}, normalize {normalize}, mean {source} {time}", "paper",
                                   changes, 6, 4, seed)
    for guard in (0.0, 0.1, 1.0):
        seed += 1
        yield run_case(f"guard {guard}", "paper", dict(guard=guard, momentum=0.5), 6, 8, seed)
    # Pairs that are not finite: masked, and left out of every mean.
    spoiled = [(0, 1, "nan"), (1, 0, "inf"), (1, 3, "-inf"), (2, 5, "nan")]
    for preset in PRESETS:
        seed += 1
        yield run_case(f"{preset}, not finite", preset, dict(keep=4), 7, 4, seed, spoiled)


def long_cases():
    for index, preset in enumerate(PRESETS):
        yield run_case(f"{preset}, long", preset, dict(seed=index), 16, 300, 900 + index, compact=True)
    yield run_case("random, long", "paper", dict(filter="random", seed=9), 16, 100, 910, compact=True)


def main():
    torch.manual_seed(0)
    for name, made in (("adaptive_beta.json", cases()), ("adaptive_beta_long.json", long_cases())):
        rows = [json.dumps(case, separators=(",", ":")) for case in made]
        (HERE / name).write_text("[\n" + ",\n".join(rows) + "\n]\n")
        print(name, len(rows), "cases", (HERE / name).stat().st_size, "bytes")


main()
