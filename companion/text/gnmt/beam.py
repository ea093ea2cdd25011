"""Chapter 1.1, decoding: greedy, and beam search by the score of section 7.

A hypothesis Y with log probability log P scores log P / lp(Y) + cp(Y): see `length_penalty` and
`coverage_penalty`. |Y| counts the end sign.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from companion.text.gnmt.model import Memory, State, Translator
from companion.text.gnmt.wordpieces import BEGIN, END

SMALLEST_COVERAGE = 1e-10  # keeps the logarithm finite where a weight underflows to 0


@dataclass(frozen=True)
class Search:
    """How to search: ``width`` hypotheses at a time, scored with ``alpha`` and ``beta``.

    A translation has at most ``longest_factor`` times as many pieces as its source, plus ten.
    """

    width: int = 4
    alpha: float = 0.2
    beta: float = 0.2
    longest_factor: int = 2

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"the width of the beam is {self.width}; expected 1 or more")
        for name in ("alpha", "beta"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 or more")

    def longest(self, source_lengths: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """The most pieces, end sign included, of a translation of sources of these lengths."""
        return self.longest_factor * source_lengths + 10


@dataclass(frozen=True)
class Hypothesis:
    """A translation in numbers without its end sign, its score, and what it looked at."""

    pieces: list[int]
    score: float
    log_probability: float
    attention: Float[Tensor, "target source"]  # the last row is the end sign's


def length_penalty(length: Tensor | int, alpha: float) -> Tensor | float:
    """lp(Y) = ((5 + |Y|) / 6)^alpha."""
    return ((5 + length) / 6) ** alpha


def coverage_penalty(
    attention: Float[Tensor, "*any target source"], mask: Bool[Tensor, "*any source"], beta: float
) -> Float[Tensor, "*any"]:
    """cp = beta * sum over source pieces of log min(their summed weights, 1); padding adds 0."""
    coverage = attention.sum(dim=-2).clamp(SMALLEST_COVERAGE, 1)
    return beta * coverage.masked_fill(~mask, 1).log().sum(dim=-1)


@torch.no_grad()
def greedy(
    model: Translator, sources: Int64[Tensor, "batch source"], lengths: Int64[Tensor, " batch"]
) -> list[list[int]]:
    """The most probable next piece, again and again, until the end sign or the greatest length."""
    memory = model.encode(sources, lengths)
    state = model.start(len(sources), memory.encodings)
    longest = Search().longest(lengths)
    pieces = torch.full_like(lengths, BEGIN)
    ended = torch.zeros_like(lengths, dtype=torch.bool)
    written: list[Tensor] = []
    while not ended.all():
        log_probabilities, _, state = model.step(pieces, memory, state)
        pieces = log_probabilities.argmax(dim=1)
        written.append(pieces)
        ended |= (pieces == END) | (len(written) >= longest)
    rows = torch.stack(written, dim=1).tolist()
    cut = [row[:length] for row, length in zip(rows, longest.tolist(), strict=True)]
    return [row[: row.index(END)] if END in row else row for row in cut]


# --- batched beam search -----------------------------------------------------------------------


@dataclass
class _Beam:
    """Hypotheses of several sentences, ``width`` of each; those of one sentence share a row."""

    log_probabilities: Float[Tensor, "batch width"]
    scores: Float[Tensor, "batch width"]
    pieces: Int64[Tensor, "batch width time"]
    attention: Float[Tensor, "batch width time source"]

    def take(self, chosen: Int64[Tensor, "batch kept"]) -> "_Beam":
        """The chosen hypotheses of each sentence, in this order."""
        rows = torch.arange(len(chosen), device=chosen.device)[:, None]
        return _Beam(*(tensor[rows, chosen] for tensor in vars(self).values()))

    def sentences(self, kept: Tensor) -> "_Beam":
        """The beams of these sentences alone."""
        return _Beam(*(tensor[kept] for tensor in vars(self).values()))

    def extended(self, time: int) -> "_Beam":
        """With room for ``time`` pieces."""
        missing = time - self.pieces.shape[2]
        pieces = torch.nn.functional.pad(self.pieces, (0, missing), value=END)
        attention = torch.nn.functional.pad(self.attention, (0, 0, 0, missing))
        return _Beam(self.log_probabilities, self.scores, pieces, attention)

    def joined(self, other: "_Beam") -> "_Beam":
        """The hypotheses of both, side by side."""
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Beam(*(torch.cat(tensors, dim=1) for tensors in both))


def _empty_beam(batch: int, width: int, source: int, like: Tensor) -> _Beam:
    """Hypotheses that no search would keep."""
    impossible = like.new_full((batch, width), -torch.inf)
    pieces = torch.zeros(batch, width, 0, dtype=torch.long, device=like.device)
    return _Beam(impossible, impossible.clone(), pieces, like.new_zeros(batch, width, 0, source))


def _grow(
    beam: _Beam,
    log_probabilities: Float[Tensor, "rows vocabulary"],
    weights: Float[Tensor, "rows source"],
    mask: Bool[Tensor, "batch source"],
    search: Search,
) -> tuple[_Beam, Int64[Tensor, "batch candidates"]]:
    """The 2 * width most probable continuations, scored, and which hypothesis each continues."""
    batch, width = beam.scores.shape
    totals = beam.log_probabilities[:, :, None] + log_probabilities.view(batch, width, -1)
    vocabulary = totals.shape[2]
    totals, index = totals.flatten(1).topk(2 * width, dim=1)
    parents = index // vocabulary  # (batch, 2 * width)
    grown = beam.take(parents)
    rows = torch.arange(batch, device=index.device)[:, None]
    pieces = torch.cat([grown.pieces, (index % vocabulary)[:, :, None]], dim=2)
    last = weights.view(batch, width, -1)[rows, parents]
    attention = torch.cat([grown.attention, last[:, :, None]], dim=2)
    penalty = coverage_penalty(attention, mask[:, None].expand_as(last), search.beta)
    scores = totals / length_penalty(pieces.shape[2], search.alpha) + penalty
    return _Beam(totals, scores, pieces, attention), parents


def _split(grown: _Beam, width: int) -> tuple[_Beam, Int64[Tensor, "batch width"]]:
    """Those that ended among the best ``width``; and which ``width`` others live on.

    An end sign below the best ``width`` is dropped: it had not been kept had it been a piece.
    """
    at_end = grown.pieces[:, :, -1] == END
    ended = grown.take(torch.arange(width, device=at_end.device).expand(len(at_end), width))
    ended.scores = ended.scores.masked_fill(~at_end[:, :width], -torch.inf)
    # Stable, so that the others stay in order of log probability.
    return ended, at_end.to(torch.int8).argsort(dim=1, stable=True)[:, :width]


def _finished(
    ended: _Beam, live: _Beam, longest: Int64[Tensor, " batch"], search: Search
) -> Bool[Tensor, " batch"]:
    """Whether nothing that a live hypothesis may become can enter the ``width`` best.

    log P only falls, lp is largest at the greatest length, and cp is at most 0: no continuation
    scores more than log P / lp(longest). So stopping here loses nothing.
    """
    bound = live.log_probabilities.max(dim=1).values / length_penalty(longest, search.alpha)
    return (bound <= ended.scores.min(dim=1).values) | (live.pieces.shape[2] >= longest)


@torch.no_grad()
def search(
    model: Translator,
    sources: Int64[Tensor, "batch source"],
    lengths: Int64[Tensor, " batch"],
    settings: Search,
) -> list[list[Hypothesis]]:
    """Up to ``width`` translations of each sentence, the best score first.

    All sentences are searched at once, and leave the batch when they are finished. One that ended
    nowhere within its greatest length gives what it had. Raises ``ValueError`` for a coverage
    penalty without attention.
    """
    if settings.beta and not model.architecture.attention:
        raise ValueError(
            f"beta is {settings.beta}, but this model has no attention whose coverage could be "
            "scored: use beta = 0"
        )
    memory = model.encode(sources, lengths)
    batch, width = len(sources), settings.width
    live = _empty_beam(batch, width, sources.shape[1], memory.encodings)
    live.log_probabilities[:, 0] = 0  # one beginning, or all hypotheses would be the same
    ended = _empty_beam(batch, width, sources.shape[1], memory.encodings)
    numbers = torch.arange(batch, device=sources.device)  # of the sentences still searched
    longest = settings.longest(lengths)
    rows = numbers.repeat_interleave(width)
    repeated: Memory = memory.rows(rows)
    state: State = model.start(batch * width, memory.encodings)
    pieces = torch.full_like(rows, BEGIN)
    found: dict[int, list[Hypothesis]] = {}
    while len(numbers):
        log_probabilities, weights, state = model.step(pieces, repeated, state)
        mask = memory.mask[numbers]
        grown, parents = _grow(live, log_probabilities, weights, mask, settings)
        just_ended, kept = _split(grown, width)
        live = grown.take(kept)
        ended = ended.extended(live.pieces.shape[2]).joined(just_ended)
        ended = ended.take(ended.scores.topk(width, dim=1).indices)
        done = _finished(ended, live, longest, settings)
        origin = (
            parents.gather(1, kept) + width * torch.arange(len(kept), device=kept.device)[:, None]
        )
        if done.any():
            best = _results(ended.sentences(done), live.sentences(done), lengths[numbers[done]])
            found |= zip(numbers[done].tolist(), best, strict=True)
            live, ended, origin = live.sentences(~done), ended.sentences(~done), origin[~done]
            numbers, longest = numbers[~done], longest[~done]
            repeated = memory.rows(numbers.repeat_interleave(width))
        state = state.rows(origin.flatten())
        pieces = live.pieces[:, :, -1].flatten()
    return [found[number] for number in range(batch)]


def _results(ended: _Beam, live: _Beam, lengths: Int64[Tensor, " batch"]) -> list[list[Hypothesis]]:
    """The hypotheses of finished sentences; of one that ended nowhere, those still alive."""
    results = []
    for row, length in enumerate(lengths.tolist()):
        beam = ended if ended.scores[row, 0] > -torch.inf else live
        order = beam.scores[row].argsort(descending=True, stable=True).tolist()
        results.append(
            [
                _hypothesis(beam, row, place, length)
                for place in order
                if beam.scores[row, place] > -torch.inf
            ]
        )
    return results


def _hypothesis(beam: _Beam, row: int, place: int, length: int) -> Hypothesis:
    pieces = beam.pieces[row, place].tolist()
    end = pieces.index(END) if END in pieces else len(pieces)
    return Hypothesis(
        pieces[:end],
        beam.scores[row, place].item(),
        beam.log_probabilities[row, place].item(),
        beam.attention[row, place, : end + 1, :length].clone(),
    )


# --- one sentence at a time, as it is told -----------------------------------------------------


@torch.no_grad()
def search_one(
    model: Translator, source: Int64[Tensor, " source"], settings: Search
) -> list[Hypothesis]:
    """What `search` finds for one sentence, in plain steps and without stopping early."""
    lengths = torch.tensor([len(source)], device=source.device)
    memory = model.encode(source[None], lengths)
    beginning = Hypothesis([], 0.0, 0.0, memory.encodings.new_zeros(0, len(source)))
    live = [(beginning, model.start(1, memory.encodings))]
    ended: list[Hypothesis] = []
    for _ in range(int(settings.longest(lengths))):
        grown = []
        for hypothesis, state in live:
            last = torch.tensor([[BEGIN, *hypothesis.pieces][-1]], device=source.device)
            log_probabilities, weights, state = model.step(last, memory, state)
            for piece, log_probability in enumerate(log_probabilities[0].tolist()):
                total = hypothesis.log_probability + log_probability
                grown.append((total, piece, hypothesis, weights, state))
        grown.sort(key=lambda entry: -entry[0])
        live = []
        for rank, (total, piece, hypothesis, weights, state) in enumerate(grown):
            attention = torch.cat([hypothesis.attention, weights])
            penalty = coverage_penalty(attention, memory.mask[0], settings.beta).item()
            score = total / length_penalty(len(attention), settings.alpha) + penalty
            if piece != END:
                live.append(
                    (Hypothesis([*hypothesis.pieces, piece], score, total, attention), state)
                )
            elif rank < settings.width:
                ended.append(Hypothesis(hypothesis.pieces, score, total, attention))
            if len(live) == settings.width:
                break
    found = ended or [hypothesis for hypothesis, _ in live]
    return sorted(found, key=lambda hypothesis: -hypothesis.score)[: settings.width]
