"""Images of rows: paths below a folder, bytes, base64, Pillow images, arrays, and objects as ``datasets`` has them."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np

from .._errors import FileError, InvalidArgument
from .._pillow import is_pillow

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM")


@dataclass(frozen=True)
class ImageFolder:
    """Where the paths of rows lead.

    With a ``root`` paths are relative to it and cannot leave it, except through symbolic links with ``follow_links``.
    Without one, as for rows in memory, a path is any file of this process.

    ``root``
        The folder, or None.
    ``follow_links``
        Whether symbolic links may lead out of it.
    """

    root: Optional[str] = None
    follow_links: bool = False

    def path(self, text: str) -> str:
        """The file that ``text`` names. ``InvalidArgument`` if it leads out of the folder, ``FileError`` if none
        exists.
        """
        if text.startswith(("http://", "https://", "s3://", "gs://")):
            raise InvalidArgument(f"{text[:80]} is a URL; images are read from files")
        if self.root is None:
            return text
        place = os.path.join(self.root, text)
        lexical = os.path.abspath(place)
        real, base = os.path.realpath(place), os.path.realpath(self.root)
        inside = _below(real, base) or (self.follow_links and _below(lexical, os.path.abspath(self.root)))
        if not inside:
            raise InvalidArgument(f"the image {text[:300]!r} leads out of {self.root}")
        if not os.path.exists(place):
            raise FileError(f"the image {text[:300]!r} does not exist in {self.root}")
        return place


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def image_of(value: Any, folder: ImageFolder) -> Union[str, bytes, Any]:
    """A row's image as a ``Scorer`` takes it. Raises ``InvalidArgument`` or ``FileError`` with the reason."""
    if isinstance(value, Mapping):
        # Bytes take precedence, as in `datasets`: the path beside them often names a file that does not exist here.
        for key in ("bytes", "base64"):
            data = value.get(key)
            if isinstance(data, (bytes, bytearray, memoryview)):
                return bytes(data)
            if isinstance(data, str):
                return _decoded(data.partition(",")[2] if data.startswith("data:") else data)
        for key in ("path", "image", "url", "image_url"):
            inner = value.get(key)
            inner = inner.get("url") if isinstance(inner, Mapping) else inner
            if isinstance(inner, str) and inner:
                return image_of(inner, folder)
        raise InvalidArgument("an image has neither bytes nor a path")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, os.PathLike):
        return folder.path(os.fspath(value))
    if isinstance(value, str):
        if value.startswith("data:"):
            head, comma, data = value.partition(",")
            if not comma or not head.endswith(";base64"):
                raise InvalidArgument("an image is a data URI of another form than data:…;base64,…")
            return _decoded(data)
        # Base64 that starts like an image file is no file name, although a JPEG's begins /9j/….
        if len(value) >= 64 and _begins_like_image(value[:32]):
            return _decoded(value)
        return folder.path(value)
    if isinstance(value, np.ndarray) or is_pillow(value):
        return value
    raise InvalidArgument(
        f"an image is {type(value).__name__}; expected a path, bytes, base64, a Pillow image, a uint8 array or "
        "an object with bytes or a path"
    )


def _begins_like_image(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(_MAGIC)
    except (binascii.Error, ValueError):
        return False


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument("an image's bytes are not base64") from None
    if not data:
        raise InvalidArgument("an image's bytes are empty")
    return data
