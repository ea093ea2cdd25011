"""Cases of the exercises on human preferences: inputs drawn from a seed, tolerances, wrong answers."""

from collections.abc import Callable

import numpy as np
import torch

from companion.exercises import Exercise


def chance_and_cost_inputs(rng: np.random.Generator) -> list[dict]:
    """Ordinary differences, huge ones and infinite ones, with several shares of errors."""
    huge = float(rng.uniform(1000, 5000))
    differences = [*rng.normal(0, 3, 4).tolist(), huge, -huge]
    differences += [float("inf"), float("-inf")]
    return [
        {"difference": difference, "error": float(rng.uniform(0.02, 0.5))}
        for difference in differences
    ]


CHANCE = """
def chance_and_cost(difference, error):
    looking = (1 + math.tanh(difference / 2)) / 2
    first = FIRST
    return first, -math.log(1 - first)
"""

CHANCE_AND_COST = Exercise(
    function="chance_and_cost",
    kind="number",
    level=1,
    points=2,
    minutes=10,
    inputs=chance_and_cost_inputs,
    wrong={
        "overflows when the second is far better": CHANCE.replace(
            "(1 + math.tanh(difference / 2)) / 2",
            "1 / (1 + math.exp(-difference))",
        ).replace("FIRST", "(1 - error) * looking + error / 2"),
        "who does not look is always wrong": CHANCE.replace(
            "FIRST", "(1 - error) * looking + error * (1 - looking)"
        ),
        "who does not look says second": CHANCE.replace(
            "FIRST", "(1 - error) * looking"
        ),
        "cut to the same limits": CHANCE.replace(
            "FIRST", "min(max(looking, error / 2), 1 - error / 2)"
        ),
        "the cost of the other answer": CHANCE.replace(
            "FIRST", "(1 - error) * looking + error / 2"
        ).replace("math.log(1 - first)", "math.log(first)"),
    },
)


def loss_gradient_inputs(rng: np.random.Generator) -> list[dict]:
    """Certain answers, ties and averaged ones; one batch without errors, one with sums in the thousands."""
    cases = []
    for size, error in ((2.0, 0.0), (3.0, 0.1), (2000.0, 0.2)):
        preferences = np.array([1.0, 0.0, 0.5, *rng.uniform(0, 1, 5)])
        cases.append(
            {
                "first": rng.normal(0, size, 8),
                "second": rng.normal(0, size, 8),
                "preferences": preferences,
                "error": error,
            }
        )
    return cases


GRADIENT = """
def loss_gradient(first, second, preferences, error):
    looking = (1 + np.tanh((first - second) / 2)) / 2
    chance = (1 - error) * looking + error / 2
    by_chance = -preferences / chance + (1 - preferences) / (1 - chance)
    slope = (1 - error) * looking * (1 - looking)
    return by_chance * slope / len(preferences)
"""

LOSS_GRADIENT = Exercise(
    function="loss_gradient",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=loss_gradient_inputs,
    absolute=1e-9,
    wrong={
        "an averaged answer taken for a tie": GRADIENT.replace(
            "    by_chance",
            "    preferences = np.where((preferences > 0) & (preferences < 1), 0.5, preferences)\n    by_chance",
        ),
        "overflows with large sums": GRADIENT.replace(
            "(1 + np.tanh((first - second) / 2)) / 2",
            "np.exp(first) / (np.exp(first) + np.exp(second))",
        ),
        "P - mu, without the errors": """
def loss_gradient(first, second, preferences, error):
    return ((1 + np.tanh((first - second) / 2)) / 2 - preferences) / len(preferences)
""",
        "Q - mu": """
def loss_gradient(first, second, preferences, error):
    looking = (1 + np.tanh((first - second) / 2)) / 2
    return ((1 - error) * looking + error / 2 - preferences) / len(preferences)
""",
        "Q's slope taken for Q (1 - Q)": GRADIENT.replace(
            "(1 - error) * looking * (1 - looking)", "chance * (1 - chance)"
        ),
        "the sum of the losses": GRADIENT.replace(" / len(preferences)", ""),
        "the gradient of the second clips": GRADIENT.replace(
            "return by_chance", "return -by_chance"
        ),
    },
)


def what_survives_inputs(rng: np.random.Generator) -> list[dict]:
    """Constants, factors, shaping, broken ties, and what only some of the clips notice."""
    steps = int(rng.integers(3, 6))
    episodes = 3 * steps
    equal = [rng.normal(size=episodes) for _ in range(3)]
    unequal = [rng.normal(size=length) for length in (steps, 7, 4 * steps)]
    factor = float(rng.uniform(2, 5))
    # A constant that lets the shortest win, or the longest.
    best = int(np.argmax([episode.sum() for episode in unequal]))
    constant = 50.0 if best == 0 else -50.0
    shaped = []
    for episode in unequal:
        potential = np.concatenate(
            [[0], rng.normal(0, 2, len(episode) - 1), [0]]
        )
        shaped.append(episode + np.diff(potential))
    # Two clips are equal before and no longer after, in the order they had.
    tied = [np.repeat([1.0, 1.0, 2.0], steps), np.zeros(episodes)]
    untied = [tied[0].copy(), tied[1]]
    untied[0][steps : 2 * steps] += 0.25
    # The sums of 0 ... steps, steps ... 2 steps and so on stay as they were.
    shuffled = [
        episode.reshape(3, steps)[:, ::-1].ravel().copy() for episode in equal
    ]
    # What adds up to 0 in any clip, wherever it starts, is noticed by none.
    unseen = rng.normal(0, 2, steps)
    unseen = np.tile(unseen - unseen.mean(), 3)
    # Clips that follow each other keep their order; the first and last do not.
    single = [unseen[:steps] + mean for mean in (0.0, 2.0, 1.0)]
    turned = [unseen[:steps] + mean for mean in (0.0, 5.0, -1.0)]
    # The best episode by its sum is not the best by its mean.
    long, short = np.full(4 * steps, 0.5), np.full(steps, 1.0)
    changes = [
        (equal, [factor * episode - 3 for episode in equal]),
        (equal, [episode - 3 for episode in equal]),
        (equal, [-factor * episode for episode in equal]),
        (equal, shuffled),
        (equal, [episode + unseen for episode in equal]),
        (unequal, [episode + constant for episode in unequal]),
        (unequal, [factor * episode for episode in unequal]),
        (unequal, shaped),
        (tied, untied),
        (single, turned),
        ([long, short], [long - 0.4, short - 0.4]),
        ([long, short], [long + 1, short + 1]),
    ]
    return [
        {"rewards": rewards, "changed": changed, "steps": steps}
        for rewards, changed in changes
    ]


SURVIVES = """
def what_survives(rewards, changed, steps):
    def differences(episodes):
        sums = np.array(CLIPS)
        found = sums[:, None] - sums
        return np.where(abs(found) < 1e-9, 0, found)

    def best(episodes):
        return int(np.argmax([WHOLE for e in episodes]))

    before, after = differences(rewards), differences(changed)
    return bool(np.allclose(before, after, rtol=0, atol=1e-9)), ORDER, best(rewards) == best(changed)
"""


def survives(
    clips: str = "[e[i : i + steps].sum() for e in episodes for i in range(len(e) - steps + 1)]",
    whole: str = "e.sum()",
    order: str = "bool((np.sign(before) == np.sign(after)).all())",
) -> str:
    """The source of `what_survives` with these parts."""
    source = SURVIVES.replace("CLIPS", clips).replace("WHOLE", whole)
    return source.replace("ORDER", order)


WHAT_SURVIVES = Exercise(
    function="what_survives",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=what_survives_inputs,
    wrong={
        "a broken tie goes unnoticed": survives(
            order="bool((before * after >= 0).all())"
        ),
        "clips that do not overlap": survives(
            clips="[e[i : i + steps].sum() for e in episodes for i in range(0, len(e) - steps + 1, steps)]"
        ),
        "only clips that follow each other are compared": survives().replace(
            "sums[:, None] - sums", "np.diff(sums)"
        ),
        "the best mean": survives(whole="e.mean()"),
        "clips that are single steps": survives(
            clips="[r for e in episodes for r in e]"
        ),
        "sums themselves instead of their differences": survives().replace(
            "np.allclose(before, after,",
            "np.allclose([e.sum() for e in rewards], [e.sum() for e in changed],",
        ),
        "only the best clip must stay the best": survives(
            order="bool(before.sum(axis=1).argmax() == after.sum(axis=1).argmax())"
        ),
    },
)


def reward_and_questions_inputs(rng: np.random.Generator) -> list[dict]:
    """Members with constants and scales of their own; no two pairs are disputed alike."""
    cases = []
    for members, clips, steps in ((3, 20, 8), (5, 30, 6), (4, 12, 15)):
        common = rng.normal(size=(clips, steps))
        own = rng.normal(size=(members, clips, steps))
        scales = rng.uniform(0.2, 2.0, (members, 1, 1))
        constants = rng.normal(0, 3, (members, 1, 1))
        # No pair twice, not even turned: both would be disputed alike.
        pairs = np.stack(np.triu_indices(clips, 1), axis=1)
        pairs = rng.permuted(rng.permutation(pairs)[:60], axis=1)
        cases.append(
            {
                "rewards": scales * (common + 0.5 * own) + constants,
                "pairs": pairs,
                "count": int(rng.integers(4, 9)),
            }
        )
    return cases


ENSEMBLE = """
def reward_and_questions(rewards, pairs, count):
    mean, std = (f(axis=(1, 2), keepdims=True) for f in (rewards.mean, rewards.std))
    normalised = (rewards - mean) / std
    reward = REWARD
    worth = WORTH
    difference = worth[:, pairs[:, 0]] - worth[:, pairs[:, 1]]
    chances = (1 + np.tanh(difference / 2)) / 2
    return reward, np.argsort(-SCORE)[:count]
"""


def ensemble(
    reward: str = "normalised.mean(axis=0)",
    worth: str = "rewards.sum(axis=2)",
    score: str = "chances.var(axis=0)",
) -> str:
    """The source of `reward_and_questions` with these parts."""
    parts = {"REWARD": reward, "WORTH": worth, "SCORE": score}
    source = ENSEMBLE
    for name, part in parts.items():
        source = source.replace(name, part)
    return source


REWARD_AND_QUESTIONS = Exercise(
    function="reward_and_questions",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=reward_and_questions_inputs,
    wrong={
        "the mean over a clip instead of the sum": ensemble(
            worth="rewards.mean(axis=2)"
        ),
        "asks by normalised rewards": ensemble(worth="normalised.sum(axis=2)"),
        "the first count pairs, then sorted": ensemble().replace(
            "np.argsort(-chances.var(axis=0))[:count]",
            "np.sort(np.argsort(-chances.var(axis=0))[:count])",
        ),
        "averaged, then normalised": ensemble(
            reward="(rewards.mean(axis=0) - rewards.mean()) / rewards.mean(axis=0).std()"
        ),
        "all members normalised together": ensemble(
            reward="((rewards - rewards.mean()) / rewards.std()).mean(axis=0)"
        ),
        "each clip normalised by itself": ensemble(
            reward="((rewards - rewards.mean(axis=2, keepdims=True)) / (1e-9 + rewards.std(axis=2, keepdims=True))).mean(axis=0)"
        ),
        "the variance of the differences": ensemble(
            score="difference.var(axis=0)"
        ),
        "closest to one half": ensemble(
            score="(-abs(chances.mean(axis=0) - 0.5))"
        ),
        "the least disputed": ensemble(score="(-chances.var(axis=0))"),
    },
)


def labels_asked_inputs(rng: np.random.Generator) -> list[dict]:
    """Steps in every part of a run and beyond it, with decays shorter and longer than the run."""
    cases = []
    for share in (*rng.uniform(0.05, 0.95, 4), 0.0, 1.0, 1.5):
        run_steps = int(rng.integers(2, 500)) * 10_000
        cases.append(
            {
                "step": int(share * run_steps),
                "run_steps": run_steps,
                "labels": int(rng.integers(100, 3000)),
                "decay": int(rng.integers(1, 300)) * 10_000,
            }
        )
    return cases


LABELS = """
def labels_asked(step, run_steps, labels, decay):
    whole = math.log1p(run_steps / decay)
    share = SHARE
    half = HALF
    return labels * (0.25 + 0.75 * share), half
"""
SHARE = "min(1.0, math.log1p(step / decay) / whole)"
HALF = "decay * math.expm1(whole / 3)"

LABELS_ASKED = Exercise(
    function="labels_asked",
    kind="number",
    level=1,
    points=2,
    minutes=10,
    inputs=labels_asked_inputs,
    wrong={
        "goes on asking after the end": LABELS.replace(
            "SHARE", "math.log1p(step / decay) / whole"
        ).replace("HALF", HALF),
        "two million, whatever is given": LABELS.replace("SHARE", SHARE)
        .replace("HALF", HALF)
        .replace("    whole", "    decay = 2_000_000\n    whole"),
        "a constant rate": LABELS.replace(
            "SHARE", "min(1.0, step / run_steps)"
        ).replace("HALF", "run_steps / 3"),
        "half of what the beginning left": LABELS.replace(
            "SHARE", SHARE
        ).replace("HALF", "decay * math.expm1(whole / 2)"),
        "the rate itself, not its integral": LABELS.replace(
            "SHARE", "min(1.0, decay / (step + decay))"
        ).replace("HALF", HALF),
        "no labels before the first step": LABELS.replace("SHARE", SHARE)
        .replace("HALF", HALF)
        .replace("(0.25 + 0.75 * share)", "share"),
    },
)


def preference_loss_inputs(rng: np.random.Generator) -> list[dict]:
    """Clips of unequal length whose padding is not 0, ties among the answers; once all of one length."""
    cases = []
    for unequal in (True, True, False):
        shape = 9, 12
        lengths = rng.integers(2, 13, (2, 9)) if unequal else np.full((2, 9), 7)
        cases.append(
            {
                "first": torch.from_numpy(rng.normal(0.2, 0.5, shape)),
                "first_lengths": torch.from_numpy(lengths[0]),
                "second": torch.from_numpy(rng.normal(0.2, 0.5, shape)),
                "second_lengths": torch.from_numpy(lengths[1]),
                "preferences": torch.from_numpy(rng.choice([0, 0.5, 1], 9)),
                "error": float(rng.uniform(0.02, 0.3)),
            }
        )
    return cases


LOSS = """
def preference_loss(first, first_lengths, second, second_lengths, preferences, error):
    steps = torch.arange(first.shape[1])
    shorter = torch.minimum(first_lengths, second_lengths)
    worth = []
    for rewards, lengths in ((first, first_lengths), (second, second_lengths)):
        padded = steps >= lengths[:, None]
        worth.append(WORTH)
    looking = torch.sigmoid(worth[0] - worth[1])
    chances = (1 - error) * looking + error / 2
    costs = preferences * chances.log() + (1 - preferences) * (-chances).log1p()
    return -costs.mean()
"""

PREFERENCE_LOSS = Exercise(
    function="preference_loss",
    kind="bug",
    level=2,
    points=3,
    minutes=15,
    inputs=preference_loss_inputs,
    wrong={
        "padding counts as well": LOSS.replace("WORTH", "rewards.sum(dim=1)"),
        "one step too many": LOSS.replace(
            "WORTH",
            "rewards.masked_fill(steps > lengths[:, None], 0).sum(dim=1)",
        ),
        "the mean times the mean length": LOSS.replace(
            "WORTH",
            "rewards.masked_fill(padded, 0).sum(dim=1) / lengths * lengths.double().mean()",
        ),
        "the mean times the length of the array": LOSS.replace(
            "WORTH",
            "rewards.masked_fill(padded, 0).sum(dim=1) / lengths * len(steps)",
        ),
        "divided by the length of the array": LOSS.replace(
            "WORTH", "rewards.masked_fill(padded, 0).mean(dim=1)"
        ),
        "both cut to the shorter": LOSS.replace(
            "WORTH",
            "rewards.masked_fill(steps >= shorter[:, None], 0).sum(dim=1)",
        ),
        "as found": """
preference_loss = preference_loss_as_found
""",
    },
)


def ends(
    rng: np.random.Generator, steps: int, worlds: int
) -> dict[str, np.ndarray]:
    """Ends of both kinds at different steps, one that is both, and the final values."""
    kinds = rng.choice(3, (steps, worlds), p=[0.7, 0.15, 0.15])
    terminated, truncated = kinds == 1, kinds == 2
    both = int(rng.integers(1, steps - 1)), int(rng.integers(0, worlds))
    terminated[both] = truncated[both] = True
    # There is an end of the clock's own in any case, in one world alone.
    terminated[steps // 2] = truncated[steps // 2] = False
    truncated[steps // 2, 0] = True
    truncated[-1, -1], terminated[-1, -1] = True, False
    values = rng.normal(0, 3, (steps, worlds))
    return {
        "terminated": terminated,
        "truncated": truncated,
        "final_values": np.where(truncated, values, np.nan),
    }


def returns_inputs(rng: np.random.Generator) -> list[dict]:
    """Rollouts of several worlds with ends of both kinds, and one without any."""
    cases = []
    for steps, worlds in ((9, 3), (20, 4), (12, 2)):
        cases.append(
            {
                "rewards": rng.normal(size=(steps, worlds)),
                **ends(rng, steps, worlds),
                "next_values": rng.normal(0, 3, worlds),
                "gamma": float(rng.uniform(0.8, 0.99)),
            }
        )
    quiet = {**cases[-1], "final_values": np.full((12, 2), np.nan)}
    quiet["terminated"] = quiet["truncated"] = np.zeros((12, 2), bool)
    return [*cases, quiet]


RETURNS = """
def returns(rewards, terminated, truncated, final_values, next_values, gamma):
    found, later = np.empty_like(rewards), next_values
    for step in reversed(range(len(rewards))):
        CUT
        FALL
        later = rewards[step] + gamma * later
        found[step] = later
    return found
"""
CUT = "later = np.where(truncated[step], final_values[step], later)"
FALL = "later = np.where(terminated[step], 0.0, later)"

RETURNS_EXERCISE = Exercise(
    function="returns",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=returns_inputs,
    wrong={
        "the clock counts more than a fall": RETURNS.replace(
            "CUT", FALL
        ).replace("FALL", CUT),
        "all worlds end together": RETURNS.replace(
            "CUT",
            "later = final_values[step] if truncated[step].any() else later",
        ).replace("FALL", FALL),
        "an episode that was cut has come to its end": RETURNS.replace(
            "CUT", CUT.replace("final_values[step]", "0.0")
        ).replace("FALL", FALL),
        "an episode that was cut goes on in the next": RETURNS.replace(
            "CUT", "pass"
        ).replace("FALL", FALL),
        "terminated episodes have final values too": RETURNS.replace(
            "CUT", CUT
        ).replace("FALL", "pass"),
        "multiplied by 0": RETURNS.replace(
            "CUT",
            "later = truncated[step] * final_values[step] + ~truncated[step] * later",
        ).replace("FALL", FALL),
        "the final value is not discounted": RETURNS.replace(
            "CUT",
            CUT.replace("final_values[step]", "final_values[step] / gamma"),
        ).replace("FALL", FALL),
    },
)


def advantages_inputs(rng: np.random.Generator) -> list[dict]:
    """Rollouts of several worlds that end their episodes at different steps."""
    cases = []
    for steps, worlds in ((9, 3), (20, 4), (12, 2)):
        cases.append(
            {
                "rewards": rng.normal(size=(steps, worlds)),
                "values": rng.normal(0, 3, (steps + 1, worlds)),
                **ends(rng, steps, worlds),
                "gamma": float(rng.uniform(0.8, 0.99)),
                "gae_lambda": float(rng.uniform(0.5, 0.98)),
            }
        )
    return cases


ADVANTAGES = """
def advantages(rewards, values, terminated, truncated, final_values, gamma, gae_lambda):
    ahead = np.where(truncated, AHEAD, values[1:])
    ahead = np.where(terminated, 0.0, ahead)
    surprises = rewards + gamma * ahead - values[:-1]
    goes_on = GOES_ON
    found, later = np.empty_like(rewards), np.zeros(rewards.shape[1])
    for step in reversed(range(len(rewards))):
        later = surprises[step] + gamma * gae_lambda * goes_on[step] * later
        found[step] = later
    return found
"""


def advantage(
    ahead: str = "final_values", goes_on: str = "~(terminated | truncated)"
) -> str:
    """The source of `advantages` with these parts."""
    return ADVANTAGES.replace("AHEAD", ahead).replace("GOES_ON", goes_on)


ADVANTAGES_EXERCISE = Exercise(
    function="advantages",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=advantages_inputs,
    wrong={
        "all worlds end together": advantage(
            goes_on="~(terminated | truncated).any(axis=1)"
        ),
        "carried on through an episode that was cut": advantage(
            goes_on="~terminated"
        ),
        "carried on through every end": advantage(
            goes_on="np.ones_like(terminated)"
        ),
        "an episode that was cut has come to its end": advantage(ahead="0.0"),
        "the value of the next episode's first observation": advantage(
            ahead="values[1:]"
        ),
        "the clock counts more than a fall": advantage().replace(
            "np.where(terminated, 0.0, ahead)",
            "np.where(terminated & ~truncated, 0.0, ahead)",
        ),
        "lambda without gamma": advantage().replace(
            "gamma * gae_lambda", "gae_lambda"
        ),
    },
)


def answers_to(differences: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """What the labeller of exercise 9 says to each pair, (pairs,)."""
    worth = differences @ hidden
    return np.where(abs(worth) <= 0.1, 0.5, worth > 0)


def learned(differences: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Exercise 9's reward from these answers, (features,)."""
    weights = np.zeros(differences.shape[1])
    for _ in range(12):
        chances = (1 + np.tanh(differences @ weights / 2)) / 2
        gradient = differences.T @ (chances - answers) + 0.1 * weights
        spread = differences.T * (chances * (1 - chances))
        curvature = spread @ differences + 0.1 * np.eye(len(weights))
        weights = weights - np.linalg.solve(curvature, gradient)
    return weights


def correlation_after(
    asked: np.ndarray, differences: np.ndarray, hidden: np.ndarray
) -> float:
    """Of the hidden reward and the one learned from these questions."""
    answers = answers_to(differences[asked], hidden)
    weights = learned(differences[asked], answers)
    length = np.linalg.norm(weights) * np.linalg.norm(hidden)
    return float(weights @ hidden / length) if length > 0 else 0.0


def asked_in_turn(differences, hidden, score) -> np.ndarray:
    """Twenty pairs, each with the largest score given those asked and their answers."""
    answers = answers_to(differences, hidden)
    asked: list[int] = []
    for _ in range(20):
        scores = score(differences, np.array(asked, int), answers[asked])
        scores[asked] = -np.inf
        asked.append(int(scores.argmax()))
    return np.array(asked)


def spread_of(differences, asked, answers) -> np.ndarray:
    """How much of each pair is new, by the pairs asked alone: answers are not looked at."""
    known = 0.1 * np.eye(differences.shape[1])
    known += differences[asked].T @ differences[asked]
    new = np.linalg.solve(known, differences.T)
    return (differences.T * new).sum(axis=0)


def uncertainty_of(differences, asked, answers) -> np.ndarray:
    """How uncertain each answer is, by the curvature of the loss so far."""
    chances = np.full(len(differences), 0.5)
    if len(asked):
        weights = learned(differences[asked], answers)
        chances = (1 + np.tanh(differences @ weights / 2)) / 2
    slopes = chances * (1 - chances)
    known = 0.1 * np.eye(differences.shape[1])
    known += (differences[asked].T * slopes[asked]) @ differences[asked]
    new = np.linalg.solve(known, differences.T)
    return slopes * (differences.T * new).sum(axis=0)


def disputed_by(stream: np.random.Generator) -> Callable:
    """A score: the variance of ten members' probabilities, each member on answers drawn again."""

    def score(differences, asked, answers) -> np.ndarray:
        if len(asked) < 3:  # nobody disagrees yet
            return np.linalg.norm(differences, axis=1)
        chances = []
        for _ in range(10):
            drawn = stream.integers(0, len(asked), len(asked))
            weights = learned(differences[asked[drawn]], answers[drawn])
            chances.append((1 + np.tanh(differences @ weights / 2)) / 2)
        return np.var(chances, axis=0)

    return score


def choose_questions_inputs(rng: np.random.Generator) -> list[dict]:
    """Three banks that a good choice of questions masters and a blind one does not.

    Those who look at the answers, by the loss's curvature or by the members' disagreement, reach
    0.97 at least, whatever the members draw; twenty random pairs, the twenty largest, and pairs
    spread as widely as possible, whose choice does not look, reach 0.87 at most.
    """
    cases = []
    while len(cases) < 3:
        varies = np.array([5.0, 5.0, 1.5, 1.5, 1.5])
        alike = np.where(rng.random(300) < 0.7, 0.01, 1.0)
        differences = alike[:, None] * varies * rng.normal(size=(300, 5))
        hidden = rng.normal(size=5)
        bank = differences, hidden / np.linalg.norm(hidden)
        blind = [
            rng.permutation(300)[:20],
            np.argsort(-np.linalg.norm(differences, axis=1))[:20],
            asked_in_turn(*bank, spread_of),
        ]
        if max(correlation_after(asked, *bank) for asked in blind) > 0.87:
            continue
        seed = int(rng.integers(1000))
        streams = [np.random.default_rng(seed + more) for more in range(4)]
        scores = [uncertainty_of, *map(disputed_by, streams)]
        good = [asked_in_turn(*bank, score) for score in scores]
        if min(correlation_after(asked, *bank) for asked in good) < 0.97:
            continue
        cases.append({"differences": bank[0], "hidden": bank[1], "seed": seed})
    return cases


def missing_correlation(answer: np.ndarray, drawn: dict) -> float:
    """1 less the correlation reached; inf if the pairs are not twenty different ones."""
    pairs = len(drawn["differences"])
    if len(set(answer.tolist())) != 20:
        return float("inf")
    if answer.min() < 0 or answer.max() >= pairs:
        return float("inf")
    return 1 - correlation_after(answer, drawn["differences"], drawn["hidden"])


QUESTIONS = """
def choose_questions(differences, hidden, seed):
    labeller = Labeller(differences, hidden)
    rng = np.random.default_rng(seed)
    sizes = np.linalg.norm(differences, axis=1)
    for question in np.argsort(-sizes)[:3]:
        labeller.ask(question)
    while len(labeller.asked) < 20:
        asked, answers = np.array(labeller.asked), np.array(labeller.answers)
        members = []
        for _ in range(10):
            drawn = rng.integers(0, len(asked), len(asked))
            members.append(differences @ learned(differences[asked[drawn]], answers[drawn]))
        scores = SCORES
        scores[asked] = -np.inf
        labeller.ask(scores.argmax())
    return np.array(labeller.asked)
"""

CHOOSE_QUESTIONS = Exercise(
    function="choose_questions",
    kind="behaviour",
    level=3,
    points=6,
    minutes=30,
    inputs=choose_questions_inputs,
    measure=missing_correlation,
    threshold=0.1,
    assigned=True,
    wrong={
        "pairs spread as widely as possible, answers not looked at": """
def choose_questions(differences, hidden, seed):
    labeller = Labeller(differences, hidden)
    known = 0.1 * np.eye(5)
    while len(labeller.asked) < 20:
        scores = (differences.T * np.linalg.solve(known, differences.T)).sum(axis=0)
        scores[labeller.asked] = -np.inf
        chosen = int(scores.argmax())
        known += np.outer(differences[chosen], differences[chosen])
        labeller.ask(chosen)
    return np.array(labeller.asked)
""",
        "at random": """
def choose_questions(differences, hidden, seed):
    return np.random.default_rng(seed).permutation(len(differences))[:20]
""",
        "the largest differences": """
def choose_questions(differences, hidden, seed):
    return np.argsort(-np.linalg.norm(differences, axis=1))[:20]
""",
        "closest to one half": QUESTIONS.replace(
            "SCORES", "-abs(np.mean(members, axis=0))"
        ),
        "the variance of the differences": QUESTIONS.replace(
            "SCORES", "np.var(members, axis=0)"
        ),
    },
)

EXERCISES = [
    CHANCE_AND_COST,
    LOSS_GRADIENT,
    WHAT_SURVIVES,
    REWARD_AND_QUESTIONS,
    LABELS_ASKED,
    PREFERENCE_LOSS,
    RETURNS_EXERCISE,
    ADVANTAGES_EXERCISE,
    CHOOSE_QUESTIONS,
]
