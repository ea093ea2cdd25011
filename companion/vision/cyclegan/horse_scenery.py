"""Chapter 3.9, what is behind the drawn animals: sky, hills, trees, fences and ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from companion.datasets.face_canvas import along, inside, rgb

if TYPE_CHECKING:
    from companion.vision.cyclegan.horses import Scenes

BACKGROUNDS = ("meadow", "paddock", "woods", "savannah")

_SKIES = ("#5f93cf", "#8fb4d8", "#b9cbd8", "#d8d4cc", "#e6c79a")
_HAZE = ("#cfe0ea", "#e4e8e6", "#e9e2d2", "#f0d8b0")
# The ground goes along its palette, near by and far off alike.
_GROUNDS = {
    "meadow": ("#4f7a34", "#6f9440", "#86a04a"),
    "paddock": ("#6a8a44", "#9a8f5c", "#a58a62"),
    "woods": ("#46602c", "#5f6a38", "#74683f"),
    "savannah": ("#b0924e", "#c4a45a", "#a98a4c"),
}
_TREES = {
    "meadow": ("#3f6a34", "#587a3c"),
    "paddock": ("#47683a", "#60763f"),
    "woods": ("#2a4426", "#3f552e"),
    "savannah": ("#5d6a34", "#76743c"),
}


def scenery(scenes: Scenes, size: int) -> Float[Tensor, "n 3 size size"]:
    """The pictures without their animals, in [0, 1]."""
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = steps.view(1, -1, 1), steps.view(1, 1, -1)
    pixel = 2 / size
    coarse = _grown(scenes.texture, size)
    fine = _grown(scenes.grass, size)
    horizon = scenes.horizon.view(-1, 1, 1)
    sky = along(_SKIES, scenes.sky)[:, :, None, None]
    haze = along(_HAZE, scenes.sky)[:, :, None, None]
    height = ((horizon - y) / 1.1).clamp(0, 1)[:, None].sqrt()
    picture = torch.lerp(haze, sky, height).expand(-1, -1, size, size)
    clouds = (2.5 * (coarse - 0.62)).clamp(0, 0.8) * (y < horizon)
    picture = torch.lerp(picture, torch.full_like(picture, 0.96), clouds[:, None])
    for kind, painter in enumerate((_round_trees, _round_trees, _woods, _acacias)):
        chosen = (scenes.background == kind).view(-1, 1, 1)
        leaves = along(_TREES[BACKGROUNDS[kind]], scenes.tint)[:, :, None, None]
        leaves = leaves * (0.6 + 0.8 * fine[:, None])
        trees = painter(x, y, scenes, coarse, pixel) * chosen
        picture = torch.lerp(picture, leaves, trees[:, None])
    depth = ((y - horizon) / (1 - horizon)).clamp(0, 1)
    grass = 0.80 + 0.16 * depth + (0.12 + 0.30 * depth) * (fine - 0.5) + 0.3 * (coarse - 0.5)
    palettes = torch.stack([along(_GROUNDS[name], scenes.tint) for name in BACKGROUNDS], dim=1)
    ground = palettes[torch.arange(len(scenes)), scenes.background][:, :, None, None]
    ground = torch.lerp(ground, haze, 0.35 * (1 - depth)[:, None] ** 3)
    below = inside(horizon - y, torch.tensor(pixel)).expand_as(grass)
    picture = torch.lerp(picture, ground * grass[:, None], below[:, None])
    return _fence(picture, x, y, scenes, pixel)


def _grown(texture: Float[Tensor, "n 1 rows columns"], size: int) -> Float[Tensor, "n size size"]:
    """Texture between 0 and 1, as coarse as the grid of numbers that it grows from."""
    grown = torch.nn.functional.interpolate(texture, (size, size), mode="bicubic")
    return grown[:, 0].clamp(0, 1)


def _round_trees(x: Tensor, y: Tensor, scenes: Scenes, coarse: Tensor, pixel: float) -> Tensor:
    """A far hedge, and one round tree."""
    horizon, place = scenes.horizon.view(-1, 1, 1), scenes.tree.view(-1, 1, 1)
    hedge = inside(horizon - 0.02 - 0.16 * coarse - y, torch.tensor(pixel))
    radius = 0.22 + 0.12 * (7 * place).sin()
    crown = torch.hypot(x - place, (y - horizon + 0.30) / 1.1) - radius + 0.12 * (coarse - 0.5)
    trunk = torch.maximum((x - place).abs() - 0.035, (y - horizon + 0.15).abs() - 0.15)
    return torch.maximum(hedge, inside(torch.minimum(crown, trunk), torch.tensor(pixel)))


def _woods(x: Tensor, y: Tensor, scenes: Scenes, coarse: Tensor, pixel: float) -> Tensor:
    """A wall of leaves with gaps of sky above."""
    top = scenes.horizon.view(-1, 1, 1) - 0.75 - 0.7 * (coarse - 0.5)
    return inside(top - y, torch.tensor(3 * pixel)) * (0.86 + 0.14 * (23 * x).sin())


def _acacias(x: Tensor, y: Tensor, scenes: Scenes, coarse: Tensor, pixel: float) -> Tensor:
    """Two flat crowns on thin trunks, and bushes on the horizon."""
    horizon, place = scenes.horizon.view(-1, 1, 1), scenes.tree.view(-1, 1, 1)
    shape = inside(horizon - 0.05 * coarse - y, torch.tensor(pixel))
    for shift, scale in ((0.0, 1.0), (1.1, 0.6)):
        # The second tree comes in again at the other side.
        across = x - ((place + shift + 1.2) % 2.4 - 1.2)
        crown = torch.hypot(across / 2.6, y - horizon + 0.42 * scale) - 0.13 * scale
        crown = crown.maximum(y - horizon + 0.38 * scale)
        trunk = torch.maximum(
            across.abs() - 0.022 * scale, (y - horizon + 0.21 * scale).abs() - 0.21 * scale
        )
        shape = torch.maximum(shape, inside(torch.minimum(crown, trunk), torch.tensor(pixel)))
    return shape


def _fence(picture: Tensor, x: Tensor, y: Tensor, scenes: Scenes, pixel: float) -> Tensor:
    """The paddock's rails and posts, behind the animal."""
    base = scenes.horizon.view(-1, 1, 1) + 0.16
    rails = torch.minimum((y - base + 0.10).abs(), (y - base + 0.26).abs()) - 0.024
    along_fence = (x - scenes.tree.view(-1, 1, 1)) % 0.5 - 0.25
    posts = torch.maximum(along_fence.abs() - 0.03, (y - base + 0.16).abs() - 0.18)
    fence = inside(torch.minimum(rails.expand_as(posts), posts), torch.tensor(pixel))
    fence = fence * (scenes.background == BACKGROUNDS.index("paddock")).view(-1, 1, 1)
    wood = torch.where(scenes.tint.view(-1, 1, 1, 1) > 0.5, 0.92, 0.5) * torch.tensor(
        rgb("#f4efe6")
    ).view(1, 3, 1, 1)
    return torch.lerp(picture, wood.expand_as(picture), fence[:, None])
