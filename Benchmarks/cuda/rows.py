"""The rows of the table: what each runs with libdama and with torch, and what it compares."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import memory
import processes
import shapes
import texts

HERE = Path(__file__).resolve().parent


class Setting:
    """Device, sizes, the folder for models and data, and torch's process."""

    def __init__(self, provider: str, precision: str | None, folder: Path, tiny: bool, options: dict[str, Any]) -> None:
        self.provider, self.precision, self.folder, self.tiny = provider, precision, folder, tiny
        self.cpu = provider == "cpu"
        #: ``compile``: whether torch.compile is measured too.
        self.options = options
        self.dtype = "float32" if self.cpu else "bfloat16"
        self.models = shapes.TINY if tiny else shapes.MODELS
        self.index = int(provider.split(":")[1]) if ":" in provider else 0
        self.worker: processes.Process | None = None
        self.problem = ""
        self.written: dict[str, str] = {}
        self.waiting: list[str] = []

    def start(self) -> None:
        device = "cpu" if self.cpu else f"cuda:{self.index}"
        command = [sys.executable, str(HERE / "worker.py"), device]
        # Compiled code is of no use to a later run with other versions.
        environment = {"TORCHINDUCTOR_CACHE_DIR": str(self.folder / "inductor")}
        self.worker = processes.Process(command, str(self.folder), environment)

    def ask(self, seconds: float, **command: Any) -> dict:
        """torch's answer, or {"error": …}; if its process is gone, a new one is started for the next command."""
        try:
            if self.worker is None:
                self.start()
            assert self.worker is not None
            return self.worker.ask(command, seconds)
        except processes.Failed as error:
            if self.worker is not None:
                self.worker.close()
            self.worker = None
            return {"error": str(error)}

    def ours(self, row: str, seconds: float, **inputs: Any) -> dict:
        """libdama's answer, with the peak of the device's memory."""
        inputs = {"provider": self.provider, "precision": self.precision, **inputs}
        process = processes.Process([sys.executable, str(HERE / "ours.py"), row, json.dumps(inputs)], str(self.folder))
        try:
            with memory.Peak(self.index) as peak:
                found = list(process.results(seconds))
            return {**found[-1], "gib": None if self.cpu else peak.gib} if found else {"error": "no result"}
        except processes.Failed as error:
            return {"error": str(error)}
        finally:
            process.close()

    def model(self, name: str) -> Path:
        """The model's folder, written on first use."""
        folder = self.folder / name
        if name not in self.written:
            answer = self.ask(120, do="write", model=name, folder=str(folder), tiny=self.tiny)
            self.written[name] = answer.get("error", "")
        if self.written[name]:
            raise processes.Failed(f"writing {name}: {self.written[name]}")
        return folder

    # Data, made on first use

    def step_pairs(self) -> Path:
        before, response = (40, 12) if self.tiny else (624, 100)
        return self._pairs("text", 4, before, response, "llama-7b-4", 0)

    def image_pairs(self) -> Path:
        tower = self.models["llava-7b"].tower
        assert tower is not None
        before, response = (40, 12) if self.tiny else (624, 100)
        return self._pairs("image", 2 if self.tiny else 16, before, response, "llava-7b", tower.patches)

    def _pairs(self, name: str, count: int, before: int, response: int, model: str, image_tokens: int) -> Path:
        path = self.folder / f"pairs-{name}.json"
        decoder = self.models[model].decoder
        assert decoder is not None
        if not path.exists():
            rows = texts.pairs(count, before, response, decoder.vocabulary, image_tokens)
            if image_tokens:
                for row, image in zip(rows, self.images(count)):
                    row["image"] = str(image)
            texts.write(path, rows)
        return path

    def images(self, count: int) -> list[Path]:
        """Photographs of 640 × 480, made with several processes."""
        from concurrent.futures import ProcessPoolExecutor

        folder = self.folder / "images"
        folder.mkdir(exist_ok=True)
        paths = [folder / f"{number}.jpg" for number in range(count)]
        missing = [(number, path) for number, path in enumerate(paths) if not path.exists()]
        if missing:
            with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                list(pool.map(texts.photograph, *zip(*missing)))
        return paths

    def scored(self, count: int) -> Path:
        """A dataset of pairs with an image and three and three sentences each."""
        data, rng = self.folder / "images" / f"scored-{count}.jsonl", random.Random(3)
        images = self.images(count)

        def sentence() -> str:
            return " ".join(rng.choices(texts.CANDIDATES, k=rng.randint(7, 12))).capitalize() + "."

        lines = []
        for number, image in enumerate(images):
            sides = {side: [sentence() for _ in range(3)] for side in ("chosen", "rejected")}
            row = {"idx": number, "image": image.name, "question": "What is there?"}
            row |= {side: " ".join(parts) for side, parts in sides.items()}
            row |= {f"{side}_parts": parts for side, parts in sides.items()}
            lines.append(json.dumps(row))
        data.write_text("\n".join(lines) + "\n")
        return data


def milliseconds(found: dict, key: str) -> float | None:
    return None if found.get(key) is None else 1e3 * found[key]


def differences(found: dict, other: dict, tokens: int) -> str:
    """How far two lists of sums of log-probabilities are apart, for each token."""
    if "logps" not in found or "logps" not in other:
        return ""
    worst = max(abs(a - b) for a, b in zip(found["logps"], other["logps"])) / tokens
    return f"log π apart by {worst:.1e} a token"


#: What is compiled for which row.
COMPILED = {"7b-step-lora": "lora", "7b-step-full": "full", "7b-logps": "none"}


def prepare(it: Setting, names: list[str]) -> None:
    """Starts to write the first model and to compile torch's steps; prepared() takes the answers."""
    it.start()
    assert it.worker is not None and it.worker.process.stdin is not None
    commands: list[dict] = [{"do": "facts"}]
    kinds = [COMPILED[name] for name in names if name in COMPILED]
    if kinds:
        pairs, folder = it.step_pairs(), it.folder / "llama-7b-4"
        commands.append({"do": "write", "model": "llama-7b-4", "folder": str(folder), "tiny": it.tiny})
        commands.append({
            "do": "prepare", "folder": str(folder), "pairs": str(pairs), "dtype": it.dtype, "kinds": kinds,
            "compile": it.options["compile"], "seconds": it.options.get("compile_seconds", 75.0),
        })  # fmt: skip
    it.waiting = [command["do"] for command in commands]
    for command in commands:
        it.worker.process.stdin.write(json.dumps(command) + "\n")
    it.worker.process.stdin.flush()


def prepared(it: Setting, seconds: float) -> dict:
    """Waits for what prepare() started; returns the facts about torch."""
    facts: dict = {}
    for what in it.waiting:
        try:
            answer = it.worker.answer(seconds) if it.worker is not None else {"error": "no process"}
        except processes.Failed as error:
            it.worker, answer = None, {"error": str(error)}
        if what == "facts":
            facts = answer
        if what == "write":
            it.written["llama-7b-4"] = answer.get("error", "")
        if "error" in answer:
            it.problem = f"torch, {what}: {answer['error']}"
            if it.worker is None:
                break
    if it.worker is None:
        # Without what was compiled, but with its eager forms.
        it.written.pop("llama-7b-4", None)
    return facts
