"""The hardness of one pair, and its sub-sentences.

    python pair_hardness.py MODEL_DIR IMAGE

example arguments: Tests/DamaModelsTests/Fixtures/clip/legacy Tests/DamaModelsTests/Fixtures/clip/wide.jpg
"""

import sys

import libdama

CHOSEN = "There is a red circle at the top. A square is below it."
REJECTED = "There is a red circle at the top. A dog sits beside it."


def main(model_dir: str, image: str) -> None:
    found = libdama.Scorer(model_dir).hardness(image, CHOSEN, REJECTED)
    print(f"delta {found.delta:.4f}")
    for name, parts in (("chosen", found.chosen), ("rejected", found.rejected)):
        for part in parts:
            print(f"{name:8} {part.score:8.3f} {part.probability:.4f}  {part.text}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
