"""DamaMixin before a trainer with the names of TRL before 1.0, as LLaMA-Factory's and ms-swift's have them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("trl", reason="scripts/bootstrap torch installs it")

from transformers import AutoModelForCausalLM, Trainer, TrainingArguments
from trl_world import make_model, outcome, run

import libdama
from libdama.trl import DamaConfig, DamaMixin

BETA = 0.1


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def ours(model, tmp_path_factory):
    """The same run by DamaDPOTrainer."""
    return run(model, tmp_path_factory.mktemp("ours"), 2, 8, DamaConfig())


class Preferences(Trainer):
    """A DPO trainer as others write them."""

    def __init__(self, *args, reference, **kwargs):
        super().__init__(*args, **kwargs)
        self.reference, self.stored, self.forwards = reference, [], []
        self.beta, self.loss_type, self.label_smoothing = BETA, "sigmoid", 0.0
        # TRL's rows have no column of labels, without which Trainer takes no loss of an evaluation.
        self.can_return_loss = True

    def concatenated_forward(self, model, batch):
        self.forwards.append((model is self.reference, torch.is_grad_enabled()))
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)[:, 1:]
        # Only the model's own inputs, as a stray key would be an error of the model.
        logits = model(**{name: value for name, value in batch.items() if name != "completion_mask"}).logits[:, :-1]
        values = logits.log_softmax(-1).gather(2, labels.clamp(min=0)[..., None])[..., 0]
        chosen, rejected = (values * (labels != -100)).sum(1).chunk(2)
        return dict(chosen_logps=chosen, rejected_logps=rejected)

    def compute_ref_log_probs(self, batch):
        with torch.no_grad():
            found = self.concatenated_forward(self.reference, batch)
        return found["chosen_logps"], found["rejected_logps"]

    def dpo_loss(self, margins):
        return -torch.nn.functional.logsigmoid(self.beta * margins)

    def get_batch_loss_metrics(self, model, batch, train_eval="train"):
        found, (chosen, rejected) = self.concatenated_forward(model, batch), self.compute_ref_log_probs(batch)
        margins = (found["chosen_logps"] - chosen) - (found["rejected_logps"] - rejected)
        prefix = "eval_" if train_eval == "eval" else ""
        return self.dpo_loss(margins).mean(), {f"{prefix}rewards/margins": self.beta * margins.mean().item()}

    def store_metrics(self, metrics, train_eval):
        self.stored.append((train_eval, metrics))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss, metrics = self.get_batch_loss_metrics(model, inputs)
        self.store_metrics(metrics, "train")
        return loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        with torch.no_grad():
            loss, metrics = self.get_batch_loss_metrics(model, self._prepare_inputs(inputs), "eval")
        self.store_metrics(metrics, "eval")
        return loss, None, None


class DamaPreferences(DamaMixin, Preferences):
    pass


def trained(kind, model, out, ours, **options):
    args = TrainingArguments(
        out, per_device_train_batch_size=2, gradient_accumulation_steps=8, max_steps=4, learning_rate=5e-3,
        logging_steps=1, report_to=[], save_strategy="no", use_cpu=True, seed=1, remove_unused_columns=False,
        per_device_eval_batch_size=2, disable_tqdm=True,
    )  # fmt: skip
    policy, reference = (AutoModelForCausalLM.from_pretrained(model) for _ in range(2))
    found = kind(policy, args, ours.data_collator.inner, ours.train_dataset, reference=reference,
                 **{"dama": DamaConfig(), **options})  # fmt: skip
    found.train()
    return found


def assert_same(found, expected):
    """Float32 sums in another order."""
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=0, atol=2e-6)
    np.testing.assert_allclose(found["norms"], expected["norms"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(found["parameters"], expected["parameters"], rtol=0, atol=1e-4)


def test_the_mixin_in_another_trainer(model, tmp_path, ours):
    other = trained(DamaPreferences, model, tmp_path, ours)
    assert_same(outcome(other), outcome(ours))
    assert other.controller.steps == 4
    assert [values for kind, values in other.stored if "dama/kept" in values] == [{"dama/kept": 12.0}] * 4
    # Its own metrics are those of all micro-batches, from the forward passes that the step needs.
    margins = [values["rewards/margins"] for _, values in other.stored if "rewards/margins" in values]
    expected = [entry["rewards/margins"] for entry in outcome(ours)["logs"]]
    np.testing.assert_allclose(np.reshape(margins, (4, 8)).mean(1), expected, rtol=0, atol=1e-6)
    assert other.forwards.count((True, False)) == other.forwards.count((False, False)) == 32
    assert 16 <= other.forwards.count((False, True)) <= 32

    # An evaluation has its own loss, and does not meet the bits of our columns.
    steps = other.controller.state()
    found = other.evaluate(ours.train_dataset.select(range(6)))
    theirs = [values["eval_rewards/margins"] for kind, values in other.stored if kind == "eval"]
    assert len(theirs) == 3 and found["eval_loss"] < np.log(2) and other.controller.state() == steps
    with pytest.raises(TypeError, match="multiple values for argument 'model'"):
        DamaPreferences(other.model, model=other.model, reference=other.reference)


def test_older_transformers_divide_the_loss(model, tmp_path, ours, monkeypatch):
    """Before ``loss_is_scaled_for_ga``, Trainer divides the loss of a micro-batch by their number in any case."""
    monkeypatch.delattr(Trainer, "loss_is_scaled_for_ga")

    class Older(DamaPreferences):
        loss_is_scaled_for_ga = None

    found = trained(Older, model, tmp_path, ours)
    assert found.loss_is_scaled_for_ga is None
    assert_same(outcome(found), outcome(ours))


def test_plain_dpo_is_the_trainers_own(model, tmp_path, ours):
    own = trained(lambda *args, dama, **options: Preferences(*args, **options), model, tmp_path / "own", ours)
    plain = trained(DamaPreferences, model, tmp_path / "plain", ours, dama=DamaConfig("dpo"))
    assert outcome(plain)["losses"] == outcome(own)["losses"]
    assert outcome(plain)["parameters"] == outcome(own)["parameters"]


@pytest.mark.parametrize("name, value", [("rpo_alpha", 1.0), ("ftx_gamma", 0.1), ("bco_gemma", 0.5),
                                         ("reference_free", True), ("loss_type", "orpo")])  # fmt: skip
def test_other_terms_of_the_loss_are_refused(model, tmp_path, ours, name, value):
    """They would be left out silently. The trainer has them itself, as LLaMA-Factory's."""

    class Changed(Preferences):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            setattr(self, name, value)

    class Dama(DamaMixin, Changed):
        pass

    with pytest.raises(NotImplementedError, match=f"{name} is") as caught:
        trained(Dama, model, tmp_path, ours)
    assert isinstance(caught.value, libdama.DamaError)


class Rows(torch.utils.data.Dataset):
    """Rows of a dataset that cannot name its columns, as those that tokenise on the way."""

    def __init__(self, rows):
        self.rows = list(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


def test_columns_that_did_not_arrive(model, tmp_path, ours):
    """Where the columns cannot be checked before, the first update says what its batch lacks."""
    arguments = dict(data_collator=ours.data_collator.inner, reference=AutoModelForCausalLM.from_pretrained(model))
    args = TrainingArguments(
        tmp_path, per_device_train_batch_size=4, max_steps=1, report_to=[], save_strategy="no", use_cpu=True,
        remove_unused_columns=False, disable_tqdm=True,
    )  # fmt: skip
    whole = Rows(ours.train_dataset)
    cut = Rows({name: value for name, value in row.items() if name != "alpha_data"} for row in whole.rows)
    for data, dama, text in [
        (cut, DamaConfig(), "a batch has no column 'alpha_data'"),
        (whole, DamaConfig(reference_columns=("rc", "rr")), "a batch has no columns 'rc' and 'rr'"),
        (Rows({**row, "alpha_data": "high"} for row in whole.rows), DamaConfig(), "alpha_data = 'high'; it must be"),
    ]:
        policy = AutoModelForCausalLM.from_pretrained(model)
        found = DamaPreferences(policy, args, train_dataset=data, dama=dama, **arguments)
        with pytest.raises(libdama.DamaError, match=text):
            found.train()
        assert found.controller.steps == 0
    DamaPreferences(AutoModelForCausalLM.from_pretrained(model), args, train_dataset=whole, **arguments).train()


def test_label_smoothing_is_that_of_the_trainer():
    """TRL before 1.0 smooths the loss ``sigmoid``, which is cDPO; TRL from 1.0 on does not."""

    class Arguments:
        beta, loss_type, label_smoothing = 0.1, "sigmoid", 0.2

    older = DamaConfig("paper").controller(8, Arguments, smooths=True)
    assert older.options["loss"] == "cdpo" and older.options["label_smoothing"] == 0.2
    assert DamaConfig("paper").controller(8, Arguments).options["loss"] == "sigmoid"
