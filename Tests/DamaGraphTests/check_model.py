"""Checks a model that libdama wrote with the onnx package. Run by hand:

    DAMA_WRITE_ONNX=/tmp/everything.onnx swift test --filter GraphBuilderTests
    python Tests/DamaGraphTests/check_model.py /tmp/everything.onnx
"""

import sys

import onnx

model = onnx.load(sys.argv[1])
for node in model.graph.node:
    # ONNX Runtime defines this operator in ONNX's own domain, where the checker does not know it.
    if node.op_type == "SimplifiedLayerNormalization":
        node.domain = "onnxruntime"
model.opset_import.append(onnx.helper.make_opsetid("onnxruntime", 1))
onnx.checker.check_model(model)
print(f"{sys.argv[1]}: {len(model.graph.node)} valid nodes")
