"""Writes processed/: the results of transformers' Pillow-based image processors for pictures, as float32.

Run with transformers, pillow and numpy: python make_processed.py
"""
import json
import pathlib

import numpy as np
from make_images import picture
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

here = pathlib.Path(__file__).with_name("processed")
here.mkdir(exist_ok=True)
classes = {
    "CLIPImageProcessor": CLIPImageProcessorPil,
    "LlavaImageProcessor": LlavaImageProcessorPil,
    "SiglipImageProcessor": SiglipImageProcessorPil,
    "ViTImageProcessor": ViTImageProcessorPil,
}
clip = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}
cases = [
    ("CLIPImageProcessor", clip),
    ("CLIPImageProcessor", {"size": 16, "crop_size": 16, "resample": 2}),
    ("CLIPImageProcessor", {**clip, "size": {"shortest_edge": 21}}),
    ("CLIPImageProcessor", {**clip, "size": {"shortest_edge": 7}}),
    ("CLIPImageProcessor", {**clip, "do_resize": False}),
    ("CLIPImageProcessor", {**clip, "do_normalize": False}),
    ("CLIPImageProcessor", {**clip, "do_rescale": False, "resample": 1}),
    ("CLIPImageProcessor", {**clip, "do_rescale": False, "do_normalize": False, "resample": 0}),
    ("CLIPImageProcessor", {**clip, "rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [0.9, 1, 2]}),
    ("CLIPImageProcessor", {"size": {"height": 9, "width": 15}, "crop_size": {"height": 13, "width": 8}}),
    ("LlavaImageProcessor", {**clip, "do_pad": True}),
    ("LlavaImageProcessor", clip),
    ("SiglipImageProcessor", {"size": {"height": 12, "width": 14}}),
    ("ViTImageProcessor", {"size": 11}),
]
pictures = {
    "wide": picture(23, 50, 5), "tall": picture(61, 20, 6), "small": picture(5, 9, 7), "dot": picture(1, 1, 8),
    "row": picture(1, 30, 9), "odd": picture(17, 17, 10),
}  # fmt: skip

bytes_, entries = b"", []
inputs = b""
for name, array in pictures.items():
    entries.append({"picture": name, "width": array.shape[1], "height": array.shape[0], "offset": len(inputs)})
    inputs += array.tobytes()
for kind, settings in cases:
    processor = classes[kind](**settings)
    for name, array in pictures.items():
        values = np.asarray(processor(Image.fromarray(array))["pixel_values"][0], dtype="<f4")
        entries.append({
            "type": kind, "settings": settings, "of": name, "height": values.shape[1], "width": values.shape[2],
            "offset": len(bytes_),
        })  # fmt: skip
        bytes_ += values.tobytes()
(here / "inputs.bin").write_bytes(inputs)
(here / "expected.bin").write_bytes(bytes_)
(here / "expected.json").write_text("[\n" + ",\n".join(json.dumps(e) for e in entries) + "\n]\n")
