"""The network as one ONNX file: pictures as they are go in, logits and a map of evidence for each class come out.

No file gets its name before onnxruntime has read it and answered as the PyTorch model does.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from s12lib.data.pixels import normalize
from s12lib.data.shapes import draw_shapes
from s12lib.errors import CourseError
from s12lib.explain import class_maps
from s12lib.explain.closed_form import logits_and_class_maps
from s12lib.explain.inputs import CHUNK, float32_copy
from s12lib.files import atomic_path
from s12lib.inference import logits_of

if TYPE_CHECKING:
    import onnx

    from s12lib.data.splits import Split  # which would load Lightning

OPSET = 18  # what torch's exporter writes by itself, and what every onnxruntime since 1.14 reads, on the web too
LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = {"float32": 1e-3, "float16": 2e-2}
"""The precisions, and by how much a logit or a place of a class map may differ from the model's."""


class ExportError(CourseError):
    """An export that did not come about; the message is one sentence for people."""


class FromPixels(nn.Module):
    """What the file computes: ``(N, 32, 32, 3)`` uint8 RGB → logits ``(N, 10)`` and class maps ``(N, 10, 4, 4)``.

    The maps are those of :func:`s12lib.explain.class_maps`, in which one forward pass holds Grad-CAM for every class.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return logits_and_class_maps(self.network, normalize(images))


@dataclass(frozen=True)
class Answers:
    """Pictures ``(N, 32, 32, 3)`` uint8 and what the PyTorch model says of them, on the CPU and in float32."""

    images: np.ndarray
    logits: np.ndarray
    class_maps: np.ndarray
    labels: np.ndarray | None = None  # of the last pictures, the test set's

    @classmethod
    def of(cls, model: nn.Module, test: "Split | None" = None) -> "Answers":
        """Of the project's own pictures, and of a test split behind them."""
        images, labels = reference_images(), None
        if test is not None:
            images, labels = np.concatenate([images, test.images.numpy()]), test.labels.numpy()
        found = logits_of(float32_copy(model), images, CHUNK).numpy()
        return cls(images, found, class_maps(model, images).numpy(), labels)


def reference_images() -> np.ndarray:
    """Fifty drawn pictures, two of noise, a black one and a white one: ``(54, 32, 32, 3)`` uint8."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    flat = np.stack([np.full((32, 32, 3), value, dtype=np.uint8) for value in (0, 255)])
    return np.concatenate([draw_shapes(50, seed=0, split="test")[0], noise, flat])


def export_onnx(model: nn.Module, out: Path, precision: str = "float32", test: "Split | None" = None) -> dict[str, Any]:
    """Write ``model`` to ``out``, verified on the project's own pictures and on ``test`` where it is given.

    ``precision="float16"`` halves the file: the weights of convolutions and head are stored in float16 and turned into
    float32 when the file is loaded, so it runs wherever the other does. Returns a report: ``precision``, ``opset``,
    ``bytes``, ``pictures`` (how many it was verified on), ``largest_difference`` (of a logit or a place of a class map
    from the model's), ``milliseconds`` (the median for one picture) and ``test_accuracy`` (a share of 1, or None).
    Raises ExportError, leaving no file, when the answers differ by more than TOLERANCE, when the file cannot be written
    or when the extra ``export`` is not installed; ValueError for another precision; TypeError for another network.
    """
    return export_verified(model, out, precision, Answers.of(model, test))


def export_verified(model: nn.Module, out: Path, precision: str, expected: Answers) -> dict[str, Any]:
    """As :func:`export_onnx`, against answers that are known already."""
    if precision not in TOLERANCE:
        raise ValueError(f"precision must be one of {', '.join(TOLERANCE)}, but it is {precision!r}.")
    require_libraries()
    try:
        content = onnx_model(model, precision).SerializeToString()
        with atomic_path(out) as partial:
            partial.write_bytes(content)
            return {"precision": precision, "opset": OPSET, "bytes": len(content)} | verify(
                partial, expected, TOLERANCE[precision]
            )
    except OSError as error:
        raise ExportError(f"{out} could not be written: {error.strerror or error}.") from error


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
    if precision == "float16":
        store_weights_in_float16(proto.graph)
    return proto


def strip_metadata(proto: "onnx.ModelProto") -> None:
    """Clear the exporter's notes, which hold stack traces with the paths of this machine."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


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


def verify(path: Path, expected: Answers, tolerance: float) -> dict[str, Any]:
    """How far the file's answers lie from the model's, how fast they come, how many are right. Raises ExportError."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    found = answers_of(session, expected.images)
    pairs = zip(found, (expected.logits, expected.class_maps), strict=True)
    difference = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    if not difference <= tolerance:  # so that NaN is refused too
        raise ExportError(
            f"The exported network's answers differ from the PyTorch model's by up to {difference:.3g}, "
            f"more than {tolerance:g}, so no file was written."
        )
    labels = expected.labels
    right = None if labels is None else float((found[0][-len(labels) :].argmax(1) == labels).mean())
    return {
        "pictures": len(expected.images),
        "largest_difference": difference,
        "milliseconds": milliseconds(session, expected.images[:1]),
        "test_accuracy": right,
    }


def answers_of(session: Any, images: np.ndarray) -> Sequence[np.ndarray]:
    """Logits and class maps from an onnxruntime session: one picture by itself, then CHUNK of them at a time."""
    parts = [images[:1], *(images[start : start + CHUNK] for start in range(1, len(images), CHUNK))]
    answers = [session.run(["logits", "class_maps"], {"images": part}) for part in parts]
    return [np.concatenate(output) for output in zip(*answers, strict=True)]


def milliseconds(session: Any, picture: np.ndarray, rounds: int = 15) -> float:
    """The median time for one picture."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        session.run(None, {"images": picture})
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)
