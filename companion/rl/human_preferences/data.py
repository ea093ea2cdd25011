"""Chapter 4.3, the data: clips of behaviour, comparisons of two, and who makes them up.

The data of this chapter are made while it trains: the policy acts, clips of what it did are shown
in pairs, and somebody says which of the two is better. Here that somebody is a `SyntheticLabeller`,
who knows the true reward and errs at times; ``labeller.py`` puts you in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

FIRST, SECOND, EQUAL = 1.0, 0.0, 0.5  # the preference: the probability that the first is better

Reward = Callable[
    [Float[np.ndarray, "*batch observation"], Float[np.ndarray, "*batch action"]],
    Float[np.ndarray, "*batch"],
]


@dataclass(frozen=True)
class Clips:
    """Clips of equal length: what was seen before each action, and the action.

    Indexing by integers or a mask gives those clips. Raises ``ValueError`` for arrays that do not
    belong together or hold a number that is not finite.
    """

    observations: Float[np.ndarray, "clips steps observation"]
    actions: Float[np.ndarray, "clips steps action"]

    def __post_init__(self) -> None:
        seen, done = np.shape(self.observations), np.shape(self.actions)
        if len(seen) != 3 or len(done) != 3 or seen[:2] != done[:2]:
            raise ValueError(
                f"observations of shape {seen} and actions of shape {done} are not clips: give "
                "(clips, steps, observation) and (clips, steps, action) with the same clips and "
                "steps"
            )
        for name in ("observations", "actions"):
            array = np.asarray(getattr(self, name), dtype=np.float32)
            if not np.isfinite(array).all():
                raise ValueError(
                    f"the {name} of clip {int(np.argwhere(~np.isfinite(array))[0, 0])} are not all "
                    "finite: leave that clip out"
                )
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.observations)

    def __getitem__(self, indices: Int[np.ndarray, " chosen"] | slice) -> Clips:
        return Clips(self.observations[indices], self.actions[indices])

    @property
    def length(self) -> int:
        """How many steps each clip has."""
        return self.observations.shape[1]

    def joined(self, others: Clips) -> Clips:
        """These clips and then the others, which must be as long."""
        refuse_other_length(self, others)
        return Clips(
            np.concatenate([self.observations, others.observations]),
            np.concatenate([self.actions, others.actions]),
        )


@dataclass(frozen=True)
class Comparisons:
    """Pairs of clips and who was preferred: 1 the first, 0 the second, 0.5 neither.

    A pair that was skipped is not kept. The same pair may have been answered twice, and not alike:
    both answers stay, and the loss takes them for what they are, a close call.
    Raises ``ValueError`` for clips of unequal length, as many answers as there are not pairs, and
    any other preference.
    """

    first: Clips
    second: Clips
    preferences: Float[np.ndarray, " comparisons"]

    def __post_init__(self) -> None:
        refuse_other_length(self.first, self.second)
        preferences = np.asarray(self.preferences, dtype=np.float32)
        if preferences.ndim != 1 or not len(self.first) == len(self.second) == len(preferences):
            raise ValueError(
                f"{len(self.first)} first clips, {len(self.second)} second clips and preferences "
                f"of shape {preferences.shape} are not comparisons: give one preference for each "
                "pair, and leave out the pairs that have no answer"
            )
        wrong = np.flatnonzero(~np.isin(preferences, (FIRST, SECOND, EQUAL)))
        if len(wrong):
            raise ValueError(
                f"preference {wrong[0]} is {preferences[wrong[0]]}: say 1 (the first is better), 0 "
                "(the second) or 0.5 (equally good), and leave a pair without an answer out"
            )
        object.__setattr__(self, "preferences", preferences)

    def __len__(self) -> int:
        return len(self.preferences)

    def __getitem__(self, indices: Int[np.ndarray, " chosen"] | slice) -> Comparisons:
        return Comparisons(self.first[indices], self.second[indices], self.preferences[indices])

    def joined(self, others: Comparisons) -> Comparisons:
        """These comparisons and then the others."""
        return Comparisons(
            self.first.joined(others.first),
            self.second.joined(others.second),
            np.concatenate([self.preferences, others.preferences]),
        )

    def contradictions(self) -> int:
        """How many pairs got more than one answer, such as A over B and later B over A."""
        answers: dict[tuple[bytes, bytes], set[float]] = {}
        for number, preference in enumerate(self.preferences.tolist()):
            first, second = _bytes_of(self.first, number), _bytes_of(self.second, number)
            if second < first:  # the pair is the same whichever side it was shown on
                first, second, preference = second, first, 1 - preference
            answers.setdefault((first, second), set()).add(preference)
        return sum(len(given) > 1 for given in answers.values())


def _bytes_of(clips: Clips, number: int) -> bytes:
    return clips.observations[number].tobytes() + clips.actions[number].tobytes()


def refuse_other_length(first: Clips, second: Clips) -> None:
    """Raise ``ValueError`` unless both have clips of the same length, observation and action.

    A longer clip collects more reward whatever happens in it, so that its length would be learned.
    """
    if first.length != second.length:
        raise ValueError(
            f"clips of {first.length} and of {second.length} steps cannot be compared, since the "
            "longer one collects more reward whatever it shows: cut them to the same length"
        )
    sizes = [(clips.observations.shape[2], clips.actions.shape[2]) for clips in (first, second)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"clips with observations and actions of sizes {sizes[0]} and {sizes[1]} come from two "
            "worlds: compare clips of one world"
        )


def cut_clips(
    observations: Float[np.ndarray, "steps worlds observation"],
    actions: Float[np.ndarray, "steps worlds action"],
    ended: Bool[np.ndarray, "steps worlds"],
    length: int,
    count: int,
    stream: np.random.Generator,
) -> Clips:
    """``count`` clips of ``length`` steps, drawn evenly from all that lie within one episode.

    ``ended`` marks the last step of an episode, terminated or truncated. A clip may be drawn twice.
    Raises ``ValueError`` where no episode is long enough.
    """
    starts = clip_starts(ended, length)
    if not len(starts):
        raise ValueError(
            f"no episode among {ended.shape[0]} steps holds a clip of {length}: cut shorter clips "
            "or let the policy act for longer"
        )
    first, world = starts[stream.integers(len(starts), size=count)].T
    steps = first[:, None] + np.arange(length)  # (count, length)
    return Clips(observations[steps, world[:, None]], actions[steps, world[:, None]])


def clip_starts(ended: Bool[np.ndarray, "steps worlds"], length: int) -> Int[np.ndarray, "clips 2"]:
    """Step and world where a clip may start: only its last step may end an episode."""
    steps, worlds = ended.shape
    if length > steps:
        return np.empty((0, 2), dtype=int)
    ends_before = np.concatenate([np.zeros((1, worlds), int), np.cumsum(ended, axis=0)])
    within = ends_before[length - 1 : steps] - ends_before[: steps - length + 1]
    return np.argwhere(within == 0)


class SyntheticLabeller:
    """Prefers the clip with the larger sum of the true reward, and errs at times (section 3.1).

    ``reward`` is what the labeller sees in a step: the true reward, or another one where the
    labeller is fooled. They never see a learned reward, nor the rewards that a learner keeps.
    A share ``error_rate`` of the answers is drawn at random, so that half as many are wrong: the
    loss assumes 0.1. Sums at most ``tie_margin`` apart count as equally good.
    """

    def __init__(self, reward: Reward, error_rate: float = 0.1, tie_margin: float = 0.0):
        if not 0 <= error_rate <= 1:
            raise ValueError(f"an error rate of {error_rate} is no share: give 0 to 1")
        if not tie_margin >= 0:
            raise ValueError(f"a tie margin of {tie_margin} is no distance: give 0 or more")
        self.reward = reward
        self.error_rate = error_rate
        self.tie_margin = tie_margin

    def compare(self, first: Clips, second: Clips, stream: np.random.Generator) -> Comparisons:
        """The pairs with this labeller's answers; ``stream`` decides which are careless."""
        refuse_other_length(first, second)
        difference = self.returns(first) - self.returns(second)
        preferences = np.where(difference > 0, FIRST, SECOND)
        preferences[np.abs(difference) <= self.tie_margin] = EQUAL
        careless = stream.random(len(preferences)) < self.error_rate
        guesses = stream.integers(0, 2, len(preferences))
        return Comparisons(first, second, np.where(careless, guesses, preferences))

    def returns(self, clips: Clips) -> Float[np.ndarray, " clips"]:
        """The sum over each clip of the reward this labeller sees."""
        return self.reward(clips.observations, clips.actions).astype(np.float64).sum(axis=1)
