"""What DAMA's first pass costs in TRL's DPO trainer: processor time of an update, beside TRL's own.

    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/trl_passes.py

A Llama of 4 million parameters, random pairs of about 95 tokens, 16 pairs an update, on one thread. The trainers of a
row take turns, an update each, in an order that turns round every time; the result is the median over the turns of the
ratio to TRL's update of the same turn, with its quartiles, because a shared machine is faster at one moment than at
another. `every pair twice` has a second pass of every pair; otherwise the four of an update that are masked are left
out. With `precomputed` the reference's log-probabilities are known before the training, so that the first pass weighs
more.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CI"] = "1"
os.environ["TQDM_DISABLE"] = "1"

import numpy as np
import torch
import transformers
import trl
from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

import libdama
from libdama.trl import DamaConfig, DamaDPOTrainer

WORDS = 2000


def make_model(folder: Path) -> None:
    words = {word: i for i, word in enumerate(["<pad>", "<s>", "</s>", *(f"w{i}" for i in range(WORDS))])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=8,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def pairs(count: int) -> Dataset:
    draw = np.random.default_rng(0)

    def text(length: int) -> str:
        return " ".join(f"w{i}" for i in draw.integers(WORDS, size=length))

    return Dataset.from_list(
        [dict(prompt=text(30) + " ", chosen=text(int(draw.integers(50, 80))),
              rejected=text(int(draw.integers(50, 80))), alpha_data=float(draw.uniform(0.8, 1.2)))
         for _ in range(count)]
    )  # fmt: skip


def make(model: Path, out: str, dama, updates: int, size: int = 2, **options):
    args = DPOConfig(
        output_dir=out, per_device_train_batch_size=size, gradient_accumulation_steps=16 // size, max_steps=updates,
        learning_rate=1e-4, report_to=[], save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True,
        logging_steps=1000, **options,
    )  # fmt: skip
    if dama is None:
        return DPOTrainer(str(model), args=args, train_dataset=pairs(16 * updates))
    return DamaDPOTrainer(str(model), args=args, train_dataset=pairs(16 * updates), dama=dama)


def updates_of(trainer):
    """Runs the training an update at a time; yields the processor seconds of each."""
    go, done, seconds = threading.Semaphore(0), threading.Semaphore(0), []

    class Turns(transformers.TrainerCallback):
        def on_step_end(self, *args, **kwargs):
            seconds.append(time.process_time())
            done.release()
            go.acquire()

    trainer.add_callback(Turns())
    thread = threading.Thread(target=lambda: (go.acquire(), trainer.train(), done.release()), daemon=True)
    thread.start()
    while True:
        start = time.process_time()
        before = len(seconds)
        go.release()
        done.acquire()
        if len(seconds) == before:
            return
        yield seconds[-1] - start


#: Rows of the result: pairs of a micro-batch, and options of both trainers.
ROWS: dict[str, tuple[int, dict[str, bool]]] = {
    "8 micro-batches of 2": (2, {}),
    "16 micro-batches of 1": (1, {}),
    "8 of 2, precomputed": (2, dict(precompute_ref_log_probs=True)),
}
CONTENDERS = {"TRL": None, "DAMA": DamaConfig("paper"), "every pair twice": DamaConfig("paper", skip_masked=False)}


def measure(model: Path, folder: str, size: int, updates: int, options: dict[str, bool]) -> dict[str, list[float]]:
    """Processor seconds of each update, by contender; those of one index were measured in one turn."""
    turns = {name: updates_of(make(model, f"{folder}/{i}", dama, updates + 1, size, **options))
             for i, (name, dama) in enumerate(CONTENDERS.items())}  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for turn in range(updates + 1):
        for name in list(turns)[:: 1 if turn % 2 else -1]:
            value = next(turns[name])
            if turn:  # The first update also begins the training.
                seconds[name].append(value)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--rows", default=",".join(str(i) for i in range(len(ROWS))), help="which rows, from 0")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}, libdama "
          f"{libdama.version()}, one thread")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        make_model(model)
        for row in arguments.rows.split(","):
            title, (size, options) = list(ROWS.items())[int(row)]
            seconds = measure(model, f"{folder}/{row}", size, arguments.updates, options)
            base = np.array(seconds.pop("TRL"))
            print(f"{title:24} TRL {np.median(base):.2f} s an update", end="")
            for name, values in seconds.items():
                low, middle, high = np.quantile(np.array(values) / base - 1, (0.25, 0.5, 0.75))
                print(f"; {name} {middle:+.0%} ({low:+.0%} to {high:+.0%})", end="")
            print(flush=True)


if __name__ == "__main__":
    main()
