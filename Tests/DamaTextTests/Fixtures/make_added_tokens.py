"""Records how transformers treats added tokens that are missing in tokenizer.json.

Run by hand in the oracle environment (`scripts/bootstrap torch`). Writes added_tokens.json: a tokenizer.json; for each
case the files beside it, the texts' ids without special tokens around them, and the ids of the tokens with a role. """

import json
import random
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).parent
TEXTS = [
    "<image> A red circle",
    "A<image>red circle</s>",
    "a <x> b<x>c [PAD] </s> <s>",
    " <y>  <y>a<y> <z> end",
    "<mask><sep> <cls> A",
]


def tokenizer(added):
    letters = ["<unk>", "</s>", "<s>"] + sorted(set("".join(TEXTS)) | {"▁"})
    vocabulary = {letter: index for index, letter in enumerate(letters) if letter != " "}
    vocabulary = {letter: index for index, letter in enumerate(vocabulary)}
    model = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    model.normalizer = normalizers.Replace(" ", "▁")
    model.decoder = decoders.Replace("▁", " ")
    model.add_special_tokens(added)
    return model


def flags(token, **changes):
    return {
        "content": token, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True,
        **changes,
    }


def cases(size):
    """`size` is the number of tokens in the vocabulary."""
    config = "tokenizer_config.json"
    yield {config: {"added_tokens_decoder": {str(size): flags("<image>")}}}
    yield {config: {"added_tokens_decoder": {str(size): flags("<image>", special=False, normalized=True)}}}
    yield {config: {"eos_token": "</s>", "bos_token": "<s>"}, "added_tokens.json": {"<image>": size}}
    yield {config: {"eos_token": "</s>", "image_token": "<image>"}, "added_tokens.json": {"<image>": size, "<x>": size + 1}}
    yield {config: {"eos_token": "</s>", "pad_token": "[PAD]", "unk_token": "<unk>"}}
    yield {config: {"eos_token": "</s>", "additional_special_tokens": ["<image>", "<x>"]}}
    yield {config: {"extra_special_tokens": {"image_token": "<image>", "x_token": "<x>"}}}
    yield {config: {"eos_token": {"__type": "AddedToken", **flags("</s>", lstrip=True)}, "added_tokens_decoder": {"1": flags("</s>", lstrip=True)}}}
    yield {config: {"eos_token": "<s>"}, "special_tokens_map.json": {"eos_token": "</s>", "mask_token": flags("<mask>", lstrip=True)}}
    yield {
        config: {"eos_token": "<s>", "added_tokens_decoder": {str(size): flags("<image>")}},
        "special_tokens_map.json": {"eos_token": "</s>", "mask_token": "<mask>"},
        "added_tokens.json": {"<x>": size + 1},
    }
    # All kinds of flags and places.
    draw = random.Random(5)
    for _ in range(40):
        names = draw.sample(["<image>", "<x>", "<y>", "<z>", "[PAD]", "<mask>", "<sep>", "<cls>", "</s>", "<s>"], 6)
        new = [name for name in names if name not in ("</s>", "<s>")]
        known = {"</s>": 1, "<s>": 2, **{name: size + index for index, name in enumerate(new)}}
        chance = lambda: draw.random() < 0.4
        files = {config: {}}
        declared = names[:4]
        if chance():
            files["added_tokens.json"] = {name: known[name] for name in sorted(declared, key=known.get)}
        else:
            files[config]["added_tokens_decoder"] = {
                str(known[name]): flags(
                    name, lstrip=chance(), rstrip=chance(), single_word=chance(), normalized=chance(), special=chance()
                )
                for name in sorted(declared, key=known.get)
            }
        for role in draw.sample(["eos_token", "bos_token", "pad_token", "mask_token"], 2):
            name = draw.choice(names)
            where = config if chance() else "special_tokens_map.json"
            value = name
            if chance():
                value = flags(name, lstrip=chance())
                if where == config:
                    value = {"__type": "AddedToken", **value}
            files.setdefault(where, {})[role] = value
        yield files


def main():
    model = tokenizer([])
    # A token of tokenizer.json itself, which gets other flags.
    whole = json.loads(model.to_str())
    size = len(whole["model"]["vocab"])
    whole["added_tokens"] = [{"id": 0, **flags("<unk>")}]
    results = []
    for files in cases(size):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokenizer.json").write_text(json.dumps(whole))
            for name, content in files.items():
                (Path(folder) / name).write_text(json.dumps(content))
            loaded = PreTrainedTokenizerFast.from_pretrained(folder)
        results.append(
            {
                "files": files,
                "ids": [loaded.encode(text, add_special_tokens=False) for text in TEXTS],
                "decoded": [loaded.decode(loaded.encode(text, add_special_tokens=False), skip_special_tokens=True) for text in TEXTS],
                "eos": loaded.eos_token_id,
                "pad": loaded.pad_token_id,
            }
        )
    text = json.dumps({"tokenizer": whole, "texts": TEXTS, "cases": results}, ensure_ascii=False)
    (HERE / "added_tokens.json").write_text(text.replace('{"files"', '\n{"files"') + "\n")


if __name__ == "__main__":
    main()
