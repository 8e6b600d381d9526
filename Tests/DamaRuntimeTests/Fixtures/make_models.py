"""Writes the small ONNX models beside this file. Needs the package onnx; run by hand."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

HERE = Path(__file__).parent
OPSETS = [helper.make_opsetid("", 20)]


def save(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=9)
    onnx.checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


# y = x w + b with the external weights w [3, 2] and b [2], which the creator of the session provides.
def external(name, shape):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="dev/null")
    return tensor


graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "b"], ["y"])],
    "external",
    [value("x", TensorProto.FLOAT, ["n", 3])],
    [value("y", TensorProto.FLOAT, ["n", 2])],
    [external("w", [3, 2]), external("b", [2])],
)
model = helper.make_model(graph, opset_imports=OPSETS, ir_version=9)
(HERE / "external.onnx").write_bytes(model.SerializeToString())

# Several element types of inputs and outputs.
save(
    "types",
    [
        helper.make_node("Add", ["i", "i"], ["i2"]),
        helper.make_node("Not", ["b"], ["nb"]),
        helper.make_node("Neg", ["d"], ["nd"]),
        helper.make_node("Cast", ["u"], ["uf"], to=TensorProto.FLOAT),
    ],
    [
        value("i", TensorProto.INT64, ["n"]),
        value("b", TensorProto.BOOL, ["n"]),
        value("d", TensorProto.DOUBLE, ["n"]),
        value("u", TensorProto.UINT8, ["n"]),
    ],
    [
        value("i2", TensorProto.INT64, ["n"]),
        value("nb", TensorProto.BOOL, ["n"]),
        value("nd", TensorProto.DOUBLE, ["n"]),
        value("uf", TensorProto.FLOAT, ["n"]),
    ],
)

# A long loop, to be stopped in the middle: y = x + steps.
body = helper.make_graph(
    [helper.make_node("Add", ["x_in", "one"], ["x_out"]), helper.make_node("Identity", ["cond_in"], ["cond_out"])],
    "body",
    [value("i", TensorProto.INT64, []), value("cond_in", TensorProto.BOOL, []), value("x_in", TensorProto.FLOAT, [1])],
    [value("cond_out", TensorProto.BOOL, []), value("x_out", TensorProto.FLOAT, [1])],
    [helper.make_tensor("one", TensorProto.FLOAT, [1], np.ones(1, np.float32))],
)
save(
    "loop",
    [helper.make_node("Loop", ["steps", "", "x"], ["y"], body=body)],
    [value("steps", TensorProto.INT64, []), value("x", TensorProto.FLOAT, [1])],
    [value("y", TensorProto.FLOAT, [1])],
)
