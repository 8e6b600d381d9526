"""transformers' `apply_chat_template` over the templates of the Swift tests: their renderings, made with jinja2 alone,
are what transformers gives.

Run by `make test-torch`.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest
import transformers.utils.chat_template_utils as templates
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

FIXTURES = Path(__file__).parents[1] / "DamaJinjaTests" / "Fixtures" / "Templates"
sys.path.insert(0, str(FIXTURES))
import make_renderings as fixture  # noqa: E402

RENDERINGS = json.loads((FIXTURES / "renderings.json").read_text(encoding="utf-8"))
CONVERSATIONS = json.loads((FIXTURES / "conversations.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def fixed_date(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Fixed(datetime.datetime):
        @classmethod
        def now(cls, tz: Optional[datetime.tzinfo] = None) -> datetime.datetime:
            return datetime.datetime(*RENDERINGS["date"])

    monkeypatch.setattr(templates, "datetime", Fixed)
    yield


def tokenizer(name: str) -> PreTrainedTokenizerFast:
    bos, eos = fixture.TOKENS[name]
    tokens = {"bos_token": bos, "eos_token": eos} if bos else {"eos_token": eos}
    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), **tokens)
    made.chat_template = fixture.template(name)
    return made


@pytest.mark.parametrize("name", sorted(fixture.TOKENS))
def test_renderings_are_those_of_transformers(name: str) -> None:
    made = tokenizer(name)
    compared = 0
    # transformers itself takes no conversation without messages.
    for conversation in (each for each in CONVERSATIONS if each["messages"]):
        expected: dict[str, Any] = RENDERINGS["families"][name]["renderings"][conversation["name"]]
        text = expected["text"]
        prompted = text + expected["adds"] if "adds" in expected else expected["prompted"]
        for prompts, wanted in ((False, text), (True, prompted)):
            try:
                found = made.apply_chat_template(
                    conversation["messages"], tokenize=False, add_generation_prompt=prompts,
                    **conversation.get("variables", {}),
                )  # fmt: skip
            except Exception:
                found = None
            assert found == wanted, conversation["name"]
            compared += wanted is not None
    assert compared > 4
