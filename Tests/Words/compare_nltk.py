"""Compares libdama's sentences, words, tags and lemmas with those of the installed NLTK, on the real data.

    compare_nltk.py --process WordsProcess [--seed N] [--texts N] DATA…

DATA: archives, folders and files with NLTK's tagger, Punkt's tables and WordNet's nouns (docs/words.md says where they
are to be had). The rules are those of the installed version. Prints a line for each difference, then a summary.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import nltk_reference
import texts

parser = argparse.ArgumentParser()
parser.add_argument("data", nargs="+")
parser.add_argument("--process", required=True)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--texts", type=int, default=4000)
arguments = parser.parse_args()

reference = nltk_reference.Reference(arguments.data)
rules = nltk_reference.rules()
inputs = list(texts.texts(arguments.seed, arguments.texts, sorted(reference.nouns)))
lines = "".join(json.dumps({"text": text}) + "\n" for text in inputs)
start = time.process_time()
expected = [reference.read(text) for text in inputs]
python = time.process_time() - start
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/words"
    subprocess.run([arguments.process, "make", path, *arguments.data], check=True)

    def run(command):
        line = [arguments.process, command, path, rules]
        return subprocess.run(line, input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()

    # Not splitlines(): some characters in the texts are line ends to Python.
    found = [json.loads(line) for line in run("run").split("\n")[:-1]]
    opening, reading, *_ = map(float, run("time").split())
assert len(found) == len(inputs), f"{len(found)} answers for {len(inputs)} texts"

counts = dict.fromkeys(["sentences", "tokens", "tags", "lemmas", "nouns"], 0)
different = dict(counts)
for text, wanted, got in zip(inputs, expected, found):
    for key in counts:
        counts[key] += len(wanted[key])
        if got[key] != wanted[key]:
            # Positions that differ; everything after the first difference if the numbers do.
            different[key] += max(1, sum(a != b for a, b in zip(got[key], wanted[key])))
            if sum(different.values()) < 40:
                print(f"{key} of {json.dumps(text)}")
                print(f"  NLTK    {json.dumps(wanted[key])}\n  libdama {json.dumps(got[key])}")
tokens = counts["tokens"]
print(f"NLTK {nltk_reference.VERSION} (rules {rules}), seed {arguments.seed}, {len(inputs)} texts:")
for key in counts:
    print(f"  {key}: {counts[key]} compared, {different[key]} differ")
print(
    f"  {tokens / python:,.0f} tokens per processor second in NLTK, {tokens / reading:,.0f} in libdama "
    f"({python / reading:.0f} times as many), opened in {opening * 1000:.1f} ms"
)
failed = sum(value > 0 for value in different.values())
print(f"words: {len(counts) - failed} passed, {failed} failed")
sys.exit(failed > 0)
