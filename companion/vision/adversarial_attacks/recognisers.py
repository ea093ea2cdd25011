"""Chapter 3.11, recognisers: which of twelve people, which of ten signs, by small networks.

They are the victims of the attacks in the physical world. Both are trained on pictures taken under
the very views they are tested and attacked under, the faces with and without glasses, the signs
with and without stickers of random colours: neither a new view nor something stuck on is enough to
fool them.
``python -m companion.vision.adversarial_attacks.recognisers`` trains the two that are shipped.
"""

from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from companion.checkpoint import load_weights, save_weights
from companion.progress import track
from companion.seeds import generator
from companion.vision.adversarial_attacks import portraits, signs
from companion.vision.adversarial_attacks.photography import jpeg
from companion.vision.adversarial_attacks.portraits import draw_album, take_portraits
from companion.vision.adversarial_attacks.signs import draw_signs, stick_over, take_signs

KINDS = ("face", "sign")
WEIGHTS = Path(__file__).with_name("recognisers.safetensors")
STEPS = {"face": 700, "sign": 900}
JPEG_QUALITY = 75
TEST_VIEWS = 200  # pictures of each sign in the test


class Recogniser(nn.Module):
    """Three convolutions of stride 2, an average, two layers; pixels in [0, 1] in, logits out."""

    def __init__(self, size: int, classes: int, channels: int = 16):
        super().__init__()
        self.size = size
        last = 4 * channels
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 5, stride=2, padding=2),  # (size / 2)
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),  # (size / 4)
            nn.ReLU(),
            nn.Conv2d(2 * channels, last, 3, stride=2, padding=1),  # (size / 8)
            nn.ReLU(),
            nn.AvgPool2d(2),  # (size / 16)
            nn.Flatten(),
            nn.Linear(last * (size // 16) ** 2, 64),
            nn.ReLU(),
            nn.Linear(64, classes),
        )

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch classes"]:
        """Logits; ``ValueError`` for images of another size than the network was made for."""
        if images.shape[1:] != (3, self.size, self.size):
            raise ValueError(
                f"this recogniser reads images (batch, 3, {self.size}, {self.size}), "
                f"got {tuple(images.shape)}"
            )
        return self.layers(images - 0.5)


def new_recogniser(kind: str, seed: int) -> Recogniser:
    """An untrained recogniser of ``kind`` "face" or "sign", its weights drawn from ``seed``."""
    _check_kind(kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "face":
            return Recogniser(portraits.SIZE, portraits.PEOPLE)
        return Recogniser(signs.SIZE, len(signs.SIGNS))


def train_recogniser(
    kind: str, seed: int, steps: int | None = None, learning_rate: float = 2e-3
) -> Recogniser:
    """Train on fresh views of the training pictures at every step; about a minute on one core."""
    network = new_recogniser(kind, seed)
    steps = STEPS[kind] if steps is None else steps
    random = generator(seed, kind, "training")
    if kind == "face":
        album = draw_album("train")
    else:
        canvases, masks = draw_signs()
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=steps)
    progress = track(range(steps), f"{kind} recogniser")
    for _ in progress:
        if kind == "face":
            rows = torch.randint(len(album), (64,), generator=random)
            images, labels = take_portraits(album.pictures[rows], random), album.labels[rows]
        else:
            labels = torch.randint(len(canvases), (64,), generator=random)
            images = take_signs(stick_over(canvases[labels], random), masks[labels], random)
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.note(f"loss {loss.item():.3f}")
    return network.eval()


def held_out(kind: str, seed: int) -> tuple[Float[Tensor, "n 3 size size"], Int64[Tensor, " n"]]:
    """Held-out pictures through the whole camera and JPEG, and what they show.

    Faces come in situations that no training picture has; signs in views of another stream.
    """
    _check_kind(kind)
    random = generator(seed, kind, "test")
    if kind == "face":
        album = draw_album("test")
        return jpeg(take_portraits(album.pictures, random), JPEG_QUALITY), album.labels
    canvases, masks = draw_signs()
    labels = torch.arange(len(canvases)).repeat_interleave(TEST_VIEWS)
    return jpeg(take_signs(canvases[labels], masks[labels], random), JPEG_QUALITY), labels


@torch.no_grad()
def accuracy(
    network: Recogniser, images: Float[Tensor, "n 3 size size"], labels: Int64[Tensor, " n"]
) -> float:
    """Share of the images that the network names rightly."""
    return (network(images).argmax(dim=1) == labels).float().mean().item()


def train_shipped() -> None:
    """Train both on seed 0 and write `WEIGHTS`, with their accuracy on held-out pictures."""
    state, metadata = {}, {}
    for kind in KINDS:
        network = train_recogniser(kind, seed=0)
        state |= {f"{kind}.{key}": value for key, value in network.state_dict().items()}
        metadata[f"{kind} test"] = f"{accuracy(network, *held_out(kind, seed=0)):.4f}"
    save_weights(WEIGHTS, state, metadata)


def load_recogniser(kind: str, path: str | Path = WEIGHTS) -> Recogniser:
    """The shipped recogniser of ``kind`` "face" or "sign", in evaluation mode.

    Raises ``ValueError`` for another kind, ``CheckpointError`` for a damaged file.
    """
    network = new_recogniser(kind, 0)
    state, _ = load_weights(path)
    prefix = f"{kind}."
    network.load_state_dict(
        {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    )
    return network.eval()


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"there is no recogniser of {kind!r}; there are: {', '.join(KINDS)}")


if __name__ == "__main__":
    train_shipped()
