"""A tokenizer for the world's words, in the form of CLIP's: byte-level BPE, lower-cased, "</w>" at a word's end."""

from tokenizers import Tokenizer, models, normalizers, trainers
from transformers import CLIPTokenizer
from transformers.models.clip.tokenization_clip import CLIPTokenizer as Pipeline


def byte_characters():
    """The characters that represent the 256 bytes in byte-level BPE, in the order of CLIP's vocabulary."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + index) for index in range(len(hidden))]


def learn_merges(sentences):
    """Merges after which every word of `sentences` is one token."""
    pipeline = Pipeline().backend_tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = pipeline.normalizer
    learner.pre_tokenizer = pipeline.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=2000, min_frequency=1, end_of_word_suffix="</w>", show_progress=False,
        initial_alphabet=byte_characters())
    learner.train_from_iterator(sentences, trainer)
    import json
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]


def make(sentences):
    characters = byte_characters()
    merges = learn_merges(sentences)
    tokens = characters + [c + "</w>" for c in characters] + ["".join(pair) for pair in merges]
    tokens = list(dict.fromkeys(tokens)) + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=merges, model_max_length=77)
