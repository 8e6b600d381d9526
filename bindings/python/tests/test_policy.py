import json
import os
import re
import signal
import subprocess
import sys
import threading
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


def assert_equal(found, logps):
    assert found.tokens.dtype == np.float32 and not found.was_cut
    assert found.count == len(found.tokens) == len(logps)
    # fp32 on both sides through a vision tower and a decoder; the numbers are of the order of 10.
    np.testing.assert_allclose(found.tokens, logps, atol=1e-4)
    assert found.sum == pytest.approx(sum(logps), abs=1e-3)
    assert found.mean == pytest.approx(found.sum / found.count)


def test_log_probabilities_equal_transformers(policy, expected):
    for image in (IMAGE, str(IMAGE), IMAGE.read_bytes()):
        one = expected[0]
        found = policy.logps(image, one["prompt"], one["chosen"], one["rejected"])
        assert_equal(found.chosen, one["chosen_logps"])
        assert_equal(found.rejected, one["rejected_logps"])
    tuples = [(IMAGE, one["prompt"], one["chosen"], one["rejected"]) for one in expected]
    mappings = [{**one, "image": IMAGE} for one in expected]
    for pairs in (tuples, mappings):
        for found, one in zip(policy.logps_batch(pairs), expected):
            assert_equal(found.chosen, one["chosen_logps"])
            assert_equal(found.rejected, one["rejected_logps"])


def test_separate_sequences_and_small_batches_agree(policy, expected):
    pairs = [(IMAGE, one["prompt"], one["chosen"], one["rejected"]) for one in expected]
    packed = policy.logps_batch(pairs)
    other = libdama.Policy(FIXTURES / "default", share_prefix=False, token_budget=1)
    for a, b in zip(packed, other.logps_batch(pairs)):
        np.testing.assert_allclose(a.chosen.tokens, b.chosen.tokens, atol=1e-5)
        np.testing.assert_allclose(a.rejected.tokens, b.rejected.tokens, atol=1e-5)


def test_the_other_model_and_its_facts(policy):
    other = libdama.Policy(FIXTURES / "full_gqa_tied")
    for one in json.loads((FIXTURES / "full_gqa_tied" / "expected.json").read_text()):
        assert_equal(other.logps(IMAGE, one["prompt"], one["chosen"], one["rejected"]).chosen, one["chosen_logps"])
    # One token for each of 4 x 4 patches; "full" keeps the class token as well.
    assert (policy.image_tokens, other.image_tokens) == (16, 17)
    assert (policy.hidden_size, policy.max_length) == (32, 512)
    assert policy.template == f"{FIXTURES}/default/chat_template.jinja"
    assert policy.vocabulary_size > len(libdama.Tokenizer(FIXTURES / "default"))


def test_onnx_files_give_the_same_numbers_and_text(expected):
    exported = libdama.Policy(FIXTURES.parent / "onnx" / "llava")
    pairs = [(IMAGE, one["prompt"], one["chosen"], one["rejected"]) for one in expected]
    for found, one in zip(exported.logps_batch(pairs), expected):
        assert_equal(found.chosen, one["chosen_logps"])
        assert_equal(found.rejected, one["rejected_logps"])
    for found, one in zip(exported.generate([one["prompt"] for one in expected], IMAGE, max_tokens=20), expected):
        assert found.tokens.tolist() == one["continuation"][: len(found.tokens)]
        assert len(found.tokens) == 20 or found.finish == "end"


def test_arrays_are_images_too(policy):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    plain = policy.logps(pixels, "What?", "This.", "That.")
    same = policy.logps(np.asfortranarray(pixels), "What?", "This.", "That.")
    np.testing.assert_array_equal(plain.chosen.tokens, same.chosen.tokens)
    padded = libdama.Policy(FIXTURES / "default", image_mode="pad").logps(pixels, "What?", "This.", "That.")
    assert abs(padded.chosen.sum - plain.chosen.sum) > 1e-3


def test_overlong_responses_are_refused_or_cut(policy):
    options = {"template": "{image}Q {question} {response}{end}", "max_length": 40}
    pair = (IMAGE, "What is in the image?", "A", "There is a large green square at the top.")
    with pytest.raises(ValueError, match="pair 0: .* maximum of 40"):
        libdama.Policy(FIXTURES / "default", **options).logps(*pair)
    found = libdama.Policy(FIXTURES / "default", overlong="cut", **options).logps(*pair)
    assert found.rejected.was_cut and not found.chosen.was_cut
    whole = libdama.Policy(FIXTURES / "default", template=options["template"]).logps(*pair).rejected
    np.testing.assert_allclose(found.rejected.tokens, whole.tokens[: found.rejected.count], atol=1e-5)


def test_a_system_prompt_changes_the_prompt():
    pair = (IMAGE, "What?", "This.", "That.")
    plain = libdama.Policy(FIXTURES / "default", template="llava-1.5").logps(*pair)
    none = libdama.Policy(FIXTURES / "default", template="vicuna_v1", system="").logps(*pair)
    brief = libdama.Policy(FIXTURES / "default", template="vicuna_v1", system="Be brief.").logps(*pair)
    np.testing.assert_array_equal(plain.chosen.tokens, none.chosen.tokens)
    assert abs(brief.chosen.sum - none.chosen.sum) > 1e-3
    assert {"vicuna_v1", "llava-1.5", "plain", "chatml"} <= set(libdama.prompt_templates())


def whole_characters(text):
    # A random model generates bytes that are not characters. A whole run of bytes determines which of them become
    # U+FFFD, but a stream knows only the beginning.
    return re.sub("[\ufffd\0-\x1f]+", "", text)


def test_greedy_text_equals_transformers(policy, expected):
    heard = {}

    def callback(index, text):
        heard[index] = heard.get(index, "") + text

    found = policy.generate([one["prompt"] for one in expected], IMAGE, max_tokens=20, callback=callback)
    for index, one in enumerate(expected):
        tokens = one["continuation"]
        if found[index].finish == "end":
            # The continuation of transformers does not end at the end token.
            tokens = tokens[: len(found[index].tokens)]
        else:
            assert found[index].finish == "length"
            assert whole_characters(found[index].text) == whole_characters(one["continuation_text"])
        assert found[index].tokens.tolist() == tokens
        assert str(found[index]) == heard[index]
    alone = policy.generate(expected[0]["prompt"], IMAGE, max_tokens=20)
    assert alone.tokens.tolist() == found[0].tokens.tolist()


def test_sampling_stop_strings_and_seeds(policy, expected):
    def text(**options):
        return policy.generate("What is it?", image=IMAGE, max_tokens=24, **options).text

    assert text(temperature=1.5, seed=3) == text(temperature=1.5, seed=3) != text(temperature=1.5, seed=4)
    # With one candidate, the choice is the likeliest token.
    assert text(temperature=2.0, top_k=1, seed=9) == text() == text(temperature=2.0, top_p=1e-9, seed=9)
    prompt, whole = expected[0]["prompt"], expected[0]["continuation_text"]
    for stop in ("start", ["never", "start"]):
        found = policy.generate(prompt, IMAGE, max_tokens=20, stop=stop)
        assert (found.finish, found.text) == ("stop", whole[: whole.index("start")])


def test_beams_equal_transformers(policy):
    cases = json.loads((FIXTURES.parent / "beams/models.json").read_text())["llava/default"]
    for case in cases:
        if case["end_tokens"] != [2]:
            continue
        names = ("num_beams", "length_penalty", "early_stopping", "max_tokens")
        options = {name: case[name] for name in names}
        heard = []
        found = policy.generate(
            [prompt["question"] for prompt in case["prompts"]], IMAGE, stop=case.get("stop", ()), **options,
            callback=lambda index, text: heard.append((index, text)),
        )  # fmt: skip
        assert [one.tokens.tolist() for one in found] == case["tokens"]
        assert {index: text for index, text in heard if text} == {i: one.text for i, one in enumerate(found) if one.text}
        assert (0, "") in heard or case["max_tokens"] == 1
    with pytest.raises(libdama.Cancelled, match="callback"):
        policy.generate("What?", IMAGE, num_beams=2, callback=lambda index, text: False)
    for options, message in [
        ({"temperature": 1.0}, "num_beams is 3 and the temperature is 1.0"), ({"early_stopping": "soon"}, "early_stopping"),
        ({"length_penalty": float("nan")}, "length_penalty"), ({"num_beams": 1025}, "num_beams is 1025"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            policy.generate("What?", IMAGE, **{"num_beams": 3, **options})


def test_a_callback_stops_everything(policy):
    heard = []

    def stop(index, text):
        heard.append(text)
        return len(heard) < 3

    with pytest.raises(libdama.Cancelled, match="callback"):
        policy.generate("What?", IMAGE, callback=stop)
    assert len(heard) == 3

    def fail(index, text):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        policy.generate("What?", IMAGE, callback=fail)


def test_another_thread_stops_generation(policy):
    for callback in (None, lambda index, text: True):
        token = libdama.Cancellation()
        timer = threading.Timer(0.05, token.cancel)
        timer.start()
        with pytest.raises(libdama.Cancelled, match="another thread"):
            policy.generate(["What?"] * 500, IMAGE, max_tokens=400, callback=callback, cancellation=token)
        timer.join()
        with pytest.raises(libdama.Cancelled):
            policy.generate("What?", IMAGE, callback=callback, cancellation=token)


def test_ctrl_c_stops_generation_without_a_callback():
    code = f"""
import os, signal, threading, libdama
policy = libdama.Policy({str(FIXTURES / "default")!r})
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    policy.generate(["What?"] * 500, {str(IMAGE)!r}, max_tokens=400)
except KeyboardInterrupt:
    print("stopped", str(policy.generate("What?", {str(IMAGE)!r}, max_tokens=4)) != "")
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped True\n", "")


def test_ctrl_c_stops_generation():
    code = f"""
import os, signal, libdama
policy = libdama.Policy({str(FIXTURES / "default")!r})
def callback(index, text):
    os.kill(os.getpid(), signal.SIGINT)
try:
    policy.generate("What?", {str(IMAGE)!r}, max_tokens=500, temperature=5.0, callback=callback)
except KeyboardInterrupt:
    print("stopped", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped True\n", "")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_policy_in_several_threads(policy, expected):
    one, results = expected[0], [None] * 4

    def work(i):
        text = policy.generate(one["prompt"], IMAGE, max_tokens=8)
        results[i] = (text.tokens.tolist(), policy.logps(IMAGE, one["prompt"], one["chosen"], one["rejected"]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for tokens, logps in results:
        assert tokens == one["continuation"][:8]
        assert_equal(logps.chosen, one["chosen_logps"])


def test_what_cannot_be(policy, tmp_path):
    for pairs, message in [
        ([], "batch is empty"),
        ([(None, "a", "b", "c")], "pair 0: the pair has no image"),
        ([(IMAGE, "a", "", "c")], "pair 0: a response is empty"),
        ([(IMAGE, "a", "b")], "pair 0 must be a mapping or a tuple"),
        ([{"image": IMAGE, "prompt": "a", "chosen": "b"}], "pair 0 has no 'rejected'"),
        ([(IMAGE, "a", "b\0", "c")], "pair 0: chosen contains a NUL"),
        ([(IMAGE, "a", None, "c")], "pair 0: chosen is NoneType"),
        ([(IMAGE, "<image><image>", "b", "c")], "2 times"),
        ([(np.zeros((2, 2)), "a", "b", "c")], "float64"),
    ]:
        with pytest.raises(ValueError, match=message):
            policy.logps_batch(pairs)
    for options, message in [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"stop": ""}, "stop string is empty"),
        ({"seed": -1}, "seed"),
    ]:
        with pytest.raises(ValueError, match=message):
            policy.generate("a", IMAGE, **options)
    with pytest.raises(ValueError, match="2 prompts and 1 images"):
        policy.generate(["a", "b"], [IMAGE])
    with pytest.raises(OSError, match="nowhere.png"):
        policy.generate("a", "/nowhere.png")
    with pytest.raises(OSError, match="config.json"):
        libdama.Policy(tmp_path)
    with pytest.raises(NotImplementedError, match='supported are "llama"'):
        libdama.Policy(FIXTURES.parent / "clip" / "legacy")
    for options, message in [
        ({"template": "vicuna_v9"}, "unknown template"),
        ({"template": "llava-1.5", "system": "x"}, "no place for a system prompt"),
        ({"template_date": "31.1.2026"}, "such as 2026-01-31"),
        ({"image_mode": "stretch"}, "crop, pad, checkpoint"),
        ({"overlong": "shorten"}, "error, cut"),
        ({"token_budget": 0}, "token_budget"),
        ({"max_length": 0}, "max_length"),
        ({"provider": "tpu"}, "'tpu'"),
        ({"precision": "half"}, "expected 'auto', 'float32', 'bfloat16' or 'float16'"),
    ]:
        with pytest.raises(ValueError, match=message):
            libdama.Policy(FIXTURES / "default", **options)
    with pytest.raises(NotImplementedError, match="use float32 or float16"):
        libdama.Policy(FIXTURES / "default", precision="bfloat16")


def test_float16_is_near_float32():
    """Random models: logits of about 5 with a relative error of some 2**-11, forty times as a random walk."""
    pair = (IMAGE, "a", "b c", "d")
    (single,) = libdama.Policy(FIXTURES / "default").logps_batch([pair])
    (half,) = libdama.Policy(FIXTURES / "default", precision="float16").logps_batch([pair])
    np.testing.assert_allclose(half.chosen.tokens, single.chosen.tokens, atol=3e-2)
    assert half.chosen.sum != single.chosen.sum


def test_llavas_original_layout_equals_transformers():
    """Fixtures of Tests/DamaModelsTests/Fixtures/make_llava_original.py; fp32 on both sides."""
    root = FIXTURES.parent / "llava_original"
    policy = libdama.Policy(root / "model", vision_tower=root / "tower")
    assert policy.template == "vicuna_v1"
    expected = [entry for entry in json.loads((root / "expected.json").read_text()) if entry["mode"] == "checkpoint"]
    assert len(expected) == 2
    for entry in expected:
        found = policy.logps(str(root / "image.png"), entry["prompt"], entry["chosen"], entry["rejected"])
        assert found.chosen.tokens == pytest.approx(entry["chosen_logps"], abs=1e-4)
        assert found.rejected.tokens == pytest.approx(entry["rejected_logps"], abs=1e-4)
    with pytest.raises(ValueError, match="give its directory"):
        libdama.Policy(root / "model")


def test_conversations_equal_transformers():
    """Several turns, a system prompt, several images (Tests/DamaModelsTests/Fixtures/make_turns.py); fp32 on both sides."""
    folder = FIXTURES.parent / "two_images"
    paths = {"image.png": str(FIXTURES / "image.png"), "second.png": str(folder / "second.png")}
    policy = libdama.Policy(FIXTURES / "default")
    cases = [case for case in json.loads((folder / "turns.json").read_text()) if "conversations" in case["row"]]
    assert len(cases) == 2
    for case in cases:
        row = case["row"]
        messages = row["conversations"]
        if messages[-1]["from"] == "gpt":
            messages = messages[:-1]
        images = [paths[image if isinstance(image, str) else image["path"]] for image in row["images"]]
        texts = {key: row[key] if isinstance(row[key], str) else row[key]["value"] for key in ("chosen", "rejected")}
        found = policy.logps_batch([{"messages": messages, "images": images, **texts}])[0]
        assert found.chosen.tokens == pytest.approx(case["chosen_logps"], abs=1e-4)
        assert found.rejected.tokens == pytest.approx(case["rejected_logps"], abs=1e-4)

    question = [{"role": "user", "content": "What is in the image?"}]
    image = str(FIXTURES / "image.png")
    heard = []
    text = policy.chat(question, image, max_tokens=12, callback=lambda index, piece: heard.append(piece))
    assert text.text == policy.generate("What is in the image?", image, max_tokens=12).text == "".join(heard)
    for pair, what in [
        ({"messages": question, "chosen": "a"}, "has no 'rejected'"),
        ({"messages": [object()], "chosen": "a", "rejected": "b"}, "list of messages"),
        ({"messages": "Hi?", "chosen": "a", "rejected": "b"}, "must hold messages, found a string"),
        ({"messages": question, "image": image, "chosen": 1, "rejected": "b"}, "chosen is int"),
        ({"messages": question, "images": [image, image], "chosen": "a", "rejected": ""}, "is empty"),
    ]:
        with pytest.raises(ValueError, match=what):
            policy.logps_batch([pair])
    with pytest.raises(ValueError, match="2 times"):
        policy.chat([{"role": "user", "content": "<image> <image>"}], image)
