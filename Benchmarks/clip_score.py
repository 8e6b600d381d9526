"""Hardness of preference pairs, from JPEG files to δ: libdama compared with Hugging Face and ONNX Runtime in Python.

    scripts/bootstrap torch && make build
    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/clip_score.py

The model is a CLIP ViT-B/32 with random weights (speed does not depend on their values); a pair has one image and 6 + 6
sentences of about 13 tokens. There are two rows. `distinct`: no sentence occurs twice and no two begin alike.
`repeated`: half of the rejected response's sentences equal the chosen one's, and sentences begin as captions do. Each
peer runs in a separate process, so that its peak memory can be measured. It takes batches of 16 pairs, warms up with
four pairs and then runs over all pairs several times; the processes take turns. The results are medians, without the
time to load the model.

Peers: `hf-77` (CLIPModel, padded to 77 tokens), `hf-longest` (padded to the longest of the batch), `hf-bf16` (the same
under torch.autocast), `ort` (ONNX Runtime in Python with towers exported by torch.onnx, padded to the longest), `dama`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# transformers must not import the other benchmarks as packages that it looks for, such as `kernels`.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != HERE]
PEERS = ["hf-77", "hf-longest", "hf-bf16", "ort", "dama"]
BATCH = 16

WORDS = (
    "red blue green small large old young bright dark wooden metal stone water river tree house street dog cat horse "
    "bird man woman child table chair window door light shadow cloud mountain field grass flower boat train car road "
    "bridge wall floor hand face hat coat shoe bag book cup plate bread fruit orange apple coffee glass bottle paper "
    "sign letter number clock phone screen picture camera music sound fire smoke snow rain wind sun moon star summer "
    "winter morning evening night city village farm garden beach island forest lake ocean ship plane wheel engine "
    "standing sitting running walking holding looking wearing near behind above below beside under between across"
).split()
OPENINGS = ["There is a", "The image shows a", "In the background, there is a", "On the left side stands a", "A person"]


# ----------------------------------------------------------------------------------------------------------------------
# Data


def make_data(folder: Path, pairs: int) -> None:
    import numpy as np
    import skimage
    from PIL import Image

    photos = [skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket()]
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    for i in range(pairs):
        photo = np.roll(photos[i % len(photos)], 5 * i, axis=1)
        Image.fromarray(photo).resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=90)

    def sentence(row: str) -> str:
        # One token for each word, and two around the sentence.
        count = rng.randint(8, 14)
        if row == "distinct":
            return " ".join(rng.choices(WORDS, k=count))
        opening = rng.choice(OPENINGS).split()
        return " ".join(opening + rng.choices(WORDS, k=max(2, count - len(opening))))

    for row in ("distinct", "repeated"):
        data = []
        for i in range(pairs):
            chosen = [sentence(row) for _ in range(6)]
            rejected = [sentence(row) for _ in range(6)]
            if row == "repeated":
                rejected[:3] = chosen[:3]
            data.append({"image": str(folder / f"{i}.jpg"), "chosen": chosen, "rejected": rejected})
        (folder / f"{row}.json").write_text(json.dumps(data))


def make_model(folder: Path) -> None:
    sys.path.insert(0, str(HERE.parent / "Tests" / "Torch"))
    import random_clip

    random_clip.write(folder)
    export(folder)


def export(folder: Path) -> None:
    """Writes the towers as ONNX files, for the peer that runs them from Python."""
    import torch
    from transformers import CLIPModel

    clip = CLIPModel.from_pretrained(folder, attn_implementation="eager").eval()

    class Tower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.clip = clip

    class Text(Tower):
        def forward(self, input_ids, attention_mask):
            pooled = self.clip.text_model(input_ids=input_ids, attention_mask=attention_mask).pooler_output
            return self.clip.text_projection(pooled)

    class Vision(Tower):
        def forward(self, pixel_values):
            return self.clip.visual_projection(self.clip.vision_model(pixel_values=pixel_values).pooler_output)

    ids = torch.tensor([[49406, 320, 2368, 49407, 49407], [49406, 320, 1929, 530, 49407]])
    torch.onnx.export(
        Text(), (ids, torch.ones_like(ids)), str(folder / "peer_text.onnx"), dynamo=False, opset_version=17,
        input_names=["input_ids", "attention_mask"], output_names=["embeds"],
        dynamic_axes={"input_ids": {0: "b", 1: "s"}, "attention_mask": {0: "b", 1: "s"}, "embeds": {0: "b"}},
    )  # fmt: skip
    torch.onnx.export(
        Vision(), (torch.zeros(2, 3, 224, 224),), str(folder / "peer_vision.onnx"), dynamo=False, opset_version=17,
        input_names=["pixel_values"], output_names=["embeds"],
        dynamic_axes={"pixel_values": {0: "b"}, "embeds": {0: "b"}},
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------------
# Peers: each returns a function from a batch of pairs to their δ


def deltas_of(logits, batch):
    """δ of each pair, Eqs. (5) and (6), from logits of its image with its 12 sentences."""
    import numpy as np

    result = []
    for i, pair in enumerate(batch):
        row = np.asarray(logits[i, 12 * i : 12 * i + 12], dtype=np.float64)
        p = np.exp(row - row.max())
        p /= p.sum()
        result.append(float(p[:6].sum() - p[6:].sum()))
    return result


def peer_huggingface(model: Path, threads: int, padding: str, bf16: bool):
    import torch
    from PIL import Image
    from transformers import CLIPModel, CLIPProcessor

    torch.set_num_threads(threads)
    clip = CLIPModel.from_pretrained(model).eval()
    processor = CLIPProcessor.from_pretrained(model)

    def run(batch):
        images = [Image.open(pair["image"]).convert("RGB") for pair in batch]
        texts = [text for pair in batch for text in pair["chosen"] + pair["rejected"]]
        inputs = processor(text=texts, images=images, return_tensors="pt", padding=padding, max_length=77)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = clip(**inputs).logits_per_image
        return deltas_of(logits.float().numpy(), batch)

    return run


def peer_onnxruntime(model: Path, threads: int):
    import numpy as np
    import onnxruntime
    from PIL import Image
    from transformers import CLIPProcessor

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    text = onnxruntime.InferenceSession(model / "peer_text.onnx", options)
    vision = onnxruntime.InferenceSession(model / "peer_vision.onnx", options)
    processor = CLIPProcessor.from_pretrained(model)

    def run(batch):
        images = [Image.open(pair["image"]).convert("RGB") for pair in batch]
        texts = [text for pair in batch for text in pair["chosen"] + pair["rejected"]]
        inputs = processor(text=texts, images=images, return_tensors="np", padding=True)
        a = vision.run(None, {"pixel_values": inputs["pixel_values"]})[0]
        names = {port.name for port in text.get_inputs()}
        b = text.run(None, {k: inputs[k] for k in ("input_ids", "attention_mask") if k in names})[0]
        a /= np.linalg.norm(a, axis=-1, keepdims=True)
        b /= np.linalg.norm(b, axis=-1, keepdims=True)
        return deltas_of(100 * a @ b.T, batch)

    return run


def peer_dama(model: Path, threads: int):
    import libdama

    scorer = libdama.Scorer(model, threads=threads)

    def run(batch):
        images = scorer.embed_images([pair["image"] for pair in batch])
        texts = scorer.embed_texts([text for pair in batch for text in pair["chosen"] + pair["rejected"]])
        scores = scorer.logit_scale * images @ texts.T
        return [
            libdama.hardness(scores[i, 12 * i : 12 * i + 6], scores[i, 12 * i + 6 : 12 * i + 12])
            for i in range(len(batch))
        ]

    return run


def run_peer(name: str, folder: Path, row: str, rounds: int, threads: int) -> None:
    model = folder / "model"
    start = time.perf_counter()
    run = {
        "hf-77": lambda: peer_huggingface(model, threads, "max_length", False),
        "hf-longest": lambda: peer_huggingface(model, threads, "longest", False),
        "hf-bf16": lambda: peer_huggingface(model, threads, "longest", True),
        "ort": lambda: peer_onnxruntime(model, threads),
        "dama": lambda: peer_dama(model, threads),
    }[name]()
    loaded = time.perf_counter() - start
    pairs = json.loads((folder / "data" / f"{row}.json").read_text())
    run(pairs[:4])
    seconds, processor, deltas = [], [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        deltas = [delta for i in range(0, len(pairs), BATCH) for delta in run(pairs[i : i + BATCH])]
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "processor": processor, "load": loaded, "peak": peak, "deltas": deltas}))


# ----------------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=48, help="a multiple of 16")
    parser.add_argument("--rounds", type=int, default=2, help="passes over the pairs in one process")
    parser.add_argument("--turns", type=int, default=2, help="processes of each peer")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peers", nargs="+", default=PEERS, choices=PEERS)
    parser.add_argument("--rows", nargs="+", default=["distinct", "repeated"])
    parser.add_argument("--folder", type=Path, default=HERE.parent / ".deps" / "clip_score")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder
    if arguments.peer:
        run_peer(arguments.peer, folder, arguments.rows[0], arguments.rounds, arguments.threads)
        return

    if not (folder / "model" / "peer_vision.onnx").exists():
        make_model(folder / "model")
    make_data(folder / "data", arguments.pairs)
    for row in arguments.rows:
        results: dict[str, list[dict]] = {peer: [] for peer in arguments.peers}
        for _ in range(arguments.turns):
            for peer in arguments.peers:
                command = [
                    sys.executable, __file__, "--peer", peer, "--rows", row, "--rounds", str(arguments.rounds),
                    "--threads", str(arguments.threads), "--folder", str(folder),
                ]  # fmt: skip
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    print(f"{peer} failed:\n{done.stderr}", file=sys.stderr)
                    continue
                results[peer].append(json.loads(done.stdout.strip().split("\n")[-1]))
        report(row, arguments.pairs, results)


def report(row: str, pairs: int, results: dict[str, list[dict]]) -> None:
    print(
        f"\n{row}: {pairs} pairs, pairs a second (median, least, most), pairs a processor second (most), peak MiB, "
        "load s, largest |δ − hf-longest|"
    )
    results = {peer: turns for peer, turns in results.items() if turns}
    reference = results.get("hf-longest", [{}])[0].get("deltas")
    for peer, turns in results.items():
        rates = sorted(pairs / second for turn in turns for second in turn["seconds"])
        # Processor time does not include other programs. Use --threads 1 to compare it, since threads that wait for
        # work also count.
        processor = max(pairs / second for turn in turns for second in turn["processor"])
        off = max(abs(a - b) for a, b in zip(turns[0]["deltas"], reference)) if reference else float("nan")
        print(
            f"{peer:12} {statistics.median(rates):7.2f} {rates[0]:7.2f} {rates[-1]:7.2f} {processor:7.2f}"
            f" {max(turn['peak'] for turn in turns):8.0f} {statistics.median(turn['load'] for turn in turns):6.1f}"
            f" {off:.1e}",
            flush=True,
        )


main()
