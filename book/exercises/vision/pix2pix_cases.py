"""Cases of the exercises on pix2pix: inputs drawn from a seed, tolerances, wrong answers."""

import numpy as np
import torch

from companion.exercises import Exercise


def both_losses_inputs(rng: np.random.Generator) -> list[dict]:
    """Ordinary logits, more of one kind than of the other, and logits in the thousands."""
    cases = []
    for size in (2.0, 4.0, 3000.0):
        shape = 2, 3, 4, 4
        cases.append(
            {
                "real_logits": rng.normal(0.3, size, (2, 3, 3)),
                "fake_logits": rng.normal(-0.3, size, (2, 5, 4)),
                "pictures": rng.uniform(-1, 1, shape),
                "targets": rng.uniform(-1, 1, shape),
                "l1_weight": float(rng.uniform(1, 100)),
            }
        )
    return cases


LOSSES = """
def both_losses(real_logits, fake_logits, pictures, targets, l1_weight):
    taken_for_real = np.logaddexp(0, -fake_logits).mean()
    real, fake = np.logaddexp(0, -real_logits), np.logaddexp(0, fake_logits)
    distance = np.abs(targets - pictures).mean()
    return float(DISCRIMINATOR), float(taken_for_real + l1_weight * distance)
"""
HALVED = "(real.mean() + fake.mean()) / 2"

BOTH_LOSSES = Exercise(
    function="both_losses",
    kind="write",
    level=1,
    points=3,
    minutes=15,
    inputs=both_losses_inputs,
    wrong={
        "one mean over the patches of both kinds": LOSSES.replace(
            "DISCRIMINATOR",
            "np.concatenate([real.ravel(), fake.ravel()]).mean()",
        ),
        "not halved": LOSSES.replace(
            "DISCRIMINATOR", "real.mean() + fake.mean()"
        ),
        "the generator's halved as well": LOSSES.replace(
            "DISCRIMINATOR", HALVED
        ).replace("taken_for_real +", "taken_for_real / 2 +"),
        "the saturating loss": LOSSES.replace("DISCRIMINATOR", HALVED).replace(
            "taken_for_real +", "-fake.mean() +"
        ),
        "the distance squared": LOSSES.replace("DISCRIMINATOR", HALVED).replace(
            "np.abs(targets - pictures).mean()",
            "((targets - pictures) ** 2).mean()",
        ),
        "probabilities kept away from 0": """
def both_losses(real_logits, fake_logits, pictures, targets, l1_weight):
    def log(chances):
        return np.log(np.maximum(chances, 1e-12))
    real = (1 + np.tanh(real_logits / 2)) / 2
    fake = (1 + np.tanh(fake_logits / 2)) / 2
    distance = np.abs(targets - pictures).mean()
    judged = -(log(real).mean() + log(1 - fake).mean()) / 2
    return float(judged), float(-log(fake).mean() + l1_weight * distance)
""",
    },
)


def three_pictures_inputs(rng: np.random.Generator) -> list[dict]:
    """Targets that share values, one that stands in two rows and wins by both."""
    cases = []
    while len(cases) < 3:
        targets = rng.integers(0, 4, (6, 5)) / 4 + rng.uniform(0, 0.1)
        probabilities = rng.dirichlet(np.full(6, 4.0))
        first, second = np.argsort(-probabilities)[1:3]
        targets[second] = targets[first]
        together = probabilities[first] + probabilities[second]
        if len(np.unique(targets, axis=0)) < 5:
            continue
        if together < probabilities.max() + 0.05 or together > 0.5:
            continue
        order = np.argsort(targets, axis=0)
        up_to = np.cumsum(probabilities[order], axis=0)
        if np.abs(up_to - 0.5).min() < 1e-3:
            continue
        cases.append({"targets": targets, "probabilities": probabilities})
    return cases


PICTURES = """
def three_pictures(targets, probabilities):
    mean = probabilities @ targets
    pixels = np.arange(targets.shape[1])
    order = np.argsort(targets, axis=0)
    values = np.take_along_axis(targets, order, axis=0)
    up_to = np.cumsum(probabilities[order], axis=0)
    median = values[(up_to > 0.5).argmax(axis=0), pixels]
    pictures, rows = np.unique(targets, axis=0, return_inverse=True)
    likely = pictures[np.bincount(rows.ravel(), weights=probabilities).argmax()]
    CHANGE
    return mean, median, likely
"""

THREE_PICTURES = Exercise(
    function="three_pictures",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=three_pictures_inputs,
    wrong={
        "the most probable row": PICTURES.replace(
            "CHANGE", "likely = targets[probabilities.argmax()]"
        ),
        "the most probable value of each pixel": PICTURES.replace(
            "CHANGE",
            """for pixel in pixels:
        values, rows = np.unique(targets[:, pixel], return_inverse=True)
        likely[pixel] = values[np.bincount(rows, weights=probabilities).argmax()]""",
        ),
        "targets not weighted in the median": PICTURES.replace(
            "CHANGE", "median = np.median(targets, axis=0)"
        ),
        "targets not weighted in the mean": PICTURES.replace(
            "CHANGE", "mean = targets.mean(axis=0)"
        ),
        "the target that is closest to the others": PICTURES.replace(
            "CHANGE",
            "far = np.abs(targets[:, None] - targets).sum(axis=2) @ probabilities\n"
            "    median = targets[far.argmin()]",
        ),
    },
)


def unet_inputs(rng: np.random.Generator) -> list[dict]:
    """Networks of three and four steps, with dropout in none, in two and in all steps."""
    cases = []
    for levels, noisy in ((3, 0), (4, 2), (3, 3)):
        widths = [int(width) for width in rng.integers(2, 5, levels)]
        size, channels = 2 ** (levels + 1), [3, *widths]
        # As many channels come from below as over the skip.
        down = [
            rng.normal(0, 0.6, (after, before, 2, 2))
            for before, after in zip(channels, widths, strict=False)
        ]
        given = [*reversed(widths[:-1]), 2]
        taken = [widths[-1], *(2 * width for width in given[:-1])]
        up = [
            rng.normal(0, 0.6, (before, after, 2, 2))
            for before, after in zip(taken, given, strict=True)
        ]
        kept = [
            rng.integers(0, 2, (given[step], 2 ** (step + 2), 2 ** (step + 2)))
            for step in range(noisy)
        ]
        cases.append(
            {
                "image": rng.normal(0, 1, (3, size, size)),
                "down": down,
                "up": up,
                "kept": [mask.astype(float) for mask in kept],
            }
        )
    return cases


UNET = """
def unet(image, down, up, kept):
    hidden, twins = image, []
    for level, weights in enumerate(down):
        hidden = halve(leaky_relu(hidden) if level > 0 else hidden, weights)
        twins.append(hidden)
    twins.pop()
    for step, weights in enumerate(up):
        if step > 0:
            hidden = np.concatenate([hidden, twins.pop()])
        hidden = double(np.maximum(hidden, 0), weights)
        if step < len(kept):
            hidden = hidden * kept[step] / 0.5
    return np.tanh(hidden)
"""

UNET_EXERCISE = Exercise(
    function="unet",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=unet_inputs,
    wrong={
        "noise in the first step alone": UNET.replace(
            "if step < len(kept):", "if step == 0 and kept:"
        ),
        "the skip before what comes from below": UNET.replace(
            "[hidden, twins.pop()]", "[twins.pop(), hidden]"
        ),
        "what is kept is not scaled": UNET.replace(
            "* kept[step] / 0.5", "* kept[step]"
        ),
        "no dropout when the network is used": UNET.replace(
            "if step < len(kept):", "if False:"
        ),
        "no ReLU over the skip": UNET.replace(
            "np.concatenate([hidden, twins.pop()])",
            "np.concatenate([np.maximum(hidden, 0), twins.pop()])",
        ).replace(
            "double(np.maximum(hidden, 0), weights)",
            "double(np.maximum(hidden, 0) if step == 0 else hidden, weights)",
        ),
        "leaky on the way up": UNET.replace(
            "np.maximum(hidden, 0)", "leaky_relu(hidden)"
        ),
        "a leaky ReLU on the image": UNET.replace(
            "leaky_relu(hidden) if level > 0 else hidden", "leaky_relu(hidden)"
        ),
    },
)


def patch_numbers_inputs(rng: np.random.Generator) -> list[dict]:
    """Each number of strides from 1 to 5, with even sides and odd ones."""
    return [
        {
            "size": int(rng.integers(130, 300)) * 2 + strided % 2,
            "in_channels": int(rng.integers(1, 9)),
            "width": int(rng.integers(4, 100)),
            "strided": strided,
        }
        for strided in (1, 2, 3, 4, 5)
    ]


PATCH = """
def patch_numbers(size, in_channels, width, strided):
    strides = [2] * strided + [1, 1]
    field = 1
    for stride in reversed(strides):
        field = (field - 1) * stride + 4
    side = size
    for stride in strides:
        side = (side + 2 - 4) // stride + 1
    channels = [in_channels, *(width * min(2**index, 8) for index in range(strided + 1)), 1]
    parameters, last = 0, len(strides) - 1
    for index in range(len(strides)):
        parameters += 16 * channels[index] * channels[index + 1]
        parameters += channels[index + 1] * (1 if index in (0, last) else 2)
    return field, side, parameters
"""

PATCH_NUMBERS = Exercise(
    function="patch_numbers",
    kind="number",
    level=2,
    points=3,
    minutes=15,
    inputs=patch_numbers_inputs,
    wrong={
        "channels doubled without a limit": PATCH.replace(
            "min(2**index, 8)", "2**index"
        ),
        "an odd row has a partner": PATCH.replace(
            "(side + 2 - 4) // stride + 1", "-(-(side + 2 - 4) // stride) + 1"
        ),
        "sides halved by the strides alone": PATCH.replace(
            "(side + 2 - 4) // stride + 1", "side // stride"
        ),
        "from the image to the logit": PATCH.replace(
            "reversed(strides)", "strides"
        ),
        "a bias beside the normalisation": PATCH.replace("else 2)", "else 3)"),
        "normalisation without anything to learn": PATCH.replace(
            "else 2)", "else 0)"
        ),
    },
)


def train_inputs(rng: np.random.Generator) -> list[dict]:
    """Several steps of small networks, with and without a distance."""
    cases = []
    for steps, l1_weight in ((3, 0.0), (6, 1.0), (9, float(rng.uniform(2, 5)))):
        shape = steps, 12, 4
        cases.append(
            {
                "generator": torch.from_numpy(rng.normal(0, 0.4, (4, 4))),
                "discriminator": [
                    torch.from_numpy(rng.normal(0, 0.7, (8, 6))),
                    torch.from_numpy(rng.normal(0, 0.7, (6, 1))),
                ],
                "inputs": torch.from_numpy(rng.normal(0, 1, shape)),
                "targets": torch.from_numpy(rng.uniform(0, 1, shape)),
                "rate": float(rng.uniform(0.05, 0.2)),
                "l1_weight": l1_weight,
            }
        )
    return cases


TRAIN = """
def train(generator, discriminator, inputs, targets, rate, l1_weight):
    softplus = torch.nn.functional.softplus
    generator = generator.clone().requires_grad_()
    discriminator = [layer.clone().requires_grad_() for layer in discriminator]
    for x, y in zip(inputs, targets):
        CLEARED
        pictures = draw(generator, x)
        real = logits_of(discriminator, x, y)
        fake = logits_of(discriminator, x, pictures.detach())
        loss = (softplus(-real).mean() + softplus(fake).mean()) / 2
        loss.backward()
        with torch.no_grad():
            for layer in discriminator:
                layer -= rate * layer.grad
        loss = softplus(-logits_of(discriminator, x, pictures)).mean()
        loss = loss + l1_weight * (y - pictures).abs().mean()
        loss.backward()
        with torch.no_grad():
            for weights in (generator, *MOVED):
                weights -= rate * weights.grad
    return [weights.detach() for weights in (generator, *discriminator)]
"""
CLEAR = "for weights in (generator, *discriminator): weights.grad = None"


def training(cleared: str = CLEAR, moved: str = "[]") -> str:
    """The source of `train` with these parts."""
    return TRAIN.replace("CLEARED", cleared).replace("MOVED", moved)


TRAIN_EXERCISE = Exercise(
    function="train",
    kind="bug",
    level=2,
    points=3,
    minutes=15,
    inputs=train_inputs,
    wrong={
        "only the generator's gradient is cleared": training(
            cleared="generator.grad = None"
        ),
        "the discriminator moves in both turns": training(
            moved="discriminator"
        ),
        "detached in both turns": training().replace(
            "logits_of(discriminator, x, pictures))",
            "logits_of(discriminator, x, pictures.detach()))",
        ),
        "judged by the discriminator before its step": training()
        .replace(
            "        loss.backward()\n        with torch.no_grad():\n            for layer",
            "        before = [layer.detach().clone() for layer in discriminator]\n"
            "        loss.backward()\n        with torch.no_grad():\n            for layer",
            1,
        )
        .replace(
            "-logits_of(discriminator, x, pictures)",
            "-logits_of(before, x, pictures)",
        ),
        "the discriminator's loss halved once more": """
def train(generator, discriminator, inputs, targets, rate, l1_weight):
    return train_as_found(generator, discriminator, inputs, targets, rate / 2, 2 * l1_weight)
""",
        "as found": """
train = train_as_found
""",
    },
)


def two_modes_inputs(rng: np.random.Generator) -> list[dict]:
    """Bright images and dark ones, few pixels and many, several momenta."""
    cases = []
    for count, height, width in ((5, 3, 4), (3, 1, 2), (8, 6, 6)):
        brightness = rng.normal(0, 1, (count, 3, 1, 1))
        contrast = rng.uniform(0.1, 1, (count, 3, 1, 1))
        texture = rng.normal(0, 1, (count, 3, height, width))
        cases.append(
            {
                "images": brightness + contrast * texture,
                "momentum": float(rng.uniform(0.2, 0.6)),
                "epsilon": float(rng.uniform(1e-4, 1e-2)),
            }
        )
    return cases


MODES = """
def two_modes(images, momentum, epsilon):
    axes = AXES
    means = images.mean(axis=axes, keepdims=True) + np.zeros((len(images), 1, 1, 1))
    variances = images.var(axis=axes, keepdims=True) + np.zeros((len(images), 1, 1, 1))
    pixels = images.shape[2] * images.shape[3]
    running_mean, running_variance = np.zeros(means[0].shape), np.ones(means[0].shape)
    for mean, variance in zip(means, variances):
        new = NEW
        m = MOMENTUM
        running_mean = (1 - m) * running_mean + m * mean
        running_variance = (1 - m) * running_variance + m * new
    trained = (images - means) / np.sqrt(variances + epsilon)
    return trained, (images - running_mean) / np.sqrt(running_variance + epsilon)
"""


def modes(
    axes: str = "(2, 3)",
    new: str = "variance * pixels / (pixels - 1)",
    momentum: str = "momentum",
) -> str:
    """The source of `two_modes` with these parts."""
    return (
        MODES.replace("AXES", axes)
        .replace("NEW", new)
        .replace("MOMENTUM", momentum)
    )


TWO_MODES = Exercise(
    function="two_modes",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=two_modes_inputs,
    wrong={
        "all images as one batch": modes(axes="(0, 2, 3)"),
        "all channels as one": modes(axes="(1, 2, 3)"),
        "the variance divided by the pixels": modes(new="variance"),
        "the momentum the wrong way round": modes(momentum="1 - momentum"),
        "epsilon outside the root": modes().replace(
            "np.sqrt(variances + epsilon)", "(np.sqrt(variances) + epsilon)"
        ),
        "the running averages begin with the first image": modes().replace(
            "np.zeros(means[0].shape), np.ones(means[0].shape)",
            "means[0], variances[0] * pixels / (pixels - 1)",
        ),
        "both modes alike": modes().replace(
            "return trained, (images - running_mean)"
            " / np.sqrt(running_variance + epsilon)",
            "return trained, trained.copy()",
        ),
    },
)


def fcn_scores_inputs(rng: np.random.Generator) -> list[dict]:
    """Maps that lack labels: one that is read all the same, one that is not, both, none."""
    cases = []
    for lacking, unread in ((1, 0), (0, 1), (1, 1), (0, 0)):
        known = 5
        labels = rng.choice(
            known, (3, 6, 6), p=rng.dirichlet(np.full(known, 9.0))
        )
        labels[0, 0, :known] = range(known)
        slips = rng.random(labels.shape) < 0.3
        seen = rng.integers(0, known + lacking, labels.shape)
        read = np.where(slips, seen, labels)
        read[0, 1, : known + lacking] = range(known + lacking)
        cases.append(
            {
                "labels": labels,
                "read": read,
                "num_labels": known + lacking + unread,
            }
        )
    return cases


SCORES = """
def fcn_scores(labels, read, num_labels):
    pairs = num_labels * labels.ravel() + read.ravel()
    counts = np.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels)
    right, true = counts.diagonal(), counts.sum(axis=1)
    union = true + counts.sum(axis=0) - right
    in_class, in_iou = true > 0, union > 0
    CHANGE
    by_class = right[in_class] / np.maximum(true[in_class], 1)
    iou = right[in_iou] / np.maximum(union[in_iou], 1)
    return float(right.sum() / counts.sum()), float(by_class.mean()), float(iou.mean())
"""

FCN_SCORES = Exercise(
    function="fcn_scores",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=fcn_scores_inputs,
    wrong={
        "labels that no map has left out of both means": SCORES.replace(
            "CHANGE", "in_iou = in_class"
        ),
        "labels that no map has count as 0 in class accuracy if read": SCORES.replace(
            "CHANGE", "in_class = in_iou"
        ),
        "all labels count in both": SCORES.replace(
            "CHANGE", "in_class = in_iou = np.ones(num_labels, bool)"
        ),
        "rows and columns exchanged": SCORES.replace(
            "CHANGE", "true = counts.sum(axis=0)"
        ),
        "the union counts twice what is both": SCORES.replace(
            "CHANGE", "union = union + right"
        ),
        "the means of the images": SCORES.replace("CHANGE", "pass").replace(
            "def fcn_scores", "def of_one"
        )
        + """
def fcn_scores(labels, read, num_labels):
    scores = [of_one(*pair, num_labels) for pair in zip(labels, read)]
    return tuple(float(score) for score in np.mean(scores, axis=0))
""",
    },
)


def draw_wall_inputs(rng: np.random.Generator) -> dict:
    """A wall in grey values, lit from either side."""
    slope = float(rng.choice([-1, 1]) * rng.uniform(0.5, 0.7))
    places = rng.uniform(-1, 1, 2000)
    bricks = slope * places + np.where(rng.random(2000) < 0.5, 0.3, -0.3)
    scale, black = float(rng.uniform(60, 130)), float(rng.uniform(90, 140))
    shown = np.linspace(-1, 1, 200)
    return {
        "inputs": torch.from_numpy(places).float(),
        "targets": torch.from_numpy(black + scale * bricks).float(),
        "shown": torch.from_numpy(shown).float(),
        "seed": int(rng.integers(1000)),
        "middle": black + scale * slope * shown,
        "gap": 0.6 * scale,
    }


def unlikeness(answer: np.ndarray, drawn: dict) -> float:
    """How unlike the true bricks the drawn ones are in ten parts of the wall, as a share of the gap."""
    offsets = (np.asarray(answer) - drawn["middle"]) / drawn["gap"]
    parts = offsets.reshape(20, 10, -1).transpose(1, 0, 2).reshape(10, -1)
    true = np.repeat([-0.5, 0.5], parts.shape[1] // 2)
    return float(np.abs(np.sort(parts, axis=1) - true).mean())


WALL = """
def draw_wall(inputs, targets, shown, seed):
    mean, spread = targets.mean(), targets.std()
    UNITS
    targets = (targets - mean) / (2 * spread)
    softplus = torch.nn.functional.softplus
    sign = torch.tensor([-1.0, 1.0]).repeat_interleave(128)
    random = torch.Generator().manual_seed(seed)
    generator, discriminator = network(random), network(random)
    drawing, judging = Adam(generator), Adam(discriminator)
    for step in range(400):
        rate = 5e-3 * min(1.0, 2 * (1 - step / 400))
        rows = torch.randint(len(inputs), (128,), generator=random)
        x, y = inputs[rows], targets[rows]
        drawn = run(generator, x, torch.randn(128, generator=random))
        seen = SEEN
        bricks = torch.cat([y, drawn.detach()])
        loss = softplus(sign * run(discriminator, seen.repeat(2), bricks)).mean()
        judging.step(loss, rate)
        adversarial = softplus(-run(discriminator, seen, drawn)).mean()
        loss = LOSS
        drawing.step(loss, rate)
    with torch.no_grad():
        noise = torch.randn(20, len(shown), generator=random)
        drawn = run(generator, shown.repeat(20), noise.flatten())
    return drawn.reshape(20, -1) * 2 * spread + mean
"""


def walls(
    units: str = "pass",
    seen: str = "x",
    loss: str = "adversarial + 0.3 * (y - drawn).abs().mean()",
) -> str:
    """The source of `draw_wall` with these parts."""
    return (
        WALL.replace("UNITS", units).replace("SEEN", seen).replace("LOSS", loss)
    )


DRAW_WALL = Exercise(
    function="draw_wall",
    kind="behaviour",
    level=3,
    points=6,
    minutes=30,
    inputs=draw_wall_inputs,
    measure=unlikeness,
    threshold=0.25,
    withheld=("middle", "gap"),
    assigned=True,
    wrong={
        "units taken as they are": walls(
            units="mean, spread = torch.tensor(0.0), torch.tensor(0.5)"
        ),
        "L1 alone": walls(loss="(y - drawn).abs().mean()"),
        "the paper's lambda": walls(
            loss="adversarial + 100 * (y - drawn).abs().mean()"
        ),
        "an unconditional discriminator": walls(seen="0 * x"),
        "L2 without a discriminator": """
def draw_wall(inputs, targets, shown, seed):
    slope = ((inputs - inputs.mean()) * targets).mean() / inputs.var()
    return (targets.mean() + slope * (shown - inputs.mean())).repeat(20, 1)
""",
    },
)

EXERCISES = [
    BOTH_LOSSES,
    THREE_PICTURES,
    UNET_EXERCISE,
    PATCH_NUMBERS,
    TRAIN_EXERCISE,
    TWO_MODES,
    FCN_SCORES,
    DRAW_WALL,
]
