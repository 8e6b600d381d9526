"""Judges of answers: a Python function, a server, a command or a local model."""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from . import _abi
from ._native import check
from ._repr import described
from ._runtime import unsigned
from ._splitter import _Path, set_asking
from ._text import _c_string, _utf8

if TYPE_CHECKING:
    from ._policy import PolicyModel

_CANCELLED = int(_abi.dama_status.DAMA_CANCELLED)


@dataclass(frozen=True)
class JudgeRequest:
    """A question to a judge."""

    #: Messages with the keys ``role`` ("system", "user" or "assistant") and ``content``.
    messages: list[dict[str, str]]
    temperature: float
    top_p: float
    #: The most tokens of the answer.
    max_tokens: int
    #: The run, and the attempt within it, from 0. Equal requests with different numbers are asked anew.
    run: int
    attempt: int


class JudgeAnswer(NamedTuple):
    """A judge's answer."""

    text: str
    #: The model that answered, if it is known.
    model: Optional[str] = None


class Judge:
    """Judges answers: ``Judge.from_callable()``, ``.endpoint()``, ``.command()`` or ``.policy()``.

    Answers are kept in memory and, if given, in the file ``cache``, to which each is appended: equal requests of a run
    are asked once. Several threads may use one judge at the same time. No error message shows a key, or a secret part
    of an address.
    """

    def __init__(self, handle: ctypes.c_void_p, **facts: Any) -> None:
        """Takes ownership of a handle; use one of the class methods instead. ``facts`` are what ``repr`` says of it."""
        self._handle = handle
        self._told = facts
        self._function: Any = None
        self._raised: list[BaseException] = []

    def __del__(self, free: Any = _abi.dama_judge_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = ctypes.c_void_p()

    def __repr__(self) -> str:
        # Neither an address nor a command: they may hold secrets.
        return described(self, lambda: self._told)

    @classmethod
    def from_callable(
        cls,
        function: Callable[[JudgeRequest], Union[str, JudgeAnswer]],
        name: str,
        *,
        concurrency: int = 4,
        cache: Optional[_Path] = None,
    ) -> Judge:
        """Asks a Python function, from at most ``concurrency`` threads at once.

        ``name`` identifies the function and everything that its answers depend on: a job with another name does not
        resume, and reuses no answers. It is stored in files. What the function raises stops the job, and is raised by
        it.
        """
        options = _options(cache, concurrency=concurrency)
        raised: list[BaseException] = []
        lock = threading.Lock()

        @_abi.dama_judge_callback
        def answer(request: Any, reply: Any, _user: Any) -> int:
            try:
                found = function(_request(request.contents))
                text, model = found if isinstance(found, JudgeAnswer) else (found, None)
                if not isinstance(text, str):
                    raise TypeError(f"the judge returned {type(text).__name__}; expected a string or a JudgeAnswer")
                # A NUL would end the text in C.
                answered = _utf8(text).replace(b"\0", "\ufffd".encode())
                named = None if model is None else _c_string(model, "model")
                return int(_abi.dama_judge_reply_set(reply, answered, named))
            except BaseException as error:
                with lock:
                    raised.append(error)
                return _CANCELLED

        handle = ctypes.c_void_p()
        check(_abi.dama_judge_create_callback(handle, _c_string(name, "name"), answer, options, None))
        judge = cls(handle, kind="from_callable", name=name, concurrency=concurrency, cache=cache)
        judge._function = answer
        judge._raised = raised
        return judge

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
        requests_per_minute: Optional[float] = None,
        expected_model: Optional[str] = None,
        any_model: bool = False,
        request_fields: Optional[Mapping[str, Any]] = None,
        cache: Optional[_Path] = None,
    ) -> Judge:
        """Asks a language model on an OpenAI-compatible server, such as ``http://127.0.0.1:8000/v1/chat/completions``.

        ``timeout`` is in seconds, for one attempt. After a time-out, a lost connection, or the status 408, 429 or 5xx
        there are ``retries`` more attempts, the first after ``first_pause`` seconds; each later pause is twice as long.
        The server names the model that answered: a job fails with ``ModelError`` unless it is ``expected_model``
        (default: ``model`` or a dated snapshot of it), or ``any_model`` is set. ``request_fields`` are added to each
        request, such as ``{"seed": 7}``.
        """
        options = _options(cache, timeout, concurrency)
        options.retries = unsigned("retries", retries, 32)
        options.first_pause = first_pause
        options.any_model = any_model
        if requests_per_minute is not None:
            # NaN stands for None in C.
            options.requests_per_minute = requests_per_minute if requests_per_minute == requests_per_minute else 0.0
        if api_key is not None:
            options.api_key = _c_string(api_key, "api_key")
        if expected_model is not None:
            options.expected_model = _c_string(expected_model, "expected_model")
        if request_fields is not None:
            options.request_fields = _c_string(json.dumps(dict(request_fields)), "request_fields")
        handle = ctypes.c_void_p()
        check(_abi.dama_judge_create_endpoint(handle, _c_string(url, "url"), _c_string(model, "model"), options))
        return cls(handle, kind="endpoint", model=model, timeout=timeout, concurrency=concurrency, cache=cache)

    @classmethod
    def command(
        cls, command: str, *, timeout: float = 60.0, concurrency: int = 4, cache: Optional[_Path] = None
    ) -> Judge:
        """Runs a program that reads a request from standard input, one JSON object, and writes its answer.

        The object has the members of :class:`JudgeRequest`. ``/bin/sh -c`` runs the program once for each request, at
        most ``concurrency`` at a time, each for ``timeout`` seconds.
        """
        handle = ctypes.c_void_p()
        options = _options(cache, timeout, concurrency)
        check(_abi.dama_judge_create_command(handle, _c_string(command, "command"), options))
        return cls(handle, kind="command", timeout=timeout, concurrency=concurrency, cache=cache)

    @classmethod
    def policy(cls, policy: PolicyModel, *, cache: Optional[_Path] = None) -> Judge:
        """Asks a text-only policy that follows instructions, one request at a time."""
        handle = ctypes.c_void_p()
        check(_abi.dama_judge_create_policy(handle, policy._handle, _options(cache)))
        return cls(handle, kind="policy", policy=policy, cache=cache)

    def _raise(self) -> None:
        """Raises what the function of ``from_callable`` raised since the last call, if anything."""
        raised, self._raised[:] = list(self._raised), []
        if raised:
            raise raised[0]


def _request(it: _abi.dama_judge_request) -> JudgeRequest:
    return JudgeRequest(
        messages=[
            {"role": message.role.decode(), "content": message.content.decode()}
            for message in it.messages[: it.message_count]
        ],
        temperature=it.temperature,
        top_p=it.top_p,
        max_tokens=it.max_tokens,
        run=it.run,
        attempt=it.attempt,
    )


def _options(
    cache: Optional[_Path], timeout: Optional[float] = None, concurrency: Optional[int] = None
) -> _abi.dama_judge_options:
    options = _abi.dama_judge_options()
    _abi.dama_judge_options_init(options)
    set_asking(options, cache, timeout, concurrency)
    return options
