import json
from pathlib import Path

import numpy as np
import pytest

import libdama

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"
IMAGE = FIXTURES / "image.png"


@pytest.fixture(scope="module")
def expected():
    """The results of transformers, which Fixtures/make_llava.py wrote."""
    return json.loads((FIXTURES / "default" / "expected.json").read_text())


@pytest.fixture(scope="module")
def policy():
    return libdama.Policy(FIXTURES / "default")


@pytest.fixture
def job(policy, expected, tmp_path):
    """The log-probabilities of the fixture's pairs, in ``tmp_path``; keywords override."""
    data = tmp_path / "pairs.jsonl"
    names = {"prompt": "asked", "chosen": "chosen", "rejected": "rejected"}
    rows = [{**{name: one[key] for key, name in names.items()}, "image": "image.png"} for one in expected]
    data.write_text("\n".join(map(json.dumps, [*rows, {**rows[0], "image": "none.png"}])))

    def run(model=policy, **keywords):
        keywords = {"image_root": FIXTURES, "fields": {"question": "asked"}, **keywords}
        return libdama.reference_dataset(model, data, tmp_path / "reference.jsonl", **keywords)

    return run


def assert_equal(found, logps):
    # fp32 on both sides through a vision tower and a decoder; the numbers are of the order of 10.
    np.testing.assert_allclose(found.tokens, logps, atol=1e-4)
    assert found.sum == pytest.approx(sum(logps), abs=1e-3)
    assert not found.was_cut


@pytest.mark.parametrize("format", ["full", "logps"])
def test_the_cache_holds_what_transformers_computes(job, policy, expected, format):
    result = job(format=format)
    assert (result.rows, result.rows_rejected, result.rows_cut, result.was_complete) == (len(expected) + 1, 1, 0, False)
    assert "none.png" in result.rejects.read_text()
    assert result.summary["settings"]["model"]["template"]
    cache = libdama.ReferenceCache(result.output, policy)
    assert len(cache) == len(expected)
    pairs = [(IMAGE, one["prompt"], one["chosen"], one["rejected"]) for one in expected]
    for found, one in zip(cache.logps_batch(pairs), expected):
        assert_equal(found.chosen, one["chosen_logps"])
        assert_equal(found.rejected, one["rejected_logps"])
    one = expected[0]
    assert_equal(cache.logps(IMAGE.read_bytes(), *pairs[0][1:]).chosen, one["chosen_logps"])
    assert pairs[0] in cache and {**one, "image": IMAGE} in cache
    for other in [
        (IMAGE.read_bytes() + b"\0", *pairs[0][1:]),
        (IMAGE, one["prompt"] + " ", one["chosen"], one["rejected"]),
        (IMAGE, one["prompt"], one["rejected"], one["chosen"]),
    ]:
        assert other not in cache
        with pytest.raises(ValueError, match="pair 1: .* exactly this image"):
            cache.logps_batch([pairs[0], other])


def test_a_stale_cache_is_named(job):
    output = job().output
    for options, what in [({"image_mode": "pad"}, "image_processing"), ({"system": "Be brief."}, "template")]:
        with pytest.raises(ValueError, match=what):
            libdama.ReferenceCache(output, libdama.Policy(FIXTURES / "default", **options))
    with pytest.raises(ValueError, match="weights"):
        libdama.ReferenceCache(output, libdama.Policy(FIXTURES / "full_gqa_tied"))
    assert len(libdama.ReferenceCache(output)) > 0


def test_a_job_stops_and_goes_on(job, expected):
    whole = job(FIXTURES / "default", block_rows=1).output.read_bytes()
    assert job(block_rows=1).was_complete
    seen = []

    class Enough(Exception):
        pass

    def stop(it):
        seen.append(it)
        if it.phase == "computing" and it.rows_done >= 2:
            raise Enough

    with pytest.raises(Enough):
        job(block_rows=1, restart=True, progress=stop)
    resumed = []
    assert job(block_rows=1, progress=lambda it: resumed.append(it.rows_resumed)).output.read_bytes() == whole
    assert max(resumed) == 2 and seen[0].phase == "scanning"


def test_what_cannot_be(job, policy, tmp_path):
    for options, message in [
        ({"format": "json"}, "full, logps"),
        ({"workers": -1}, "workers is -1"),
        ({"row_limit": -1}, "row_limit is -1"),
        ({"image_limit": 0}, "image_limit is 0"),
        ({"fields": {"answer": "x"}}, 'unknown field "answer"'),
    ]:
        with pytest.raises(ValueError, match=message):
            job(**options)
    with pytest.raises(libdama.DamaError, match="more than the 0 allowed"):
        job(max_rejected=0)
    with pytest.raises(OSError, match="summary"):
        libdama.ReferenceCache(tmp_path / "none.jsonl", policy)
    cache = libdama.ReferenceCache(job().output)
    with pytest.raises(ValueError, match="pixels"):
        cache.logps(np.zeros((2, 2, 3), np.uint8), "a", "b", "c")
    with pytest.raises(OSError, match="nowhere.png"):
        cache.logps("/nowhere.png", "a", "b", "c")
    with pytest.raises(ValueError, match="empty"):
        cache.logps_batch([])
