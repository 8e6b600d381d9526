"""A tiny Llama with a tokenizer of words, scored pairs for it, and runs of TRL's trainer, for tests of libdama.trl.

Run as a script it is one rank of a run: trl_world.py MODEL SETTINGS.json RESULT.json, under torchrun.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from accelerate import DistributedType, PartialState
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from libdama.trl import DamaConfig, DamaDPOTrainer

WORDS = 60


def make_model(folder: Path, kind: Any = (LlamaConfig, LlamaForCausalLM), **changes: Any) -> Path:
    """A Llama of two layers with random weights, or another model, and its tokenizer."""
    words = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(WORDS))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = dict(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    kind[1](kind[0](**{**config, **changes})).save_pretrained(folder)
    return folder


def pairs(count: int = 64, seed: int = 0) -> Dataset:
    """Random pairs with α_D."""
    draw = random.Random(seed)

    def text(least: int, most: int) -> str:
        return " ".join(f"w{draw.randrange(WORDS)}" for _ in range(draw.randint(least, most)))

    return Dataset.from_list(
        [
            dict(prompt=text(3, 6) + " ", chosen=text(3, 9), rejected=text(3, 9), alpha_data=draw.uniform(0.8, 1.2))
            for _ in range(count)
        ]
    )


def trainer(
    model: Any,
    out: Path,
    size: int,
    accumulation: int,
    dama: Optional[DamaConfig],
    *,
    data: Any = None,
    steps: int = 4,
    more: Optional[dict[str, Any]] = None,
    kind: Any = None,
    **options: Any,
) -> Any:
    """A trainer of ``size`` pairs in a micro-batch; TRL's own if ``dama`` is None."""
    given = dict(
        output_dir=str(out), per_device_train_batch_size=size, gradient_accumulation_steps=accumulation,
        max_steps=steps, learning_rate=5e-3, logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, seed=1,
        bf16=False, disable_tqdm=True,
    )  # fmt: skip
    args = DPOConfig(**{**given, **options})
    keywords = dict(model=str(model) if isinstance(model, Path) else model, args=args,
                    train_dataset=pairs() if data is None else data, **(more or {}))  # fmt: skip
    if dama is None:
        return DPOTrainer(**keywords)
    return (kind or DamaDPOTrainer)(dama=dama, **keywords)


def run(model: Any, out: Path, size: int, accumulation: int, dama: DamaConfig, **more: Any) -> Any:
    """A trainer of :func:`trainer` that has trained and recorded its updates."""
    trained = trainer(model, out, size, accumulation, dama, kind=Recorded, **more)
    trained.train()
    return trained


def on_ranks(model: Path, folder: Path, ranks: int, **settings: Any) -> dict[str, Any]:
    """The :func:`outcome` of a run on several processes with gloo."""
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings))
    # accelerate has FSDP and DeepSpeed only for devices, so the CPU is to be one: see main().
    device = {"ACCELERATE_USE_CPU": "true"}
    if "fsdp" in settings or "deepspeed" in settings:
        device = {"ACCELERATE_TORCH_DEVICE": "cpu", "DS_ACCELERATOR": "cpu"}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **device}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [*launch, __file__, model, folder / "settings.json", folder / "result.json"]
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "result.json").read_text())


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Tolerances: float32 sums in another order. The gradient norm is a sum over all parameters."""
    assert found["masks"] == expected["masks"]
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=0, atol=2e-6)
    np.testing.assert_allclose(found["norms"], expected["norms"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(found["parameters"], expected["parameters"], rtol=0, atol=1e-4)


class Recorded(DamaDPOTrainer):
    """A trainer that keeps the masks and the inputs of its updates."""

    def _dama_plan(self, model: Any) -> None:
        updates = self.__dict__.setdefault("updates", [])
        names = ("input_ids", "completion_mask")
        updates.append([{name: batch[name].clone() for name in names} for batch in self._dama_batches])
        super()._dama_plan(model)
        self.masks = [*getattr(self, "masks", []), self._dama_plans[0].step.mask.astype(int).tolist()]


class Twice(Recorded):
    """Compares the log-probabilities of both passes."""

    def _pair_logps(self, model: Any, batch: Any) -> Any:
        found = super()._pair_logps(model, batch)
        if torch.is_grad_enabled():
            self.second = [*getattr(self, "second", []), torch.cat(found).detach()]
        return found

    def _first_pass(self, model: Any, batch: Any, reference: Any) -> Any:
        found = super()._first_pass(model, batch, reference)
        self.first = [*getattr(self, "first", []), torch.cat(found)]
        return found


def whole_parameters(trained: Any) -> list[Any]:
    """The policy's parameters. FSDP and ZeRO-3 leave a part of them on each rank, so all ranks call it."""
    parameters = list(trained.accelerator.unwrap_model(trained.model).parameters())
    if any(hasattr(p, "ds_id") for p in parameters):
        import deepspeed

        with deepspeed.zero.GatheredParameters(parameters):
            return [p.detach().clone() for p in parameters]
    return [p.full_tensor() if hasattr(p, "full_tensor") else p for p in parameters]


def outcome(trained: Any) -> dict[str, Any]:
    """What runs are compared by: masks, the log's losses and gradient norms, the parameters."""
    steps = [entry for entry in trained.state.log_history if "loss" in entry]
    return dict(
        masks=getattr(trained, "masks", []),
        losses=[entry["loss"] for entry in steps],
        norms=[entry["grad_norm"] for entry in steps],
        logs=steps,
        wrapper=type(trained.model_wrapped).__name__,
        parameters=torch.cat([p.detach().flatten() for p in whole_parameters(trained)]).tolist(),
    )


def main() -> None:
    model, settings, result = map(Path, sys.argv[1:])
    given = json.loads(settings.read_text())
    if "ACCELERATE_TORCH_DEVICE" in os.environ:
        given["use_cpu"] = False
        PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)
    trained = trainer(model, result.parent / "out", dama=DamaConfig(**given.pop("dama")), kind=Recorded, **given)
    trained.train()
    found = outcome(trained)
    if trained.accelerator.is_main_process:
        result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
