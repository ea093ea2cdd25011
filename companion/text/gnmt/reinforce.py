"""Chapter 1.1, the paper's refinement: training on the measure itself (section 5).

The reward of a translation is its GLEU. Where the paper's O_ML maximises the log likelihood of the
references, O_RL maximises the reward to be expected of what the model itself writes; the two are
mixed, O_Mixed = 0.017 O_ML + O_RL.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from companion.progress import track
from companion.seeds import generator
from companion.text.gnmt.batches import Batch, EncodedPairs, make_batch, training_batches
from companion.text.gnmt.beam import Search
from companion.text.gnmt.model import Translator
from companion.text.gnmt.wordpieces import BEGIN, END, PADDING

LIKELIHOOD_WEIGHT = 0.017  # the paper's alpha


@dataclass(frozen=True)
class Settings:
    """``steps`` of SGD, each with ``samples`` of every sentence of its batch."""

    steps: int = 200
    most_pieces: int = 500
    samples: int = 4
    learning_rate: float = 0.1
    gradient_clip: float = 5.0


def gleu(output: Sequence, reference: Sequence) -> float:
    """min(precision, recall) of the n-grams of 1 to 4 words, counted together; 0 to 1."""
    found, wanted = _ngrams(output), _ngrams(reference)
    longer = max(found.total(), wanted.total())
    return (found & wanted).total() / longer if longer else 0.0  # & keeps the lower of two counts


def _ngrams(words: Sequence) -> Counter[tuple]:
    return Counter(
        tuple(words[start : start + n]) for n in (1, 2, 3, 4) for start in range(len(words) - n + 1)
    )


@torch.no_grad()
def sample(
    model: Translator,
    sources: Int64[Tensor, "batch source"],
    lengths: Int64[Tensor, " batch"],
    noise: torch.Generator,
) -> list[list[int]]:
    """A translation of each source drawn from the model, piece by piece, without its end sign."""
    memory = model.encode(sources, lengths)
    state = model.start(len(sources), memory.encodings)
    longest = int(Search().longest(lengths).max())
    pieces = torch.full_like(lengths, BEGIN)
    ended = torch.zeros_like(lengths, dtype=torch.bool)
    written = []
    while not ended.all() and len(written) < longest:
        log_probabilities, _, state = model.step(pieces, memory, state)
        # Neither sign is ever a reference's piece, and a batch could not tell them from its own.
        log_probabilities[:, [PADDING, BEGIN]] = -torch.inf
        pieces = torch.multinomial(log_probabilities.exp(), 1, generator=noise)[:, 0]
        written.append(pieces)
        ended |= pieces == END
    rows = torch.stack(written, dim=1).tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


def rewards(
    samples: list[list[int]], references: list[list[int]], copies: int
) -> Float[Tensor, "references copies"]:
    """GLEU over pieces of ``copies`` neighbouring samples against each reference."""
    repeated = [reference for reference in references for _ in range(copies)]
    values = [gleu(*both) for both in zip(samples, repeated, strict=True)]
    return torch.tensor(values).view(-1, copies)


def log_likelihoods(model: Translator, batch: Batch) -> Float[Tensor, " batch"]:
    """log P of each target, its end sign included."""
    logits = model(batch.sources, batch.source_lengths, batch.targets_in)
    nats = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), batch.targets_out, ignore_index=PADDING, reduction="none"
    )
    return -nats.sum(dim=1)


def mixed_loss(
    model: Translator, batch: Batch, copies: int, noise: torch.Generator
) -> tuple[Float[Tensor, ""], float]:
    """-(0.017 O_ML + O_RL) of a batch, and the mean GLEU of the samples it was made with.

    The gradient of the expected reward is the mean of (reward - baseline) times the gradient of
    log P(sample) (Williams 1992); the baseline is the mean reward of the ``copies`` samples of the
    same sentence. O_ML is the mean over sentences of log P(reference).
    """
    device = batch.sources.device
    rows = torch.arange(len(batch.sources), device=device).repeat_interleave(copies)
    samples = sample(model, batch.sources[rows], batch.source_lengths[rows], noise)
    sources = [row[: row.index(END)] for row in batch.sources[rows].tolist()]
    references = [row[: row.index(END)] for row in batch.targets_out.tolist()]
    reward = rewards(samples, references, copies)
    advantage = (reward - reward.mean(dim=1, keepdim=True)).flatten().to(device)
    sampled = make_batch(EncodedPairs(sources, samples), range(len(samples))).to(device)
    expected_reward = (advantage * log_likelihoods(model, sampled)).mean()
    likelihood = log_likelihoods(model, batch).mean()
    return -(LIKELIHOOD_WEIGHT * likelihood + expected_reward), reward.mean().item()


def refine(
    model: Translator, pairs: EncodedPairs, settings: Settings, seed: int
) -> dict[str, list[float]]:
    """Train a trained model further, in place; the mean GLEU of its samples at every step.

    Raises ``FloatingPointError`` when the loss is not finite.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.SGD(model.parameters(), lr=settings.learning_rate)
    noise = generator(seed, "samples", device=str(device))
    batches = training_batches(pairs, settings.most_pieces, generator(seed, "refinement"))
    history: dict[str, list[float]] = {"gleu": []}
    steps = track(range(settings.steps), "refining")
    for step in steps:
        loss, reward = mixed_loss(model, next(batches).to(device), settings.samples, noise)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {step}: lower the learning rate "
                f"({settings.learning_rate})"
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimizer.step()
        history["gleu"].append(reward)
        steps.note(f"GLEU {reward:.2f}")
    return history
