"""Chapter 2.1, model: the stack of dilated causal convolutions that predicts the next sample.

Symbols of van den Oord et al. (2016) where our names differ: ``speakers`` are h (global
conditioning, section 2.5), ``phonemes`` are the time series h_t (local conditioning), z is
``gated``.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from companion.speech.wavenet.data import NUM_CODES, SILENT_CODE

KERNEL_SIZE = 2


@dataclass(frozen=True)
class Architecture:
    """Hyper-parameters of section 2.

    Within each of ``num_blocks`` blocks the dilation doubles from layer to layer: 1, 2, 4, ...;
    with ``dilated`` False it is 1 everywhere, at the same number of weights. ``gated`` False puts a
    ReLU where the paper has its gated unit. ``num_speakers`` or ``num_phonemes`` 0 leaves that
    condition out.
    """

    num_blocks: int = 3
    layers_per_block: int = 10
    residual_channels: int = 128
    skip_channels: int = 256
    num_speakers: int = 0
    num_phonemes: int = 0
    dilated: bool = True
    gated: bool = True

    @property
    def dilations(self) -> tuple[int, ...]:
        """The dilation of every layer, first to last."""
        block = tuple(2**layer if self.dilated else 1 for layer in range(self.layers_per_block))
        return block * self.num_blocks


def receptive_field(dilations: tuple[int, ...], kernel_size: int = KERNEL_SIZE) -> int:
    """How many past samples a prediction depends on: 1 + (kernel size - 1) * sum of dilations."""
    return 1 + (kernel_size - 1) * sum(dilations)


class Layer(nn.Module):
    """One layer of figure 4: a dilated causal convolution, its gate, residual and skip outputs."""

    def __init__(self, architecture: Architecture, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.gated = architecture.gated
        channels = architecture.residual_channels
        width = 2 * channels if self.gated else channels
        self.convolution = nn.Conv1d(channels, width, KERNEL_SIZE, dilation=dilation)
        self.speaker = _embedding(architecture.num_speakers, width)
        self.phoneme = _embedding(architecture.num_phonemes, width)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, architecture.skip_channels, 1)

    def condition(
        self, speakers: Int64[Tensor, " batch"], phonemes: Int64[Tensor, "batch time"]
    ) -> Float[Tensor, "batch width #time"] | float:
        """V_g h + V_g h_t, what the conditions add inside the gate; 0 where there are none."""
        total: Tensor | float = 0.0
        if self.speaker is not None:
            total = total + self.speaker(speakers)[:, :, None]  # the same at every sample
        if self.phoneme is not None:
            total = total + self.phoneme(phonemes).transpose(1, 2)
        return total

    def activate(self, filtered: Float[Tensor, "batch width *time"]) -> Tensor:
        """z = tanh(filter) * sigmoid(gate), equation 2; or a ReLU."""
        if not self.gated:
            return filtered.relu()
        signal, gate = filtered.chunk(2, dim=1)
        return signal.tanh() * gate.sigmoid()

    def forward(
        self,
        inputs: Float[Tensor, "batch channels time"],
        speakers: Int64[Tensor, " batch"],
        phonemes: Int64[Tensor, "batch time"],
    ) -> tuple[Float[Tensor, "batch channels time"], Float[Tensor, "batch skip time"]]:
        """The next layer's input, and this layer's share of the output."""
        past = nn.functional.pad(inputs, (self.dilation * (KERNEL_SIZE - 1), 0))
        filtered = self.convolution(past)  # (batch, width, time)
        gated = self.activate(filtered + self.condition(speakers, phonemes))
        return inputs + self.residual(gated), self.skip(gated)


class WaveNet(nn.Module):
    """The network of section 2, from mu-law codes to logits of the next code."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        # An embedding is the paper's one-hot input followed by a 1x1 convolution.
        self.embedding = nn.Embedding(NUM_CODES, architecture.residual_channels)
        self.layers = nn.ModuleList(
            Layer(architecture, dilation) for dilation in architecture.dilations
        )
        self.hidden = nn.Conv1d(architecture.skip_channels, architecture.skip_channels, 1)
        self.output = nn.Conv1d(architecture.skip_channels, NUM_CODES, 1)

    @property
    def receptive_field(self) -> int:
        """In samples."""
        return receptive_field(self.architecture.dilations)

    def forward(
        self,
        previous: Int64[Tensor, "batch time"],
        speakers: Int64[Tensor, " batch"],
        phonemes: Int64[Tensor, "batch time"],
    ) -> Float[Tensor, "batch codes time"]:
        """Logits of the code at each sample; ``previous`` holds the code one sample before it.

        `shift` makes ``previous`` from a clip. ``phonemes`` are those of the samples that are
        predicted. Raises ``ValueError`` for codes, speakers or phonemes that do not exist.
        """
        check_inputs(self.architecture, previous, speakers, phonemes)
        hidden = self.embedding(previous).transpose(1, 2)  # (batch, channels, time)
        total: Tensor | float = 0.0
        for layer in self.layers:
            hidden, skip = layer(hidden, speakers, phonemes)
            total = total + skip
        return self.head(total)

    def head(self, total: Float[Tensor, "batch skip time"]) -> Float[Tensor, "batch codes time"]:
        """ReLU, 1x1, ReLU, 1x1: from the sum of the skip outputs to logits (figure 4)."""
        return self.output(self.hidden(total.relu()).relu())


def shift(codes: Int64[Tensor, "batch time"]) -> Int64[Tensor, "batch time"]:
    """The code before each sample; before the first there was silence."""
    return nn.functional.pad(codes[:, :-1], (1, 0), value=SILENT_CODE)


def check_inputs(
    architecture: Architecture,
    codes: Int64[Tensor, "batch time"],
    speakers: Int64[Tensor, " batch"],
    phonemes: Int64[Tensor, "batch time"],
) -> None:
    """Raise ``ValueError`` naming the first value or shape that the network does not know."""
    if codes.shape != phonemes.shape or len(codes) != len(speakers):
        raise ValueError(
            f"codes {tuple(codes.shape)}, phonemes {tuple(phonemes.shape)} and speakers "
            f"{tuple(speakers.shape)} do not belong together: expected (batch, time) twice and "
            "(batch,)"
        )
    for name, values, count in (
        ("code", codes, NUM_CODES),
        ("speaker", speakers, architecture.num_speakers),
        ("phoneme", phonemes, architecture.num_phonemes),
    ):
        if count and values.numel() and not 0 <= values.min() <= values.max() < count:
            wrong = values[(values < 0) | (values >= count)][0].item()
            raise ValueError(f"{name} {wrong} does not exist: this network knows 0 to {count - 1}")


def new_model(architecture: Architecture, seed: int) -> WaveNet:
    """A network whose first weights depend on ``seed`` alone; the global stream is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WaveNet(architecture)


def _embedding(number: int, width: int) -> nn.Embedding | None:
    return nn.Embedding(number, width) if number else None
