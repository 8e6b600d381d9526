"""Run by Tests/Install/run with the installed package alone, away from the tree."""

import importlib.util
import os
import sys

import dama

package = os.path.dirname(os.path.realpath(dama.__file__))
assert package.startswith(os.path.realpath(sys.prefix)), f"{package} is not the installed package"
assert dama.library_path() == os.path.join(package, "lib", "libdama.so.0"), dama.library_path()
assert os.path.exists(os.path.join(package, "py.typed"))
assert dama.__version__ == sys.argv[1], dama.__version__
assert abs(dama.hardness([20, 25], [21]) - 0.9642640362593909) < 1e-12
try:
    dama.hardness([], [21])
except ValueError as error:
    assert "empty" in str(error), error
else:
    raise AssertionError("an empty list is an error")
assert importlib.util.find_spec("onnxruntime"), "the test environment lends its onnxruntime"
