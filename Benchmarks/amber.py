"""AMBER's 15,220 answers: `dama evaluate amber` compared with the official inference.py.

    make build && python Benchmarks/amber.py --official AMBER --vectors WHEEL \\
        --nltk-data nltk_data --python PYTHON

AMBER is a checkout of github.com/junyangwang0410/AMBER, nltk_data a folder of averaged_perceptron_tagger (the zip and,
unpacked, what NLTK's version wants), punkt_tab and wordnet, PYTHON one with spacy and nltk. The answers are random: for
each picture five sentences that name objects of the data, and "Yes", "No" or a sentence for each question.

The official script parses both words again for each comparison, for minutes a hundred pictures. It therefore runs
twice: as it is, on a part of the answers (--plain), and on all with the parsed words remembered, which changes no
number. What it prints must equal the metrics of `dama evaluate`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = [
    "The image features a {0} standing next to a {1}, with several {2} in the background.",
    "There are two {0} and a {1} on the left side of the picture.",
    "In addition to the {0}, a {1} can be seen behind the {2}.",
    "A man is holding a {0} while a woman looks at the {1} near the {2}.",
    "The scene is calm, and the {0} adds a touch of colour to the {1}.",
    "{0} and {1} are scattered around, suggesting that the photo was taken at 5 p.m. in the U.S.",
]

# Runs in the other Python: the official script with a pipeline from a folder.
OFFICIAL = """
import functools, runpy, sys, time
import spacy
official, model, remember, *arguments = sys.argv[1:]
spacy.load = functools.partial(lambda load, name: load(model), spacy.load)
sys.path.insert(0, official)
sys.argv = ["inference.py", *arguments]
import importlib
module = importlib.import_module("inference")
if remember == "yes":
    module.nlp = functools.cache(module.nlp)
module.tqdm = lambda values: values
module.args = module.get_args()
start = time.perf_counter()
module.main(module.args)
print(f"seconds\\t {time.perf_counter() - start}")
"""


def answers(data: Path) -> list[dict]:
    choice = random.Random(7)
    words = list(json.loads((data / "relation.json").read_text()))
    rows = []
    for item in json.loads((data / "annotations.json").read_text()):
        if item["type"] == "generative":
            near = item["truth"] * 3 + item["hallu"] + choice.choices(words, k=4)
            text = " ".join(
                choice.choice(SENTENCES).format(*(w + choice.choice(["", "", "s"]) for w in choice.choices(near, k=3)))
                for _ in range(5)
            )
        else:
            text = choice.choice(["Yes", "No", "No", "Yes", "yes", "No, there is none."])
        rows.append({"id": item["id"], "response": text})
    return rows


def run_official(arguments, model: Path, responses: Path, remember: bool) -> tuple[list[str], float]:
    command = [arguments.python, "-W", "ignore", "-c", OFFICIAL, arguments.official, model, "yes" if remember else "no",
               "--evaluation_type", "a", "--inference_data", responses]  # fmt: skip
    environment = os.environ | {"NLTK_DATA": str(arguments.nltk_data)}
    out = subprocess.run(command, cwd=arguments.official, env=environment, check=True, capture_output=True, text=True)
    *printed, seconds = [line.split("\t")[-1].strip() for line in out.stdout.splitlines() if "\t" in line]
    return printed, float(seconds)


def run_dama(arguments, data: Path, responses: Path, out: Path) -> tuple[list[str], float]:
    start = time.perf_counter()
    subprocess.run(
        [arguments.dama, "evaluate", "amber", "--data", data, "--responses", responses, "--out", out, "--quiet",
         "--restart"],
        check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    seconds = time.perf_counter() - start
    metrics = json.loads(out.with_suffix(".summary.json").read_text())["metrics"]
    return [metric["official"] for metric in metrics.values()], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", type=lambda path: Path(path).resolve(), help="a checkout of AMBER")
    parser.add_argument("--vectors", type=Path, help="the wheel of a spaCy pipeline with vectors")
    parser.add_argument("--nltk-data", type=lambda path: Path(path).resolve(), help="NLTK's data folder")
    parser.add_argument("--python", default=sys.executable, help="a Python with spacy and nltk")
    parser.add_argument("--plain", type=int, default=20, help="pictures for the official script as it is")
    parser.add_argument("--dama", type=Path, default=ROOT / "build/bin/dama")
    arguments = parser.parse_args()
    if not (arguments.official and arguments.vectors and arguments.nltk_data):
        print("skipped: --official, --vectors and --nltk-data name files that are not part of this repository")
        return
    files = arguments.official / "data"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with zipfile.ZipFile(arguments.vectors) as wheel:
            wheel.extractall(work / "wheel")
        model = next(work.glob("wheel/**/vocab/vectors")).parent.parent
        data = work / "data"
        start = time.perf_counter()
        subprocess.run(
            [arguments.dama, "evaluate", "prepare", "amber", "--out", data, "--from", files / "annotations.json",
             files / "relation.json", files / "safe_words.txt", files / "query/query_all.json", arguments.vectors,
             arguments.nltk_data],
            check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        print(f"prepare, once: {time.perf_counter() - start:.1f} s")
        rows = answers(files)
        (work / "all.json").write_text(json.dumps(rows))
        (work / "part.json").write_text(json.dumps(rows[: arguments.plain]))
        part, seconds = run_official(arguments, model, work / "part.json", remember=False)
        print(f"official, as it is, {arguments.plain} pictures: {seconds:.1f} s")
        same = part == run_dama(arguments, data, work / "part.json", work / "part.jsonl")[0]
        official, seconds = run_official(arguments, model, work / "all.json", remember=True)
        print(f"official, parsed words remembered, {len(rows)} answers: {seconds:.1f} s without the imports")
        times = []
        for _ in range(5):
            ours, seconds = run_dama(arguments, data, work / "all.json", work / "all.jsonl")
            times.append(seconds)
        median, least, most = sorted(times)[2], min(times), max(times)
        print(f"dama, {len(rows)} answers, the whole command: {median:.2f} s (of 5: {least:.2f} to {most:.2f})")
        print("numbers:", ", ".join(official))
        if not same or official != ours:
            sys.exit(f"the numbers differ: {', '.join(ours)}")


if __name__ == "__main__":
    main()
