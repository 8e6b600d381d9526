"""Tokenizers with real vocabularies against Hugging Face's `tokenizers`: CLIP's (from open_clip) and SmolLM2's.

Run by `make test-torch`. The corpus is that of Tests/DamaTextTests/Fixtures with other seeds, and longer strings made
from it.
"""

from __future__ import annotations

import gzip
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, pre_tokenizers
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers import CLIPTokenizer

import libdama

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "DamaTextTests" / "Fixtures"))
from corpus import corpus  # noqa: E402

COUNT = 20_000
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's real vocabulary and merges, as OpenAI's code derives them from the merges file that open_clip ships."""
    path = Path(find_spec("open_clip").origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.open(path).read().decode().split("\n")
    merges = [(a, b) for a, b in (line.split() for line in lines[1 : 49152 - 256 - 2 + 1])]
    letters = list(bytes_to_unicode().values())
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    assert len(vocabulary) == 49408
    return vocabulary, merges


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    vocabulary, merges = clip_vocabulary()
    CLIPTokenizer(vocab=vocabulary, merges=merges).save_pretrained(folder)
    return folder


def compare(folder: Path, reference: Tokenizer, texts: list[bytes]) -> None:
    ours = libdama.Tokenizer(folder)
    strings = [text.decode("utf-8", "replace") for text in texts]
    for special in (True, False):
        expected = [encoding.ids for encoding in reference.encode_batch(strings, add_special_tokens=special)]
        wrong = [
            ascii(string) for text, string, ids in zip(texts, strings, expected)
            if ours.encode(text, add_special_tokens=special).tolist() != ids
        ]  # fmt: skip
        assert wrong == []
    assert [ours.decode(ids) for ids in expected] == reference.decode_batch(expected)
    assert len(ours) == reference.get_vocab_size()


def texts(seed: int) -> list[bytes]:
    short = corpus(COUNT, seed)
    return short + [b" ".join(short[i : i + 40]) for i in range(0, 4_000, 40)]


def test_clip(clip: Path) -> None:
    compare(clip, Tokenizer.from_file(str(clip / "tokenizer.json")), texts(101))


def test_clip_from_vocabulary_and_merges(clip: Path, tmp_path: Path) -> None:
    vocabulary, merges = clip_vocabulary()
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges), ""]
    (tmp_path / "merges.txt").write_text("\n".join(lines))
    compare(tmp_path, Tokenizer.from_file(str(clip / "tokenizer.json")), texts(102))


def test_clip_single_characters(clip: Path) -> None:
    """Every Unicode character: lower case, classes, normalisation."""
    # Without surrogates, private use and empty planes.
    codes = [*range(0xD800), *range(0xF900, 0x34000), *range(0xE0000, 0xE0200)]
    characters = [chr(code) for code in codes]
    groups = [" ".join(characters[i : i + 64]).encode() for i in range(0, len(characters), 64)]
    compare(clip, Tokenizer.from_file(str(clip / "tokenizer.json")), groups)


def test_smollm2(smollm2: Path) -> None:
    compare(smollm2, Tokenizer.from_file(str(smollm2 / "tokenizer.json")), texts(103))


def test_llama3_pattern_over_a_real_vocabulary(smollm2: Path, tmp_path: Path) -> None:
    reference = Tokenizer.from_file(str(smollm2 / "tokenizer.json"))
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    reference.save(str(tmp_path / "tokenizer.json"))
    compare(tmp_path, reference, texts(104))


def test_what_python_repairs_in_broken_utf8(smollm2: Path) -> None:
    """Invalid UTF-8 of every kind is repaired as Python's errors="replace" does."""
    ours = libdama.Tokenizer(smollm2)
    state = 12345
    for _ in range(20_000):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        # Lead and continuation bytes far more often than in random bytes.
        choices = [0x41, 0x80, 0xA0, 0xBF, 0xC2, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xFF, 0x9F, 0x90, 0x8F, 0xC0, 0xF5]
        data = bytes(choices[(state >> (4 * i)) & 15] for i in range(3, 12))
        assert ours.decode(ours.encode(data)) == data.decode("utf-8", "replace")
