"""Rows with a prompt, whose responses are ignored: what a policy answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._formats import BadRow, Row, _identifier, _images, _prompt, _response, _usual, _value, _with_text


def question_of(record: Mapping[str, Any], index: int, form: str, names: Mapping[str, tuple[str, ...]]) -> Row:
    """The prompt and the images of a row of any form, as the native job reads them; its responses are empty.

    Where the prompt is only before the responses (TRL's form without ``prompt``), it is taken from ``chosen``.
    """
    try:
        if not isinstance(record, Mapping):
            raise BadRow(f"a row is {type(record).__name__}; expected a mapping of fields")
        given = {name: value for name, value in _with_text(record).items() if value is not None}
        values = _usual(given, form)
        prompt = _prompt(values, names)
        if prompt is None and _value(values, "chosen", names) is not None:
            _, prompt = _response(values, "chosen", names)
        if prompt is None:
            raise BadRow("there is no prompt: expected question, prompt, conversations or messages")
        return Row(index, _identifier(values, index, names), _images(values, names), prompt, "", "", record)
    except BadRow as error:
        raise (error if error.index is not None else BadRow(error.reason, index)) from None
