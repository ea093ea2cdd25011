"""Chapter 3.4, the page: decoder steps as ONNX graphs, and what the demo needs to know beside them.

``python -m companion.vision.sketch_rnn.live FOLDER`` writes ``decoder_only.onnx``,
``conditional.onnx``, ``initial.onnx`` and ``model.json`` from the shipped weights.
"""

import json
import sys
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.checkpoint import atomic_path, load_weights
from companion.live import export, round_weights
from companion.vision.sketch_rnn.data import (
    CANVAS,
    MAX_LENGTH,
    TOLERANCE,
    Drawings,
    load_kanji,
    make_batch,
)
from companion.vision.sketch_rnn.model import Architecture, Decoder, SketchRNN, split_output
from companion.vision.sketch_rnn.train import SETTINGS

WEIGHTS = Path(__file__).with_name("weights.safetensors")
STEP_OUTPUTS = [
    "mixture_logits",
    "means",
    "deviations",
    "correlations",
    "pen_logits",
    "h_next",
    "c_next",
]
# Held-out characters of the test split, for the walk between two of them.
CHARACTERS = "村池時花町校秋雪"


class DecoderStep(nn.Module):
    """One step of a decoder, written out so that it exports as a handful of matrix products."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(
        self,
        point: Float[Tensor, "batch 5"],
        h: Float[Tensor, "batch hidden"],
        c: Float[Tensor, "batch hidden"],
        z: Float[Tensor, "batch latent"] | None = None,
    ) -> tuple[Tensor, ...]:
        """The tensors named in `STEP_OUTPUTS`."""
        lstm = self.decoder.lstm
        features = point if z is None else torch.cat([point, z], dim=-1)
        gates = nn.functional.linear(features, lstm.weight_ih_l0, lstm.bias_ih_l0)
        gates = gates + nn.functional.linear(h, lstm.weight_hh_l0, lstm.bias_hh_l0)
        write, forget, candidate, read = gates.chunk(4, dim=-1)
        c = forget.sigmoid() * c + write.sigmoid() * candidate.tanh()
        h = read.sigmoid() * c.tanh()
        prediction = split_output(self.decoder.output(h), self.decoder.num_mixtures)
        return (*vars(prediction).values(), h, c)


class InitialMemory(nn.Module):
    """The decoder's first memory from a code."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Float[Tensor, "batch latent"]) -> tuple[Tensor, Tensor]:
        """``h`` and ``c``, each ``(batch, hidden)``."""
        return self.decoder.initial_memory(z)


def load_shipped(name: str, path: Path = WEIGHTS) -> SketchRNN:
    """The shipped ``conditional`` or ``decoder_only`` model, in evaluation mode."""
    if name not in ("conditional", "decoder_only"):
        raise ValueError(f"no shipped model {name!r}: there are 'conditional' and 'decoder_only'")
    state, _ = load_weights(path)
    architecture = SETTINGS["laptop"].architecture
    if name == "decoder_only":
        architecture = without_latent(architecture)
    model = SketchRNN(architecture)
    prefix = f"{name}."
    model.load_state_dict(
        {key.removeprefix(prefix): part for key, part in state.items() if key.startswith(prefix)}
    )
    return model.eval()


def without_latent(architecture: Architecture) -> Architecture:
    """The decoder-only model of the same size."""
    return Architecture(**{**vars(architecture), "latent_size": 0})


def export_all(folder: Path) -> None:
    """Write the three graphs and ``model.json`` into ``folder``."""
    conditional = round_weights(load_shipped("conditional"))
    decoder_only = round_weights(load_shipped("decoder_only"))
    architecture = conditional.architecture
    hidden, latent = architecture.decoder_size, architecture.latent_size
    point, memory, z = torch.zeros(2, 5), torch.zeros(2, hidden), torch.zeros(2, latent)
    step = {"point": point, "h": memory, "c": memory.clone()}
    export(DecoderStep(decoder_only.decoder), step, STEP_OUTPUTS, folder / "decoder_only.onnx")
    export(
        DecoderStep(conditional.decoder),
        {**step, "z": z},
        STEP_OUTPUTS,
        folder / "conditional.onnx",
    )
    export(InitialMemory(conditional.decoder), {"z": z}, ["h", "c"], folder / "initial.onnx")
    description = {
        "hidden": hidden,
        "latent": latent,
        "scale": round(load_kanji("test").scale, 4),
        "canvas": CANVAS,
        "tolerance": TOLERANCE,
        "max_length": MAX_LENGTH,
        "characters": describe_characters(conditional, load_kanji("test")),
    }
    with atomic_path(folder / "model.json") as temporary:
        temporary.write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")


def describe_characters(model: SketchRNN, drawings: Drawings) -> list[dict]:
    """Code, strokes and first point of each of `CHARACTERS`, as plain numbers."""
    described = []
    for name in CHARACTERS:
        index = drawings.index(name)
        stroke3 = drawings.strokes[index]
        batch = make_batch([stroke3])
        with torch.no_grad():
            code, _ = model.encode(batch.strokes, batch.lengths)
        described.append(
            {
                "name": name,
                "z": [round(value, 4) for value in code[0].tolist()],
                "strokes": [[round(float(value), 4) for value in row] for row in stroke3],
                "start": [round(float(value), 2) for value in drawings.starts[index]],
            }
        )
    return described


if __name__ == "__main__":
    export_all(Path(sys.argv[1]))
