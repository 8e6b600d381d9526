"""Checks an installed wheel from inside a bare environment; Tests/Wheel/run starts this.

    installed.py plain FOLDER VERSION      without ONNX Runtime
    installed.py models FOLDER VERSION     with it

FOLDER has README.md, the package's README.md as PACKAGE.md, and models, pairs and images of the checkout.
"""

import contextlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import libdama

# What every wheel may take from the system.
SYSTEM = re.compile(r"lib(c|m|dl|rt|pthread|util)\.so\.\d+|lib(stdc\+\+\.so\.6|gcc_s\.so\.1|z\.so\.1).*|ld-linux.*")
# Imports its arguments and prints the libraries of the process.
MAPPED = """
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
for line in open("/proc/self/maps"):
    print(line.split(maxsplit=5)[5].strip() if ".so" in line else "")
"""


def run_example(path: Path, names: dict[str, object]) -> None:
    """Runs the first Python example of a page with ``names``, and leaves its own there."""
    match = re.search(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
    assert match, f"{path} has no example"
    with contextlib.redirect_stdout(io.StringIO()):
        exec(match[1], names)


def command(*arguments: object) -> str:
    done = subprocess.run([sys.executable, "-m", "libdama", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_libraries() -> None:
    """Each library of this process is the environment's, one that every wheel may use, or one that the same modules of
    Python need without libdama."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split(maxsplit=5)[5] for line in lines if ".so" in line.split()[-1]}
    modules = [name for name in sys.modules if name.partition(".")[0] in sys.stdlib_module_names]
    done = subprocess.run([sys.executable, "-c", MAPPED, *modules], capture_output=True, text=True, check=True)
    assert "libffi" in done.stdout, done
    more = mapped - set(done.stdout.splitlines())
    outside = [path for path in more if not path.startswith(os.path.realpath(sys.prefix) + "/")]
    strange = [path for path in outside if not SYSTEM.fullmatch(os.path.basename(path))]
    assert not strange, f"these libraries come from the system: {strange}"
    for name in ("libdama.so.1", "libjpeg-", "libpng16-", "libwebp-", "libwebpdemux-", "libgif-", "libyaml-"):
        assert any(os.path.basename(path).startswith(name) for path in mapped), f"{name} is not loaded from the wheel"


def check_plain(folder: Path, version: str) -> None:
    assert libdama.__version__ == importlib.metadata.version("libdama") == version, libdama.__version__
    package = Path(libdama.__file__).parent
    assert str(package).startswith(sys.prefix) and (package / "py.typed").exists(), package
    assert libdama.library_path() == str(package / "lib" / "libdama.so.1"), libdama.library_path()
    usage = command("--help")
    assert all(name in usage for name in ("score", "merge", "reference", "generate", "train")), usage
    assert command("--version") == f"libdama {version}\n"

    names: dict[str, object] = {}
    run_example(folder / "PACKAGE.md", names)
    # δ by Eqs. (5) and (6), α_D by Eq. (7), in numpy.
    deltas = []
    for chosen, rejected in (([20.0, 25.0], [21.0]), ([22.0], [24.0, 19.0])):
        shares = np.exp(np.array(chosen + rejected) - 25)
        deltas.append((shares[: len(chosen)].sum() - shares[len(chosen) :].sum()) / shares.sum())
    np.testing.assert_allclose(names["deltas"], deltas, rtol=1e-12)
    logistic = 1 / (1 + np.exp(-np.array([*deltas, np.mean(deltas)])))
    np.testing.assert_allclose(names["alpha_data"], logistic[:2] / logistic[2], rtol=1e-12)


def check_without_runtime(folder: Path) -> None:
    assert importlib.util.find_spec("onnxruntime") is None, "onnxruntime is installed"
    try:
        libdama.Scorer(folder / "models" / "shapes-clip")
    except NotImplementedError as error:
        assert "no ONNX Runtime found" in str(error) and "pip install onnxruntime" in str(error), error
        assert "\n" not in str(error), error
    else:
        raise AssertionError("a scorer without ONNX Runtime must be an error")


def check_models(folder: Path) -> None:
    assert not any(name.startswith("DAMA") for name in os.environ), os.environ
    # transformers' results, which Fixtures/make_clip.py wrote; resized pixels differ by at most one grey level.
    fixtures = folder / "clip"
    expected = json.loads((fixtures / "legacy" / "expected.json").read_text("utf-8"))
    scorer = libdama.Scorer(fixtures / "legacy", threads=1)
    for name, logits in zip(expected["images"], expected["logits"]):
        np.testing.assert_allclose(scorer.score(fixtures / name, expected["sentences"]), logits, atol=1e-3)
    for image in sorted((folder / "formats").iterdir()):
        assert np.isfinite(scorer.score(image, ["a dog"])).all(), image

    # The README's example in the folder that it speaks of; what it leaves open is a batch of its 16 pairs.
    os.chdir(folder)
    random = np.random.default_rng(0)
    batch = ("policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected")
    names: dict[str, object] = {name: random.normal(-50, 5, 16) for name in batch}
    run_example(folder / "README.md", names)
    out = names["out"]
    assert isinstance(out, libdama.AdaptiveBetaStep) and out.mask.sum() == 12 and np.isfinite(out.loss), out

    with tempfile.TemporaryDirectory() as work:
        scores = Path(work) / "scores.jsonl"
        printed = command("score", "--model", folder / "models" / "shapes-clip", "--data", folder / "pairs.jsonl",
                          "--image-root", folder / "images", "--out", scores, "--threads", 1)  # fmt: skip
        assert printed.startswith("scored 12 of 12 rows"), printed
        rows = [json.loads(line) for line in scores.read_text("utf-8").splitlines()]
        assert len(rows) == 12 and all(-1 <= row["delta"] <= 1 and row["alpha_data"] > 0 for row in rows), rows
        check_training(folder / "llava", Path(work))


def check_training(fixtures: Path, work: Path) -> None:
    """Training finds the runtime too, and reads YAML."""
    pairs = [{"idx": i, "image": "image.png", "question": "What?", "chosen": f"A red circle {i}.", "rejected": "Dogs."}
             for i in range(2)]  # fmt: skip
    (work / "train.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    result = libdama.train(
        f"model: {fixtures / 'default'}\ndata: {work / 'train.jsonl'}\nimage_root: {fixtures}\nout: {work / 'out'}\n"
        "trainable: projector\nmethod: {preset: dpo}\nbatch_size: 2\nepochs: 1\nthreads: 1\n"
    )
    assert (result.steps, result.pairs) == (1, 2), result
    assert (work / "out" / "model" / "model.safetensors").exists()


def main() -> None:
    what, folder, version = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    check_plain(folder, version)
    if what == "plain":
        check_without_runtime(folder)
    else:
        check_models(folder)
    check_libraries()


main()
