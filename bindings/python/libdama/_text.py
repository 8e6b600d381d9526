"""Tokenizers and the sub-sentence splitter."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Iterable, Optional, Union

import numpy as np
from numpy.typing import NDArray

from . import _abi
from ._errors import InvalidArgument, ShapeMismatch
from ._native import check
from ._repr import described


def _utf8(text: Union[str, bytes]) -> bytes:
    # Half a surrogate pair has no UTF-8; the library reads its bytes as U+FFFD, as all invalid bytes.
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _c_string(text: str, name: str) -> bytes:
    utf8 = _utf8(text)
    if b"\0" in utf8:
        raise InvalidArgument(f"{name} contains a NUL character, which ends a string in C")
    return utf8


class Tokenizer:
    """Converts text to token ids and back, as Hugging Face's ``tokenizers`` does with the same tokenizer.json.

    ``path`` is a tokenizer.json, or a directory. The first of these in it is read: tokenizer.json; CLIP's vocab.json
    and merges.txt; a SentencePiece model, tokenizer.model or spiece.model. Byte-pair encoding as in CLIP, Llama and
    GPT-2 and unigram models as in T5 and SigLIP are supported; anything else in the file raises ``Unsupported`` with
    its name. Truncation and padding in the file are ignored. A tokenizer is immutable and thread-safe.
    """

    __slots__ = ("_handle", "_facts", "_path")

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        self._handle: Optional[int] = None
        self._path = os.fspath(path)
        handle = ctypes.c_void_p()
        check(_abi.dama_tokenizer_create(handle, os.fsencode(path)))
        self._handle = handle.value
        self._facts = _abi.dama_tokenizer_facts()
        _abi.dama_tokenizer_facts_init(self._facts)
        check(_abi.dama_tokenizer_describe(self._handle, self._facts))

    def __del__(self, free: Any = _abi.dama_tokenizer_free) -> None:
        if getattr(self, "_handle", None) is not None:
            free(self._handle)

    def __repr__(self) -> str:
        return described(self, lambda: {
            "path": self._path, "tokens": len(self), "bos_id": self.bos_id, "eos_id": self.eos_id, "pad_id": self.pad_id,
            "unk_id": self.unk_id,
        })  # fmt: skip

    def encode(self, text: Union[str, bytes], add_special_tokens: bool = True) -> NDArray[np.int32]:
        """The token ids of ``text``. Bytes are read as UTF-8, invalid bytes as U+FFFD. Nothing is cut off."""
        utf8 = _utf8(text)
        count = ctypes.c_size_t()
        # Enough for nearly every text, so that it is encoded only once; normalisation can make a text longer.
        ids = np.empty(len(utf8) + 64, dtype=np.int32)
        status = _abi.dama_tokenizer_encode(
            self._handle, utf8, len(utf8), add_special_tokens, ids.ctypes.data, ids.size, ctypes.byref(count)
        )
        if status == ShapeMismatch.status:
            check(
                _abi.dama_tokenizer_encode(
                    self._handle, utf8, len(utf8), add_special_tokens, None, 0, ctypes.byref(count)
                )
            )
            ids = np.empty(count.value, dtype=np.int32)
            status = _abi.dama_tokenizer_encode(
                self._handle, utf8, len(utf8), add_special_tokens, ids.ctypes.data, ids.size, ctypes.byref(count)
            )
        check(status)
        return ids[: count.value].copy()

    def decode(self, ids: Union[NDArray[np.int32], Iterable[int]], skip_special_tokens: bool = True) -> str:
        """The text of ``ids``. Ids outside the vocabulary are skipped."""
        array = np.ascontiguousarray(ids if isinstance(ids, np.ndarray) else list(ids), dtype=np.int32).reshape(-1)
        size = ctypes.c_size_t()

        def call(buffer: Optional[ctypes.Array[ctypes.c_char]], capacity: int) -> None:
            check(
                _abi.dama_tokenizer_decode(
                    self._handle, array.ctypes.data, array.size, skip_special_tokens, buffer, capacity,
                    ctypes.byref(size),
                )
            )  # fmt: skip

        call(None, 0)
        buffer = ctypes.create_string_buffer(size.value + 1)
        call(buffer, size.value + 1)
        return buffer.raw[: size.value].decode("utf-8")

    def id(self, token: str) -> Optional[int]:
        """The id of a token in the vocabulary's spelling ("cat</w>", "▁the", "Ġand"); None if it does not exist."""
        found = ctypes.c_int32()
        check(_abi.dama_tokenizer_find(self._handle, _c_string(token, "token"), ctypes.byref(found)))
        return found.value if found.value >= 0 else None

    def token(self, id: int) -> str:
        """The spelling of the token with this id. Raises ``InvalidArgument`` if the token does not exist."""
        size = ctypes.c_size_t()
        check(_abi.dama_tokenizer_spell(self._handle, id, None, 0, ctypes.byref(size)))
        buffer = ctypes.create_string_buffer(size.value + 1)
        check(_abi.dama_tokenizer_spell(self._handle, id, buffer, size.value + 1, ctypes.byref(size)))
        return buffer.raw[: size.value].decode("utf-8")

    def __len__(self) -> int:
        """The number of tokens, added ones included."""
        return self._facts.vocabulary_size

    @property
    def id_end(self) -> int:
        """The largest id plus one: the number of rows of an embedding table."""
        return self._facts.id_end

    @property
    def bos_id(self) -> Optional[int]:
        """The id of the beginning of a sequence; None if no file of the directory names it."""
        return self._special(self._facts.bos_id)

    @property
    def eos_id(self) -> Optional[int]:
        """The id of the end of a sequence; None if no file names it."""
        return self._special(self._facts.eos_id)

    @property
    def pad_id(self) -> Optional[int]:
        """The id of the padding token; None if no file names it."""
        return self._special(self._facts.pad_id)

    @property
    def unk_id(self) -> Optional[int]:
        """The id of the unknown token; None if no file names it."""
        return self._special(self._facts.unk_id)

    @staticmethod
    def _special(id: int) -> Optional[int]:
        return id if id >= 0 else None


def split(text: str, tokenizer: Optional[Tokenizer] = None, token_limit: Optional[int] = None) -> list[str]:
    """Splits a response into sub-sentences by its punctuation, as ``dama score`` does.

    With a ``tokenizer`` no sub-sentence has more than ``token_limit`` tokens (default: 77, as in CLIP), including
    special tokens: a sentence over the limit is split into clauses, a clause between words, a word between characters.
    Without a tokenizer, a sub-sentence is a sentence. Every character other than white space is in exactly one
    sub-sentence, in order.
    """
    strings = ctypes.c_void_p()
    check(_abi.dama_split(strings, _c_string(text, "text"), split_options(tokenizer, token_limit)))
    try:
        return string_list(strings)
    finally:
        _abi.dama_strings_free(strings)


def split_options(tokenizer: Optional[Tokenizer], token_limit: Optional[int]) -> _abi.dama_split_options:
    """The C options for the limit of a sub-sentence. The tokenizer must outlive the call."""
    options = _abi.dama_split_options()
    _abi.dama_split_options_init(options)
    if token_limit is not None and tokenizer is None:
        raise InvalidArgument("a token_limit needs a tokenizer")
    if tokenizer is not None:
        limit = 77 if token_limit is None else token_limit
        if not 0 < limit < 1 << 31:
            raise InvalidArgument(f"token_limit is {limit}; it must be at least 1")
        options.token_limit = limit
        options.tokenizer = tokenizer._handle
    return options


def string_list(strings: Union[int, ctypes.c_void_p]) -> list[str]:
    """The strings of a handle, which its owner must free."""
    count = _abi.dama_strings_count(strings)
    return [_abi.dama_strings_at(strings, index).decode("utf-8") for index in range(count)]
