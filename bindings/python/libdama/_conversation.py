"""Conversations with several messages and images, as the C structs take them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Union

from . import _abi
from ._errors import InvalidArgument
from ._scorer import _image
from ._text import _c_string

#: Messages with "role" and "content": a text, in which ``<image>`` is the place of an image, or a list of parts
#: ``{"type": "text", "text": …}`` and ``{"type": "image"}``.
Messages = Sequence[Mapping[str, Any]]


def conversation(
    messages: Messages, images: Any, responses: Union[None, tuple[str, str]], name: str, keep: list[Any]
) -> _abi.dama_conversation:
    """The C struct; the objects that it points to are appended to ``keep``. Errors call the conversation ``name``."""
    try:
        text = json.dumps(list(messages), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name}: messages must be a list of messages with role and content: {error}") from None
    listed = list(images) if isinstance(images, (list, tuple)) else [] if images is None else [images]
    array = (_abi.dama_image * len(listed))(*[_image(image, keep) for image in listed])
    keep.append(array)
    result = _abi.dama_conversation()
    result.messages = _c_string(text, f"{name}: messages")
    result.images, result.image_count = array, len(listed)
    if responses is not None:
        for field, response in zip(("chosen", "rejected"), responses):
            if not isinstance(response, str):
                raise InvalidArgument(f"{name}: {field} is {type(response).__name__}; expected a string")
            setattr(result, field, _c_string(response, f"{name}: {field}"))
    return result


def conversation_array(pairs: Sequence[Any], keep: list[Any]) -> Any:
    """The C array of pairs with the keys messages, images (or image), chosen and rejected."""
    found = []
    for index, pair in enumerate(pairs):
        name = f"pair {index}"
        missing = [key for key in ("messages", "chosen", "rejected") if not isinstance(pair, Mapping) or key not in pair]
        if missing:
            raise InvalidArgument(f"{name} has no {missing[0]!r}; all pairs of a batch have messages, or none has")
        images = pair["images"] if "images" in pair else pair.get("image")
        found.append(conversation(pair["messages"], images, (pair["chosen"], pair["rejected"]), name, keep))
    return (_abi.dama_conversation * len(found))(*found)
