"""Chat templates of every kind, as transformers renders and tokenises them, and where it finds them.

Run in the environment of `make test-torch`; writes chat/ beside this file: a tokenizer, and cases.json with

- "cases": templates with messages and a response. "prompt" is the text of the messages with add_generation_prompt, and
  "text" that of the messages with the response; "prompt_ids" and "ids" are their tokens by apply_chat_template of the
  tokenizer, or of LlavaProcessor for a template with images. "end" is what a trainer must add.
- "sources": files with templates, and which one AutoProcessor and AutoTokenizer take ("" for none, null for an error).

The templates are written for this test, each with the traits of a family of published ones.
"""

import datetime
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import AutoProcessor, AutoTokenizer, LlavaProcessor, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.utils import chat_template_utils

HERE = Path(__file__).parent
OUT = HERE / "chat"
IMAGE = Image.fromarray(np.zeros((40, 40, 3), np.uint8))
MARKS = ["<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<|eot|>", "<|v|>", "<image>"]


class Fixed(datetime.datetime):
    """The day of the test, for strftime_now."""

    @classmethod
    def now(cls, tz=None):
        return cls(2025, 3, 9)


chat_template_utils.datetime = Fixed


def tokenizer():
    """Byte-pair encoding as in Llama 2, with <s> in front of each text."""
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    model = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    model.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    model.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<s>", "</s>", *bytes_], show_progress=False)
    model.train_from_iterator(["▁user▁assistant▁USER:▁ASSISTANT:▁What▁is▁this?"] * 3, trainer)
    state = json.loads(model.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    model = Tokenizer.from_str(json.dumps(state))
    model.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=model, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    fast.add_special_tokens({"additional_special_tokens": MARKS})
    return fast


# Parts or text, as most templates of today accept both.
EITHER = (
    "{% macro write(content) %}{% if content is string %}{{ content }}{% else %}{% for part in content %}"
    "{% if part.type == 'image' %}<|v|><image><|v|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "{% endmacro %}"
)
TEMPLATES = {
    # Images in their places, a default system prompt, white space after the end of a turn.
    "in place": EITHER
    + "{% if messages[0].role != 'system' %}<|im_start|>system\nBe good.<|im_end|>\n{% endif %}"
    + "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ write(m.content) }}<|im_end|>\n{% endfor %}"
    + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    # Images first, in parts only, and no end token.
    "images first": "{% for m in messages %}{% if m.role != 'system' %}{{ m.role.upper() + ': ' }}{% endif %}"
    "{% for p in m.content | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for p in m.content | selectattr('type', 'equalto', 'text') %}{{ p.text + ' ' }}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    # Text only, with the start token; the answer is trimmed.
    "start token": "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ m.content | trim + eos_token }}{% else %}{{ '[' + m.role + '] ' + m.content + ' [/]' }}{% endif %}{% endfor %}",
    # No start token, although the tokenizer would add one.
    "bare": "{% for m in messages %}<|im_start|>{{ m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    # Parts for the user, text for the assistant.
    "mixed": "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST]{% for p in m.content %}"
    "{% if p.type == 'image' %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}[/INST]{% elif m.role == 'system' %}"
    "{{ 'SYS ' + m.content }}{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}",
    # The date of today.
    "date": "{% set today = strftime_now('%d %b %Y') %}{{ bos_token }}"
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content | trim %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
    "{{ 'Today Date: ' + today + '\n\n' + system + '<|eot|>' }}{% for m in rest %}"
    "{{ '# ' + m.role + '\n\n' + m.content | trim + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '# assistant\n\n' }}{% endif %}",
    # No system prompt, turns must alternate, the assistant has another name.
    "strict": "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + "
    "'<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    # Thoughts of the last answer only; no thoughts give an empty block.
    "thoughts": "{% for m in messages %}<|im_start|>{{ m.role + '\n' }}{% set content = m.content %}"
    "{% if m.role == 'assistant' %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\n') %}"
    "{% endif %}{% if loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}{{ content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
}
# What TRL's rule cannot take apart, or takes apart with more than the response.
SPECIAL = {
    # The prompt starts a thought that the answer does not contain.
    "no prefix": TEMPLATES["bare"].replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>\n'"),
    # The start of a response is always written.
    "always": "{% for m in messages %}{{ '# ' + m.role + '\n' + m.content + '<|eot|>' }}{% endfor %}"
    "{{ '# assistant\n' }}",
}

ONE = [("user", ["What is this?"])]
SYSTEM = [("system", ["Be brief. "]), ("user", [" What\n\nis it? "])]
TURNS = [("user", ["Hi"]), ("assistant", ["Hello! "]), ("user", ["What is this?"]), ("assistant", ["A"]), ("user", ["B?"])]
ONE_IMAGE = [("user", [None, "What is this?"])]
PLACES = [
    ("system", ["S"]), ("user", ["Compare ", None, " with", None, "."]), ("assistant", ["No."]),
    ("user", ["And ", None, "?"]),
]
RESPONSES = ["A red cup.", " Blå </think> \n"]
CONVERSATIONS = {
    "in place": [ONE_IMAGE, PLACES], "images first": [ONE_IMAGE, PLACES], "mixed": [ONE_IMAGE, PLACES],
    "strict": [ONE, TURNS],
}


def messages(conversation, in_parts):
    found = []
    for role, content in conversation:
        parts = [{"type": "image"} if part is None else {"type": "text", "text": part} for part in content]
        text = "".join(part for part in content if part is not None)
        found.append({"role": role, "content": parts if in_parts(role) else text})
    return found


def cases(words, processor):
    for name, template in TEMPLATES.items():
        for conversation in CONVERSATIONS.get(name, [ONE, SYSTEM, TURNS]):
            with_images = any(None in content for _, content in conversation)
            takes_parts = {"mixed": lambda role: role == "user"}.get(name, lambda role: with_images)
            before = messages(conversation, takes_parts)
            for response in RESPONSES:
                after = before + messages([("assistant", [response])], takes_parts)
                made = {
                    "name": name, "template": template, "images": sum(c.count(None) for _, c in conversation),
                    "messages": conversation, "response": response,
                }
                for key, said, flag in [("prompt", before, True), ("text", after, False)]:
                    options = {"chat_template": template, "add_generation_prompt": flag}
                    made[key] = words.apply_chat_template(said, tokenize=False, **options)
                    if with_images:
                        copy = [
                            m | {"content": [p | ({"image": IMAGE} if p["type"] == "image" else {}) for p in m["content"]]}
                            if isinstance(m["content"], list) else m
                            for m in said
                        ]
                        ids = processor.apply_chat_template(copy, tokenize=True, return_dict=True, **options)["input_ids"]
                        ids = ids[0] if isinstance(ids[0], list) else ids
                    else:
                        ids = words.apply_chat_template(said, tokenize=True, return_dict=False, **options)
                    made[{"prompt": "prompt_ids", "text": "ids"}[key]] = [int(i) for i in ids]
                assert made["text"].startswith(made["prompt"]), name
                made["end"] = "</s>" if name == "images first" else ""
                yield made


def sources():
    json_file = lambda text: json.dumps({"chat_template": text})
    several = [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "L"}]
    choices = [
        {}, {"tokenizer_config.json": "C"}, {"chat_template.jinja": "J"},
        {"tokenizer_config.json": "C", "chat_template.jinja": "J"},
        {"chat_template.json": json_file("O"), "chat_template.jinja": "J", "tokenizer_config.json": "C"},
        {"processor_config.json": json_file("P"), "chat_template.json": json_file("O"), "chat_template.jinja": "J"},
        {"processor_config.json": json_file(None), "chat_template.json": json_file("O")},
        {"additional_chat_templates/default.jinja": "D", "tokenizer_config.json": "C"},
        {"additional_chat_templates/default.jinja": "D", "chat_template.jinja": "J"},
        {"additional_chat_templates/tools.jinja": "T", "chat_template.jinja": "J"},
        {"additional_chat_templates/tools.jinja": "T", "tokenizer_config.json": "C"},
        {"additional_chat_templates/notes.txt": "N", "tokenizer_config.json": "C"},
        {"tokenizer_config.json": several}, {"tokenizer_config.json": several[:1]},
    ]
    for files in choices:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder) / "model"
            shutil.copytree(HERE / "llava" / "default", folder)
            (folder / "chat_template.jinja").unlink()
            for name, text in files.items():
                path = folder / name
                path.parent.mkdir(exist_ok=True)
                if name == "tokenizer_config.json":
                    text = json.dumps(json.loads(path.read_text()) | {"chat_template": text})
                elif name == "processor_config.json":
                    text = json.dumps(json.loads(text) | {"processor_class": "LlavaProcessor"})
                path.write_text(text)
            if "processor_config.json" not in files:
                (folder / "processor_config.json").write_text('{"processor_class": "LlavaProcessor"}')

            def chosen(kind):
                try:
                    template = kind.from_pretrained(folder).chat_template
                except Exception:
                    return None
                if isinstance(template, dict):
                    return template.get("default")
                return template or ""

            yield {
                "files": files, "processor": chosen(AutoProcessor), "tokenizer": chosen(AutoTokenizer),
            }


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    words = tokenizer()
    words.save_pretrained(OUT)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer=words, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        image_token="<image>",
    )
    made = {"special": SPECIAL, "cases": list(cases(words, processor)), "sources": list(sources())}
    (OUT / "cases.json").write_text(json.dumps(made, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
