"""Rows of datasets with system prompts, several turns and several images, and transformers' log-probabilities for them.

Run in the environment of `make test-torch`, after make_two_images.py; writes two_images/turns.json: rows as LLaVA, ShareGPT
and TRL write them, the conversation that each stands for, and the token log-probabilities of both responses by the small
LLaVA of make_llava.py, from LlavaProcessor's own rendering of that conversation.
"""

import json
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoTokenizer, LlavaForConditionalGeneration, LlavaProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).parent
MODEL = HERE / "llava" / "default"
IMAGES = {"image.png": Image.open(HERE / "llava" / "image.png"), "second.png": Image.open(HERE / "two_images" / "second.png")}
CHOSEN, REJECTED = "Blå, grün.", "red"


def said(*messages):
    return [{"from": name, "value": text} for name, text in messages]


def written(*messages):
    return [{"role": role, "content": content} for role, content in messages]


def parts(*content):
    return [{"type": "image"} if part is None else {"type": "text", "text": part} for part in content]


ANSWERS = {"chosen": CHOSEN, "rejected": REJECTED}
LATER = [("system", ["Be kind."]), ("user", ["Hello."]), ("assistant", ["Hi."]), ("user", [None, "Colour?"])]
TWO = [("user", [None, None, "Which is red?"]), ("assistant", ["None."]), ("user", ["And blue?"])]
later = written(("system", "Be kind."), ("user", "Hello."), ("assistant", "Hi."), ("user", "<image>\nColour?"))
CASES = [
    # ShareGPT and LLaVA, with and without the answer that the model was first trained on.
    (LATER, ["second.png"], {"conversations": said(
        ("system", "Be kind."), ("human", "Hello."), ("gpt", "Hi."), ("human", "<image>\nColour?")),
        "images": ["second.png"], "chosen": {"from": "gpt", "value": CHOSEN}, "rejected": {"from": "gpt", "value": REJECTED}}),
    (TWO, ["image.png", "second.png"], {"conversations": said(
        ("human", "<image>\n<image>\nWhich is red?"), ("gpt", "None."), ("human", "And blue?"), ("gpt", "Old.")),
        "images": [{"path": "image.png", "bytes": None}, "second.png"], **ANSWERS}),
    # TRL: a prompt of messages, and a prompt that stands only before the responses.
    (LATER, ["second.png"], {"prompt": written(
        ("system", parts("Be kind.")), ("user", parts("Hello.")), ("assistant", parts("Hi.")),
        ("user", parts(None, "Colour?"))), "images": ["second.png"],
        "chosen": written(("assistant", parts(CHOSEN))), "rejected": written(("assistant", parts(REJECTED)))}),
    (LATER, ["second.png"], {"image": "second.png", "chosen": later + written(("assistant", CHOSEN)),
        "rejected": later + written(("assistant", REJECTED))}),
    # Without places, the images are in the first message of the user.
    (TWO, ["image.png", "second.png"], {"images": ["image.png", "second.png"], **ANSWERS, "question": written(
        ("user", "Which is red?"), ("assistant", "None."), ("user", "And blue?"))}),
]


def main():
    model = LlavaForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32).eval()
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil.from_pretrained(MODEL), tokenizer=AutoTokenizer.from_pretrained(MODEL),
        patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1, image_token="<image>",
        chat_template=(MODEL / "chat_template.jinja").read_text(),
    )
    expected = []
    for conversation, names, row in CASES:
        images = [IMAGES[name] for name in names]
        messages = written(*[(role, parts(*content)) for role, content in conversation])
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
        texts = [
            processor.apply_chat_template(messages + written(("assistant", parts(text)))) for text in (CHOSEN, REJECTED)
        ]
        assert all(text.startswith(prompt) and text.endswith("</s>") for text in texts)
        found = [processor(text=text, images=images, return_tensors="pt") for text in texts]
        # The shared prompt ends where the tokens of the prompt alone and of both texts diverge (see make_llava.py).
        ids = processor(text=prompt, images=images, return_tensors="pt")["input_ids"][0].tolist()
        length = len(ids)
        for inputs in found:
            pairs = zip(ids[:length], inputs["input_ids"][0].tolist())
            length = next((i for i, (a, b) in enumerate(pairs) if a != b), length)
        entry = {"row": row, "prompt": prompt}
        for key, inputs in zip(("chosen_logps", "rejected_logps"), found):
            whole = inputs["input_ids"][0]
            with torch.no_grad():
                logits = model(**inputs).logits[0]
            rows = torch.log_softmax(logits[length - 1 : -1], -1)
            entry[key] = rows.gather(1, whole[length:, None])[:, 0].tolist()
        expected.append(entry)
    (HERE / "two_images" / "turns.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
