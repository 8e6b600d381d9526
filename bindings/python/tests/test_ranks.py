"""Several ranks, as threads of one process. Tests/Torch/test_torchrun.py has processes and torch.distributed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import libdama

FIXTURES = Path(__file__).resolve().parents[3] / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"
MODEL = FIXTURES / "default"


class Threads:
    """Ranks as threads, whose sums are formed in the order of the ranks."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.barrier = threading.Barrier(count, timeout=60)
        self.given: list[Any] = [None] * count
        self.kinds: set[str] = set()

    def run(self, body: Callable[[libdama.Ranks], Any]) -> list[Any]:
        found: list[Any] = [None] * self.count

        def work(rank: int) -> None:
            def total(numbers: Any) -> None:
                self.kinds.add(str(numbers.dtype))
                self.given[rank] = numbers.copy()
                self.barrier.wait()
                everything = sum(self.given[1:], self.given[0].copy())
                self.barrier.wait()
                numbers[:] = everything

            try:
                found[rank] = body(libdama.Ranks(rank, self.count, total))
            except Exception as error:
                found[rank] = error

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


def pairs() -> list[dict[str, Any]]:
    words = ["red", "blue", "circle", "square", "left", "large"]
    image = (FIXTURES / "image.png").read_bytes()
    return [{"image": image, "prompt": "what", "chosen": f"{a} {b}", "rejected": f"{b} {a} {a}", "alpha_data": 1 + i / 20}
            for i, (a, b) in enumerate(zip(words, words[1:] + words[:1]))]  # fmt: skip


def trainer(policy: libdama.Policy, ranks: Any = None) -> libdama.Trainer:
    return libdama.Trainer(policy, policy, trainable="projector", learning_rate=1e-3, epsilon=1e-4, ranks=ranks)


def test_steps_of_ranks_are_those_of_one() -> None:
    batch = pairs()
    one = trainer(libdama.Policy(MODEL))
    expected = [one.step(batch) for _ in range(3)]

    def body(ranks: libdama.Ranks) -> Any:
        own = trainer(libdama.Policy(MODEL), ranks)
        metrics = [own.step(batch[ranks.rank :: ranks.count]) for _ in range(3)]
        return metrics, [np.array(parameter.value) for parameter in own.parameters()]

    threads = Threads(4)
    for metrics, values in threads.run(body):
        for a, b in zip(expected, metrics):
            assert (b.pairs, b.kept, b.tokens, b.step) == (a.pairs, a.kept, a.tokens, a.step)
            # Sums of single precision in another order.
            assert b.loss == pytest.approx(a.loss, abs=2e-6)
            assert b.gradient_norm == pytest.approx(a.gradient_norm, rel=2e-5)
        for value, parameter in zip(values, one.parameters()):
            assert np.abs(value - parameter.value).max() <= 1e-6
    assert threads.kinds == {"float32", "float64"}


def test_a_job_of_ranks(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes((FIXTURES / "image.png").read_bytes())
    rows = [{"idx": i, "image": "image.png", "question": "what", "chosen": pair["chosen"], "rejected": pair["rejected"]}
            for i, pair in enumerate(pairs() * 2)]  # fmt: skip
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    config = {"model": MODEL, "data": tmp_path / "pairs.jsonl", "batch_size": 4, "epochs": 1, "tensorboard": False,
              "trainable": "projector", "export": {"format": "none"}, "method": {"preset": "dpo"}}  # fmt: skip
    events: list[tuple[int, str]] = []

    def body(ranks: libdama.Ranks) -> Any:
        return libdama.train({**config, "out": tmp_path / "out"}, ranks=ranks,
                             progress=lambda it: events.append((ranks.rank, it.event)))  # fmt: skip

    for result in Threads(2).run(body):
        assert (result.batches, result.steps, result.was_complete) == (3, 3, False)
    assert {rank for rank, event in events if event == "batch"} == {0, 1}
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [line["batch"] for line in lines] == [1, 2, 3]

    def stopped(ranks: libdama.Ranks) -> Any:
        def progress(it: Any) -> None:
            if it.event == "batch" and ranks.rank == 1:
                raise RuntimeError("no more")

        return libdama.train({**config, "out": tmp_path / "other"}, ranks=ranks, progress=progress)

    first, second = Threads(2).run(stopped)
    assert isinstance(first, libdama.Cancelled) and str(first).startswith("rank 1 of 2 was stopped; rank 0 stops too")
    assert isinstance(second, RuntimeError) and str(second) == "no more"


def test_an_exception_of_the_sum_is_raised() -> None:
    def total(_: Any) -> None:
        raise ConnectionError("the network is gone")

    own = trainer(libdama.Policy(MODEL), libdama.Ranks(0, 2, total))
    with pytest.raises(ConnectionError, match="the network is gone"):
        own.step(pairs()[:3])
    assert own.steps == 0
    with pytest.raises(ConnectionError):
        libdama.train({"model": MODEL, "data": "none.jsonl", "out": "nowhere"}, ranks=libdama.Ranks(1, 2, total))


def test_bad_ranks() -> None:
    policy = libdama.Policy(MODEL)
    for rank, count, message in [(2, 2, "the rank is 2 of 2"), (0, 0, "there are 0 ranks"), (-1, 2, "rank is -1")]:
        with pytest.raises(libdama.DamaError, match=message):
            trainer(policy, libdama.Ranks(rank, count, lambda numbers: None))
    assert repr(libdama.Ranks(1, 4, lambda numbers: None)) == "Ranks(rank=1, count=4)"


def test_the_command_needs_torchrun() -> None:
    run = subprocess.run([sys.executable, "-m", "libdama.train", "--config", "x.yaml"], capture_output=True, text=True)
    assert run.returncode == 1
    assert "RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR is not set; start with torchrun" in run.stderr
    # The module does not take the function's place.
    import importlib

    importlib.import_module("libdama.train")
    assert callable(libdama.train) and libdama.train.__name__ == "train"
