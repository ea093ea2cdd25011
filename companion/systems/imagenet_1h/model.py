"""Chapter 5.3, model: a small residual network, and ResNet-50, as section 5.1 starts them.

Batch normalisation's gamma and beta are PyTorch's ``weight`` and ``bias``.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.datasets.digits import CLASSES
from companion.systems.imagenet_1h.data import Photographs

BATCH_SIZE = 500  # images that `error` looks at together


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015); halves the image at stride 2.

    ``norm`` makes the layer after each convolution from its number of channels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Callable[[int], nn.Module]):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = norm(outputs)
        self.shortcut = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs)
            )

    def forward(
        self, images: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height/stride width/stride"]:
        """The shortcut plus what the convolutions add to it."""
        hidden = self.norm1(self.conv1(images)).relu()
        return (self.shortcut(images) + self.norm2(self.conv2(hidden))).relu()


def resnet(
    channels: tuple[int, ...] = (8, 16, 32),
    blocks: int = 1,
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
) -> nn.Sequential:
    """A residual network for grey images, from ``(batch, 1, height, width)`` to logits.

    The first convolution halves the image, and so does each stage of ``blocks`` blocks but the
    first; ``channels`` are the stages'. ``norm=nn.Identity`` builds it without batch normalisation.

    Starts as in section 5.1: convolutions by He et al. (2015), gamma 0 at the end of each block, so
    that at first a block passes on its shortcut alone, and the last layer from N(0, 0.01^2).
    """
    layers: list[nn.Module] = [
        nn.Conv2d(1, channels[0], 3, stride=2, padding=1, bias=False),
        norm(channels[0]),
        nn.ReLU(),
    ]
    inputs = channels[0]
    for stage, outputs in enumerate(channels):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(BasicBlock(inputs, outputs, stride, norm))
            inputs = outputs
    output = nn.Linear(inputs, CLASSES)
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), output)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(module, BasicBlock) and isinstance(module.norm2, nn.BatchNorm2d):
            nn.init.zeros_(module.norm2.weight)
    start_output(output)
    return network


def resnet50() -> nn.Module:
    """ResNet-50 of section 5.1, from ``(batch, 3, 224, 224)`` to 1,000 logits.

    torchvision halves the image in a block's 3x3 convolution, as the paper does, and leaves gamma
    at 1 unless asked. Raises ``ModuleNotFoundError`` naming the extra when it is missing.
    """
    try:
        from torchvision.models import resnet50 as build
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "ResNet-50 is torchvision's, which is not installed: run "
            "`pip install rebuilding-2017[photographs]`"
        ) from error
    network = build(weights=None, zero_init_residual=True)
    start_output(network.fc)
    return network


def start_output(layer: nn.Linear) -> None:
    """Weights from N(0, 0.01^2) and biases 0 (section 5.1)."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Its layers of batch normalisation."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def predict(
    network: nn.Module, images: Float[Tensor, "n channels height width"]
) -> Float[Tensor, "n classes"]:
    """Logits in evaluation mode, with the running statistics; the mode is put back afterwards."""
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    logits = [network(part.to(device)).cpu() for part in images.split(BATCH_SIZE)]
    network.train(was_training)
    return torch.cat(logits)


def error(
    network: nn.Module, images: Float[Tensor, "n channels height width"], labels: Int[Tensor, " n"]
) -> float:
    """Share of the images, in percent, that the network gives another label."""
    wrong = predict(network, images).argmax(dim=1) != labels
    return 100 * wrong.double().mean().item()


def photograph_error(network: nn.Module, photographs: Photographs) -> float:
    """`error` of all photographs, read in parts: the middle of each (section 5.1)."""
    wrong = 0.0
    for part in torch.arange(len(photographs)).split(BATCH_SIZE):
        wrong += len(part) * error(network, *photographs.centre(part.tolist()))
    return wrong / len(photographs)
