"""Makes the word data of these tests in the formats of NLTK and WordNet, and what NLTK makes of texts with it.

    make_words.py data WORDNET     with NLTK 3.9.1; WORDNET is a folder with WordNet 3.0's index.noun and noun.exc
    make_words.py expected         with NLTK 3.9.1 first, then with 3.8.1 and 3.10.4

The tagger and Punkt are trained here, by NLTK, on sentences of our own. WordNet's nouns are an excerpt: WordNet 3.0 may
be redistributed with its notice, which is at the head of index.noun.
"""

import hashlib
import json
import os
import pickle
import random
import sys
import zipfile
from pathlib import Path

# A pickle has the elements of a set in the order of their hashes, which Python varies.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

here = Path(__file__).parent
sys.path.insert(0, str(here.parents[1] / "Words"))
import nltk_reference
import texts
from nltk.tag.perceptron import PerceptronTagger
from nltk.tokenize.punkt import PunktTrainer

COUNT = 120

# Hand-written sentences with their tags; a bar separates words that may stand in the same place.
TAGGED = """
The/DT man|dog|boy|girl|woman/NN sits|runs|waits/VBZ on|near|behind/IN a|the/DT red|small|wet/JJ bench|bus|box/NN ./.
Two|Three/CD men|women|dogs|children|buses/NNS are/VBP playing|running/VBG in|with/IN the/DT park|street|snow/NN ./.
There/EX is/VBZ a/DT large|white|wooden/JJ table|clock|church/NN in/IN the/DT background|image/NN ./.
In/IN the/DT image|scene/NN ,/, a/DT person|crowd/NN is/VBZ holding|watching/VBG glasses|knives|boxes/NNS ./.
He|She|It/PRP can|will|must/MD not|n't/RB see|hold|wear/VB the/DT leaves|skis|mice/NNS !/.
Dr.|Mr.|Mrs./NNP Smith|Bach|O'Neil/NNP wears|holds/VBZ a/DT T-shirt|hat/NN at/IN 5|10/CD p.m./NN ./.
I/PRP 'd|'ll/MD say/VB that|this/DT is/VBZ n't/RB a/DT TV|laptop/NN computer/NN ,/, is/VBZ it/PRP ?/.
The/DT scene|picture/NN shows|has/VBZ several|many/JJ people|wolves|oxen/NNS and|or/CC a/DT car|train/NN ./.
A/DT dog|cat/NN 's/POS ball|bone/NN lies|rests/VBZ next/JJ to/TO the/DT door|window/NN ./.
``/`` Look|Stop/VB !/. ''/'' he|she/PRP said|shouted/VBD ./.
However/RB ,/, they/PRP do/VBP not/RB appear|seem/VB to/TO be/VB eating|drinking/VBG sandwiches|potatoes/NNS ./.
It/PRP was/VBD taken|photographed/VBN in/IN 1998|2010/CD near/IN St./NNP James/NNP Park/NNP (/( U.S./NNP )/) ./.
There/EX are/VBP 1,000|20/CD chairs|trees/NNS ;/: some/DT of/IN them/PRP were/VBD broken|old/JJ :/: very/RB old/JJ ./.
The/DT tallest|oldest/JJS building/NN ,/, which/WDT is/VBZ taller/JJR ,/, costs/VBZ $/$ 3.14/CD ./.
"""


def tagged_sentences():
    generator = random.Random(7)
    sentences = []
    for line in TAGGED.strip().split("\n") * 30:
        pairs = [item.rpartition("/") for item in line.split()]
        sentences.append([(generator.choice(words.split("|")), tag) for words, _, tag in pairs])
    return sentences


def archive(name, members):
    with zipfile.ZipFile(here / name, "w") as file:
        for member, data in members.items():
            # A fixed date, so that the file is the same every time.
            file.writestr(zipfile.ZipInfo(member, (2024, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def make_tagger():
    random.seed(7)
    tagger = PerceptronTagger(load=False)
    tagger.train(tagged_sentences())
    parts = (tagger.model.weights, tagger.tagdict, sorted(tagger.classes))
    name = nltk_reference.TAGGER
    value = (parts[0], parts[1], set(parts[2]))
    archive("tagger.zip", {f"{name}/": b"", f"{name}/{name}.pickle": pickle.dumps(value, protocol=2)})
    files = dict(zip(nltk_reference.JSON_FILES, map(json.dumps, parts)))
    archive("tagger_json.zip", {f"{name}_eng/{file}": text for file, text in files.items()})


def make_punkt():
    generator = random.Random(7)
    trainer = PunktTrainer()
    trainer.INCLUDE_ALL_COLLOCS = True
    trainer.train("\n\n".join(" ".join(texts.sentence(generator.choice) for _ in range(8)) for _ in range(300)))
    parameters = trainer.get_params()
    # As NLTK's TabEncoder writes them, in a fixed order.
    contexts = sorted(parameters.ortho_context.items())
    tables = [
        sorted(parameters.abbrev_types), ["\t".join(pair) for pair in sorted(parameters.collocations)],
        sorted(parameters.sent_starters), [f"{word}\t{flags}" for word, flags in contexts],
    ]
    assert all(tables), "a table is empty"
    print([len(table) for table in tables])
    files = {f"punkt_tab/english/{file}": "\n".join(table) for file, table in zip(nltk_reference.PUNKT_FILES, tables)}
    # Another language, which must not be taken.
    other = {f"punkt_tab/german/{file}": "z.b\t1" for file in nltk_reference.PUNKT_FILES}
    archive("punkt_tab.zip", other | files)


def make_wordnet(folder):
    """The nouns of the texts, those that their words could be a form of, and the exceptions among them."""
    words = set()
    for line in (texts.PEOPLE + texts.THINGS + texts.PLACES + texts.WORDS + texts.CLITICS):
        words.update(line.lower().replace("'", " ").split())
    words.update(MORE.split())
    exceptions = [line for line in (folder / "noun.exc").read_text().splitlines(True) if words & set(line.split())]
    words.update(word for line in exceptions for word in line.split())
    forms = {word[: -len(old)] + new for word in words for old, new in RULES if word.endswith(old)} | words
    lines = (folder / "index.noun").read_text().splitlines(True)
    index = [line for line in lines if line.startswith(" ") or line.split()[0] in forms]
    target = here / "wordnet"
    target.mkdir(exist_ok=True)
    (target / "index.noun").write_text("".join(index))
    (target / "noun.exc").write_text("".join(exceptions))


MORE = (
    "men man us u ox axis axe ax wolf glass ski sky bus church box sandwich leaf knife potato bush horse class gas "
    "lens quiz boss waltz brush bench matches ladies vertices data criteria pence air_conditioner"
)
RULES = [("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")]
RULES += [("men", "man"), ("ies", "y")]
DATA = ["tagger.zip", "punkt_tab.zip", "wordnet"]


def make_expected():
    reference = nltk_reference.Reference([here / name for name in DATA])
    rules = nltk_reference.rules()
    cases = {text: reference.read(text) for text in texts.texts(11, COUNT, sorted(reference.nouns))}
    cases |= {text: reference.read(text) for text in OWN}
    if rules != "3.9.1":
        # Where the version changes something.
        main = json.loads((here / "expected-3.9.1.json").read_text())
        cases = {text: case for text, case in cases.items() if packed(text, case) not in main["cases"]}
    files = nltk_reference.files([here / name for name in DATA], WANTED)
    result = {
        "nltk": nltk_reference.VERSION,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
        "cases": [packed(text, case) for text, case in cases.items()],
    }
    (here / f"expected-{rules}.json").write_text(json.dumps(result, indent=0) + "\n")
    print(rules, len(cases), "texts,", sum(len(case["tokens"]) for case in cases.values()), "tokens")


WANTED = {f"{nltk_reference.TAGGER}.pickle", "index.noun", "noun.exc", *nltk_reference.PUNKT_FILES}
# Lemmas where rules, exceptions and lengths matter, and every word of the excerpt's exceptions.
OWN = [
    "men women us uses glasses axes leaves skis skies oxen mice wolves knives boxes buses churches brushes quizzes",
    "Dogs dogs DOGS dogses horseses menmen sss s ss ies ves es 's",
    "gases lenses classes waltzes benches potatoes bushes ladies matches criteria data vertices pence people person",
    "", " ", "\n", ".", "...", "'", "\"", "Yes", "No.",
]


def packed(text, case):
    """Tags in one string, lemmas and nouns only where there is something to say."""
    lemmas = {str(i): lemma for i, (lemma, token) in enumerate(zip(case["lemmas"], case["tokens"])) if lemma != token}
    nouns = [i for i, noun in enumerate(case["nouns"]) if noun]
    parts = {"sentences": case["sentences"], "tokens": case["tokens"], "tags": " ".join(case["tags"])}
    return {"text": text, **parts, "lemmas": lemmas, "nouns": nouns}


if sys.argv[1] == "data":
    make_tagger()
    make_punkt()
    make_wordnet(Path(sys.argv[2]))
else:
    make_expected()
