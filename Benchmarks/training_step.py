"""The training step over whole pairs, from texts to updated weights: libdama compared with transformers and torch.

    scripts/bootstrap torch && make build
    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/training_step.py

A random LLaVA (decoder of width 256 and 4 layers, small vision tower) with 64 or 576 image tokens and a vocabulary of
2,000 or 32,000. The step is DPO over four pairs with responses of 50 to 70 tokens and given log-probabilities of the
reference; decoder and projector are trained, the tower is frozen; with clipping and AdamW. The contenders take turns in
separate processes. The results are medians, and the largest growth of a process above its size after loading. Before
any timing, the log-probabilities and losses of all contenders must agree.

Contenders: `trl` is the usual code: chosen and rejected responses concatenated and padded, logits of all tokens,
log_softmax and gather, fused AdamW. `packed` is the fastest form that we found in torch: both responses behind one
prefix with a mask, only rows of response tokens through the LM head, the image once through the tower,
scaled_dot_product_attention (faster here than the eager form). `dama` and `dama-recompute` are `libdama.Trainer` with
all activations kept, or only those between layers. The torch contenders start from token ids and pixels; libdama also
tokenises the text and decodes the image.

`products` is not a contender but an upper bound of the speed: only the matrix products of the step's linear layers in
torch, once forward and twice backward, without attention, vision tower and optimizer.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# transformers must not import the other benchmarks as packages that it looks for, such as `kernels`.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != HERE]
WORLD = HERE.parent / "models" / "shapes-llava"
BOUND = "products"
CONTENDERS = ["trl", "packed", "dama", "dama-recompute", BOUND]
PAIRS, BETA, RATE = 4, 0.1, 1e-5
PROMPT = "USER: <image>\n{question} ASSISTANT:"
WORDS = (
    "red blue green yellow small large circle square star ring cross the a is at top bottom left right middle of there "
    "above below in image and"
).split()


# ----------------------------------------------------------------------------------------------------------------------
# Model and data


def make(folder: Path, image_tokens: int, vocabulary: int) -> None:
    """Writes a Hugging Face directory, the images, and pairs.json."""
    import numpy as np
    import torch
    from PIL import Image
    from transformers import AutoTokenizer, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(0)
    side = 14 * math.isqrt(image_tokens)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, image_size=side,
            patch_size=14,
        ),
        text_config=LlamaConfig(
            vocab_size=vocabulary, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=8,
            max_position_embeddings=2048, bos_token_id=1, eos_token_id=2,
        ),
        image_token_index=534, image_seq_length=image_tokens,
    )  # fmt: skip
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(WORLD / name, folder)
    processing = json.loads((WORLD / "preprocessor_config.json").read_text())
    processing["size"], processing["crop_size"] = {"shortest_edge": side}, {"height": side, "width": side}
    (folder / "preprocessor_config.json").write_text(json.dumps(processing))

    rng = random.Random(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pairs = []
    for i in range(PAIRS):
        noise = np.random.default_rng(i).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
        pair = {"image": str(folder / f"{i}.png"), "prompt": "Describe the image in detail."}
        for side_name in ("chosen", "rejected"):
            pair[side_name] = " ".join(rng.choices(WORDS, k=rng.randint(50, 70)))
            # The log-probability of uniform predictions: close to a random model's, so that the loss is moderate.
            count = len(tokenizer(pair[side_name])["input_ids"])
            pair[f"reference_{side_name}"] = -count * math.log(vocabulary)
        pairs.append(pair)
    (folder / "pairs.json").write_text(json.dumps(pairs))


# ----------------------------------------------------------------------------------------------------------------------
# Contenders: each has one method for the log-probabilities before training, and one that takes a step and returns the
# loss


class Torch:
    def __init__(self, folder: Path, threads: int):
        import torch
        from PIL import Image
        from transformers import AutoTokenizer, LlavaForConditionalGeneration
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        torch.set_num_threads(threads)
        self.torch = torch
        self.pairs = json.loads((folder / "pairs.json").read_text())
        self.model = LlavaForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="sdpa"
        )
        self.model.model.vision_tower.requires_grad_(False)
        self.model.train()
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=RATE, weight_decay=0.0, fused=True)
        self.reference = [
            torch.tensor([pair[f"reference_{side}"] for pair in self.pairs]) for side in ("chosen", "rejected")
        ]
        processor = CLIPImageProcessorPil.from_pretrained(folder)
        images = [Image.open(pair["image"]).convert("RGB") for pair in self.pairs]
        self.pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        tokenizer = AutoTokenizer.from_pretrained(folder)
        image, count = self.model.config.image_token_id, self.model.config.image_seq_length

        def ids(text):
            return [j for i in tokenizer(text)["input_ids"] for j in ([image] * count if i == image else [i])]

        self.prefixes, self.responses = [], []
        for pair in self.pairs:
            prompt = PROMPT.format(question=pair["prompt"])
            prefix = ids(prompt)
            self.prefixes.append(prefix)
            self.responses.append([ids(f"{prompt} {pair[side]}</s>")[len(prefix) :] for side in ("chosen", "rejected")])

    def step(self) -> float:
        torch = self.torch
        chosen, rejected = self.forward()
        margins = (chosen - self.reference[0]) - (rejected - self.reference[1])
        loss = -torch.nn.functional.logsigmoid(BETA * margins).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def logps(self) -> list[float]:
        with self.torch.no_grad():
            chosen, rejected = self.forward()
        return chosen.tolist() + rejected.tolist()


class Concatenated(Torch):
    def __init__(self, folder: Path, threads: int):
        super().__init__(folder, threads)
        torch = self.torch
        rows = [(p, r[side]) for side in (0, 1) for p, r in zip(self.prefixes, self.responses)]
        length = max(len(p) + len(r) for p, r in rows)
        self.ids = torch.full((len(rows), length), 535)
        self.attention = torch.zeros(len(rows), length, dtype=torch.long)
        self.targets = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, (prefix, response) in enumerate(rows):
            end = len(prefix) + len(response)
            self.ids[i, :end] = torch.tensor(prefix + response)
            self.attention[i, :end] = 1
            self.targets[i, len(prefix) : end] = True
        self.twice = self.pixels.repeat(2, 1, 1, 1)

    def forward(self):
        logits = self.model(
            input_ids=self.ids, attention_mask=self.attention, pixel_values=self.twice, use_cache=False
        ).logits[:, :-1]
        values = logits.log_softmax(-1).gather(-1, self.ids[:, 1:, None])[..., 0]
        return (values * self.targets[:, 1:]).sum(-1).chunk(2)


class Packed(Torch):
    def __init__(self, folder: Path, threads: int):
        super().__init__(folder, threads)
        torch = self.torch
        rows = [p + r[0] + r[1] for p, r in zip(self.prefixes, self.responses)]
        length = max(map(len, rows))
        self.ids = torch.full((len(rows), length), 535)
        self.positions = torch.zeros(len(rows), length, dtype=torch.long)
        mask = torch.zeros(len(rows), 1, length, length, dtype=torch.bool)
        mask[..., 0] = True
        self.predicting, targets, self.owner = [], [], []
        for i, (prefix, (chosen, rejected)) in enumerate(zip(self.prefixes, self.responses)):
            a, b, c = len(prefix), len(prefix) + len(chosen), len(rows[i])
            self.ids[i, :c] = torch.tensor(rows[i])
            self.positions[i, :c] = torch.cat([torch.arange(b), torch.arange(a, a + c - b)])
            mask[i, 0, :c, :c] = torch.ones(c, c, dtype=torch.bool).tril()
            mask[i, 0, b:c, a:b] = False
            for side, (start, end) in enumerate(((a, b), (b, c))):
                self.predicting += [i * length + j - 1 if j > start else i * length + a - 1 for j in range(start, end)]
                targets += rows[i][start:end]
                self.owner += [side * len(rows) + i] * (end - start)
        self.mask = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)
        self.predicting, self.owner = torch.tensor(self.predicting), torch.tensor(self.owner)
        self.targets = torch.tensor(targets)

    def forward(self):
        torch, model = self.torch, self.model.model
        config = self.model.config
        with torch.no_grad():
            seen = model.vision_tower(self.pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        features = model.multi_modal_projector(seen)
        image = self.ids == config.image_token_id
        embeddings = model.language_model.embed_tokens(self.ids.masked_fill(image, 0))
        embeddings = embeddings.masked_scatter(image[..., None], features)
        hidden = model.language_model(
            inputs_embeds=embeddings, attention_mask=self.mask, position_ids=self.positions, use_cache=False
        ).last_hidden_state
        logits = self.model.lm_head(hidden.flatten(0, 1).index_select(0, self.predicting))
        values = -torch.nn.functional.cross_entropy(logits, self.targets, reduction="none")
        return torch.zeros(2 * len(self.ids)).index_add(0, self.owner, values).chunk(2)


class Products(Packed):
    def __init__(self, folder: Path, threads: int):
        super().__init__(folder, threads)
        torch, config = self.torch, self.model.config
        vision, text = config.vision_config.hidden_size, config.text_config
        width, inner = text.hidden_size, text.intermediate_size
        tokens, predicting = self.ids.numel(), len(self.predicting)
        image = len(self.pairs) * config.image_seq_length
        shapes = [(image, vision, width), (image, width, width)]
        for layer in range(text.num_hidden_layers):
            # After the last attention only the rows that predict response tokens continue.
            rows = predicting if layer == text.num_hidden_layers - 1 else tokens
            shapes += [(tokens, width, width)] * 3 + [(rows, width, width)]
            shapes += [(rows, width, inner)] * 2 + [(rows, inner, width)]
        shapes.append((predicting, width, text.vocab_size))
        self.products = [(torch.randn(m, k), torch.randn(n, k), torch.randn(m, n)) for m, k, n in shapes]
        self.results = [[torch.empty_like(x) for x in product] for product in self.products]

    def step(self) -> float:
        torch = self.torch
        with torch.no_grad():
            for (x, weight, y), (dx, dweight, result) in zip(self.products, self.results):
                torch.mm(x, weight.T, out=result)
                torch.mm(y, weight, out=dx)
                torch.mm(y.T, x, out=dweight)
        return 0.0


class Dama:
    def __init__(self, folder: Path, threads: int, activations: str = "keep"):
        import libdama

        self.pairs = json.loads((folder / "pairs.json").read_text())
        self.policy = libdama.Policy(folder, threads=threads, template="llava-1.5")
        self.trainer = libdama.Trainer(
            self.policy, controller=libdama.AdaptiveBeta("dpo", beta=BETA), learning_rate=RATE, activations=activations,
            threads=threads,
        )  # fmt: skip
        self.phases: list[dict[str, float]] = []

    def step(self) -> float:
        metrics = self.trainer.step(self.pairs)
        self.phases.append(metrics.seconds)
        return metrics.loss

    def logps(self) -> list[float]:
        found = self.trainer.forward(self.pairs)
        return [pair.chosen.sum for pair in found] + [pair.rejected.sum for pair in found]


def memory(field: str) -> float:
    """In MiB."""
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0]) / 1024


def run_contender(name: str, folder: Path, steps: int, threads: int) -> None:
    make_contender = {
        "trl": Concatenated,
        "packed": Packed,
        "dama": Dama,
        "dama-recompute": lambda *arguments: Dama(*arguments, activations="recompute"),
        BOUND: Products,
    }[name]
    contender = make_contender(folder, threads)
    if not steps:
        print(json.dumps({"logps": contender.logps(), "loss": contender.step()}))
        return
    # From here on the high-water mark covers only the steps.
    Path("/proc/self/clear_refs").write_text("5")
    loaded = memory("VmRSS")
    for _ in range(2):
        contender.step()
    seconds, processor = [], []
    for _ in range(steps):
        start, used = time.perf_counter(), time.process_time()
        contender.step()
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    phases = getattr(contender, "phases", [])[2:]
    peak = memory("VmHWM")
    result = {"seconds": seconds, "processor": processor, "growth": peak - loaded, "peak": peak, "phases": phases}
    print(json.dumps(result))


# ----------------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5, help="timed steps in one process")
    parser.add_argument("--turns", type=int, default=3, help="processes of each contender")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS, choices=CONTENDERS)
    parser.add_argument("--image-tokens", nargs="+", type=int, default=[64, 576])
    parser.add_argument("--vocabularies", nargs="+", type=int, default=[2000, 32000])
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        run_contender(arguments.contender, arguments.folder, arguments.steps, arguments.threads)
        return
    for image_tokens in arguments.image_tokens:
        for vocabulary in arguments.vocabularies:
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder), image_tokens, vocabulary)
                compare(arguments, folder, f"{image_tokens} image tokens, vocabulary {vocabulary}")


def compare(arguments, folder: str, title: str) -> None:
    def run(contender: str, steps: int) -> dict:
        command = [
            sys.executable, __file__, "--contender", contender, "--folder", folder, "--steps", str(steps), "--threads",
            str(arguments.threads),
        ]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.strip().split("\n")[-1])

    first = {contender: run(contender, 0) for contender in arguments.contenders if contender != BOUND}
    expected = next(iter(first.values()), {})
    for contender, found in first.items():
        off = max(abs(a - b) for a, b in zip(expected["logps"], found["logps"]))
        if off > 1e-3 or abs(expected["loss"] - found["loss"]) > 1e-3:
            sys.exit(f"{contender}: log-probabilities differ by {off:.1e}, losses {expected['loss']}, {found['loss']}")
    results: dict[str, list[dict]] = {contender: [] for contender in arguments.contenders}
    for _ in range(arguments.turns):
        for contender in arguments.contenders:
            results[contender].append(run(contender, arguments.steps))
    print(
        f"\n{title}: pairs a second (median, most), pairs a processor second (most), MiB above loading, peak MiB, "
        "ms by phase (median)"
    )
    for contender, turns in results.items():
        rates = [PAIRS / second for turn in turns for second in turn["seconds"]]
        # Processor time does not include other programs. Use --threads 1 to compare it, since threads that wait for
        # work also count.
        processor = max(PAIRS / second for turn in turns for second in turn["processor"])
        phases = [phase for turn in turns for phase in turn["phases"]]
        shares = {name: 1000 * statistics.median(phase[name] for phase in phases) for name in phases[0]} if phases else {}
        print(
            f"{contender:15} {statistics.median(rates):7.2f} {max(rates):7.2f} {processor:7.2f}"
            f" {max(turn['growth'] for turn in turns):7.0f} {max(turn['peak'] for turn in turns):7.0f}  "
            + " ".join(f"{name} {share:.0f}" for name, share in shares.items() if share >= 0.5),
            flush=True,
        )


main()
