"""Llama, its relatives, LLaVA and LLaVA-1.6 with random weights, as Hugging Face directories, so that no hub is needed.

The tokenizer is of Llama 2's kind (SentencePiece's spaces, byte fallback, <s> first), trained on CLIP's vocabulary.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import random_clip
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import (
    CLIPImageProcessorPil,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaProcessor,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

CLASSES = {
    "llama": LlamaForCausalLM,
    "llava": LlavaForConditionalGeneration,
    "llava_next": LlavaNextForConditionalGeneration,
    "mistral": MistralForCausalLM,
    "qwen2": Qwen2ForCausalLM,
    "qwen3": Qwen3ForCausalLM,
}


@cache
def words() -> list[str]:
    """The whole words of CLIP's vocabulary, frequent ones first."""
    vocabulary = random_clip.tokenizer().get_vocab()
    ordered = sorted(vocabulary, key=vocabulary.get)
    return [word.removesuffix("</w>") for word in ordered if word.endswith("</w>") and word[:-4].isalpha()]


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of ``size`` tokens, with <image> as the last one."""
    pieces = [f"<0x{i:02X}>" for i in range(256)]
    model = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    model.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    model.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1, special_tokens=["<unk>", "<s>", "</s>", *pieces], show_progress=False
    )
    model.train_from_iterator(words(), trainer)
    state = json.loads(model.to_str())
    # The bytes are tokens of the model, not special tokens.
    state["added_tokens"] = [token for token in state["added_tokens"] if not token["content"].startswith("<0x")]
    model = Tokenizer.from_str(json.dumps(state))
    model.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=model, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    fast.add_special_tokens({"additional_special_tokens": ["<image>"]})
    assert len(fast) == size, f"the words give a vocabulary of {len(fast)}"
    return fast


def write(
    directory: Path,
    config: LlamaConfig | LlavaConfig | LlavaNextConfig,
    words: PreTrainedTokenizerFast,
    dtype: str,
    shards: str = "50GB",
) -> Path:
    """Writes the model that ``config`` describes; ``shards`` is the maximum size of a file."""
    with torch.device("meta"):
        model = CLASSES[config.model_type](config)
    # Filled in the type of the file, so that a large model is never in memory twice.
    model = model.to(random_clip.DTYPES[dtype]).to_empty(device="cpu")
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "layrnorm" in name:
                parameter.normal_(1.0 if name.endswith("weight") else 0.0, 0.1)
            elif parameter.ndim < 2:
                parameter.normal_(0.0, 0.3)
            elif "lm_head" in name or "embed_tokens" in name:
                # Logits of a few units: neither all equal nor dominated by one.
                parameter.normal_(0.0, 2 * config.get_text_config().hidden_size ** -0.5)
            else:
                # Larger than the usual initial weights, so that attention and activations leave their linear range.
                parameter.normal_(0.0, 1.5 * parameter[0].numel() ** -0.5)
    model.tie_weights()
    model.save_pretrained(directory, max_shard_size=shards)
    words.save_pretrained(directory)
    if config.model_type.startswith("llava"):
        image_processor(config).save_pretrained(directory)
    return directory


def image_processor(config: LlavaConfig | LlavaNextConfig) -> CLIPImageProcessorPil | LlavaNextImageProcessorPil:
    """The Pillow-based processor, with which the original models were trained."""
    side = config.vision_config.image_size
    sizes = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    if config.model_type == "llava":
        return CLIPImageProcessorPil(**sizes)
    return LlavaNextImageProcessorPil(**sizes, image_grid_pinpoints=config.image_grid_pinpoints)


def processor(
    config: LlavaConfig | LlavaNextConfig, words: PreTrainedTokenizerFast
) -> LlavaProcessor | LlavaNextProcessor:
    return {"llava": LlavaProcessor, "llava_next": LlavaNextProcessor}[config.model_type](
        image_processor=image_processor(config),
        tokenizer=words,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
        image_token="<image>",
    )
