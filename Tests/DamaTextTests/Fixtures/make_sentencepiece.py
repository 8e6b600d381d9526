"""Trains small SentencePiece models and records what SentencePiece and transformers make of texts with them.

Run by hand in the oracle environment (`scripts/bootstrap torch`). This writes

  sentencepiece/bpe.model       as Llama's: byte fallback, no normalisation
  sentencepiece/unigram.model   as T5's and SigLIP's: a character map, extra spaces removed
  sentencepiece/expected.json   for each case the files beside the model, texts and ids
  t5, unigram-bytes, siglip2    as in make_tokenizers.py, with fewer strings
"""

import json
import shutil
import struct
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaTokenizer, SiglipTokenizer, T5Tokenizer

from corpus import corpus
from make_tokenizers import digest, record

HERE = Path(__file__).parent
FOLDER = HERE / "sentencepiece"
WORDS = "a photo of the red circle left of two small blue squares there are three green stars on top".split()
COUNT, WRITTEN_OUT = 2_000, 20
TEXTS = [
    "", "a", "A red circle.", "a photo  of   the red circle", "the circle\nis red\ttoo ", "USER: <image>\nWhat? ASSISTANT:",
    "<image> A red circle</s>", "<s>a<image>red<image> blue</s> stars", "three stars<unk>!", "aaaaaaaaaaaaaaaa", "ĳ ﬁ ２３ ｱ",
    "字典 red 字", "e\u0301 é ﬁne Ａ\u0301", "two\u3000squares\u00a0left", "ΣΟΦΟΣ ΣΑΣ Σ", "İstanbul ẞ", "\u200bred\u200b",
    "a\0b\x1cc", "▁red ▁", "🦜🦜 stars 👩‍👩‍👧", "\u0915\u094d\u0937 red", "It's \"red\", isn't it?!", "... !!! ---", "x\r\ny",
    "<extra_id_0> red <extra_id_99>", "[img] red[img]blue", "RED CIRCLE", "\ufdfa", "<0x41>", "</s>", "red </s>", "red</s></s>",
    "�", "ab" * 40, "  red", " red", "red  ", " ", "\n", "<image>  red", "</s> red", "_ <unk> _",
]  # fmt: skip


def training_texts():
    texts = [" ".join(WORDS[i % 7 : i % 7 + 5 + i % 6]) + "." for i in range(3_000)]
    # Few scripts, so that most pieces are words and not characters.
    kept = lambda text: "".join(c for c in text if ord(c) >= 32 and ord(c) < 0x180 or 0x3B1 <= ord(c) <= 0x3C9)
    return texts + [kept(s.decode("utf-8", "replace")) for s in corpus(3_000, 8)]


def rules():
    """A part of NFKC, with the spaces and removals of nmt_nfkc: the whole one takes 240 KB."""
    ranges = [(0xC0, 0x180), (0x1E00, 0x1E40), (0x2100, 0x2130), (0x3300, 0x3310), (0xFB00, 0xFB07), (0xFF01, 0xFF60)]
    pairs = {}
    for low, high in ranges:
        for code in range(low, high):
            text = chr(code)
            composed, split = unicodedata.normalize("NFKC", text), unicodedata.normalize("NFD", text)
            if composed != text:
                pairs[text] = composed
            if split != text and composed == text:
                pairs[split] = text
    for code in (0x09, 0x0A, 0x0D, 0xA0, 0x2028, 0x3000, 0x200B):
        pairs[chr(code)] = " "
    for code in (0x00, 0x01, 0x1C, 0x7F, 0xAD, 0xFEFF):
        pairs[chr(code)] = ""
    pairs["\ufdfa"] = unicodedata.normalize("NFKC", "\ufdfa")
    del pairs["\0"]
    spell = lambda text: " ".join(f"{ord(c):X}" for c in text)
    return "".join(f"{spell(a)}\t{spell(b)}\n" for a, b in sorted(pairs.items()))


def train(name, **options):
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts"
        texts.write_text("\n".join(training_texts()))
        (Path(folder) / "rules.tsv").write_text(rules())
        if options.pop("has_rules", False):
            options["normalization_rule_tsv"] = f"{folder}/rules.tsv"
        sentencepiece.SentencePieceTrainer.train(
            input=str(texts), model_prefix=f"{folder}/model", num_threads=1, input_sentence_size=0, minloglevel=2,
            hard_vocab_limit=False, **options,
        )
        model = proto.ModelProto.FromString(Path(f"{folder}/model.model").read_bytes())
        for field in ("input", "model_prefix"):
            model.trainer_spec.ClearField(field)
        model.normalizer_spec.ClearField("normalization_rule_tsv")
        (FOLDER / f"{name}.model").write_bytes(model.SerializeToString())


def added(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False,
            "special": True, **flags}  # fmt: skip


def cases():
    """Class, model, its name in the directory, and the files beside it. `size` in a file is the number of pieces."""
    size = {name: len(pieces(name)) for name in ("bpe", "unigram")}
    config = "tokenizer_config.json"
    llama = lambda **fields: {config: {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, **fields}}
    bpe = ("LlamaTokenizer", "bpe", "tokenizer.model")
    yield *bpe, llama(legacy=False)
    yield *bpe, llama(legacy=True, add_eos_token=True)
    yield *bpe, llama(add_prefix_space=False)
    yield *bpe, {**llama(legacy=False), "added_tokens.json": {"<image>": size["bpe"]}}
    yield *bpe, {**llama(legacy=False), "special_tokens_map.json": {"extra_special_tokens": ["<image>"]}}
    yield *bpe, llama(legacy=False, pad_token="<unk>", added_tokens_decoder={
        "0": added("<unk>"), "1": added("<s>"), "2": added("</s>"), str(size["bpe"]): added("<image>", special=False)})
    t5 = ("T5Tokenizer", "unigram", "spiece.model")
    yield *t5, {config: {"tokenizer_class": "T5Tokenizer"}}
    yield *t5, {config: {"tokenizer_class": "T5Tokenizer", "extra_ids": 3, "added_tokens_decoder": {
        str(size["unigram"] + 3): added("<image>")}}}
    siglip = ("SiglipTokenizer", "unigram", "spiece.model")
    yield *siglip, {config: {"tokenizer_class": "SiglipTokenizer"}}
    yield *siglip, {config: {"tokenizer_class": "SiglipTokenizer", "do_lower_case": False}}
    yield *siglip, {config: {"tokenizer_class": "SiglipTokenizer", "added_tokens_decoder": {
        "1": added("</s>"), "2": added("<unk>", lstrip=True)}, "pad_token": "</s>", "unk_token": "<unk>"}}


def pieces(name):
    model = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / f"{name}.model"))
    return [model.id_to_piece(i) for i in range(len(model))]


def agree(tokenizer, texts, model):
    """transformers' T5Tokenizer and LlamaTokenizer are not SentencePiece: they put no "▁" before a part that begins
    with a space, and T5's splits at all white space and goes by grapheme clusters. Only texts where that is no question
    are taken from them."""
    if tokenizer == "SiglipTokenizer":
        return texts
    odd = lambda text: text != " ".join(text.split()) or "▁" in text or "\u200b" in text or "\x1c" in text or "\u0301" in text
    after = lambda text: any(mark + " " in text for mark in ("</s>", "<s>", "<image>", "<unk>", "<extra_id_0>"))
    texts = [text for text in texts if not (text.startswith((" ", "▁")) or after(text))]
    return [text for text in texts if tokenizer != "T5Tokenizer" or not odd(text)]


def main():
    FOLDER.mkdir(exist_ok=True)
    if "--keep" not in sys.argv:
        train("bpe", model_type="bpe", vocab_size=800, byte_fallback=True, character_coverage=0.98,
              normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True)  # fmt: skip
        train("unigram", model_type="unigram", vocab_size=700, has_rules=True, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
              character_coverage=0.98)  # fmt: skip
    rows = []
    for name in ("bpe", "unigram"):
        model = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / f"{name}.model"))
        # Pieces with a role are found in a text by transformers, not by SentencePiece.
        is_plain = lambda text: not any(mark in text for mark in ("<s>", "</s>", "<unk>", "<pad>", "<extra"))
        plain = [text for text in TEXTS if is_plain(text)]
        strings = [s.decode("utf-8", "replace") for s in corpus(COUNT, 21)]
        hashes = [fold(model.encode(text)) if is_plain(text) else None for text in strings]
        rows.append({"oracle": "sentencepiece", "model": name, "texts": plain, "ids": model.encode(plain),
                     "hashes": hashes})  # fmt: skip
    kinds = {"LlamaTokenizer": LlamaTokenizer, "T5Tokenizer": T5Tokenizer, "SiglipTokenizer": SiglipTokenizer}
    for kind, model, file, files in cases():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(FOLDER / f"{model}.model", Path(folder) / file)
            for name, content in files.items():
                (Path(folder) / name).write_text(json.dumps(content))
            tokenizer = kinds[kind].from_pretrained(folder)
            texts = agree(kind, TEXTS, model)
            bare = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
            rows.append({"oracle": kind, "model": model, "file": file, "files": files, "texts": texts,
                         "ids": [tokenizer.encode(text) for text in texts], "bare": bare,
                         "decoded": [tokenizer.decode(ids, skip_special_tokens=True) for ids in bare],
                         "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id})  # fmt: skip
            if kind == "SiglipTokenizer":
                rows[-1]["hashes"] = [fold(tokenizer.encode(s.decode("utf-8", "replace"))) for s in corpus(COUNT, 22)]
    (FOLDER / "expected.json").write_text(json.dumps(rows, ensure_ascii=False, separators=(",", ":")) + "\n")
    for name, tokenizer in families().items():
        write(name, tokenizer)


def fold(ids):
    """16 bits of the ids, as TokenizerFamilyTests computes them."""
    return digest(ids, [], "", "")


def t5():
    """As transformers writes a T5 tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(FOLDER / "unigram.model", Path(folder) / "spiece.model")
        return T5Tokenizer.from_pretrained(folder, extra_ids=5)._tokenizer


def unigram_bytes():
    """Settings of no known model: byte fallback, and the other steps that Unigram files use."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / "unigram.model"))
    vocabulary = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    vocabulary += [(model.id_to_piece(i), model.get_score(i)) for i in range(3, len(model)) if i < 400 or i > 640]
    vocabulary += [(piece, -9.5) for piece in ("字", "字典", "🦜", "क", "क्", "한", "\u0301", "е")]
    vocabulary += [(f"<0x{byte:02X}>", 0.0) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation("isolated"), pre_tokenizers.Metaspace(prepend_scheme="first", split=False)])
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def siglip2():
    """As Gemma's BPE tokenizer with lower case."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    names = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=names, limit_alphabet=120, show_progress=False)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator(training_texts(), trainer)
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = file["added_tokens"][:4]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.add_special_tokens([AddedToken("<start_of_turn>", normalized=False)])
    return tokenizer


def words():
    """Whitespace as the pre-tokenizer, no unknown characters fall back, punctuation joined."""
    tokenizer = unigram_bytes()
    file = json.loads(tokenizer.to_str())
    file["model"]["byte_fallback"] = False
    file["model"]["vocab"] = file["model"]["vocab"][:-256]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous"),
         pre_tokenizers.Metaspace(prepend_scheme="always")])
    return tokenizer


def families():
    return {"t5": t5(), "unigram-bytes": unigram_bytes(), "unigram-words": words(), "siglip2": siglip2()}


def write(name, tokenizer):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    records = [record(tokenizer, s.decode("utf-8", "replace")) for s in corpus(COUNT, 7)]
    (folder / "hashes.bin").write_bytes(struct.pack(f"<{COUNT}H", *(digest(*r) for r in records)))
    rows = [dict(zip(("ids", "bare", "text", "full"), r)) for r in records[:WRITTEN_OUT]]
    (folder / "expected.json").write_text(json.dumps(rows, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(name, tokenizer.get_vocab_size(), sum(len(r[0]) for r in records), file=sys.stderr)


if __name__ == "__main__":
    main()
