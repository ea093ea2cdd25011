"""Chapter 1.1, model: encoder, attention and decoder of section 3.

Symbols of Wu et al. (2016) where our names differ: ``encodings`` are x_1 to x_M, ``query`` is
y_(i-1), the bottom decoder layer's previous output, ``context`` is a_i, ``weights`` are p_t.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from companion.seeds import generator

FIRST_RESIDUAL = 2  # "from the layer third from the bottom" (figure 1), counted from 0


@dataclass(frozen=True)
class Architecture:
    """Hyper-parameters of section 3; encoder and decoder have ``num_layers`` each.

    ``attention`` False sends the encoding of the last source piece to the decoder at every step,
    as Cho et al. (2014) do, in place of a weighted mean. ``residual`` False leaves out the sums of
    section 3.1. ``dropout`` is the probability of setting an entry between layers to 0.
    """

    vocabulary_size: int
    embedding_size: int = 1024
    hidden_size: int = 1024
    attention_size: int = 1024
    num_layers: int = 8
    attention: bool = True
    residual: bool = True
    dropout: float = 0.2

    def adds(self, layer: int) -> bool:
        """Whether the input of this layer, counted from 0 at the bottom, is added to its output."""
        return self.residual and layer >= FIRST_RESIDUAL


@dataclass(frozen=True)
class Memory:
    """What the decoder knows of the sources: made once a batch by `Translator.encode`."""

    encodings: Float[Tensor, "batch source hidden"]
    keys: Float[Tensor, "batch source attention"]  # the encodings' share inside the tanh
    mask: Bool[Tensor, "batch source"]  # True at pieces, False at padding

    def rows(self, index: Int64[Tensor, " rows"]) -> "Memory":
        """The memory of these sentences, a sentence as often as it is named."""
        return replace(self, **{name: tensor[index] for name, tensor in vars(self).items()})


@dataclass(frozen=True)
class State:
    """The decoder's state between steps, the bottom layer first; c are the LSTMs' cells."""

    h: Float[Tensor, "batch layers hidden"]
    c: Float[Tensor, "batch layers hidden"]

    def rows(self, index: Int64[Tensor, " rows"]) -> "State":
        """The states of these rows."""
        return State(self.h[index], self.c[index])


@dataclass(frozen=True)
class Dropout:
    """Sets entries to 0 with the given probability, drawn from ``noise``; nothing without it."""

    probability: float = 0.0
    noise: torch.Generator | None = None

    def __call__(self, inputs: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The inputs, those that are kept scaled up so that the mean stays as it was."""
        if self.noise is None or self.probability == 0:
            return inputs
        drawn = torch.rand(inputs.shape, generator=self.noise, device=inputs.device)
        return inputs * (drawn >= self.probability) / (1 - self.probability)


NO_DROPOUT = Dropout()


def reverse(
    sequences: Float[Tensor, "batch time size"], lengths: Int64[Tensor, " batch"]
) -> Float[Tensor, "batch time size"]:
    """The first ``lengths[i]`` entries of row i in reverse; the padding stays where it is."""
    time = torch.arange(sequences.shape[1], device=sequences.device)
    mirrored = lengths[:, None] - 1 - time  # (batch, time), negative at padding
    index = torch.where(mirrored >= 0, mirrored, time)
    return sequences.gather(1, index[:, :, None].expand_as(sequences))


class Encoder(nn.Module):
    """One bidirectional layer, then layers that read forwards only (section 3.2)."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        size = architecture.hidden_size
        self.embedding = nn.Embedding(architecture.vocabulary_size, architecture.embedding_size)
        self.forwards = nn.LSTM(architecture.embedding_size, size, batch_first=True)
        self.backwards = nn.LSTM(architecture.embedding_size, size, batch_first=True)
        self.upper = nn.ModuleList(
            nn.LSTM(2 * size if layer == 1 else size, size, batch_first=True)
            for layer in range(1, architecture.num_layers)
        )

    def forward(
        self,
        sources: Int64[Tensor, "batch source"],
        lengths: Int64[Tensor, " batch"],
        dropout: Dropout,
    ) -> Float[Tensor, "batch source hidden"]:
        """An encoding of each piece; those of padding are meaningless and change no other."""
        embedded = dropout(self.embedding(sources))  # (batch, source, embedding)
        forwards, _ = self.forwards(embedded)
        # Reversed within its length, so that the backward layer starts at the end of the sentence.
        backwards, _ = self.backwards(reverse(embedded, lengths))
        below = torch.cat([forwards, reverse(backwards, lengths)], dim=2)  # (batch, source, 2h)
        for layer, lstm in enumerate(self.upper, start=1):
            above, _ = lstm(dropout(below))
            below = above + below if self.architecture.adds(layer) else above
        return below


class Attention(nn.Module):
    """A feed-forward network with one hidden layer scores each piece (section 3, equation 4)."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        size = architecture.attention_size
        self.query = nn.Linear(architecture.hidden_size, size, bias=False)
        self.key = nn.Linear(architecture.hidden_size, size)
        self.vector = nn.Linear(size, 1, bias=False)

    def forward(
        self, query: Float[Tensor, "batch hidden"], memory: Memory
    ) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch source"]]:
        """The context, and the weights it was made with, which are 0 at padding."""
        hidden = torch.tanh(self.query(query)[:, None] + memory.keys)  # (batch, source, attention)
        scores = self.vector(hidden)[:, :, 0]  # (batch, source)
        weights = scores.masked_fill(~memory.mask, -torch.inf).softmax(dim=1)
        return torch.bmm(weights[:, None], memory.encodings)[:, 0], weights


class Decoder(nn.Module):
    """LSTM layers of which the bottom one asks the attention; every layer gets the context."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        size = architecture.hidden_size
        self.embedding = nn.Embedding(architecture.vocabulary_size, architecture.embedding_size)
        self.attention = Attention(architecture) if architecture.attention else None
        self.bottom = nn.LSTMCell(architecture.embedding_size + size, size)
        self.upper = nn.ModuleList(
            nn.LSTM(2 * size, size, batch_first=True) for _ in range(1, architecture.num_layers)
        )
        self.output = nn.Linear(size, architecture.vocabulary_size)

    def look(
        self, query: Float[Tensor, "batch hidden"], memory: Memory
    ) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch source"]]:
        """The context and its weights; without attention all the weight is on the last piece."""
        if self.attention is not None:
            return self.attention(query, memory)
        last = memory.mask.sum(dim=1) - 1
        weights = nn.functional.one_hot(last, memory.mask.shape[1]).to(query.dtype)
        return memory.encodings[torch.arange(len(last), device=last.device), last], weights

    def read(
        self,
        embedded: Float[Tensor, "batch target embedding"],
        memory: Memory,
        state: State,
        dropout: Dropout,
    ) -> tuple[Float[Tensor, "batch target hidden"], Float[Tensor, "batch target source"], State]:
        """The top layer's outputs, the attention's weights, and the state after the last piece.

        The bottom layer and the attention feed each other and go step by step; the layers above
        need nothing from a later step, so each reads the whole sequence at once.
        """
        h, c = state.h[:, 0], state.c[:, 0]
        steps = []
        for piece in embedded.unbind(dim=1):
            context, weight = self.look(h, memory)
            h, c = self.bottom(torch.cat([piece, context], dim=1), (h, c))
            steps.append((h, context, weight))
        below, contexts, weights = (
            torch.stack(values, dim=1) for values in zip(*steps, strict=True)
        )
        last_h, last_c = [h], [c]
        for layer, lstm in enumerate(self.upper, start=1):
            start = (state.h[None, :, layer].contiguous(), state.c[None, :, layer].contiguous())
            above, (h, c) = lstm(torch.cat([dropout(below), contexts], dim=2), start)
            # The residual is the layer below's output alone, without the context.
            below = above + below if self.architecture.adds(layer) else above
            last_h.append(h[0])
            last_c.append(c[0])
        state = State(torch.stack(last_h, dim=1), torch.stack(last_c, dim=1))
        return below, weights, state


class Translator(nn.Module):
    """The network of figure 1, from pieces of a source to logits of the target's next piece."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)

    def forward(
        self,
        sources: Int64[Tensor, "batch source"],
        source_lengths: Int64[Tensor, " batch"],
        targets_in: Int64[Tensor, "batch target"],
        noise: torch.Generator | None = None,
    ) -> Float[Tensor, "batch target vocabulary"]:
        """Logits of every next piece given those before it. ``noise`` switches dropout on."""
        dropout = Dropout(self.architecture.dropout, noise)
        memory = self.encode(sources, source_lengths, dropout)
        embedded = dropout(self.decoder.embedding(targets_in))
        state = self.start(len(sources), memory.encodings)
        outputs, _, _ = self.decoder.read(embedded, memory, state, dropout)
        return self.decoder.output(dropout(outputs))

    def encode(
        self,
        sources: Int64[Tensor, "batch source"],
        lengths: Int64[Tensor, " batch"],
        dropout: Dropout = NO_DROPOUT,
    ) -> Memory:
        """What the decoder needs of the sources, which end with the end sign."""
        encodings = self.encoder(sources, lengths, dropout)
        positions = torch.arange(sources.shape[1], device=sources.device)
        attention = self.decoder.attention
        keys = encodings if attention is None else attention.key(encodings)
        return Memory(encodings, keys, positions < lengths[:, None])

    def start(self, batch: int, like: Tensor) -> State:
        """The decoder's first state, all zeros, with the type and on the device of ``like``."""
        size = (batch, self.architecture.num_layers, self.architecture.hidden_size)
        return State(like.new_zeros(size), like.new_zeros(size))

    def step(
        self, pieces: Int64[Tensor, " batch"], memory: Memory, state: State
    ) -> tuple[Float[Tensor, "batch vocabulary"], Float[Tensor, "batch source"], State]:
        """Log probabilities of every next piece, the attention's weights, and the next state."""
        embedded = self.decoder.embedding(pieces)[:, None]
        outputs, weights, state = self.decoder.read(embedded, memory, state, NO_DROPOUT)
        return self.decoder.output(outputs[:, 0]).log_softmax(dim=1), weights[:, 0], state


def new_model(
    architecture: Architecture,
    seed: int,
    weight_range: float = 0.04,
    embedding_range: float = 0.04,
) -> Translator:
    """A model that ``seed`` decides, with weights uniform in ±``weight_range`` (section 8.2)."""
    model = Translator(architecture)
    stream = generator(seed, "weights")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            limit = embedding_range if "embedding" in name else weight_range
            parameter.uniform_(-limit, limit, generator=stream)
    return model
