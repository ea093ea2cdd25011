"""Cases of the exercises on ImageNet in one hour: inputs drawn from a seed, tolerances, wrong answers."""

import numpy as np
import torch

from companion.exercises import Exercise


def training_plan_inputs(rng: np.random.Generator) -> list[dict]:
    """Plans whose last batch is partial, and two that come out even."""
    cases = []
    for even in (False, False, True, True):
        share, workers = (
            int(rng.choice([16, 24, 32, 64])),
            int(rng.integers(3, 300)),
        )
        batch, whole = share * workers, int(rng.integers(20, 400))
        left_over = 0 if even else int(rng.integers(batch // 5, 4 * batch // 5))
        cases.append(
            {
                "images": whole * batch + left_over,
                "share": share,
                "workers": workers,
                "epochs": int(rng.integers(20, 120)),
            }
        )
    return cases


PLAN = """
def training_plan(images, share, workers, epochs):
    batch = share * workers
    return 0.1 * batch / 256, images / batch, STEPS
"""

TRAINING_PLAN = Exercise(
    function="training_plan",
    kind="number",
    level=1,
    points=2,
    minutes=10,
    inputs=training_plan_inputs,
    wrong={
        "a partial batch also where nothing is left over": PLAN.replace(
            "STEPS", "epochs * (images // batch + 1)"
        ),
        "partial batches left out": PLAN.replace(
            "STEPS", "epochs * (images // batch)"
        ),
        "batches that reach from one epoch into the next": PLAN.replace(
            "STEPS", "math.ceil(epochs * images / batch)"
        ),
        "the rate of one worker's share": PLAN.replace(
            "STEPS", "epochs * math.ceil(images / batch)"
        ).replace("0.1 * batch", "0.1 * share"),
    },
)


def learning_rate_at_inputs(rng: np.random.Generator) -> list[dict]:
    """Moments in every part of a schedule, its corners among them."""
    batch = 256 * int(rng.integers(2, 64))
    warmup = float(rng.uniform(3, 9))
    drops = [float(drop) for drop in np.cumsum(rng.integers(12, 30, 3))]
    moments = [0.0, warmup, *drops]
    moments += [warmup * share for share in rng.uniform(0.1, 0.9, 3)]
    moments += [drop + rng.uniform(0.1, 9) for drop in (warmup, *drops)]
    schedule = {"batch": batch, "warmup": warmup, "drops": drops}
    cases = [{"epoch": float(moment), **schedule} for moment in moments]
    cases += [{**case, "warmup": 0.0} for case in (cases[0], cases[-1])]
    return [cases[i] for i in rng.permutation(len(cases))]


RATE = """
def learning_rate_at(epoch, batch, warmup, drops):
    start, target = 0.1, 0.1 * batch / 256
    if epoch < warmup:
        return start + (target - start) * epoch / warmup
    return target / 10 ** sum(epoch >= drop for drop in drops)
"""

LEARNING_RATE_AT = Exercise(
    function="learning_rate_at",
    kind="write",
    level=1,
    points=3,
    minutes=15,
    inputs=learning_rate_at_inputs,
    wrong={
        "the drops one moment too late": RATE.replace(">= drop", "> drop"),
        "a staircase, one step an epoch": RATE.replace(
            "* epoch / warmup", "* int(epoch) / warmup"
        ),
        "a warm-up from 0": RATE.replace(
            "start + (target - start) *", "target *"
        ),
        "a tenth however many drops have passed": RATE.replace(
            "sum(epoch >= drop for drop in drops)",
            "any(epoch >= drop for drop in drops)",
        ),
        "the same factor in each step": RATE.replace(
            "start + (target - start) * epoch / warmup",
            "start * (target / start) ** (epoch / warmup)",
        ),
        "the paper's drops, whatever is given": RATE.replace(
            "in drops", "in (30, 60, 80)"
        ),
    },
)


def corrected_momentum_inputs(rng: np.random.Generator) -> list[dict]:
    """Rates that grow, stay and drop; once from 0, once with 0 in the middle."""
    cases = []
    for first, pause in ((0.1, False), (0.0, False), (0.1, True)):
        high = float(rng.uniform(1, 4))
        warmup, stay = (int(number) for number in rng.integers(4, 9, 2))
        rates = [*np.linspace(first, high, warmup), *[high] * stay]
        rates += [0.0, 0.0] if pause else []
        rates += [high / 10] * 4 + [high / 100] * 4
        cases.append(
            {
                "weights": rng.normal(0, 1, 5),
                "gradients": rng.normal(0, 1, (len(rates), 5)),
                "rates": np.array(rates),
                "momentum": float(rng.uniform(0.8, 0.95)),
            }
        )
    return cases


MOMENTUM = """
def corrected_momentum(weights, gradients, rates, momentum):
    velocity, last = np.zeros_like(weights), rates[0]
    path, velocities = [], []
    for gradient, rate in zip(gradients, rates):
        with np.errstate(all="ignore"):
            factor = FACTOR
        velocity = VELOCITY
        weights = weights - velocity
        last = rate
        path.append(weights)
        velocities.append(velocity)
    return np.array(path), np.array(velocities)
"""
CORRECTED = "momentum * factor * velocity + rate * gradient"

CORRECTED_MOMENTUM = Exercise(
    function="corrected_momentum",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=corrected_momentum_inputs,
    wrong={
        "divides by a rate of 0": MOMENTUM.replace(
            "FACTOR", "np.float64(rate) / last"
        ).replace("VELOCITY", CORRECTED),
        "no factor after a rate of 0": MOMENTUM.replace(
            "FACTOR", "rate / last if last > 0 else 1.0"
        ).replace("VELOCITY", CORRECTED),
        "not corrected": MOMENTUM.replace("FACTOR", "1.0").replace(
            "VELOCITY", CORRECTED
        ),
        "the factor upside down": MOMENTUM.replace(
            "FACTOR", "np.float64(last) / rate"
        ).replace("VELOCITY", CORRECTED),
        "the gradient corrected as well": MOMENTUM.replace(
            "FACTOR", "np.float64(rate) / last"
        ).replace(
            "VELOCITY", "factor * (momentum * velocity + rate * gradient)"
        ),
        "corrected only when the rate drops": MOMENTUM.replace(
            "FACTOR", "min(1.0, np.float64(rate) / last)"
        ).replace("VELOCITY", CORRECTED),
    },
)


def share_gradients_inputs(rng: np.random.Generator) -> list[dict]:
    """Equal shares, unequal ones, and a worker without images."""
    cases = []
    unequal = [int(size) for size in rng.integers(1, 12, 4)]
    for sizes in ([5, 5, 5], [*unequal, 14], [9, 0, *unequal[:2]]):
        weights = rng.normal(0, 1, (6, 4))
        cases.append(
            {
                "inputs": [
                    torch.from_numpy(rng.normal(0, 1, (size, 6)))
                    for size in sizes
                ],
                "labels": [
                    torch.from_numpy(rng.integers(0, 4, size)) for size in sizes
                ],
                "weights": torch.from_numpy(weights),
            }
        )
    return cases


SHARES = """
def share_gradients(inputs, labels, weights):
    workers, total = len(labels), sum(len(share) for share in labels)
    largest = max(len(share) for share in labels)
    gradients = []
    for images, answers in zip(inputs, labels):
        weights = weights.detach().requires_grad_()
        loss = torch.nn.functional.cross_entropy(images @ weights, answers, reduction="REDUCTION")
        gradients.append(torch.autograd.grad(loss * (FACTOR), weights)[0])
    return torch.stack(gradients)
"""

SHARE_GRADIENTS = Exercise(
    function="share_gradients",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=share_gradients_inputs,
    wrong={
        "only workers with images counted": SHARES.replace(
            "REDUCTION", "sum"
        ).replace("FACTOR", "sum(len(share) > 0 for share in labels) / total"),
        "each worker's own mean": SHARES.replace("REDUCTION", "mean").replace(
            "FACTOR", "1"
        ),
        "divided by the largest share": SHARES.replace(
            "REDUCTION", "sum"
        ).replace("FACTOR", "1 / largest"),
        "divided by the batch, and by the workers once more": SHARES.replace(
            "REDUCTION", "sum"
        ).replace("FACTOR", "1 / total"),
        "everybody hands over the big step": """
def share_gradients(inputs, labels, weights):
    weights = weights.detach().requires_grad_()
    loss = torch.nn.functional.cross_entropy(torch.cat(list(inputs)) @ weights, torch.cat(list(labels)))
    (gradient,) = torch.autograd.grad(loss, weights)
    return gradient.expand(len(labels), -1, -1).clone()
""",
    },
)


def train_on_workers_inputs(rng: np.random.Generator) -> list[dict]:
    """Several numbers of workers, with a weight decay that can be seen."""
    cases = []
    for workers in (1, 3, int(rng.integers(4, 9))):
        shape = 12, workers, 4
        cases.append(
            {
                "weights": torch.from_numpy(rng.normal(0, 1, (5, 3))),
                "inputs": torch.from_numpy(rng.normal(0, 1, (*shape, 5))),
                "labels": torch.from_numpy(rng.integers(0, 3, shape)),
                "rate": float(rng.uniform(0.02, 0.1)),
                "momentum": float(rng.uniform(0.5, 0.95)),
                "decay": float(rng.uniform(0.01, 0.1)),
            }
        )
    return cases


TRAIN = """
def train_on_workers(weights, inputs, labels, rate, momentum, decay):
    velocity = torch.zeros_like(weights)
    workers = inputs.shape[1]
    for images, answers in zip(inputs, labels):
        gradients = averaged_gradients(weights, images, answers)
        gradient = torch.stack(gradients).sum(dim=0)
        velocity = VELOCITY
        weights = weights - rate * velocity
    return weights
"""

TRAIN_ON_WORKERS = Exercise(
    function="train_on_workers",
    kind="bug",
    level=2,
    points=3,
    minutes=15,
    inputs=train_on_workers_inputs,
    wrong={
        "the rate divided by the workers": """
def train_on_workers(weights, inputs, labels, rate, momentum, decay):
    return train_as_found(weights, inputs, labels, rate / inputs.shape[1], momentum, decay)
""",
        "the decay divided with the gradient": TRAIN.replace(
            "VELOCITY",
            "momentum * velocity + (gradient + decay * weights) / workers",
        ),
        "the velocity divided, and its past with it": TRAIN.replace(
            "VELOCITY",
            "(momentum * velocity + gradient) / workers + decay * weights",
        ),
        "a mean divided once more": TRAIN.replace(
            "VELOCITY",
            "momentum * velocity + gradient / workers**2 + decay * weights",
        ),
        "as found": """
train_on_workers = train_as_found
""",
    },
)


def allreduce_costs_inputs(rng: np.random.Generator) -> list[dict]:
    """Large messages and small ones, odd numbers of bytes; once a single server."""
    cases = []
    for servers in (1, 2, 16, int(rng.choice([64, 128, 256]))):
        for size in (2e3, 1e8):
            cases.append(
                {
                    "servers": servers,
                    "message": int(size * rng.uniform(0.5, 1)) // 2 * 2 + 1,
                    "latency": float(rng.uniform(1e-6, 1e-4)),
                    "bandwidth": float(rng.uniform(0.1, 10)) * 1e9,
                }
            )
    return cases


COSTS = """
def allreduce_costs(servers, message, latency, bandwidth):
    sent = SENT
    seconds = sent / bandwidth
    return float(sent), RING * latency + seconds, 2 * math.log2(servers) * latency + HALVING
"""
SENT, RING = "2 * (servers - 1) * message / servers", "2 * (servers - 1)"


def costs(sent: str = SENT, ring: str = RING, halving: str = "seconds") -> str:
    """The source of `allreduce_costs` with these parts."""
    parts = {"SENT": sent, "RING": ring, "HALVING": halving}
    source = COSTS
    for name, part in parts.items():
        source = source.replace(name, part)
    return source


ALLREDUCE_COSTS = Exercise(
    function="allreduce_costs",
    kind="number",
    level=1,
    points=2,
    minutes=10,
    inputs=allreduce_costs_inputs,
    wrong={
        "pieces of whole bytes": costs(
            sent="2 * (servers - 1) * (message // servers)"
        ),
        "as many rounds as servers": costs(
            sent="2 * message", ring="2 * servers"
        ),
        "half of the message in every round": costs(
            halving="math.log2(servers) * message / bandwidth"
        ),
        "the way to the sums alone": costs(
            sent="(servers - 1) * message / servers", ring="(servers - 1)"
        ),
        "the whole message in every round": costs(
            sent="2 * (servers - 1) * message"
        ),
    },
)


def ring_state_inputs(rng: np.random.Generator) -> list[dict]:
    """Lengths that divide and do not, shorter than the ring too; every part of the way."""
    cases = []
    for ranks, length in ((3, 6), (5, 18), (6, 4), (4, 11)):
        last = 2 * (ranks - 1)
        for rounds in (int(rng.integers(1, ranks)), last - 1, last):
            cases.append(
                {"buffers": rng.normal(0, 1, (ranks, length)), "rounds": rounds}
            )
    return cases


RING_STATE = """
def ring_state(buffers, rounds):
    ranks, length = buffers.shape
    pieces = np.array_split(np.arange(length), ranks)
    state = buffers.copy()
    for number in range(rounds):
        sent = state.copy()
        for rank in range(ranks):
            piece, receiver = pieces[(rank - number) % ranks], (rank + 1) % ranks
            if number < ranks - 1:
                state[receiver, piece] += sent[rank, piece]
            else:
                state[receiver, piece] = sent[rank, piece]
    return state
"""

RING_EXERCISE = Exercise(
    function="ring_state",
    kind="write",
    level=3,
    points=5,
    minutes=25,
    inputs=ring_state_inputs,
    wrong={
        "what is left over goes into the last piece": RING_STATE.replace(
            "np.array_split(np.arange(length), ranks)",
            "[np.arange(r * (length // ranks), (r + 1) * (length // ranks) if r < ranks - 1 else length) for r in range(ranks)]",
        ),
        "what is left over is never sent": RING_STATE.replace(
            "np.array_split(np.arange(length), ranks)",
            "[np.arange(r * (length // ranks), (r + 1) * (length // ranks)) for r in range(ranks)]",
        ),
        "adds to the end": RING_STATE.replace(
            "number < ranks - 1", "number < rounds"
        ),
        "the pieces go on the other way": RING_STATE.replace(
            "rank - number", "rank + number"
        ),
        "each rank sends what it had at the start": RING_STATE.replace(
            "sent = state.copy()", "sent = buffers"
        ),
        "the sum, without a ring": """
def ring_state(buffers, rounds):
    if rounds == 0:
        return buffers.copy()
    return np.tile(buffers.sum(axis=0), (len(buffers), 1))
""",
    },
)


def probabilities(
    layers: list[np.ndarray], images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The hidden units and the answers of exercise 8's network."""
    hidden = np.maximum(images @ layers[0], 0)
    logits = hidden @ layers[1]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return hidden, odds / odds.sum(axis=1, keepdims=True)


def small_network(
    rng: np.random.Generator,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Both layers as they start; images (4096, 12); labels (4096,)."""
    centres = rng.normal(0, 1, (24, 12))
    cluster = rng.integers(0, 24, 4096)
    images = 1 + centres[cluster] + rng.normal(0, 0.3, (4096, 12))
    first = rng.normal(0, (2 / 12) ** 0.5, (12, 24))
    second = rng.normal(0, (2 / 24) ** 0.5, (24, 4))
    return [first, second], images, cluster % 4


def loss_after(
    network: tuple[list[np.ndarray], np.ndarray, np.ndarray],
    rates: np.ndarray,
    batch: int,
) -> float:
    """The loss on all images after a training with these rates; infinity if it overflows."""
    (first, second), images, labels = network
    u_first, u_second = np.zeros_like(first), np.zeros_like(second)
    wanted = np.eye(4)[labels]
    with np.errstate(all="ignore"):
        for step, rate in enumerate(rates):
            taken = np.arange(step * batch, (step + 1) * batch) % len(images)
            hidden, answers = probabilities([first, second], images[taken])
            slopes = (answers - wanted[taken]) / batch
            back = slopes @ second.T * (hidden > 0)
            u_first = 0.9 * u_first + images[taken].T @ back
            u_second = 0.9 * u_second + hidden.T @ slopes
            first, second = first - rate * u_first, second - rate * u_second
        answers = probabilities([first, second], images)[1]
        right = answers[np.arange(len(labels)), labels]
        loss = -np.log(np.maximum(right, 1e-300)).mean()
    return float(loss) if np.isfinite(loss) else float("inf")


def schedule_inputs(rng: np.random.Generator) -> dict:
    """A network that the rule alone harms and a warm-up saves, and what one worker reaches; withheld.

    The rule alone, its half, its quarter and a warm-up of an eighteenth, the paper's share, end far
    above one worker's loss; warm-ups over about half of the steps end near it or below.
    """
    workers, steps = int(rng.integers(12, 21)), int(rng.integers(100, 141))
    base_rate = float(rng.uniform(0.8, 0.9)) / workers

    def gradual(share: float) -> np.ndarray:
        progress = np.minimum(np.arange(steps) / (share * steps), 1)
        return base_rate * (1 + (workers - 1) * progress)

    def constant(part: float) -> np.ndarray:
        return np.full(steps, part * workers * base_rate)

    poor = [gradual(1 / 18), constant(1 / 2), constant(1 / 4)]
    long = [gradual(share) for share in (0.4, 0.5, 0.6)]
    while True:
        network = small_network(rng)

        def loss(rates: np.ndarray, network: tuple = network) -> float:
            return loss_after(network, rates, 32 * workers)

        # One worker reaches 0.001 to 0.005, and takes the longest to tell.
        if loss(constant(1)) < 0.05 or loss(gradual(1 / 18)) < 0.01:
            continue
        target = loss_after(network, np.full(steps * workers, base_rate), 32)
        if all(loss(rates) > 2.5 * target for rates in poor) and all(
            loss(rates) < 1.2 * target for rates in long
        ):
            break
    return {
        "steps": steps,
        "workers": workers,
        "base_rate": base_rate,
        "network": network,
        "target": target,
    }


def times_the_target(answer: np.ndarray, drawn: dict) -> float:
    """The loss that these rates lead to, in units of what one worker reaches."""
    batch = 32 * drawn["workers"]
    return loss_after(drawn["network"], answer, batch) / drawn["target"]


SCHEDULE = Exercise(
    function="schedule",
    kind="behaviour",
    level=3,
    points=6,
    minutes=30,
    inputs=schedule_inputs,
    measure=times_the_target,
    threshold=2.0,
    withheld=("network", "target"),
    assigned=True,
    wrong={
        "the paper's share of the training, 5 epochs of 90": """
def schedule(steps, workers, base_rate):
    progress = np.minimum(np.arange(steps) / (steps * 5 / 90), 1)
    return base_rate * (1 + (workers - 1) * progress)
""",
        "the rule alone": """
def schedule(steps, workers, base_rate):
    return np.full(steps, workers * base_rate)
""",
        "half of the rule": """
def schedule(steps, workers, base_rate):
    return np.full(steps, workers * base_rate / 2)
""",
        "the small batch's rate": """
def schedule(steps, workers, base_rate):
    return np.full(steps, base_rate)
""",
        "a tenth of it in the last quarter, and no warm-up": """
def schedule(steps, workers, base_rate):
    return workers * base_rate * np.where(np.arange(steps) < 0.75 * steps, 1.0, 0.1)
""",
    },
)

EXERCISES = [
    TRAINING_PLAN,
    LEARNING_RATE_AT,
    CORRECTED_MOMENTUM,
    SHARE_GRADIENTS,
    TRAIN_ON_WORKERS,
    ALLREDUCE_COSTS,
    RING_EXERCISE,
    SCHEDULE,
]
