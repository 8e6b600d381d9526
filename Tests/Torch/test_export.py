"""transformers and PEFT load an exported policy and compute the trained policy's log-probabilities.

Tests/TrainingProcess runs the training steps and prints the trained policy's own numbers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import onnxruntime
import peft
import pytest
import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

TESTS = Path(__file__).parents[1]
PROCESS = TESTS.parent / ".build/debug/TrainingProcess"
BATCHES = TESTS / "DamaTrainingTests/Fixtures/batches.json"
LLAVA = TESTS / "DamaModelsTests/Fixtures/llava"
TILED = {kind: TESTS / "DamaModelsTests/Fixtures" / kind for kind in ("llava_next", "idefics3")}
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """A text-only model with the small LLaVA's tokenizer."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = AutoTokenizer.from_pretrained(LLAVA / "default")
    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, initializer_range=0.2,
        )
    )
    model.save_pretrained(folder)
    tokenizer.chat_template = (TESTS.parent / "Sources/DamaModels/Prompts/Named/plain.jinja").read_text()
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def half(tmp_path_factory):
    """The small LLaVA with weights in fp16, as in the real one."""
    folder = tmp_path_factory.mktemp("half")
    shutil.copytree(LLAVA / "default", folder, dirs_exist_ok=True)
    LlavaForConditionalGeneration.from_pretrained(LLAVA / "default", dtype=torch.float16).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    return folder


@pytest.fixture(scope="session")
def tiled(tmp_path_factory):
    """Small models that cut images into tiles, each with its tokenizer in its directory."""
    folders = {}
    for kind, (case, tokenizer) in {"llava_next": ("default", LLAVA / "default"), "idefics3": ("idefics3", "")}.items():
        folders[kind] = tmp_path_factory.mktemp(kind)
        shutil.copytree(TILED[kind] / case, folders[kind], dirs_exist_ok=True)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy((tokenizer or TILED[kind]) / file, folders[kind])
    return folders


IDEFICS = "User:{image}{question}<end_of_utterance>\nAssistant: {response}<end_of_utterance>"


def train(model, kind, output):
    """Trains and exports; returns the token log-probabilities of the last batch, [[chosen, rejected], ...]."""
    image = "" if "llama" in model.name else LLAVA / "image.png"
    template = [IDEFICS] if "idefics3" in model.name else ["vicuna_v1"] if "llava_next" in model.name else []
    library = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
    done = subprocess.run(
        [PROCESS, model, BATCHES, str(image), kind, output, *template], stdout=subprocess.PIPE, check=True,
        env={**os.environ, "DAMA_ONNXRUNTIME": str(library)},
    )
    return json.loads(done.stdout)


def log_probabilities(model, directory):
    """The same numbers by transformers, with a separate sequence for each response."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    is_llava = model.config.model_type == "llava"
    arguments = {}
    if is_llava:
        processor = CLIPImageProcessorPil.from_pretrained(directory)
        arguments = dict(processor(images=Image.open(LLAVA / "image.png"), return_tensors="pt"))
        features = 16 if model.config.vision_feature_select_strategy == "default" else 17
    found = []
    for pair in json.loads(BATCHES.read_text())[-1]:
        prompt = f"{SYSTEM} USER: <image>\n{pair['prompt']} ASSISTANT:" if is_llava else pair["prompt"]
        # The response begins at the first token that differs from the prompt alone or from the other response. A processor
        # adds the start token; a tokenizer's chat template would have to write it.
        texts = [prompt, *(f"{prompt} {pair[response]}</s>" for response in ("chosen", "rejected"))]
        first, *whole = (tokenizer(text, add_special_tokens=is_llava)["input_ids"] for text in texts)
        start = len(os.path.commonprefix([first, *whole]))
        row = []
        for ids in whole:
            length = start
            if is_llava:
                marker = model.config.image_token_id
                ids = [j for i in ids for j in ([marker] * features if i == marker else [i])]
                length += features - 1
            tokens = torch.tensor([ids])
            with torch.no_grad():
                logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), **arguments).logits[0]
            logps = torch.log_softmax(logits[length - 1 : -1].float(), -1)
            row.append(logps.gather(1, tokens[0, length:, None])[:, 0].tolist())
        found.append(row)
    return found


def log_probabilities_of_tiles(model, directory):
    """As ``log_probabilities``, with transformers' processor of the model."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    if model.config.model_type == "llava_next":
        processor = LlavaNextProcessor(
            LlavaNextImageProcessorPil.from_pretrained(directory), tokenizer, patch_size=4,
            vision_feature_select_strategy="default", num_additional_image_tokens=1,
        )  # fmt: skip
        prompt, ending = f"{SYSTEM} USER: <image>\n{{}} ASSISTANT:", "</s>"
    else:
        processor = Idefics3Processor(Idefics3ImageProcessorPil.from_pretrained(directory), tokenizer, image_seq_len=9)
        prompt, ending = "User:<image>{}<end_of_utterance>\nAssistant:", "<end_of_utterance>"
    image = Image.open(LLAVA / "image.png")
    found = []
    for pair in json.loads(BATCHES.read_text())[-1]:
        text = prompt.format(pair["prompt"])
        whole = [processor(text=f"{text} {pair[response]}{ending}", images=image, return_tensors="pt")
                 for response in ("chosen", "rejected")]  # fmt: skip
        alone = processor(text=text, images=image)["input_ids"][0]
        start = len(os.path.commonprefix([list(alone), *(inputs["input_ids"][0].tolist() for inputs in whole)]))
        row = []
        for inputs in whole:
            with torch.no_grad():
                logits = model(**{k: v for k, v in inputs.items() if "type_ids" not in k}).logits[0]
            logps = torch.log_softmax(logits[start - 1 : -1].float(), -1)
            row.append(logps.gather(1, inputs["input_ids"][0, start:, None])[:, 0].tolist())
        found.append(row)
    return found


def flat(rows):
    return torch.tensor([value for row in rows for response in row for value in response])


def compare(found, expected, base):
    assert [[len(r) for r in row] for row in found] == [[len(r) for r in row] for row in expected]
    # Three steps changed the weights clearly: the base model would fail.
    assert (flat(base) - flat(expected)).abs().max() > 0.1
    # Two fp32 programs; log-probabilities are of the order of 10.
    torch.testing.assert_close(flat(found), flat(expected), atol=1e-4, rtol=0)


@pytest.fixture(params=["llava", "llava, tied", "llava, fp16", "llama"])
def base(request, llama, half):
    """A directory and the class that loads it."""
    return {
        "llava": (LLAVA / "default", LlavaForConditionalGeneration),
        "llava, fp16": (half, LlavaForConditionalGeneration),
        "llava, tied": (LLAVA / "full_gqa_tied", LlavaForConditionalGeneration),
        "llama": (llama, LlamaForCausalLM),
    }[request.param]


def original(base):
    directory, architecture = base
    return architecture.from_pretrained(directory, dtype=torch.float32).eval()


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_transformers_loads_the_model(base, kind, tmp_path):
    directory, architecture = base
    output = tmp_path / "exported"
    expected = train(directory, kind, output)
    # As in the configuration: trained weights are fp32, whatever the type of the frozen ones.
    model, info = architecture.from_pretrained(output, output_loading_info=True)
    assert not any(info.values()), info
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    if model.config.tie_word_embeddings:
        assert model.lm_head.weight is model.get_input_embeddings().weight
    compare(log_probabilities(model.eval(), output), expected, log_probabilities(original(base), directory))


def test_peft_loads_the_adapters(base, tmp_path):
    directory, _ = base
    output = tmp_path / "adapters"
    expected = train(directory, "adapters", output)
    plain = log_probabilities(original(base), directory)
    model = peft.PeftModel.from_pretrained(original(base), output).eval()
    # Two matrices for each of three targets in two layers; none in the vision tower.
    matrices = [name for name, _ in model.named_parameters() if "lora_" in name]
    assert len(matrices) == 2 * 3 * 2
    assert not any("vision_tower" in name for name in matrices)
    compare(log_probabilities(model, directory), expected, plain)
    compare(log_probabilities(model.merge_and_unload(), directory), expected, plain)


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize(
    "name,architecture",
    [("llava_next", LlavaNextForConditionalGeneration), ("idefics3", Idefics3ForConditionalGeneration)],
)
def test_transformers_loads_a_model_with_tiles(tiled, name, architecture, kind, tmp_path):
    directory, output = tiled[name], tmp_path / "exported"
    expected = train(directory, kind, output)
    model, info = architecture.from_pretrained(output, dtype=torch.float32, output_loading_info=True)
    assert not any(info.values()), info
    base = architecture.from_pretrained(directory, dtype=torch.float32).eval()
    compare(
        log_probabilities_of_tiles(model.eval(), output), expected, log_probabilities_of_tiles(base, directory)
    )


@pytest.mark.parametrize(
    "name,architecture",
    [("llava_next", LlavaNextForConditionalGeneration), ("idefics3", Idefics3ForConditionalGeneration)],
)
def test_peft_loads_the_adapters_of_a_model_with_tiles(tiled, name, architecture, tmp_path):
    directory, output = tiled[name], tmp_path / "adapters"
    expected = train(directory, "adapters", output)
    base = architecture.from_pretrained(directory, dtype=torch.float32).eval()
    plain = log_probabilities_of_tiles(base, directory)
    model = peft.PeftModel.from_pretrained(base, output).eval()
    matrices = [name for name, _ in model.named_parameters() if "lora_" in name]
    assert len(matrices) == 2 * 3 * 2
    compare(log_probabilities_of_tiles(model, directory), expected, plain)
