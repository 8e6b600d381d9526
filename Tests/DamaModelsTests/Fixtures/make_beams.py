"""Beam search of transformers, for its rules alone and with the small models of the other fixtures.

Run in the environment of `make test-torch`, after make_llama.py, make_llava.py, make_idefics3.py and make_families.py;
writes beside this file:

- beams/rules.json: searches over a table of log-probabilities. All numbers are multiples of 1/8, so that sums are exact
  and many are equal. `torch.topk` does not define the order of equal values; here it is replaced by a stable sort,
  which puts the earlier beam and then the lower token first.
- beams/models.json: searches of models in fp32, from tokens, and from images and questions. A search that ends
  otherwise in fp64 depends on rounding and is left out.
"""

import copy
import itertools
import json
from pathlib import Path

import policy_oracle
import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    GenerationConfig,
    GenerationMixin,
    Idefics3Processor,
    LlavaProcessor,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutput
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

HERE = Path(__file__).parent
ROOT = HERE / "beams"
ROOT.mkdir(exist_ok=True)


def search(model, inputs, case, tokenizer=None):
    """The tokens after the prompt of each sequence, without its end token."""
    model.generation_config = GenerationConfig()
    length, ends = inputs["input_ids"].shape[1], case["end_tokens"]
    with torch.no_grad():
        found = model.generate(
            **inputs, do_sample=False, num_beams=case["num_beams"], max_new_tokens=case["max_tokens"],
            length_penalty=case["length_penalty"], early_stopping=case["early_stopping"], eos_token_id=ends or None,
            pad_token_id=ends[0] if ends else None, use_cache=not isinstance(model, Table),
            stop_strings=case.get("stop"), tokenizer=tokenizer,
        )  # fmt: skip
    texts = []
    for tokens in found[:, length:].tolist():
        # Without end tokens the rest of a shorter sequence is filled with −1.
        end = next((place for place, token in enumerate(tokens) if token in [*ends, -1]), len(tokens))
        texts.append(tokens[:end])
    return texts


# MARK: Rules

VOCABULARY = 11


class Table(PreTrainedModel, GenerationMixin):
    """Log-probabilities that depend on the last token alone; they need not sum to 1."""

    config_class = PretrainedConfig
    def __init__(self, rows):
        super().__init__(PretrainedConfig(vocab_size=VOCABULARY, is_encoder_decoder=False))
        self.rows = torch.nn.Parameter(rows)

    def forward(self, input_ids, attention_mask=None, **kwargs):
        return CausalLMOutput(logits=self.rows[input_ids])

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

    def _supports_default_dynamic_cache(self):
        return False


def stable_topk(values, k, dim=-1, **_):
    order = torch.sort(values, dim=dim, descending=True, stable=True)
    return torch.return_types.topk((order.values[..., :k], order.indices[..., :k]))


def rules():
    """Tables with few distinct values give many ties, those with many give few."""
    cases = []
    for number in range(240):
        draw = torch.Generator().manual_seed(number)
        levels = (3, 9, 60)[number % 3]
        eighths = torch.randint(-levels, 0, (VOCABULARY, VOCABULARY), generator=draw)
        case = {
            "eighths": eighths.tolist(), "prompt": int(torch.randint(0, VOCABULARY, (1,), generator=draw)),
            "num_beams": 2 + number % 4, "max_tokens": (1, 2, 7, 16)[number // 3 % 4],
            "length_penalty": (1.0, 0.0, 2.0, -1.0, 0.5)[number % 5],
            "early_stopping": (False, True, "never")[number // 2 % 3],
            "end_tokens": ([], [2], [2, 5], [7, 0, 3])[number // 7 % 4],
        }  # fmt: skip
        inputs = {"input_ids": torch.tensor([[case["prompt"]]]), "attention_mask": torch.ones(1, 1, dtype=torch.long)}
        cases.append({**case, "tokens": search(Table(eighths / 8), inputs, case)[0]})
    return cases


# MARK: Models


def options():
    """Every number of beams, penalty and way to stop at least once, not all combinations."""
    penalties, stops = itertools.cycle([1.0, 0.0, 2.0, -0.5, 0.5]), itertools.cycle([False, True, "never"])
    for beams, max_tokens in [(2, 24), (3, 24), (4, 24), (5, 24), (3, 1), (5, 9)]:
        for _ in range(2):
            yield {
                "num_beams": beams, "max_tokens": max_tokens, "length_penalty": next(penalties),
                "early_stopping": next(stops),
            }  # fmt: skip


def text_cases(name, vocabulary, ids=lambda n, draw: torch.randint(5, 260, (n,), generator=draw).tolist()):
    """Prompts of different lengths in one batch, padded on the left."""
    is_text = not name.startswith("llava")
    kind = AutoModelForCausalLM if is_text else AutoModelForImageTextToText
    models = [kind.from_pretrained(HERE / name, dtype=kind_).eval() for kind_ in (torch.float32, torch.float64)]
    cases = []
    for number, case in enumerate(options()):
        draw = torch.Generator().manual_seed(number)
        prompts = [ids(n, draw) for n in (7, 3, 19)]
        # Few end tokens are never reached in a random model.
        case["end_tokens"] = ([2], [], list(range(10, vocabulary, 7)), list(range(4, vocabulary, 11)))[number % 4]
        longest = max(map(len, prompts))
        inputs = {
            "input_ids": torch.tensor([[0] * (longest - len(ids)) + ids for ids in prompts]),
            "attention_mask": torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts]),
        }
        found = [search(model, inputs, case) for model in models]
        if found[0] == found[1]:
            cases.append({**case, "prompts": prompts, "tokens": found[0]})
    return cases


def image_cases(oracle, questions, images, vocabulary, has_stops=True):
    """One prompt at a time. Stop strings occur in the middle of what the search finds without them.

    ``has_stops`` is for models that write no special tokens: transformers counts these as text.
    """
    image_token = oracle.model.config.image_token_id
    double = copy.deepcopy(oracle.model).double()
    cases = []
    for number, case in enumerate(options()):
        case["end_tokens"] = ([2], list(range(11, vocabulary, 9)), [], [2, 40, 41, 42])[number % 4]
        tokenizer = oracle.processor.tokenizer
        entries = []
        for names, question in questions:
            seen = [images[name] for name in names]
            inputs = oracle.inputs(oracle.prompt(question, seen).rstrip(" "), seen)
            wide = {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}
            entries.append((names, question, inputs, wide))
        if has_stops and number % 2:
            text = search(oracle.model, entries[0][2], case)[0]
            words = tokenizer.decode(text, skip_special_tokens=True)
            pieces = [words[place : place + 2] for place in range(len(words) // 3, len(words))]
            pieces = [piece for piece in pieces if piece.isascii() and piece.isprintable() and piece.strip() == piece]
            if pieces:
                case["stop"] = [pieces[0], "zzz"]
        found = [
            [search(model, entry[place], case, tokenizer)[0] for entry in entries]
            for model, place in ((oracle.model, 2), (double, 3))
        ]
        if found[0] == found[1] and not any(image_token in text for text in found[0]):
            prompts = [{"images": names, "question": question} for names, question, _, _ in entries]
            cases.append({**case, "prompts": prompts, "tokens": found[0]})
    return cases


def llava_oracle(name):
    model = AutoModelForImageTextToText.from_pretrained(HERE / "llava" / name, dtype=torch.float32).eval()
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer=AutoTokenizer.from_pretrained(HERE / "llava" / name), patch_size=8,
        vision_feature_select_strategy=model.config.vision_feature_select_strategy, num_additional_image_tokens=1,
        image_token="<image>",
    )  # fmt: skip
    system = (HERE.parents[2] / "Sources/DamaModels/Prompts/Named/vicuna_v1.jinja").read_text()
    system = system[system.index("A chat between") : system.index("questions.") + len("questions.")]
    return policy_oracle.Oracle(
        model, processor, lambda question, _: f"{system} USER: <image>\n{question} ASSISTANT:", "</s>"
    )


def smolvlm_oracle():
    folder = HERE / "idefics3/smolvlm"
    processor = Idefics3Processor(
        image_processor=SmolVLMImageProcessorPil.from_pretrained(folder),
        tokenizer=AutoTokenizer.from_pretrained(HERE / "idefics3"), image_seq_len=4,
    )  # fmt: skip
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    return policy_oracle.Oracle(
        model, processor,
        lambda question, images: f"User:{'<image>' * len(images)}{question}<end_of_utterance>\nAssistant: ", "",
    )  # fmt: skip


results = {}
for name in ["mha", "gqa_tied", "bias_llama3", "heads_of_12", "linear_bf16"]:
    results[f"llama/{name}"] = text_cases(f"llama/{name}", 300)
for name in ["mistral", "qwen2_window", "qwen3_window"]:
    results[f"families/{name}"] = text_cases(f"families/{name}", 270)
# The model of onnx/llama, too.
results["onnx/llama"] = text_cases("llava/default", 400)
picture = {"image": Image.open(HERE / "llava/image.png")}
questions = [(["image"], text) for text in ("What is in the image?", "Describe the picture.\nBe short.", "Colour?")]
for name in ["default", "full_gqa_tied"]:
    results[f"llava/{name}"] = image_cases(llava_oracle(name), questions, picture, 400)
images = {path.stem: Image.open(path) for path in sorted((HERE / "idefics3").glob("*.png"))}
questions = [(["wide"], "What is in the image?"), (["tall", "small"], "Which is wider?")]
results["idefics3/smolvlm"] = image_cases(smolvlm_oracle(), questions, images, 300, has_stops=False)
for name, cases in results.items():
    print(name, len(cases), "cases,", sum(len(case.get("stop", [])) > 0 for case in cases), "with stop strings")
(ROOT / "models.json").write_text(json.dumps(results) + "\n")

torch.topk = stable_topk
torch.nn.functional.log_softmax = lambda values, **_: values
(ROOT / "rules.json").write_text(json.dumps(rules()) + "\n")
