"""Writes pope/: questions and answers of our own in POPE's formats, and their metrics by scikit-learn.

    pip install scikit-learn
    python Tests/DamaEvaluationTests/Fixtures/make_pope.py

Whether an answer says yes is restated here as a regular expression over its first sentence; all else is scikit-learn's.
llava/eval/eval_pope.py of LLaVA gives the same counts and the same line of five numbers for these files.
"""

import json
import random
import re
from pathlib import Path

from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

FOLDER = Path(__file__).with_name("pope")
PARTS = ("random", "popular", "adversarial")
THINGS = "circle square triangle star ring arrow cross crescent heart hexagon".split()
YES = [
    "Yes", "yes", "Yes, there is.", "Yes, there is a {}.", "There is a {} at the left.", "A {}.", "YES", "Sure",
    # None of these holds the word: not alone, not in the first sentence, or in another case.
    "NO", "None", "nothing", "Notice the {}.", "Yes. No doubt.", "A {}. It is not red.", "cannot see it", "isn't it?",
    "", " ", "no\tway", "yes\nno", "“No”", "no\u0301", "It is there.No", "…", "no; none", "No!", "not-so", "Well no\n.",
    "a,no",
]  # fmt: skip
NO = [
    "No", "no", "No, there is no {}.", "There is no {} here.", "not at all", "It is not there.", "no, none", "No,",
    " no ", "There is not, sorry. Yes.", "yes no", "N,o way", "n,o,t so", "Yes, and no", "no  {}",
]  # fmt: skip


def says_no(text):
    first = re.split(r"\.", text, maxsplit=1)[0].replace(",", "")
    return re.search(r"(?:\A| )(?:No|no|not)(?: |\Z)", first) is not None


def metrics(labels, answers):
    (true_no, false_yes), (false_no, true_yes) = confusion_matrix(labels, answers, labels=[0, 1]).tolist()
    precision, recall, f1, _ = precision_recall_fscore_support(labels, answers, average="binary", pos_label=1)
    numbers = {
        "f1": f1, "accuracy": accuracy_score(labels, answers), "precision": precision, "recall": recall,
        "yes_ratio": sum(answers) / len(answers),
    }  # fmt: skip
    counts = {"true_yes": true_yes, "false_yes": false_yes, "true_no": true_no, "false_no": false_no}
    return {"counts": counts, **{name: [float(it), f"{it:.3f}"] for name, it in numbers.items()}}


def lines(name, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (FOLDER / name).write_text(text, encoding="utf-8")


def main():
    FOLDER.mkdir(exist_ok=True)
    rng = random.Random(15)
    questions, answers, expected, all_labels, all_says = [], [], {}, [], []
    for part in PARTS:
        rows, labels, says = [], [], []
        for number in range(1, 121):
            thing = rng.choice(THINGS)
            label = rng.random() < 0.45
            image, text = f"{(number + 5) // 6:05d}.jpg", f"Is there a {thing} in the image?"
            rows.append({"question_id": number, "image": image, "text": text, "label": "yes" if label else "no"})
            identifier = len(questions)
            questions.append(
                {"question_id": identifier, "image": image, "text": f"{text}\nAnswer yes or no.", "category": part}
            )
            form = rng.choice(YES if rng.random() < (0.8 if label else 0.3) else NO)
            answer = form.format(thing)
            # Each list holds what its name says.
            assert says_no(answer) == (form in NO), form
            answers.append({"question_id": identifier, "prompt": text, "text": answer, "model_id": "none"})
            labels.append(int(label))
            says.append(int(not says_no(answer)))
        lines(f"coco_pope_{part}.json", rows)
        expected[part] = metrics(labels, says)
        all_labels += labels
        all_says += says
    expected["all"] = metrics(all_labels, all_says)
    lines("llava_pope_test.jsonl", questions)
    lines("answers.jsonl", answers)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    used = {it["text"] for it in answers}
    print(len(answers), "answers,", len(used), "different")


main()
