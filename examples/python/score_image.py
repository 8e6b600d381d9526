"""Hardness of one preference pair from CLIP's scores of its sub-sentences, Eqs. (4) to (6).

    python score_image.py MODEL_DIR IMAGE

example arguments: Tests/DamaModelsTests/Fixtures/clip/legacy Tests/DamaModelsTests/Fixtures/clip/wide.jpg
"""

import sys

import libdama

CHOSEN = ["There is a red circle at the top.", "There is a small square below it."]
REJECTED = ["There is a red circle at the top.", "A dog sits beside it."]


def main(model_dir: str, image: str) -> None:
    scorer = libdama.Scorer(model_dir)
    # One call for both responses: a sentence that occurs in both is computed once.
    scores = scorer.score(image, CHOSEN + REJECTED)
    for score, sentence in zip(scores, CHOSEN + REJECTED):
        print(f"{score:8.3f}  {sentence}")
    print(f"delta {libdama.hardness(scores[: len(CHOSEN)], scores[len(CHOSEN) :]):.4f}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
