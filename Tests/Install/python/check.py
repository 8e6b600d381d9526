"""Checks the installed package; Tests/Install/run runs this outside the tree."""

import importlib.util
import os
import sys

import numpy

import libdama

package = os.path.dirname(os.path.realpath(libdama.__file__))
assert package.startswith(os.path.realpath(sys.prefix)), f"{package} is not the installed package"
assert libdama.library_path() == os.path.join(package, "lib", "libdama.so.1"), libdama.library_path()
assert os.path.exists(os.path.join(package, "py.typed"))
assert libdama.__version__ == sys.argv[1], libdama.__version__
assert abs(libdama.hardness([20, 25], [21]) - 0.9642640362593909) < 1e-12
try:
    libdama.hardness([], [21])
except ValueError as error:
    assert "empty" in str(error), error
else:
    raise AssertionError("an empty list must be an error")
# No variable names ONNX Runtime: the package must find the installed wheel.
assert importlib.util.find_spec("onnxruntime"), "onnxruntime of the test environment is not visible"
assert "DAMA_ONNXRUNTIME" not in os.environ
scorer = libdama.Scorer(sys.argv[2], threads=1)
image = numpy.full((64, 64, 3), 255, dtype=numpy.uint8)
scores = scorer.score(image, ["a red circle", "a blue square"])
assert scores.shape == (2,) and numpy.isfinite(scores).all(), scores
