"""Writes tiles/: what transformers' Pillow-based image processors that cut pictures into tiles make of pictures.

Levels are stored as bytes; the values of normalising cases as float32. Run with transformers, pillow and numpy:
python make_tiles.py
"""
import json
import pathlib

import numpy as np
from make_images import picture
from PIL import Image
from transformers.image_processing_utils import select_best_resolution
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

here = pathlib.Path(__file__).with_name("tiles")
here.mkdir(exist_ok=True)
classes = {
    "LlavaNextImageProcessor": LlavaNextImageProcessorPil,
    "Idefics3ImageProcessor": Idefics3ImageProcessorPil,
    "SmolVLMImageProcessor": SmolVLMImageProcessorPil,
}
plain = {"do_rescale": False, "do_normalize": False}
square = {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}
grids = {"image_grid_pinpoints": [[8, 16], [16, 8], [16, 16], [24, 8], [8, 24]]}
cases = [
    ("LlavaNextImageProcessor", {**square, **grids, **plain}),
    ("LlavaNextImageProcessor", {**square, "image_grid_pinpoints": [[8, 8], [16, 24]], **plain, "resample": 2}),
    (
        "LlavaNextImageProcessor",
        {"size": {"height": 8, "width": 8}, "crop_size": 8, **grids, **plain, "do_resize": False},
    ),
    # Each tile is scaled once more and cropped.
    (
        "LlavaNextImageProcessor",
        {"size": {"shortest_edge": 11}, "crop_size": {"height": 8, "width": 8}, **grids, **plain},
    ),
    ("LlavaNextImageProcessor", {**square, "image_grid_pinpoints": [[8, 16], [16, 8]]}),
    ("Idefics3ImageProcessor", {"size": {"longest_edge": 24}, "max_image_size": {"longest_edge": 8}, **plain}),
    (
        "Idefics3ImageProcessor",
        {"size": {"longest_edge": 21}, "max_image_size": {"longest_edge": 8}, **plain, "resample": 3},
    ),
    ("Idefics3ImageProcessor", {"size": {"height": 13, "width": 22}, "max_image_size": {"longest_edge": 8}, **plain}),
    ("SmolVLMImageProcessor", {"size": {"longest_edge": 8}, "max_image_size": {"longest_edge": 8}, **plain}),
    ("SmolVLMImageProcessor", {"do_resize": False, "max_image_size": {"longest_edge": 22}, **plain}),
    ("SmolVLMImageProcessor", {"size": {"longest_edge": 20}, "max_image_size": {"longest_edge": 8},
                               "do_image_splitting": False}),
]
pictures = {
    "wide": picture(17, 39, 5), "tall": picture(43, 14, 6), "small": picture(5, 9, 7), "dot": picture(1, 1, 8),
    "row": picture(2, 30, 9), "odd": picture(17, 17, 10),
}  # fmt: skip

expected, entries, sizes, inputs = b"", [], [], b""
for name, array in pictures.items():
    sizes.append({"name": name, "width": array.shape[1], "height": array.shape[0], "offset": len(inputs)})
    inputs += array.tobytes()
for kind, settings in cases:
    more = {} if kind.startswith("Llava") else {"return_row_col_info": True}
    processor = classes[kind](**settings)
    results = []
    for name, array in pictures.items():
        found = processor([Image.fromarray(array)], **more)
        values = np.asarray(found["pixel_values"][0])
        if kind.startswith("Llava"):
            height, width = select_best_resolution(array.shape[:2], settings["image_grid_pinpoints"])
            rows, columns = height // 8, width // 8
        else:
            values = values[0] if values.ndim == 5 else values
            rows, columns = found["rows"][0][0], found["cols"][0][0]
            assert np.asarray(found["pixel_attention_mask"]).all()
        assert len(values) == rows * columns + 1
        if "do_normalize" in settings:
            assert (values == values.astype(np.uint8)).all()
            values, form = values.astype(np.uint8), "levels"
        else:
            values, form = values.astype("<f4"), "values"
        results.append({
            "of": name, "rows": rows, "columns": columns, "side": values.shape[-1], "offset": len(expected),
        })  # fmt: skip
        expected += values.tobytes()
    entries.append({"type": kind, "settings": settings, "form": form, "results": results})
(here / "inputs.bin").write_bytes(inputs)
(here / "expected.bin").write_bytes(expected)
(here / "expected.json").write_text(json.dumps({"pictures": sizes, "cases": entries}) + "\n")
