"""Chapter 3.4, the shipped models, and their decoders as ONNX graphs for the page.

``python -m companion.vision.sketch_rnn.live train conditional`` (or ``decoder_only``) trains one of
the shipped models at the ``laptop`` size. ``python -m companion.vision.sketch_rnn.live export
FOLDER`` writes ``decoder_only.onnx``, ``conditional.onnx``, ``initial.onnx`` and ``model.json``
from them.
"""

import dataclasses
import json
import sys
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.checkpoint import atomic_path, load_weights, save_weights
from companion.live import export, round_weights
from companion.seeds import generator
from companion.vision.sketch_rnn.data import (
    CANVAS,
    MAX_LENGTH,
    TOLERANCE,
    Drawings,
    load_kanji,
    make_batch,
)
from companion.vision.sketch_rnn.model import Architecture, Decoder, SketchRNN, split_output
from companion.vision.sketch_rnn.train import SETTINGS, Settings, evaluate, train

SHIPPED = ("conditional", "decoder_only")
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
CHARACTERS = "信泡抱坪祖料皇美"


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


def shipped_settings(name: str) -> Settings:
    """How a shipped model is trained; ``ValueError`` names one that there is not."""
    if name not in SHIPPED:
        raise ValueError(f"no shipped model {name!r}: there are {' and '.join(SHIPPED)}")
    settings = SETTINGS["laptop"]
    architecture = settings.architecture
    if name == "decoder_only":
        architecture = without_latent(architecture)
    return dataclasses.replace(settings, architecture=architecture, kl_weight=0.25)


def without_latent(architecture: Architecture) -> Architecture:
    """The decoder-only model of the same size."""
    return dataclasses.replace(architecture, latent_size=0)


def train_shipped(name: str, checkpoint: Path | None = None) -> None:
    """Train one shipped model from seed 0, round it to half precision and put it into `WEIGHTS`.

    Its held-out bound, measured after rounding, is recorded beside it.
    """
    model, _ = train(load_kanji("train"), shipped_settings(name), 0, checkpoint, label=name)
    round_weights(model)
    state, metadata = load_weights(WEIGHTS) if WEIGHTS.exists() else ({}, {})
    state = {key: part for key, part in state.items() if not key.startswith(f"{name}.")}
    state |= {f"{name}.{key}": part.half() for key, part in model.state_dict().items()}
    metadata[f"{name} test bound"] = f"{held_out_bound(model):.4f}"
    save_weights(WEIGHTS, state, metadata)


def held_out_bound(model: SketchRNN) -> float:
    """Nats a drawing on the test characters, as recorded with the shipped weights."""
    return evaluate(model, load_kanji("test"), generator(0, "evaluation"))["bound"]


def load_shipped(name: str, path: Path = WEIGHTS) -> SketchRNN:
    """The shipped ``conditional`` or ``decoder_only`` model, in evaluation mode."""
    model = SketchRNN(shipped_settings(name).architecture)
    state, _ = load_weights(path)
    mine = {key: part.float() for key, part in state.items() if key.startswith(f"{name}.")}
    model.load_state_dict({key.removeprefix(f"{name}."): part for key, part in mine.items()})
    return model.eval()


def export_all(folder: Path) -> None:
    """Write the three graphs and ``model.json`` into ``folder``."""
    conditional, decoder_only = load_shipped("conditional"), load_shipped("decoder_only")
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


def main(arguments: list[str]) -> int:
    """The two commands of this module."""
    match arguments:
        case ["train", name]:
            train_shipped(name, Path(f"{name}.checkpoint.safetensors"))
        case ["export", folder]:
            export_all(Path(folder))
        case _:
            print("usage: ... live train conditional|decoder_only | export FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
