"""Small random Idefics3 and SmolVLM models, and transformers' results for them in fp32 with images of several shapes.

Run in the environment of `make test-torch`. Writes idefics3/ beside this file: a tokenizer, images, and for each case
config.json, the weights, preprocessor_config.json, expected.json, for SmolVLM whole.json, which is for uncut images,
and for Idefics3 ten steps of training (full and LoRA). positions.json has the positions that the vision tower gives to
the patches of a side.

SmolVLM's own processor differs from Idefics3's only in videos and needs a package more, so that Idefics3's serves both.
"""

import json
import shutil
from pathlib import Path

import policy_oracle
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

HERE = Path(__file__).parent
ROOT = HERE / "idefics3"
PAIRS = [
    (["wide"], "What is in the image?", "A red circle is left of a blue star.", "There is a large square."),
    (["tall"], "Describe the picture.\nBe short.", "Two stars.", "Nothing, I think. Or a cat?"),
    (["square"], "Colour?", "Blå, grün.", "red"),
    (["small"], "What is in the image?", "A star.", "There is a large green square at the top."),
    (["tall", "small"], "Which is wider?", "The second.", "The first one."),
]
CASES = {
    "idefics3": {"scale": 2, "heads": 2, "processor": {}},
    "smolvlm": {"scale": 3, "heads": 1, "processor": {"resample": 3}, "tied": True},
}


def tokenizer():
    """Byte-level BPE as SmolLM2's, with the special tokens around tiles; two line breaks are one token."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    corpus = ["\n\n"] * 9 + ["User: \nAssistant:", *[" ".join(pair[1:]) for pair in PAIRS]]
    model.train_from_iterator(corpus * 3, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    fast.add_special_tokens({"additional_special_tokens": [
        "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>",
        *(f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)),
    ]})  # fmt: skip
    return fast


def prompt(question, images):
    return f"User:{'<image>' * len(images)}{question}<end_of_utterance>\nAssistant: "


shutil.rmtree(ROOT, ignore_errors=True)
ROOT.mkdir()
tok = tokenizer()
assert len(tok("\n\n")["input_ids"]) == 1
tok.save_pretrained(ROOT)
images = policy_oracle.write_images(
    ROOT, {"wide": (61, 23), "tall": (18, 50), "square": (33, 33), "small": (12, 7)}
)
for seed, (name, case) in enumerate(CASES.items()):
    smol = name == "smolvlm"
    config = (SmolVLMConfig if smol else Idefics3Config)(
        vision_config={
            "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 24, "patch_size": 4,
        },
        text_config=LlamaConfig(
            vocab_size=len(tok) + 2, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=case["heads"], max_position_embeddings=512, bos_token_id=0, eos_token_id=0,
            pad_token_id=0,
        ),
        image_token_id=tok.convert_tokens_to_ids("<image>"),
        scale_factor=case["scale"],
        tie_word_embeddings=case.get("tied", False),
        pad_token_id=0,
    )  # fmt: skip
    folder = ROOT / name
    model = (SmolVLMForConditionalGeneration if smol else Idefics3ForConditionalGeneration)(config)
    model = policy_oracle.write_model(model, seed, folder)
    processor = Idefics3Processor(
        image_processor=(SmolVLMImageProcessorPil if smol else Idefics3ImageProcessorPil)(
            size={"longest_edge": 72}, max_image_size={"longest_edge": 24}, **case["processor"]
        ),
        tokenizer=tok, image_seq_len=(24 // 4 // case["scale"]) ** 2,
    )  # fmt: skip
    processor.image_processor.save_pretrained(folder)
    oracle = policy_oracle.Oracle(model, processor, prompt, "<end_of_utterance>")
    (folder / "expected.json").write_text(json.dumps(oracle.expected(PAIRS, images)) + "\n")
    if smol:
        # The same model without cutting images.
        processor.image_processor.do_image_splitting = False
        (folder / "whole.json").write_text(json.dumps(oracle.expected(PAIRS, images)) + "\n")
    else:
        batches = json.loads((HERE.parents[1] / "DamaTrainingTests/Fixtures/batches.json").read_text())
        for kind in ("full", "lora"):
            oracle.train(
                kind, batches, images, folder,
                lambda name: any(part in name for part in ("lora_", "connector", "layers.0.self_attn.q_proj")),
                lambda name: name,
            )  # fmt: skip


def positions(count, size):
    """As Idefics3VisionEmbeddings."""
    bounds = torch.arange(1 / size, 1.0, 1 / size)
    places = torch.arange(count, dtype=torch.float32) * (1.0 / torch.tensor(count))
    return torch.bucketize(torch.clamp(places, max=1.0 - 1e-6), bounds, right=True).tolist()


# Sides of true models (26, 27, 32), and those where a patch's position depends on rounding.
sides = [(count, size) for size in (1, 6, 19, 25, 26, 27, 29, 32, 50, 64) for count in (size, (size + 1) // 2)]
(ROOT / "positions.json").write_text(json.dumps([[*side, positions(*side)] for side in sides]) + "\n")
