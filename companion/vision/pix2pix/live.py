"""Chapter 3.8, the page: the shipped painters as graphs, and test houses to begin with.

``python -m companion.vision.pix2pix.live export FOLDER`` writes ``l1_cgan.onnx``, ``l1.onnx``,
``houses.json`` and ``poster.svg``.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.live import export, png, write_whole
from companion.seeds import generator, numpy_generator
from companion.vision.pix2pix.data import (
    LABELS,
    PALETTE,
    SPLITS,
    Facades,
    colour_labels,
    draw_facades,
    to_bytes,
)
from companion.vision.pix2pix.facade_plans import sample_plan
from companion.vision.pix2pix.model import UNet, translate
from companion.vision.pix2pix.shipped import SHIPPED, load_shipped

GRAPHS = dict(zip(SHIPPED, ("l1_cgan.onnx", "l1.onnx"), strict=True))
OUTPUTS = ["picture"]
SHOWN = SPLITS["test"][
    :8
]  # the houses that the page begins with: the first, whatever they look like
LARGEST = 12  # pixels: a part that is put down by a tap covers no more


class Painter(nn.Module):
    """A U-Net whose noise comes as three arguments, since a graph reads no list."""

    def __init__(self, network: UNet):
        super().__init__()
        self.network = network

    def forward(
        self,
        colours: Float[Tensor, "batch 3 64 64"],
        noise_2: Float[Tensor, "batch 88 2 2"],
        noise_4: Float[Tensor, "batch 88 4 4"],
        noise_8: Float[Tensor, "batch 44 8 8"],
    ) -> Float[Tensor, "batch 3 64 64"]:
        """The picture for label maps in their colours; noise of ones drops nothing."""
        return self.network(colours, [noise_2, noise_4, noise_8])


def example_inputs(network: UNet, houses: Facades) -> dict[str, Tensor]:
    """What `Painter` reads, by name, for houses' label maps and a fixed draw of the noise."""
    colours = colour_labels(houses.labels)
    noise = network.draw_noise(colours, generator(0, "page", "noise"))
    return {"colours": colours} | {f"noise_{mask.shape[2]}": mask for mask in noise}


# --- houses to begin with ----------------------------------------------------------------------


def stored_houses() -> dict:
    """What ``houses.json`` holds: labels with colours and usual sizes, and `SHOWN` in base64.

    A house is its label map, an index a byte, and its true picture, three bytes a pixel, both row
    by row.
    """
    houses = draw_facades(SHOWN)
    maps_and_pictures = zip(SHOWN, houses.labels, to_bytes(houses.pictures), strict=True)
    return {
        "labels": LABELS,
        "palette": PALETTE.tolist(),
        "sizes": usual_sizes(),
        "houses": [
            {"number": number, "labels": _base64(labels), "picture": _base64(picture)}
            for number, labels, picture in maps_and_pictures
        ],
    }


def usual_sizes() -> list[list[int]]:
    """Median height and width in pixels of each label's parts in training houses, to `LARGEST`.

    Sky is no part of any plan and gets the largest.
    """
    plans = [sample_plan(numpy_generator(h, "facade", "plan")) for h in SPLITS["train"][:500]]
    sizes = []
    for label in range(len(LABELS)):
        parts = [part for plan in plans for part in plan.parts if part.label == label]
        found = [(part.bottom - part.top, part.right - part.left) for part in parts]
        median = np.median(found or [(LARGEST, LARGEST)], axis=0)
        sizes.append(np.minimum(median, LARGEST).astype(int).tolist())
    return sizes


def _base64(values: Tensor) -> str:
    return base64.b64encode(values.numpy().tobytes()).decode("ascii")


# --- the poster --------------------------------------------------------------------------------


def poster(networks: dict[str, UNet]) -> str:
    """A still of the page as SVG: a label map, both networks' pictures and the true one."""
    house = draw_facades(SHOWN[:1])
    colours = colour_labels(house.labels)
    pictures = {"label map": colours}
    for objective, network in networks.items():
        pictures[objective] = translate(network, colours, generator(0, "poster"))
    pictures["true picture"] = house.pictures
    parts = [
        f'<image x="{132 * place}" width="120" height="120" href="{_address(picture)}" '
        f'style="image-rendering:pixelated"/><text x="{132 * place + 60}" y="142">{name}</text>'
        for place, (name, picture) in enumerate(pictures.items())
    ]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 516 150" aria-hidden="true" '
        'font-size="16" text-anchor="middle" fill="currentColor">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _address(picture: Float[Tensor, "1 3 64 64"]) -> str:
    """A picture as an address that holds all of it."""
    return "data:image/png;base64," + base64.b64encode(png(to_bytes(picture)[0].numpy())).decode()


# --- the command -------------------------------------------------------------------------------


def export_all(folder: Path, networks: dict[str, UNet]) -> None:
    """Write the graphs, the houses and the poster into ``folder``."""
    for objective, network in networks.items():
        inputs = example_inputs(network, draw_facades(SHOWN[:2]))
        export(Painter(network), inputs, OUTPUTS, folder / GRAPHS[objective])
    write_whole(folder / "houses.json", json.dumps(stored_houses(), separators=(",", ":")) + "\n")
    write_whole(folder / "poster.svg", poster(networks))


def main(arguments: list[str]) -> int:
    """The command of this module."""
    match arguments:
        case ["export", folder]:
            torch.set_num_threads(1)  # networks this small are slower on two
            export_all(Path(folder), {name: load_shipped(name) for name in SHIPPED})
        case _:
            print("usage: ... live export FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
