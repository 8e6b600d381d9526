"""Generation by SmolLM2-135M-Instruct in fp32: libdama compared with transformers and onnxruntime-genai.

    scripts/bootstrap torch && make build && .deps/torch/bin/python scripts/smollm2.py
    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/generation.py

Greedy continuations of chat prompts of about 250 tokens, one alone and eight as a batch. The time of a continuation of
one token is that of reading the prompt; 64 more tokens give the time of decoding, with all texts of a batch counted.
Each peer runs in a separate process with the same number of threads, warms up, and reads and decodes several times; the
processes take turns. The results are medians, minima and maxima, without the time to load the model. Tokens are
compared with those of the first peer.

Peers: `hf-sdpa`, `hf-eager` (transformers with key-value cache, left padding and its two kinds of attention), `dama`,
and `genai`, if --genai names a Python with onnxruntime-genai and --genai-model the output of its model builder for the
same directory (`python -m onnxruntime_genai.models.builder -i DIRECTORY -o OUT -p fp32 -e cpu`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# transformers must not import the other benchmarks as packages that it looks for, such as `kernels`.
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != HERE]
MODEL = HERE.parent / "build" / "smollm2-135m-instruct"
DECODED = 64
PEERS = ["hf-sdpa", "hf-eager", "genai", "dama"]

OPENINGS = [
    "Every clock in the town hall stopped at the moment the mayor began to speak.",
    "Nobody in the village remembered who had built the bridge, or why it led nowhere.",
    "On the first day of spring the orchestra lost its conductor and found a dog.",
    "The map was drawn on the back of a menu, and half of it had been eaten.",
    "She counted the trains every night, and one night there was one too many.",
    "When the museum closed, the painted horses stepped down to drink from the fountain.",
    "The baker sold bread that tasted of whatever one had lost the year before.",
    "It rained for forty days on one single house in the middle of the street.",
]
RULES = (
    "Continue the story below for at least twenty paragraphs. Keep to the past tense and to the person in which the story "
    "is told. Introduce no more than three new people, give each of them a name and a trade, and let them speak in short "
    "sentences. Describe places by what can be heard and smelled in them before you say what can be seen. Do not explain "
    "anything that a patient reader could guess. Nobody may die, nobody may wake up and find that all was a dream, and no "
    "animal may talk. There is to be one storm, one quarrel about money, one meal that goes wrong, and one secret that "
    "the reader learns before the people in the story do. End each paragraph with a sentence that makes one want to read "
    "the next. Use plain words. Where you are in doubt between two words, take the shorter one; where you are in doubt "
    "between two sentences, leave one of them out. Do not write a title, a list, or a summary, and do not say that you "
    "have understood: begin with the next sentence of the story.\n\n"
)
PROMPTS = [RULES + opening for opening in OPENINGS]


def chat(prompt: str) -> str:
    """The prompt in the model's own template, as libdama.Policy formats it."""
    return (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    )


# ----------------------------------------------------------------------------------------------------------------------
# Peers: (prompts, tokens) -> a list of continuations


def peer_huggingface(model: Path, threads: int, attention: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(threads)
    decoder = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation=attention).eval()
    words = AutoTokenizer.from_pretrained(model, padding_side="left")

    def run(prompts, tokens):
        inputs = words([chat(prompt) for prompt in prompts], return_tensors="pt", padding=True)
        with torch.inference_mode():
            found = decoder.generate(**inputs, do_sample=False, max_new_tokens=tokens)
        return found[:, inputs["input_ids"].shape[1] :].tolist()

    return run


def peer_genai(model: Path, threads: int):
    import onnxruntime_genai as genai

    config = genai.Config(str(model))
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
    decoder = genai.Model(config)
    words = genai.Tokenizer(decoder)

    def run(prompts, tokens):
        ids = words.encode_batch([chat(prompt) for prompt in prompts])
        ids = ids.as_numpy() if hasattr(ids, "as_numpy") else ids
        length = ids.shape[1]
        parameters = genai.GeneratorParams(decoder)
        parameters.set_search_options(max_length=length + tokens, do_sample=False, batch_size=len(prompts))
        generator = genai.Generator(decoder, parameters)
        generator.append_tokens(ids)
        while not generator.is_done():
            generator.generate_next_token()
        return [list(map(int, generator.get_sequence(i)[length:])) for i in range(len(prompts))]

    return run


def peer_dama(model: Path, threads: int):
    import libdama

    policy = libdama.Policy(model, threads=threads)

    def run(prompts, tokens):
        return [found.tokens.tolist() for found in policy.generate(prompts, max_tokens=tokens)]

    return run


def run_peer(name: str, model: Path, batch: int, rounds: int, threads: int) -> None:
    start = time.perf_counter()
    if name.startswith("hf-"):
        run = peer_huggingface(model, threads, name.removeprefix("hf-"))
    else:
        run = {"genai": peer_genai, "dama": peer_dama}[name](model, threads)
    loaded = time.perf_counter() - start
    prompts = PROMPTS[:batch]
    run(prompts, 2)
    times: dict[str, list[float]] = {"reading": [], "decoding": [], "reading_cpu": [], "decoding_cpu": []}
    tokens = []
    for _ in range(rounds):
        marks = [(time.perf_counter(), time.process_time())]
        for length in (1, 1 + DECODED):
            tokens = run(prompts, length)
            marks.append((time.perf_counter(), time.process_time()))
        for (start, read, end), unit in zip(zip(*marks), ("", "_cpu")):
            times[f"reading{unit}"].append(read - start)
            times[f"decoding{unit}"].append((end - read) - (read - start))
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({**times, "load": loaded, "peak": peak, "tokens": tokens}))


# ----------------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8], choices=range(1, 9), metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="measurements in one process")
    parser.add_argument("--turns", type=int, default=3, help="processes of each peer")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peers", nargs="+", default=["hf-sdpa", "hf-eager", "dama"], choices=PEERS)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--genai", type=Path, help="a Python that has onnxruntime-genai")
    parser.add_argument("--genai-model", type=Path)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        run_peer(arguments.peer, arguments.model, arguments.batches[0], arguments.rounds, arguments.threads)
        return
    if not (arguments.model / "config.json").exists():
        print(f"skipped: {arguments.model} does not exist; scripts/smollm2.py creates it")
        return
    for batch in arguments.batches:
        results: dict[str, list[dict]] = {peer: [] for peer in arguments.peers}
        for _ in range(arguments.turns):
            for peer in arguments.peers:
                python, model = sys.executable, arguments.model
                if peer == "genai":
                    python, model = arguments.genai, arguments.genai_model
                command = [
                    python, __file__, "--peer", peer, "--batches", batch, "--rounds", arguments.rounds,
                    "--threads", arguments.threads, "--model", model,
                ]  # fmt: skip
                environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
                done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
                if done.returncode:
                    print(f"{peer} failed:\n{done.stderr}", file=sys.stderr)
                    continue
                results[peer].append(json.loads(done.stdout.strip().split("\n")[-1]))
        report(batch, arguments.model, arguments.threads, {peer: turns for peer, turns in results.items() if turns})


def report(batch: int, model: Path, threads: int, results: dict[str, list[dict]]) -> None:
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(model / "tokenizer.json"))
    read = sum(len(words.encode(chat(prompt)).ids) for prompt in PROMPTS[:batch])
    print(
        f"\nbatch {batch}, {read} prompt tokens, {threads} threads: tokens a second reading and decoding (median, least, "
        "most; median a processor second), peak MiB, load s, whether tokens equal the first peer's"
    )
    reference = next(iter(results.values()))[0]["tokens"]
    for peer, turns in results.items():
        columns = []
        for part, tokens in (("reading", read), ("decoding", DECODED * batch)):
            rates = sorted(tokens / second for turn in turns for second in turn[part])
            # Processor time does not include other programs. Use --threads 1 to compare it, since threads that wait for
            # work also count.
            processor = statistics.median(tokens / second for turn in turns for second in turn[f"{part}_cpu"])
            columns.append(f"{statistics.median(rates):8.1f} {rates[0]:8.1f} {rates[-1]:8.1f} {processor:8.1f}")
        same = all(turn["tokens"] == reference for turn in turns)
        whole = all(len(row) == 1 + DECODED for turn in turns for row in turn["tokens"])
        print(
            f"{peer:10} {'  '.join(columns)}  {max(turn['peak'] for turn in turns):8.0f}"
            f" {statistics.median(turn['load'] for turn in turns):6.1f}"
            f" {'yes' if same else 'NO'}{'' if whole else ' (a text ended early)'}",
            flush=True,
        )


main()
