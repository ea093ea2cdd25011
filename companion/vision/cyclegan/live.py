"""Chapter 3.9, what the page gets: both generators as graphs, test pictures, and a poster.

``python -m companion.vision.cyclegan.live FOLDER`` makes them all anew from the shipped weights.
"""

import base64
import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from companion.live import export, png, write_whole
from companion.vision.cyclegan.failures import redrawn
from companion.vision.cyclegan.horses import draw, scenes_of
from companion.vision.cyclegan.model import translate
from companion.vision.cyclegan.shipped import WEIGHTS, load_shipped
from companion.vision.pix2pix.data import to_bytes

GRAPHS = ("to_zebra", "to_horse")  # A to B and B to A
OUTPUT = "translated"
STORED = 6  # pictures of either domain on the page: the first of the test set

Bytes = UInt8[np.ndarray, "n height width 3"]


class Translation(nn.Module):
    """One generator with the name that the page calls its input by."""

    def __init__(self, generator: nn.Sequential):
        super().__init__()
        self.generator = generator

    def forward(
        self, picture: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """The picture in the other domain, both in [-1, 1]."""
        return self.generator(picture)


def from_bytes(pixels: Bytes) -> Float[Tensor, "n 3 height width"]:
    """The pictures in [-1, 1], as the page hands them to the generators."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1


def stored_pictures() -> Bytes:
    """The first `STORED` horses of the test set, the first zebras, a landscape with neither."""
    horses, zebras = (scenes[:STORED] for scenes in scenes_of("test"))
    nobody = redrawn(horses[:1], x=9.0, rider=False)  # the first horse's, when it has left
    return to_bytes(torch.cat([draw(scenes).images for scenes in (horses, zebras, nobody)])).numpy()


# --- files -------------------------------------------------------------------------------------


def poster(horse: Bytes, to_zebra: nn.Sequential, to_horse: nn.Sequential) -> str:
    """A still of the page as SVG: a horse, its translation, and the way back."""
    zebra = translate(to_zebra, from_bytes(horse))
    back = translate(to_horse, zebra)
    row = np.concatenate([horse, to_bytes(zebra).numpy(), to_bytes(back).numpy()])
    parts = []
    for index, (pixels, words) in enumerate(zip(row, ("picture", "there", "back"), strict=True)):
        x, data = 150 * index, base64.b64encode(png(pixels)).decode("ascii")
        parts.append(
            f'<image x="{x}" width="110" height="110" href="data:image/png;base64,{data}"/>'
            f'<text x="{x + 55}" y="134">{words}</text>'
        )
        if index:
            parts.append(f'<text x="{x - 20}" y="62">→</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 410 140" aria-hidden="true" '
        'font-size="20" text-anchor="middle" fill="currentColor">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def export_all(folder: Path, weights: Path = WEIGHTS) -> None:
    """Write ``to_zebra.onnx``, ``to_horse.onnx``, ``pictures.png`` and ``poster.svg``.

    ``pictures.png`` holds the pictures of `stored_pictures` one below the other.
    """
    networks = load_shipped(weights)
    example = {"picture": torch.zeros(2, 3, 64, 64)}
    for name, network in zip(GRAPHS, networks, strict=True):
        export(Translation(network), example, [OUTPUT], folder / f"{name}.onnx")
    pictures = stored_pictures()
    write_whole(folder / "pictures.png", png(np.concatenate(pictures)))
    write_whole(folder / "poster.svg", poster(pictures[:1], *networks))


def main(arguments: list[str]) -> int:
    """The command of this module."""
    match arguments:
        case [folder]:
            export_all(Path(folder))
        case _:
            print("usage: python -m companion.vision.cyclegan.live FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
