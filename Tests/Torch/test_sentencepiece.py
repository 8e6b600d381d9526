"""SentencePiece models and what transformers does around them, against SentencePiece and transformers.

Run by `make test-torch`. The models are trained here, with SentencePiece's own character maps and thousands of pieces.
"""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer
from transformers import LlamaTokenizer, SiglipTokenizer, T5Tokenizer

import libdama

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "DamaTextTests" / "Fixtures"))
from corpus import corpus  # noqa: E402

WORDS = "a photo of the red circle left of two small blue squares there are three green stars on top".split()
COUNT = 5_000
ROLES = ("<s>", "</s>", "<unk>", "<pad>", "<mask>", "<extra_id", "<image>")
T5_IDS = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
# As Llama's, T5's and SigLIP's, and settings of no known model.
MODELS = {
    "llama": {"model_type": "bpe", "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
              "byte_fallback": True, "split_digits": True},
    "t5": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc", **T5_IDS},
    "bpe-nfkc": {"model_type": "bpe", "normalization_rule_name": "nmt_nfkc"},
    "unigram-folded": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc_cf", "byte_fallback": True},
    "unigram-suffix": {"model_type": "unigram", "normalization_rule_name": "nfkc", "treat_whitespace_as_suffix": True},
    "unigram-plain": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc", "add_dummy_prefix": False,
                      "remove_extra_whitespaces": False},
}  # fmt: skip


def strings(seed: int) -> list[str]:
    return [text.decode("utf-8", "replace") for text in corpus(COUNT, seed)]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sentencepiece")
    lines = [" ".join(WORDS[i % 7 : i % 7 + 5 + i % 6]) + "." for i in range(3_000)]
    lines += [text.replace("\0", "").replace("\n", " ") for text in strings(8)[:3_000]]
    (folder / "texts").write_text("\n".join(lines))
    for name, options in MODELS.items():
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "texts"), model_prefix=str(folder / name), vocab_size=14_000, num_threads=1,
            character_coverage=0.98, minloglevel=2, hard_vocab_limit=False, **options,
        )  # fmt: skip
    return folder


def place(models: Path, name: str, file: str, folder: Path, **config: object) -> Path:
    shutil.copy(models / f"{name}.model", folder / file)
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def differences(ours: libdama.Tokenizer, texts: list[str], expected: list[list[int]], special: bool) -> list[str]:
    return [
        ascii(text) for text, ids in zip(texts, expected)
        if ours.encode(text, add_special_tokens=special).tolist() != ids
    ]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_text_is_divided_as_by_sentencepiece(models: Path, tmp_path: Path, name: str) -> None:
    texts = [text for text in strings(31) if not any(role in text for role in ROLES)]
    texts += [" ".join(texts[i : i + 40]) for i in range(0, 2_000, 40)] + ["a photo of the red circle " * 4_000]
    reference = sentencepiece.SentencePieceProcessor(model_file=str(models / f"{name}.model"))
    ours = libdama.Tokenizer(place(models, name, "tokenizer.model", tmp_path))
    assert differences(ours, texts, reference.encode(texts), special=False) == []


@pytest.mark.parametrize("legacy", [True, False])
def test_llama(models: Path, tmp_path: Path, legacy: bool) -> None:
    """With added tokens from every place. transformers drops a space at the start of a text, which SentencePiece keeps;
    such texts are left out."""
    folder = place(
        models, "llama", "tokenizer.model", tmp_path, tokenizer_class="LlamaTokenizer", legacy=legacy,
        add_bos_token=True, add_eos_token=not legacy, pad_token="<unk>")  # fmt: skip
    size = sentencepiece.SentencePieceProcessor(model_file=str(models / "llama.model")).get_piece_size()
    (folder / "added_tokens.json").write_text(json.dumps({"<image>": size}))
    reference = LlamaTokenizer.from_pretrained(folder)
    texts = ["<image>" * (i % 5 == 0) + text + "<image>red</s>" * (i % 3 == 0) for i, text in enumerate(strings(32))]
    after = tuple(role + space for role in ROLES for space in " ▁")
    texts = [text for text in texts if not (text.startswith((" ", "▁")) or any(pair in text for pair in after))]
    assert len(texts) > COUNT // 2
    for special in (True, False):
        expected = [reference.encode(text, add_special_tokens=special) for text in texts]
        ours = libdama.Tokenizer(folder)
        assert differences(ours, texts, expected, special) == []
    assert [ours.decode(ids) for ids in expected] == reference.batch_decode(expected, skip_special_tokens=True)


@pytest.mark.parametrize("lower", [True, False])
def test_siglip(models: Path, tmp_path: Path, lower: bool) -> None:
    """Characters that this Python does not know are left out: it does not lower-case them."""
    folder = place(models, "t5", "spiece.model", tmp_path, tokenizer_class="SiglipTokenizer", do_lower_case=lower)
    texts = [text for text in strings(33) if all(unicodedata.category(c) != "Cn" for c in text)]
    reference = SiglipTokenizer.from_pretrained(folder)
    ours = libdama.Tokenizer(folder)
    assert differences(ours, texts, [reference.encode(text) for text in texts], special=True) == []


def test_unigram_from_tokenizer_json(models: Path, tmp_path: Path) -> None:
    """T5's pipeline in `tokenizers`, with the whole nmt_nfkc map."""
    source = tmp_path / "source"
    source.mkdir()
    T5Tokenizer.from_pretrained(place(models, "t5", "spiece.model", source)).save_pretrained(tmp_path)
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    reference.no_truncation()
    ours = libdama.Tokenizer(tmp_path / "tokenizer.json")
    # Every character, and pairs of them with a mark.
    codes = [*range(1, 0xD800), *range(0xF900, 0x34000), *range(0xE0000, 0xE0200)]
    texts = strings(34) + [" ".join(map(chr, codes[i : i + 64])) for i in range(0, len(codes), 64)]
    texts += ["".join(chr(code) + "\u0301" for code in codes[i : i + 64]) for i in range(0, len(codes), 64)]
    expected = [encoding.ids for encoding in reference.encode_batch(texts)]
    assert differences(ours, texts, expected, special=True) == []
