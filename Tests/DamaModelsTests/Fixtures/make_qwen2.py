"""Small random Qwen2 models as Hugging Face directories, and what transformers makes of texts in fp32.

Run in the environment of `make test-torch`; writes qwen2/<case>/ beside this file: the model, a tokenizer of Qwen2's kind
and expected.json with token log-probabilities of two responses behind a prompt, and greedy text. gradients.json has the
gradients of some weights for the sum of the chosen responses' log-probabilities minus that of the rejected ones.
"""

import json
import shutil
from pathlib import Path

import torch
from tokenizers import trainers
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

ROOT = Path(__file__).with_name("qwen2")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QUESTIONS = ["What is in the image?", "Count 12345 cups.\n\nIt's  naïve, isn't it?", "Cafe\u0301 et 雪 🐈"]
RESPONSES = [("A red cup.", "I can't see 7 of them."), ("No.", "  Two\ncups "), ("Ole\u0301!", "we're\n\ndone\n")]
CASES = {
    # As in Qwen2's own files: a window that is switched off.
    "untied": {"use_sliding_window": False, "sliding_window": 8, "max_window_layers": 1},
    # A window from a layer on that does not exist.
    "tied": {"tie_word_embeddings": True, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2,
             "num_key_value_heads": 1, "head_dim": 12},
}  # fmt: skip


def tokenizer():
    words = Qwen2Tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=sorted(bytes_of_gpt2()), special_tokens=SPECIAL, show_progress=False
    )
    words._tokenizer.train_from_iterator([*QUESTIONS, *(text for pair in RESPONSES for text in pair)] * 2, trainer)
    words.add_special_tokens({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]})
    return words


def bytes_of_gpt2():
    """A character for each byte, as GPT-2's vocabulary writes them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + n) for n in range(256 - len(plain))]


def log_probabilities(model, prompt, response):
    logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(response)[:, None])[:, 0]


def gradients(model, pairs):
    """``pairs``: (ids of prompt, of chosen, of rejected)."""
    with torch.enable_grad():
        for prompt, chosen, rejected in pairs:
            (log_probabilities(model, prompt, chosen).sum() - log_probabilities(model, prompt, rejected).sum()).backward()
    names = [f"self_attn.{part}_proj.bias" for part in "qkv"] + ["input_layernorm.weight"]
    layer = model.model.layers[0]
    return {f"model.layers.0.{name}": layer.get_parameter(name).grad.tolist() for name in names}


@torch.no_grad()
def make(name, changes, words, seed):
    torch.manual_seed(seed)
    fields = dict(
        vocab_size=len(words) + 6, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-6, eos_token_id=2,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )  # fmt: skip
    model = Qwen2ForCausalLM(Qwen2Config(**{**fields, **changes})).eval()
    for parameter_name, parameter in model.named_parameters():
        # As in make_llama.py: beyond the linear range, and no bias or scale that could be forgotten unseen.
        if parameter_name.endswith("bias"):
            parameter.normal_(0, 0.3)
        elif "norm" in parameter_name:
            parameter.normal_(1, 0.2)
        else:
            parameter.normal_(0, 0.25)
    # Tokens that are no text by themselves get a logit of 0, which is never the largest: the greedy text is text.
    for token in range(fields["vocab_size"]):
        if token >= len(words) or "\ufffd" in words.decode([token]):
            model.lm_head.weight[token] = 0
    biased = {name.split(".")[-2] for name, _ in model.named_parameters() if name.endswith("bias")}
    assert biased == {"q_proj", "k_proj", "v_proj"}
    assert set(model.config.layer_types) == {"full_attention"}

    folder = ROOT / name
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0]}) + "\n")
    cases, pairs = [], []
    for question, responses in zip(QUESTIONS, RESPONSES):
        prompt = words(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
        tokens = list(prompt)
        while len(tokens) < len(prompt) + 24 and tokens[-1] not in (0, 2) or len(tokens) == len(prompt):
            tokens.append(model(torch.tensor([tokens])).logits[0, -1].argmax().item())
        pairs.append((prompt, *(words(response + "<|im_end|>")["input_ids"] for response in responses)))
        greedy = [token for token in tokens[len(prompt) :] if token not in (0, 2)]
        cases.append({
            "prompt": question, "prompt_ids": prompt, "chosen": responses[0], "rejected": responses[1],
            "chosen_logps": log_probabilities(model, prompt, pairs[-1][1]).tolist(),
            "rejected_logps": log_probabilities(model, prompt, pairs[-1][2]).tolist(),
            "greedy": greedy, "text": words.decode(greedy),
        })  # fmt: skip
    assert len({token for case in cases for token in case["greedy"]}) > 10, "the greedy texts have too few tokens"
    (folder / "expected.json").write_text(json.dumps(cases) + "\n")
    (folder / "gradients.json").write_text(json.dumps(gradients(model, pairs)) + "\n")


shutil.rmtree(ROOT, ignore_errors=True)
for seed, (name, changes) in enumerate(CASES.items()):
    make(name, changes, tokenizer(), seed)
