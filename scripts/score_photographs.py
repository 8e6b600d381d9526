#!/usr/bin/env python3
"""Scores real photographs with responses written by hand, to show that libdama is not limited to shapes.

    scripts/score_photographs.py build/bin/dama MODEL_DIR OUT_DIR

MODEL_DIR is any Hugging Face CLIP directory (openai/clip-vit-base-patch32 gives sensible numbers; models/shapes-clip
was not trained on photographs and only shows that the pipeline runs). The photographs are scikit-image's: PNG and JPEG,
grey and coloured, of many sizes. Needs scikit-image (`scripts/bootstrap torch` installs it).
"""

import json
import subprocess
import sys
from pathlib import Path

import skimage
from skimage import data

# Image, question, chosen, rejected.
PAIRS = [
    ("astronaut.png", "Who is in the picture?",
     "A woman in an orange space suit smiles at the camera. An American flag hangs behind her. "
     "A model of the Space Shuttle stands beside her.",
     "A man in a black suit sits at a desk. A dog lies at his feet. A window behind him shows snow."),
    ("chelsea.png", "Describe the animal.",
     "The photo shows the face of a ginger tabby cat. Its eyes are green, and it has long white whiskers.",
     "The photo shows a small brown dog running on a beach, e.g. to fetch a ball. Its ears are black."),
    ("coffee.png", "What is on the table?",
     "There is a cup of espresso on a saucer. A spoon lies on the saucer's edge.",
     "There is a cup of espresso on a saucer. Two slices of bread lie on the saucer's edge."),
    ("rocket.jpg", "What is happening?",
     "A rocket stands on its launch pad at dusk. Bright lights shine on the tower next to it.",
     "A sailing boat leaves a harbour at noon. Three people wave from the quay."),
    ("camera.png", "Describe the scene.",
     "A man in a dark coat looks through a camera on a tripod. Buildings stand far behind him.",
     "A woman rides a red bicycle through a forest. Tall trees stand close to the road."),
    ("coins.png", "What do you see?",
     "Old coins lie in rows on a dark ground. They are all of about the same size, and show heads in profile.",
     "New keys hang on hooks on a white wall. There are about 3.5 centimetres between them."),
    ("moon.png", "Describe the picture.",
     "The surface of the moon is covered with craters. The light falls from the side.",
     "The surface of a lake is covered with boats. A bridge crosses it from side to side."),
    ("hubble_deep_field.jpg", "What is shown?",
     "Many galaxies of different shapes and colours are scattered over a black sky.",
     "One large yellow sun sets behind mountains."),
]


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    program, model, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "pairs.jsonl", "w") as file:
        for index, (image, question, chosen, rejected) in enumerate(PAIRS):
            row = {"idx": index, "image": image, "question": question, "chosen": chosen, "rejected": rejected}
            file.write(json.dumps(row) + "\n")
    photographs = Path(data.__file__).parent
    print(f"scikit-image {skimage.__version__}, {len(PAIRS)} photographs")
    subprocess.run(
        [program, "score", "--model", model, "--data", out / "pairs.jsonl", "--image-root", photographs,
         "--out", out / "scores.jsonl"], check=True)
    for line in open(out / "scores.jsonl"):
        score = json.loads(line)
        counts = f"{len(score['chosen'])} + {len(score['rejected'])} sub-sentences"
        print(f"{PAIRS[int(score['id'])][0]:24s} delta {score['delta']:+.4f}  alpha_D {score['alpha_data']:.4f}  {counts}")


if __name__ == "__main__":
    main()
