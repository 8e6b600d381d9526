"""Small models in the hub's ONNX layout, from the weights of make_llava.py, which must run first.

Run in the environment of `make test-torch`; writes onnx/ beside this file:

- llava/: the model of llava/default as `vision_encoder.onnx`, `embed_tokens.onnx` and `decoder_model_merged.onnx`,
  which takes `position_ids` and `num_logits_to_keep`. transformers' results are llava/default/expected.json.
- llama/: only its language model as `model.onnx`, which takes token ids and counts positions itself, with the two
  branches of `use_cache_branch`; with expected.json, computed by transformers.

The decoders are traced from transformers' own, with the inputs and outputs of exports on the hub.
"""

import json
import shutil
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import nn
from transformers import AutoTokenizer, LlamaForCausalLM, LlavaForConditionalGeneration
from transformers.cache_utils import DynamicCache

here = Path(__file__).parent
source = here / "llava" / "default"
root = here / "onnx"
shutil.rmtree(root, ignore_errors=True)

llava = LlavaForConditionalGeneration.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
text = llava.config.text_config
LAYERS, HEADS, HEAD = text.num_hidden_layers, text.num_key_value_heads, text.hidden_size // text.num_attention_heads
PAST = [f"past_key_values.{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]
PRESENT = [name.replace("past_key_values", "present") for name in PAST]


class Decoder(nn.Module):
    """Causal attention over past and new tokens, where the mask of [batch, past + new] is not 0."""

    def __init__(self, takes_ids, has_past=True):
        super().__init__()
        self.model, self.head = llava.model.language_model, llava.lm_head
        self.takes_ids, self.has_past = takes_ids, has_past

    def forward(self, main, attention_mask, *rest):
        rest = list(rest)
        batch, new = main.shape[0], main.shape[1]
        total = attention_mask.shape[1]
        places = torch.arange(total)
        positions = places[total - new :].unsqueeze(0) if self.takes_ids else rest.pop(0)
        kept = None if self.takes_ids else rest.pop(0)
        causal = places.unsqueeze(0) <= places[total - new :].unsqueeze(1)
        allowed = causal.unsqueeze(0) & (attention_mask != 0).unsqueeze(1)
        mask = torch.where(allowed, 0.0, torch.finfo(torch.float32).min).unsqueeze(1)
        cache = DynamicCache()
        if self.has_past:
            for layer in range(LAYERS):
                cache.update(rest[2 * layer], rest[2 * layer + 1], layer)
        embeddings = self.model.embed_tokens(main) if self.takes_ids else main
        hidden = embeddings
        rotary = self.model.rotary_emb(hidden, positions)
        for layer in self.model.layers:
            found = layer(
                hidden, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
                position_embeddings=rotary,
            )  # fmt: skip
            hidden = found[0] if isinstance(found, tuple) else found
        logits = self.head(self.model.norm(hidden if kept is None else hidden[:, -kept:]))
        return (logits, *[part for layer in cache.layers for part in (layer.keys, layer.values)])


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = llava.model

    def forward(self, pixel_values):
        found = self.model.get_image_features(pixel_values=pixel_values).pooler_output
        return torch.stack(tuple(found))


def export(module, arguments, path, inputs, outputs, axes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        torch.onnx.export(
            module.eval(), arguments, path, input_names=inputs, output_names=outputs, dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )  # fmt: skip
    model = onnx.load(path)
    onnx.checker.check_model(model)
    return model


def decoder(path, takes_ids, has_past=True):
    batch, new, past = 2, 3, 4 if has_past else 0
    main = torch.randint(0, 400, (batch, new)) if takes_ids else torch.randn(batch, new, text.hidden_size)
    mask = torch.ones(batch, past + new, dtype=torch.int64)
    arguments, inputs = [main, mask], ["input_ids" if takes_ids else "inputs_embeds", "attention_mask"]
    axes = {
        inputs[0]: {0: "batch_size", 1: "sequence_length"},
        inputs[1]: {0: "batch_size", 1: "total_sequence_length"},
    }
    if not takes_ids:
        arguments.append(torch.arange(past, past + new).repeat(batch, 1))
        arguments.append(torch.tensor(2))
        inputs += ["position_ids", "num_logits_to_keep"]
        axes["position_ids"] = {0: "batch_size", 1: "sequence_length"}
    if has_past:
        arguments += [torch.randn(batch, HEADS, past, HEAD) for _ in PAST]
        inputs += PAST
        axes |= {name: {0: "batch_size", 2: "past_sequence_length"} for name in PAST}
    axes |= {name: {0: "batch_size", 2: "total_sequence_length"} for name in PRESENT}
    axes["logits"] = {0: "batch_size", 1: "logits_length"}
    return export(Decoder(takes_ids, has_past), tuple(arguments), path, inputs, ["logits", *PRESENT], axes)


def merge(without, with_past):
    """One model with both branches of `use_cache_branch`, which share one copy of the weights."""
    weights, branches = {}, {}
    for name, model in (("no_past", without), ("with_past", with_past)):
        graph = model.graph
        renamed = {}
        for weight in graph.initializer:
            key = next((k for k, w in weights.items() if w.raw_data == weight.raw_data and w.dims == weight.dims), None)
            if key is None:
                key = weight.name if weight.name not in weights else f"{name}.{weight.name}"
                weights[key] = onnx.TensorProto()
                weights[key].CopyFrom(weight)
                weights[key].name = key
            renamed[weight.name] = key
        inputs = {value.name for value in graph.input}
        for node in graph.node:
            for values in (node.input, node.output):
                # Missing optional inputs have no name.
                values[:] = [
                    renamed.get(value, value if value in inputs or not value else f"{name}.{value}") for value in values
                ]
            node.name = f"{name}.{node.name}"
        outputs = []
        for value in graph.output:
            copy = onnx.ValueInfoProto()
            copy.CopyFrom(value)
            copy.name = f"{name}.{value.name}"
            outputs.append(copy)
        branches[name] = helper.make_graph(list(graph.node), name, [], outputs)
    choice = helper.make_node(
        "If", ["use_cache_branch"], ["logits", *PRESENT], then_branch=branches["with_past"],
        else_branch=branches["no_past"],
    )  # fmt: skip
    inputs = [*with_past.graph.input, helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])]
    graph = helper.make_graph([choice], "merged", inputs, list(with_past.graph.output), list(weights.values()))
    model = helper.make_model(graph, opset_imports=with_past.opset_import, ir_version=with_past.ir_version)
    onnx.checker.check_model(model)
    return model


# ----------------------------------------------------------------------------------------------------------------------
# LLaVA

folder = root / "llava"
decoder(folder / "onnx" / "decoder_model_merged.onnx", takes_ids=False)
export(
    llava.model.language_model.embed_tokens, (torch.zeros(2, 3, dtype=torch.int64),),
    folder / "onnx" / "embed_tokens.onnx", ["input_ids"], ["inputs_embeds"],
    {name: {0: "batch_size", 1: "sequence_length"} for name in ("input_ids", "inputs_embeds")},
)  # fmt: skip
export(
    Vision(), (torch.randn(1, 3, 32, 32),), folder / "onnx" / "vision_encoder.onnx", ["pixel_values"],
    ["image_features"], {name: {0: "batch_size"} for name in ("pixel_values", "image_features")},
)  # fmt: skip
for name in (
    "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
):  # fmt: skip
    shutil.copy(source / name, folder / name)

# ----------------------------------------------------------------------------------------------------------------------
# Text only

folder = root / "llama"
folder.mkdir(parents=True)
parts = [decoder(folder / f"{has_past}.onnx", takes_ids=True, has_past=has_past) for has_past in (False, True)]
for path in folder.glob("*.onnx"):
    path.unlink()
onnx.save(merge(*parts), folder / "model.onnx")
config = {**text.to_dict(), "architectures": ["LlamaForCausalLM"], "model_type": "llama", "tie_word_embeddings": False}
(folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
for name in ("tokenizer.json", "tokenizer_config.json"):
    shutil.copy(source / name, folder / name)
shutil.copy(Path(__file__).parents[3] / "Sources/DamaModels/Prompts/Named/plain.jinja", folder / "chat_template.jinja")

model = LlamaForCausalLM(text).eval()
model.model.load_state_dict(llava.model.language_model.state_dict())
model.lm_head.load_state_dict(llava.lm_head.state_dict())
tokenizer = AutoTokenizer.from_pretrained(source)
expected = []
for prompt, response in [
    ("What is in the image?", "A red circle is left of a blue star."),
    ("Describe", "Two stars."),
    ("Nothing, I think. Or a cat? No: a dog", "and 3 birds!"),
]:
    # The template "plain": question, a space, the response. It ends as the tokenizer's sequences do.
    before = tokenizer(prompt, return_tensors="pt").input_ids
    whole = tokenizer(f"{prompt} {response}</s>", return_tensors="pt").input_ids[0]
    pairs = zip(before[0].tolist(), whole.tolist())
    length = next((i for i, (a, b) in enumerate(pairs) if a != b), before.shape[1])
    with torch.no_grad():
        rows = torch.log_softmax(model(whole[None]).logits[0, length - 1 : -1], -1)
        tokens = before
        for _ in range(20):
            tokens = torch.cat([tokens, model(tokens).logits[:, -1:].argmax(-1)], 1)
    expected.append(
        {
            "prompt": prompt,
            "response": response,
            "ids": whole[length:].tolist(),
            "logps": rows.gather(1, whole[length:, None])[:, 0].tolist(),
            "continuation": tokens[0, before.shape[1] :].tolist(),
        }
    )
(folder / "expected.json").write_text(json.dumps(expected) + "\n")
