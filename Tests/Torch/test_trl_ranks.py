"""libdama.trl over two processes with what shares models and gradients among them: equal to one process."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trl", reason="scripts/bootstrap torch installs it")

from trl_world import assert_equal, make_model, on_ranks, outcome, run

from libdama.trl import DamaConfig


def zero(stage):
    """DeepSpeed's settings; ``auto`` takes those of the trainer."""
    return dict(
        zero_optimization=dict(stage=stage), train_micro_batch_size_per_gpu="auto",
        gradient_accumulation_steps="auto", gradient_clipping="auto", zero_force_ds_cpu_optimizer=False,
    )  # fmt: skip


#: Options of the trainer. DDP is what several processes have without any.
WRAPPERS = {
    "ddp": {},
    "fsdp2": dict(fsdp=True, fsdp_config=dict(version=2, transformer_layer_cls_to_wrap=["LlamaDecoderLayer"])),
    "zero2": dict(deepspeed=zero(2)),
    "zero3": dict(deepspeed=zero(3)),
}
#: What then wraps the model.
TYPES = dict(
    ddp="DistributedDataParallel", fsdp2="FSDPLlamaForCausalLM", zero2="DeepSpeedEngine", zero3="DeepSpeedEngine"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("llama"))


def on_two_ranks(model, folder, wrapper, **settings):
    if wrapper.startswith("zero"):
        pytest.importorskip("deepspeed", reason="the environment of the tests has none; docs/trl.md")
    found = on_ranks(model, folder, 2, **settings, **WRAPPERS[wrapper])
    assert found["wrapper"] == TYPES[wrapper]
    return found


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_two_ranks_are_one_process(model, tmp_path, wrapper):
    """16 pairs of an update as 2 ranks × 8 × 1: each rank leaves out micro-batches, as many as the other."""
    found = on_two_ranks(model, tmp_path, wrapper, size=1, accumulation=8, dama=dict(preset="paper", keep=0.5))
    expected = outcome(run(model, tmp_path / "one", 1, 16, DamaConfig("paper", keep=0.5)))
    assert_equal(found, expected)
    assert len(found["masks"]) == 4 and all(sum(mask) == 8 for mask in found["masks"])


@pytest.mark.parametrize("wrapper", ["fsdp2", "zero3"])
def test_parts_of_models_with_whole_micro_batches(model, tmp_path, wrapper):
    """The recipe of the other layouts, 2 ranks × 4 × 2, with the released code's preset."""
    found = on_two_ranks(model, tmp_path, wrapper, size=2, accumulation=4, dama=dict(preset="released"))
    assert_equal(found, outcome(run(model, tmp_path / "one", 2, 8, DamaConfig("released"))))
