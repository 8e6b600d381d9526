"""CLIP's image processor of transformers, under the name that the version has."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def processor(folder: Path) -> Any:
    """The one over Pillow, which needs no torchvision and is what the original models were trained with."""
    try:
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Processor
    except ImportError:
        from transformers import CLIPImageProcessor as Processor
    return Processor.from_pretrained(folder)
