"""Training with the embedded LLaVA: ten steps against torch in float64, and runs that stop, resume and move."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import common
import libdama

RANK, ALPHA = 4, 8
LORA = libdama.LoRA(rank=RANK, alpha=ALPHA, targets=["q_proj", "down_proj"])
DECAY, BETA, MOMENTUM = 0.01, 0.5, 0.9


def trainer(device: common.Device, kind: str, rate: float, **options: Any) -> libdama.Trainer:
    """A trainer as fixtures/make_steps.py trains; adapters start with its matrices."""
    found = device.trainer(
        device.policy(), None, libdama.AdaptiveBeta("paper", beta=BETA, keep=6, momentum=MOMENTUM),
        trainable="full" if kind == "full" else LORA, learning_rate=rate, weight_decay=DECAY, **options,
    )  # fmt: skip
    if kind == "lora":
        number = 0
        for parameter in sorted(found.parameters(), key=_place):
            if "lora_A" in parameter.name:
                i = np.arange(parameter.value.size, dtype=np.float64)
                values = 0.1 * np.sin(number + 0.7 * i + 0.05 * i * i)
                parameter.write(values.reshape(parameter.shape))
                number += 1
    return found


def _place(parameter: libdama.Parameter) -> tuple[int, bool]:
    """The order of make_steps.py: by layers, attention first."""
    return int(parameter.name.split(".layers.")[1].split(".")[0]), "mlp" in parameter.name


def changes(found: libdama.Trainer, before: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> np.ndarray:
    after = {parameter.name: parameter.value for parameter in found.parameters()}
    if set(after) != set(wanted):
        raise SystemExit(f"the trained tensors differ: {sorted(set(after) ^ set(wanted))[:4]}")
    parts = []
    for name, sampled in wanted.items():
        change = (after[name].astype(np.float64) - before[name]).ravel()
        parts.append(change[:: max(1, change.size // 64)])
        assert parts[-1].shape == sampled.shape, name
    return np.concatenate(parts)


def ten_steps(device: common.Device, kind: str) -> None:
    expected = common.fixture("steps.json")
    wanted = {
        name.removeprefix(f"{kind}."): value
        for name, value in common.tensors(common.FIXTURES / "steps.safetensors").items()
        if name.startswith(f"{kind}.")
    }
    steps, errors = expected[kind]["steps"], expected[kind]["errors"]
    run = trainer(device, kind, expected[kind]["rate"])
    before = {parameter.name: parameter.value.astype(np.float64) for parameter in run.parameters()}
    loss = norm = 0.0
    for batch, step in zip(expected["batches"], steps):
        found = run.step(common.with_pictures(batch))
        loss = max(loss, abs(found.loss - step["loss"]))
        norm = max(norm, abs(found.gradient_norm / step["gradient_norm"] - 1))
        if not found.updated or found.kept != 6:
            common.holds("every step updates", False, f"step {found.step}: kept {found.kept}, updated {found.updated}")
            return
    moved, exact = changes(run, before, wanted), np.concatenate([x.astype(np.float64) for x in wanted.values()])
    distance = float(np.linalg.norm(moved - exact) / np.linalg.norm(exact))
    common.report(f"loss of ten steps, largest error", loss, common.limit(errors, device, "loss"))
    common.report(f"gradient norm, largest relative error", norm, common.limit(errors, device, "gradient_norm"))
    # Two directions that have nothing in common differ by √2.
    common.report(
        f"change of the parameters, relative error", distance,
        min(common.limit(errors, device, "parameters"), 0.7),
    )  # fmt: skip


def resume(device: common.Device) -> None:
    """A checkpoint continues bit for bit, in another trainer and as a job in a stopped and a whole run."""
    expected = common.fixture("steps.json")
    batches = [common.with_pictures(batch) for batch in expected["batches"][:6]]
    with tempfile.TemporaryDirectory(dir=common.scratch()) as folder:
        for kind in ("full", "lora"):
            one = trainer(device, kind, expected[kind]["rate"])
            for batch in batches[:3]:
                one.step(batch)
            one.save(Path(folder) / "checkpoint")
            # Another start: only the checkpoint can bring the weights.
            two = trainer(device, kind, expected[kind]["rate"], seed=1)
            two.load(Path(folder) / "checkpoint")
            for batch in batches[3:]:
                a, b = one.step(batch), two.step(batch)
                same = (a.loss, a.gradient_norm, a.running_mean) == (b.loss, b.gradient_norm, b.running_mean)
                if not same:
                    off = f"step {a.step}: {a.loss} {b.loss}"
                    common.holds(f"{kind}: a checkpoint resumes bit for bit", False, off)
                    break
            else:
                off = _different(one, two)
                common.holds(f"{kind}: a checkpoint resumes bit for bit", not off, off)


def _different(one: libdama.Trainer, two: libdama.Trainer) -> str:
    for a, b in zip(one.parameters(), two.parameters()):
        if a.value.tobytes() != b.value.tobytes():
            return f"{a.name} differs by {np.abs(a.value - b.value).max()}"
    return ""


def reduced(device: common.Device) -> None:
    """torch.distributed reduces gradients where they lie: NCCL on a device, gloo on a processor. One process: what it
    sums up, twice the gradient, is known exactly."""
    import os

    import torch
    import torch.distributed as distributed

    os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29533", "RANK": "0", "WORLD_SIZE": "1"})
    on_cpu = device.provider == "cpu"
    distributed.init_process_group("gloo" if on_cpu else "nccl")
    try:
        expected = common.fixture("steps.json")
        run = trainer(device, "full", expected["full"]["rate"])
        batch = common.with_pictures(expected["batches"][0])
        run.forward(batch)
        run.backward([0.01] * len(batch), [-0.01] * len(batch))
        before = {}
        for parameter in run.parameters():
            before[parameter.name] = parameter.gradient.copy()
            tensor = torch.from_numpy(parameter.gradient) if on_cpu else torch.from_dlpack(parameter.device_gradient)
            tensor.mul_(2)
            distributed.all_reduce(tensor)
        if not on_cpu:
            torch.cuda.synchronize()
        # The gradients of a device are copies of this moment.
        after = {parameter.name: parameter.gradient for parameter in run.parameters()}
        wrong = [name for name, own in before.items() if after[name].tobytes() != (2 * own).tobytes()]
        wrong += [] if any(np.any(own) for own in before.values()) else ["all gradients are 0"]
        common.holds("gradients are reduced in place", not wrong, ", ".join(wrong[:3]))
    finally:
        distributed.destroy_process_group()


class Enough(Exception):
    pass


def job(device: common.Device) -> None:
    """The train job: stopped after three batches and resumed, it exports the bytes of a run that was not stopped."""
    import json

    expected = common.fixture("steps.json")
    with tempfile.TemporaryDirectory(dir=common.scratch()) as name:
        folder = Path(name)
        rows = [
            {"idx": i, "image": f"{pair['image']}.png", "question": pair["prompt"], "chosen": pair["chosen"],
             "rejected": pair["rejected"]}
            for i, pair in enumerate(pair for batch in expected["batches"][:6] for pair in batch)
        ]  # fmt: skip
        (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = {
            "model": common.LLAVA, "data": folder / "pairs.jsonl", "image_root": common.FIXTURES, "epochs": 1,
            "batch_size": 6, "trainable": "full", "optimizer": {"learning_rate": 1e-4}, "tensorboard": False,
            "method": {"preset": "paper", "keep": 6}, "export": {"dtype": "float32"}, **device.job(),
        }  # fmt: skip

        def stop(progress: libdama.TrainProgress) -> None:
            if progress.event == "batch" and progress.batch == 3:
                raise Enough

        whole = libdama.train({**config, "out": folder / "whole"})
        try:
            libdama.train({**config, "out": folder / "stopped"}, progress=stop)
            common.holds("a job stops", False, "it ran to its end")
            return
        except Enough:
            pass
        rest = libdama.train({**config, "out": folder / "stopped"})
        common.holds("a job takes six steps", (whole.steps, rest.batches) == (6, 6), f"{whole.steps}, {rest.batches}")
        models = [
            b"".join(file.read_bytes() for file in sorted((folder / out / "model").glob("*.safetensors")))
            for out in ("whole", "stopped")
        ]
        common.holds("a resumed job exports the same bytes", bool(models[0]) and models[0] == models[1])


def moved(device: common.Device) -> None:
    """Three steps on the processor, a checkpoint, then seven on the device, in the same precision."""
    if device.provider != "cpu" and device.precision is None:
        device = common.Device(device.provider, "float32")
    expected = common.fixture("steps.json")
    steps, errors = expected["full"]["steps"], expected["full"]["errors"]
    batches = [common.with_pictures(batch) for batch in expected["batches"]]
    with tempfile.TemporaryDirectory(dir=common.scratch()) as folder:
        first = trainer(common.Device("cpu", None), "full", expected["full"]["rate"])
        for batch in batches[:3]:
            first.step(batch)
        first.save(Path(folder) / "checkpoint")
        second = trainer(device, "full", expected["full"]["rate"])
        try:
            second.load(Path(folder) / "checkpoint")
        except libdama.Error as error:
            common.holds("a run moves from the processor to the device", False, str(error))
            return
        found = [second.step(batch) for batch in batches[3:]]
    loss = max(abs(a.loss - b["loss"]) for a, b in zip(found, steps[3:]))
    common.report(
        "a run that moved to the device: loss, largest error", loss, common.limit(errors, device, "loss")
    )


if __name__ == "__main__":
    common.main({
        "full": lambda device: ten_steps(device, "full"),
        "lora": lambda device: ten_steps(device, "lora"),
        "resume": resume, "job": job, "reduced": reduced, "moved": moved,
    })  # fmt: skip
