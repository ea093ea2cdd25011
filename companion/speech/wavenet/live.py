"""Chapter 2.1, the shipped model, and its cached step as an ONNX graph for the page.

``python -m companion.speech.wavenet.live train`` trains the shipped model at the ``laptop`` size.
``python -m companion.speech.wavenet.live export FOLDER`` writes ``step.onnx`` and ``model.json``
from it.
"""

import json
import sys
from itertools import groupby
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from companion.checkpoint import atomic_path, load_weights, save_weights
from companion.datasets.speech import (
    DIGITS,
    LETTERS,
    PHRASES,
    SAMPLE_RATE,
    TAKES,
    VOICES,
    load_speech,
)
from companion.live import export, round_weights
from companion.speech.wavenet.data import (
    MU,
    PHONEMES,
    SILENT_CODE,
    is_unseen,
    load_clips,
    phoneme_track,
    thin_out,
)
from companion.speech.wavenet.model import WaveNet
from companion.speech.wavenet.train import SETTINGS, Settings, evaluate, train

WEIGHTS = Path(__file__).with_name("weights.safetensors")
STEP_OUTPUTS = ["logits", "now"]
NAMES = {
    "en-us": "American man",
    "en-us+f2": "American woman",
    "en-us+m7": "American man, another timbre",
    "en-us+klatt2": "American man, Klatt's synthesiser",
    "en-gb-scotland+f3": "Scottish woman",
    "en-029+m4": "Caribbean man",
}
GROUPS = {"digits": DIGITS, "letters": LETTERS, "phrases": PHRASES}
# The last take, which training has of no pair: a test take or, of an unseen pair, an unseen one.
SHOWN_TAKE = TAKES - 1


class StepNetwork(nn.Module):
    """One sample's step of a WaveNet, written out for export in few, large operations.

    It keeps no memory. Whoever calls it stores ``now``, every layer's input, and hands each layer
    as ``past`` what that layer's ``now`` was as many steps ago as its dilation; zeros before the
    first sample. The older taps of all layers are one product, since they are known beforehand,
    and so are all skip outputs. The weights are the model's own, joined but not computed with: a
    sum of two halves need not be a half.

    Raises ``ValueError`` for a network without speakers or without phonemes.
    """

    def __init__(self, model: WaveNet):
        super().__init__()
        architecture = model.architecture
        if not (architecture.num_speakers and architecture.num_phonemes):
            raise ValueError(
                "the page chooses a voice and a text: expected a network with speakers and "
                f"phonemes, got {architecture.num_speakers} and {architecture.num_phonemes}"
            )
        layers = model.layers
        self.layers, self.embedding = layers, model.embedding
        self.hidden, self.output = model.hidden, model.output
        self.older_taps = _joined(
            torch.stack([layer.convolution.weight[:, :, 0].T for layer in layers])
        )  # (layers, channels, width)
        # The next three hold the layers side by side: (any, layers * width).
        self.filter_bias = _joined(torch.cat([layer.convolution.bias for layer in layers]))
        self.speakers = _joined(torch.cat([layer.speaker.weight for layer in layers], dim=1))
        self.phonemes = _joined(torch.cat([layer.phoneme.weight for layer in layers], dim=1))
        weights = [layer.skip.weight[:, :, 0] for layer in layers]
        biases = [layer.skip.bias[:, None] for layer in layers]
        self.skips = _joined(torch.cat(weights + biases, dim=1))  # (skip, layers * (channels + 1))

    def forward(
        self,
        previous: Float[Tensor, "batch 1"],
        speaker: Float[Tensor, "batch 1"],
        phoneme: Float[Tensor, "batch 1"],
        past: Float[Tensor, "batch layers channels"],
    ) -> tuple[Float[Tensor, "batch codes"], Float[Tensor, "batch layers channels"]]:
        """Logits of the next code, and every layer's input.

        ``previous`` is the code before, ``phoneme`` what sounds now. Whole numbers as floats, since
        the page hands over nothing else.
        """
        linear, embedding = nn.functional.linear, nn.functional.embedding
        older = (past[:, :, None] @ self.older_taps).flatten(1)  # (batch, layers * width)
        condition = embedding(speaker[:, 0].long(), self.speakers)
        condition = condition + embedding(phoneme[:, 0].long(), self.phonemes)
        added = older + condition + self.filter_bias
        hidden = self.embedding(previous[:, 0].long())  # (batch, channels)
        now, gated = [], []
        for layer, rest in zip(self.layers, added.chunk(len(self.layers), dim=1), strict=True):
            now.append(hidden)
            filtered = torch.addmm(rest, hidden, layer.convolution.weight[:, :, 1].T)
            gated.append(layer.activate(filtered))
            residual = linear(gated[-1], layer.residual.weight[:, :, 0], layer.residual.bias)
            hidden = hidden + residual
        # A 1 for each layer's skip bias.
        shares = nn.functional.pad(torch.cat(gated, dim=1), (0, len(gated)), value=1.0)
        total = linear(shares, self.skips)  # (batch, skip)
        top = linear(total.relu(), self.hidden.weight[:, :, 0], self.hidden.bias)
        logits = linear(top.relu(), self.output.weight[:, :, 0], self.output.bias)
        return logits, torch.cat(now, dim=1).unflatten(1, (len(now), -1))


def _joined(weights: Tensor) -> nn.Parameter:
    return nn.Parameter(weights.detach().contiguous(), requires_grad=False)


# --- the shipped model -------------------------------------------------------------------------


def shipped_settings() -> Settings:
    """How the shipped model is trained."""
    return SETTINGS["laptop"]


def train_shipped(checkpoint: Path | None = None) -> None:
    """Train the shipped model from seed 0, round it to half precision and write `WEIGHTS`.

    Its bits per sample of test clips, measured after rounding, are recorded beside it.
    """
    model, _ = train(load_clips("train"), shipped_settings(), 0, checkpoint, label="wavenet")
    save_shipped(model, WEIGHTS)


def save_shipped(model: WaveNet, path: Path) -> None:
    """Round ``model`` in place and write it to ``path`` with its "test bits"."""
    round_weights(model)
    state = {name: weight.half() for name, weight in model.state_dict().items()}
    save_weights(path, state, {"test bits": f"{held_out_bits(model):.4f}"})


def held_out_bits(model: WaveNet) -> float:
    """Bits per sample of every fifth test clip, as recorded with the shipped weights.

    A fifth holds every voice and most texts; all of them would take a minute to score.
    """
    return evaluate(model, thin_out(load_clips("test"), 5))


def load_shipped(path: Path = WEIGHTS) -> WaveNet:
    """The shipped model, in evaluation mode. Raises ``CheckpointError`` for a damaged file."""
    model = WaveNet(shipped_settings().architecture)
    state, _ = load_weights(path)
    model.load_state_dict({name: weight.float() for name, weight in state.items()})
    return model.eval()


# --- the page ----------------------------------------------------------------------------------


def export_all(folder: Path, weights: Path = WEIGHTS) -> None:
    """Write the graph and ``model.json`` into ``folder``."""
    model = load_shipped(weights)
    export_step(model, folder / "step.onnx")
    with atomic_path(folder / "model.json") as temporary:
        temporary.write_text(
            json.dumps(describe(model), ensure_ascii=False, separators=(",", ":")),
            encoding="utf-8",
        )


def export_step(model: WaveNet, path: Path) -> None:
    """Write the step of ``model`` as a graph."""
    one = torch.zeros(2, 1)
    past = torch.zeros(2, len(model.layers), model.architecture.residual_channels)
    inputs = {"previous": one, "speaker": one.clone(), "phoneme": one.clone(), "past": past}
    export(StepNetwork(model), inputs, STEP_OUTPUTS, path)


def describe(model: WaveNet) -> dict:
    """What the page needs to know: the network's shape, the voices, the lexicon's phonemes.

    ``tracks[text]`` has an entry for each voice: ``runs``, the phonemes of one take as pairs of
    index and number of samples, and ``unseen``, whether training had this text by other voices
    only.
    """
    return {
        "dilations": list(model.architecture.dilations),
        "channels": model.architecture.residual_channels,
        "sample_rate": SAMPLE_RATE,
        "mu": MU,
        "silent_code": SILENT_CODE,
        "phonemes": list(PHONEMES),
        "voices": [{"id": voice, "name": NAMES[voice]} for voice in VOICES],
        "groups": [{"name": name, "texts": list(texts)} for name, texts in GROUPS.items()],
        "tracks": describe_tracks(),
    }


def describe_tracks() -> dict[str, list[dict]]:
    """``tracks`` of `describe`."""
    takes = {(u.text, u.voice): u for u in load_speech() if u.take == SHOWN_TAKE}
    return {
        text: [
            {
                "runs": [
                    [index, len(list(run))]
                    for index, run in groupby(phoneme_track(takes[text, voice]).tolist())
                ],
                "unseen": is_unseen(text, voice),
            }
            for voice in VOICES
        ]
        for texts in GROUPS.values()
        for text in texts
    }


def main(arguments: list[str]) -> int:
    """The two commands of this module."""
    match arguments:
        case ["train"]:
            train_shipped(Path("wavenet.checkpoint.safetensors"))
        case ["export", folder]:
            export_all(Path(folder))
        case _:
            print("usage: ... live train | export FOLDER", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
