"""Let ONNX Runtime simplify a graph once, when its file is written, not each time that it is opened."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime


def fold_constants(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function with constants folded and layers fused, and without notes on the code it came from."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(options.optimized_model_filepath)
    del folded.graph.value_info[:]
    for part in (folded.graph, *folded.graph.node, *folded.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    return folded
