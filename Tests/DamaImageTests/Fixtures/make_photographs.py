"""Prepares PhotographTests with the photographs that scikit-image ships, which are too large to keep here.

    python make_photographs.py DIR && DAMA_PHOTOGRAPHS=DIR swift test --filter PhotographTests

Needs scikit-image, pillow, numpy, torch, torchvision and transformers. Also prints by how much the torchvision-based
processor of transformers differs from the Pillow-based one.
"""
import json
import pathlib
import sys

import numpy as np
import skimage
from PIL import Image
from transformers.models.clip.image_processing_clip import CLIPImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

target = pathlib.Path(sys.argv[1])
target.mkdir(parents=True, exist_ok=True)
edge = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
processors = {
    "clip": CLIPImageProcessorPil(),
    "clip336": CLIPImageProcessorPil(**edge),
    "pad336": LlavaImageProcessorPil(**edge, do_pad=True),
}
fast = CLIPImageProcessor()
sources = sorted(p for p in (pathlib.Path(skimage.__file__).parent / "data").iterdir() if p.suffix in (".png", ".jpg"))
entries, fast_difference = [], 0.0
for source in sources:
    image = Image.open(source).convert("RGB")
    variants = {source.name: source.read_bytes()}
    for name, options in {"q85": {"quality": 85}, "q60p": {"quality": 60, "progressive": True}}.items():
        path = target / f"{source.stem}-{name}.jpg"
        image.save(path, **options)
        variants[path.name] = path.read_bytes()
    for name, data in variants.items():
        (target / name).write_bytes(data)
        image = Image.open(target / name).convert("RGB")
        (target / f"{name}.rgb").write_bytes(np.array(image).tobytes())
        for kind, processor in processors.items():
            values = np.asarray(processor(image)["pixel_values"][0], dtype="<f4")
            (target / f"{name}.{kind}").write_bytes(values.tobytes())
        slow = np.asarray(processors["clip"](image)["pixel_values"][0])
        fast_difference = max(fast_difference, np.abs(slow - fast(image)["pixel_values"][0].numpy()).max())
        entries.append({"file": name, "width": image.width, "height": image.height})
(target / "index.json").write_text(json.dumps(entries))
print(f"{len(entries)} files; torchvision-based against Pillow-based: at most {fast_difference:.4f}"
      f" after normalisation, {fast_difference * 0.2758 * 255:.1f} grey levels")
