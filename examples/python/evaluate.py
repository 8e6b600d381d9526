"""The metrics of a model's answers to a benchmark, here POPE with questions about the pictures of the embedded world.

    pip install ./bindings/python onnxruntime
    python examples/python/evaluate.py SET.json ANSWERS.jsonl FOLDER

After a stop or a kill, the same command resumes.
example arguments: examples/data/shapes/pope/coco_pope_random.json examples/data/shapes/pope/answers.jsonl OUTPUT
"""

import sys
from pathlib import Path

import libdama

questions, answers, folder = sys.argv[1:]
data = Path(folder) / "pope"
for file in libdama.evaluate_prepare("pope", [questions], data).missing:
    print(f"not there: {file.name}, {file.purpose}")
# The questions in the form that libdama.generate_dataset() answers.
libdama.evaluate_questions("pope", data, Path(folder) / "questions.jsonl")

result = libdama.evaluate("pope", data=data, responses=answers, output=Path(folder) / "results.jsonl")
print(f"{result.answered} of {result.questions} questions answered")
for name, metric in result.metrics.items():
    print(f"{name:10} {metric.official}")
