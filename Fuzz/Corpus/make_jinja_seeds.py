"""Writes the seeds in Corpus/Jinja: chat templates with the traits of published ones, then a NUL and messages."""

import json
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MESSAGES = [
    {"role": "system", "content": " S\n"},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Q é"}]},
    {"role": "assistant", "content": "<think>t</think>A", "tool_calls": [{"name": "f", "arguments": {"x": 1.5}}]},
]


def main() -> None:
    cases = json.loads((ROOT / "Tests/DamaModelsTests/Fixtures/chat/cases.json").read_text())
    templates = {case["name"]: case["template"] for case in cases["cases"]}
    templates |= {path.stem: path.read_text() for path in (ROOT / "Sources/DamaModels/Prompts/Named").glob("*.jinja")}
    snippets = json.loads((ROOT / "Tests/DamaJinjaTests/Fixtures/snippets.json").read_text())
    found = snippets["cases"] if isinstance(snippets, dict) else snippets
    templates |= {f"rules {i}": "\n".join(c["template"] for c in found[i : i + 8]) for i in range(0, len(found), 40)}
    (HERE / "Jinja").mkdir(exist_ok=True)
    for name, template in templates.items():
        seed = template.encode() + b"\0" + json.dumps(MESSAGES, ensure_ascii=False).encode()
        (HERE / "Jinja" / name.replace(" ", "-")).write_bytes(seed)


if __name__ == "__main__":
    main()
