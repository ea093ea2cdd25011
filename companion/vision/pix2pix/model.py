"""Chapter 3.8, models: the U-Net that draws and the PatchGAN that judges.

Symbols of Isola et al. (2016) where our names differ: the U-Net is G, what it reads x
(``inputs``), what it draws G(x, z), with ``noise`` for z; the discriminator is D, the true picture
y. ``width`` is the number of channels after the first convolution, 64 in the paper. All images lie
in [-1, 1].

Both networks normalise as the paper does in training and in use alike: by the statistics of the
batch at hand, which is one image, so each channel of each image by itself. Batch normalisation in
evaluation mode would use running averages over all images instead, which fit none of them.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEAK = 0.2
KEPT = 0.5  # share of the activations that dropout keeps
NOISY = 3  # innermost blocks of the way up that have dropout
TOGETHER = 50  # images that `translate` takes at once
AS_MATRIX = 16  # pixels up to which training is faster with one matrix product for a convolution
STRIDED = {16: 1, 34: 2, 70: 3, 286: 5}  # receptive field -> convolutions of stride 2


def normalisation(channels: int) -> nn.GroupNorm:
    """Each channel of each image to mean 0 and variance 1, then a learned scale and shift.

    This is batch normalisation at a batch of one, and it stays that at any batch: a group for
    every channel. A single value, as a channel of 1x1 has, would become 0 whatever it was.
    """
    return nn.GroupNorm(channels, channels)


@torch.no_grad()
def initialise(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), scales of the normalisation from N(1, 0.02), no biases (6.2)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.GroupNorm):
        nn.init.normal_(layer.weight, 1.0, 0.02)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(layer.bias)


# --- the generator -----------------------------------------------------------------------------


class Halving(nn.Conv2d):
    """A convolution of 4x4 with stride 2: half the height and width."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool):
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)

    def forward(
        self, images: Float[Tensor, "batch in height width"]
    ) -> Float[Tensor, "batch out height/2 width/2"]:
        """The convolution; in training, of few pixels, as a matrix product: same values, faster."""
        height, width = images.shape[2] // 2, images.shape[3] // 2
        if not self.training or height * width > AS_MATRIX:
            return super().forward(images)
        patches = nn.functional.unfold(images, 4, padding=1, stride=2)  # (batch, 16 in, pixels)
        halved = (self.weight.flatten(1) @ patches).unflatten(2, (height, width))
        return halved if self.bias is None else halved + self.bias[:, None, None]


class Doubling(nn.ConvTranspose2d):
    """A transposed convolution of 4x4 with stride 2: twice the height and width."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool):
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)

    def forward(
        self, images: Float[Tensor, "batch in height width"]
    ) -> Float[Tensor, "batch out 2*height 2*width"]:
        """The convolution; in training, of few pixels, as a matrix product: same values, faster."""
        height, width = images.shape[2:]
        if not self.training or height * width > AS_MATRIX:
            return super().forward(images)
        patches = self.weight.flatten(1).T @ images.flatten(2)  # (batch, 16 out, pixels)
        doubled = nn.functional.fold(patches, (2 * height, 2 * width), 4, padding=1, stride=2)
        return doubled if self.bias is None else doubled + self.bias[:, None, None]


class UNet(nn.Module):
    """Halve until nothing but channels is left, double back, each level shown its twin (3.2.1)."""

    def __init__(self, in_channels: int, out_channels: int, size: int, width: int, skips: bool):
        super().__init__()
        self.in_channels, self.size, self.skips = in_channels, size, skips
        levels = round(math.log2(size))
        widths = [width * min(2**level, 8) for level in range(levels)]
        self.down = nn.ModuleList()
        for level, before in enumerate([in_channels, *widths[:-1]]):
            after = widths[level]
            if 0 < level < levels - 1:
                halving = Halving(before, after, bias=False)
                self.down.append(nn.Sequential(halving, normalisation(after)))
            else:  # the picture's own colours, and the single pixel: nothing is normalised
                self.down.append(nn.Sequential(Halving(before, after, bias=True)))
        self.up = nn.ModuleList()
        for level in reversed(range(levels)):
            before = widths[level] * (2 if skips and level < levels - 1 else 1)
            if level > 0:
                doubling = Doubling(before, widths[level - 1], bias=False)
                self.up.append(nn.Sequential(doubling, normalisation(widths[level - 1])))
            else:
                self.up.append(nn.Sequential(Doubling(before, out_channels, bias=True)))

    def draw_noise(
        self, inputs: Float[Tensor, "batch in height width"], generator: torch.Generator
    ) -> list[Float[Tensor, "batch channels rows columns"]]:
        """z: what dropout multiplies the innermost blocks by, 0 or 2, one tensor a block."""
        noise = []
        for block, layers in enumerate(self.up[:NOISY]):
            scale = self.size // 2 ** (block + 1)  # the block's pixels are so wide in the image
            channels = layers[0].out_channels
            shape = (len(inputs), channels, inputs.shape[2] // scale, inputs.shape[3] // scale)
            kept = torch.rand(shape, generator=generator, device=generator.device) < KEPT
            noise.append(kept.to(inputs.device, inputs.dtype) / KEPT)
        return noise

    def forward(
        self,
        inputs: Float[Tensor, "batch in height width"],
        noise: Sequence[Float[Tensor, "batch channels rows columns"]],
    ) -> Float[Tensor, "batch out height width"]:
        """G(x, z) for ``noise`` as `draw_noise` gives it; with none at all, nothing is dropped."""
        hidden, twins = inputs, []
        for level, layers in enumerate(self.down):
            hidden = layers(hidden if level == 0 else nn.functional.leaky_relu(hidden, LEAK))
            twins.append(hidden)  # (batch, width * min(2^level, 8), height / 2^(level + 1), ...)
        twins.pop()
        for block, layers in enumerate(self.up):
            if self.skips and block > 0:
                hidden = torch.cat([hidden, twins.pop()], dim=1)
            hidden = layers(hidden.relu())  # (batch, ..., height / 2^(levels - 1 - block), ...)
            if block < len(noise):
                hidden = hidden * noise[block]
        return hidden.tanh()


def unet(
    in_channels: int, out_channels: int, size: int = 64, width: int = 32, skips: bool = True
) -> UNet:
    """The generator of section 6.1.1; ``skips=False`` is the encoder-decoder it is compared with.

    ``size`` is the side in pixels that shrinks to 1x1: convolutions of 4x4 and stride 2 halve it
    log2(size) times. The channels grow from ``width`` to eight times that. The paper's own is
    ``unet(3, 3, size=256, width=64)``. Raises ``ValueError`` unless ``size`` is a power of two from
    16 up.
    """
    if size < 16 or size & (size - 1):
        raise ValueError(
            f"images of size {size} cannot be halved down to one pixel by a U-Net: choose 16, 32, "
            "64, 128 or another power of two"
        )
    return UNet(in_channels, out_channels, size, width, skips).apply(initialise)


@torch.no_grad()
def translate(
    network: UNet, inputs: Float[Tensor, "n in height width"], generator: torch.Generator
) -> Float[Tensor, "n out height width"]:
    """Pictures in [-1, 1] for ``inputs``, another one for each state of ``generator``.

    Noise is drawn for all inputs at first, so that a picture does not depend on how many are drawn
    at once. Raises ``ValueError`` for inputs that the network cannot read.
    """
    check_images(inputs, network.in_channels, network.size)
    noise = network.draw_noise(inputs, generator)
    parts = zip(inputs.split(TOGETHER), *(mask.split(TOGETHER) for mask in noise), strict=True)
    return torch.cat([network(part, masks) for part, *masks in parts])


def check_images(images: Tensor, channels: int, multiple: int = 1, name: str = "inputs") -> None:
    """Raise ``ValueError`` unless ``images`` are ``(n, channels, height, width)`` in [-1, 1].

    Height and width must be multiples of ``multiple``.
    """
    shape = tuple(images.shape)
    if images.ndim != 4 or images.shape[0] == 0 or images.shape[1] != channels:
        raise ValueError(
            f"{name} of shape {shape}: expected (n, {channels}, height, width) with n of 1 or "
            "more; convert grey or transparent images, or build the network for their channels"
        )
    if images.shape[2] % multiple or images.shape[3] % multiple or 0 in images.shape[2:]:
        raise ValueError(
            f"{name} of {shape[2]}x{shape[3]} pixels cannot be halved {round(math.log2(multiple))} "
            f"times: crop or resize both sides to a multiple of {multiple}"
        )
    if not images.is_floating_point():
        raise ValueError(
            f"{name} are {images.dtype}: expected floating-point numbers in [-1, 1]; for bytes, "
            "divide by 127.5 and subtract 1"
        )
    lowest, highest = images.min().item(), images.max().item()
    if math.isnan(lowest) or math.isnan(highest):
        raise ValueError(f"{name} hold values that are not numbers (NaN): look where they are made")
    if lowest < -1 or highest > 1:
        raise ValueError(
            f"{name} reach from {lowest:g} to {highest:g}: expected values in [-1, 1]; for [0, 1], "
            "multiply by 2 and subtract 1"
        )


# --- the discriminator -------------------------------------------------------------------------


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Side in pixels of what one output sees through convolutions of (kernel, stride), in order."""
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


class PatchDiscriminator(nn.Module):
    """D: one logit for every patch of an image, positive where it looks real (3.2.2)."""

    def __init__(self, in_channels: int, convolutions: Sequence[tuple[int, int, int]]):
        """``convolutions`` are (channels, kernel, stride) in order; the last gives the logit."""
        super().__init__()
        self.in_channels = in_channels
        self.receptive_field = receptive_field([layer[1:] for layer in convolutions])
        layers: list[nn.Module] = []
        before, last = in_channels, len(convolutions) - 1
        for index, (after, kernel, stride) in enumerate(convolutions):
            normalised = 0 < index < last
            padding = 0 if kernel == 1 else 1
            layers.append(nn.Conv2d(before, after, kernel, stride, padding, bias=not normalised))
            if normalised:
                layers.append(normalisation(after))
            if index < last:
                layers.append(nn.LeakyReLU(LEAK))
            before = after
        self.layers = nn.Sequential(*layers)
        self.smallest = 1  # side in pixels of an image that gives one logit
        for _, kernel, stride in reversed(convolutions):
            self.smallest = (self.smallest - 1) * stride + (1 if kernel == 1 else kernel - 2)

    def forward(
        self, *images: Float[Tensor, "batch _ height width"]
    ) -> Float[Tensor, "batch 1 rows columns"]:
        """Logits of every patch: of pictures, or of inputs and pictures, side by side in channels.

        Raises ``ValueError`` when the channels do not add up to those it was built for, or an image
        is too small to give a logit.
        """
        seen = torch.cat(images, dim=1) if len(images) > 1 else images[0]
        if seen.shape[1] != self.in_channels:
            raise ValueError(
                f"this discriminator sees {self.in_channels} channels, got {seen.shape[1]}: a "
                "conditional one takes inputs and pictures, an unconditional one pictures alone"
            )
        if min(seen.shape[2:]) < self.smallest:
            raise ValueError(
                f"images of {seen.shape[2]}x{seen.shape[3]} pixels are too small for patches of "
                f"{self.receptive_field}: use {self.smallest} pixels a side or more, or a smaller "
                "receptive field"
            )
        return self.layers(seen)


def patch_discriminator(
    in_channels: int, receptive_field: int = 70, width: int = 64
) -> PatchDiscriminator:
    """The PatchGAN of section 6.1.2 that sees patches of ``receptive_field`` pixels a side.

    1 is the PixelGAN, 286 sees all of the paper's image; 16, 34 and 70 lie between. Images need at
    least 1, 6, 12, 24 or 96 pixels a side. Raises ``ValueError`` for any
    other field.
    """
    if receptive_field == 1:
        convolutions = [(width, 1, 1), (2 * width, 1, 1), (1, 1, 1)]
    elif receptive_field in STRIDED:
        strided = STRIDED[receptive_field]
        convolutions = [(width * min(2**index, 8), 4, 2) for index in range(strided)]
        convolutions += [(width * min(2**strided, 8), 4, 1), (1, 4, 1)]
    else:
        fields = ", ".join(map(str, [1, *STRIDED]))
        raise ValueError(f"no discriminator sees patches of {receptive_field}: choose {fields}")
    return PatchDiscriminator(in_channels, convolutions).apply(initialise)
