"""NLTK's own code over given data files, for the fixtures of Tests/DamaWordsTests and for compare_nltk.py.

The objects are made here and not by nltk.word_tokenize and nltk.pos_tag, which find and load data in other ways in each
version. What they then do with the objects is the same: word_tokenize takes the sentences of Punkt one by one, pos_tag
calls the tagger's tag().
"""

import importlib.metadata
import json
import pickle
import tempfile
import warnings
import zipfile
from pathlib import Path

import nltk
import nltk.data
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.stem import WordNetLemmatizer
from nltk.tag.perceptron import PerceptronTagger
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

VERSION = importlib.metadata.version("nltk")


def rules():
    """The name of the rules of Swift's WordRules for the installed NLTK."""
    return {"3.8.1": "3.8.1", "3.9.1": "3.9.1", "3.9.2": "3.9.1"}.get(VERSION, "3.10.4")


def files(paths, wanted):
    """The contents of the wanted files, by name, in folders, archives and single files."""
    found = {}
    for path in map(Path, paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.name in wanted and ("punkt" not in str(file) or file.parent.name == "english"):
                found.setdefault(file.name, file.read_bytes())
            elif file.suffix == ".zip":
                with zipfile.ZipFile(file) as archive:
                    for member in map(Path, archive.namelist()):
                        if member.name in wanted and ("punkt" not in str(member) or member.parent.name == "english"):
                            found.setdefault(member.name, archive.read(str(member)))
    return found


TAGGER = "averaged_perceptron_tagger"
JSON_FILES = [f"{TAGGER}_eng.{part}.json" for part in ("weights", "tagdict", "classes")]
PUNKT_FILES = ["abbrev_types.txt", "collocations.tab", "sent_starters.txt", "ortho_context.tab"]


def punkt_parameters(data):
    parameters = PunktParameters()
    lines = {name: data[name].decode().splitlines() for name in PUNKT_FILES}
    parameters.abbrev_types = set(lines["abbrev_types.txt"])
    parameters.sent_starters = set(lines["sent_starters.txt"])
    parameters.collocations = {tuple(line.split("\t")) for line in lines["collocations.tab"]}
    for line in lines["ortho_context.tab"]:
        word, flags = line.split("\t")
        parameters.ortho_context[word] = int(flags)
    return parameters


class NounReader(WordNetCorpusReader):
    """Without the mapping to other versions of WordNet, which needs files that the lemmatiser does not."""

    def map_to_one(self, version=None):
        return {}


def wordnet(data):
    """A reader of the nouns; the other parts of speech are empty."""
    folder = Path(tempfile.mkdtemp(prefix="wordnet-"))
    for suffix in ("noun", "verb", "adj", "adv"):
        for name in (f"index.{suffix}", f"{suffix}.exc", f"data.{suffix}"):
            (folder / name).write_bytes(data.get(name, b"") if suffix == "noun" else b"")
    # The lemmatiser uses none of these.
    (folder / "lexnames").write_text("00\tadj.all\t3\n")
    (folder / "cntlist.rev").write_bytes(b"")
    nltk.data.path.append(str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return NounReader(str(folder), None)


class Reference:
    def __init__(self, paths):
        data = files(paths, {f"{TAGGER}.pickle", "index.noun", "noun.exc", *JSON_FILES, *PUNKT_FILES})
        self.punkt = PunktSentenceTokenizer()
        self.punkt._params = punkt_parameters(data)
        self.tagger = PerceptronTagger(load=False)
        if all(name in data for name in JSON_FILES):
            weights, tagdict, classes = (json.loads(data[name]) for name in JSON_FILES)
        else:
            weights, tagdict, classes = pickle.loads(data[f"{TAGGER}.pickle"])
        self.tagger.model.weights, self.tagger.tagdict = weights, tagdict
        self.tagger.classes = self.tagger.model.classes = set(classes)
        # The lemmatiser imports it, in 3.8 with its module and later with each call.
        nltk.corpus.wordnet = nltk.stem.wordnet.wn = wordnet(data)
        self.lemmatizer = WordNetLemmatizer()
        self.nouns = {line.split()[0].decode() for line in data["index.noun"].splitlines() if not line.startswith(b" ")}
        self.words = NLTKWordTokenizer()

    def read(self, text):
        sentences = self.punkt.tokenize(text)
        tokens = [token for sentence in sentences for token in self.words.tokenize(sentence)]
        return {
            "sentences": sentences,
            "tokens": tokens,
            "tags": [tag for _, tag in self.tagger.tag(tokens)],
            "lemmas": [self.lemmatizer.lemmatize(token) for token in tokens],
            "nouns": [token in self.nouns for token in tokens],
        }
