"""The page's graphs against PyTorch, its stored pictures, and their weight."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from companion.vision.cyclegan import live
from companion.vision.cyclegan.shipped import load_shipped
from companion.vision.pix2pix.data import to_bytes

FOLDER = Path(__file__).parents[3] / "book/live/vision/cyclegan"


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return live.from_bytes(live.stored_pictures())


@pytest.mark.parametrize(("name", "which"), list(zip(live.GRAPHS, (0, 1), strict=True)))
def test_the_graph_equals_pytorch_at_any_batch(name, which, pictures):
    network = load_shipped()[which]
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx")
    assert [each.name for each in session.get_inputs()] == ["picture"]
    assert [each.name for each in session.get_outputs()] == [live.OUTPUT]
    for some in (pictures[:1], pictures[5:8]):
        (found,) = session.run(None, {"picture": some.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, network(some), atol=1e-4, rtol=1e-4)


def test_the_stored_pictures_are_the_first_of_the_test_set_and_a_landscape(pictures):
    with Image.open(FOLDER / "pictures.png") as strip:
        stored = np.asarray(strip)
    np.testing.assert_array_equal(stored, np.concatenate(to_bytes(pictures).numpy()))
    horse, zebra, empty = pictures[0], pictures[live.STORED], pictures[-1]
    assert len(pictures) == 2 * live.STORED + 1
    assert (horse - zebra).abs().mean() > 0.1
    # The landscape is that of the first horse, which hides a part of it.
    assert 0.05 < (horse != empty).any(dim=0).float().mean() < 0.6


def test_bytes_go_back_and_forth_within_half_a_step(pictures):
    noise = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert (live.from_bytes(to_bytes(noise).numpy()) - noise).abs().max() <= 0.5 / 127.5 + 1e-6
    assert to_bytes(torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)).tolist() == [
        [[[0, 0, 0], [255, 255, 255]]]
    ]


def test_the_page_loads_little():
    files = [path for path in FOLDER.iterdir() if path.suffix in {".onnx", ".png"}]
    assert len(files) == 3
    assert sum(path.stat().st_size for path in files) < 4 * 2**20


def test_the_command_wants_a_folder(capsys):
    assert live.main([]) == 2
    assert "FOLDER" in capsys.readouterr().err
