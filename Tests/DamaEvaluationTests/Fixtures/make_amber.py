"""Writes amber/: data of our own in AMBER's format, random answers, and what AMBER's inference.py at 534babf makes of
them; and a small wheel with word vectors, with what spaCy makes of them.

    python make_amber.py CHECKOUT-OF-AMBER     # needs spacy 3.8, numpy, msgpack, tqdm

The official script runs as it is. Its spaCy is real, with vectors of our own; its NLTK is replaced by words split at
blanks, of which those that end in "*" are no nouns, and by a list of plurals.
"""

import contextlib
import importlib.util
import io
import json
import pathlib
import random
import sys
import types
import zipfile

import msgpack
import numpy
import spacy

checkout = pathlib.Path(sys.argv[1])
target = pathlib.Path(__file__).parent / "amber"
target.mkdir(exist_ok=True)
random.seed(15)
numpy.random.seed(15)

# ----------------------------------------------------------------------------------------------------------------------
# Words: a key's associated words may be keys of others, or of none.

relation = {
    "kettle": ["teapot", "pot"],
    "teapot": [],
    "ladder": ["stairs", "step"],
    "stairs": ["step"],
    "anchor": ["chain", "hook"],
    "chain": ["rope"],
    "rope": ["string", "chain"],
    "lantern": ["lamp", "torch"],
    "torch": ["flame"],
    "canoe": ["kayak", "raft", "oar"],
    "kayak": [],
    "raft": ["oar", "log"],
    "log": [],
    "PC": ["laptop", "screen"],
    "screen": [],
    "t-shirt": ["shirt"],
    "shirt": ["sleeve"],
    "well-head": ["well"],
    "violin": ["fiddle", "bow"],
    "bow": ["string"],
    "owl": [],
    "wombat": ["badger"],
    "badger": [],
    "zorbel": ["quimp"],
}
words = list(dict.fromkeys(word for key, others in relation.items() for word in [key, *others]))
safe_words = ["step", "lamp", "unheard"]
plurals = {word + "s": word for word in words if not word.endswith("s")}

# ----------------------------------------------------------------------------------------------------------------------
# Vectors: clusters, so that some words are similar across the relations; words with one row; words without.

clusters = [["kettle", "pot", "lantern"], ["canoe", "log"], ["owl", "badger"], ["violin", "screen", "rope"],
            ["hook", "flame", "well-head"]]
centres = {word: centre for cluster, centre in zip(clusters, numpy.random.normal(size=(5, 6))) for word in cluster}
nlp = spacy.blank("en")
tokens = sorted({token.text for word in words for token in nlp(word)})
keys, rows = [], []
for token in tokens:
    if token in ("zorbel", "quimp", "sleeve"):
        continue
    noise = numpy.random.normal(size=6)
    keys.append(token)
    rows.append((centres[token] + 0.45 * noise if token in centres else noise).astype(numpy.float32))
nlp.vocab.vectors = spacy.vectors.Vectors(strings=nlp.vocab.strings, data=numpy.array(rows), keys=keys, name="own")
nlp.vocab.vectors.add("raft", row=keys.index("canoe"))  # as pruning does
nlp.vocab.vectors.add("sleeve", row=keys.index("log"))
nlp.meta.update(name="own_vectors", version="1.2.3")

pairs, similarities = [], []
for first, word in enumerate(words):
    for other in words[first + 1 :]:
        similarity = nlp(word).similarity(nlp(other))
        similarities.append((abs(similarity - 0.8), word, other, similarity))
        if similarity > 0.8:
            pairs.append([word, other])
assert 12 < len(pairs) < 60, len(pairs)
_, *nearest = min(similarities)

with contextlib.ExitStack() as stack:
    import tempfile

    folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
    nlp.to_disk(folder)
    with zipfile.ZipFile(target / "en_own_vectors-1.2.3-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in ["meta.json", "vocab/key2row", "vocab/vectors", "vocab/vectors.cfg"]:
            entry = zipfile.ZipInfo(f"en_own_vectors/en_own_vectors-1.2.3/{name}")
            wheel.writestr(entry, (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)

from spacy.strings import hash_string  # noqa: E402

hashed = ["a", "dog", "kettles", "grüße", "12345678", "air-conditioning", "0123456789abcdef", "日本"]
numbers = {0: 1, 127: -1, 128: 127, 255: 128, 256: -32, 65535: -33, 65536: -128, 2**32 - 1: -129, 2**32: 2**31,
           2**64 - 1: 2**63 - 1, 5: -(2**63), 6: -(2**15) - 1}
with open(target / "vectors.json", "w") as file:
    json.dump({
        "pairs": pairs, "nearest": nearest,
        "without_vector": [word for word in words if not nlp(word).vector_norm],
        "hashes": {word: str(hash_string(word)) for word in hashed},
        "msgpack": msgpack.packb(numbers).hex(),
        "numbers": [[str(key), str(value)] for key, value in numbers.items()],
    }, file, indent=1)
for name, array in {
    "c": numpy.arange(6, dtype="<f4").reshape(2, 3), "fortran": numpy.asfortranarray(numpy.ones((2, 3), "<f4")),
    "double": numpy.ones((2, 3), "<f8"), "big": numpy.ones((2, 3), ">f4"), "line": numpy.ones(3, "<f4"),
}.items():
    numpy.save(target / f"{name}.npy", array)

# Wheels that must be refused.
infinite = numpy.array([[1, numpy.inf]], "<f4")
for name, settings, array, row in [
    ("floret", {"mode": "floret"}, numpy.ones((2, 2), "<f4"), 0),
    ("lower", {"mode": "default", "attr": 67}, numpy.ones((2, 2), "<f4"), 0),
    ("row", {"mode": "default"}, numpy.ones((2, 2), "<f4"), 9), ("infinite", {"mode": "default"}, infinite, 0),
]:
    matrix = io.BytesIO()
    numpy.save(matrix, array)
    with zipfile.ZipFile(target / f"{name}.whl", "w") as wheel:
        for member, data in {
            "meta.json": b'{"lang": "en", "name": "x", "version": "1"}', "vocab/vectors": matrix.getvalue(),
            "vocab/vectors.cfg": json.dumps(settings), "vocab/key2row": msgpack.packb({hash_string("dog"): row}),
        }.items():
            wheel.writestr(zipfile.ZipInfo(f"x/{member}"), data)

# ----------------------------------------------------------------------------------------------------------------------
# Annotations, and answers that hit every rule.

types_ = ["discriminative-hallucination", "discriminative-attribute-state", "discriminative-attribute-number",
          "discriminative-attribute-action", "discriminative-relation", "relation"]
annotations, answers, questions = [], [], []
for number in range(230):
    truth = random.choices(list(relation), k=random.randint(1, 6))  # repetitions are wanted
    hallu = random.sample(list(relation), k=random.randint(1, 5))  # and words of both lists
    annotations.append({"type": "generative", "truth": truth, "hallu": hallu})
    near = [other for word in truth + hallu for other in [word, *relation[word]]]
    text = []
    for _ in range(random.choice([0, 1, 3, 8, 15])):
        word = random.choice(near if random.random() < 0.7 else words)
        text.append(random.choice([word, word, word, word, word + "s", word.capitalize(), word + "*", "sky"]))
    answers.append(" ".join(text))
    questions.append("Describe this image.")
for number in range(120):
    annotations.append({"type": random.choice(types_), "truth": random.choice(["yes", "no"])})
    if annotations[-1]["type"] == types_[0]:
        annotations[-1]["truth"] = "no"
    answers.append(random.choice(["Yes", "No", "No", "Yes", "yes", "No.", "no", "", " No", "Yes, it is.", "Not sure"]))
    questions.append(f"Is there a {random.choice(words)} in this image?")
annotations = [{"id": number + 1, **annotation} for number, annotation in enumerate(annotations)]
responses = [{"id": number + 1, "response": text} for number, text in enumerate(answers)]

for name, value in {
    "annotations.json": annotations, "relation.json": relation, "responses.json": responses,
    "query_all.json": [{"id": number + 1, "image": f"OWN_{number % 50}.jpg", "query": text}
                       for number, text in enumerate(questions)],
}.items():
    with open(target / name, "w") as file:
        json.dump(value, file, separators=(",", ":"))
(target / "safe_words.txt").write_text("\n".join(safe_words))

# ----------------------------------------------------------------------------------------------------------------------
# The official script.

def nouns(text):
    return [plurals.get(token, token) for token in text.split() if not token.endswith("*")]


class Lemmatizer:
    def lemmatize(self, word):
        return plurals.get(word, word)


nltk, stem = types.ModuleType("nltk"), types.ModuleType("nltk.stem")
nltk.word_tokenize = str.split
nltk.pos_tag = lambda tokens: [(token, "VB" if token.endswith("*") else "NNS") for token in tokens]
stem.WordNetLemmatizer = Lemmatizer
nltk.stem = stem
sys.modules.update({"nltk": nltk, "nltk.stem": stem})
spacy.load = lambda name: nlp
spec = importlib.util.spec_from_file_location("official", checkout / "inference.py")
official = importlib.util.module_from_spec(spec)
spec.loader.exec_module(official)
official.tqdm = lambda values: values
initial = official.init


def run(kind, data):
    """The official script's counters, and what it prints."""
    path = target / "part.json"
    path.write_text(json.dumps(data))
    official.args = types.SimpleNamespace(
        word_association=target / "relation.json", safe_words=target / "safe_words.txt", inference_data=path,
        annotation=target / "annotations.json", metrics=checkout / "data/metrics.txt", similarity_score=0.8,
        evaluation_type=kind)
    held = initial()
    official.init = lambda: held
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        official.main(official.args)
    path.unlink()
    return held, [line.split("\t")[-1].strip() for line in printed.getvalue().splitlines() if "\t" in line]


start = run("g", [])[0]
out = {"types": {}, "none": run("a", [])[1], "rows": []}
for kind in ["a", "g", "d", "de", "da", "dr"]:
    counters, printed = run(kind, responses)
    out["types"][kind] = printed
out["counters"] = counters
for answer in responses:
    counters = run("a", [answer])[0]
    row = {name: value if name.endswith("_score") else round(value - 0.001)
           for name, value in counters.items() if value != start[name]}
    out["rows"].append(row)
out["nouns"] = {text: nouns(text) for text in dict.fromkeys(answers[:230])}
with open(target / "expected.json", "w") as file:
    json.dump(out, file, separators=(",", ":"))
print(len(pairs), "similar pairs; nearest to 0.8:", nearest, "; printed:", out["types"]["a"])
