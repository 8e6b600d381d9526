"""Pillow images, without a dependency on Pillow."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_pillow(image: Any) -> bool:
    """Whether ``image`` is a Pillow image; Pillow is not imported."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def pillow_pixels(image: Any) -> NDArray[np.uint8]:
    """The pixels of a Pillow image, uint8 [H, W, 3], as the library reads them from a file.

    The EXIF orientation is applied, and transparent images are composed over white, as transformers does.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)
    return np.asarray(image.convert("RGB"), np.uint8)
