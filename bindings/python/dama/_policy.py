"""Policies: log-probabilities of preference pairs, and text, from LLaVA and Llama models."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ._cancellation import Cancellation, run_stoppable
from ._errors import InvalidArgument
from ._native import check, declare, declare_init
from ._runtime import open_with
from ._scorer import Image, _Image, _image
from ._text import _c_string, _strings_at, _strings_count, _strings_free

_IMAGE_MODES = {"crop": 0, "pad": 1}
_OVERLONG = {"error": 0, "cut": 1}

_HANDLE = ctypes.c_void_p
_STRINGS = ctypes.POINTER(ctypes.c_char_p)


class _Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("threads", ctypes.c_uint32),
        ("max_image_pixels", ctypes.c_uint64),
        ("provider", ctypes.c_char_p),
        ("onnxruntime", ctypes.c_char_p),
        ("prompt_template", ctypes.c_char_p),
        ("system", ctypes.c_char_p),
        ("image_mode", ctypes.c_uint32),
        ("overlong", ctypes.c_uint32),
        ("max_length", ctypes.c_uint32),
        ("token_budget", ctypes.c_uint32),
        ("share_prefix", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("ignore_orientation", ctypes.c_uint32),
        ("drop_alpha", ctypes.c_uint32),
    ]


class _Facts(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("vocabulary_size", ctypes.c_uint32),
        ("hidden_size", ctypes.c_uint32),
        ("max_length", ctypes.c_uint32),
        ("image_tokens", ctypes.c_uint32),
        ("prompt_template", ctypes.c_char_p),
    ]


class _Pair(ctypes.Structure):
    _fields_ = [
        ("image", ctypes.POINTER(_Image)),
        ("prompt", ctypes.c_char_p),
        ("chosen", ctypes.c_char_p),
        ("rejected", ctypes.c_char_p),
    ]


class _ResponseLogp(ctypes.Structure):
    _fields_ = [
        ("sum", ctypes.c_double),
        ("mean", ctypes.c_double),
        ("count", ctypes.c_size_t),
        ("was_cut", ctypes.c_int32),
    ]


_options_init = declare_init("dama_policy_options_init", _Options)
_create = declare("dama_policy_create", ctypes.POINTER(_HANDLE), ctypes.c_char_p, ctypes.POINTER(_Options))
_free = declare("dama_policy_free", _HANDLE, restype=None)
_facts_init = declare_init("dama_policy_facts_init", _Facts)
_describe = declare("dama_policy_describe", _HANDLE, ctypes.POINTER(_Facts))
_templates = declare("dama_prompt_templates", ctypes.POINTER(_HANDLE))
_logps = declare(
    "dama_policy_logps", ctypes.POINTER(_HANDLE), _HANDLE, ctypes.POINTER(_Pair), ctypes.c_size_t, _HANDLE
)
_logps_free = declare("dama_logps_free", _HANDLE, restype=None)
_logps_count = declare("dama_logps_count", _HANDLE, restype=ctypes.c_size_t)
_logps_get = declare(
    "dama_logps_get", _HANDLE, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(_ResponseLogp)
)  # fmt: skip
_logps_tokens = declare(
    "dama_logps_tokens", _HANDLE, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_size_t),
)  # fmt: skip


def prompt_templates() -> list[str]:
    """The names that ``Policy(template=…)`` knows."""
    strings = _HANDLE()
    check(_templates(strings))
    try:
        return [_strings_at(strings, index).decode() for index in range(_strings_count(strings))]
    finally:
        _strings_free(strings)


@dataclass(frozen=True)
class ResponseLogps:
    """log π(y | I, x) of one response."""

    #: Of each response token, the template's end token included. float32 [count].
    tokens: NDArray[np.float32]
    #: Over all tokens, what DPO compares.
    sum: float
    #: sum / count.
    mean: float
    #: Response tokens.
    count: int
    #: Whether the response's end was cut off to fit ``max_length``.
    was_cut: bool


@dataclass(frozen=True)
class PairLogps:
    """Both responses' log-probabilities of a pair."""

    chosen: ResponseLogps
    rejected: ResponseLogps


#: (image, prompt, chosen, rejected), or a mapping with these keys. A model of text alone takes no image.
Pair = Union[tuple[Optional[Image], str, str, str], Mapping[str, Any]]


class PolicyModel:
    """What `Policy` is without its text generation: the opened model and log-probabilities."""

    def __init__(
        self,
        model_dir: Union[str, os.PathLike[str]],
        *,
        threads: int = 0,
        provider: str = "cpu",
        template: Optional[str] = None,
        system: Optional[str] = None,
        image_mode: str = "crop",
        max_length: Optional[int] = None,
        overlong: str = "error",
        token_budget: int = 8192,
        share_prefix: bool = True,
        ignore_orientation: bool = False,
        drop_alpha: bool = False,
        max_image_pixels: Optional[int] = None,
        onnxruntime: Optional[Union[str, os.PathLike[str]]] = None,
    ) -> None:
        self._handle = _HANDLE()
        options = _Options()
        _options_init(options)
        open_with(options, threads, provider, max_image_pixels, onnxruntime)
        if template is not None:
            options.prompt_template = _c_string(template, "template")
        if system is not None:
            options.system = _c_string(system, "system")
        options.image_mode = _choice("image_mode", image_mode, _IMAGE_MODES)
        options.overlong = _choice("overlong", overlong, _OVERLONG)
        if max_length is not None:
            options.max_length = _positive("max_length", max_length)
        options.token_budget = _positive("token_budget", token_budget)
        options.share_prefix = bool(share_prefix)
        options.ignore_orientation = bool(ignore_orientation)
        options.drop_alpha = bool(drop_alpha)
        check(_create(self._handle, os.fsencode(model_dir), options))
        facts = _Facts()
        _facts_init(facts)
        check(_describe(self._handle, facts))
        #: Logits for each token.
        self.vocabulary_size: int = facts.vocabulary_size
        #: Numbers in a token's hidden state.
        self.hidden_size: int = facts.hidden_size
        #: The most tokens of image, prompt and one response together.
        self.max_length: int = facts.max_length
        #: Tokens that an image takes; 0 for a model of text alone.
        self.image_tokens: int = facts.image_tokens
        #: The template in use: its name, or its text.
        self.template: str = facts.prompt_template.decode("utf-8")

    def __del__(self, free: Any = _free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def logps(
        self, image: Optional[Image], prompt: str, chosen: str, rejected: str,
        cancellation: Optional[Cancellation] = None,
    ) -> PairLogps:  # fmt: skip
        """log π of both responses; image and prompt are computed once. A model of text alone takes None."""
        return self.logps_batch([(image, prompt, chosen, rejected)], cancellation)[0]

    def logps_batch(self, pairs: Sequence[Pair], cancellation: Optional[Cancellation] = None) -> list[PairLogps]:
        """log π of both responses of every pair, in order.

        Pairs of like length run together, in batches within the token budget; an image that comes again (the same path
        or bytes) is encoded once. An error names the pair. Ctrl-C stops it, and so does ``cancellation`` from another
        thread, which raises ``Cancelled``.
        """
        keep: list[Any] = []
        array = pair_array(pairs, keep)
        return found_logps(lambda found, token: _logps(found, self._handle, array, len(pairs), token), cancellation)


def found_logps(
    call: Callable[[ctypes.c_void_p, ctypes.c_void_p], int], cancellation: Optional[Cancellation]
) -> list[PairLogps]:
    """The log-probabilities that ``call`` writes to the handle it is given."""
    found = _HANDLE()
    run_stoppable(lambda token: call(found, token), cancellation)
    return logps_of(found)


def logps_of(found: ctypes.c_void_p) -> list[PairLogps]:
    """What a handle of log-probabilities holds; frees it."""
    try:
        return [PairLogps(_response(found, i, 0), _response(found, i, 1)) for i in range(_logps_count(found))]
    finally:
        _logps_free(found)


def pair_array(pairs: Sequence[Pair], keep: list[Any]) -> Any:
    """The C array; what it points at is put into ``keep``."""
    return (_Pair * len(pairs))(*[c_pair(pair, index, keep) for index, pair in enumerate(pairs)])


def _response(logps: ctypes.c_void_p, pair: int, response: int) -> ResponseLogps:
    logp, count = _ResponseLogp(), ctypes.c_size_t()
    check(_logps_get(logps, pair, response, logp))
    tokens = np.empty(logp.count, np.float32)
    check(_logps_tokens(logps, pair, response, tokens.ctypes.data, tokens.size, count))
    return ResponseLogps(tokens, logp.sum, logp.mean, logp.count, bool(logp.was_cut))


def c_pair(pair: Pair, index: int, keep: list[Any]) -> _Pair:
    if isinstance(pair, Mapping):
        missing = [key for key in ("prompt", "chosen", "rejected") if key not in pair]
        if missing:
            raise InvalidArgument(f"pair {index} has no {missing[0]!r}")
        image, texts = pair.get("image"), (pair["prompt"], pair["chosen"], pair["rejected"])
    elif isinstance(pair, (tuple, list)) and len(pair) == 4:
        image, texts = pair[0], pair[1:]
    else:
        raise InvalidArgument(f"pair {index} is no (image, prompt, chosen, rejected)")
    names = ("prompt", "chosen", "rejected")
    return _Pair(image_pointer(image, keep), *[c_text(t, f"pair {index}: {n}") for t, n in zip(texts, names)])


def image_pointer(image: Optional[Image], keep: list[Any]) -> Any:
    """A pointer to the C struct, NULL for None; what it points at is put into ``keep``."""
    if image is None:
        return None
    keep.append(_image(image, keep))
    return ctypes.pointer(keep[-1])


def c_text(text: Any, name: str) -> bytes:
    """UTF-8 without a NUL inside."""
    if not isinstance(text, str):
        raise InvalidArgument(f"{name} is {type(text).__name__}; expected a string")
    return _c_string(text, name)


def _choice(name: str, value: str, known: dict[str, int]) -> int:
    if value not in known:
        raise InvalidArgument(f"{name} is {value!r}; it must be one of {', '.join(known)}")
    return known[value]


def _positive(name: str, value: int) -> int:
    if not 0 < value < 1 << 32:
        raise InvalidArgument(f"{name} is {value}; it must be positive")
    return value
