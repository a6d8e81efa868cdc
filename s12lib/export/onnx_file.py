"""The network as one ONNX file: images as they are go in, logits and a map of evidence for each class come out.

No file gets its name before onnxruntime has read it and answered as the PyTorch model does.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from s12lib.errors import reason
from s12lib.explain.inputs import float32_copy
from s12lib.export.verify import TOLERANCE, Answers, ExportError, FromPixels, Run, verify
from s12lib.files import atomic_path

if TYPE_CHECKING:
    import onnx

    from s12lib.data.splits import Split
    from s12lib.schemas import Card

OPSET = 18  # what torch's exporter writes by itself
IR_VERSION = 8  # the lowest that goes with it, so that every onnxruntime since 1.14 reads the file, on the web too
LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def export_onnx(
    model: nn.Module,
    out: Path,
    precision: str = "float32",
    test: "Split | None" = None,
    card: "Card | None" = None,
) -> dict[str, Any]:
    """Write ``model`` to ``out``, verified on the project's own images and on ``test`` where it is given.

    ``precision="float16"`` halves the file: the weights of convolutions and head are stored in float16 and turned into
    float32 when the file is loaded, so it runs wherever the other does. What ``card`` says of classes, licence and
    accuracy goes into the file's metadata. Returns a report: ``precision``, ``opset``, ``bytes``, ``images`` (how
    many it was verified on), ``largest_difference`` (of a logit or a place of a class map from the model's),
    ``milliseconds`` (the median for one image) and ``test_accuracy`` (a share of 1, or None).
    Raises ExportError, leaving no file, when the answers differ by more than TOLERANCE, when the file cannot be written
    or when the extra ``export`` is not installed; ValueError for another precision; TypeError for another network.
    """
    return export_verified(model, out, precision, Answers.of(model, test), card)


def export_verified(
    model: nn.Module,
    out: Path,
    precision: str,
    expected: Answers,
    card: "Card | None" = None,
    quiet: bool = True,
) -> dict[str, Any]:
    """As :func:`export_onnx`, against answers that are known already."""
    if precision not in TOLERANCE:
        raise ValueError(f"precision must be one of {', '.join(TOLERANCE)}, but it is {precision!r}.")
    require_libraries()
    try:
        proto = onnx_model(model, precision)
        describe(proto, card)
        content = proto.SerializeToString()
        with atomic_path(out) as partial:
            partial.write_bytes(content)
            return {"precision": precision, "opset": OPSET, "bytes": len(content)} | verify(
                runner(partial), expected, TOLERANCE[precision], quiet
            )
    except OSError as error:
        raise ExportError(f"{out} could not be written: {reason(error)}.") from error


def require_libraries() -> None:
    """Raise ExportError unless what the extra ``export`` names is installed."""
    try:
        for name in LIBRARIES:
            import_module(name)
    except ImportError as error:
        raise ExportError(
            f"Exporting needs {error.name}, which is not installed: `make setup` brings it, "
            f"and so does `pip install {' '.join(LIBRARIES)}`."
        ) from error


def onnx_model(model: nn.Module, precision: str) -> "onnx.ModelProto":
    """The graph by torch's exporter, with dynamic batch size and without the traces that the exporter leaves in it."""
    from onnxscript import optimizer

    program = torch.onnx.export(
        FromPixels(float32_copy(model).cpu()).eval(),
        (torch.zeros(2, 32, 32, 3, dtype=torch.uint8),),
        input_names=["images"],
        output_names=["logits", "class_maps"],
        dynamic_shapes={"images": {0: torch.export.Dim("N")}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        optimize=False,  # it would fold BatchNorm into the weights, which would then no longer be float16's own values
        verbose=False,
    )
    assert program is not None
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    proto = program.model_proto
    strip_metadata(proto)
    proto.ir_version = IR_VERSION
    if precision == "float16":
        store_weights_in_float16(proto.graph)
    return proto


def strip_metadata(proto: "onnx.ModelProto") -> None:
    """Clear the exporter's notes, which hold stack traces with the paths of this machine."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def describe(proto: "onnx.ModelProto", card: "Card | None") -> None:
    """Write into the file what a card says, as far as whoever finds the file alone needs it; JSON where not text."""
    from onnx import helper

    from s12lib.weights.pretrained import class_names

    if card is None:
        return
    kept = ("name", "dataset", "recipe", "licence", "intended_use", "test_accuracy", "test_accuracy_tta", "sha256")
    told: dict[str, Any] = {key: value for key, value in card.items() if key in kept and value is not None}
    told["classes"] = list(class_names(card))
    helper.set_model_props(
        proto, {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
    )


def store_weights_in_float16(graph: "onnx.GraphProto") -> None:
    """Halve every weight that is a matrix or more, and put a cast to float32 behind each; BatchNorm stays as it is."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
            name = tensor.name
            with np.errstate(over="ignore"):  # what is too large becomes infinite, and the file is then refused
                halved = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(halved, name + ".half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def runner(path: Path) -> Run:
    """What the file computes, by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda images: session.run(["logits", "class_maps"], {"images": images})
