import ctypes
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import libdama

TESTS = Path(__file__).parents[3] / "Tests"
MODEL = TESTS / "DamaModelsTests" / "Fixtures" / "llava" / "default"
IMAGE = TESTS / "DamaModelsTests" / "Fixtures" / "llava" / "image.png"
#: Ten steps of a plain PyTorch loop; make_training.py wrote them.
TRAINING = TESTS / "DamaTrainingTests" / "Fixtures"
NUMBERS = {"learning_rate": 2e-3, "weight_decay": 0.01}


@pytest.fixture(scope="module")
def policy():
    return libdama.Policy(MODEL)


@pytest.fixture(scope="module")
def batches():
    return [[{**pair, "image": IMAGE} for pair in batch] for batch in json.loads((TRAINING / "batches.json").read_text())]


def controller():
    return libdama.AdaptiveBeta("paper", beta=0.5, keep=4)


def tensors(name):
    """A safetensors file of fp32 tensors."""
    data = (TRAINING / name).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        key: np.frombuffer(data, np.float32, (it["data_offsets"][1] - it["data_offsets"][0]) // 4,
                           8 + size + it["data_offsets"][0]).reshape(it["shape"])
        for key, it in header.items()
    }  # fmt: skip


def values(trainer):
    return [parameter.value.copy() for parameter in trainer.parameters()]


def assert_equal_to_torch(trainer, kind, losses):
    expected = json.loads((TRAINING / f"{kind}.json").read_text())
    # Over ten updates of Adam the roundings of two fp32 programs differ more and more.
    np.testing.assert_allclose(losses, [step["loss"] for step in expected], atol=1e-4, rtol=0)
    final = {k[len("final.") :]: v for k, v in tensors(f"{kind}.safetensors").items() if k.startswith("final.")}
    found = {parameter.name: parameter for parameter in trainer.parameters()}
    assert set(found) == set(final)
    for name, value in final.items():
        assert found[name].shape == value.shape and found[name].value.dtype == np.float32
        np.testing.assert_allclose(found[name].value, value, atol=1e-4 * np.abs(value).max(), rtol=0, err_msg=name)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_ten_steps_equal_torch(policy, batches, kind):
    trainable = "full" if kind == "full" else libdama.LoRA(rank=4, alpha=8, targets=["q_proj", "down_proj"])
    trainer = libdama.Trainer(policy, policy, controller(), trainable=trainable, **NUMBERS)
    if kind == "lora":
        # Written through the arrays: they are the trainer's own memory.
        start = tensors("lora.safetensors")
        for parameter in trainer.parameters():
            parameter.value[...] = start[f"start.{parameter.name}"]
    expected = json.loads((TRAINING / f"{kind}.json").read_text())
    losses = []
    for step, batch in zip(expected, batches):
        metrics = trainer.step(batch)
        losses.append(metrics.loss)
        assert metrics.alpha_model == pytest.approx(step["alpha_model"], abs=1e-4)
        assert metrics.running_mean == pytest.approx(step["running_mean"], abs=1e-4)
        assert metrics.gradient_norm == pytest.approx(step["gradient_norm"], rel=1e-3)
        assert (metrics.pairs, metrics.kept, metrics.updated, metrics.skipped) == (6, 4, True, 0)
        assert metrics.beta_min <= metrics.beta_mean <= metrics.beta_max
        assert set(metrics.seconds) == {"prepare", "reference", "forward", "backward", "update"}
    assert_equal_to_torch(trainer, kind, losses)
    assert trainer.steps == 10 and trainer.controller.steps == 10
    assert trainer.controller.running_mean == trainer.running_mean == metrics.running_mean


def test_two_ranks_by_parts_equal_torch(policy, batches):
    """Two ranks with half of the pairs each; log-probabilities and gradients are gathered, as in a training engine."""
    ranks = [libdama.Trainer(policy, **NUMBERS) for _ in range(2)]
    slices = [slice(0, 3), slice(3, 6)]
    adaptive = [controller() for _ in ranks]
    losses = []
    for batch in batches:
        reference = policy.logps_batch(batch)
        found = [pair for rank, part in zip(ranks, slices) for pair in rank.forward(batch[part])]
        arrays = [[getattr(pair, name).sum for pair in logps]
                  for logps in (found, reference) for name in ("chosen", "rejected")]  # fmt: skip
        alpha = [pair["alpha_data"] for pair in batch]
        for rank, part, beta in zip(ranks, slices, adaptive):
            step = beta.step(*arrays, alpha, offset=part.start, count=3)
            rank.zero_grad()
            rank.backward(step.grad_chosen, step.grad_rejected)
        for one, other in zip(*(rank.parameters() for rank in ranks)):
            one.gradient[...] = other.gradient[...] = one.gradient + other.gradient
        norms = [rank.update() for rank in ranks]
        assert norms[0] == norms[1] == pytest.approx(ranks[0].gradient_norm())
        for beta in adaptive:
            beta.commit()
        losses.append(step.loss)
    for rank in ranks:
        assert_equal_to_torch(rank, "full", losses)
        assert rank.steps == 10 and rank.running_mean == 0


def test_references_that_the_pairs_bring(policy, batches):
    asking = libdama.Trainer(policy, policy, controller(), trainable="projector")
    told = libdama.Trainer(policy, None, controller(), trainable="projector")
    batch = [{**pair, "hardness_third": 2 * (i % 2)} for i, pair in enumerate(batches[0])]
    known = [{**pair, "reference_chosen": logps.chosen.sum, "reference_rejected": logps.rejected.sum}
             for pair, logps in zip(batch, policy.logps_batch(batch))]  # fmt: skip
    a, b = asking.step(batch), told.step(known)
    assert (a.loss, a.gradient_norm, a.kept) == (b.loss, b.gradient_norm, b.kept)
    assert np.isnan(b.gap_by_third[1]) and np.isfinite([b.gap_by_third[0], b.gap_by_third[2]]).all()
    # Non-finite pairs are masked.
    for pair in known[:3]:
        pair["reference_chosen"] = float("-inf")
    assert told.step(known).kept == 3
    with pytest.raises(ValueError, match="pair 0 has no reference"):
        told.step(batch)


def test_simpo_needs_no_reference(policy, batches):
    trainer = libdama.Trainer(policy, None, libdama.AdaptiveBeta("dpo", beta=2.0, loss="simpo", simpo_margin=0.5))
    found = policy.logps_batch(batches[0])
    margins = np.array([pair.chosen.mean - pair.rejected.mean for pair in found])
    assert trainer.step(batches[0]).loss == pytest.approx(np.log1p(np.exp(-(2.0 * margins - 0.5))).mean(), rel=1e-4)


def test_schedule_and_clipping(policy, batches):
    schedule = libdama.kernels.Schedule("linear", 1e-3, 4, warmup=2)
    options = dict(schedule=schedule, max_gradient_norm=0, trainable="projector")
    trainer = libdama.Trainer(policy, policy, controller(), **options)
    for step in range(3):
        assert trainer.learning_rate == schedule(step)
        assert trainer.step(batches[step]).learning_rate == schedule(step)


def test_patterns_and_activations(policy, batches):
    trainer = libdama.Trainer(policy, policy, trainable=["*.lm_head.weight"])
    assert [parameter.name for parameter in trainer.parameters()] == ["language_model.lm_head.weight"]
    kept = libdama.Trainer(policy, policy, controller(), **NUMBERS)
    again = libdama.Trainer(policy, policy, controller(), activations="recompute", tokens_per_run=1, **NUMBERS)
    a, b = kept.step(batches[0]), again.step(batches[0])
    # The same numbers in other orders of addition.
    assert a.loss == pytest.approx(b.loss, abs=1e-5) and a.gradient_norm == pytest.approx(b.gradient_norm, rel=1e-4)
    one, two, three = (libdama.Trainer(policy, trainable="lora", seed=seed) for seed in (1, 1, 2))
    for x, y in zip(values(one), values(two)):
        np.testing.assert_array_equal(x, y)
    assert any((x != y).any() for x, y in zip(values(one), values(three)))


def test_gradients_that_are_not_finite_change_nothing(policy, batches):
    trainer = libdama.Trainer(policy, policy, controller(), trainable="projector")
    trainer.forward(batches[0])
    trainer.backward(np.ones(6), -np.ones(6))
    assert trainer.gradient_norm() > 0
    before = values(trainer)
    trainer.parameters()[0].gradient.flat[0] = np.nan
    with pytest.raises(ValueError, match="norm of the gradients is nan"):
        trainer.update()
    for x, y in zip(before, values(trainer)):
        np.testing.assert_array_equal(x, y)
    trainer.zero_grad()
    assert trainer.gradient_norm() == 0 and trainer.steps == 0


def test_arrays_outlive_the_trainer(policy, batches):
    with libdama.Trainer(policy, policy, trainable="projector") as trainer:
        trainer.step(batches[0])
        array = trainer.parameters()[0].value
        copy = array.copy()
    del trainer
    np.testing.assert_array_equal(array, copy)
    array[...] = 1


def test_a_closed_trainer_says_so(policy, batches):
    trainer = libdama.Trainer(policy, policy, trainable="projector")
    trainer.close()
    trainer.close()
    for call in (lambda: trainer.step(batches[0]), lambda: trainer.forward(batches[0]), lambda: trainer.steps,
                 trainer.zero_grad, trainer.update, trainer.parameters, lambda: trainer.controller):  # fmt: skip
        with pytest.raises(ValueError, match="trainer is closed"):
            call()


def test_checkpoints_and_exports(policy, batches, tmp_path):
    adapters = {"trainable": "lora", **NUMBERS}
    one, two = (libdama.Trainer(policy, policy, controller(), **adapters, seed=seed) for seed in (1, 2))
    one.step(batches[0])
    views = two.parameters()
    for note in ("epoch 3 · 7", None):
        one.save(tmp_path / "checkpoint", note)
        assert two.load(tmp_path / "checkpoint") == note
    assert one.step(batches[1]).loss == two.step(batches[1]).loss
    for x, y in zip(values(one), views):
        np.testing.assert_array_equal(x, y.value)
    assert two.steps == 2 and two.running_mean == one.running_mean

    one.export(tmp_path / "model")
    one.export(tmp_path / "adapters", kind="adapters", dtype="float16")
    assert (tmp_path / "adapters" / "adapter_config.json").exists()
    pair = (IMAGE, "What is in the image?", "A red circle.", "A square.")
    exported, trained = libdama.Policy(tmp_path / "model").logps(*pair), one.forward([pair])[0]
    # Merged and separate matrices have different fp32 roundings.
    np.testing.assert_allclose(exported.chosen.tokens, trained.chosen.tokens, atol=1e-4)
    assert np.abs(exported.chosen.tokens - policy.logps(*pair).chosen.tokens).max() > 1e-3

    saved = tmp_path / "checkpoint"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter").write_text("mine")
    for call, error, message in [
        (lambda: one.export(tmp_path / "taken"), ValueError, "letter"),
        (lambda: one.export(MODEL, replace=True), ValueError, "the trained base model"),
        (lambda: one.export(tmp_path / "x", kind="all"), ValueError, "model, adapters"),
        (lambda: one.export(tmp_path / "x", dtype="int8"), ValueError, "bfloat16"),
        (lambda: one.export(tmp_path / "x", shard_bytes=0), ValueError, "0 bytes"),
        (lambda: one.load(tmp_path / "nowhere"), OSError, "nowhere"),
        (lambda: one.load(IMAGE), ValueError, "image.png"),
        (lambda: one.save(tmp_path / "nowhere" / "file"), OSError, "nowhere"),
        (lambda: one.save(tmp_path / "x", "a\0"), ValueError, "NUL"),
        (lambda: libdama.Trainer(policy, policy, controller()).load(saved), ValueError, "other weights"),
        (lambda: libdama.Trainer(policy, **adapters).load(saved), ValueError, "another configuration"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_another_thread_stops_it(policy, batches):
    trainer = libdama.Trainer(policy, policy, controller(), trainable="projector")
    trainer.step(batches[0])
    before, mean = values(trainer), trainer.running_mean
    many = batches[0] * 500
    for call in (policy.logps_batch, trainer.step, trainer.forward):
        token = libdama.Cancellation()
        timer = threading.Timer(0.05, token.cancel)
        timer.start()
        with pytest.raises(libdama.Cancelled, match="another thread"):
            call(many, cancellation=token)
        timer.join()
        assert token.is_cancelled
        with pytest.raises(libdama.Cancelled):
            call(batches[0], cancellation=token)
    for x, y in zip(before, values(trainer)):
        np.testing.assert_array_equal(x, y)
    assert (trainer.steps, trainer.running_mean) == (1, mean)

    # The call runs in a thread other than the main one.
    token, raised = libdama.Cancellation(), []

    def work():
        try:
            policy.logps_batch(many, token)
        except libdama.Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    token.cancel()
    thread.join()
    assert len(raised) == 1


CTRL_C = """
import os, signal, sys, threading, time, libdama
model, image, what, handler = sys.argv[1:]
class Mine(Exception): pass
def handle(*_): raise Mine
if handler == "own": signal.signal(signal.SIGINT, handle)
policy = libdama.Policy(model)
trainer = libdama.Trainer(policy, policy, trainable="projector")
before = [p.value.copy() for p in trainer.parameters()]
pair = (image, "What is in the image?", "A red circle is left of a blue star.", "A green square.")
token = libdama.Cancellation()
def interrupt():
    # Waits until the lambda has called C. Before that Python itself handles Ctrl-C.
    while not any(frame.f_code.co_name == "<lambda>" for frame in sys._current_frames().values()):
        time.sleep(0.001)
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    {"logps": policy.logps_batch, "step": trainer.step, "forward": trainer.forward}[what]([pair] * 5000, token)
except (KeyboardInterrupt, Mine) as error:
    same = all((p.value == v).all() for p, v in zip(trainer.parameters(), before))
    print(type(error).__name__, trainer.steps, same, token.is_cancelled)
print(trainer.step([pair]).step)
"""


@pytest.mark.parametrize("what", ["logps", "step", "forward"])
@pytest.mark.parametrize("handler", ["default", "own"])
def test_ctrl_c_stops_it(what, handler):
    done = subprocess.run([sys.executable, "-c", CTRL_C, str(MODEL), str(IMAGE), what, handler],
                          env=os.environ, capture_output=True, text=True, timeout=300)  # fmt: skip
    name = "KeyboardInterrupt" if handler == "default" else "Mine"
    # The step does not count, because it was stopped. The trainer still works.
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} 0 True True\n1\n", "")


def test_one_policy_under_several_trainers_in_threads(policy, batches):
    alone = libdama.Trainer(policy, policy, controller(), **NUMBERS)
    expected = alone.step(batches[0]).loss
    results = [0.0] * 3

    def work(i):
        results[i] = libdama.Trainer(policy, policy, controller(), **NUMBERS).step(batches[0]).loss

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == pytest.approx([expected] * 3, abs=1e-6)


def test_what_cannot_be(policy, batches):
    for options, message in [
        ({"trainable": "everything"}, "'everything'"),
        ({"trainable": []}, "patterns is empty"),
        ({"trainable": ["nothing.*"]}, "no weight matches nothing"),
        ({"trainable": libdama.LoRA(rank=0)}, "rank is 0"),
        ({"trainable": libdama.LoRA(alpha=float("nan"))}, "alpha is nan"),
        ({"trainable": libdama.LoRA(targets=["head"])}, '"head" is unknown'),
        ({"trainable": libdama.LoRA(targets=[])}, "no targets"),
        ({"controller": "papers"}, "'papers'"),
        ({"learning_rate": -1.0}, "learning rate is -1"),
        ({"betas": (1.0, 0.9)}, "beta1"),
        ({"max_gradient_norm": -1.0}, "maximum gradient norm"),
        ({"activations": "drop"}, "keep, recompute"),
        ({"tokens_per_run": 0}, "tokens_per_run"),
        ({"seed": -1}, "seed"),
    ]:
        with pytest.raises(ValueError, match=message):
            libdama.Trainer(policy, **options)
    trainer = libdama.Trainer(policy, policy, trainable="projector")
    good = batches[0][0]
    for batch, message in [
        ([], "batch is empty"),
        ([{**good, "chosen": ""}], "pair 0: a response is empty"),
        ([{**good, "image": None}], "pair 0: the pair has no image"),
        ([{**good, "alpha_data": 0.0}], "alpha_data is 0"),
        ([{**good, "hardness_third": 3}], "pair 0: hardness_third"),
        ([{**good, "reference_chosen": -1.0}], "one response"),
        ([{**good, "reference_chosen": 1.0, "reference_rejected": 1.0}], "log-probability 1"),
        ([("a", "b")], "pair 0 must be a mapping or a tuple"),
    ]:
        with pytest.raises(ValueError, match=message):
            trainer.step(batch)
    with pytest.raises(OSError, match="nowhere.png"):
        trainer.step([{**good, "image": "/nowhere.png"}])
    with pytest.raises(ValueError, match="no forward run"):
        trainer.backward([1.0], [1.0])
    trainer.forward([good])
    pairs = [([1.0, 2.0], [1.0, 2.0], "1 pairs"), ([1.0], [1.0, 2.0], "shape"), (1.0, 1.0, "shape")]
    for chosen, rejected, message in pairs:
        with pytest.raises(ValueError, match=message):
            trainer.backward(chosen, rejected)
    assert trainer.steps == 0


def test_the_likelihood_of_the_chosen_responses(policy, batches):
    # Three steps of PyTorch in float64 with TRL's definition; make_sft.py wrote them.
    expected = json.loads((TRAINING / "sft.json").read_text())
    trainer = libdama.Trainer(policy, policy, controller(), sft_weight=expected["weight"], **NUMBERS)
    for step, batch in zip(expected["steps"], batches):
        metrics = trainer.step(batch)
        assert (metrics.loss, metrics.sft_loss) == pytest.approx((step["loss"], step["sft_loss"]), abs=2e-5)
        assert metrics.gradient_norm == pytest.approx(step["gradient_norm"], rel=1e-4)
    with pytest.raises(ValueError, match="sft_weight is -1"):
        libdama.Trainer(policy, policy, sft_weight=-1.0)


def test_metrics_have_every_field_of_the_struct():
    fields = {name for name, *_ in libdama._abi.dama_step_metrics._fields_}
    phases = {name for name in fields if name.startswith("seconds_")}
    assert set(libdama.StepMetrics.__dataclass_fields__) - {"seconds"} == fields - phases - {"struct_size"}


def test_parameters_of_another_precision_are_copies(batches):
    half = libdama.Policy(MODEL, precision="float16")
    with libdama.Trainer(half, half, controller(), **NUMBERS) as trainer:
        parameter = trainer.parameters()[0]
        with pytest.raises(ValueError, match="read-only"):
            parameter.value[...] = 1
        wanted = np.linspace(-1, 1, parameter.value.size, dtype=np.float32).reshape(parameter.shape)
        parameter.write(wanted)
        # The trainer keeps fp32 beside what runs read in float16.
        np.testing.assert_array_equal(trainer.parameters()[0].value, wanted)
        with pytest.raises(ValueError, match="the tensor has"):
            parameter.write(wanted.ravel()[1:])
        assert trainer.step(batches[0]).updated
        assert parameter.device_gradient is None


def test_gradients_are_written(policy):
    with libdama.Trainer(policy, policy, controller(), **NUMBERS) as trainer:
        parameter = trainer.parameters()[0]
        parameter.write_gradient(np.full(parameter.shape, 2, np.float32))
        # √(n · 2²)
        assert trainer.gradient_norm() == pytest.approx(2 * parameter.value.size**0.5, rel=1e-12)


def test_device_arrays_are_dlpack_capsules(monkeypatch):
    from libdama import _dlpack

    # As dill does, which datasets imports.
    for name in ("PyCapsule_New", "PyCapsule_IsValid", "PyCapsule_GetPointer"):
        monkeypatch.setattr(getattr(ctypes.pythonapi, name), "argtypes", [ctypes.py_object, ctypes.c_char_p])
    owner = np.arange(6, dtype=np.float32)
    array = _dlpack.DeviceArray(owner.ctypes.data, (2, 3), 1, owner)
    assert array.__dlpack_device__() == (2, 1) and "cuda:1" in repr(array)
    capsule = array.__dlpack__(stream=None)
    (held,) = _dlpack._exported.values()
    assert held[0].ndim == 2 and list(held[1]) == [2, 3] and held[0].data == owner.ctypes.data
    # No framework took it, so it is freed with the capsule.
    del capsule, held
    assert not _dlpack._exported
