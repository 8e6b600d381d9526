import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

import libdama

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaPreferenceTests" / "Fixtures"
M64 = (1 << 64) - 1


def words(seed):
    """xoshiro256++ seeded with SplitMix64: the batches of make_adaptive_beta.py."""
    s = []
    for _ in range(4):
        seed = (seed + 0x9E3779B97F4A7C15) & M64
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        s.append(z ^ (z >> 31))
    while True:
        total = (s[0] + s[3]) & M64
        yield (((total << 23) | (total >> 41)) + s[0]) & M64
        t = (s[1] << 17) & M64
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = ((s[3] << 45) | (s[3] >> 19)) & M64


def batches(case):
    draw = words(case["batch_seed"])
    for step in range(len(case["steps"])):
        columns = np.empty((5, case["count"]))
        for i in range(case["count"]):
            rc, rr = -(next(draw) >> 46) / 1024, -(next(draw) >> 46) / 1024
            pc = rc + ((next(draw) >> 50) - 8192) / 1024 + 4 + step / 4
            pr = rr + ((next(draw) >> 50) - 8192) / 1024
            columns[:, i] = pc, pr, rc, rr, 0.5 + (next(draw) >> 54) / 1024
        for at, index, value in case["spoiled"]:
            if at == step:
                columns[0, index] = float(value)
        yield columns


CASES = json.loads((FIXTURES / "adaptive_beta.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_equals_the_method_in_torch(case):
    """Every field by its Python name. 1e-12: both sides compute in double and differ in the order of additions."""
    ab = libdama.AdaptiveBeta(case["preset"], **case["changes"])
    for columns, expected in zip(batches(case), case["steps"]):
        out = ab.step(*columns)
        assert "".join("01"[int(m)] for m in out.mask) == expected["mask"]
        for name in ("beta", "losses", "grad_chosen"):
            np.testing.assert_allclose(getattr(out, name), expected[name], rtol=1e-12, atol=1e-12, err_msg=name)
        np.testing.assert_array_equal(out.grad_rejected, -out.grad_chosen)
        assert out.loss == pytest.approx(expected["loss"], rel=1e-12)
        assert out.alpha_model == pytest.approx(expected["alpha_model"], rel=1e-12)
        assert out.accuracy == expected["accuracy"]
        assert out.sampled_uniformly == expected["uniform"]
        assert out.normalized == expected["normalized"]
        ab.commit()
        assert ab.running_mean == pytest.approx(expected["running_mean"], rel=1e-12, abs=1e-13)
        assert ab.running_deviation == pytest.approx(expected["running_deviation"], rel=1e-12, abs=1e-13)


def random_batch(rng, n=16):
    return [rng.normal(-60, 5, n) for _ in range(4)] + [rng.uniform(0.8, 1.2, n)]


def test_first_step_by_hand():
    ab = libdama.AdaptiveBeta(preset="paper", beta=0.1, keep=12, momentum=0.9, seed=0, combine="product")
    out = ab.step([-10.0], [-14.0], [-11.0], [-12.0], alpha_data=[1.2])
    alpha = 2 / (1 + math.exp(-0.3))
    assert out.alpha_model == pytest.approx(alpha, rel=1e-15)
    assert out.beta == pytest.approx([0.12 * alpha], rel=1e-15)
    assert out.margins == [3]
    assert out.loss == pytest.approx(math.log1p(math.exp(-0.36 * alpha)), rel=1e-15)
    assert out.reward_chosen == pytest.approx([0.12 * alpha])
    assert out.reward_rejected == pytest.approx([-0.24 * alpha])
    assert out.plain_reward_chosen == pytest.approx([0.1])
    assert out.plain_reward_rejected == pytest.approx([-0.2])
    assert (out.kept, out.kept_in_slice, out.nonfinite, out.accuracy) == (1, 1, 0, 1)
    assert ab.running_mean == 0
    ab.commit()
    assert ab.running_mean == pytest.approx(0.03, rel=1e-15)
    assert ab.steps == 1
    with pytest.raises(libdama.DamaError, match="nothing to commit"):
        ab.commit()


def test_results_of_one_step_outlive_the_next():
    ab, rng = libdama.AdaptiveBeta(), np.random.default_rng(1)
    first = ab.step(*random_batch(rng))
    kept = first.beta.copy(), first.mask.copy(), first.margins.copy()
    for n in (16, 3):
        ab.step(*random_batch(rng, n))
    np.testing.assert_array_equal(first.beta, kept[0])
    np.testing.assert_array_equal(first.mask, kept[1])
    np.testing.assert_array_equal(first.margins, kept[2])


def test_kinds_of_arrays_agree():
    ab, rng = libdama.AdaptiveBeta(), np.random.default_rng(2)
    batch = [values.astype(np.float32) for values in random_batch(rng)]
    expected = ab.step(*batch).beta
    wide = np.stack(batch, axis=1).astype(np.float64)

    class Tensor:
        """A stand-in for a torch tensor, which numpy cannot read by itself."""

        def __init__(self, values):
            self.values = values

        def detach(self):
            return self

        cpu = double = detach

        def numpy(self):
            return self.values.astype(np.float64)

    for same in ([v.tolist() for v in batch], [v.astype(np.float64) for v in batch], [wide[:, i] for i in range(5)],
                 [tuple(v) for v in batch], [Tensor(v) for v in batch]):  # fmt: skip
        np.testing.assert_array_equal(ab.step(*same).beta, expected)


def test_lengths_divide_and_can_be_left_out_again():
    ab = libdama.AdaptiveBeta("dpo", beta=2, loss="simpo", simpo_margin=0.5)
    out = ab.step([-20.0], [-45.0], chosen_lengths=[10], rejected_lengths=[15])
    slope = -2 / (1 + math.exp(1.5))
    assert out.margins == pytest.approx([1])
    assert out.loss == pytest.approx(math.log1p(math.exp(-1.5)), rel=1e-15)
    assert out.grad_chosen == pytest.approx([slope / 10])
    assert out.grad_rejected == pytest.approx([-slope / 15])
    assert ab.step([-20.0], [-45.0]).margins == [25]
    with pytest.raises(ValueError, match="both responses"):
        ab.step([-20.0], [-45.0], chosen_lengths=[10])
    with pytest.raises(ValueError, match="integers"):
        ab.step([-20.0], [-45.0], chosen_lengths=[10.5], rejected_lengths=[3.0])


@pytest.mark.parametrize("preset", ["paper", "released", "beta_dpo"])
@pytest.mark.parametrize("ranks", [2, 4])
def test_number_of_ranks_does_not_matter(preset, ranks):
    rng = np.random.default_rng(3)
    single, many = libdama.AdaptiveBeta(preset), [libdama.AdaptiveBeta(preset) for _ in range(ranks)]
    for _ in range(10):
        batch = random_batch(rng)
        whole = single.step(*batch)
        width = 16 // ranks
        parts = [ab.step(*batch, offset=rank * width, count=width) for rank, ab in enumerate(many)]
        for name in ("mask", "beta", "grad_chosen", "grad_rejected", "losses"):
            np.testing.assert_array_equal(np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name))
        assert sum(p.slice_loss for p in parts) == pytest.approx(whole.loss, rel=1e-14)
        assert all(p.loss == whole.loss for p in parts)
        for ab in (single, *many):
            ab.commit()
    assert {ab.state() for ab in many} == {single.state()}


def test_rest_of_the_batch_is_the_default_slice():
    ab = libdama.AdaptiveBeta()
    batch = random_batch(np.random.default_rng(4))
    whole = ab.step(*batch)
    np.testing.assert_array_equal(ab.step(*batch, offset=10).beta, whole.beta[10:])
    assert len(ab.step(*batch, offset=16).mask) == 0
    for bad in (dict(offset=17), dict(offset=-1), dict(count=17), dict(offset=8, count=9), dict(count=-1)):
        with pytest.raises(ValueError, match="slice"):
            ab.step(*batch, **bad)


def test_thrown_away_step_leaves_no_trace():
    rng = np.random.default_rng(5)
    ab = libdama.AdaptiveBeta("released", seed=9)
    before = ab.state()
    masks = {tuple(ab.step(*batch).mask) for batch in [random_batch(rng)] * 5}
    assert len(masks) == 1
    with pytest.raises(ValueError, match="finite"):
        ab.step([math.nan], [0.0], [0.0], [0.0])
    assert ab.state() == before


@pytest.mark.parametrize("preset", ["paper", "released", "beta_dpo", "dpo", "d2po", "mdpo"])
def test_resumed_equals_uninterrupted(preset):
    rng = np.random.default_rng(6)
    whole = libdama.AdaptiveBeta(preset, seed=2**64 - 1)
    resumed = whole
    for step in range(20):
        batch = random_batch(rng)
        if step in (5, 11):
            resumed = libdama.AdaptiveBeta.from_state(resumed.state())
        if step == 15:
            resumed = pickle.loads(pickle.dumps(resumed))
        a = whole.step(*batch)
        b = a if resumed is whole else resumed.step(*batch)
        assert a.beta.tobytes() == b.beta.tobytes() and a.grad_chosen.tobytes() == b.grad_chosen.tobytes()
        assert a.mask.tobytes() == b.mask.tobytes()
        whole.commit()
        if resumed is not whole:
            resumed.commit()
    assert resumed.state() == whole.state()
    assert resumed.options == whole.options


def test_damaged_state():
    state = libdama.AdaptiveBeta().state()
    for bad in (b"", b"x", state[:-1], state + b"0", state[:30] + b"\xff" + state[31:], b"DAMABETA"):
        with pytest.raises(ValueError, match="state"):
            libdama.AdaptiveBeta.from_state(bad)


def test_options_come_back():
    given = dict(beta=0.3, keep=0.5, momentum=0.8, seed=4, combine="weighted", gap="log_ratio", normalize=False,
                 guard=0.1, filter="random", sample_scale="running_deviation", responsiveness="linear", slope=0.2,
                 mean_source="all", mean_time="before", rho=0.25, floor=0.01, ceiling=2.0, loss="cdpo",
                 label_smoothing=0.1, simpo_margin=None, batch=32, last_batch="drop")  # fmt: skip
    assert libdama.AdaptiveBeta(**given).options == given
    assert libdama.AdaptiveBeta(keep=1).options["keep"] == 1
    assert type(libdama.AdaptiveBeta(keep=1.0).options["keep"]) is float
    assert "nearest" in repr(libdama.AdaptiveBeta())


@pytest.mark.parametrize(
    "bad, text",
    [
        (dict(preset="papre"), "'papre'"), (dict(filter="both"), "filter is 'both'"), (dict(combine=""), "combine"),
        (dict(beta=0.0), "beta is 0"), (dict(keep=0), "keep is 0"), (dict(keep=1.5), "keep ratio"),
        (dict(keep=-3), "keep is -3"), (dict(momentum=1.0), "momentum"), (dict(seed=-1), "seed"),
        (dict(rho=2.0), "rho"), (dict(floor=math.nan), "floor"), (dict(ceiling=0.0), "ceiling"),
        (dict(loss="cdpo", label_smoothing=0.5), "0.5"), (dict(label_smoothing=0.1), "label_smoothing belongs"),
        (dict(simpo_margin=0.1), "simpo_margin belongs"), (dict(mean_time="before"), "before use"),
    ],
)  # fmt: skip
def test_bad_options(bad, text):
    with pytest.raises(ValueError, match=text):
        libdama.AdaptiveBeta(**bad)


def test_bad_batches():
    ab = libdama.AdaptiveBeta()
    for bad, text in [
        (([], [], [], []), "empty"),
        (([1.0], [1.0, 2.0], [1.0], [1.0]), "policy_rejected has shape"),
        (([1.0, 2.0], [1.0, 2.0], [1.0], [1.0, 2.0]), "reference_chosen has shape"),
        (([1.0], [1.0], [1.0], 1.0), "reference_rejected has shape"),
        (([[1.0]], [[1.0]], [[1.0]], [[1.0]]), "policy_chosen has shape"),
        (([1.0], [1.0]), "reference"),
        (([1.0], [1.0], [1.0], [1.0], [0.0]), "alpha_data of pair 0"),
        (([math.inf], [1.0], [1.0], [1.0]), "finite"),
    ]:
        with pytest.raises(ValueError, match=text):
            ab.step(*bad)
    with pytest.raises(ValueError, match="alpha_data"):
        libdama.AdaptiveBeta("d2po").step([1.0], [1.0], [1.0], [1.0])


def logps(count, seed=0):
    rng = np.random.default_rng(seed)
    return [*rng.normal(-60, 5, (4, count)), rng.uniform(0.8, 1.2, count)]


def test_a_batch_has_its_size():
    ab = libdama.AdaptiveBeta(batch=16)
    assert ab.options["batch"] == 16 and ab.options["last_batch"] is None
    ab.step(*logps(16))
    for count in (2, 15, 17, 32):
        with pytest.raises(libdama.DamaError, match=f"has {count} pairs; a global batch of this controller has 16"):
            ab.step(*logps(count))
    ab.commit()
    assert ab.steps == 1
    again = pickle.loads(pickle.dumps(ab))
    assert again.options == ab.options
    with pytest.raises(ValueError, match="has 2 pairs"):
        again.step(*logps(2))


def test_a_smaller_last_batch_keeps_the_same_share():
    ab = libdama.AdaptiveBeta(keep=12, batch=16, last_batch="rescale")
    assert [ab.step(*logps(count)).kept for count in (16, 15, 5, 1)] == [12, 11, 3, 1]
    # A ratio that is rounded down must still give K of the full batch.
    for batch in range(1, 200):
        for keep in {1, batch // 3 or 1, batch - 1 or 1, batch}:
            ratio = libdama.AdaptiveBeta(keep=keep, batch=batch, last_batch="rescale").options["keep"]
            assert int(ratio * batch) == keep and ratio * batch < keep + 1e-9
    with pytest.raises(ValueError, match="has 17 pairs"):
        ab.step(*logps(17))


def test_a_smaller_last_batch_is_dropped():
    ab = libdama.AdaptiveBeta(batch=16, last_batch="drop")
    ab.step(*logps(16))
    ab.commit()
    before = ab.state()
    out = ab.step(*logps(5))
    assert not out.mask.any() and len(out.mask) == 5 and out.kept == 0 and out.loss == 0
    assert not out.grad_chosen.any() and not out.grad_rejected.any()
    ab.commit()
    assert ab.state() == before and ab.steps == 1
    assert len(ab.step(*logps(5), rows=[0, 3]).mask) == 2
    assert ab.step(*logps(16)).kept == 12


@pytest.mark.parametrize(
    "bad, text",
    [
        (dict(batch=0), "batch is 0"), (dict(batch=2.5), "batch is 2.5"), (dict(last_batch="drop"), "needs batch"),
        (dict(batch=16, last_batch="keep"), "last_batch is 'keep'"),
        (dict(batch=8), "keep is 12, more than the 8 pairs"),
        (dict(keep=9, batch=8, last_batch="rescale"), "keep is 9"),
    ],
)  # fmt: skip
def test_bad_batch_options(bad, text):
    with pytest.raises(libdama.DamaError, match=text):
        libdama.AdaptiveBeta(**bad)


def test_rows_are_a_choice_of_the_batch():
    ab = libdama.AdaptiveBeta("released", keep=7)
    inputs = logps(16)
    whole = ab.step(*inputs)
    parts = [[0, 4, 9, 1], [15], [], list(range(2, 4)) + [5, 6, 7, 8, 10, 11, 12, 13, 14]]
    found = [ab.step(*inputs, rows=rows) for rows in parts]
    for rows, out in zip(parts, found):
        assert out.mask.tolist() == whole.mask[rows].tolist()
        for name in ("beta", "grad_chosen", "grad_rejected", "losses", "reward_chosen"):
            np.testing.assert_array_equal(getattr(out, name), getattr(whole, name)[rows])
        assert out.loss == whole.loss and out.kept == 7
    assert sum(out.slice_loss for out in found) == pytest.approx(whole.loss, rel=1e-14)
    assert sum(out.kept_in_slice for out in found) == 7
    # A slice by places is the slice by offset and count.
    by_offset = ab.step(*inputs, offset=3, count=5)
    by_rows = ab.step(*inputs, rows=np.arange(3, 8))
    assert by_rows.slice_loss == pytest.approx(by_offset.slice_loss, rel=1e-14)
    assert by_rows.kept_in_slice == by_offset.kept_in_slice
    for bad, text in [([16], "rows has 16"), ([-1], "rows has -1"), ([0.5], "integers"), ([[1]], "list of integers")]:
        with pytest.raises(libdama.DamaError, match=text):
            ab.step(*inputs, rows=bad)
    with pytest.raises(libdama.DamaError, match="either rows, or offset"):
        ab.step(*inputs, rows=[0], offset=1)
    with pytest.raises(libdama.DamaError, match="outside the batch of 16"):
        ab.step(*inputs, offset=10, count=7)


def test_state_dict_continues_bit_for_bit():
    ab = libdama.AdaptiveBeta("released", seed=2, batch=16, last_batch="rescale")
    ab.step(*logps(16))
    ab.commit()
    saved = json.loads(json.dumps(ab.state_dict()))
    other = libdama.AdaptiveBeta("released", seed=2, batch=16, last_batch="rescale")
    other.load_state_dict(saved)
    assert other.state() == ab.state()
    for seed in range(1, 5):
        assert other.step(*logps(16, seed)).mask.tolist() == ab.step(*logps(16, seed)).mask.tolist()
        ab.commit(), other.commit()
    assert other.state() == ab.state()
    for change, text in [(dict(beta=0.2), "beta=0.1; this controller has beta=0.2"), (dict(batch=32), "batch=16"),
                         (dict(last_batch="drop"), "last_batch='rescale'")]:  # fmt: skip
        options = {**dict(seed=2, batch=16, last_batch="rescale"), **change}
        with pytest.raises(libdama.DamaError, match=text):
            libdama.AdaptiveBeta("released", **options).load_state_dict(saved)
    before = ab.state()
    for bad in ({}, dict(state="zz", batch=16, last_batch=None), dict(saved, state=saved["state"][:-2]), None):
        with pytest.raises(libdama.DamaError, match="no state of a controller"):
            ab.load_state_dict(bad)
    assert ab.state() == before
