"""A collator for pairs with images that tokenises prompt and response together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import torch
from trl.data_utils import apply_chat_template, is_conversational, prepare_multimodal_messages

from .._errors import InvalidArgument


@dataclass
class PairCollator:
    """Micro-batches of pairs with images, as TRL's ``DataCollatorForVisionPreference`` makes them, over other tokens.

    TRL tokenises a response on its own and leaves out the token of the beginning. A SentencePiece tokenizer such as
    LLaVA's then gives a response one more token than it has behind its prompt, and log-probabilities are not those of
    the model's own format. Here prompt and response are one text, as in generation, in ``Policy`` and in the cache of
    ``reference_dataset``. :class:`DamaDPOTrainer` takes this collator if the reference is such a cache.

    ``processor``
        The model's processor, of tokenizer and images.
    ``max_length``
        The most tokens of prompt and response; longer ones lose their end. None: no limit.
    """

    processor: Any
    max_length: Optional[int] = None

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """The micro-batch of ``examples``, rows of the dataset: tensors [2 · pairs, tokens], the chosen responses
        first.
        """
        rows = [self._texts(example) for example in examples]
        images, prompts = [row[0] for row in rows], [row[1] for row in rows]
        first = self._tokens(prompts, images)
        found = self._tokens([prompt + row[i] for i in (2, 3) for row, prompt in zip(rows, prompts)], images * 2)
        ids, lengths = found["input_ids"], found["attention_mask"].sum(1).tolist()
        alone = [ids[mask.bool()] for ids, mask in zip(first["input_ids"], first["attention_mask"])]
        completion = torch.zeros_like(ids)
        for pair, prompt in enumerate(alone):
            both = (pair, pair + len(alone))
            # Tokens may merge across the border; both responses of a pair have to begin at the same place.
            start = min(_common(prompt, ids[row]) for row in both)
            for row in both:
                completion[row, start : lengths[row]] = 1
        found["completion_mask"] = completion
        if self.max_length is not None:
            width = ids.shape[1]
            for name, values in list(found.items()):
                if isinstance(values, torch.Tensor) and values.dim() == 2 and values.shape == (len(ids), width):
                    found[name] = values[:, : self.max_length]
        if bool((found["completion_mask"].sum(1) == 0).any()):
            raise InvalidArgument(f"a response has no token within max_length {self.max_length}")
        return dict(found)

    def _texts(self, example: dict[str, Any]) -> tuple[Any, str, str, str]:
        """Images, prompt and both responses of a row, in the model's format."""
        images = [example["image"]] if "image" in example else list(example["images"])
        row = {name: example[name] for name in ("prompt", "chosen", "rejected")}
        if is_conversational(row):
            row["prompt"] = prepare_multimodal_messages(row["prompt"], images=images)
            row["chosen"] = prepare_multimodal_messages(row["chosen"])
            row["rejected"] = prepare_multimodal_messages(row["rejected"])
            row = apply_chat_template(row, self.processor)
        return images, row["prompt"], row["chosen"], row["rejected"]

    def _tokens(self, texts: list[str], images: list[Any]) -> Any:
        begin = getattr(self.processor.tokenizer, "bos_token", None)
        return self.processor(
            images=images if any(images) else None,
            text=texts,
            padding=True,
            padding_side="right",
            return_tensors="pt",
            # A template may have written the token of the beginning already.
            add_special_tokens=not (begin and texts[0].startswith(begin)),
        )


def _common(prompt: torch.Tensor, whole: torch.Tensor) -> int:
    """The length of the common beginning."""
    width = min(len(prompt), len(whole))
    differs = (prompt[:width] != whole[:width]).nonzero()
    return int(differs[0]) if len(differs) else width
