"""``torchrun -m libdama.train`` over gloo beside one process, with stops, other numbers of ranks, and mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import libdama

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

FIXTURES = Path(__file__).resolve().parents[1] / "DamaModelsTests" / "Fixtures" / "llava"


def write_data(folder: Path) -> None:
    words = ["red", "blue", "circle", "square", "left", "large", "small", "the"]
    generator = np.random.default_rng(5)

    def text() -> str:
        return " ".join(generator.choice(words, 4))

    (folder / "image.png").write_bytes((FIXTURES / "image.png").read_bytes())
    rows = [{"idx": i, "image": "image.png", "question": f"what {i % 3}", "chosen": text(), "rejected": text()}
            for i in range(40)]  # fmt: skip
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def config(folder: Path, out: str) -> Path:
    # The paper's method, over the whole model. AdamW's ε is large enough that rounding is not divided by 0.
    path = folder / f"{out}.yaml"
    path.write_text(json.dumps({
        "model": str(FIXTURES / "default"), "data": str(folder / "pairs.jsonl"), "out": str(folder / out),
        "batch_size": 5, "epochs": 2, "optimizer": {"learning_rate": 1e-4, "epsilon": 1e-4}, "eval_share": 0.2,
        "eval_every": 4, "checkpoint": {"every": 2}, "seed": 5, "method": {"preset": "paper", "keep": 4},
    }), "utf-8")  # fmt: skip
    return path


def torchrun(count: int, path: Path, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count),
               "-m", "libdama.train", "--config", str(path), *more]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_all(path: Path) -> None:
    """Kills every process that has ``path`` among its arguments: torchrun gives its ranks sessions of their own."""
    for folder in Path("/proc").iterdir():
        try:
            if str(path).encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
        except (OSError, ValueError):
            pass


def finish(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    return out


def weights(folder: Path, out: str) -> dict[str, Any]:
    return dict(safetensors.load_file(folder / out / "model" / "model.safetensors"))


def assert_near(folder: Path, a: str, b: str) -> None:
    first, second = weights(folder, a), weights(folder, b)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.abs(value - second[name]).max() <= 1e-6, name


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    write_data(folder)
    libdama.train(config(folder, "one"))
    return folder


def test_two_and_three_ranks_equal_one_process(one: Path) -> None:
    expected = [json.loads(line) for line in (one / "one" / "metrics.jsonl").read_text().splitlines()]
    for count in (2, 3):
        assert "batches=12" in finish(torchrun(count, config(one, f"ranks{count}")))
        assert_near(one, "one", f"ranks{count}")
        found = [json.loads(line) for line in (one / f"ranks{count}" / "metrics.jsonl").read_text().splitlines()]
        assert len(found) == len(expected)
        for a, b in zip(expected, found):
            a, b = a.get("eval", a), b.get("eval", b)
            assert a.get("kept") == b.get("kept") and a["pairs"] == b["pairs"]
            assert b["loss"] == pytest.approx(a["loss"], abs=2e-5)


def test_a_killed_job_goes_on_on_another_number_of_ranks(one: Path) -> None:
    path = config(one, "killed")
    process = torchrun(2, path)
    checkpoints = one / "killed" / "checkpoints"
    deadline = time.monotonic() + 200
    while not list(checkpoints.glob("0*.safetensors")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    kill_all(path)
    process.communicate()
    out = finish(torchrun(3, path))
    assert "was_complete=False" in out
    assert_near(one, "one", "killed")


def test_a_terminated_job_keeps_its_batches(one: Path) -> None:
    # No checkpoint is due: the only one is that of the stop.
    more = ("--set", "checkpoint.every=1000")
    path = config(one, "terminated")
    process = torchrun(2, path, *more)
    metrics = one / "terminated" / "metrics.jsonl"
    deadline = time.monotonic() + 200
    while (not metrics.exists() or metrics.read_text().count("\n") < 2) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "stopped; run the same command again to resume" in err
    assert [path.name for path in (one / "terminated" / "checkpoints").glob("*.safetensors")] != [], err
    finish(torchrun(2, path, *more))
    assert_near(one, "one", "terminated")


def test_mistakes_are_told_once_and_nothing_hangs(one: Path) -> None:
    process = torchrun(2, config(one, "mistake"), "--set", "method.beta=-1")
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "libdama.train, rank 0: " in err and "beta" in err
    # A rank that dies takes the other with it.
    script = one / "dies.py"
    script.write_text(
        "import os, torch.distributed as dist, libdama\n"
        "from libdama.torch import ranks\n"
        "dist.init_process_group('gloo')\n"
        "group = ranks()\n"
        "def progress(it):\n"
        "    if it.batch == 2 and group.rank == 1: os._exit(9)\n"
        f"libdama.train({str(config(one, 'dies'))!r}, progress=progress, ranks=group)\n",
        "utf-8",
    )
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)],
        capture_output=True, text=True, timeout=200, env=os.environ,
    )  # fmt: skip
    assert run.returncode != 0
    assert finish(torchrun(1, config(one, "dies")))
    assert_near(one, "one", "dies")


def test_without_a_process_group() -> None:
    from libdama.torch import ranks

    with pytest.raises(libdama.InvalidArgument, match="init_process_group"):
        ranks()
