"""Chapter 3.11, photography: print a thing, photograph it from somewhere, and look at the JPEG.

An attack on the physical world has to survive what lies between the attacker's screen and the
network: the printer's few colours, the angle and distance of the camera, light, blur, noise and
compression. All but print and JPEG are differentiable in what is photographed, so that an attack
can be optimised in expectation over random views; Evtimov et al. 2017 take the expectation over
photographs of the sign and over drawn transformations.

A *canvas* is what hangs there, seen straight on; a *picture* is what the camera sees. Both are
[-1, 1] x [-1, 1] in their own coordinates, x to the right and y down.
"""

import io
import itertools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

_DISTANCE = 4.0  # of the camera, in half canvases: how strong the perspective is

# What our printer can do: eight colours, none as dark as black nor as light as white, and a grey.
# Without the grey, the product in Sharif et al.'s printability score would draw pixels to the
# middle between the eight all the same: a minimum of the score that no ink can print.
PRINTABLE = torch.tensor([*itertools.product((0.1, 0.9), repeat=3), (0.5, 0.5, 0.5)])  # (9, 3)


@dataclass(frozen=True)
class Camera:
    """From where and how pictures are taken: pairs are ranges, single numbers limits about zero.

    Angles in degrees. ``scales`` is the canvas's width as a share of the picture's, ``shift`` is in
    half pictures, ``gains`` and ``tint`` multiply the light, ``offset`` adds haze or darkness in
    units of full white, ``blurs`` is the deviation of the blur in pixels, ``noises`` that of the
    sensor's noise in units of full white.
    """

    yaw: tuple[float, float] = (-35, 35)
    pitch: float = 15
    roll: float = 8
    scales: tuple[float, float] = (0.6, 0.95)
    shift: float = 0.08
    gains: tuple[float, float] = (0.6, 1.15)
    tint: float = 0.06
    offset: float = 0.05
    blurs: tuple[float, float] = (0.0, 0.9)
    noises: tuple[float, float] = (0.0, 0.04)


@dataclass(frozen=True)
class Views:
    """How each of ``n`` pictures is taken. ``homographies`` lead from picture to canvas."""

    homographies: Float[Tensor, "n 3 3"]
    gains: Float[Tensor, "n 3"]
    offsets: Float[Tensor, " n"]
    blurs: Float[Tensor, " n"]
    noises: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.homographies)


def sample_views(camera: Camera, count: int, generator: torch.Generator) -> Views:
    """``count`` views spread evenly over what ``camera`` allows."""

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def around(limit: float, *shape: int) -> Tensor:
        return between(-limit, limit, *shape)

    homographies = homography(
        between(*camera.yaw),
        around(camera.pitch),
        around(camera.roll),
        between(*camera.scales),
        around(camera.shift, 2),
    )
    return Views(
        homographies,
        between(*camera.gains, 1) * (1 + around(camera.tint, 3)),
        around(camera.offset),
        between(*camera.blurs),
        between(*camera.noises),
    )


def straight_views(count: int, scale: float = 1.0) -> Views:
    """``count`` times the one ideal view: straight on, in neutral light, sharp, without noise."""
    zeros = torch.zeros(count)
    homographies = homography(zeros, zeros, zeros, zeros + scale, torch.zeros(count, 2))
    return Views(homographies, torch.ones(count, 3), zeros, zeros, zeros)


def homography(
    yaw: Float[Tensor, " n"],
    pitch: Float[Tensor, " n"],
    roll: Float[Tensor, " n"],
    scale: Float[Tensor, " n"],
    shift: Float[Tensor, "n 2"],
) -> Float[Tensor, "n 3 3"]:
    """The map from picture to canvas of a flat canvas turned about its middle before a camera.

    In degrees, ``yaw`` turns the canvas's right edge away, ``pitch`` its lower edge, ``roll``
    turns it clockwise. Straight on, the canvas's width is ``scale`` times the picture's.
    """
    yaw, pitch, roll = (angle * (math.pi / 180) for angle in (yaw, pitch, roll))
    rotation = _rotation(yaw, 0, 2) @ _rotation(pitch, 1, 2) @ _rotation(roll, 0, 1)
    # The canvas's points (x, y, 0), turned, stand `_DISTANCE` before the camera.
    projection = torch.cat([rotation[:, :, :2], torch.zeros(len(yaw), 3, 1)], dim=2)
    projection[:, 2, 2] = _DISTANCE
    projection[:, :2] = projection[:, :2] * (scale * _DISTANCE)[:, None, None]
    moved = torch.eye(3).repeat(len(yaw), 1, 1)
    moved[:, :2, 2] = shift
    return torch.linalg.inv(moved @ projection)


def _rotation(angle: Float[Tensor, " n"], first: int, second: int) -> Float[Tensor, "n 3 3"]:
    """Rotation by ``angle`` that turns axis ``first`` towards axis ``second``."""
    matrix = torch.eye(3).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, second, first] = angle.sin()
    matrix[:, first, second] = -angle.sin()
    return matrix


# --- taking pictures ---------------------------------------------------------------------------


def photograph(
    canvas: Float[Tensor, "#n 3 height width"],
    mask: Float[Tensor, "#n 1 height width"],
    background: Float[Tensor, "n 3 size size"],
    views: Views,
    generator: torch.Generator,
) -> Float[Tensor, "n 3 size size"]:
    """Pictures of ``canvas``, cut out by ``mask``, before ``background``; in [0, 1].

    The noise comes from ``generator``. Raises ``ValueError`` when views and backgrounds differ in
    number or a colour lies outside [0, 1].
    """
    if len(views) != len(background):
        raise ValueError(f"{len(views)} views need as many backgrounds, got {len(background)}")
    check_colours(canvas, "canvas")
    scene = place(canvas, mask, background, views.homographies)
    return develop(scene, views, generator)


def place(
    canvas: Float[Tensor, "#n 3 height width"],
    mask: Float[Tensor, "#n 1 height width"],
    background: Float[Tensor, "n 3 size size"],
    homographies: Float[Tensor, "n 3 3"],
) -> Float[Tensor, "n 3 size size"]:
    """The scene: the canvas where the homographies put it, the background elsewhere."""
    count, _, size, _ = background.shape
    steps = (torch.arange(size, dtype=canvas.dtype) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(1, -1, 3)
    there = points @ homographies.transpose(1, 2)  # (n, size * size, 3)
    grid = (there[..., :2] / there[..., 2:]).view(count, size, size, 2)
    shown = canvas * mask
    cut = torch.cat([shown, mask.expand(len(shown), -1, -1, -1)], dim=1)
    seen = torch.nn.functional.grid_sample(cut.expand(count, -1, -1, -1), grid, align_corners=False)
    return seen[:, :3] + (1 - seen[:, 3:]) * background


def develop(
    scene: Float[Tensor, "n 3 size size"], views: Views, generator: torch.Generator
) -> Float[Tensor, "n 3 size size"]:
    """The scene under the views' light, through their lens, on their sensor; in [0, 1]."""
    lit = scene * views.gains[:, :, None, None] + views.offsets[:, None, None, None]
    noise = torch.randn(scene.shape, generator=generator) * views.noises[:, None, None, None]
    return (blur(lit, views.blurs) + noise).clamp(0, 1)


def blur(
    images: Float[Tensor, "n channels height width"], deviations: Float[Tensor, " n"]
) -> Float[Tensor, "n channels height width"]:
    """Each image under its own Gaussian blur, ``deviations`` in pixels; 0 leaves it as it is."""
    count, channels, *_ = images.shape
    reach = max(1, math.ceil(3 * float(deviations.max())))
    steps = torch.arange(-reach, reach + 1)
    kernels = torch.exp(-(steps**2) / (2 * deviations.clamp_min(1e-3)[:, None] ** 2))
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    rows = torch.nn.functional.pad(images, [reach] * 4, mode="replicate")
    rows = rows.view(1, count * channels, *rows.shape[2:])
    rows = torch.nn.functional.conv2d(rows, kernels[:, None, :, None], groups=count * channels)
    rows = torch.nn.functional.conv2d(rows, kernels[:, None, None, :], groups=count * channels)
    return rows.view(images.shape)


def jpeg(
    images: Float[Tensor, "n 3 height width"], quality: int
) -> Float[Tensor, "n 3 height width"]:
    """What is left of the images after JPEG at ``quality`` (1 to 95). Not differentiable."""
    if not 1 <= quality <= 95:
        raise ValueError(f"JPEG quality is {quality}; it must lie between 1 and 95")
    check_colours(images, "images")
    read = []
    for image in images.detach():
        file = io.BytesIO()
        pixels = (image * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        with Image.open(file) as opened:
            data = bytearray(opened.convert("RGB").tobytes())
        read.append(torch.frombuffer(data, dtype=torch.uint8).view(pixels.shape))
    return torch.stack(read).permute(0, 3, 1, 2).float() / 255


def print_on_paper(
    patch: Float[Tensor, "3 height width"],
    generator: torch.Generator,
    palette: Float[Tensor, "colours 3"] = PRINTABLE,
    ink_noise: float = 0.02,
) -> Float[Tensor, "3 height width"]:
    """One print: each pixel in the palette's nearest colour, with the ink's unevenness."""
    check_colours(patch, "patch")
    pixels = patch.flatten(1).T  # (height * width, 3)
    nearest = palette[torch.cdist(pixels, palette).argmin(dim=1)]
    printed = nearest.T.view(patch.shape)
    noise = ink_noise * torch.randn(patch.shape, generator=generator)
    return (printed + noise).clamp(0, 1)


def check_colours(images: Tensor, name: str) -> None:
    """Raise ``ValueError`` unless all values lie in [0, 1]."""
    if not ((images >= 0) & (images <= 1)).all():
        low, high = images.min().item(), images.max().item()
        raise ValueError(
            f"the colours of {name} must lie in [0, 1], got {low:.3g} to {high:.3g}: "
            "divide bytes by 255, undo any normalisation"
        )
