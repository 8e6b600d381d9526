import json
import random
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import libdama

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaTextTests" / "Fixtures"
FAMILIES = [
    "clip", "clip-old", "llama2", "llama2-metaspace", "llama3", "smollm", "gpt2", "flags", "t5", "unigram-bytes",
    "unigram-words", "siglip2",
]  # fmt: skip

sys.path.insert(0, str(FIXTURES))
from corpus import corpus  # noqa: E402


@pytest.fixture(scope="module")
def clip():
    return libdama.Tokenizer(FIXTURES / "clip")


def fnv1a(data):
    """32 bits folded to 16, as in make_tokenizers.py."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return (value >> 16) ^ (value & 0xFFFF)


@pytest.mark.parametrize("family", FAMILIES)
def test_thousands_of_strings_as_hugging_face(family):
    """make_tokenizers.py (10,000 strings) and make_sentencepiece.py (2,000) recorded ids with and without special tokens, and the decoded text with and without."""
    tokenizer = libdama.Tokenizer(FIXTURES / family)
    data = (FIXTURES / family / "hashes.bin").read_bytes()
    expected = struct.unpack(f"<{len(data) // 2}H", data)
    assert len(expected) in (2_000, 10_000)
    wrong = []
    for index, text in enumerate(corpus(len(expected), 7)):
        ids = tokenizer.encode(text)
        bare = tokenizer.encode(text, add_special_tokens=False)
        data = ids.astype("<i4").tobytes() + bare.astype("<i4").tobytes()
        data += tokenizer.decode(ids).encode() + b"\0" + tokenizer.decode(ids, skip_special_tokens=False).encode()
        if fnv1a(data) != expected[index]:
            wrong.append(index)
    assert wrong == []


def test_the_corpus_is_the_one_recorded():
    rows = json.loads((FIXTURES / "clip" / "expected.json").read_text())
    tokenizer = libdama.Tokenizer(FIXTURES / "clip" / "tokenizer.json")
    for text, row in zip(corpus(len(rows), 7), rows):
        assert tokenizer.encode(text).tolist() == row["ids"]
        assert tokenizer.decode(row["ids"]) == row["text"]


def test_text_and_broken_bytes(clip):
    assert clip.encode(b"caf\xc3\xa9").tolist() == clip.encode("café").tolist()
    assert clip.encode(b"a\xff\xe2\x82b").tolist() == clip.encode("a\ufffd\ufffdb").tolist()
    assert clip.encode("a\ud800b").tolist() == clip.encode("a\ufffd\ufffd\ufffdb").tolist()
    assert clip.encode("").tolist() == [clip.id("<|startoftext|>"), clip.id("<|endoftext|>")]
    assert clip.encode("a\0b", add_special_tokens=False).size == 3
    assert clip.encode("x").dtype == np.int32
    # Normalisation makes U+FDFA longer, and each of its bytes becomes a token.
    assert clip.encode("\ufdfa" * 3000).size > 3000


def test_vocabulary(clip):
    assert len(clip) == clip.id_end == 1100
    assert clip.token(clip.id("<|endoftext|>")) == "<|endoftext|>"
    assert clip.id("no such token") is None
    assert (clip.bos_id, clip.eos_id, clip.pad_id) == (None, None, None)
    assert clip.unk_id == clip.id("<|endoftext|>")
    with pytest.raises(ValueError, match="id 1100"):
        clip.token(1100)
    with pytest.raises(ValueError, match="NUL"):
        clip.id("a\0")


def test_roles_come_from_the_configuration(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((FIXTURES / "llama2" / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<s>", "eos_token": {"content": "</s>"}}')
    (tmp_path / "special_tokens_map.json").write_text('{"eos_token": "<unk>", "pad_token": "</s>"}')
    tokenizer = libdama.Tokenizer(tmp_path)
    # As in transformers, without added_tokens_decoder the map takes precedence over tokenizer_config.json.
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id, tokenizer.unk_id) == (1, 0, 2, 0)
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": 3}')
    with pytest.raises(ValueError, match="tokenizer_config.json: bos_token"):
        libdama.Tokenizer(tmp_path)


def test_threads_share_one_tokenizer(clip):
    texts = corpus(300, 11)
    expected = [clip.encode(text).tolist() for text in texts]
    results = []
    threads = [
        threading.Thread(target=lambda: results.append([clip.encode(text).tolist() for text in texts]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_missing_files(tmp_path):
    with pytest.raises(OSError, match="neither tokenizer.json"):
        libdama.Tokenizer(tmp_path)
    with pytest.raises(OSError, match="nowhere"):
        libdama.Tokenizer("/nowhere/tokenizer.json")


def test_split_into_sentences():
    sentences = ["Dr. A. Smith sees 3.5 dogs, etc.", "They bark!"]
    assert libdama.split(" ".join(sentences)) == sentences
    lines = ["Objects:", "- a red circle", "- a blue square"]
    assert libdama.split("\n".join(lines)) == lines
    assert libdama.split("") == []


def test_split_keeps_to_the_limit_and_to_the_words(clip):
    words = "the red circle, and a blue square; (small) e.g. two stars. It is 3.5 m wide! - list 1. \n".split(" ")
    generator = random.Random(3)
    for limit in (None, 77, 12):
        for _ in range(100):
            text = " ".join(generator.choices(words, k=generator.randrange(120)))
            parts = libdama.split(text, clip, limit)
            assert [word for part in parts for word in part.split()] == text.split()
            assert all(len(clip.encode(part)) <= (limit or 77) for part in parts)


def test_split_complains():
    clip = libdama.Tokenizer(FIXTURES / "clip")
    with pytest.raises(ValueError, match="needs a tokenizer"):
        libdama.split("a", token_limit=5)
    with pytest.raises(ValueError, match="at least 1"):
        libdama.split("a", clip, 0)
    with pytest.raises(ValueError, match="too low"):
        libdama.split("a", clip, 2)
    with pytest.raises(ValueError, match="NUL"):
        libdama.split("a\0b")
