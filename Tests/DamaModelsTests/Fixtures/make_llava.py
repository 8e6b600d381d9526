"""Small random LLaVA models in complete Hugging Face directories, and transformers' results for them in fp32.

Run in the environment of `make test-torch`; writes llava/ beside this file: an image, and for each case a directory with
expected.json: token log-probabilities of both responses of each pair, computed by transformers from the image file and the
text through LlavaProcessor, and greedy continuations.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

root = Path(__file__).with_name("llava")
shutil.rmtree(root, ignore_errors=True)
root.mkdir()

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)
PAIRS = [
    ("What is in the image?", "A red circle is left of a blue star.", "There is a large green square at the top."),
    ("Describe the picture.\nBe short.", "Two stars.", "Nothing, I think. Or a cat? No: a dog and 3 birds!"),
    ("<image>\nColour?", "Blå, grün.", "red"),
]


def tokenizer():
    """Byte-pair encoding as in Llama-2: SentencePiece's spaces, byte fallback, <s> in front."""
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    model = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    model.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    model.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>", "<s>", "</s>", *bytes_], max_token_length=12, show_progress=False
    )
    corpus = [SYSTEM, " USER: \n ASSISTANT:", *[" ".join(pair) for pair in PAIRS]] * 3
    model.train_from_iterator([text.replace(" ", "▁") for text in corpus], trainer)
    state = json.loads(model.to_str())
    # The bytes are pieces of the model, not special tokens.
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    model = Tokenizer.from_str(json.dumps(state))
    model.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=model, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    fast.add_special_tokens({"additional_special_tokens": ["<image>"]})
    return fast


tok = tokenizer()
image_token = tok.convert_tokens_to_ids("<image>")
pixels = np.random.default_rng(0).normal(0, 12, (40, 52, 3))
y, x = np.mgrid[0:40, 0:52]
pixels += np.stack([4 * x, 5 * y, 255 - 3 * x], -1)
image_path = root / "image.png"
Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(image_path)
image = Image.open(image_path)

CASES = {
    "default": {},
    "full_gqa_tied": {"strategy": "full", "layer": -1, "kv": 2, "tied": True},
}
for seed, (name, case) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, image_size=32, patch_size=8
        ),
        text_config=LlamaConfig(
            vocab_size=len(tok) + 3,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=case.get("kv", 4),
            max_position_embeddings=512,
            bos_token_id=1,
            eos_token_id=2,
        ),
        image_token_index=image_token,
        image_seq_length=16,
        vision_feature_layer=case.get("layer", -2),
        vision_feature_select_strategy=case.get("strategy", "default"),
        tie_word_embeddings=case.get("tied", False),
    )
    model = LlavaForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("bias"):
                parameter.normal_(0, 0.2)
            elif "norm" in parameter_name:
                parameter.normal_(1, 0.2)
            else:
                parameter.normal_(0, 0.2)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer=tok,
        patch_size=8,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
        image_token="<image>",
    )
    folder = root / name
    model.save_pretrained(folder)
    tok.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    shutil.copy(Path(__file__).parents[3] / "Sources/DamaModels/Prompts/Named/vicuna_v1.jinja", folder / "chat_template.jinja")

    # The models were trained with the Pillow-based image processor.
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor.image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    expected = []
    for question, chosen, rejected in PAIRS:
        bare = question.replace("<image>", "").strip()
        prompt = f"{SYSTEM} USER: <image>\n{bare} ASSISTANT:"
        entry = {"prompt": question, "chosen": chosen, "rejected": rejected}
        before = processor(text=prompt, images=image, return_tensors="pt")
        length = before["input_ids"].shape[1]
        whole = {
            key: processor(text=f"{prompt} {response}</s>", images=image, return_tensors="pt")
            for key, response in (("chosen", chosen), ("rejected", rejected))
        }
        # This small vocabulary joins the prompt's last character to the response's first. Tokens that differ from those
        # of the prompt alone belong to the responses; the shared prompt ends before them.
        prompt_ids = before["input_ids"][0].tolist()
        for inputs in whole.values():
            pairs = zip(prompt_ids[:length], inputs["input_ids"][0].tolist())
            length = next((i for i, (a, b) in enumerate(pairs) if a != b), length)
        for key, inputs in whole.items():
            ids = inputs["input_ids"][0]
            with torch.no_grad():
                logits = model(**inputs).logits[0]
            rows = torch.log_softmax(logits[length - 1 : -1], -1)
            entry[f"{key}_ids"] = ids[length:].tolist()
            entry[f"{key}_logps"] = rows.gather(1, ids[length:, None])[:, 0].tolist()
        tokens = before["input_ids"]
        for _ in range(20):
            with torch.no_grad():
                logits = model(input_ids=tokens, pixel_values=before["pixel_values"]).logits
            tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], 1)
        continuation = tokens[0, len(prompt_ids) :].tolist()
        entry["continuation"] = continuation
        entry["continuation_text"] = tok.decode(continuation, skip_special_tokens=True)
        expected.append(entry)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
