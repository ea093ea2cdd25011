"""Exporting trained modules as ONNX graphs that run in the reader's browser.

A chapter's ``live.py`` wraps a model's step as a module of tensors in, tensors out.
Weights are stored in half precision, which halves what the page loads; the browser computes in
single precision on the rounded values. `round_weights` makes the PyTorch module that a test holds
the graph to.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from companion.checkpoint import atomic_path

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8
    from torch import Tensor, nn


def write_whole(path: Path, content: str | bytes) -> None:
    """Write one of a page's files, whole or not at all; text as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def png(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """A PNG file: no pixel is changed."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def round_weights(module: nn.Module) -> nn.Module:
    """Round every weight to half precision and back, in place; returns ``module``."""
    import torch

    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(weight.half().float())
    return module


def export(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    """Write ``module`` as an ONNX graph with half-precision weights.

    The first dimension of every input and output is the batch and may vary. ``inputs`` are examples
    by the name of the argument of ``forward``, with a batch of two or more, since one would be
    baked in. Raises ``ModuleNotFoundError`` naming the extra when ONNX is missing, ``ValueError``
    for a batch of one.
    """
    import torch

    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"exporting needs the package {error.name!r}: pip install 'rebuilding-2017[live]'"
        ) from None
    if any(len(example) < 2 for example in inputs.values()):
        raise ValueError("examples need a batch of at least two, or the graph is fixed to one")
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        module.eval(),
        (),
        kwargs=inputs,
        input_names=list(inputs),
        output_names=outputs,
        dynamic_shapes={name: {0: batch} for name in inputs},
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    graph = _with_half_weights(program.model_proto)
    forget_origin(graph)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(graph.SerializeToString())


def forget_origin(model) -> None:
    """Take out of an ONNX model what says where it came from: names of files on its author's disk.

    PyTorch notes for every node the lines of Python that made it.
    """
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _with_half_weights(graph):
    """Store large float initializers in half precision, each followed by a cast to single."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in graph.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 64:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    del graph.graph.value_info[:]
    onnx.checker.check_model(graph)
    return graph
