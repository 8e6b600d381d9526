"""Small random decoders of Llama's relatives, alone and in a LLaVA, and what transformers makes of them in fp32.

Run in the environment of `make test-torch`, after make_llava.py and make_training.py of the training tests; arguments are
the cases to write, by default all. Writes families/ beside this file: tokenizer files, one set for all, and for each case
its model in fp16,
- expected.json: token log-probabilities of two responses behind a prompt, and greedy text;
- training.json and training.safetensors: ten steps in PyTorch, with some of the first gradients and of the final parameters.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import trainers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

HERE = Path(__file__).parent
ROOT = HERE / "families"
TRAINING = HERE.parents[1] / "DamaTrainingTests/Fixtures"
sys.path.insert(0, str(TRAINING))
import ten_steps  # noqa: E402

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>"]
IMAGE_TOKEN, PATCHES = 3, 16
QUESTIONS = ["What is in the image?", "Count 123 cups.\n\nIt's  naïve, isn't it?", "et 雪 🐈"]
RESPONSES = [("A red cup.", "I can't see 7 of them."), ("No.", "  Two\ncups "), ("Olé!", "we're\n\ndone\n")]
# Windows are far shorter than the prompts.
WINDOW = dict(use_sliding_window=True, sliding_window=8)
CASES = {
    "mistral": (MistralForCausalLM, MistralConfig, dict(sliding_window=8, head_dim=16)),
    # One layer with a window and one without.
    "qwen2_window": (Qwen2ForCausalLM, Qwen2Config, dict(
        **WINDOW, max_window_layers=1, head_dim=12, tie_word_embeddings=True,
    )),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, dict(head_dim=16)),
    "qwen3_window": (Qwen3ForCausalLM, Qwen3Config, dict(
        **WINDOW, layer_types=["sliding_attention", "full_attention"], head_dim=12, attention_bias=True,
        tie_word_embeddings=True, num_key_value_heads=1,
    )),
    "llava_mistral": (None, MistralConfig, dict(sliding_window=None)),
    "llava_qwen2": (None, Qwen2Config, {}),
    "llava_qwen3": (None, Qwen3Config, dict(head_dim=8)),
    "llava_siglip": (None, LlamaConfig, {}),
}  # fmt: skip
TRAINED = ["mistral", "qwen2_window", "qwen3", "qwen3_window", "llava_qwen3"]
image = Image.open(HERE / "llava/image.png")
clip_processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
# Four patches of 8 pixels in a row, and a rest.
siglip_processor = SiglipImageProcessorPil(size={"height": 36, "width": 36}, image_mean=[0.5] * 3, image_std=[0.5] * 3)


def tokenizer():
    """Almost a token for each byte, so that texts are long and vocabularies small."""
    words = Qwen2Tokenizer()
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = [chr(b) for b in plain] + [chr(256 + n) for n in range(256 - len(plain))]
    trainer = trainers.BpeTrainer(
        vocab_size=272, initial_alphabet=sorted(alphabet), special_tokens=SPECIAL, show_progress=False
    )
    words._tokenizer.train_from_iterator(QUESTIONS + [text for pair in RESPONSES for text in pair], trainer)
    words.add_special_tokens({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>", "<image>"]})
    return words


def config(name, words):
    architecture, text, changes = CASES[name]
    fields = dict(
        vocab_size=len(words) + 4, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6, bos_token_id=None, eos_token_id=2,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    )  # fmt: skip
    if architecture:
        return text(**{**fields, **changes})
    decoder = text(**{**fields, **changes, "num_hidden_layers": 1})
    vision = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, patch_size=8)
    is_siglip = name == "llava_siglip"
    return LlavaConfig(
        text_config=decoder,
        vision_config=SiglipVisionConfig(**vision, image_size=36, vision_use_head=False)
        if is_siglip
        else CLIPVisionConfig(**vision, image_size=32),
        vision_feature_select_strategy="full" if is_siglip else "default",
        image_token_index=IMAGE_TOKEN, image_seq_length=PATCHES, vision_feature_layer=-1,
    )  # fmt: skip


def fill(model, words):
    for name, parameter in model.named_parameters():
        # Beyond the linear range, and no bias or scale that could be forgotten unseen.
        if name.endswith("bias"):
            parameter.normal_(0, 0.3)
        elif "norm" in name or "layrnorm" in name:
            parameter.normal_(1, 0.2)
        else:
            parameter.normal_(0, 0.3)
        parameter.copy_(parameter.half())
    # Tokens that are no text by themselves get a logit of 0, which is never the largest: the greedy text is text.
    for token in range(model.lm_head.weight.shape[0]):
        if token >= len(words) or "\ufffd" in words.decode([token]) or token == IMAGE_TOKEN:
            model.lm_head.weight[token] = 0


class Texts:
    """The inputs of a model for texts in the template of the tests."""

    def __init__(self, words, image_processor):
        self.words, self.takes_image = words, image_processor is not None
        if self.takes_image:
            self.pixels = image_processor(images=image, return_tensors="pt")["pixel_values"]

    def prompt(self, question):
        before = "<image>\n" if self.takes_image else ""
        return self.words(f"<|im_start|>user\n{before}{question}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]

    def response(self, text):
        return self.words(f"{text}<|im_end|>")["input_ids"]

    def logits(self, model, prompt, response):
        ids = [j for i in prompt + response for j in ([i] * PATCHES if i == IMAGE_TOKEN else [i])]
        arguments = {"pixel_values": self.pixels} if self.takes_image else {}
        tokens = torch.tensor([ids])
        found = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), **arguments).logits[0]
        return found[len(ids) - len(response) - 1 :]

    def logps(self, model, prompt, response):
        rows = self.logits(model, prompt, response)[:-1].log_softmax(-1)
        return rows.gather(1, torch.tensor(response)[:, None])[:, 0]


@torch.no_grad()
def expected(model, texts):
    cases = []
    for question, responses in zip(QUESTIONS, RESPONSES):
        prompt, greedy = texts.prompt(question), []
        while len(greedy) < 24:
            token = texts.logits(model, prompt, greedy)[-1].argmax().item()
            if token == 2:
                break
            greedy.append(token)
        cases.append({
            "prompt": question, "prompt_ids": prompt, "chosen": responses[0], "rejected": responses[1],
            "chosen_logps": texts.logps(model, prompt, texts.response(responses[0])).tolist(),
            "rejected_logps": texts.logps(model, prompt, texts.response(responses[1])).tolist(),
            "greedy": greedy, "text": texts.words.decode(greedy),
        })  # fmt: skip
    assert len({token for case in cases for token in case["greedy"]}) > 10, "the greedy texts have too few tokens"
    return cases


def file_name(name):
    """The name in the files of a parameter of a LLaVA."""
    name = name.replace("model.language_model.", "language_model.model.")
    name = name.replace("model.multi_modal_projector.", "multi_modal_projector.")
    return name.replace("lm_head.", "language_model.lm_head.") if name.startswith("lm_head") else name


def train(folder, architecture, texts):
    policy, reference = (architecture.from_pretrained(folder, dtype=torch.float32).eval() for _ in range(2))
    named = {}
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_("vision_tower" not in name)
        if parameter.requires_grad:
            named[file_name(name) if texts.takes_image else name] = parameter

    def sums(model, pair):
        prompt = texts.prompt(pair["prompt"])
        return [texts.logps(model, prompt, texts.response(pair[key])).sum() for key in ("chosen", "rejected")]

    batches = json.loads((TRAINING / "batches.json").read_text())
    steps, gradients = ten_steps.run(
        batches, lambda pair: sums(policy, pair), lambda pair: sums(reference, pair), named
    )
    # One matrix of attention, one of the feed-forward part, and all scales and biases.
    matrices = ("layers.0.self_attn.k_proj.weight", "layers.0.mlp.down_proj.weight")
    shown = [name for name, parameter in named.items() if parameter.ndim == 1 or name.endswith(matrices)]
    tensors = {f"gradient.{name}": gradients[name] for name in shown}
    tensors.update({f"final.{name}": named[name].detach() for name in shown})
    (folder / "training.json").write_text(json.dumps(steps) + "\n")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "training.safetensors")


def full_attention(config):
    """A copy of ``config`` without windows."""
    copy = type(config).from_dict(config.to_dict())
    if hasattr(copy, "layer_types"):
        copy.layer_types = ["full_attention"] * copy.num_hidden_layers
    copy.sliding_window = None
    return copy


def make(name, words, seed):
    architecture = CASES[name][0] or LlavaForConditionalGeneration
    folder = ROOT / name
    torch.manual_seed(seed)
    settings = config(name, words)
    model = architecture(settings).eval()
    with torch.no_grad():
        fill(model, words)
    image_processor = {True: siglip_processor, False: clip_processor}[name == "llava_siglip"]
    texts = Texts(words, image_processor if architecture is LlavaForConditionalGeneration else None)
    results = expected(model, texts)
    if "window" in name or name == "mistral":
        other = architecture(full_attention(settings)).eval()
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            logps = texts.logps(other, texts.prompt(QUESTIONS[0]), texts.response(RESPONSES[0][0]))
        difference = (logps - torch.tensor(results[0]["chosen_logps"])).abs()
        assert difference.min() > 1e-3, "the window has no effect"
    model.half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if texts.takes_image:
        image_processor.save_pretrained(folder)
    (folder / "expected.json").write_text(json.dumps(results) + "\n")
    if name in TRAINED:
        train(folder, architecture, texts)


words = tokenizer()
words.save_pretrained(ROOT)
for seed, name in enumerate(CASES):
    if name in (sys.argv[1:] or CASES):
        shutil.rmtree(ROOT / name, ignore_errors=True)
        make(name, words, seed)
