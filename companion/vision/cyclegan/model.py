"""Chapter 3.9, model: the residual generators, and the four networks of one CycleGAN.

Symbols of Zhu et al. (2017) where our names differ: ``a_to_b`` is G, ``b_to_a`` is F, ``judge_a``
and ``judge_b`` are the discriminators D_X and D_Y.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.seeds import generator
from companion.vision.cyclegan.data import MULTIPLE
from companion.vision.pix2pix.model import (
    check_images,
    initialise,
    normalisation,
    patch_discriminator,
)

_AT_ONCE = 64  # pictures translated together


@dataclass(frozen=True)
class Architecture:
    """Hyper-parameters of section 7.2; the paper's are those of 256x256 pictures.

    ``width`` is the number of channels of the first layer, ``receptive_field`` the side in pixels
    of the patches that the discriminators judge. Both domains have ``channels`` channels.
    """

    channels: int = 3
    width: int = 64
    num_blocks: int = 9
    discriminator_width: int = 64
    receptive_field: int = 70


class ResidualBlock(nn.Module):
    """R_k of section 7.2: two 3x3 convolutions whose outcome is added to their input."""

    def __init__(self, width: int):
        super().__init__()
        self.change = nn.Sequential(
            *_convolution(width, width, 3), nn.ReLU(inplace=True), *_convolution(width, width, 3)
        )

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Nothing is rectified after the sum, so that a block can do nothing at all."""
        return features + self.change(features)


class FromPicture(nn.Conv2d):
    """A convolution of a picture, whose few channels a processor is slow at."""

    def forward(
        self, images: Float[Tensor, "batch in height width"]
    ) -> Float[Tensor, "batch out rows columns"]:
        """The convolution; in training with the kernel's columns as channels: faster, as exact."""
        if not self.training:
            return super().forward(images)
        height, columns = images.shape[2], self.kernel_size[1]
        shifted = nn.functional.unfold(images, (1, columns))  # (batch, in * columns, pixels)
        weight = self.weight.permute(0, 1, 3, 2).flatten(1, 2).unsqueeze(3)
        return nn.functional.conv2d(shifted.unflatten(2, (height, -1)), weight, self.bias)


class ToPicture(nn.Conv2d):
    """A convolution that makes a picture, whose few channels a processor is slow at."""

    def forward(
        self, features: Float[Tensor, "batch in height width"]
    ) -> Float[Tensor, "batch out rows columns"]:
        """The convolution; in training with the kernel's columns as channels: faster, as exact."""
        if not self.training:
            return super().forward(features)
        columns = self.kernel_size[1]
        # A channel for each column of the kernel, then all of them moved into place and added up.
        weight = self.weight.flip(3).permute(0, 3, 1, 2).flatten(0, 1).unsqueeze(3)
        parts = nn.functional.conv2d(features, weight)  # (batch, out * columns, rows, width)
        size = (parts.shape[2], parts.shape[3] - columns + 1)
        picture = nn.functional.fold(parts.flatten(2), size, (1, columns), padding=(0, columns - 1))
        return picture + self.bias[:, None, None]


def _convolution(
    in_channels: int, out_channels: int, kernel: int, kind: type[nn.Conv2d] = nn.Conv2d
) -> list[nn.Module]:
    """A convolution that keeps the size, by reflection, and instance normalisation.

    That is pix2pix's normalisation: each channel of each picture by itself.
    """
    return [
        nn.ReflectionPad2d(kernel // 2),
        # The normalisation would subtract a bias again.
        kind(in_channels, out_channels, kernel, bias=False),
        normalisation(out_channels),
    ]


def resnet_generator(channels: int = 3, width: int = 64, num_blocks: int = 9) -> nn.Sequential:
    """The generator of section 7.2: c7s1, two d, residual blocks, two u, c7s1, tanh.

    It takes and gives pictures (batch, ``channels``, height, width) in [-1, 1], whose sides must be
    multiples of 4. The paper takes more blocks for larger pictures.
    """

    def down(k: int) -> list[nn.Module]:
        convolution = nn.Conv2d(k // 2, k, 3, stride=2, padding=1, bias=False)
        return [convolution, normalisation(k), nn.ReLU(inplace=True)]

    def up(k: int) -> list[nn.Module]:
        convolution = nn.ConvTranspose2d(
            2 * k, k, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        return [convolution, normalisation(k), nn.ReLU(inplace=True)]

    return nn.Sequential(
        *_convolution(channels, width, 7, FromPicture),  # (batch, width, height, width)
        nn.ReLU(inplace=True),
        *down(2 * width),
        *down(4 * width),  # (batch, 4 width, height/4, width/4)
        *(ResidualBlock(4 * width) for _ in range(num_blocks)),
        *up(2 * width),
        *up(width),
        nn.ReflectionPad2d(3),
        ToPicture(width, channels, 7),  # neither normalised nor rectified: it sets the colours
        nn.Tanh(),
    ).apply(initialise)


class CycleGAN(nn.Module):
    """The four networks: two generators, and a discriminator of each domain.

    ``a_to_b`` and ``b_to_a`` take and give pictures in [-1, 1]; ``judge_a`` and ``judge_b`` give a
    grid of scores, for least squares towards 1 where a patch is from the domain and 0 where not.
    """

    def __init__(self, architecture: Architecture):
        super().__init__()
        channels, field = architecture.channels, architecture.receptive_field
        sizes = (channels, architecture.width, architecture.num_blocks)
        self.a_to_b = resnet_generator(*sizes)
        self.b_to_a = resnet_generator(*sizes)
        self.judge_a = patch_discriminator(channels, field, architecture.discriminator_width)
        self.judge_b = patch_discriminator(channels, field, architecture.discriminator_width)


def new_cyclegan(architecture: Architecture, seed: int) -> CycleGAN:
    """Networks whose first weights depend on ``seed`` alone; the global generator is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(generator(seed, "weights").get_state())
        return CycleGAN(architecture)


@torch.no_grad()
def translate(
    network: nn.Sequential, pictures: Float[Tensor, "n channels height width"]
) -> Float[Tensor, "n channels height width"]:
    """The pictures as ``network``, one of the generators, translates them, each by itself.

    There is no noise: a picture has one translation. Raises ``ValueError`` for pictures that are
    not in [-1, 1], have other channels than the generator's, or sides that are no multiples of 4.
    """
    check_images(pictures, network[1].in_channels, MULTIPLE, "pictures")
    return torch.cat([network(some) for some in pictures.split(_AT_ONCE)])
