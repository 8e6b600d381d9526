"""transformers' results for two images in one prompt, with the model of llava/default (make_llava.py).

Run in the environment of `make test-torch`; writes two_images/ beside this file: a second image, and expected.json with
the token log-probabilities of both responses of each pair and a greedy continuation, computed from the image files and the
text through LlavaProcessor.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, LlavaForConditionalGeneration, LlavaProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).parent
MODEL = HERE / "llava" / "default"
OUT = HERE / "two_images"
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)
# The images by number, in the order of the prompt; the question may mark them.
CASES = [
    ([0, 1], "What is in the image?", "A red circle is left of a blue star.", "There is a large green square."),
    ([1, 0], "<image>\n<image>\nColour?", "Blå, grün.", "red"),
    ([1, 1], "Describe the picture.\nBe short.", "Two stars.", "Nothing, I think."),
    ([1], "Colour?", "Blå, grün.", "red"),
]

shutil.rmtree(OUT, ignore_errors=True)
OUT.mkdir()
y, x = np.mgrid[0:36, 0:34]
pixels = np.stack([255 - 6 * x, 3 * x + 3 * y, 7 * y], -1) + np.random.default_rng(1).normal(0, 20, (36, 34, 3))
Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(OUT / "second.png")
IMAGES = [Image.open(HERE / "llava" / "image.png"), Image.open(OUT / "second.png")]

tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = LlavaForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32).eval()
processor = LlavaProcessor(
    image_processor=CLIPImageProcessorPil.from_pretrained(MODEL),
    tokenizer=tokenizer,
    patch_size=8,
    vision_feature_select_strategy="default",
    num_additional_image_tokens=1,
    image_token="<image>",
    chat_template=(HERE.parents[2] / "Sources/DamaModels/Prompts/Named" / "vicuna_v1.jinja").read_text(),
)


def inputs(text, images):
    return processor(text=text, images=images, return_tensors="pt")


expected = []
for numbers, question, chosen, rejected in CASES:
    images = [IMAGES[number] for number in numbers]
    content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question.replace("<image>", "").strip()}]
    # transformers' own rendering of the template determines how the images are joined.
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    assert prompt == f"{SYSTEM} USER: {'<image>' + chr(10)}" + "<image>\n" * (len(images) - 1) + (
        question.replace("<image>", "").strip() + " ASSISTANT:"
    )
    entry = {"images": numbers, "prompt": question, "chosen": chosen, "rejected": rejected}
    before = inputs(prompt, images)
    whole = {
        key: inputs(f"{prompt} {response}</s>", images) for key, response in (("chosen", chosen), ("rejected", rejected))
    }
    # The shared prompt ends where the tokens of the prompt alone and of both texts diverge (see make_llava.py).
    prompt_ids = before["input_ids"][0].tolist()
    length = len(prompt_ids)
    for found in whole.values():
        pairs = zip(prompt_ids[:length], found["input_ids"][0].tolist())
        length = next((i for i, (a, b) in enumerate(pairs) if a != b), length)
    for key, found in whole.items():
        ids = found["input_ids"][0]
        with torch.no_grad():
            logits = model(**found).logits[0]
        rows = torch.log_softmax(logits[length - 1 : -1], -1)
        entry[f"{key}_logps"] = rows.gather(1, ids[length:, None])[:, 0].tolist()
    tokens = before["input_ids"]
    for _ in range(16):
        with torch.no_grad():
            logits = model(input_ids=tokens, pixel_values=before["pixel_values"]).logits
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], 1)
    entry["continuation"] = tokens[0, len(prompt_ids) :].tolist()
    entry["image_tokens"] = prompt_ids.count(model.config.image_token_id)
    expected.append(entry)
(OUT / "expected.json").write_text(json.dumps(expected) + "\n")
