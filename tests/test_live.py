"""Export: the graph computes what the module does, on weights rounded to half precision."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from companion.live import export, round_weights

LIVE = Path(__file__).parents[1] / "book" / "live"


class Affine(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(80, 100)

    def forward(self, x):
        return self.linear(x).tanh(), x.sum(dim=-1)


def test_the_graph_equals_the_rounded_module_for_any_batch(tmp_path):
    module = round_weights(Affine())
    export(module, {"x": torch.zeros(2, 80)}, ["y", "total"], tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for batch in (1, 5):
        x = torch.randn(batch, 80, generator=torch.Generator().manual_seed(batch))
        y, total = session.run(["y", "total"], {"x": x.numpy()})
        with torch.no_grad():
            expected = module(x)
        np.testing.assert_allclose(y, expected[0], atol=1e-5)
        np.testing.assert_allclose(total, expected[1], atol=1e-5)


def test_large_weights_are_stored_in_half_precision(tmp_path):
    export(Affine(), {"x": torch.zeros(2, 80)}, ["y", "total"], tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    stored = {weight.data_type for weight in graph.initializer if np.prod(weight.dims) >= 64}
    assert stored == {onnx.TensorProto.FLOAT16}
    assert (tmp_path / "net.onnx").stat().st_size < 80 * 100 * 4


def test_the_graph_names_no_place_on_the_disk(tmp_path):
    export(Affine(), {"x": torch.zeros(2, 80)}, ["y", "total"], tmp_path / "net.onnx")
    assert b".py" not in (tmp_path / "net.onnx").read_bytes()


@pytest.mark.parametrize("path", sorted(LIVE.rglob("*.onnx")), ids=lambda path: path.name)
def test_no_shipped_graph_names_a_place_on_the_disk(path):
    assert b".py" not in path.read_bytes()


def test_rounding_is_to_half_precision_and_idempotent():
    module = round_weights(Affine())
    weight = module.linear.weight.detach().clone()
    assert torch.equal(weight, weight.half().float())
    assert torch.equal(round_weights(module).linear.weight, weight)


def test_a_batch_of_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least two"):
        export(Affine(), {"x": torch.zeros(1, 80)}, ["y", "total"], tmp_path / "net.onnx")


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModuleNotFoundError, match=r"rebuilding-2017\[live\]"):
        export(Affine(), {"x": torch.zeros(2, 80)}, ["y", "total"], tmp_path / "net.onnx")
