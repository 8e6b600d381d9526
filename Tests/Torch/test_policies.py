"""Policies against transformers in fp32: token log-probabilities and greedy text of random models.

Small models of every kind, and some with their true widths but only one decoder layer.
"""

from __future__ import annotations

import gc
import itertools
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import random_llama
import skimage
import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    CLIPVisionConfig,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaNextConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

import libdama

FIXTURES = Path(__file__).parents[1] / "DamaModelsTests/Fixtures"
sys.path.insert(0, str(FIXTURES))
import policy_oracle  # noqa: E402

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)
GREEDY = 24


def template(kind: str) -> str:
    return SYSTEM + " USER: <image>\n{} ASSISTANT: " if kind.startswith("llava") else "{} "


def sentences(count: int, length: int, seed: int) -> list[str]:
    """Random words from the whole vocabulary."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(random_llama.words(), k=draw.randint(1, length))) for _ in range(count)]


def questions(seed: int) -> list[tuple[str, str, str]]:
    """(question, chosen, rejected), short and long ones."""
    asked = ["What is in the image?", "Describe it.\nBe brief, naïve 雪 and 3.5 m away.", *sentences(2, 30, seed)]
    return list(zip(asked, sentences(4, 40, seed + 1), ["No.", *sentences(3, 12, seed + 2)]))


class Reference:
    """transformers' results for texts and images in fp32, whatever the type of the stored weights."""

    def __init__(self, directory, config, words, images):
        self.kind, self.config = config.model_type, config
        self.model = random_llama.CLASSES[self.kind].from_pretrained(directory, dtype=torch.float32).eval()
        self.words, self.images = words, images
        if self.kind.startswith("llava"):
            self.processor = random_llama.processor(config, words)

    def inputs(self, text: str, index: int):
        if not self.kind.startswith("llava"):
            return dict(self.words(text, return_tensors="pt", return_token_type_ids=False))
        image = Image.fromarray(self.images[index])
        return {k: v for k, v in self.processor(text=text, images=image, return_tensors="pt").items()
                if k != "token_type_ids"}  # fmt: skip

    def logps(self, index: int, question: str, *responses: str) -> list[np.ndarray]:
        prompt = template(self.kind).format(question)
        whole = [self.inputs(prompt + response + "</s>", index) for response in responses]
        # The response begins at the first token in which the prompt, without its final space, and the texts differ.
        alone = self.inputs(prompt.rstrip(" "), index)["input_ids"][0].tolist()
        lists = [alone, *[inputs["input_ids"][0].tolist() for inputs in whole]]
        length = next((i for i, ids in enumerate(zip(*lists)) if len(set(ids)) > 1), len(alone))
        found = []
        for inputs in whole:
            ids = inputs["input_ids"][0, length:]
            with torch.inference_mode():
                rows = self.model(**inputs).logits[0, length - 1 : -1].log_softmax(-1)
            found.append(rows.gather(1, ids[:, None])[:, 0].numpy())
        return found

    def continuation(self, index: int, question: str, **options) -> list[int]:
        inputs = self.inputs(template(self.kind).format(question).rstrip(" "), index)
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, do_sample=False, max_new_tokens=GREEDY, **options)
        continuation = tokens[0, inputs["input_ids"].shape[1] :].tolist()
        return continuation[: continuation.index(2)] if 2 in continuation else continuation


# One for each model.
BEAMS = itertools.cycle([
    {"num_beams": 2}, {"num_beams": 3, "length_penalty": 0.0, "early_stopping": True},
    {"num_beams": 5, "length_penalty": 2.0, "early_stopping": "never"},
])  # fmt: skip


def compare(directory, config, words, images, asked) -> None:
    reference = Reference(directory, config, words, images)
    expected = [reference.logps(index, *texts) for index, texts in enumerate(asked)]
    search = next(BEAMS)
    greedy, beams = (
        [reference.continuation(index, texts[0], **options) for index, texts in enumerate(asked)]
        for options in ({}, search)
    )
    flat = np.concatenate([logps for pair in expected for logps in pair])
    assert np.ptp(flat) > 3 and len(flat) > 30, "all tokens are equally likely; the test would be meaningless"
    assert len({token for tokens in greedy for token in tokens}) > 10, "the greedy texts have too few different tokens"
    # A large model and its copy would not fit in memory together.
    del reference
    gc.collect()

    policy = libdama.Policy(directory, template="vicuna_v1" if config.model_type.startswith("llava") else "plain")
    pairs = [(image, *texts) for image, texts in zip(images, asked)]
    for found, pair in zip(policy.logps_batch(pairs), expected):
        for response, logps in zip((found.chosen, found.rejected), pair):
            # Rounding in fp32, at logits of the order of 10.
            np.testing.assert_allclose(response.tokens, logps, atol=1e-4, rtol=0)
    texts = [texts[0] for texts in asked]
    single = [policy.generate(text, image, max_tokens=GREEDY).tokens.tolist() for text, image in zip(texts, images)]
    assert single == greedy
    batch = policy.generate(texts, None if images[0] is None else images, max_tokens=GREEDY)
    assert [found.tokens.tolist() for found in batch] == greedy
    batch = policy.generate(texts, None if images[0] is None else images, max_tokens=GREEDY, **search)
    assert [found.tokens.tolist() for found in batch] == beams


def photographs():
    return [skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket()]


@pytest.fixture(scope="module")
def vocabularies():
    return {size: random_llama.tokenizer(size) for size in (2_000, 32_000)}


# Types and shards alternate, so that each is combined with both kinds of model, of heads and of vocabularies.
FILES = itertools.cycle([("fp16", "50GB"), ("bf16", "1MB"), ("fp32", "1MB")])
SMALL = [(*model, *next(FILES)) for model in itertools.product(
    ("llama", "llava"), ("MHA", "GQA"), ("untied", "tied"), (2_000, 32_000)
)]  # fmt: skip


@pytest.mark.parametrize("kind,heads,tied,vocabulary,dtype,shards", SMALL)
def test_small_models_equal_transformers(kind, heads, tied, vocabulary, dtype, shards, vocabularies, tmp_path):
    words = vocabularies[vocabulary]
    text = dict(
        vocab_size=vocabulary, hidden_size=128, intermediate_size=344, num_hidden_layers=3, num_attention_heads=8,
        num_key_value_heads=8 if heads == "MHA" else 2, max_position_embeddings=1024, tie_word_embeddings=tied == "tied",
    )  # fmt: skip
    if kind == "llama":
        config = LlamaConfig(**text)
    else:
        # As in LLaVA-1.5, the embeddings have a few more rows than the tokenizer has tokens.
        config = LlavaConfig(
            text_config=LlamaConfig(**{**text, "vocab_size": vocabulary + 64}),
            vision_config=CLIPVisionConfig(
                hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4, image_size=56,
                patch_size=14,
            ),
            image_token_index=words.convert_tokens_to_ids("<image>"), image_seq_length=16,
            tie_word_embeddings=tied == "tied",
        )  # fmt: skip
    directory = random_llama.write(tmp_path, config, words, dtype, shards)
    sharded = (directory / "model.safetensors.index.json").exists()
    assert sharded == (shards != "50GB")
    images = photographs() if kind == "llava" else [None] * 4
    compare(directory, config, words, images, questions(seed=len(heads) + vocabulary))


def test_llava_of_true_width_equals_transformers(vocabularies, tmp_path):
    """LLaVA-1.5-7B's vision tower, projector, embeddings and LM head, and one of its 32 layers. Takes 6 GB."""
    words = vocabularies[32_000]
    config = LlavaConfig(
        text_config=LlamaConfig(
            vocab_size=32_064, hidden_size=4096, intermediate_size=11008, num_hidden_layers=1, num_attention_heads=32,
            max_position_embeddings=4096, rms_norm_eps=1e-5,
        ),
        vision_config=CLIPVisionConfig(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=336,
            patch_size=14, projection_dim=768,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"), image_seq_length=576, vision_feature_layer=-2,
    )  # fmt: skip
    directory = random_llama.write(tmp_path, config, words, "fp16", "1GB")
    compare(directory, config, words, photographs()[:2], questions(seed=7)[:2])


def test_llava_next_of_true_width_equals_transformers(vocabularies, tmp_path):
    """LLaVA-1.6-7B's widths, tiles and grids, with one layer of its decoder and one used layer of its vision tower."""
    words = vocabularies[32_000]
    config = LlavaNextConfig(
        text_config=LlamaConfig(
            vocab_size=32_064, hidden_size=4096, intermediate_size=11008, num_hidden_layers=1, num_attention_heads=32,
            max_position_embeddings=4096, rms_norm_eps=1e-5,
        ),
        vision_config=CLIPVisionConfig(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=2, num_attention_heads=16, image_size=336,
            patch_size=14, projection_dim=768,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"), image_seq_length=576, vision_feature_layer=-2,
    )  # fmt: skip
    directory = random_llama.write(tmp_path, config, words, "fp16", "1GB")
    # Two grids, of 2 × 2 and of 2 × 1 tiles, each with padding.
    compare(directory, config, words, [skimage.data.coffee(), skimage.data.rocket()[:, 200:330]], questions(seed=8)[:2])


def test_smolvlm_of_true_width_equals_transformers(tmp_path):
    """SmolVLM-256M's widths and tiles of 512 pixels, 64 tokens each, with one layer of its decoder and of its tower."""
    words = AutoTokenizer.from_pretrained(FIXTURES / "idefics3")
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    words.add_special_tokens({"additional_special_tokens": tiles}, replace_extra_special_tokens=False)
    config = SmolVLMConfig(
        vision_config={
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 1, "num_attention_heads": 12,
            "image_size": 512, "patch_size": 16,
        },
        text_config=LlamaConfig(
            vocab_size=len(words), hidden_size=576, intermediate_size=1536, num_hidden_layers=1, num_attention_heads=9,
            num_key_value_heads=3, max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=100_000, bos_token_id=0,
            eos_token_id=0, pad_token_id=0,
        ),
        image_token_id=words.convert_tokens_to_ids("<image>"), scale_factor=4, pad_token_id=0,
    )  # fmt: skip
    model = SmolVLMForConditionalGeneration(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2:
                parameter.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.1)
            else:
                parameter.normal_(0.0, 1.5 * parameter[0].numel() ** -0.5)
    model.eval().save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    cutter = SmolVLMImageProcessorPil(size={"longest_edge": 2048}, max_image_size={"longest_edge": 512})
    cutter.save_pretrained(tmp_path)
    processor = Idefics3Processor(cutter, words, image_seq_len=64)
    # 3 × 4 tiles and 4 × 2 tiles, each with the whole picture.
    images = {"coffee": skimage.data.coffee(), "rocket": skimage.data.rocket()[:, 200:380]}
    oracle = policy_oracle.Oracle(
        model, processor, lambda question, images: f"User:<image>{question}<end_of_utterance>\nAssistant: ",
        "<end_of_utterance>",
    )  # fmt: skip
    cases = [(["coffee"], "What is it?", "A star.", "There is a large square."), (["rocket"], "Colour?", "Blue.", "red")]
    expected = oracle.expected(cases, {name: Image.fromarray(image) for name, image in images.items()}, GREEDY)
    policy = libdama.Policy(
        tmp_path, template="User:{image}{question}<end_of_utterance>\nAssistant: {response}<end_of_utterance>"
    )
    for case, known in zip(cases, expected):
        image = images[case[0][0]]
        found = policy.logps(image, *case[1:])
        np.testing.assert_allclose(found.chosen.tokens, known["chosen_logps"], atol=1e-4, rtol=0)
        np.testing.assert_allclose(found.rejected.tokens, known["rejected_logps"], atol=1e-4, rtol=0)
        tokens = policy.generate(case[1], image, max_tokens=GREEDY).tokens.tolist()
        assert tokens == known["continuation"][: len(tokens)] and len(tokens) > 5
    assert np.ptp([value for known in expected for value in known["chosen_logps"]]) > 1


# One layer of Mistral-7B, Qwen2.5-7B and Qwen3-4B, with this file's vocabulary. A window shorter than the texts.
TRUE_WIDTHS = {
    "Mistral-7B": MistralConfig(
        hidden_size=4096, intermediate_size=14336, num_attention_heads=32, num_key_value_heads=8, sliding_window=16,
        max_position_embeddings=32768, rms_norm_eps=1e-5,
    ),
    "Qwen2.5-7B": Qwen2Config(
        hidden_size=3584, intermediate_size=18944, num_attention_heads=28, num_key_value_heads=4,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    ),
    "Qwen3-4B": Qwen3Config(
        hidden_size=2560, intermediate_size=9728, num_attention_heads=32, num_key_value_heads=8, head_dim=128,
        tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUE_WIDTHS)
def test_decoders_of_true_width_equal_transformers(name, vocabularies, tmp_path):
    """Each takes up to 4 GB."""
    config = TRUE_WIDTHS[name]
    config.num_hidden_layers, config.vocab_size = 1, 32_000
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, 2, None
    if hasattr(config, "layer_types"):
        config.layer_types = config.layer_types[:1]
    directory = random_llama.write(tmp_path, config, vocabularies[32_000], "bf16")
    compare(directory, config, vocabularies[32_000], [None] * 2, questions(seed=3)[:2])
