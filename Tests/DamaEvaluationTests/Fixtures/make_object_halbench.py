"""Writes the folder object-halbench: small data in the forms of Object HalBench and CHAIR, and the official results.

    make_object_halbench.py CHECKOUT

CHECKOUT is RLHF-V/RLAIF-V at 83d917b, whose scripts are run as they are. NLTK stands in for spaCy's tagger and lemmas,
and replies that are written here for the language model. Needs nltk (3.9.1), numpy and tqdm.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import types
import zipfile
from pathlib import Path

here = Path(__file__).parent
checkout = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(here.parents[1] / "Words"))
import nltk_reference

random.seed(20)
output = here / "object-halbench"
shutil.rmtree(output, ignore_errors=True)
output.mkdir()


def write(name, value):
    (output / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_lines(name, rows):
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    (output / name).write_text(text)


# ----------------------------------------------------------------------------------------------------------------------
# Words: a small WordNet, a tagger that knows some words, and Punkt with two abbreviations.

NOUNS = """dog puppy cat kitten bird horse cow person man men woman boy girl groom people child bicycle bike car van bus
train jet airplane plane boat bench chair seat stool couch sofa toilet tv television monitor laptop macbook mouse remote
control keyboard phone clock tower book vase knife fork spoon bowl cup mug bottle glass wine banana apple orange table
desk dining coffee light traffic street stop sign hydrant fire meter parking bear teddy tie bow umbrella hat tree grass
sky nest ketchup scissors skis ski baby adult passenger animal track plate home stove top oven plant rack room mirror
wall window shelf toy potato leaf ox shirt hand sea café""".split()
EXCEPTIONS = """children child
men man
women woman
mice mouse
knives knife
leaves leaf
oxen ox
skis ski
""".splitlines()
TAGS = {
    "DT": "a the an another two three his its".split(),
    "JJ": "red brown large small wooden white old young green round".split(),
    "IN": "in on near with beside under of".split(),
    "CC": ["and", "or"],
    "VBZ": "sits stands is holds lies plays rides".split(),
    "NNS": "dogs cats bicycles lights signs women children knives cars bottles bears phones glasses".split(),
    "NNP": ["MacBook", "iPhone", "Paris", "Tie"],
    ".": ["."],
    ",": [","],
}


def make_words():
    folder = output / "nltk_data"
    folder.mkdir()
    index = "  1 Nouns for tests, in the form of WordNet's index.noun.\n"
    for noun in sorted(set(NOUNS)):
        index += f"{noun} n 1 0 1 0 00000001\n"
    (folder / "index.noun").write_text(index)
    (folder / "noun.exc").write_text("\n".join(EXCEPTIONS) + "\n")
    name = "averaged_perceptron_tagger_eng"
    # Unknown words are NN, but for some.
    weights = {"bias": {"NN": 0.062}, "i suffix ing": {"VBG": 0.75}, "i pref1 T": {"NNP": 0.25, "DT": 0.5}, "i-1 tag DT": {"NN": 0.125}}
    tagdict = {word: tag for tag, words in TAGS.items() for word in words}
    (folder / f"{name}.weights.json").write_text(json.dumps(weights))
    (folder / f"{name}.tagdict.json").write_text(json.dumps(tagdict))
    (folder / f"{name}.classes.json").write_text(json.dumps([*TAGS, "NN", "VBG"]))
    (folder / "abbrev_types.txt").write_text("mr\nst\n")
    (folder / "collocations.tab").write_text("")
    (folder / "sent_starters.txt").write_text("the\n")
    (folder / "ortho_context.tab").write_text("")
    return nltk_reference.Reference([folder])


words = make_words()

# ----------------------------------------------------------------------------------------------------------------------
# Objects: a table of our own, whose lines have the forms of the official one's.

SYNONYMS = """person, man, woman, boy, girl, people, groom, passenger, baby, adult, child
bicycle, bike
car, van
bus
train, locomotive
airplane, plane, jet, air plane
boat
traffic light, street light, stop light
fire hydrant, hydrant
stop sign
parking meter
bench
bird
cat, kitten
dog, puppy
horse
cow, ox, cow
bear
umbrella
tie, bow, bow tie
skis, ski
bottle
wine glass
cup, mug
fork
knife, knive
spoon
bowl
banana
apple
orange
chair, seat, stool
couch, sofa
potted plant
dining table, table, desk, coffee table
toilet
tv, monitor, television
laptop, macbook, orange
mouse
remote, remote control
keyboard
cell phone, mobile phone, phone, iPhone
oven, stove, stove top oven
book
clock
vase
scissors
teddy bear
""".splitlines()
LINES = {line.split(", ")[0]: line.split(", ") for line in SYNONYMS}
CATEGORIES = list(LINES)
# Blanks at ends, and a line break of Windows.
table = "\n".join(SYNONYMS).replace("\nbench\n", "\nbench  \r\n") + "\n"
(output / "synonyms_refine.txt").write_bytes(table.encode())

IMAGES = [9 * number + 2 for number in range(300)]
PLURALS = {"man": "men", "woman": "women", "child": "children", "knife": "knives", "ox": "oxen", "mouse": "mice"}


def plural(word):
    head, _, last = word.rpartition(" ")
    last = PLURALS.get(last) or (last + "es" if last.endswith(("s", "ch")) else last + "s")
    return f"{head} {last}".strip()


def noun(id=None):
    known = [word for name in shown.get(id, []) for word in LINES[name]]
    base = random.choice(known) if known and random.random() < 0.85 else random.choice(
        [word for line in SYNONYMS for word in line.split(", ")]
        + "baby dog,adult bear,passenger train,passenger jet,toilet seat,wine glas,home plate,train track,seat,toilet,tree,sky,baby,"
        "baby bird,nest,shelf,stop,light,sign,glass,café,MacBook,TV,teddy".split(",")
    )
    word = plural(base) if random.random() < 0.4 else base
    return word.title() if random.random() < 0.05 else word


def phrase(id=None):
    return f"{random.choice(['a', 'the', 'two', 'his', 'a red', 'an old', 'a large wooden'])} {noun(id)}"


def sentence(id):
    parts = [phrase(id) for _ in range(random.randrange(1, 6))]
    joiners = [" and ", ", ", " near ", " beside ", " with ", "; ", " — ", "  "]
    text = parts[0]
    for part in parts[1:]:
        text += random.choice(joiners) + part
    return text[0].upper() + text[1:] + random.choice([" stands there.", ".", "!", " sits on the grass.", "'s shadow.", ' ("old").'])


def caption(id=None):
    return f"{phrase(id)} {random.choice(['and', 'near', 'on'])} {phrase(id)}{random.choice(['.', '', ' . '])}"


# The categories of each image.
shown = {}


def make_coco():
    files = {}
    parts = {"val": IMAGES[::2], "train": IMAGES[1::2]}
    for part, ids in parts.items():
        # Images that no question is about.
        all_ids = ids + [5000 + number for number in range(20)]
        images = [{"license": 3, "file_name": f"COCO_{part}2014_{id:012}.jpg", "id": id, "height": 4} for id in all_ids]
        instances, captions = [], []
        for id in all_ids:
            for _ in range(random.randrange(7)):
                instances.append(
                    {
                        "segmentation": [[random.randrange(9999) / 100 for _ in range(6)]],
                        "iscrowd": 0,
                        "image_id": id,
                        "category_id": 3 * random.randrange(len(CATEGORIES)) + 1,
                        "id": len(instances),
                    }
                )
                shown.setdefault(id, []).append(CATEGORIES[instances[-1]["category_id"] // 3])
            for _ in range(random.randrange(4)):
                captions.append({"image_id": id, "id": len(captions), "caption": caption()})
        random.shuffle(instances)
        random.shuffle(captions)
        categories = [{"supercategory": "x", "id": 3 * n + 1, "name": name} for n, name in enumerate(CATEGORIES)]
        common = {"info": {"description": "made for tests"}, "images": images, "licenses": []}
        files[f"instances_{part}2014.json"] = {**common, "annotations": instances, "categories": categories}
        files[f"captions_{part}2014.json"] = {**common, "annotations": captions}
    return files


coco = make_coco()
with zipfile.ZipFile(output / "annotations_trainval2014.zip", "w") as archive:
    for name, value in coco.items():
        # A fixed date, so that the file is the same every time.
        info = zipfile.ZipInfo(f"annotations/{name}", (2014, 1, 1, 0, 0, 0))
        archive.writestr(info, json.dumps(value), zipfile.ZIP_DEFLATED, 9)

QUESTION = "Describe the picture."
# One pixel, as PNG.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
write_lines(
    "obj_halbench_300_with_image.jsonl",
    [{"question": f"{QUESTION} ({id})", "image": PIXEL, "image_id": str(id) if id % 5 == 0 else id} for id in IMAGES],
)

SPECIAL = [
    "", "No, nothing.", "A dog.", "The toilet seat is up and a chair stands near.", "A seat near the toilet and the sink.",
    "Assistant: a dog Assistant:and a cat sit near the bench. ", "\u00a0 A man and his bikes\u2003", "two  dogs   and a cat",
    "His iPhone and a MacBook lie there.", "The stove top oven beside the stove", "A café with \u0130stanbul's cats and \u03a3\u039f\u03a3 dogs.",
    "Mr. Dog sits on St. Bench. The end.", "a\nb\nc dog cat\tbird", "Assistant:", "'dog' \"cat\" (bird)", "dog",
]
answers = []
for number, id in enumerate(IMAGES):
    text = SPECIAL[number] if number < len(SPECIAL) else " ".join(sentence(id) for _ in range(random.randrange(1, 4)))
    row = {"image_id": str(id) if number % 7 == 3 else id}
    row["prompt" if number % 3 == 1 else "question"] = f"What is here, {number}?"
    row["text" if number % 2 else "answer"] = text
    answers.append(row)
write_lines("answers.jsonl", answers)


def reply(id):
    entries = [noun(id) if random.random() < 0.7 else phrase(id) for _ in range(random.randrange(6))]
    kind = random.randrange(8)
    text = json.dumps(entries, ensure_ascii=kind % 2 == 0)
    # An empty list is only read alone.
    if kind == 0 and entries:
        return f"Here is the list:\n{text}"
    if kind == 1:
        return f"\n {text} \n\n"
    return text


BAD = ["I see a dog.", '["dog", "cat"', 'The list: ["dog"]', "", "['dog']", '["dog"]\nThat is all.', "\ufeff[\"dog\"]"]
ODD = ['"dog"', '{"dog": 1, "cat": 2, "dog": 3}', '["dog", 5, true, null]', "[]", '["a", "dog", "dogs", "puppy"]', '["", " "]']
replies = {}
for number, id in enumerate(IMAGES):
    texts = [random.choice(BAD) for _ in range(random.randrange(3) if number % 4 == 0 else 0)]
    replies[id] = texts + [ODD[number // 9 % len(ODD)] if number % 9 == 0 else reply(id)]
write("replies.json", {str(id): texts for id, texts in replies.items()})

# ----------------------------------------------------------------------------------------------------------------------
# The official scripts.


class Token:
    def __init__(self, text, tag):
        self.tag_ = tag
        # As spaCy: proper nouns as they are, others in lower case.
        self.lemma_ = text if tag.startswith("NNP") else words.lemmatizer.lemmatize(text.lower())


def parse(text):
    read = words.read(text)
    return [Token(token, tag) for token, tag in zip(read["tokens"], read["tags"])]


sys.modules["spacy"] = types.SimpleNamespace(load=lambda name: parse)
sys.modules["jsonlines"] = types.SimpleNamespace(Reader=lambda file: (json.loads(line) for line in file if line.strip()))
sys.modules["openai"] = types.SimpleNamespace(ChatCompletion=None)
sys.path.insert(0, str(checkout / "eval"))
import nltk

nltk.word_tokenize = lambda text: words.read(text)["tokens"]
import eval_gpt_obj_halbench as official

official.lemma = words.lemmatizer
official.time.sleep = lambda seconds: None
official.print = lambda *values, **options: None


class Chat:
    """Gives an answer's replies in turn."""

    def __init__(self, **options):
        self.asked = {}

    def chat_completion(self, messages):
        [message] = messages
        text = message["content"]
        number = int(text.split("What is here, ")[1].split("?")[0])
        turn = self.asked.get(number, 0)
        self.asked[number] = turn + 1
        prompts[number] = text
        usage = {"total_tokens": 3, "prompt_tokens": 1, "completion_tokens": 2}
        return {"model": "m", "usage": usage, "choices": [{"message": {"content": replies[IMAGES[number]][turn]}}]}


prompts = {}
official.Chat = Chat


def run(path, ids, coco, use_gpt):
    evaluator = official.CHAIR(set(ids), coco, "")
    evaluator.get_annotations()
    return evaluator.compute_chair(path, -1, gpt_process=use_gpt)


def rows(result):
    sentences = sorted(result["sentences"], key=lambda row: row["image_id"])
    return [
        {
            "image_id": row["image_id"],
            "words": row["words"],
            "generated": [pair[-1] for pair in row["mscoco_generated_words"]],
            "hallucinated": [word for word, _ in row["mscoco_hallucinated_words"]],
            "truth": sorted(row["mscoco_gt_words"]),
            "chair_s": row["metrics"]["CHAIRs"],
        }
        for row in sentences
    ]


def summary(result, folder):
    """What summarize_gpt_obj_halbench_review.py prints of a result."""
    place = folder / "base/model/answers/checkpoint-1"
    place.mkdir(parents=True, exist_ok=True)
    (place / "hall_obj_halbench_answer_-1.json").write_text(json.dumps(result))
    script = checkout / "eval/summarize_gpt_obj_halbench_review.py"
    done = subprocess.run([sys.executable, script, f"{folder}/base/"], stdout=subprocess.PIPE, check=True, text=True)
    lines = [line.split(":") for line in done.stdout.splitlines() if ":" in line]
    return {name.strip(): value.strip() for name, value in lines}


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "eval/data").mkdir(parents=True)
    shutil.copy(output / "synonyms_refine.txt", folder / "eval/data")
    for file, value in coco.items():
        (folder / file).write_text(json.dumps(value))
    os.chdir(folder)
    sys.stdout, stdout = open(os.devnull, "w"), sys.stdout
    expected = {}
    for variant in ("plain", "llm"):
        result = run(str(output / "answers.jsonl"), IMAGES, str(folder), variant == "llm")
        metrics = {key: value for key, value in result["overall_metrics"].items() if "tokens" not in key}
        printed = official.print_metrics(result, quiet=True)
        expected[variant] = {
            "metrics": metrics, "printed": printed, "summary": summary(result, folder), "rows": rows(result)
        }
        if variant == "llm":
            # Without what the tests do not read; the script's own order is that in which replies came.
            sentences = [{key: row[key] for key in ("image_id", "words")} for row in result["sentences"]]
            sentences.sort(key=lambda row: row["image_id"])
            write("hall_obj_halbench_answer_-1.json", {"sentences": sentences, "overall_metrics": metrics})
    # Captions of images that have no question, in CHAIR's form.
    ids = IMAGES[:40] + [5000, 5001]
    captions = {str(n): {"image_id": id, "caption": f"Assistant: {caption(id)}", "Bleu_1": 0} for n, id in enumerate(ids)}
    write("captions.json", {"overall": {"Bleu_1": 0}, "imgToEval": captions})
    result = run(str(output / "captions.json"), ids, str(folder), False)
    metrics = {key: value for key, value in result["overall_metrics"].items() if "tokens" not in key}
    expected["chair"] = {"metrics": metrics, "printed": official.print_metrics(result, quiet=True), "rows": rows(result)}
    sys.stdout = stdout
expected["prompt_sha256"] = hashlib.sha256(prompts[20].encode()).hexdigest()
write("expected.json", expected)
for variant, values in expected.items():
    if isinstance(values, dict):
        print(variant, values["metrics"], values["printed"], values.get("summary"))
