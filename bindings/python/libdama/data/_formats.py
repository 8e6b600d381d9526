"""The forms of rows that other trainers have, as the native jobs read them (docs/score.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .._errors import InvalidArgument

FORMATS = ("auto", "fields", "llava", "rlaif_v", "trl", "sharegpt")
#: The names of each field in rows, best first.
NAMES: dict[str, tuple[str, ...]] = {
    "idx": ("idx", "id"),
    "image": ("image", "image_path", "images"),
    "question": ("question", "prompt"),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
}
#: Further fields that a form reads.
_OTHERS = ("text", "conversations", "messages", "system", "instruction", "input", "history",
           "rejected_response", "rejected_messages")  # fmt: skip
_ROLES = {"system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
          "gpt": "assistant", "model": "assistant", "tool": "tool"}  # fmt: skip

Message = dict[str, Any]


class BadRow(InvalidArgument):
    """A row that is no preference pair. ``index`` is its position, from 0."""

    def __init__(self, message: str, index: Optional[int] = None) -> None:
        super().__init__(message if index is None else f"row {index}: {message}")
        self.reason = message
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return BadRow, (self.reason, self.index)


@dataclass
class Row:
    """A preference pair, whatever the form of its row."""

    #: Position among the rows, from 0.
    index: int
    #: ``idx`` or ``id`` of the row; default: its position.
    id: Union[str, int, float]
    #: Paths, bytes, Pillow images or pixel arrays, in the order of the prompt.
    images: list[Any]
    #: The prompt: messages of ``role`` and ``content``; None if the row has none, which scoring does not need.
    messages: Optional[list[Message]]
    chosen: str
    rejected: str
    #: The row as it was read.
    fields: Mapping[str, Any] = field(repr=False, default_factory=dict)

    def pair(self) -> dict[str, Any]:
        """The pair as ``Policy.logps_batch`` takes it."""
        if self.messages is None:
            raise BadRow("there is no prompt: expected question, prompt, conversations or messages", self.index)
        return {"messages": self.messages, "images": self.images, "chosen": self.chosen, "rejected": self.rejected}


def wanted(names: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The columns that any form reads."""
    return {name for group in names.values() for name in group} | set(_OTHERS)


def names_of(fields: Optional[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The names of the fields, some replaced: ``{"chosen": "answer_good"}``."""
    names = dict(NAMES)
    for name, column in (fields or {}).items():
        usual = {"id": "idx", "image_path": "image", "prompt": "question"}.get(name, name)
        if usual not in names:
            raise InvalidArgument(f"unknown field {name!r}; the fields are {', '.join(NAMES)}")
        names[usual] = (column,)
    return names


def row_of(record: Mapping[str, Any], index: int, form: str, names: Mapping[str, tuple[str, ...]]) -> Row:
    """A row of any form. Raises :class:`BadRow` with the reason."""
    try:
        return _row(record, index, form, names)
    except BadRow as error:
        raise (error if error.index is not None else BadRow(error.reason, index)) from None


def _row(record: Mapping[str, Any], index: int, form: str, names: Mapping[str, tuple[str, ...]]) -> Row:
    if not isinstance(record, Mapping):
        raise BadRow(f"a row is {type(record).__name__}; expected a mapping of fields")
    # Arrow gives every row all columns: a missing field is None.
    given = {name: value for name, value in _with_text(record).items() if value is not None}
    values = _usual(given, form)
    prompt = _prompt(values, names)
    chosen, before = _response(values, "chosen", names)
    rejected, other = _response(values, "rejected", names)
    if prompt is None and (before or other):
        if not before or not other or [_bare(m) for m in before] != [_bare(m) for m in other]:
            raise BadRow("chosen and rejected answer different messages")
        prompt = before
        _check_prompt(prompt, "chosen")
    elif prompt is not None:
        for name, own in (("chosen", before), ("rejected", other)):
            if own and not _agree(own, prompt):
                raise BadRow(f"{name} has other messages before the response than the prompt")
    return Row(index, _identifier(values, index, names), _images(values, names), prompt, chosen, rejected, record)


def _identifier(values: Mapping[str, Any], index: int, names: Mapping[str, tuple[str, ...]]) -> Union[str, int, float]:
    identifier = _value(values, "idx", names)
    if identifier is not None and (isinstance(identifier, bool) or not isinstance(identifier, (str, int, float))):
        raise BadRow(f"the id is {type(identifier).__name__}; expected a string or a number")
    return index if identifier is None else identifier


def _value(values: Mapping[str, Any], name: str, names: Mapping[str, tuple[str, ...]]) -> Any:
    return next((values[column] for column in names[name] if column in values), None)


def _with_text(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields, with those of the object in ``text`` that the row lacks, as RLAIF-V has it on the hub."""
    text = record.get("text")
    if isinstance(text, str) and text.startswith("{"):
        try:
            text = json.loads(text)
        except ValueError:
            return record
    return {**text, **{k: v for k, v in record.items() if v is not None}} if isinstance(text, Mapping) else record


def _images(values: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]) -> list[Any]:
    for name in names["image"]:
        value = values.get(name)
        found = [it for it in value if it is not None] if isinstance(value, (list, tuple)) else [value]
        if value is not None and found:
            return found
    return []


# ----------------------------------------------------------------------------------------------------------------------
# Forms


def _usual(values: Mapping[str, Any], form: str) -> Mapping[str, Any]:
    """The row with the fields question or conversations, chosen and rejected."""

    def need(*columns: str) -> None:
        if not any(column in values for column in columns):
            raise BadRow(f"the format {form!r} needs the field {' or '.join(map(repr, columns))}")

    if form == "auto":
        return values if "question" in values or "prompt" in values else _sharegpt(values)
    if form == "llava":
        need("conversations")
    elif form == "rlaif_v":
        need("question")
        need("image", "image_path")
    elif form == "trl":
        if "prompt" not in values:
            need("chosen")
    elif form == "sharegpt":
        need("conversations", "messages", "instruction")
        return _sharegpt(values)
    return values


def _sharegpt(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """LLaMA-Factory's and ms-swift's forms."""
    system = values.get("system")
    first = [{"role": "system", "content": system}] if isinstance(system, str) else []

    def talk(messages: Sequence[Any]) -> list[Any]:
        has_own = bool(messages) and isinstance(messages[0], Mapping) and _role(messages[0]) == "system"
        return list(messages) if has_own else first + list(messages)

    messages = values.get("messages")
    if "chosen" not in values and isinstance(messages, (list, tuple)):
        rejected = values.get("rejected_response", values.get("rejected"))
        if rejected is None and values.get("rejected_messages"):
            rejected = values["rejected_messages"][-1]
        if rejected is None:
            return {**values, "conversations": talk(messages)}
        if not messages or not isinstance(messages[-1], Mapping) or _role(messages[-1]) != "assistant":
            raise BadRow('"messages" does not end with the chosen response, a message of the assistant')
        return {**values, "conversations": talk(messages[:-1]), "chosen": messages[-1], "rejected": rejected}
    for name in ("conversations", "messages"):
        if isinstance(values.get(name), (list, tuple)):
            return {**values, "conversations": talk(values[name])}
    instruction = values.get("instruction")
    if not isinstance(instruction, str):
        return values
    earlier = [
        {"role": role, "content": text}
        for turn in values.get("history") or () for role, text in zip(("user", "assistant"), turn)
    ]  # fmt: skip
    more = values.get("input") or ""
    question = {"role": "user", "content": f"{instruction}\n{more}" if more else instruction}
    return {**values, "conversations": talk([*earlier, question])}


# ----------------------------------------------------------------------------------------------------------------------
# Messages


def _prompt(values: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]) -> Optional[list[Message]]:
    question = _value(values, "question", names)
    if isinstance(question, str):
        return [{"role": "user", "content": question}]
    if isinstance(question, (list, tuple, Mapping)):
        messages = _messages(question, "user", "the prompt")
        _check_prompt(messages, "the prompt")
        return messages
    if "conversations" not in values:
        return None
    messages = _messages(values["conversations"], "user", "conversations")
    # An answer at the end is the response that the model was originally trained on.
    if messages[-1]["role"] == "assistant":
        messages.pop()
    _check_prompt(messages, "conversations")
    return messages


def _response(
    values: Mapping[str, Any], name: str, names: Mapping[str, tuple[str, ...]]
) -> tuple[str, Optional[list[Message]]]:
    """The text of a response, and the messages before it."""
    value = _value(values, name, names)
    if value is None:
        raise BadRow(f"the field {' or '.join(map(repr, names[name]))} is missing")
    if isinstance(value, str):
        text, before = value, None
    elif isinstance(value, (list, tuple, Mapping)):
        messages = _messages(value, "assistant", name)
        last = messages.pop()
        if last["role"] != "assistant":
            raise BadRow(f"{name} does not end with a message of the assistant")
        if any(part["type"] == "image" for part in _parts(last)):
            raise BadRow(f"{name} holds an image in the response")
        text, before = "\n".join(part["text"] for part in _parts(last)), messages or None
    else:
        raise BadRow(f"{name} is {type(value).__name__}; expected text or messages")
    if not text.strip():
        raise BadRow(f"{name} is empty")
    return text, before


def _messages(value: Any, standing: str, name: str) -> list[Message]:
    elements = value if isinstance(value, (list, tuple)) else [value]
    if not elements:
        raise BadRow(f"{name} is an empty list of messages")
    found: list[Message] = []
    for element in elements:
        if not isinstance(element, Mapping):
            raise BadRow(f"{name} must hold messages, found {type(element).__name__}")
        role = _role(element) or (standing if len(elements) == 1 and not _named(element) else None)
        if role is None:
            found_role = f"a message of the role {_named(element)!r}"
            raise BadRow(f"{name} holds {found_role}; expected system, user, assistant or tool")
        found.append({"role": role, "content": _content(element, name)})
    return found


def _named(message: Mapping[str, Any]) -> Any:
    return message.get("role") or message.get("from")


def _role(message: Mapping[str, Any]) -> Optional[str]:
    return _ROLES.get(str(_named(message)))


def _content(message: Mapping[str, Any], name: str) -> Union[str, list[dict[str, Any]]]:
    content = message.get("value") if message.get("value") is not None else message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        raise BadRow(f"{name} holds a message whose content is {type(content).__name__}, not text")
    parts: list[dict[str, Any]] = []
    for part in content:
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, Mapping) else None
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("image", "image_url"):
            parts.append({"type": "image"})
        elif isinstance(text, str):
            parts.append({"type": "text", "text": text})
        else:
            raise BadRow(f"{name} holds a message part that is neither text nor image: {str(part)[:60]}")
    if not any(part["type"] == "text" for part in parts):
        raise BadRow(f"{name} holds a message without text")
    return parts


def _parts(message: Message) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _check_prompt(messages: Sequence[Message], name: str) -> None:
    roles = [message["role"] for message in messages]
    if "user" not in roles or roles[-1] == "system":
        raise BadRow(f"{name} has the messages {', '.join(roles[:6])}; expected a question at the end")
    if roles[-1] == "assistant":
        raise BadRow(f"{name} ends with an answer; responses must be in fields of their own")


def _bare(message: Message) -> tuple[str, str]:
    """The role and the text without places of images."""
    text = "".join(part["text"] for part in _parts(message) if part["type"] == "text")
    return message["role"], text.replace("<image>", "").strip()


def _agree(own: Sequence[Message], prompt: Sequence[Message]) -> bool:
    if prompt and prompt[0]["role"] == "system" and own[0]["role"] != "system":
        prompt = prompt[1:]
    return [_bare(message) for message in own] == [_bare(message) for message in prompt]
