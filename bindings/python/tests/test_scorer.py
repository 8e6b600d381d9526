import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import libdama
from libdama._runtime import runtime_path

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures" / "clip"


@pytest.fixture(scope="module")
def expected():
    """The results of transformers, which Fixtures/make_clip.py wrote."""
    return json.loads((FIXTURES / "legacy" / "expected.json").read_text())


@pytest.fixture(scope="module")
def scorer():
    return libdama.Scorer(FIXTURES / "legacy")


def test_scores_equal_transformers(scorer, expected):
    for name, logits in zip(expected["images"], expected["logits"]):
        path = FIXTURES / name
        for image in (path, str(path), path.read_bytes(), bytearray(path.read_bytes())):
            scores = scorer.score(image, expected["sentences"])
            assert scores.dtype == np.float32
            # Resized pixels differ by at most one grey level.
            np.testing.assert_allclose(scores, logits, atol=1e-3)


def test_embeddings_equal_transformers(scorer, expected):
    assert (scorer.dimension, scorer.max_tokens) == (16, 77)
    assert scorer.logit_scale == pytest.approx(expected["logit_scale"], rel=1e-6)
    texts = scorer.embed_texts(expected["sentences"])
    images = scorer.embed_images([FIXTURES / name for name in expected["images"]])
    np.testing.assert_allclose(texts, expected["text_embeds"], atol=1e-6)
    np.testing.assert_allclose(images, expected["image_embeds"], atol=1e-5)
    assert scorer.embed_texts([]).shape == scorer.embed_images([]).shape == (0, 16)


def test_arrays_are_images_too(scorer):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    plain = scorer.score(pixels, ["a dog"])
    # The layout in memory does not matter.
    np.testing.assert_array_equal(scorer.score(np.asfortranarray(pixels), ["a dog"]), plain)
    assert scorer.score(pixels[:, ::-1], ["a dog"]) != plain


def test_hardness_of_a_pair(scorer, expected):
    # tall.png and three sentences of the fixture, by transformers; δ by Eqs. (5) and (6).
    logits = dict(zip(expected["sentences"], expected["logits"][1]))
    sentences = ["A dog.", "There is", "x"]
    weights = np.exp([logits[sentence] for sentence in sentences])
    shares = weights / weights.sum()
    found = scorer.hardness(FIXTURES / "tall.png", "A dog. There is", "x")
    assert isinstance(found, libdama.PairHardness) and float(found) == found.delta
    assert found.delta == pytest.approx(shares[0] + shares[1] - shares[2], abs=2e-3)
    assert [one.text for one in found.chosen + found.rejected] == sentences
    np.testing.assert_allclose(
        [one.score for one in found.chosen + found.rejected], [logits[sentence] for sentence in sentences], atol=1e-3
    )
    np.testing.assert_allclose([one.probability for one in found.chosen + found.rejected], shares, atol=2e-3)
    assert found.chosen_flags == found.rejected_flags == []
    ratio = (logits["A dog."] + logits["There is"]) / logits["x"]
    by_scores = scorer.hardness(FIXTURES / "tall.png", "A dog. There is", "x", delta="scores")
    assert by_scores.delta == pytest.approx(ratio, abs=2e-3)

    # The command returns responses unchanged, which is valid only for a response of one sentence.
    pair = (FIXTURES / "tall.png", "Two dogs sleep. A cat sits.", "Three birds sing.")
    found = scorer.hardness(*pair, splitter=libdama.Splitter.command("cat"))
    assert [len(found.chosen), len(found.rejected)] == [2, 1]
    assert found.chosen_flags == ["splitter_fallback", "splitter_undivided"] and found.rejected_flags == []
    assert found.delta == scorer.hardness(*pair).delta

    for arguments, options, message in [
        (("A dog.", " "), {}, "the rejected response has no words"),
        (("A dog.", "x"), {"delta": "guess"}, "'probabilities', 'scores'"),
        (("A\0", "x"), {}, "NUL"),
    ]:
        with pytest.raises(ValueError, match=message):
            scorer.hardness(FIXTURES / "tall.png", *arguments, **options)


def test_another_thread_stops_a_scorer(scorer):
    texts = [f"{number} dogs" for number in range(100_000)]
    image = FIXTURES / "tall.png"
    for call in (
        lambda token: scorer.score(image, texts, cancellation=token),
        lambda token: scorer.embed_texts(texts, cancellation=token),
        lambda token: scorer.embed_images([image] * 100_000, cancellation=token),
        lambda token: scorer.hardness(image, ". ".join(texts), "A dog.", cancellation=token),
    ):
        token = libdama.Cancellation()
        timer = threading.Timer(0.05, token.cancel)
        timer.start()
        with pytest.raises(libdama.Cancelled):
            call(token)
        timer.join()
        with pytest.raises(libdama.Cancelled):
            call(token)


def test_orientation_and_transparency():
    images = Path(__file__).parents[3] / "Tests" / "DamaImageTests" / "Fixtures" / "decoding"
    turned, plain = (images / f"turned_{n}.jpg" for n in (6, 1))
    default = libdama.Scorer(FIXTURES / "legacy")
    stored = libdama.Scorer(FIXTURES / "legacy", ignore_orientation=True, drop_alpha=True)
    # The two files have the same picture; the EXIF data of one of them rotate it.
    np.testing.assert_array_equal(stored.score(turned, ["a dog"]), default.score(plain, ["a dog"]))
    assert default.score(turned, ["a dog"]) != default.score(plain, ["a dog"])
    transparent = images / "alpha_6_8.png"
    assert default.score(transparent, ["a dog"]) != stored.score(transparent, ["a dog"])


def test_one_scorer_in_several_threads(scorer, expected):
    path, texts = FIXTURES / expected["images"][0], expected["sentences"]
    results = [None] * 6

    def work(i):
        for _ in range(5):
            results[i] = scorer.score(path, texts)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_allclose(result, expected["logits"][0], atol=1e-3)


def test_what_cannot_be(scorer, tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(libdama.DamaError, match="92 tokens"):
        scorer.embed_texts(["7 " * 90])
    assert libdama.Scorer(FIXTURES / "legacy", long_texts="cut").embed_texts(["7 " * 90]).shape == (1, 16)
    for texts, message in [("a dog", "one string"), (["a\0b"], "NUL")]:
        with pytest.raises(ValueError, match=message):
            scorer.embed_texts(texts)
    for image, message in [
        (pixels[0], r"uint8 \[4, 3\]"),
        (pixels.astype(np.float32), "float32"),
        (3, "int"),
        (b"", "empty"),
        (b"nonsense", "the supported images are JPEG, PNG, WebP"),
    ]:
        with pytest.raises(libdama.DamaError, match=message):
            scorer.score(image, ["a"])
    with pytest.raises(OSError, match="nowhere.jpg"):
        scorer.score("/nowhere.jpg", ["a"])
    with pytest.raises(MemoryError, match="limit of 100 pixels"):
        libdama.Scorer(FIXTURES / "legacy", max_image_pixels=100).score(FIXTURES / "wide.jpg", ["a"])
    with pytest.raises(OSError, match="not a directory"):
        libdama.Scorer(tmp_path / "none")
    for options, message in [
        ({"threads": -1}, "threads"),
        ({"long_texts": "shorten"}, "refuse, cut"),
        ({"provider": "tpu"}, "'tpu'"),
        ({"precision": "half"}, "expected 'auto', 'float32', 'bfloat16' or 'float16'"),
        ({"logit_scale": -1.0}, "logit scale"),
    ]:
        with pytest.raises(ValueError, match=message):
            libdama.Scorer(FIXTURES / "legacy", **options)
    with pytest.raises(NotImplementedError, match="use float32 or float16"):
        libdama.Scorer(FIXTURES / "legacy", precision="bfloat16")


def run_python(code, **environment):
    """Runs Python in a new process, because a process has one ONNX Runtime; by default without DAMA_ONNXRUNTIME."""
    clean = {key: value for key, value in os.environ.items() if key != "DAMA_ONNXRUNTIME"}
    return subprocess.run([sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True)


def test_the_wheels_runtime_is_found_without_importing_it(monkeypatch):
    monkeypatch.delenv("DAMA_ONNXRUNTIME", raising=False)
    pytest.importorskip("onnxruntime")
    assert "libonnxruntime.so" in runtime_path()
    done = run_python(
        f"import libdama, sys; s = libdama.Scorer({str(FIXTURES / 'legacy')!r}); "
        "print(s.dimension, 'onnxruntime' in sys.modules)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "16 False\n", "")


def test_a_runtime_that_is_none():
    done = run_python(
        f"import libdama; libdama.Scorer({str(FIXTURES / 'legacy')!r})", DAMA_ONNXRUNTIME="/nowhere/libonnxruntime.so"
    )
    assert done.returncode == 1
    assert "Unsupported: cannot open /nowhere/libonnxruntime.so ($DAMA_ONNXRUNTIME)" in done.stderr


def test_a_forked_child_is_told():
    done = run_python(
        f"""
import os, libdama
scorer = libdama.Scorer({str(FIXTURES / "legacy")!r})
scorer.embed_texts(["a"])
child = os.fork()
if child == 0:
    try:
        scorer.embed_texts(["b"])
    except NotImplementedError as error:
        os._exit(0 if "fork" in str(error) else 2)
    os._exit(1)
print(os.waitpid(child, 0)[1])
"""
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
