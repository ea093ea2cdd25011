"""Chapter 3.4, the judge: which left part has a drawing, and does latent arithmetic change it?

The judge is trained on KanjiVG's own labels, apart from the models it judges, and sees real
drawings only. ``python -m companion.vision.sketch_rnn.probe`` trains the one that is shipped.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.checkpoint import load_weights, save_weights
from companion.seeds import generator
from companion.vision.sketch_rnn.data import (
    Drawings,
    augment,
    evaluation_batches,
    load_kanji,
    make_batch,
)
from companion.vision.sketch_rnn.model import SketchRNN, sample

NUM_PARTS = 12
JUDGE = Path(__file__).with_name("judge.safetensors")


class PartProbe(nn.Module):
    """A bidirectional LSTM classifier of the left part; the last class is "another or none"."""

    def __init__(self, parts: list[str], hidden_size: int = 64):
        super().__init__()
        self.parts = parts
        self.lstm = nn.LSTM(5, hidden_size, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * hidden_size, len(parts) + 1)

    def forward(
        self, strokes: Float[Tensor, "batch time+1 5"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of the left part."""
        packed = nn.utils.rnn.pack_padded_sequence(
            strokes[:, 1:], lengths, batch_first=True, enforce_sorted=False
        )
        _, (hidden, _) = self.lstm(packed)
        return self.output(torch.cat([hidden[0], hidden[1]], dim=-1))

    @torch.no_grad()
    def classify(self, strokes: list[np.ndarray]) -> list[str]:
        """The left part the probe sees in each drawing, "" for another or none."""
        self.eval()
        batch = make_batch(strokes)
        names = [*self.parts, ""]
        return [names[i] for i in self(batch.strokes, batch.lengths).argmax(dim=-1).tolist()]


def most_common_parts(drawings: Drawings, count: int = NUM_PARTS) -> list[str]:
    """The left parts that most drawings have, the most common first."""
    names, counts = np.unique([part for part in drawings.left_parts if part], return_counts=True)
    return [str(names[i]) for i in np.argsort(-counts, kind="stable")[:count]]


def train_probe(drawings: Drawings, seed: int = 0, steps: int = 500) -> PartProbe:
    """A probe trained on augmented drawings of one split."""
    parts = most_common_parts(drawings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = PartProbe(parts)
    optimizer = torch.optim.Adam(probe.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=steps)
    order = generator(seed, "probe")
    labels = part_labels(drawings, parts)
    for _ in range(steps):
        chosen = torch.randint(len(drawings), (100,), generator=order)
        strokes = [drawings.strokes[i] for i in chosen.tolist()]
        batch = make_batch(augment(strokes, order))
        loss = nn.functional.cross_entropy(probe(batch.strokes, batch.lengths), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return probe.eval()


def train_judge() -> None:
    """Train the judge on the training characters and write `JUDGE`, with its held-out accuracy."""
    probe = train_probe(load_kanji("train"))
    accuracy = probe_accuracy(probe, load_kanji("test"))
    metadata = {"parts": " ".join(probe.parts), "test accuracy": f"{accuracy:.4f}"}
    save_weights(JUDGE, probe.state_dict(), metadata)


def load_judge() -> PartProbe:
    """The shipped judge, the same for every model it judges."""
    state, metadata = load_weights(JUDGE)
    probe = PartProbe(metadata["parts"].split())
    probe.load_state_dict(state)
    return probe.eval()


def part_labels(drawings: Drawings, parts: list[str]) -> Int[Tensor, " drawings"]:
    """The class of each drawing's left part, ``len(parts)`` for another or none."""
    classes = {part: index for index, part in enumerate(parts)}
    return torch.tensor([classes.get(part, len(parts)) for part in drawings.left_parts])


def probe_accuracy(probe: PartProbe, drawings: Drawings) -> float:
    """Share of drawings whose left part, or lack of one of the known, the probe names."""
    truth = [part if part in probe.parts else "" for part in drawings.left_parts]
    seen = probe.classify(drawings.strokes)
    return sum(a == b for a, b in zip(seen, truth, strict=True)) / len(truth)


@torch.no_grad()
def encode_all(model: SketchRNN, drawings: Drawings) -> Float[Tensor, "drawings latent"]:
    """The posterior mean of every drawing, in the order of ``drawings``."""
    model.eval()
    order = sorted(range(len(drawings)), key=lambda i: len(drawings.strokes[i]))
    codes = [
        model.encode(batch.strokes, batch.lengths)[0] for batch in evaluation_batches(drawings)
    ]
    stacked = torch.cat(codes)
    result = torch.empty_like(stacked)
    result[torch.tensor(order)] = stacked
    return result


def part_codes(
    model: SketchRNN, drawings: Drawings, parts: list[str]
) -> dict[str, Float[Tensor, " latent"]]:
    """The mean code of the drawings that have each left part."""
    codes = encode_all(model, drawings)
    labels = part_labels(drawings, parts)
    return {part: codes[labels == index].mean(dim=0) for index, part in enumerate(parts)}


def judge_arithmetic(
    model: SketchRNN,
    probe: PartProbe,
    train_drawings: Drawings,
    held_out: Drawings,
    seed: int,
    max_length: int,
    temperature: float = 0.1,
) -> dict[str, float]:
    """Take each held-out drawing's left part out of its code, put another in, and ask the probe.

    ``swapped``: share of the drawings from z - code(old) + code(new) in which the probe sees the
    new part. ``kept``: share of plain reconstructions in which it sees the old one. ``chance``:
    share of plain reconstructions in which it sees the new one.
    """
    centres = part_codes(model, train_drawings, probe.parts)
    codes = encode_all(model, held_out)
    choice = generator(seed, "new parts")
    chosen = [i for i, part in enumerate(held_out.left_parts) if part in centres]
    old = [held_out.left_parts[i] for i in chosen]
    new = []
    for part in old:
        others = [other for other in probe.parts if other != part]
        new.append(others[int(torch.randint(len(others), (), generator=choice))])
    z = codes[chosen]
    shift = torch.stack([centres[b] - centres[a] for a, b in zip(old, new, strict=True)])
    pens = generator(seed, "arithmetic")
    plain = _nonempty(sample(model, z, max_length, temperature, pens))
    moved = _nonempty(sample(model, z + shift, max_length, temperature, pens))
    seen_plain, seen_moved = probe.classify(plain), probe.classify(moved)
    return {
        "swapped": np.mean([a == b for a, b in zip(seen_moved, new, strict=True)]).item(),
        "kept": np.mean([a == b for a, b in zip(seen_plain, old, strict=True)]).item(),
        "chance": np.mean([a == b for a, b in zip(seen_plain, new, strict=True)]).item(),
    }


def _nonempty(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """A drawing that ended at once becomes one tiny step, which the probe can read."""
    tiny = np.array([[0, 0, 1]], dtype=np.float32)
    return [stroke3 if len(stroke3) else tiny for stroke3 in strokes]


if __name__ == "__main__":
    train_judge()
