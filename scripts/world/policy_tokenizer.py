"""A tokenizer for the policy in the form of Llama 2's: BPE over text with "▁" for spaces, and byte fallback."""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEMPLATE = "USER: <image>\n{question} ASSISTANT:"
QUESTIONS = [
    "Describe the image in detail.", "What is in this image?", "Please describe this picture.",
    "Tell me what the image shows.",
]


def learn_merges(sentences):
    """Merges within words, after which every word of `sentences` is one token."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    trainer = trainers.BpeTrainer(vocab_size=4000, min_frequency=1, show_progress=False)
    learner.train_from_iterator(sentences, trainer)
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]


def make(sentences):
    texts = list(sentences) + QUESTIONS + ["USER: ASSISTANT:"]
    merges = learn_merges(texts)
    letters = {"▁", *map(chr, range(33, 127)), *(c for pair in merges for part in pair for c in part)}
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + sorted(letters)
    tokens = list(dict.fromkeys(tokens + ["".join(pair) for pair in merges]))
    tokenizer = Tokenizer(models.BPE(
        vocab={token: index for index, token in enumerate(tokens)}, merges=merges, unk_token="<unk>", fuse_unk=True,
        byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    special = ("<unk>", "<s>", "</s>", "<image>", "<pad>")
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>",
    "pad_token": "<pad>", "image_token": "<image>", "add_bos_token": True, "padding_side": "left",
    "model_max_length": 256, "clean_up_tokenization_spaces": False,
}
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %} "
    "{% else %}ASSISTANT: {{ message['content'][0]['text'] }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}")
