"""Writes the seeds in Corpus/Tokenizer: the families' pipelines with few tokens, then a NUL and a text in which
words repeat. In Corpus/Merging: random bytes, which FuzzMerging takes for choices."""

import json
import random
from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "Tests" / "DamaTextTests" / "Fixtures"
TEXT = "Ab's  12 é한 <s> a<|endoftext|>b. It's \U0001f426!\n of the  of the left of\n"
# A space, in SentencePiece's vocabularies and in byte-level ones.
MARKS = "\u2581\u0120"


def reduce_bpe(model: dict, named: list[str]) -> None:
    merges = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    letters = [i for i, m in enumerate(merges) if len(m[0]) == len(m[1]) == 1 and ord(m[0]) < 128][:3]
    # The first words that begin with a space.
    words = [i for i, m in enumerate(merges) if "".join(m).strip(MARKS) in ("of", "t")]
    kept = sorted({*letters, *words})
    model["merges"] = [model["merges"][i] for i in kept]
    named += [part for i in kept for part in (*merges[i], "".join(merges[i]))]
    named += ["<0xC3>", "<0xA9>", "a", "b", "é", *MARKS]
    model["vocab"] = {t: i for t, i in model["vocab"].items() if t in named or t.removesuffix("</w>") in named}


def reduce_unigram(model: dict) -> None:
    # The unknown piece is the first.
    model["vocab"] = [piece for i, piece in enumerate(model["vocab"]) if i == 0 or len(piece[0]) < 4][:40]


def write_tokenizers() -> None:
    for path in sorted(FIXTURES.glob("*/tokenizer.json")):
        file = json.loads(path.read_text())
        model = file["model"]
        if model["type"] == "BPE":
            reduce_bpe(model, [model["unk_token"]] + [token["content"] for token in file["added_tokens"]])
        elif not file["added_tokens"]:
            reduce_unigram(model)
        else:
            # T5's, whose character map is large; Corpus/SentencePiece has a small one.
            continue
        seed = json.dumps(file, ensure_ascii=False, separators=(",", ":")).encode() + b"\0" + TEXT.encode()
        (HERE / "Tokenizer" / path.parent.name).write_bytes(seed)


def write_choices() -> None:
    for seed in range(4):
        (HERE / "Merging" / str(seed)).write_bytes(random.Random(seed).randbytes(400))


if __name__ == "__main__":
    write_tokenizers()
    write_choices()
