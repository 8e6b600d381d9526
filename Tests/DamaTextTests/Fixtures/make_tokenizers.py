"""Trains small tokenizers of each family with Hugging Face's `tokenizers` and records their results on the corpus.

Run by hand in the oracle environment (`scripts/bootstrap torch`). For each family NAME this writes

  NAME/tokenizer.json   the tokenizer
  NAME/expected.json    ids and decoded text of the corpus's first strings, written out
  NAME/hashes.bin       16 bits for each of 10,000 strings: ids with and without special tokens, and the decoded text
"""

import json
import struct
import sys
from pathlib import Path

from corpus import corpus
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
SEED, COUNT, WRITTEN_OUT = 7, 10_000, 40
VOCABULARY = 1_100

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
CLIP5 = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
CLIP4 = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def special(content: str, **flags: bool) -> AddedToken:
    return AddedToken(content, special=True, **flags)


def clip(pattern: str, normalized: bool) -> Tokenizer:
    """CLIP, as transformers 5 writes it (special tokens in the pattern) and as the hub's older files have it."""
    tokenizer = Tokenizer(
        models.BPE(
            unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials = [special(c, normalized=normalized) for c in ("<|startoftext|>", "<|endoftext|>")]
    train(tokenizer, specials, alphabet=True, end_of_word_suffix="</w>")
    start, end = (tokenizer.token_to_id(t.content) for t in specials)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", start), trim_offsets=False, add_prefix_space=False
    )
    return tokenizer


def byte_level(pre: pre_tokenizers.PreTokenizer, specials: list[AddedToken], prefix: str | None, **bpe) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(**bpe))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, specials, alphabet=True)
    if prefix:
        template = processors.TemplateProcessing(
            single=f"{prefix} $A", pair=f"{prefix} $A {prefix} $B:1",
            special_tokens=[(prefix, tokenizer.token_to_id(prefix))],
        )
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer


def sentencepiece(metaspace: bool) -> Tokenizer:
    """Llama-2: byte fallback, and the space as "▁", by normalisers (older files) or by Metaspace (newer ones)."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replace = normalizers.Replace(" ", "▁")
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
        # Trained on words: without splitting, merges would cross spaces.
        training = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace])
        training = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never")
    final = tokenizer.pre_tokenizer
    tokenizer.pre_tokenizer = training
    specials = [special(c, normalized=False) for c in ("<unk>", "<s>", "</s>")]
    specials += [AddedToken(f"<0x{byte:02X}>", special=True, normalized=False) for byte in range(256)]
    train(tokenizer, specials, alphabet=False)
    # Byte tokens belong to the model, not to the added tokens; and characters must stay rare enough to fall back.
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = file["added_tokens"][:3]
    file["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_str(json.dumps(file))
    if final is not None:
        tokenizer.pre_tokenizer = final
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


def flags() -> Tokenizer:
    """Settings of no known model: added tokens with every flag, unknown characters, the old Metaspace, NFD."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.Strip(left=True, right=False), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="_", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="_", prepend_scheme="always")
    train(tokenizer, [special("<unk>")], alphabet=False)
    tokenizer.add_tokens(
        [
            AddedToken("<mask>", lstrip=True, rstrip=False, normalized=False),
            AddedToken("<image>", lstrip=False, rstrip=True, normalized=False),
            AddedToken("dog", single_word=True, normalized=False),
            AddedToken("CAFÉ", normalized=True),
            AddedToken("star", single_word=True, lstrip=True, rstrip=True, normalized=True),
        ]
    )
    tokenizer.add_special_tokens([special("<s>", normalized=True), special("<|im_start|>"), special("<|")])
    return tokenizer


def train(tokenizer: Tokenizer, specials: list[AddedToken], alphabet: bool, **options) -> None:
    words = "a photo of the red circle left of two small blue squares there are three green stars on top".split()
    texts = [s.decode("utf-8", "replace") for s in corpus(6_000, SEED + 1)]
    texts += [" ".join(words[i % 7 : i % 7 + 5 + i % 6]) for i in range(3_000)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=specials, show_progress=False, limit_alphabet=450,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [], **options,
    )
    tokenizer.train_from_iterator(texts, trainer)


def families() -> dict[str, Tokenizer]:
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    llama3 = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated"), bytes_only])
    smol = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return {
        "clip": clip(CLIP5, normalized=False),
        "clip-old": clip(CLIP4, normalized=True),
        "llama2": sentencepiece(metaspace=False),
        "llama2-metaspace": sentencepiece(metaspace=True),
        "llama3": byte_level(
            llama3, [special("<|begin_of_text|>"), special("<|eot_id|>")], "<|begin_of_text|>", ignore_merges=True
        ),
        "smollm": byte_level(smol, [special(c) for c in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")], None),
        "gpt2": byte_level(gpt2, [special("<|endoftext|>", lstrip=True)], None),
        "flags": flags(),
    }


def fnv1a(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return (value >> 16) ^ (value & 0xFFFF)


def record(tokenizer: Tokenizer, text: str) -> tuple[list[int], list[int], str, str]:
    ids = tokenizer.encode(text).ids
    bare = tokenizer.encode(text, add_special_tokens=False).ids
    return ids, bare, tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=False)


def digest(ids: list[int], bare: list[int], text: str, full: str) -> int:
    packed = struct.pack(f"<{len(ids) + len(bare)}i", *ids, *bare)
    return fnv1a(packed + text.encode() + b"\0" + full.encode())


def main() -> None:
    texts = [s.decode("utf-8", "replace") for s in corpus(COUNT, SEED)]
    for name, tokenizer in families().items():
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        file = json.loads(tokenizer.to_str())
        if name in ("clip-old", "smollm"):
            # Merges as "a b", which older files have.
            file["model"]["merges"] = [" ".join(pair) for pair in file["model"]["merges"]]
        if name == "flags":
            for part in ("pre_tokenizer", "decoder"):
                file[part] = {"type": "Metaspace", "replacement": "_", "add_prefix_space": True}
        (folder / "tokenizer.json").write_text(json.dumps(file, ensure_ascii=False, separators=(",", ":")) + "\n")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        records = [record(tokenizer, text) for text in texts]
        (folder / "hashes.bin").write_bytes(struct.pack(f"<{COUNT}H", *(digest(*r) for r in records)))
        keys = ("ids", "bare", "text", "full")
        rows = [dict(zip(keys, r)) for r in records[:WRITTEN_OUT]]
        (folder / "expected.json").write_text(json.dumps(rows, ensure_ascii=False, separators=(",", ":")) + "\n")
        print(name, tokenizer.get_vocab_size(), sum(len(r[0]) for r in records), file=sys.stderr)


if __name__ == "__main__":
    main()
