"""The built-in prompt formats as Jinja renders them, and the check behind `KnownTemplates`.

    python make_templates.py [DIRECTORY]

Needs only jinja2, configured as transformers does for chat templates. Writes templates.json beside this file: the texts
that docs/templates/NAME.jinja renders from conversations of one question and one response.

With DIRECTORY, it also renders each NAME.ORIGIN.jinja there, a published chat template, compares it with
docs/templates/NAME.jinja and prints the entry of KnownTemplates.swift if both are the same format: the same prompt; the
same response up to white space after its end; and the same end token, which some templates leave to the trainer.
"""

import hashlib
import json
import sys
from pathlib import Path

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[2] / "docs" / "templates"
WITH_IMAGE = {"vicuna_v1", "llava-1.5", "plain"}
SYSTEMS = [None, "", "Be brief.", "  Two\nlines. "]
QUESTIONS = ["What is this?", "  Why\n\nso? "]
RESPONSES = ["A red cup.", " It is\nblue. \n"]


class Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks text without changing it."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def refuse(message):
    raise TemplateError(message)


def render(source, messages, **values):
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.globals["raise_exception"] = refuse
    # The tokenizer adds the start token, so it is empty here.
    return environment.from_string(source).render(messages=messages, bos_token="", eos_token="</s>", **values)


def conversations(name, systems):
    for images in [0, 1, 2] if name in WITH_IMAGE else [0]:
        for system in systems:
            for question in QUESTIONS:
                for response in RESPONSES:
                    yield images, system, question, response


def renderings(source, case, in_parts):
    images, system, question, response = case

    def content(text, images=0):
        parts = [{"type": "image"}] * images + [{"type": "text", "text": text}]
        return parts if in_parts else text

    messages = [{"role": "user", "content": content(question, images)}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": content(system)})
    answered = messages + [{"role": "assistant", "content": content(response)}]
    return (
        render(source, messages, add_generation_prompt=True),
        render(source, answered, add_generation_prompt=False),
    )


def main():
    own = {path.stem: path.read_text() for path in sorted(TEMPLATES.glob("*.jinja"))}
    cases = {}
    for name, source in own.items():
        cases[name] = []
        for case in conversations(name, SYSTEMS):
            try:
                prompt, text = renderings(source, case, in_parts=case[0] > 0)
            except TemplateError:
                assert name in ("llava-1.5", "plain") and case[1] is not None
                continue
            keys = ("images", "system", "question", "response", "prompt", "text")
            cases[name].append(dict(zip(keys, (*case, prompt, text))))
    (HERE / "templates.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")

    for name, source in own.items():
        print(f'"{digest(source)}": "{name}",  // docs/templates/{name}.jinja')
    for path in sorted(Path(sys.argv[1]).glob("*.jinja")) if len(sys.argv) > 1 else []:
        name, origin = path.stem.rsplit(".", 1)
        source = path.read_text()
        # "" means "no system prompt" in the library. Published templates cannot express it, and some take no system
        # prompt.
        systems = [None] if name in ("llava-1.5", "plain") else [None, *filter(None, SYSTEMS)]
        for case in conversations(name, systems):
            if name == "llava-1.5" and not case[0]:
                continue
            prompt, text = renderings(own[name], case, in_parts=case[0] > 0)
            other_prompt, other_text = renderings(source, case, in_parts=case[0] > 0)
            assert prompt == other_prompt, (path.name, case, prompt, other_prompt)
            text, other_text = text.rstrip(), other_text.rstrip()
            if "eos_token" not in source and "</s>" not in source and text.endswith("</s>"):
                text = text.removesuffix("</s>").rstrip()
            if not other_text.startswith(text):
                raise AssertionError((path.name, case, text, other_text))
            # The rest may be the next prompt, which some templates always write.
            assert prompt.rstrip().endswith(other_text[len(text) :].strip()), path.name
        print(f'"{digest(source)}": "{name}",  // {origin}')


def digest(source):
    """Jinja reads every kind of line end alike and drops one at the end."""
    source = source.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return hashlib.sha256(source.encode()).hexdigest()


if __name__ == "__main__":
    main()
