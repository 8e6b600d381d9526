"""Copies beside other work, on a driver that works as late as events allow."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = Path(__file__).parent
SOURCES = ROOT / "Sources/CDamaCuda"

# Two streams and the events of order and of eight tickets; for each of two steps the gradient's copy, begin and end (two
# records and two waits each), 16 pieces of a copy and a record in, the same out, and two waits, and a copy out with its
# synchronisation.
CALLS = 2 + 9 + 2 * (1 + 4 + 16 * 6 + 4 + 2)


def test_transfers(tmp_path):
    def build(output, *arguments):
        subprocess.run(["clang", "-O1", "-g", "-o", output, *arguments], check=True)

    build(tmp_path / "libcuda.so.1", "-w", "-fPIC", "-shared", TESTS / "late_driver.c")
    build(tmp_path / "transfers", "-Wall", "-Wextra", "-I", SOURCES / "include",
          "-I", ROOT / "Sources/CDamaShims/include", TESTS / "transfers.c",
          *(SOURCES / f"{name}.c" for name in ("driver", "driver_functions", "transfers", "support")), "-ldl", "-lpthread")
    done = subprocess.run([tmp_path / "transfers"], env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{CALLS} failures\n"
