"""libdama.trl with pairs of images: references from a cache of libdama's, and the tokens that it holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("trl", reason="scripts/bootstrap torch installs it")

import trl_world
from datasets import Image, Sequence
from trl_world import Twice, outcome, trainer

import libdama
from libdama.trl import DamaConfig, PairCollator

ROOT = Path(__file__).parents[2]
LLAVA = ROOT / "models" / "shapes-llava"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Pairs with pictures in TRL's columns, and the cache of their reference."""
    folder = ROOT / "examples" / "data" / "shapes"
    cache = tmp_path_factory.mktemp("cache") / "reference.jsonl"
    libdama.reference_dataset(LLAVA, folder / "pairs.jsonl", cache, image_root=folder / "images")
    rows = []
    for line in (folder / "pairs.jsonl").read_text().splitlines():
        row = json.loads(line)
        said = {}
        for name in ("chosen", "rejected"):
            said[name] = [dict(role="assistant", content=[dict(type="text", text=row[name])])]
        asked = [dict(role="user", content=[dict(type="image"), dict(type="text", text=row["question"])])]
        picture = dict(bytes=(folder / "images" / row["image"]).read_bytes(), path=None)
        rows.append(dict(image=picture, prompt=asked, **said, alpha_data=1 + 0.01 * row["idx"]))
    return trl_world.Dataset.from_list(rows).cast_column("image", Image()), cache, folder


@pytest.mark.parametrize("reference", ["compute", "precompute", "cache"])
def test_pairs_with_images(shapes, tmp_path, reference):
    data, cache, _ = shapes
    dama = DamaConfig(reference=str(cache) if reference == "cache" else reference, skip_masked=False)
    trained = trainer(LLAVA, tmp_path, 2, 3, dama, data=data, steps=3, kind=Twice, max_length=None, learning_rate=1e-3)
    trained.train()
    assert (trained.ref_model is None) == (reference != "compute")
    logs = outcome(trained)["logs"]
    # Policy and reference are one model at first. The cache is our runtime's, the policy's are torch's.
    assert abs(logs[0]["rewards/margins"]) < 1e-5 and abs(logs[0]["rewards/chosen"]) < 1e-5
    assert logs[2]["rewards/margins"] > 0.1 and [entry["dama/kept"] for entry in logs] == [4, 4, 4]
    assert len(trained.first) == len(trained.second) == 9
    for first, second in zip(trained.first, trained.second):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-4)


def test_a_cache_finds_images_in_lists(shapes, tmp_path):
    """TRL's own conversion of RLAIF-V has a list of one image in ``images``; the references are the same."""
    data, cache, _ = shapes
    lists = data.cast_column("image", Image(decode=False)).map(lambda row: dict(images=[row["image"]]))
    lists = lists.remove_columns("image").cast_column("images", Sequence(Image()))
    names = ["dama_reference_chosen", "dama_reference_rejected"]
    one, listed = (
        trainer(LLAVA, tmp_path, 2, 3, DamaConfig(reference=str(cache)), data=rows, max_length=None).train_dataset
        for rows in (data, lists)
    )
    assert listed.select_columns(names).to_list() == one.select_columns(names).to_list()
    assert listed[0]["images"][0].size == one[0]["image"].size == (96, 96)


def test_the_collator_has_the_tokens_of_the_policy(shapes):
    """Sums over its tokens in transformers are those of libdama.Policy, which TRL's collator's are not."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration
    from trl.trainer.dpo_trainer import DataCollatorForVisionPreference

    data, cache, folder = shapes
    processor = AutoProcessor.from_pretrained(LLAVA)
    network = LlavaForConditionalGeneration.from_pretrained(LLAVA).float()
    lines = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()][:4]
    pairs_of = [(folder / "images" / row["image"], row["question"], row["chosen"], row["rejected"]) for row in lines]
    expected = libdama.Policy(LLAVA).logps_batch(pairs_of)
    want = [pair.chosen.sum for pair in expected] + [pair.rejected.sum for pair in expected]
    counts = [pair.chosen.count for pair in expected] + [pair.rejected.count for pair in expected]

    def sums(collator):
        batch = collator([data[i] for i in range(4)])
        mask = batch.pop("completion_mask")[:, 1:]
        with torch.no_grad():
            logits = network(**batch).logits[:, :-1].log_softmax(-1)
        return (logits.gather(2, batch["input_ids"][:, 1:, None])[..., 0] * mask).sum(1), mask.sum(1).tolist()

    found, lengths = sums(PairCollator(processor))
    assert lengths == counts
    np.testing.assert_allclose(found, want, rtol=0, atol=2e-4)
    assert sums(DataCollatorForVisionPreference(processor))[1] == [count + 1 for count in counts]
    with pytest.raises(libdama.DamaError, match="no token within max_length 20"):
        PairCollator(processor, max_length=20)([data[0]])


def test_a_cache_of_other_tokens_is_refused(shapes, tmp_path):
    from transformers import AutoProcessor
    from trl.trainer.dpo_trainer import DataCollatorForVisionPreference

    data, cache, _ = shapes
    collator = DataCollatorForVisionPreference(AutoProcessor.from_pretrained(LLAVA))
    trained = trainer(LLAVA, tmp_path, 2, 3, DamaConfig(reference=str(cache)), data=data, max_length=None,
                      more=dict(data_collator=collator))  # fmt: skip
    with pytest.raises(libdama.DamaError, match="scored 50 tokens of a chosen response, the trainer has 51"):
        trained.train()
    changed = data.select([0]).to_list()
    changed[0]["chosen"][0]["content"][0]["text"] += " Indeed."
    with pytest.raises(libdama.DamaError, match="not in the cache|no pair|has no"):
        trainer(LLAVA, tmp_path, 2, 3, DamaConfig(reference=str(cache)),
                data=trl_world.Dataset.from_list(changed).cast_column("image", Image()), max_length=None)  # fmt: skip
