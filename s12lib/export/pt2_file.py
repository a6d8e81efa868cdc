"""The network as a ``.pt2``: what ``torch.export`` writes, which PyTorch runs without this package's code."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from s12lib.errors import reason
from s12lib.explain.inputs import float32_copy
from s12lib.export.verify import TOLERANCE, Answers, ExportError, FromPixels, Run, verify
from s12lib.files import atomic_path

TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node")  # they name folders of this machine


def export_pt2(model: nn.Module, out: Path, expected: Answers, quiet: bool = True) -> dict[str, Any]:
    """Write ``model`` to ``out`` in float32, verified as the ONNX file is. Raises ExportError, leaving no file.

    ``torch.export.load(out).module()(images)`` takes ``(N, 32, 32, 3)`` uint8 and gives logits and class maps.
    """
    program = torch.export.export(
        FromPixels(float32_copy(model).cpu()).eval(),
        (torch.zeros(2, 32, 32, 3, dtype=torch.uint8),),
        dynamic_shapes={"images": {0: torch.export.Dim("N")}},
    )
    for node in program.graph.nodes:
        for trace in TRACES:
            node.meta.pop(trace, None)
    try:
        with atomic_path(out) as partial:
            content = io.BytesIO()  # on a full disk torch would abort the whole process
            torch.export.save(program, content)
            size = partial.write_bytes(content.getvalue())
            return {"precision": "float32", "bytes": size} | verify(
                runner(partial), expected, TOLERANCE["float32"], quiet
            )
    except OSError as error:
        raise ExportError(f"{out} could not be written: {reason(error)}.") from error


def runner(path: Path) -> Run:
    """What the file computes, by PyTorch."""
    with path.open("rb") as file:
        network = torch.export.load(file).module()

    def run(images: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [output.numpy() for output in network(torch.from_numpy(images))]

    return run
