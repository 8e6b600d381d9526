"""Small random LLaVA-1.6 models, and transformers' results for them in fp32 with images of several aspect ratios.

Run in the environment of `make test-torch` after make_llava.py, whose tokenizer the models share. Writes llava_next/
beside this file: images, and for each case config.json, the weights, preprocessor_config.json, expected.json, and for
the first case ten steps of training (full and LoRA). counts.json has the processor's number of tokens for images of many
sizes.
"""

import json
import random
import shutil
from pathlib import Path

import policy_oracle
from transformers import (
    AutoTokenizer,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    MistralConfig,
)
from transformers.image_processing_utils import select_best_resolution
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

HERE = Path(__file__).parent
ROOT = HERE / "llava_next"
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)
PAIRS = [
    (["wide"], "What is in the image?", "A red circle is left of a blue star.", "There is a large square."),
    (["tall"], "Describe the picture.\nBe short.", "Two stars.", "Nothing, I think. Or a cat?"),
    (["square"], "Colour?", "Blå, grün.", "red"),
    (["large"], "What is in the image?", "A star.", "There is a large green square at the top."),
    (["tall", "wide"], "Which is wider?", "The second.", "The first one."),
    (["flat"], "Colour?", "Blue.", "No."),
]
GRIDS = [[16, 32], [32, 16], [32, 32], [48, 16], [16, 48]]
CASES = {
    "default": {"text": LlamaConfig, "heads": 2, "layer": -2, "grids": GRIDS},
    "mistral": {"text": MistralConfig, "heads": 1, "layer": -1, "grids": [[32, 48], [16, 16]], "tied": True},
}

shutil.rmtree(ROOT, ignore_errors=True)
ROOT.mkdir()
images = policy_oracle.write_images(
    ROOT, {"wide": (61, 23), "tall": (18, 50), "square": (33, 33), "large": (70, 52), "flat": (90, 4)}
)
tokenizer = AutoTokenizer.from_pretrained(HERE / "llava/default")


def prompt(question, images):
    marks = "<image>\n" * len(images)
    return f"{SYSTEM} USER: {marks}{question} ASSISTANT: "


def file_name(name):
    """The name in the files of a parameter."""
    if name.startswith("model.language_model."):
        return name.replace("model.language_model.", "language_model.model.")
    return {"lm_head.weight": "language_model.lm_head.weight"}.get(name, name.removeprefix("model."))


for seed, (name, case) in enumerate(CASES.items()):
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=4
        ),
        text_config=case["text"](
            vocab_size=len(tokenizer) + 3, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2,
            num_key_value_heads=case["heads"], sliding_window=None,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
        vision_feature_layer=case["layer"],
        image_grid_pinpoints=case["grids"],
        tie_word_embeddings=case.get("tied", False),
    )  # fmt: skip
    folder = ROOT / name
    model = policy_oracle.write_model(LlavaNextForConditionalGeneration(config), seed, folder)
    processor = LlavaNextProcessor(
        image_processor=LlavaNextImageProcessorPil(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, image_grid_pinpoints=case["grids"]
        ),
        tokenizer=tokenizer, patch_size=4, vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    processor.image_processor.save_pretrained(folder)
    oracle = policy_oracle.Oracle(model, processor, prompt, "</s>")
    (folder / "expected.json").write_text(json.dumps(oracle.expected(PAIRS, images)) + "\n")
    if name == "default":
        batches = json.loads((HERE.parents[1] / "DamaTrainingTests/Fixtures/batches.json").read_text())
        for kind in ("full", "lora"):
            oracle.train(
                kind, batches, images, folder,
                lambda name: any(part in name for part in ("lora_", "newline", "projector", "layers.0.self_attn.q_proj")),
                file_name,
            )  # fmt: skip

# The true grids, tiles and patches. Half of the sizes are those for which rounding before truncation counts.
true = LlavaNextProcessor(
    image_processor=LlavaNextImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
    tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1,
)  # fmt: skip


def is_delicate(height, width):
    grid = select_best_resolution((height, width), true.image_processor.image_grid_pinpoints)
    rows, columns = grid[0] // 14, grid[1] // 14
    x = height * (columns / width) if width / height > columns / rows else width * (rows / height)
    return int(round(x, 7)) != int(x)


draw = random.Random(3)
sizes, delicate = [(1, 300), (300, 2), (5, 7)], []
while len(delicate) < 60:
    size = (draw.randint(1, 2000), draw.randint(1, 2000))
    if is_delicate(*size):
        delicate.append(size)
    elif len(sizes) < 100:
        sizes.append(size)
counts = [[*size, true._get_number_of_features(*size, 336, 336) - 1] for size in sizes + delicate]
(ROOT / "counts.json").write_text(json.dumps(counts) + "\n")
