"""Progress bars: tqdm's where it is installed, otherwise a line."""

import io
import json
import re
import signal
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

import libdama
from libdama import data

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes-clip"
SHAPES = ROOT / "examples" / "data" / "shapes"
LLAVA = ROOT / "models" / "shapes-llava"


@pytest.fixture(scope="module")
def scorer():
    return libdama.Scorer(MODEL)


@pytest.fixture
def no_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)


class Recorded:
    """The part of tqdm that the library uses, by tqdm's documentation."""

    made: list["Recorded"] = []

    def __init__(self, desc=None, unit=None, total=None):
        self.desc, self.unit, self.total, self.n, self.initial, self.closed = desc, unit, total, 0, 0, False
        self.shown, self.postfix, self.written = [], [], []
        Recorded.made.append(self)

    def set_description(self, desc=None, refresh=True):
        self.desc = desc

    def set_postfix_str(self, s="", refresh=True):
        self.postfix.append(s)

    def reset(self, total=None):
        self.n = 0
        self.total = self.total if total is None else total

    def update(self, n=1):
        assert not self.closed
        self.n += n
        self.shown.append((self.desc, self.n, self.total))

    def refresh(self):
        pass

    def write(self, s, file=None):
        self.written.append(s)

    def close(self):
        self.closed = True


@pytest.fixture
def bars(monkeypatch):
    Recorded.made = []
    package, auto = types.ModuleType("tqdm"), types.ModuleType("tqdm.auto")
    auto.tqdm = Recorded
    monkeypatch.setitem(sys.modules, "tqdm", package)
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    return Recorded.made


def rows(count=12):
    pairs = [json.loads(line) for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()]
    return [{**pair, "image": str(SHAPES / "images" / pair["image"])} for pair in pairs[:count]]


def test_a_job_shows_a_bar_that_ends_full(scorer, bars, tmp_path):
    arguments = scorer, SHAPES / "pairs.jsonl", tmp_path / "s.jsonl"

    def stop(it):
        if it.rows_done >= 6:
            raise LookupError

    with pytest.raises(LookupError):
        libdama.score_dataset(*arguments, image_root=SHAPES / "images", block_rows=3, progress=stop)
    assert not bars, "a function gets no bar"
    libdama.score_dataset(*arguments, image_root=SHAPES / "images", block_rows=3, progress=True)
    (bar,) = bars
    assert bar.closed and (bar.n, bar.total, bar.unit) == (12, 12, " rows")
    assert bar.initial >= 6, "rows of the earlier run do not count for the rate"
    assert any(desc == "score" for desc, _, _ in bar.shown), bar.shown
    libdama.score_dataset(*arguments, image_root=SHAPES / "images", block_rows=3)
    libdama.score_dataset(*arguments, image_root=SHAPES / "images", block_rows=3, progress=False)
    assert len(bars) == 1, "nothing is shown unless it is asked for"


def test_rows_show_a_bar_with_their_number(scorer, bars):
    data.score(rows(), scorer, batch_size=5, progress=True)
    assert [n for _, n, _ in bars[0].shown] == [5, 10, 12] and bars[0].total == 12 and bars[0].closed
    data.score(iter(rows()), scorer, batch_size=5, progress=True)
    assert bars[1].total is None and bars[1].n == 12
    seen = []
    data.score(rows(), scorer, batch_size=5, progress=seen.append)
    assert seen == [5, 10, 12] and len(bars) == 2


def test_training_shows_its_loss(bars, tmp_path):
    libdama.train(
        {"model": LLAVA, "data": SHAPES / "pairs.jsonl", "image_root": SHAPES / "images", "out": tmp_path / "out",
         "batch_size": 4, "epochs": 1, "method": {"keep": 3}, "trainable": "projector", "export": {"format": "none"}},
        progress=True,
    )  # fmt: skip
    (bar,) = bars
    metrics = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert bar.closed and (bar.n, bar.total) == (3, 3) and ("reference", 12, 12) in bar.shown
    assert bar.postfix[-1].startswith(f"loss {metrics[-1]['loss']:.4f}")


def test_a_line_without_tqdm(scorer, no_tqdm, capsys, tmp_path):
    libdama.score_dataset(scorer, SHAPES / "pairs.jsonl", tmp_path / "s.jsonl", image_root=SHAPES / "images",
                          progress=True)  # fmt: skip
    assert re.search(r"^score \(writing\): 12 of 12 rows, \d+ s$", capsys.readouterr().err, re.M)
    data.score(rows(), scorer, progress=True)
    assert re.search(r"^score: 12 of 12 rows, \d+ s$", capsys.readouterr().err, re.M)


def test_a_line_in_a_terminal_is_written_over(scorer, no_tqdm, monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    data.score(rows(), scorer, batch_size=2, progress=True)
    assert screen.getvalue().count("\r\033[K") >= 1 and screen.getvalue().endswith(" s\n")
    assert screen.getvalue().count("\n") == 1


def test_a_bar_closes_when_the_job_fails(scorer, bars, tmp_path):
    with pytest.raises(libdama.DamaError):
        libdama.score_dataset(scorer, tmp_path / "none.jsonl", tmp_path / "s.jsonl", progress=True)
    with pytest.raises(data.BadRow):
        data.score([{"chosen": "a"}], scorer, progress=True)
    assert [bar.closed for bar in bars] == [True, True]


def test_control_c_stops_a_job_with_a_bar(tmp_path):
    """In a process of its own, with the fallback line or the real tqdm, whichever the environment has."""
    data_file = tmp_path / "many.jsonl"
    lines = (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()
    data_file.write_text("\n".join(lines * 2000), "utf-8")
    program = textwrap.dedent(f"""
        import signal, libdama
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("ready", flush=True)
        try:
            libdama.score_dataset({str(MODEL)!r}, {str(data_file)!r}, {str(tmp_path / "s.jsonl")!r},
                                  image_root={str(SHAPES / "images")!r}, cache_bytes=0, progress=True)
            print("finished")
        except KeyboardInterrupt:
            print("stopped")
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = ""
    while "score: " not in seen and process.poll() is None:
        seen += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out.split() == ["ready", "stopped"], out
