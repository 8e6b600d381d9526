"""transformers' results for the fixtures' models with other configurations.

Run in the environment of `make test-torch`; reads llama/ and llava/ and writes variants.json beside this file.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaForCausalLM, LlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).parent
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)


def edited(folder, source, files, tensors=None):
    """A copy of a fixture with fields of its files set; a dotted name is a nested field, null removes it."""
    folder = Path(folder) / "model"
    shutil.copytree(source, folder)
    for name, changes in files.items():
        path = folder / name
        content = json.loads(path.read_text()) if path.exists() else {}
        for key, value in changes.items():
            *outer, last = key.split(".")
            place = content
            for part in outer:
                place = place[part]
            if value is None:
                place.pop(last, None)
            else:
                place[last] = value
        path.write_text(json.dumps(content))
    if tensors:
        weights = load_file(folder / "model.safetensors")
        tensors(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def heads():
    """Σ log π of the first pair of llama/NAME: config.json ties the head, the file has another head or the same."""
    for name, same in [("mha", False), ("gqa_tied", True)]:

        def change(weights):
            if same:
                weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()

        with tempfile.TemporaryDirectory() as folder:
            model = edited(folder, HERE / "llama" / name, {"config.json": {"tie_word_embeddings": True}}, change)
            model = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        pair = json.loads((HERE / "llama" / name / "expected.json").read_text())["pairs"][0]
        prompt, response = pair["prompt"], pair["chosen"]
        with torch.no_grad():
            logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        logps = torch.log_softmax(logits, -1).gather(1, torch.tensor(response)[:, None])[:, 0]
        yield {"model": name, "head": "same" if same else "other", "logps": logps.tolist()}


def ends():
    """Greedy continuations of llava/default with the end token in one file or another."""
    source = HERE / "llava" / "default"
    entry = json.loads((source / "expected.json").read_text())[0]
    first, second = entry["continuation"][6], entry["continuation"][3]
    assert first != second
    for files in [
        {"config.json": {"eos_token_id": first, "text_config.eos_token_id": None}},
        {"config.json": {"eos_token_id": first}},
        {"config.json": {"eos_token_id": [299, first], "text_config.eos_token_id": second}},
        {"config.json": {"text_config.eos_token_id": second}},
        {"config.json": {"eos_token_id": first}, "generation_config.json": {"eos_token_id": second}},
    ]:
        with tempfile.TemporaryDirectory() as folder:
            model = edited(folder, source, files)
            tokenizer = AutoTokenizer.from_pretrained(model)
            processor = CLIPImageProcessorPil.from_pretrained(model)
            model = LlavaForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
        pixels = processor(Image.open(HERE / "llava" / "image.png"), return_tensors="pt")["pixel_values"]
        text = f"{VICUNA} USER: {'<image>' * 16}\n{entry['prompt']} ASSISTANT:"
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            whole = model.generate(input_ids=ids, pixel_values=pixels, max_new_tokens=12, do_sample=False)
        tokens = whole[0, ids.shape[1] :].tolist()
        yield {"files": files, "prompt": entry["prompt"], "tokens": tokens}


def end_tokens():
    """The ids of a response and its end, for a tokenizer with another end token."""
    source = HERE / "llava" / "default"
    size = len(AutoTokenizer.from_pretrained(source))
    files = {"tokenizer_config.json": {"eos_token": "<|end|>"}, "added_tokens.json": {"<|end|>": size}}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = AutoTokenizer.from_pretrained(edited(folder, source, files))
    for response in ["A red circle.", "Two stars"]:
        prompt = f"{VICUNA} USER: <image>\nWhat? ASSISTANT:"
        yield {"files": files, "response": response, "ids": tokenizer(f"{prompt} {response}<|end|>")["input_ids"]}


def main():
    result = {"heads": list(heads()), "ends": list(ends()), "end_tokens": list(end_tokens())}
    (HERE / "variants.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
