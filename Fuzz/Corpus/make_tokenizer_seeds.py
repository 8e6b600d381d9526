"""Writes the seeds in Corpus/Tokenizer: the families' pipelines with a handful of tokens, then a NUL and a text."""

import json
from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "Tests" / "DamaTextTests" / "Fixtures"
TEXT = "Ab's  12 é한 <s> a<|endoftext|>b. It's \U0001f426!\n"


def main() -> None:
    for path in sorted(FIXTURES.glob("*/tokenizer.json")):
        file = json.loads(path.read_text())
        model = file["model"]
        merges = [m.split(" ") if isinstance(m, str) else m for m in model["merges"] if all(ord(c) < 128 for c in m[0])]
        merges = [m for m in merges if len(m[0]) == len(m[1]) == 1][:3]
        named = [model["unk_token"]] + [token["content"] for token in file["added_tokens"]]
        named += [s for merge in merges for s in (*merge, "".join(merge))] + ["<0xC3>", "<0xA9>", "a", "b", "é"]
        kept = {t: i for t, i in model["vocab"].items() if t in named or t.removesuffix("</w>") in named}
        model["vocab"], model["merges"] = kept, merges
        seed = json.dumps(file, ensure_ascii=False, separators=(",", ":")).encode() + b"\0" + TEXT.encode()
        (HERE / "Tokenizer" / path.parent.name).write_bytes(seed)


if __name__ == "__main__":
    main()
