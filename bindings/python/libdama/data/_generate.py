"""A policy's answers to the questions of a source, as columns."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from .. import _abi
from .._conversation import conversation
from .._errors import Cancelled, DamaError, InvalidArgument
from .._generation import EarlyStopping, Policy, _options
from .._progress import RowProgress
from .._repr import described
from ._formats import Row
from ._questions import question_of
from ._run import Run
from ._sources import AnyPath, Source, rows
from ._workers import batches


#: The native job calls an end by an end token so.
_FINISH = {"end": "end_token"}


@dataclass
class Answers:
    """What :func:`generate` answered to each row, in order; None for a bad row."""

    #: The text, or with ``samples`` above 1 a list of texts.
    response: list[Any]
    #: Why it ended, as the native job says it: "end_token", "stop" or "length"; a list for several samples.
    finish: list[Any]
    #: What is wrong with each bad row, by position.
    errors: dict[int, str]
    #: The file with the rows and these columns, if one was asked for.
    output: Optional[Path] = None

    def __repr__(self) -> str:
        return described(self, lambda: {"rows": len(self.response), "bad": len(self.errors), "output": self.output})


def generate(
    source: Source,
    policy: Union[Policy, AnyPath],
    output: Optional[AnyPath] = None,
    *,
    samples: int = 1,
    max_tokens: int = 256,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: Union[str, Sequence[str]] = (),
    seed: int = 0,
    num_beams: int = 1,
    length_penalty: float = 1.0,
    early_stopping: EarlyStopping = False,
    format: str = "auto",
    fields: Optional[Mapping[str, str]] = None,
    image_root: Optional[AnyPath] = None,
    follow_links: bool = False,
    on_error: str = "raise",
    batch_size: int = 8,
    progress: RowProgress = None,
    restart: bool = False,
) -> Any:
    """A policy's answers to every row, as the columns ``response`` and ``finish``, which replace columns of these names.

    ``policy`` is a :class:`Policy` or the folder of one. Rows need a prompt; responses in them are ignored. With
    ``samples`` above 1, which needs a ``temperature``, both columns hold lists. ``max_tokens``, ``temperature``,
    ``top_k``, ``top_p``, ``stop``, ``num_beams``, ``length_penalty`` and ``early_stopping`` are as for
    ``Policy.generate``. ``seed`` and ``batch_size`` determine samples; a temperature of 0 and beams depend on neither.
    ``source``, ``output``, ``format``, ``fields``, ``image_root``, ``follow_links``, ``on_error``, ``progress``,
    ``restart`` and the results are as for :func:`score`; rows in memory give :class:`Answers`.
    """
    if samples < 1 or (samples > 1 and (temperature == 0 or num_beams > 1)):
        raise InvalidArgument(f"samples is {samples}; above 1 it needs a temperature above 0 and num_beams 1")
    model = policy if isinstance(policy, Policy) else Policy(policy)
    stops = [stop] if isinstance(stop, str) else list(stop)
    settings: dict[str, Any] = {
        "max_tokens": max_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "stop": stops,
        "num_beams": num_beams, "length_penalty": length_penalty, "early_stopping": early_stopping,
    }  # fmt: skip
    _options(**settings, seed=seed)
    found = Answers([], [], {})
    with Run(source, output, title="generate", batch_size=batch_size, on_error=on_error, progress=progress,
             restart=restart) as run:  # fmt: skip
        for outcome in run.outcomes(
            rows(source, format, fields, image_root, follow_links, question_of),
            lambda left: itertools.chain.from_iterable(
                _answers(model, part, settings, seed, samples) for part in batches(left, batch_size)
            ),
            model,
            {"format": format, "fields": fields, "image_root": image_root, "follow_links": follow_links, "seed": seed,
             "samples": samples, **settings},
        ):  # fmt: skip
            response, finish = (None, None) if outcome is None else outcome
            found.response.append(response)
            found.finish.append(finish)
        found.errors = run.errors
        made = run.finish({"response": found.response, "finish": found.finish})
    if isinstance(made, Path):
        found.output = made
    return found if made is None or isinstance(made, Path) else made


def _answers(model: Policy, part: list[Any], settings: Mapping[str, Any], seed: int, samples: int) -> list[Any]:
    """(text, finish) of each row, or what is wrong with it."""
    good = [row for row in part if isinstance(row, Row)]
    try:
        computed: Iterator[Any] = iter(_texts(model, good, settings, seed, samples))
    except Cancelled:
        raise
    except DamaError:
        # One of the rows is at fault: each by itself.
        computed = iter([_alone(model, row, settings, seed, samples) for row in good])
    return [next(computed) if isinstance(row, Row) else row for row in part]


def _alone(model: Policy, row: Row, settings: Mapping[str, Any], seed: int, samples: int) -> Any:
    try:
        return _texts(model, [row], settings, seed, samples)[0]
    except Cancelled:
        raise
    except DamaError as error:
        return error


def _texts(model: Policy, part: list[Row], settings: Mapping[str, Any], seed: int, samples: int) -> list[Any]:
    if not part:
        return []
    keep: list[Any] = []
    asked = [conversation(*_prompt(model, row), None, f"row {row.index}", keep) for row in part for _ in range(samples)]
    # The library numbers its random streams within a batch, so each batch has a seed of its own.
    digest = hashlib.sha256(f"{seed} {part[0].index}".encode()).digest()
    options = _options(**settings, seed=int.from_bytes(digest[:8], "little"))
    texts = model._texts(_abi.dama_policy_chat, (_abi.dama_conversation * len(asked))(*asked), options, None, None)
    found = [(it.text, _FINISH.get(it.finish, it.finish)) for it in texts]
    if samples == 1:
        return found
    return [tuple(map(list, zip(*found[start : start + samples]))) for start in range(0, len(found), samples)]


def _prompt(model: Policy, row: Row) -> tuple[list[dict[str, Any]], list[Any]]:
    """The messages and images of a row; a text-only model ignores the row's images."""
    messages = row.messages or []
    if model.image_tokens:
        return messages, row.images
    return [{**message, "content": _text_of(message["content"])} for message in messages], []


def _text_of(content: Any) -> Any:
    return content if isinstance(content, str) else [part for part in content if part["type"] != "image"]
