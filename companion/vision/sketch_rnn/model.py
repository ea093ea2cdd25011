"""Chapter 3.4, model: the sequence-to-sequence variational autoencoder and its sampler.

Symbols of Ha and Eck (2017) where our names differ: ``q`` is the mixture with weights Pi
(``mixture_logits``), means mu, standard deviations sigma (``deviations``) and ``correlations`` rho;
``log_variance`` is sigma-hat; ``temperature`` is tau.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.vision.sketch_rnn.data import START, from_stroke5

Memory = tuple[Tensor, Tensor]  # (hidden, cell), each (batch, decoder_size)


@dataclass(frozen=True)
class Architecture:
    """Hyper-parameters of section 3.2; ``latent_size`` 0 is the decoder-only model."""

    encoder_size: int = 256
    decoder_size: int = 512
    latent_size: int = 128
    num_mixtures: int = 20
    recurrent_keep: float = 0.9


@dataclass(frozen=True)
class Prediction:
    """What the decoder says of the next row, over any leading dimensions ``...``.

    ``mixture_logits``, ``correlations`` (..., M); ``means``, ``deviations`` (..., M, 2), in the
    data's units; ``pen_logits`` (..., 3).
    """

    mixture_logits: Float[Tensor, "*any M"]
    means: Float[Tensor, "*any M 2"]
    deviations: Float[Tensor, "*any M 2"]
    correlations: Float[Tensor, "*any M"]
    pen_logits: Float[Tensor, "*any 3"]


class RecurrentDropoutLSTM(nn.LSTM):
    """One LSTM layer, batch first, with dropout on the candidate (Semeniuta et al. 2016).

    Unlike dropout on the state, it never erases what the cell remembers. In evaluation, without a
    generator, or with ``keep`` 1, this is ``nn.LSTM`` itself; otherwise it runs step by step,
    several times slower.
    """

    def __init__(self, input_size: int, hidden_size: int, keep: float):
        super().__init__(input_size, hidden_size, batch_first=True)
        self.keep = keep

    def forward(
        self,
        inputs: Float[Tensor, "batch time features"],
        memory: Memory,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], Memory]:
        """Outputs at every step, and the last memory."""
        if not self.training or generator is None or self.keep == 1:
            outputs, (hidden, cell) = super().forward(
                inputs, (memory[0].unsqueeze(0), memory[1].unsqueeze(0))
            )
            return outputs, (hidden[0], cell[0])
        hidden, cell = memory
        projected = nn.functional.linear(inputs, self.weight_ih_l0, self.bias_ih_l0)
        outputs = []
        for step in range(inputs.shape[1]):
            gates = projected[:, step] + nn.functional.linear(
                hidden, self.weight_hh_l0, self.bias_hh_l0
            )
            write, forget, candidate, read = gates.chunk(4, dim=-1)
            kept = torch.rand(candidate.shape, generator=generator, device=candidate.device)
            candidate = candidate.tanh() * (kept < self.keep) / self.keep
            cell = forget.sigmoid() * cell + write.sigmoid() * candidate
            hidden = read.sigmoid() * cell.tanh()
            outputs.append(hidden)
        return torch.stack(outputs, dim=1), (hidden, cell)


def reverse_within(
    sequence: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch time features"]:
    """Each sequence's first ``length`` rows in reverse order; the padding stays where it is."""
    steps = torch.arange(sequence.shape[1], device=sequence.device)
    last = lengths.to(sequence.device)[:, None] - 1
    source = torch.where(steps <= last, last - steps, steps)
    return sequence.gather(1, source[..., None].expand_as(sequence))


class Encoder(nn.Module):
    """Two LSTMs, one reading forwards, one backwards, to q(z | drawing) (section 3.2)."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        size = architecture.encoder_size
        self.forwards = RecurrentDropoutLSTM(5, size, architecture.recurrent_keep)
        self.backwards = RecurrentDropoutLSTM(5, size, architecture.recurrent_keep)
        self.mean = nn.Linear(2 * size, architecture.latent_size)
        self.log_variance = nn.Linear(2 * size, architecture.latent_size)

    def forward(
        self,
        strokes: Float[Tensor, "batch time 5"],
        lengths: Int[Tensor, " batch"],
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Mean and log variance of z, from the first ``lengths`` rows of each drawing only."""
        last = (lengths.to(strokes.device) - 1)[:, None, None].expand(-1, 1, self.mean.in_features)
        zeros = strokes.new_zeros(len(strokes), self.forwards.hidden_size)
        ahead, _ = self.forwards(strokes, (zeros, zeros), generator)
        back, _ = self.backwards(reverse_within(strokes, lengths), (zeros, zeros), generator)
        summary = torch.cat([ahead, back], dim=-1).gather(1, last)[:, 0]
        return self.mean(summary), self.log_variance(summary)


class Decoder(nn.Module):
    """An LSTM over the rows so far that predicts the next one (section 3.2)."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.num_mixtures = architecture.num_mixtures
        self.size = architecture.decoder_size
        self.lstm = RecurrentDropoutLSTM(
            5 + architecture.latent_size, self.size, architecture.recurrent_keep
        )
        self.initial = (
            nn.Linear(architecture.latent_size, 2 * self.size) if architecture.latent_size else None
        )
        self.output = nn.Linear(self.size, 6 * self.num_mixtures + 3)

    def initial_memory(self, z: Float[Tensor, "batch latent"]) -> Memory:
        """[h_0; c_0] = tanh(W_z z + b_z), or zeros without a latent code."""
        if self.initial is None:
            zeros = z.new_zeros(len(z), self.size)
            return zeros, zeros
        hidden, cell = self.initial(z).tanh().chunk(2, dim=-1)
        return hidden, cell

    def forward(
        self,
        strokes: Float[Tensor, "batch time 5"],
        z: Float[Tensor, "batch latent"],
        memory: Memory | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Prediction, Memory]:
        """Predictions ``(batch, time, ...)`` of the row after each of ``strokes``; the memory."""
        memory = self.initial_memory(z) if memory is None else memory
        codes = z[:, None].expand(-1, strokes.shape[1], -1)
        outputs, memory = self.lstm(torch.cat([strokes, codes], dim=-1), memory, generator)
        return split_output(self.output(outputs), self.num_mixtures), memory


def split_output(output: Float[Tensor, "*any 6M+3"], num_mixtures: int) -> Prediction:
    """The decoder's 6M + 3 numbers as a `Prediction`: exp for deviations, tanh for correlations."""
    sizes = [num_mixtures, 2 * num_mixtures, 2 * num_mixtures, num_mixtures, 3]
    mixture_logits, means, log_deviations, correlations, pen_logits = output.split(sizes, dim=-1)
    return Prediction(
        mixture_logits=mixture_logits,
        means=means.unflatten(-1, (num_mixtures, 2)),
        deviations=log_deviations.exp().unflatten(-1, (num_mixtures, 2)),
        correlations=correlations.tanh(),
        pen_logits=pen_logits,
    )


class SketchRNN(nn.Module):
    """The model of section 3.2; with ``latent_size`` 0, the decoder-only model of section 3.3."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture) if architecture.latent_size else None
        self.decoder = Decoder(architecture)

    def encode(
        self,
        strokes: Float[Tensor, "batch time+1 5"],
        lengths: Int[Tensor, " batch"],
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Mean and log variance of q(z | drawing); both ``(batch, 0)`` for the decoder-only model.

        ``strokes`` begin with S_0, which the encoder does not read. Raises ``ValueError`` for an
        empty drawing.
        """
        if (lengths < 1).any():
            raise ValueError("an empty drawing cannot be encoded: it needs at least one step")
        if self.encoder is None:
            nothing = strokes.new_zeros(len(strokes), 0)
            return nothing, nothing
        return self.encoder(strokes[:, 1:], lengths, generator)

    def forward(
        self,
        strokes: Float[Tensor, "batch time+1 5"],
        lengths: Int[Tensor, " batch"],
        generator: torch.Generator | None = None,
    ) -> tuple[Prediction, Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Prediction of rows 1 to time from rows 0 to time - 1, mean and log variance of z.

        z = mean + exp(log_variance / 2) * noise; without a generator, z = mean.
        """
        mean, log_variance = self.encode(strokes, lengths, generator)
        z = mean
        if generator is not None:
            noise = torch.randn(mean.shape, generator=generator, device=generator.device)
            z = mean + (log_variance / 2).exp() * noise.to(mean.device)
        prediction, _ = self.decoder(strokes[:, :-1], z, generator=generator)
        return prediction, mean, log_variance


# --- sampling (section 3.2) --------------------------------------------------------------------


def sample_row(
    prediction: Prediction, temperature: float, generator: torch.Generator
) -> Float[Tensor, "batch 5"]:
    """One row for each prediction ``(batch, ...)``, at a temperature in (0, 1] (section 3.2).

    Logits are divided by tau and *variances* multiplied by it, so deviations by its square root.
    Raises ``ValueError`` for a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    batch = torch.arange(len(prediction.pen_logits), device=prediction.pen_logits.device)
    weights = (prediction.mixture_logits / temperature).softmax(dim=-1)
    chosen = torch.multinomial(weights, 1, generator=generator)[:, 0]
    mean = prediction.means[batch, chosen]
    deviation = prediction.deviations[batch, chosen] * temperature**0.5
    rho = prediction.correlations[batch, chosen]
    noise = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean.device)
    dx = noise[:, 0]
    dy = rho * noise[:, 0] + (1 - rho**2).sqrt() * noise[:, 1]
    offset = mean + deviation * torch.stack([dx, dy], dim=-1)
    pens = (prediction.pen_logits / temperature).softmax(dim=-1)
    pen = torch.multinomial(pens, 1, generator=generator)[:, 0]
    return torch.cat([offset, nn.functional.one_hot(pen, 3).to(offset.dtype)], dim=-1)


@torch.no_grad()
def sample(
    model: SketchRNN,
    z: Float[Tensor, "batch latent"],
    max_length: int,
    temperature: float,
    generator: torch.Generator,
    prefix: Float[Tensor, "batch time 5"] | None = None,
) -> list[np.ndarray]:
    """Draw one drawing for each code, as stroke-3 arrays of at most ``max_length`` steps.

    ``prefix`` holds rows of stroke-5 that the pen has already drawn; they begin the result. The
    decoder-only model takes ``z`` of shape ``(batch, 0)``. A drawing that never ends is cut.
    """
    model.eval()
    start = torch.tensor(START, device=z.device).expand(len(z), 1, 5)
    rows = start if prefix is None else torch.cat([start, prefix], dim=1)
    if rows.shape[1] > max_length:
        raise ValueError(f"a beginning of {rows.shape[1] - 1} steps leaves no room in {max_length}")
    drawn = [] if prefix is None else [prefix]
    memory = None
    ended = torch.zeros(len(z), dtype=torch.bool, device=z.device)
    for _ in range(rows.shape[1] - 1, max_length):
        prediction, memory = model.decoder(rows, z, memory)
        last = Prediction(**{name: part[:, -1] for name, part in vars(prediction).items()})
        row = sample_row(last, temperature, generator)
        rows = row[:, None]
        drawn.append(rows)
        ended |= row[:, 4] == 1
        if ended.all():
            break
    return [from_stroke5(stroke5) for stroke5 in torch.cat(drawn, dim=1).cpu().numpy()]


def spherical_interpolation(
    start: Float[Tensor, " latent"], end: Float[Tensor, " latent"], ratio: float
) -> Float[Tensor, " latent"]:
    """The point at ``ratio`` of the great circle from one code to another (White 2016).

    Raises ``ValueError`` where the arc is not defined: a zero vector or two opposite ones.
    """
    norms = start.norm() * end.norm()
    if norms == 0:
        raise ValueError("spherical interpolation needs two codes other than zero")
    angle = torch.acos((start @ end / norms).clamp(-1, 1))
    if angle < 1e-4:
        return torch.lerp(start, end, ratio)
    if angle > torch.pi - 1e-4:
        raise ValueError("no single great circle joins two opposite codes")
    return (torch.sin((1 - ratio) * angle) * start + torch.sin(ratio * angle) * end) / torch.sin(
        angle
    )
