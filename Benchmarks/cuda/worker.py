"""torch's half of the table, in a process that lives as long as the table: commands come as lines of JSON.

One process, because importing and compiling take longer than all rows; it compiles while other checks run. Each answer
is a line @JSON. A failed command answers {"error": …}.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timing
import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Worker:
    def __init__(self, device: str) -> None:
        self.device = device
        self.packed: dict[tuple[str, bool], Any] = {}
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True

    def synchronize(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()

    def once(self, run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        self.synchronize()
        return time.perf_counter() - start

    def free(self, it: dict) -> dict:
        self.packed.clear()
        self._tidy()
        return {}

    def _tidy(self) -> None:
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def facts(self, it: dict) -> dict:
        import transformers

        name = torch.cuda.get_device_name(self.device) if self.device != "cpu" else "processor"
        return {"device": name, "torch": torch.__version__, "transformers": transformers.__version__}

    def write(self, it: dict) -> dict:
        import shapes

        models = shapes.TINY if it["tiny"] else shapes.MODELS
        shapes.write(Path(it["folder"]), models[it["model"]], self.device)
        self._tidy()
        return {}

    def prepare(self, it: dict) -> dict:
        """Builds the packed step of each kind and compiles it; none is begun after ``seconds``."""
        import torch_packed

        start, late = time.monotonic(), []

        folder, pairs = Path(it["folder"]), json.loads(Path(it["pairs"]).read_text())
        dtype = DTYPES[it["dtype"]]
        shared = torch_packed.weights(folder, self.device, dtype)
        for kind in it["kinds"]:
            packed = torch_packed.Packed(folder, pairs, kind, self.device, dtype, shared)
            without, both = packed.runs(False)
            self.packed[kind, False] = (packed, without, both)
            if it["compile"] and time.monotonic() - start > it["seconds"]:
                late.append(kind)
            elif it["compile"]:
                without, both = packed.runs(True)
                (without if kind == "none" else both)()
                self.packed[kind, True] = (packed, without, both)
            self._release(packed)
        self._tidy()
        return {"error": f"no time to compile {', '.join(late)}"} if late else {}

    def _release(self, packed: Any) -> None:
        for parameter in packed.trained:
            parameter.grad = None

    def packed_row(self, it: dict) -> dict:
        found: dict[str, Any] = {}
        for compiled in (False, True):
            if (it["kind"], compiled) not in self.packed:
                continue
            packed, without, both = self.packed[it["kind"], compiled]
            seconds, repeats = timing.median(without if it["kind"] == "none" else both, self.synchronize)
            found["compiled" if compiled else "eager"] = seconds
            found["repeats"] = repeats
            if not compiled:
                found["logps"] = packed.sums(without())
            self._release(packed)
        self._tidy()
        return found

    def trl(self, it: dict) -> dict:
        import trl_way

        step = trl_way.Trl(
            Path(it["folder"]), json.loads(Path(it["pairs"]).read_text()), it["kind"], self.device, DTYPES[it["dtype"]]
        )
        if it["kind"] == "none":
            with torch.no_grad():
                seconds, repeats = timing.median(step.sums, self.synchronize)
        else:
            seconds, repeats = timing.median(step.step, self.synchronize)
        with torch.no_grad():
            logps = step.sums().tolist()
        del step
        self._tidy()
        return {"seconds": seconds, "repeats": repeats, "logps": logps}

    def chunks(self, it: dict) -> dict:
        """The packed step of a large model, eagerly, ``chunk`` pairs at a time; image features are given."""
        import torch_packed

        folder, pairs = Path(it["folder"]), json.loads(Path(it["pairs"]).read_text())
        dtype, size = DTYPES[it["dtype"]], it["chunk"]
        # Chunks of equal shape cost the same: one is run for all.
        packed = torch_packed.Packed(folder, pairs[:size], it["kind"], self.device, dtype)
        _, both = packed.runs(False)
        seconds, repeats = timing.median(both, self.synchronize)
        del packed, both
        self._tidy()
        return {"seconds": seconds * len(pairs) / size, "repeats": repeats}

    def text(self, it: dict) -> dict:
        import torch_text

        model = torch_text.Text(
            Path(it["folder"]), it["prompts"], [Path(x) for x in it["images"]], it["tokens"], self.device,
            DTYPES[it["dtype"]],
        )  # fmt: skip
        found: dict[str, Any] = {}
        for count in it["counts"]:
            texts: list[list[list[int]]] = []
            found[str(count)], found["repeats"] = timing.median(lambda: texts.append(model.run(count)), self.synchronize)
            found[f"tokens {count}"] = texts[-1]
        del model
        self._tidy()
        return found

    def clip(self, it: dict) -> dict:
        import torch_clip

        rows = [json.loads(line) for line in Path(it["data"]).read_text().splitlines()]
        folder = Path(it["data"]).parent
        rows = [{**row, "image": folder / row["image"]} for row in rows]
        clip = torch_clip.Clip(Path(it["folder"]), self.device, DTYPES[it["dtype"]])
        # The best of two runs chooses the batch.
        tried = {size: min(self.once(lambda: clip.run(rows, size)) for _ in range(2)) for size in it["batches"]}
        best = min(tried, key=lambda size: tried[size])
        seconds, repeats = timing.median(lambda: clip.run(rows, best), self.synchronize)
        deltas = clip.run(rows, best)
        del clip
        self._tidy()
        return {"seconds": seconds, "repeats": repeats, "batch": best, "deltas": deltas}

    def decode(self, it: dict) -> dict:
        import torch_clip

        rows = [json.loads(line) for line in Path(it["data"]).read_text().splitlines()]
        rows = [{"image": Path(it["data"]).parent / row["image"]} for row in rows]
        threads = len(os.sched_getaffinity(0))
        seconds, repeats = timing.median(lambda: torch_clip.decode(rows, threads))
        return {"seconds": seconds, "repeats": repeats}


def main() -> None:
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        it = json.loads(line)
        try:
            answer = getattr(worker, it["do"])(it)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
            worker._tidy()
        print("@" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
