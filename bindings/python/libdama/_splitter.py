"""Splitters of responses into sub-sentences: by rules, a language model, a command or a server."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from . import _abi
from ._cancellation import Cancellation, run_stoppable
from ._native import check
from ._repr import described
from ._runtime import unsigned
from ._text import Tokenizer, _c_string, split_options, string_list

if TYPE_CHECKING:
    from ._policy import PolicyModel

_Path = Union[str, "os.PathLike[str]"]


class Split(NamedTuple):
    """The sub-sentences of a response."""

    sub_sentences: list[str]
    #: "splitter_fallback" if the built-in rules split this response, and the reason, such as "splitter_invented".
    flags: list[str]


class Splitter:
    """Splits responses into sub-sentences: ``Splitter.built_in()``, ``.policy()``, ``.command()`` or ``.endpoint()``.

    Answers of a model, command or server are checked: the sub-sentences must be within the token limit, and consist of
    all words of the response and no others. If an answer fails the check, the built-in rules split that response, and a
    flag says so. Answers are kept in memory and, if given, in the file ``cache``. Several threads may use one splitter
    at the same time. No error message shows a key, or a secret part of an address.
    """

    def __init__(self, handle: ctypes.c_void_p, **facts: Any) -> None:
        """Takes ownership of a handle; use one of the class methods instead. ``facts`` are what ``repr`` says of it."""
        self._handle = handle
        self._told = facts

    def __del__(self, free: Any = _abi.dama_splitter_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = ctypes.c_void_p()

    def __repr__(self) -> str:
        # Neither an address nor a command: they may hold secrets.
        return described(self, lambda: self._told)

    @classmethod
    def built_in(cls) -> Splitter:
        """The rules of :func:`libdama.split`."""
        handle = ctypes.c_void_p()
        check(_abi.dama_splitter_create_built_in(handle))
        return cls(handle, kind="built_in")

    @classmethod
    def policy(cls, policy: PolicyModel, *, cache: Optional[_Path] = None) -> Splitter:
        """Asks a text-only policy that follows instructions, one response at a time."""
        handle = ctypes.c_void_p()
        check(_abi.dama_splitter_create_policy(handle, policy._handle, _options(cache)))
        return cls(handle, kind="policy", policy=policy, cache=cache)

    @classmethod
    def command(
        cls, command: str, *, timeout: float = 60.0, concurrency: int = 4, cache: Optional[_Path] = None
    ) -> Splitter:
        """Runs a program that reads a response from standard input and writes one sub-sentence on each line.

        ``/bin/sh -c`` runs it once for each response, at most ``concurrency`` at a time, each for ``timeout`` seconds.
        """
        options = _options(cache, timeout, concurrency)
        handle = ctypes.c_void_p()
        check(_abi.dama_splitter_create_command(handle, _c_string(command, "command"), options))
        return cls(handle, kind="command", timeout=timeout, concurrency=concurrency, cache=cache)

    @classmethod
    def endpoint(
        cls,
        url: str,
        model: str,
        *,
        api_key: Optional[str] = None,
        timeout: float = 60.0,
        concurrency: int = 4,
        retries: int = 4,
        first_pause: float = 0.5,
        cache: Optional[_Path] = None,
    ) -> Splitter:
        """Asks a language model on an OpenAI-compatible server, such as ``http://127.0.0.1:8000/v1/chat/completions``.

        ``timeout`` is for one attempt. After a time-out, a lost connection, or the status 408, 429 or 5xx there are
        ``retries`` more attempts, the first after ``first_pause`` seconds; each later pause is twice as long.
        """
        options = _options(cache, timeout, concurrency)
        options.retries = unsigned("retries", retries, 32)
        options.first_pause = first_pause
        if api_key is not None:
            options.api_key = _c_string(api_key, "api_key")
        handle = ctypes.c_void_p()
        check(_abi.dama_splitter_create_endpoint(handle, _c_string(url, "url"), _c_string(model, "model"), options))
        return cls(handle, kind="endpoint", model=model, timeout=timeout, concurrency=concurrency, cache=cache)

    def split(
        self,
        text: str,
        tokenizer: Optional[Tokenizer] = None,
        token_limit: Optional[int] = None,
        *,
        cancellation: Optional[Cancellation] = None,
    ) -> Split:
        """The sub-sentences of ``text``; the limits are as for :func:`libdama.split`.

        Ctrl-C stops it, and so does ``cancellation`` from another thread, which raises ``Cancelled``.
        """
        options = split_options(tokenizer, token_limit)
        response = _c_string(text, "text")
        found, flags = ctypes.c_void_p(), ctypes.c_void_p()
        try:
            run_stoppable(
                lambda token: _abi.dama_splitter_split(found, flags, self._handle, response, options, token),
                cancellation,
            )
            return Split(string_list(found), string_list(flags))
        finally:
            _abi.dama_strings_free(found)
            _abi.dama_strings_free(flags)


def _options(
    cache: Optional[_Path], timeout: Optional[float] = None, concurrency: Optional[int] = None
) -> _abi.dama_splitter_options:
    options = _abi.dama_splitter_options()
    _abi.dama_splitter_options_init(options)
    set_asking(options, cache, timeout, concurrency)
    return options


def set_asking(options: Any, cache: Optional[_Path], timeout: Optional[float], concurrency: Optional[int]) -> None:
    """Sets how a splitter or a judge is asked; ``None`` leaves a field's default."""
    if cache is not None:
        options.cache = os.fsencode(cache)
    if timeout is not None:
        options.timeout = timeout
    if concurrency is not None:
        options.concurrency = unsigned("concurrency", concurrency, 32)
