"""libdama.trl inside TRL's trainer: equal on any layout of a batch, resumable, and TRL's own where nothing is added."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("trl", reason="scripts/bootstrap torch installs it")

import trl_world
from peft import LoraConfig
from transformers import AutoModelForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM
from trl import DPOTrainer
from trl_world import Recorded, Twice, assert_equal, make_model, on_ranks, outcome, pairs, run, trainer

import libdama
from libdama.trl import DamaConfig, DamaDPOTrainer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("llama"))


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_equal_on_every_layout_of_a_batch(model, tmp_path, preset):
    """16 pairs as 1 × 8 × 2, 1 × 1 × 16, and 2 ranks × 4 × 2; at first policy = reference, so all gaps tie."""
    parts = outcome(run(model, tmp_path / "a", 2, 8, DamaConfig(preset)))
    assert len(parts["masks"]) == 4 and all(sum(mask) == 12 for mask in parts["masks"])
    if preset == "paper":
        assert parts["masks"][0] == [1] * 12 + [0] * 4, "ties go to the lower index"
    assert len(set(map(tuple, parts["masks"]))) > 1
    assert_equal(outcome(run(model, tmp_path / "b", 16, 1, DamaConfig(preset))), parts)
    assert_equal(on_ranks(model, tmp_path, 2, size=2, accumulation=4, dama=dict(preset=preset)), parts)


def completions(batch):
    """The ids of the responses of a micro-batch: chosen ones, then rejected ones."""
    return [tuple(ids[mask.bool()].tolist()) for ids, mask in zip(batch["input_ids"], batch["completion_mask"])]


def test_updates_are_those_of_the_formulas(model, tmp_path):
    """Four updates against Eqs. (9) to (17), autograd and AdamW in plain torch, with whole batches of 16."""
    trained = run(model, tmp_path, 2, 8, DamaConfig("paper"))
    alphas = {tuple(row["chosen_ids"]): row["alpha_data"] for row in trained.train_dataset}
    assert len(alphas) == 64
    policy, reference = (AutoModelForCausalLM.from_pretrained(model) for _ in range(2))
    optimizer = torch.optim.AdamW(policy.parameters(), weight_decay=0)
    mean, losses, masks = 0.0, [], []
    for step, batches in enumerate(trained.updates):
        margins, alpha = [], []
        for batch in batches:
            labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)[:, 1:]

            def logps(network):
                values = network(batch["input_ids"]).logits[:, :-1].log_softmax(-1)
                return (values.gather(2, labels.clamp(min=0)[..., None])[..., 0] * (labels != -100)).sum(1)

            with torch.no_grad():
                base = logps(reference)
            chosen, rejected = (logps(policy) - base).chunk(2)
            margins.append(chosen - rejected)
            alpha += [alphas[ids] for ids in completions(batch)[: len(chosen)]]
        h = torch.cat(margins)
        gaps = 0.1 * h.detach().double()
        if mean >= max(1e-6, 0.25 * gaps.abs().mean()):
            gaps = gaps / mean
        kept = torch.sort((gaps - mean) ** 2, stable=True).indices[:12]
        batch_gap = gaps[kept].mean()
        alpha_model = torch.sigmoid(batch_gap) / torch.sigmoid(torch.tensor(mean).double())
        beta = 0.1 * torch.tensor(alpha).double() * alpha_model
        loss = -torch.nn.functional.logsigmoid(beta * h)[kept].sum() / 12
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / 4)
        optimizer.step()
        optimizer.zero_grad()
        mean = float(0.9 * mean + 0.1 * batch_gap)
        losses.append(loss.item())
        masks.append([int(i in kept) for i in range(16)])
    found = outcome(trained)
    assert found["masks"] == masks
    np.testing.assert_allclose(found["losses"], losses, rtol=0, atol=2e-6)
    assert trained.controller.running_mean == pytest.approx(mean, abs=1e-6)
    # Adam divides by the root of its second moment, which is near 0 in the first steps.
    np.testing.assert_allclose(
        found["parameters"], torch.cat([p.detach().flatten() for p in policy.parameters()]), rtol=0, atol=1e-4
    )


def test_plain_dpo_is_trls_own(model, tmp_path):
    """The preset is TRL's code; two passes with the same options, which are not, come to the same."""
    expected = trainer(model, tmp_path / "trl", 2, 8, None)
    expected.train()
    plain = trainer(model, tmp_path / "plain", 2, 8, DamaConfig("dpo"))
    plain.train()
    assert outcome(plain)["losses"] == outcome(expected)["losses"]
    assert outcome(plain)["parameters"] == outcome(expected)["parameters"]
    every = DamaConfig("paper", keep=1.0, options=dict(combine="none", filter="none"))
    passes = run(model, tmp_path / "two", 2, 8, every)
    assert_equal(outcome(passes), {**outcome(expected), "masks": [[1] * 16] * 4})
    ours, theirs = outcome(passes)["logs"][-1], outcome(expected)["logs"][-1]
    assert set(theirs) <= set(ours), "every metric of TRL's is kept"
    for name in set(theirs) - {"epoch", "step", "loss", "grad_norm", "learning_rate"}:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-4), name


@pytest.mark.parametrize("loss", [dict(loss_type="hinge"), dict(loss_type="ipo"), dict(loss_type="sigmoid_norm"),
                                  dict(loss_type="robust", label_smoothing=0.1)])  # fmt: skip
def test_losses_equal_trls(model, tmp_path, loss):
    expected = trainer(model, tmp_path / "trl", 4, 2, None, steps=3, **loss)
    expected.train()
    every = DamaConfig("paper", keep=1.0, options=dict(combine="none", filter="none"))
    found = run(model, tmp_path / "ours", 4, 2, every, steps=3, **loss)
    # IPO's values are of the size of 25.
    np.testing.assert_allclose(outcome(found)["losses"], outcome(expected)["losses"], rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(outcome(found)["parameters"], outcome(expected)["parameters"], rtol=0, atol=1e-4)


def test_experts_keep_their_balancing_loss(tmp_path):
    kind = Qwen3MoeConfig, Qwen3MoeForCausalLM
    experts = make_model(tmp_path / "model", kind, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16,
                         head_dim=8, output_router_logits=True, router_aux_loss_coef=0.5)  # fmt: skip
    expected = trainer(experts, tmp_path / "trl", 2, 4, None, steps=3)
    expected.train()
    every = DamaConfig("paper", keep=1.0, options=dict(combine="none", filter="none"))
    found = run(experts, tmp_path / "ours", 2, 4, every, steps=3)
    np.testing.assert_allclose(outcome(found)["losses"], outcome(expected)["losses"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(outcome(found)["parameters"], outcome(expected)["parameters"], rtol=0, atol=1e-4)
    assert outcome(found)["losses"][0] > np.log(2) + 0.1


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_resumes_bit_for_bit(model, tmp_path, dropout):
    """Also with dropout in the attention, which both passes have to draw alike."""
    folder = make_model(tmp_path / "model", attention_dropout=dropout) if dropout else model
    options = dict(disable_dropout=False, save_strategy="steps", save_steps=2)
    whole = run(folder, tmp_path / "run", 2, 8, DamaConfig("released", seed=3), **options)
    again = trainer(folder, tmp_path / "run", 2, 8, DamaConfig("released", seed=3), kind=Recorded, **options)
    again.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert again.masks == whole.masks[2:] and len(again.masks) == 2
    assert outcome(again)["parameters"] == outcome(whole)["parameters"]
    assert again.controller.state() == whole.controller.state()
    state = json.loads((tmp_path / "run" / "checkpoint-2" / "trainer_state.json").read_text())
    assert bytes.fromhex(state["stateful_callbacks"]["DamaCallback"]["attributes"]["saved"]["state"])

    other = trainer(folder, tmp_path / "run", 2, 8, DamaConfig("released", seed=4), **options)
    with pytest.raises(ValueError, match="saved with seed=3; this controller has seed=4"):
        other.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))


def test_a_checkpoint_of_another_trainer_is_refused(model, tmp_path):
    trainer(model, tmp_path, 2, 8, None, save_strategy="steps", save_steps=2).train()
    ours = trainer(model, tmp_path, 2, 8, DamaConfig())
    with pytest.raises(ValueError, match="step 2 has no state of a controller"):
        ours.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


@pytest.mark.parametrize("kind", ["plain", "dropout", "checkpointing", "adapters"])
def test_the_second_pass_repeats_the_first(model, tmp_path, kind):
    options, more, folder = {}, {}, model
    if kind == "dropout":
        folder, options = make_model(tmp_path / "model", attention_dropout=0.3), dict(disable_dropout=False)
    if kind == "checkpointing":
        options = dict(gradient_checkpointing=True)
    if kind == "adapters":
        more = dict(peft_config=LoraConfig(r=4, lora_dropout=0.2, target_modules=["q_proj", "v_proj"]))
        options = dict(disable_dropout=False)
    dama = DamaConfig("paper", skip_masked=False)
    trained = trainer(folder, tmp_path / "out", 2, 4, dama, steps=3, kind=Twice, more=more, **options)
    trained.train()
    assert len(trained.first) == len(trained.second) == 12
    for first, second in zip(trained.first, trained.second):
        # The same operations: autograd only decides what is kept.
        torch.testing.assert_close(first, second, rtol=0, atol=1e-5)


def test_dropout_is_noticed(model, tmp_path):
    from libdama.trl._trainer import has_dropout
    from peft import get_peft_model

    plain = AutoModelForCausalLM.from_pretrained(model)
    assert not has_dropout(plain)
    assert has_dropout(AutoModelForCausalLM.from_pretrained(make_model(tmp_path / "model", attention_dropout=0.1)))
    assert has_dropout(get_peft_model(plain, LoraConfig(lora_dropout=0.1, target_modules=["q_proj"])))


@pytest.mark.parametrize("size", [1, 4])
def test_masked_pairs_are_left_out(model, tmp_path, size):
    """With and without the second passes that change nothing: the same parameters, fewer passes and rows."""
    runs = {}
    for skip in (True, False):
        dama = DamaConfig("paper", keep=0.5, skip_masked=skip)
        runs[skip] = trainer(model, tmp_path / f"{size}{skip}", size, 8 // size, dama, kind=Twice)
        runs[skip].train()
    assert sum(map(len, runs[False].second)) == 2 * 32 and sum(map(len, runs[True].second)) == 2 * 16
    assert len(runs[False].second) == 32 // size
    assert runs[True].masks == runs[False].masks
    np.testing.assert_allclose(outcome(runs[True])["losses"], outcome(runs[False])["losses"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        outcome(runs[True])["parameters"], outcome(runs[False])["parameters"], rtol=0, atol=1e-5
    )


def test_the_last_batch_of_an_epoch(model, tmp_path):
    """21 pairs are a batch of 16 and one of 5: K = int(0.75 · 5) = 3 of it, or none."""
    epochs = dict(steps=-1, num_train_epochs=2)
    scaled = run(model, tmp_path / "a", 2, 8, DamaConfig(), data=pairs(21), **epochs)
    assert [sum(mask) for mask in scaled.masks] == [12, 3, 12, 3] and len(scaled.masks[1]) == 5
    dropped = run(model, tmp_path / "b", 2, 8, DamaConfig(last_batch="drop"), data=pairs(21), **epochs)
    assert [len(mask) for mask in dropped.masks] == [16, 16]
    assert dropped.state.global_step == 2 and dropped.controller.steps == 2


def test_a_skipped_update_is_not_committed(model, tmp_path, monkeypatch):
    trained = trainer(model, tmp_path, 2, 8, DamaConfig())
    skipped = property(lambda accelerator: trained.state.global_step == 2)
    monkeypatch.setattr(type(trained.accelerator), "optimizer_step_was_skipped", skipped)
    trained.train()
    assert trained.state.global_step == 4 and trained.controller.steps == 3


def test_evaluation_is_trls(model, tmp_path):
    """With the base β, and without an effect on the controller."""
    held_out = pairs(10, seed=5)
    options = dict(eval_strategy="steps", eval_steps=1, per_device_eval_batch_size=2)
    trained = trainer(model, tmp_path / "a", 2, 8, DamaConfig(), more=dict(eval_dataset=held_out), **options)
    trained.train()
    expected = run(model, tmp_path / "b", 2, 8, DamaConfig())
    assert outcome(trained)["parameters"] == outcome(expected)["parameters"]
    assert trained.controller.state() == expected.controller.state()

    # Rows of an evaluation need no α_D.
    found = trained.evaluate(held_out.remove_columns("alpha_data"))
    own = trainer(model, tmp_path / "c", 2, 8, None, more=dict(eval_dataset=held_out), per_device_eval_batch_size=2)
    own.model.load_state_dict(trained.model.state_dict())
    theirs = own.evaluate()
    for name in ("eval_loss", "eval_rewards/margins", "eval_logps/chosen"):
        assert found[name] == pytest.approx(theirs[name], rel=1e-6), name
    assert trained.controller.steps == 4 and not any("dama" in name for name in found)


def test_a_stream_of_rows(model, tmp_path):
    streamed = run(model, tmp_path / "a", 2, 4, DamaConfig(), data=pairs(48).to_iterable_dataset())
    listed = run(model, tmp_path / "b", 2, 4, DamaConfig(), data=pairs(48), train_sampling_strategy="sequential")
    assert_equal(outcome(streamed), outcome(listed))


def test_references_of_the_rows(model, tmp_path):
    """Columns of log-probabilities instead of a reference model; they arrive in double, also with a stream."""
    computed = run(model, tmp_path / "a", 2, 8, DamaConfig())
    base, known = AutoModelForCausalLM.from_pretrained(model), {}
    for row in computed.train_dataset:
        for name in ("chosen", "rejected"):
            ids, start = torch.tensor([row["prompt_ids"] + row[f"{name}_ids"]]), len(row["prompt_ids"])
            with torch.no_grad():
                values = base(ids).logits[0, start - 1 : -1].double().log_softmax(-1)
            known.setdefault(row["prompt"], []).append(values.gather(1, ids[0, start:, None]).sum().item())
    assert len(known) == 64
    scored = pairs()
    for place, name in enumerate(("rc", "rr")):
        scored = scored.add_column(name, [known[prompt][place] for prompt in scored["prompt"]])
    found = run(model, tmp_path / "b", 2, 8, DamaConfig(reference_columns=("rc", "rr")), data=scored)
    assert found.ref_model is None and found.args.precompute_ref_log_probs is False
    # The gaps of the first step tie only up to rounding, so other pairs are kept: compare what does not depend on it.
    first, expected = outcome(found)["logs"][0], outcome(computed)["logs"][0]
    assert first["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert first["logps/chosen"] == pytest.approx(expected["logps/chosen"], abs=1e-4)
    assert abs(first["rewards/margins"]) < 1e-6
    # rewards/chosen of a wrong reference would be far from 0.
    wrong = run(model, tmp_path / "c", 2, 8, DamaConfig(reference_columns=("rr", "rc")), data=scored, steps=1)
    assert abs(outcome(wrong)["logs"][0]["rewards/chosen"]) > 1e-2

    precomputed = run(model, tmp_path / "d", 2, 8, DamaConfig(reference="precompute"))
    assert precomputed.ref_model is None
    assert outcome(precomputed)["logs"][0]["rewards/chosen"] == pytest.approx(0, abs=1e-6)


def test_references_that_trl_precomputes(model, tmp_path):
    """They are in no tensor of floats, which DeepSpeed casts; an evaluation of other rows computes theirs."""
    computed = outcome(run(model, tmp_path / "a", 2, 4, DamaConfig(), data=pairs(16), steps=2))
    options = dict(precompute_ref_log_probs=True, per_device_eval_batch_size=4)
    trained = trainer(model, tmp_path / "b", 2, 4, DamaConfig(), data=pairs(16), steps=2, kind=Recorded, **options)
    assert trained.ref_model is None
    batch = next(iter(trained.get_train_dataloader()))
    assert not any(isinstance(value, torch.Tensor) and value.is_floating_point() for value in batch.values())
    # Policy and reference are one model at first.
    held_out = pairs(8, seed=5)
    assert trained.evaluate(held_out)["eval_loss"] == pytest.approx(np.log(2), abs=1e-6)
    trained.train()
    first, expected = outcome(trained)["logs"][0], computed["logs"][0]
    assert abs(first["rewards/chosen"]) < 1e-6 and first["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert first["logps/chosen"] == pytest.approx(expected["logps/chosen"], abs=1e-4)


def test_what_cannot_be_trained(model, tmp_path):
    """Errors are the library's own, and come before the first update."""
    bare, gap = pairs(16).remove_columns("alpha_data"), pairs(16).to_list()
    gap[3]["alpha_data"] = None
    for data, dama, options, text in [
        (bare, DamaConfig(), {}, "train_dataset has no column 'alpha_data'; score it first, or set alpha_column=None"),
        (bare.to_iterable_dataset(), DamaConfig(), {}, "no column 'alpha_data'"),
        (gap, DamaConfig(), {}, "alpha_data = None; it must be a finite number"),
        ([{**row, "alpha_data": -1.0} for row in pairs(16).to_list()], DamaConfig(), {}, "α_D is above 0"),
        (pairs(16), DamaConfig(keep=17), {}, "keep is 17, more than the 16 pairs"),
        (pairs(16), DamaConfig(), dict(loss_type="apo_zero"), "loss_type is"),
        (pairs(16), DamaConfig(), dict(auto_find_batch_size=True), "auto_find_batch_size changes the batch"),
        (pairs(16), DamaConfig(reference_columns=("a", "b")), {}, "train_dataset has no column 'a'"),
        (pairs(16), DamaConfig(reference=str(tmp_path / "none.jsonl")), {}, "none.jsonl"),
        (pairs(16), "paper", {}, "it must be a DamaConfig"),
    ]:
        rows = trl_world.Dataset.from_list(data) if isinstance(data, list) else data
        with pytest.raises(libdama.DamaError, match=text):
            trainer(model, tmp_path / "out", 2, 8, dama, data=rows, **options).train()
    # α_D = 1 and methods without it need no column.
    for dama in (DamaConfig(alpha_column=None), DamaConfig("mdpo")):
        trained = run(model, tmp_path / "out", 2, 8, dama, data=bare, steps=1)
        assert outcome(trained)["logs"][0]["dama/beta_max"] == pytest.approx(0.1)


def test_low_rank_adapters_train_and_stop(model, tmp_path):
    """The reference is the model without them; layouts are equal."""
    more = dict(peft_config=LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    one = run(model, tmp_path / "a", 2, 4, DamaConfig(), data=pairs(32), more=more)
    assert one.ref_model is None and abs(outcome(one)["logs"][0]["rewards/chosen"]) < 1e-7
    assert_equal(outcome(run(model, tmp_path / "b", 8, 1, DamaConfig(), data=pairs(32), more=more)), outcome(one))
    assert abs(outcome(one)["logs"][-1]["rewards/chosen"]) > 1e-4


class Fused(DPOTrainer):
    """As TRL up to 1.10 with ``use_liger_kernel``: one fused loss, which hands out no log-probabilities."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.use_liger_kernel = True

    def compute_loss(self, model, *args, **kwargs):
        if self.use_liger_kernel:
            raise NotImplementedError("the fused loss")
        return super().compute_loss(model, *args, **kwargs)


class DamaFused(Recorded, Fused):
    """What a user of such a TRL has."""


def test_a_fused_loss_is_left_out(model, tmp_path):
    """The method needs the log-probabilities of an update; the preset that is TRL's own keeps TRL's fused loss."""
    plain = outcome(run(model, tmp_path / "a", 2, 4, DamaConfig(), data=pairs(16), steps=2))
    data = dict(data=pairs(16), kind=DamaFused)
    fused = trainer(model, tmp_path / "b", 2, 4, DamaConfig(), steps=2, **data)
    fused.train()
    assert_equal(outcome(fused), plain)
    with pytest.raises(NotImplementedError, match="the fused loss"):
        trainer(model, tmp_path / "c", 2, 4, DamaConfig("dpo"), steps=1, **data).train()


def test_sums_of_tokens_in_bfloat16():
    """FSDP gives outputs the type of mixed precision. 40 · −2.015625 is −80.625; bfloat16 has −80.5 and −81 there."""
    tokens = torch.full((2, 40), -2.015625, dtype=torch.bfloat16)
    outputs, batch = SimpleNamespace(log_probs=tokens), dict(completion_mask=torch.ones(2, 41))
    chosen, rejected = DamaDPOTrainer._dama_sums(SimpleNamespace(ld_alpha=None), outputs, batch)
    assert chosen.tolist() == rejected.tolist() == [-80.625] and chosen.dtype == torch.float32
