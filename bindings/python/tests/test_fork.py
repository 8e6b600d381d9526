"""A child of os.fork() that inherits objects: it can free them and end, and every call fails with the reason."""

import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures"

SCRIPT = f"""
import os, sys, gc
import libdama
from libdama._cancellation import Cancellation

if sys.argv[1] != "nothing":
    scorer = libdama.Scorer({str(FIXTURES / "clip" / "legacy")!r})
    scorer.embed_texts(["A red circle."])
    tokenizer = libdama.Tokenizer({str(FIXTURES / "clip" / "legacy")!r})
    policy = libdama.Policy({str(FIXTURES / "llava" / "default")!r})
    trainer = libdama.Trainer(policy)
    controller = libdama.AdaptiveBeta()
    cancellation = Cancellation()
child = os.fork()
if child == 0:
    if sys.argv[1] == "use":
        for call in (lambda: scorer.embed_texts(["x"]), lambda: tokenizer.encode("x"), libdama.AdaptiveBeta,
                     lambda: libdama.hardness([1.0], [2.0]), lambda: controller.commit()):
            try:
                call()
                sys.exit(7)
            except libdama.DamaError as error:
                assert error.status == 5 and "forked" in str(error), error
        cancellation.cancel()
    if sys.argv[1] in ("use", "delete"):
        del scorer, tokenizer, policy, trainer, controller, cancellation
        gc.collect()
    if sys.argv[1] == "nothing":
        # A library that is loaded but not yet used works in a child.
        assert -1 <= libdama.hardness([1.0], [2.0]) <= 1
    print("child done")
    sys.exit(5)
_, status = os.waitpid(child, 0)
assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 5, status
if sys.argv[1] != "nothing":
    scorer.embed_texts(["Two dogs."])
print("parent done")
"""


@pytest.mark.parametrize("what", ["exit", "delete", "use", "nothing"])
def test_a_forked_child_ends(what):
    # The child once waited for ever, in __del__ or in exit(), for threads that exist only in the parent.
    done = subprocess.run([sys.executable, "-c", SCRIPT, what], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["child done", "parent done", ""]
