"""A real model, SmolLM2-135M-Instruct, against transformers in fp32 with the same directory (scripts/smollm2.py)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import libdama

LENGTH = 64
PROMPTS = [
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "Explain to a child why the sky is blue.",
    "List five fruits that are red.",
    "Translate into German: The house is small.",
    "Who wrote Hamlet, and when?",
    "Give me a recipe for pancakes.",
    "What is 17 + 25? Show how you get there.",
    "Write a Python function that reverses a string.",
    "Describe a busy street in the rain, in two sentences.",
    "What are the primary colours?",
    "Summarise: The cat sat on the mat, and then it slept all afternoon in the sun.",
    "How do I boil an egg?",
    "Name three planets that have rings.",
    "Why do leaves change colour in autumn?",
    "Write a short letter to a landlord about a broken heater.",
    "What is the difference between a virus and a bacterium?",
    "Continue the story: The lighthouse keeper heard a knock at the door.",
    "Give two arguments for and two against homework.",
    "What does HTTP stand for?",
    "Tell me a joke about a penguin.",
    "Rewrite politely: Send me the report now!",
    "Which is heavier, a kilogram of feathers or a kilogram of iron?",
    "Describe the image: a dog runs along a beach.\nSplit it into facts.",
]


@pytest.fixture(scope="module")
def model(smollm2):
    return AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def words(smollm2):
    return AutoTokenizer.from_pretrained(smollm2)


@pytest.fixture(scope="module")
def policy(smollm2):
    return libdama.Policy(smollm2)


@pytest.fixture(scope="module")
def greedy(model, words):
    """The continuations by transformers, without the end token."""
    found = []
    for prompt in PROMPTS:
        messages = [{"role": "user", "content": prompt}]
        text = words.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        inputs = words(text, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            tokens = model.generate(**inputs, do_sample=False, max_new_tokens=LENGTH)
        tokens = tokens[0, inputs["input_ids"].shape[1] :].tolist()
        found.append(tokens[: tokens.index(words.eos_token_id)] if words.eos_token_id in tokens else tokens)
    return found


def test_the_weights_are_the_model(model, words):
    """The rows and scales are in the right places: the model predicts English and knows a fact."""
    text = (
        "The sun is a star. It is the largest object in the solar system, and the planets move around it. Light from the "
        "sun takes about eight minutes to reach the Earth."
    )
    ids = words(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        loss = model(ids, labels=ids).loss.item()
    # An untrained model has log 49152 = 10.8; one that knows only the frequencies of words about 7.
    assert loss < 3
    answer = "The capital of France is"
    with torch.inference_mode():
        logits = model(**words(answer, return_tensors="pt")).logits[0, -1]
    assert words.decode(logits.argmax()) == " Paris"


def test_log_probabilities_equal_transformers(policy, model, words, greedy, smollm2):
    # The model's own template, run.
    assert policy.template.startswith(str(smollm2))
    answers = [words.decode(tokens) for tokens in greedy]
    # Its own answers, which are likely, against the answers to other prompts, which are not.
    pairs = list(zip(PROMPTS, answers, answers[1:] + answers[:1]))
    found = policy.logps_batch([(None, *pair) for pair in pairs])
    for logps, (prompt, *responses) in zip(found, pairs):
        for response, ours in zip(responses, (logps.chosen, logps.rejected)):
            user = {"role": "user", "content": prompt}
            before = words.apply_chat_template([user], add_generation_prompt=True, tokenize=False)
            start = len(words(before)["input_ids"])
            # All that the template adds belongs to the response, as in TRL.
            whole = words.apply_chat_template([user, {"role": "assistant", "content": response}], tokenize=False)
            assert whole.startswith(before)
            ids = words(whole, return_tensors="pt")["input_ids"]
            assert words(before)["input_ids"] == ids[0, :start].tolist()
            with torch.inference_mode():
                rows = model(ids).logits[0, start - 1 : -1].log_softmax(-1)
            expected = rows.gather(1, ids[0, start:, None])[:, 0].numpy()
            # Both sides compute 30 layers in fp32.
            np.testing.assert_allclose(ours.tokens, expected, atol=1e-4, rtol=0)


def test_greedy_text_equals_transformers(policy, words, greedy):
    assert sum(map(len, greedy)) > 20 * LENGTH / 2
    single = [policy.generate(prompt, max_tokens=LENGTH) for prompt in PROMPTS]
    assert [found.tokens.tolist() for found in single] == greedy
    assert [str(found) for found in single] == words.batch_decode(greedy, skip_special_tokens=True)
    for start in range(0, len(PROMPTS), 8):
        batch = policy.generate(PROMPTS[start : start + 8], max_tokens=LENGTH)
        assert [found.tokens.tolist() for found in batch] == greedy[start : start + 8]
