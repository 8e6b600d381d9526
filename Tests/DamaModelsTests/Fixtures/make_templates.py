"""The built-in templates as jinja2 renders them.

Needs only jinja2, configured as transformers does for chat templates. Writes templates.json beside this file: the texts
that Sources/DamaModels/Prompts/Named/NAME.jinja renders from conversations, each with the start of a response ("prompt")
and with a response ("text"). A case with a system prompt that the format has no place for has no texts.
"""

import json
import sys
from pathlib import Path

from jinja2.exceptions import TemplateError

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "DamaJinjaTests" / "Fixtures"))
from environment import environment  # noqa: E402

TEMPLATES = HERE.parents[2] / "Sources" / "DamaModels" / "Prompts" / "Named"
WITH_IMAGE = {"vicuna_v1", "llava-1.5", "plain"}
SYSTEMS = [None, "", "Be brief.", "  Two\nlines. "]
QUESTIONS = ["What is this?", "  Why\n\nso? "]
RESPONSES = ["A red cup.", " It is\nblue. \n"]


def conversations(name):
    for images in [0, 1, 2] if name in WITH_IMAGE else [0]:
        for system in SYSTEMS:
            for question in QUESTIONS:
                for response in RESPONSES:
                    yield images, [("system", system)] * (system is not None) + [("user", question)], response
    # Several turns, the image in the second one.
    turns = [("system", "S"), ("user", "First?"), ("assistant", "One. "), ("user", "Second?")]
    for system in [0, 1]:
        yield 0, turns[system:], "Two."


def render(source, messages, images, prompt):
    made = []
    for role, text in messages:
        parts = [{"type": "image"}] * (images if role == "user" else 0) + [{"type": "text", "text": text}]
        made.append({"role": role, "content": parts if images else text})
    return environment().from_string(source).render(
        messages=made, bos_token="<s>", eos_token="</s>", add_generation_prompt=prompt
    )


def main():
    cases = {}
    for path in sorted(TEMPLATES.glob("*.jinja")):
        source = path.read_text()
        cases[path.stem] = []
        for images, messages, response in conversations(path.stem):
            case = {"images": images, "messages": messages, "response": response}
            try:
                case["prompt"] = render(source, messages, images, True)
                case["text"] = render(source, messages + [("assistant", response)], images, False)
            except TemplateError:
                assert path.stem in ("llava-1.5", "plain") and messages[0][0] == "system"
            cases[path.stem].append(case)
    (HERE / "templates.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
