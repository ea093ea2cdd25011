"""Chapter 3.8, the judge: a network that reads label maps from pictures, frozen before any claim.

The paper's FCN scores (section 4.1): if a picture drawn from a label map is good, a network that
was trained on real pictures reads that label map in it. Its shape and its three metrics are those
of Long, Shelhamer and Darrell (2015): scores at several resolutions, added up.
``python -m companion.vision.pix2pix.segmenter`` trains the one that is shipped.
"""

from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from companion.checkpoint import load_weights, save_weights
from companion.progress import track
from companion.seeds import generator
from companion.vision.pix2pix.data import LABELS, load_facades
from companion.vision.pix2pix.model import check_images

WEIGHTS = Path(__file__).with_name("segmenter.safetensors")
STEPS = 600
BATCH = 16
SCALES = 5  # resolutions whose scores are added: 64, 32, 16, 8 and 4 pixels a side


class Segmenter(nn.Module):
    """Two convolutions at each of five resolutions, each with scores of its own for every label.

    Batch normalisation, trained in batches and frozen to its running averages, lets it learn at a
    higher rate.
    """

    def __init__(self, num_labels: int = len(LABELS), width: int = 16):
        super().__init__()
        self.blocks, self.scores = nn.ModuleList(), nn.ModuleList()
        before = 3
        for scale in range(SCALES):
            after = width * min(2**scale, 4)
            self.blocks.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, stride=1 if scale == 0 else 2, padding=1),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                    nn.Conv2d(after, after, 3, padding=1),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                )
            )
            self.scores.append(nn.Conv2d(after, num_labels, 1))
            before = after

    def forward(
        self, pictures: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch labels height width"]:
        """Logits of every label at every pixel, from pictures in [-1, 1]."""
        hidden, scores = pictures, []
        for block, score in zip(self.blocks, self.scores, strict=True):
            hidden = block(hidden)  # (batch, ..., height / 2^scale, width / 2^scale)
            scores.append(score(hidden))
        total = scores.pop()
        for finer in reversed(scores):
            doubled = nn.functional.interpolate(
                total, size=finer.shape[2:], mode="bilinear", align_corners=False
            )
            total = doubled + finer
        return total


def new_segmenter(seed: int, num_labels: int = len(LABELS)) -> Segmenter:
    """An untrained judge whose weights depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(generator(seed, "segmenter").get_state())
        return Segmenter(num_labels)


def train_segmenter(
    labels: UInt8[Tensor, "n height width"],
    pictures: Float[Tensor, "n 3 height width"],
    seed: int,
    steps: int = STEPS,
    learning_rate: float = 3e-3,
) -> Segmenter:
    """Train a judge on real pictures and their label maps, half of them mirrored, with Adam.

    The rate falls in a straight line. One to two minutes on one core. Raises ``ValueError`` for
    pictures that cannot be read or that do not fit the label maps.
    """
    _check_pairs(labels, pictures)
    network = new_segmenter(seed).train()
    random = generator(seed, "segmenter", "batches")
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=steps)
    progress = track(range(steps), "segmenter")
    for _ in progress:
        rows = torch.randint(len(labels), (BATCH,), generator=random)
        shown, truth = pictures[rows], labels[rows].long()
        if torch.rand((), generator=random) < 0.5:
            shown, truth = shown.flip(-1), truth.flip(-1)
        loss = nn.functional.cross_entropy(network(shown), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.note(f"loss {loss.item():.3f}")
    return network.eval()


@torch.no_grad()
def read_labels(
    network: Segmenter, pictures: Float[Tensor, "n 3 height width"]
) -> UInt8[Tensor, "n height width"]:
    """The most probable label of every pixel. Raises ``ValueError`` for unreadable pictures."""
    check_images(pictures, 3, 2 ** (SCALES - 1), "pictures")
    network.eval()
    return torch.cat([network(part).argmax(dim=1).byte() for part in pictures.split(50)])


# --- metrics (Long et al. 2015, section 5) -----------------------------------------------------


def confusion_matrix(
    predicted: Int[Tensor, "n height width"], labels: Int[Tensor, "n height width"], num_labels: int
) -> Int[Tensor, "true predicted"]:
    """n_ij: how many pixels of label i were read as label j."""
    if predicted.shape != labels.shape:
        raise ValueError(
            f"label maps of {tuple(predicted.shape)} and {tuple(labels.shape)} cannot be compared: "
            "give the same number of the same size"
        )
    pairs = labels.long() * num_labels + predicted.long()
    counts = torch.bincount(pairs.flatten(), minlength=num_labels**2)
    return counts.reshape(num_labels, num_labels)


def pixel_accuracy(confusion: Int[Tensor, "true predicted"]) -> float:
    """Share of the pixels read right: sum_i n_ii / sum_i t_i, where t_i = sum_j n_ij."""
    return (confusion.trace() / confusion.sum()).item()


def class_accuracies(confusion: Int[Tensor, "true predicted"]) -> Float[Tensor, " true"]:
    """n_ii / t_i of every label; not a number (NaN) for one that does not occur."""
    return confusion.diagonal() / confusion.sum(dim=1)


def intersections_over_unions(confusion: Int[Tensor, "true predicted"]) -> Float[Tensor, " true"]:
    """n_ii / (t_i + sum_j n_ji - n_ii) of every label; NaN for one neither true nor read."""
    right = confusion.diagonal()
    return right / (confusion.sum(dim=1) + confusion.sum(dim=0) - right)


def fcn_scores(confusion: Int[Tensor, "true predicted"]) -> dict[str, float]:
    """The paper's three: ``pixel`` and ``class`` accuracy and mean ``iou``, from 0 to 1.

    The two means are over the labels that have a value: see the functions above.
    """
    return {
        "pixel": pixel_accuracy(confusion),
        "class": class_accuracies(confusion).nanmean().item(),
        "iou": intersections_over_unions(confusion).nanmean().item(),
    }


def score(
    network: Segmenter,
    pictures: Float[Tensor, "n 3 height width"],
    labels: UInt8[Tensor, "n height width"],
) -> dict[str, float]:
    """`fcn_scores` of pictures by how well ``network`` reads in them what they were drawn from."""
    num_labels = network.scores[0].out_channels
    return fcn_scores(confusion_matrix(read_labels(network, pictures), labels, num_labels))


# --- the shipped one ---------------------------------------------------------------------------


def train_shipped() -> None:
    """Train on the training façades with seed 0; write `WEIGHTS` with the scores on the test's."""
    houses = load_facades("train")
    network = train_segmenter(houses.labels, houses.pictures, seed=0)
    test = load_facades("test")
    scores = score(network, test.pictures, test.labels)
    texts = {f"test {name}": f"{value:.4f}" for name, value in scores.items()}
    save_weights(WEIGHTS, network.state_dict(), texts)


def load_segmenter(path: str | Path = WEIGHTS) -> Segmenter:
    """The shipped judge, which asks for no gradient; ``CheckpointError`` for a damaged file."""
    network = new_segmenter(0)
    state, _ = load_weights(path)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def _check_pairs(labels: Tensor, pictures: Tensor) -> None:
    check_images(pictures, 3, 2 ** (SCALES - 1), "pictures")
    if labels.shape != (len(pictures), *pictures.shape[2:]):
        raise ValueError(
            f"label maps {tuple(labels.shape)} do not fit pictures {tuple(pictures.shape)}: "
            "expected one index for every pixel, (n, height, width)"
        )


if __name__ == "__main__":
    train_shipped()
