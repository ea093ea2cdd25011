"""Chapter 3.9, model: the residual generators, and the four networks of one CycleGAN.

Symbols of Zhu et al. (2017) where our names differ: ``a_to_b`` is G, ``b_to_a`` is F, ``judge_a``
and ``judge_b`` are the discriminators D_X and D_Y.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.vision.pix2pix.model import patch_discriminator

WEIGHT_DEVIATION = 0.02  # of the Gaussian that the weights are drawn from (appendix, section 7.1)
_REDUCTION = 4  # the generator halves the picture twice


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


def _convolution(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    """A convolution that keeps the size, by reflection, and instance normalisation."""
    return [
        nn.ReflectionPad2d(kernel // 2),
        # The normalisation would subtract a bias again.
        nn.Conv2d(in_channels, out_channels, kernel, bias=False),
        nn.InstanceNorm2d(out_channels),
    ]


def resnet_generator(channels: int = 3, width: int = 64, num_blocks: int = 9) -> nn.Sequential:
    """The generator of section 7.2: c7s1, two d, residual blocks, two u, c7s1, tanh.

    It takes and gives pictures (batch, ``channels``, height, width) in [-1, 1], whose sides must be
    multiples of 4. The paper's has ``width`` 64, with 6 blocks at 128x128 and 9 at 256x256.
    """

    def down(k: int) -> list[nn.Module]:
        convolution = nn.Conv2d(k // 2, k, 3, stride=2, padding=1, bias=False)
        return [convolution, nn.InstanceNorm2d(k), nn.ReLU(inplace=True)]

    def up(k: int) -> list[nn.Module]:
        convolution = nn.ConvTranspose2d(
            2 * k, k, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        return [convolution, nn.InstanceNorm2d(k), nn.ReLU(inplace=True)]

    return nn.Sequential(
        *_convolution(channels, width, 7),  # (batch, width, height, width)
        nn.ReLU(inplace=True),
        *down(2 * width),
        *down(4 * width),  # (batch, 4 width, height/4, width/4)
        *(ResidualBlock(4 * width) for _ in range(num_blocks)),
        *up(2 * width),
        *up(width),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, channels, 7),  # neither normalised nor rectified: it sets the colours
        nn.Tanh(),
    )
