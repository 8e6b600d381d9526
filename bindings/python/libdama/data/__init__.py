"""Preference pairs from Parquet, ``datasets``, JSON and Python, and their hardness as columns.

::

    from libdama import data

    scored = data.score("rlaif-v/*.parquet", "clip-vit-large-patch14-336")    # a datasets.Dataset
    print(scored["delta"][0], scored["alpha_data"][0])

Needs ``libdama[data]``: pyarrow for Parquet, ``datasets`` for its datasets, Pillow for its images. JSON and rows in
memory need nothing else.
"""

from ._formats import BadRow, Row
from ._generate import Answers, generate
from ._hardness import Hardness
from ._images import ImageFolder
from ._reference import Reference, reference
from ._score import ScoredRows, score
from ._sources import read

__all__ = [
    "Answers",
    "BadRow",
    "Hardness",
    "ImageFolder",
    "Reference",
    "Row",
    "ScoredRows",
    "generate",
    "read",
    "reference",
    "score",
]
