#!/usr/bin/env python3
"""Writes renderings.json: what jinja2 makes of each family's template and each of conversations.json.

A template here is our own writing of the format that a family of models documents, with the constructs that its own
template uses; a long default system prompt may be shortened. `prompt_is_prefix` says, for a conversation that an
assistant ends, whether the prompt of its answer (the messages before it, with the generation prompt) begins the whole
text, which a trainer relies on to tell the two apart.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Optional

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
from environment import DATE, rendered  # noqa: E402

#: The tokens that begin and end a text, for each template.
TOKENS = {
    "alpaca": ("<s>", "</s>"),
    "aya-vision": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
    "baichuan2": ("<s>", "</s>"),
    "blenderbot": ("<s>", "</s>"),
    "chatglm2": ("<s>", "</s>"),
    "chatml": ("<s>", "<|im_end|>"),
    "chatqa": ("<|begin_of_text|>", "<|end_of_text|>"),
    "command-r": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
    "deepseek-coder": ("<｜begin▁of▁sentence｜>", "<|EOT|>"),
    "deepseek-r1": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "deepseek-v2": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "deepseek-v3": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "deepseek-vl2": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "ernie-4.5": ("<|begin_of_sentence|>", "</s>"),
    "exaone": ("[BOS]", "[|endofturn|]"),
    "falcon": ("", "<|endoftext|>"),
    "falcon-3": ("", "<|endoftext|>"),
    "gemma": ("<bos>", "<eos>"),
    "gemma-3": ("<bos>", "<eos>"),
    "glm-4": ("[gMASK]", "<|endoftext|>"),
    "glm-4v": ("[gMASK]", "<|endoftext|>"),
    "gpt-oss": ("<|startoftext|>", "<|return|>"),
    "granite-3": ("<|end_of_text|>", "<|end_of_text|>"),
    "h2o-danube": ("<s>", "</s>"),
    "hermes": ("<s>", "<|im_end|>"),
    "hunyuan": ("<｜hy_begin▁of▁sentence｜>", "<｜hy_place▁holder▁no▁2｜>"),
    "idefics2": ("<s>", "</s>"),
    "internlm2": ("<s>", "<|im_end|>"),
    "internvl": ("", "<|im_end|>"),
    "kimi-k2": ("[BOS]", "<|im_end|>"),
    "lfm2": ("<|startoftext|>", "<|im_end|>"),
    "llama-2": ("<s>", "</s>"),
    "llama-3": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama-3.1": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama-3.2-vision": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama-4": ("<|begin_of_text|>", "<|eot|>"),
    "llava-1.5": ("<s>", "</s>"),
    "llava-1.6-mistral": ("<s>", "</s>"),
    "llava-1.6-yi": ("<s>", "<|im_end|>"),
    "llava-onevision": ("", "<|im_end|>"),
    "minicpm": ("<s>", "</s>"),
    "minicpm-v": ("", "<|im_end|>"),
    "mistral-nemo": ("<s>", "</s>"),
    "mistral-small-3": ("<s>", "</s>"),
    "mistral-v0.1": ("<s>", "</s>"),
    "mistral-v0.3": ("<s>", "</s>"),
    "mixtral": ("<s>", "</s>"),
    "molmo": ("", "<|endoftext|>"),
    "nemotron": ("<s>", "</s>"),
    "olmo": ("", "<|endoftext|>"),
    "olmo-2": ("<|endoftext|>", "<|endoftext|>"),
    "openchat": ("<s>", "<|end_of_turn|>"),
    "orion": ("<s>", "</s>"),
    "phi-3": ("<s>", "<|endoftext|>"),
    "phi-3.5-vision": ("<s>", "<|endoftext|>"),
    "phi-4": ("<|endoftext|>", "<|im_end|>"),
    "phi-4-mini": ("<|endoftext|>", "<|endoftext|>"),
    "pixtral": ("<s>", "</s>"),
    "qwen2": ("", "<|im_end|>"),
    "qwen2-vl": ("", "<|im_end|>"),
    "qwen2.5": ("", "<|im_end|>"),
    "qwen3": ("", "<|im_end|>"),
    "qwen3-vl": ("", "<|im_end|>"),
    "seed-oss": ("<seed:bos>", "<seed:eos>"),
    "smollm2": ("<|im_start|>", "<|im_end|>"),
    "smollm3": ("", "<|im_end|>"),
    "smolvlm": ("<|im_start|>", "<end_of_utterance>"),
    "solar": ("<s>", "</s>"),
    "stablelm-2": ("<|endoftext|>", "<|endoftext|>"),
    "starchat": ("<|endoftext|>", "<|endoftext|>"),
    "vicuna-v1": ("<s>", "</s>"),
    "video-llava": ("<s>", "</s>"),
    "zephyr": ("<s>", "</s>"),
}  # fmt: skip


def main() -> None:
    conversations = json.loads((FOLDER / "conversations.json").read_text(encoding="utf-8"))
    assert sorted(TOKENS) == sorted(path.stem for path in FOLDER.glob("*.jinja"))
    families = {name: family(name, conversations) for name in sorted(TOKENS)}
    content = {"date": DATE, "families": families}
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (FOLDER / "renderings.json").write_text(text + "\n", encoding="utf-8")


def template(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


def variables(name: str, conversation: dict[str, Any]) -> dict[str, Any]:
    """What transformers gives the template of a tokenizer with these tokens."""
    bos, eos = TOKENS[name]
    tokens = {"bos_token": bos, "eos_token": eos} if bos else {"eos_token": eos}
    return {"tools": None, "documents": None, **tokens, **conversation.get("variables", {})}


def text(name: str, conversation: dict[str, Any], messages: list[Any], prompts: bool) -> Optional[str]:
    values = {**variables(name, conversation), "messages": messages, "add_generation_prompt": prompts}
    return rendered(template(name), values)


def family(name: str, conversations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "variables": variables(name, {}),
        "renderings": {each["name"]: rendering(name, each) for each in conversations},
    }


def rendering(name: str, conversation: dict[str, Any]) -> dict[str, Any]:
    """`text` without the generation prompt, and what it `adds`; the text with it is `prompted` where it does not only
    add. `None` where jinja2 raises.
    """
    messages = conversation["messages"]
    whole = text(name, conversation, messages, prompts=False)
    prompted = text(name, conversation, messages, prompts=True)
    result: dict[str, Any] = {"text": whole}
    if whole is not None and prompted is not None and prompted.startswith(whole):
        result["adds"] = prompted[len(whole) :]
    else:
        result["prompted"] = prompted
    if whole is not None and messages and messages[-1]["role"] == "assistant":
        prompt = text(name, conversation, messages[:-1], prompts=True)
        result["prompt_is_prefix"] = None if prompt is None else whole.startswith(prompt)
    return result


if __name__ == "__main__":
    main()
