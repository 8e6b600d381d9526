"""Policies: log-probabilities of preference pairs, and text, of multimodal and language models."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from . import _abi
from ._cancellation import Cancellation, run_stoppable
from ._conversation import conversation_array
from ._errors import InvalidArgument
from ._native import check, choices
from ._reopen import reduced, remembers
from ._repr import described, model_facts
from ._runtime import open_with
from ._scorer import Image, _image
from ._text import _c_string, string_list

_IMAGE_MODES = choices(_abi.dama_image_mode, "DAMA_IMAGE_MODE_")
_OVERLONG = choices(_abi.dama_overlong, "DAMA_OVERLONG_")

_HANDLE = ctypes.c_void_p
_RESPONSE = _abi.dama_response


def prompt_templates() -> list[str]:
    """The names that ``Policy(template=…)`` accepts."""
    strings = _HANDLE()
    check(_abi.dama_prompt_templates(strings))
    try:
        return string_list(strings)
    finally:
        _abi.dama_strings_free(strings)


@dataclass(frozen=True)
class ResponseLogps:
    """log π(y | I, x) of one response."""

    #: The log-probability of each response token, including the template's end token. float32 [count].
    tokens: NDArray[np.float32]
    #: The sum over all tokens, which DPO compares.
    sum: float
    #: sum / count.
    mean: float
    #: Number of response tokens.
    count: int
    #: Whether the end of the response was cut off to fit ``max_length``.
    was_cut: bool


@dataclass(frozen=True)
class PairLogps:
    """Both responses' log-probabilities of a pair."""

    chosen: ResponseLogps
    rejected: ResponseLogps


#: (image, prompt, chosen, rejected), or a mapping with these keys. For a text-only model the image is None. Instead of a
#: prompt and an image, a mapping may have ``messages`` (several turns, a system prompt) and ``images`` at their places.
Pair = Union[tuple[Optional[Image], str, str, str], Mapping[str, Any]]


class PolicyModel:
    """The opened model and its log-probabilities; `Policy` adds text generation."""

    @remembers
    def __init__(
        self,
        model_dir: Union[str, os.PathLike[str]],
        *,
        threads: int = 0,
        provider: str = "cpu",
        precision: str = "auto",
        template: Optional[str] = None,
        system: Optional[str] = None,
        image_mode: str = "checkpoint",
        vision_tower: Optional[Union[str, os.PathLike[str]]] = None,
        template_date: Optional[str] = None,
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
        options = _abi.dama_policy_options()
        _abi.dama_policy_options_init(options)
        open_with(options, threads, provider, precision, max_image_pixels, onnxruntime)
        if template is not None:
            options.prompt_template = _c_string(template, "template")
        if system is not None:
            options.system = _c_string(system, "system")
        options.image_mode = _choice("image_mode", image_mode, _IMAGE_MODES)
        if template_date is not None:
            options.template_date = _c_string(template_date, "template_date")
        if vision_tower is not None:
            options.vision_tower = os.fsencode(vision_tower)
        options.overlong = _choice("overlong", overlong, _OVERLONG)
        if max_length is not None:
            options.max_length = _positive("max_length", max_length)
        options.token_budget = _positive("token_budget", token_budget)
        options.share_prefix = bool(share_prefix)
        options.ignore_orientation = bool(ignore_orientation)
        options.drop_alpha = bool(drop_alpha)
        check(_abi.dama_policy_create(self._handle, os.fsencode(model_dir), options))
        facts = _abi.dama_policy_facts()
        _abi.dama_policy_facts_init(facts)
        check(_abi.dama_policy_describe(self._handle, facts))
        #: Number of logits for each token.
        self.vocabulary_size: int = facts.vocabulary_size
        #: Width of a token's hidden state.
        self.hidden_size: int = facts.hidden_size
        #: Maximum number of tokens of image, prompt and one response together.
        self.max_length: int = facts.max_length
        #: Number of tokens of an image; 0 for a text-only model.
        self.image_tokens: int = facts.image_tokens
        #: The template in use: its name, its text, or its file.
        self.template: str = facts.prompt_template.decode("utf-8")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return reduced(self)

    def __repr__(self) -> str:
        return described(self, lambda: {
            **model_facts(self), "template": self.template, "max_length": self.max_length,
            "image_tokens": self.image_tokens, "hidden_size": self.hidden_size,
            "vocabulary_size": self.vocabulary_size,
        })  # fmt: skip

    def __del__(self, free: Any = _abi.dama_policy_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def logps(
        self, image: Optional[Image], prompt: str, chosen: str, rejected: str,
        cancellation: Optional[Cancellation] = None,
    ) -> PairLogps:  # fmt: skip
        """log π of both responses; image and prompt are computed once. For a text-only model ``image`` is None."""
        return self.logps_batch([(image, prompt, chosen, rejected)], cancellation)[0]

    def logps_batch(self, pairs: Sequence[Pair], cancellation: Optional[Cancellation] = None) -> list[PairLogps]:
        """log π of both responses of every pair, in order.

        Pairs of similar length run together, in batches within the token budget. Images with the same path or bytes are
        encoded once. An error names the pair. Ctrl-C stops the call, and so does ``cancellation`` from another thread,
        which raises ``Cancelled``.
        """
        keep: list[Any] = []
        if any(isinstance(pair, Mapping) and "messages" in pair for pair in pairs):
            call, array = _abi.dama_policy_chat_logps, conversation_array(pairs, keep)
        else:
            call, array = _abi.dama_policy_logps, pair_array(pairs, keep)
        return found_logps(lambda found, token: call(found, self._handle, array, len(pairs), token), cancellation)


def found_logps(
    call: Callable[[ctypes.c_void_p, ctypes.c_void_p], int], cancellation: Optional[Cancellation]
) -> list[PairLogps]:
    """The log-probabilities that ``call`` writes to its handle."""
    found = _HANDLE()
    run_stoppable(lambda token: call(found, token), cancellation)
    return logps_of(found)


def logps_of(found: ctypes.c_void_p) -> list[PairLogps]:
    """The contents of a handle of log-probabilities; frees the handle."""
    try:
        return [
            PairLogps(_response(found, i, _RESPONSE.DAMA_CHOSEN), _response(found, i, _RESPONSE.DAMA_REJECTED))
            for i in range(_abi.dama_logps_count(found))
        ]
    finally:
        _abi.dama_logps_free(found)


def pair_array(pairs: Sequence[Pair], keep: list[Any]) -> Any:
    """The C array; the objects that it points to are appended to ``keep``."""
    return (_abi.dama_preference_pair * len(pairs))(*[c_pair(pair, index, keep) for index, pair in enumerate(pairs)])


def _response(logps: ctypes.c_void_p, pair: int, response: int) -> ResponseLogps:
    logp, count = _abi.dama_response_logp(), ctypes.c_size_t()
    check(_abi.dama_logps_at(logps, pair, response, logp))
    tokens = np.empty(logp.count, np.float32)
    check(_abi.dama_logps_tokens(logps, pair, response, tokens.ctypes.data, tokens.size, ctypes.byref(count)))
    return ResponseLogps(tokens, logp.sum, logp.mean, logp.count, bool(logp.was_cut))


def c_pair(pair: Pair, index: int, keep: list[Any]) -> _abi.dama_preference_pair:
    if isinstance(pair, Mapping):
        missing = [key for key in ("prompt", "chosen", "rejected") if key not in pair]
        if missing:
            raise InvalidArgument(f"pair {index} has no {missing[0]!r}")
        image, texts = pair.get("image"), (pair["prompt"], pair["chosen"], pair["rejected"])
    elif isinstance(pair, (tuple, list)) and len(pair) == 4:
        image, texts = pair[0], pair[1:]
    else:
        raise InvalidArgument(f"pair {index} must be a mapping or a tuple (image, prompt, chosen, rejected)")
    names = ("prompt", "chosen", "rejected")
    return _abi.dama_preference_pair(
        image_pointer(image, keep), *[c_text(text, f"pair {index}: {name}") for text, name in zip(texts, names)]
    )


def image_pointer(image: Optional[Image], keep: list[Any]) -> Any:
    """A pointer to the C struct, NULL for None; the objects that it points to are appended to ``keep``."""
    if image is None:
        return None
    keep.append(_image(image, keep))
    return ctypes.pointer(keep[-1])


def c_text(text: Any, name: str) -> bytes:
    """``text`` as UTF-8; it must not contain NUL."""
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
