"""Writes judged.json: what the judged benchmarks make of a judge's answers, by definitions in words of our own.

Run by hand with numpy (`scripts/bootstrap`). The definitions follow the official scripts that the Swift sources name;
judged_official.json beside it has the scripts' own outputs on a few answers.

- MMHal-Bench: the rating is the only digit d of 0 to 6 for which "rating: d" is in the lower-cased answer, else 0.
- LLaVA-Bench: the first line, commas made blanks, cut at every blank, must be two floats; otherwise both scores are -1.
- MM-Vet: means of grades by capability and by set of capabilities, in percent, and over runs.
- Python: string literals and their values, float(), str.format(), round() and numpy.round().
"""

import ast
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RANDOM = random.Random(15)
KINDS = ["attribute", "adversarial", "comparison", "counting", "relation", "environment", "holistic", "other"]


def rating(text):
    digits = [d for d in range(7) if f"rating: {d}" in text.lower()]
    return digits[0] if len(digits) == 1 else None


def mmhal():
    forms = ["Rating: {}", "It is fine.\n- rating: {}, informative", "**RATING: {}**", "Rating:{}", "Rating: {}/6",
             "Rating: {}. Rating: {}", "rating {}", "Rating:  {}", "Rating: {} or rating: 2", "no number", "",
             "RaTiNg: {} İ ß", "Ratıng: {}", "Rating: {}\nRating: {}", "Rating: 1{}", "Ranking: {}"]
    answers = []
    for _ in range(96):
        answers.append(RANDOM.choice(forms[:3] + forms).replace("{}", str(RANDOM.randrange(8))))
    found = [rating(text) for text in answers]
    scores = [score or 0 for score in found]
    printed = {
        "average_score": f"{sum(scores) / 96:.2f}",
        "hallucination_rate": f"{sum(score < 3 for score in scores) / 96:.2f}",
        "informativeness": f"{np.mean([s - 3 if s >= 3 else s for s in scores]) / 3 * 100:.2f}",
    }
    for place, kind in enumerate(KINDS):
        own = scores[place::8]
        printed[kind] = str(round(sum(own) / len(own), 2))
    kept = [score for score in found if score is not None]
    return {
        "answers": answers, "found": found, "printed": printed, "failed": found.count(None),
        "average_score_without_failed": sum(kept) / len(kept),
        "hallucination_rate_without_failed": sum(score < 3 for score in kept) / len(kept),
    }


def scores(review):
    fields = review.split("\n")[0].replace(",", " ").split(" ")
    try:
        return [float(field) for field in fields] if len(fields) == 2 else None
    except ValueError:
        return None


def llava():
    forms = ["{} {}", "{} {}\nbecause", "{},{}", "{}, {}", "{}  {}", " {} {}", "{} {} ", "{}\t{}", "{} {}\r\nx",
             "\n{} {}",
             "Scores: {} {}", "{} +{}", "{} -{}", "{}. .{}", "{}e0 {}_0", "{}\u00a0{} {}", "{} {}/10", "-1 {}"]
    reviews = []
    for number in range(60):
        text = RANDOM.choice(forms[:3] * 3 + forms)
        while "{}" in text:
            text = text.replace("{}", str(RANDOM.choice([1, 5, 6, 7, 8, 9, 10, 6.5, 8.5])), 1)
        reviews.append({"category": ["conv", "detail", "complex"][number % 3], "content": text})
    tuples = [scores(review["content"]) or [-1, -1] for review in reviews]

    def summary(keep, times):
        printed = {}
        for group in ["", "complex_", "conv_", "detail_"]:
            own = [pair for pair, review in zip(tuples, reviews)
                   if (group in ("", review["category"] + "_")) and (keep or pair[0] != -1)]
            reference, model = [round(x, 3) for x in np.asarray(own).mean(0).tolist()]
            printed[group + "relative_score"] = str(round(model / reference * 100, 1))
            name = "score" if keep else "mean"
            for part, value in [("reference", reference), ("model", model)]:
                printed[f"{group}{part}_{name}"] = str(round(value * times, 1) if keep else value)
        return printed

    return {
        "reviews": reviews, "tuples": tuples, "failed": sum(pair[0] == -1 for pair in tuples),
        "keep_failed": summary(True, 10), "drop_failed": summary(False, 1),
    }


def mmvet():
    sets = [["ocr", "math"], ["rec"], ["spat", "ocr"], ["ocr", "spat"], ["gen", "know", "rec"], ["rec", "know", "gen"],
            ["rec", "rec"]]
    data = {f"v1_{i}": RANDOM.choice(sets) for i in range(40)}
    runs = 3
    grades = {name: [RANDOM.randrange(11) / 10 for _ in range(runs)] for name in data}
    sums, counts = {}, Counter()
    for name, needed in data.items():
        keys = ["total", "set_" + "_".join(sorted(set(needed)))] + sorted(set(needed))
        for key in keys:
            counts[key] += 1
            for run in range(runs):
                sums.setdefault(key, [0.0] * runs)[run] += grades[name][run]
    values = {key: np.array(sum_) / counts[key] * 100 for key, sum_ in sums.items()}
    return {
        "capabilities": data, "grades": grades,
        "runs": [{key: str(np.round(value[run], 1)) for key, value in values.items()} for run in range(runs)],
        "mean": {key: str(np.round(value.mean(), 1)) for key, value in values.items()},
        "exact_mean": {key: value.mean() for key, value in values.items()},
        "exact_std": {key: value.std() for key, value in values.items()},
    }


def grade_texts():
    texts = ["0.5", "1.0", " 0.7", "0.3 ok", "1.5", "-0.1", "good", "", "0", "1", ".5", "1.", "0.5\n", "0.5\nok", "\t0.5",
             "1e-1", "0.5.", "+0.5", "٠.٥", "nan", "inf", "0_1", "1_", "0x1", "-0", "0.5\u2009", "0,5",
             "1.0000000001"]
    result = []
    for text in texts:
        first = text.split(" ")[0].strip()
        try:
            value = float(first)
            good = 0 <= value <= 1 and first.isascii()
        except ValueError:
            good = False
        result.append({"text": text, "grade": value if good else None})
    return result


def floats():
    texts = ["1", "1.5", ".5", "5.", "1.e2", "1e5", "1E-2", "+3", "-3", " 7 ", "\t7\n", "\u00a07\u2003", "\x1c7\x1f",
             "\x1c7\u00a0", "1_0", "1__0", "_1", "1_", "1_.5", "1._5", "1e1_0", "", " ", ".", "e5", "1e", "+", "-",
             "--1", "0x10", "1p3", "1,5", "1 2",
             "infinity5", "1.5.2", "\u200b7", "7\u0301", "1e400", "1d3", "1f"]
    result = []
    for text in texts:
        try:
            value = float(text)
        except ValueError:
            value = None
        # JSON has no infinity.
        result.append({"text": text, "value": "inf" if value == float("inf") else value})
    return result


def literals():
    values = ["plain", "two\nlines", "a 'b' \"c\"", "back\\slash", "é 中 😀", "tab\tbell\a", "{}", "ends with quote\"",
              ""]
    sources = ['"""x\ny"""', "'''a\\\nb'''", r"r'a\nb\'c'", r"'\x41\u00e9\U0001F600\101\0'", r"'\d\('", 'u"a"',
               '"""a""b\\""""', "'''a\r\nb\rc'''", r"R'''\''''", "'\\\r\nx'", r"'\1234'"]
    for value in values:
        # JSON's escapes for 😀 are two characters in Python.
        sources += [repr(value), json.dumps(value, ensure_ascii=value.isascii() or "😀" not in value)]
    bad = ["", "x", "f'a'", "'a", "'a\nb'", "'''a''", r"'\x4'", r"'\u12'", r"'\U00110000'", "'\\", "b"]
    good = [source for source in sources]
    return {
        # Python's parser makes line breaks one before it reads literals; so does ast.
        "good": [{"source": source, "value": ast.literal_eval(source)} for source in good],
        "bad": bad,
    }


def formats():
    cases = [("{} and {}", ["a", "b{}"]), ("{{}} {} }}{{", ["x"]), ("", []), ("{}{}", ["", "é"]), ("a\n{}\n", ["b"])]
    return [{"template": template, "values": values, "text": template.format(*values)} for template, values in cases]


def roundings():
    numbers = [0.15, 0.25, 0.35, 2.675, 43.05, 43.15, 96.65, 100.0, 0.0, 1 / 3 * 100, 76.66666, 12.25, 12.75]
    numbers += [RANDOM.randrange(0, 2000) / 20 for _ in range(60)]
    return [{"number": number, "numpy": float(np.round(number, 1)), "python": round(number, 1)} for number in numbers]


if __name__ == "__main__":
    parts = [mmhal, llava, mmvet, grade_texts, floats, literals, formats, roundings]
    text = json.dumps({part.__name__: part() for part in parts}, indent=1, ensure_ascii=True)
    (HERE / "judged.json").write_text(text + "\n")
