"""Texts of our own for the comparison with NLTK: descriptions from templates, and hostile strings of marks."""

import random

PEOPLE = (
    "a man|two women|three children|a boy|the girls|several people|men|a crowd|Dr. Smith|Mrs. O'Neil|J. Bach|"
    "an elderly couple"
).split("|")
THINGS = (
    "a bench|the buses|two dogs|a red frisbee|knives and forks|a traffic light|leaves|glasses|an air-conditioning unit|"
    "a T-shirt|the dining table|a well-lit room|skis|mice|a TV|wolves|a laptop computer|some sandwiches|three boxes|"
    "the skies|oxen|a 4-door car|potatoes|churches|axes|bushes"
).split("|")
VERBS = (
    "is holding|are playing with|stands next to|can see|sit on|lies behind|wears|doesn't have|isn't near|"
    "appears to be eating|will cannot|photographed"
).split("|")
PLACES = (
    "in the U.S.|on the street|at 5 p.m.|near St. James Park|in the background|by the sea|in a park, e.g. in May|"
    "at No. 10|in Washington D.C.|on 3.14 acres|in 1998|at home... or not|around 10:30 a.m.|in front of 1,000 people|"
    "vs. nobody"
).split("|")
STARTS = (
    "In the image,|Overall,|There is|The scene shows that|However,|Additionally,|\"Look!\" he said.|It's clear that|"
    "I'd say|We're told|'Tis true:|'twas|-"
).split("|")
ENDS = ". ! ? ... !! ?! .\" .) '. . ; : .'' .” .’ !» … .-- .]".split() + [" .", ". . .", "", " -", "--", ". ", ".\n"]
JOINS = [" "] * 4 + ["", "\n", "\n\n", "  ", "\t", "\r\n", "\u00a0", " - ", "--", "–", " — "]
JOINS += [" (", ") ", " \"", "\" ", " '", "' ", " “", "” ", " ‘", "’ "]
SPACES = ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u2003", "\u2028", "\u3000", "\u200b", "\ufeff"]
# Letters whose case is special, marks, numbers of several kinds, emoji.
LETTERS = "\u0301 🐕 👩\u200d🚀 世界 Ελλάδα ΟΔΟΣ Σ. ΑΣ İ ı ſ K ß é e\u0301 ½ ² ٣ ١٢٣٤ Ⅳ ǅ €5 £1.50".split()
CLITICS = (
    "can cannot d'ye D'YE gimme Gonna gotta lemme more'n wanna 'tis 'twas 'Tis I'm he's we'll they've you're don't "
    "CAN'T ain't n't 's 'd 're 'll 've 'n' dogs' x' 'a 'b' 'til rock'n'roll"
).split()
WORDS = (
    "A b C. D. e.g. i.e. U.S. U.S.A. Mr. Mrs. Dr. Inc. Corp. No. vs. p.m. a.m. etc. St. J. 1. 1st 3.14 1,000 -5 .5 "
    "1998 12:30 1-2 a-b x_y The the He she It In On men women mice glasses"
).split()
PIECES = list(" .?!'\"`,:;()[]{}<>*@#$%&-\n\t_/~«»“”‘’„…–—‒―") + [" "] * 12 + ["."] * 6 + ["'"] * 4 + ["\""] * 3
PIECES += ["''", "``", "--", "...", ". . ."] + SPACES + LETTERS + CLITICS + WORDS
PLURALS = ["", "s", "es", "'s", "s'", "ies", "ves", "men", "ses"]


def sentence(pick):
    words = [pick(STARTS), pick(PEOPLE), pick(VERBS), pick(THINGS), pick(PLACES)]
    if pick(range(3)) == 0:
        words += [pick(["and", "or,", "but", "; and", ": e.g."]), pick(THINGS), pick(VERBS), pick(PEOPLE)]
    if pick(range(4)) == 0:
        words = words[1:]
        words[0] = words[0][0].upper() + words[0][1:]
    return " ".join(words) + pick(ENDS)


def inflected(pick, nouns):
    word = pick(nouns).replace("_", " ") + pick(PLURALS)
    return pick([word, word.capitalize(), "the " + word]) + pick(["", "", ",", " is", ". ", ";"])


def texts(seed, count, nouns):
    """Half of the texts are descriptions, a quarter names nouns and their plurals, a quarter is hostile."""
    generator = random.Random(seed)
    pick = generator.choice
    for index in range(count):
        if index % 4 < 2:
            yield "".join(sentence(pick) + pick(JOINS) for _ in range(pick(range(1, 7))))
        elif index % 4 == 2:
            yield " ".join(inflected(pick, nouns) for _ in range(pick(range(3, 12)))) + "."
        else:
            yield "".join(pick(PIECES) + pick(["", "", " "]) for _ in range(pick(range(1, 30))))
