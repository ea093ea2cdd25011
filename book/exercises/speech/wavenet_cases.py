"""Cases of the WaveNet exercises: inputs drawn from a seed, tolerances, wrong answers."""

import numpy as np
import torch

from companion.exercises import Exercise


def field_inputs(rng: np.random.Generator) -> list[dict]:
    """Kernels of 3 samples and more, and dilations that do not double."""
    return [
        {
            "dilations": [int(d) for d in rng.integers(1, 40, layers)],
            "kernel_size": kernel_size,
            "sample_rate": int(rng.choice([4000, 8000, 11_025, 44_100])),
        }
        for layers, kernel_size in zip(
            rng.integers(3, 12, 3), (2, 3, int(rng.integers(4, 8))), strict=True
        )
    ]


FIELD = Exercise(
    function="field_milliseconds",
    kind="number",
    level=1,
    points=2,
    minutes=5,
    inputs=field_inputs,
    wrong={
        "kernels of 2 samples only": """
def field_milliseconds(dilations, kernel_size, sample_rate):
    return 1000 * (1 + sum(dilations)) / sample_rate
""",
        "the newest sample not counted": """
def field_milliseconds(dilations, kernel_size, sample_rate):
    return 1000 * (kernel_size - 1) * sum(dilations) / sample_rate
""",
        "every layer multiplies the field": """
def field_milliseconds(dilations, kernel_size, sample_rate):
    return 1000 * kernel_size ** len(dilations) / sample_rate
""",
        "each layer counts its newest sample again": """
def field_milliseconds(dilations, kernel_size, sample_rate):
    return 1000 * sum(1 + (kernel_size - 1) * d for d in dilations) / sample_rate
""",
    },
)


def round_trip_inputs(rng: np.random.Generator) -> list[dict]:
    """Signals of several loudnesses that do not swing about 0, with 255 and with other mu."""
    signals = []
    for mu in (255, int(rng.choice([15, 31, 63])), int(rng.integers(70, 200))):
        tone = np.sin(np.arange(400) * rng.uniform(0.05, 0.5))
        offset = rng.choice([-1, 1]) * rng.uniform(0.1, 0.3)
        samples = rng.uniform(0.2, 0.5) * tone + offset
        signals.append(
            {"samples": samples + rng.normal(0, 0.02, 400), "mu": mu}
        )
    return signals


ROUND_TRIP_START = """
def mu_law_round_trip(samples, mu):
    squeezed = np.sign(samples) * np.log1p(mu * abs(samples)) / np.log1p(mu)
"""
ROUND_TRIP_CODES = """
    codes = np.floor((squeezed + 1) / 2 * mu + 0.5).astype(int)
"""
ROUND_TRIP_DECODED = """
    values = 2 * codes / mu - 1
    decoded = np.sign(values) * ((1 + mu) ** abs(values) - 1) / mu
"""
ROUND_TRIP_END = """
    ratio = (samples**2).sum() / ((samples - decoded) ** 2).sum()
    return codes, decoded, float(10 * np.log10(ratio))
"""

ROUND_TRIP = Exercise(
    function="mu_law_round_trip",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=round_trip_inputs,
    wrong={
        "the next lower code instead of the nearest": ROUND_TRIP_START
        + "    codes = ((squeezed + 1) / 2 * mu).astype(int)"
        + ROUND_TRIP_DECODED
        + ROUND_TRIP_END,
        "mu larger by one": ROUND_TRIP_START.replace(
            "    squeezed", "    mu = mu + 1\n    squeezed"
        )
        + ROUND_TRIP_CODES
        + ROUND_TRIP_DECODED
        + ROUND_TRIP_END,
        "mu larger by one in the squeezing alone": ROUND_TRIP_START
        + """
    squeezed = np.sign(samples) * np.log1p((mu + 1) * abs(samples)) / np.log1p(mu + 1)
"""
        + ROUND_TRIP_CODES
        + ROUND_TRIP_DECODED
        + ROUND_TRIP_END,
        "deviation instead of power": ROUND_TRIP_START
        + ROUND_TRIP_CODES
        + ROUND_TRIP_DECODED
        + """
    ratio = samples.var() / (samples - decoded).var()
    return codes, decoded, float(10 * np.log10(ratio))
""",
        "256 codes whatever mu is": """
def mu_law_round_trip(samples, mu):
    squeezed = np.sign(samples) * np.log1p(mu * abs(samples)) / np.log1p(mu)
    codes = np.floor((squeezed + 1) / 2 * 255 + 0.5).astype(int)
    values = 2 * codes / 255 - 1
    decoded = np.sign(values) * ((1 + mu) ** abs(values) - 1) / mu
"""
        + ROUND_TRIP_END,
        "the noise measured between squeezed samples": ROUND_TRIP_START
        + ROUND_TRIP_CODES
        + ROUND_TRIP_DECODED
        + """
    ratio = (squeezed**2).sum() / ((squeezed - values) ** 2).sum()
    return codes, decoded, float(10 * np.log10(ratio))
""",
    },
)


def bits_inputs(rng: np.random.Generator) -> dict:
    """Clips of very different lengths, and a network that is better on the longer ones."""
    batch, number, time = 5, 16, 30
    lengths = rng.permutation([3, 8, 15, 22, 30])
    codes = rng.integers(0, number, (batch, time))
    logits = rng.normal(0, 2, (batch, number, time))
    known = 4 * lengths[:, None, None] / time
    logits += known * (np.arange(number)[None, :, None] == codes[:, None])
    return {
        "logits": torch.from_numpy(logits),
        "codes": torch.from_numpy(codes),
        "mask": torch.from_numpy(np.arange(time) < lengths[:, None]),
    }


BITS_START = """
def bits_per_sample(logits, codes, mask):
    bits = torch.nn.functional.cross_entropy(logits, codes, reduction="none") / math.log(2)
"""

BITS = Exercise(
    function="bits_per_sample",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=bits_inputs,
    wrong={
        "every clip counts the same": BITS_START
        + """
    return ((bits * mask).sum(dim=1) / mask.sum(dim=1)).mean()
""",
        "what was filled in divides the sum": BITS_START
        + """
    return (bits * mask).mean()
""",
        "no mask": BITS_START
        + """
    return bits.mean()
""",
        "nats": BITS_START
        + """
    return bits[mask].mean() * math.log(2)
""",
        "softmax over time": """
def bits_per_sample(logits, codes, mask):
    chosen = logits.log_softmax(dim=2).gather(1, codes[:, None])[:, 0]
    return -chosen[mask].mean() / math.log(2)
""",
    },
)


def draw_inputs(rng: np.random.Generator) -> list[dict]:
    """Temperatures of 1, above and a hundredth; each noise points well inside a code."""
    batches = []
    for temperature in (1.0, float(rng.uniform(1.3, 2.0)), 0.01):
        logits = rng.normal(0, 4, (40, 12))
        if temperature == 0.01:
            # So close that a hundredth still leaves a choice, yet far from 0.
            logits = rng.choice([-60, 60]) + rng.normal(0, 0.01, (40, 12))
        heated = logits / temperature
        shares = np.exp(heated - heated.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        ends = shares.cumsum(axis=1)
        drawn = (ends < rng.random((40, 1))).sum(axis=1).clip(max=11)
        rows = np.arange(40)
        inside = rng.uniform(0.2, 0.8, 40) * shares[rows, drawn]
        noise = ends[rows, drawn] - inside
        batches.append(
            {
                "logits": torch.from_numpy(logits),
                "noise": torch.from_numpy(noise),
                "temperature": temperature,
            }
        )
    return batches


DRAW = Exercise(
    function="draw_codes",
    kind="write",
    level=2,
    points=3,
    minutes=15,
    inputs=draw_inputs,
    wrong={
        "exponentials that overflow": """
def draw_codes(logits, noise, temperature):
    shares = (logits / temperature).exp()
    running = (shares / shares.sum(dim=1, keepdim=True)).cumsum(dim=1)
    return (running <= noise[:, None]).sum(dim=1).clamp(max=logits.shape[1] - 1)
""",
        "probabilities divided by the temperature": """
def draw_codes(logits, noise, temperature):
    running = (logits.softmax(dim=1) / temperature).cumsum(dim=1)
    return (running <= noise[:, None]).sum(dim=1).clamp(max=logits.shape[1] - 1)
""",
        "multiplied by the temperature": """
def draw_codes(logits, noise, temperature):
    running = (logits * temperature).softmax(dim=1).cumsum(dim=1)
    return (running <= noise[:, None]).sum(dim=1).clamp(max=logits.shape[1] - 1)
""",
        "the likeliest code": """
def draw_codes(logits, noise, temperature):
    return logits.argmax(dim=1)
""",
        "the likeliest codes first": """
def draw_codes(logits, noise, temperature):
    shares, order = (logits / temperature).softmax(dim=1).sort(dim=1, descending=True)
    place = (shares.cumsum(dim=1) <= noise[:, None]).sum(dim=1)
    return order.gather(1, place.clamp(max=logits.shape[1] - 1)[:, None])[:, 0]
""",
    },
)


def causal_inputs(rng: np.random.Generator) -> list[dict]:
    """Two clips at once, with even and odd dilations in any order."""
    stacks = []
    for dilations in ([1, 2, 4, 8], rng.permutation([1, 2, 3, 5, 6]).tolist()):
        number, channels = int(rng.integers(6, 12)), 5
        shapes = {
            "embedding": (number, channels),
            "filters": (len(dilations), channels, channels, 2),
            "output": (channels, number),
        }
        stacks.append(
            {
                "codes": torch.from_numpy(rng.integers(0, number, (2, 40))),
                "dilations": dilations,
                "silence": int(rng.integers(1, number)),
            }
            | {
                name: torch.from_numpy(rng.normal(0, 1, shape)).float()
                for name, shape in shapes.items()
            }
        )
    return stacks


CAUSAL_STACK = """
def causal_logits(codes, embedding, filters, dilations, output, silence):
    hidden = INPUTS
    for taps, dilation in zip(filters, dilations):
        padded = torch.nn.functional.pad(hidden, PADDING)
        hidden = hidden + torch.nn.functional.conv1d(padded, taps, dilation=dilation).tanh()
    return output.T @ hidden
"""
SAME = "(dilation // 2, dilation - dilation // 2)"
PAST = "(dilation, 0)"
CODES = "embedding[codes].transpose(1, 2)"
PREVIOUS = """embedding[
        torch.nn.functional.pad(codes[:, :-1], (1, 0), value=silence)
    ].transpose(1, 2)"""


def causal_stack(inputs: str, padding: str) -> str:
    """The function with the given inputs of the first layer and padding of each."""
    return CAUSAL_STACK.replace("INPUTS", inputs).replace("PADDING", padding)


CAUSAL = Exercise(
    function="causal_logits",
    kind="bug",
    level=2,
    points=4,
    minutes=20,
    inputs=causal_inputs,
    absolute=1e-4,
    relative=1e-4,
    wrong={
        "as found": """
causal_logits = causal_logits_as_found
""",
        "the padding alone repaired": causal_stack(CODES, PAST),
        "the input alone repaired": causal_stack(PREVIOUS, SAME),
        "zeros before the first sample instead of silence": causal_stack(
            "torch.nn.functional.pad(embedding[codes[:, :-1]].transpose(1, 2), (1, 0))",
            PAST,
        ),
        "moved by one sample too many": causal_stack(
            PREVIOUS.replace(":-1", ":-2").replace("(1, 0)", "(2, 0)"), PAST
        ),
        "moved until nothing leaks, padding as found": """
def causal_logits(codes, embedding, filters, dilations, output, silence):
    leak = 1 + sum(dilation - dilation // 2 for dilation in dilations)
    previous = torch.nn.functional.pad(codes[:, :-leak], (leak, 0), value=silence)
    return causal_logits_as_found(previous, embedding, filters, dilations, output, silence)
""",
    },
)


def cached_inputs(rng: np.random.Generator) -> list[dict]:
    """The first piece, a single sample, and a piece shorter than some queues, longer than others."""
    pieces = []
    for time in (12, 1, 4):
        channels = 4
        dilations = [int(d) for d in rng.permutation([1, 2, 3, 5, 8])]
        matrices = rng.normal(0, 0.5, (2, 5, channels, channels))
        queues = [
            torch.from_numpy(rng.normal(0, 1, (dilation, channels)))
            for dilation in dilations
        ]
        pieces.append(
            {
                "samples": torch.from_numpy(rng.normal(0, 1, (time, channels))),
                "older": torch.from_numpy(matrices[0]),
                "newer": torch.from_numpy(matrices[1]),
                "biases": torch.from_numpy(rng.normal(0, 0.5, (5, channels))),
                "dilations": dilations,
                "queues": None if time == 12 else queues,
            }
        )
    return pieces


CACHED = """
def cached_stack(samples, older, newer, biases, dilations, queues):
    if queues is None:
        queues = [samples.new_zeros(d, samples.shape[1]) for d in dilations]
    hidden, after = samples, []
    for layer, queue in enumerate(queues):
        known = torch.cat([queue, hidden])
        past = known[: len(hidden)]
        above = hidden + torch.tanh(
            past @ older[layer] + hidden @ newer[layer] + biases[layer]
        )
        after.append(known[-len(queue) :])
        hidden = above
    return hidden, after
"""

CACHED_STACK = Exercise(
    function="cached_stack",
    kind="write",
    level=3,
    points=6,
    minutes=35,
    inputs=cached_inputs,
    absolute=1e-5,
    relative=1e-5,
    assigned=True,
    wrong={
        "newest first": CACHED.replace(
            "[queue, hidden]", "[queue.flip(0), hidden]"
        ).replace("known[-len(queue) :]", "known[-len(queue) :].flip(0)"),
        "queues one too short: the newest goes in first": CACHED.replace(
            "known[: len(hidden)]", "known[1 : 1 + len(hidden)]"
        ),
        "every piece starts from silence": CACHED.replace(
            "if queues is None", "if True"
        ),
        "queues hold what their layer puts out": CACHED.replace(
            "known[-len(queue) :]", "torch.cat([queue, above])[-len(queue) :]"
        ),
        "queues hold the last piece alone": CACHED.replace(
            "known[-len(queue) :]",
            "torch.cat([torch.zeros_like(queue), hidden])[-len(queue) :]",
        ),
        "queues never move": CACHED.replace("known[-len(queue) :]", "queue"),
    },
)


def loom_inputs(rng: np.random.Generator) -> dict:
    """Looms of one speed, never that of the public test. Withheld: the code after each window."""
    period = 12
    while period == 12:
        period = int(rng.integers(9, 16))
    loops = rng.normal(0, 0.3, (464, period)).clip(-0.9, 0.9)
    heard = np.tile(loops, 11)[:, :96] + rng.normal(0, 0.03, (464, 96))
    heard = heard.clip(-1, 1)
    squeezed = np.sign(heard) * np.log1p(31 * abs(heard)) / np.log(32)
    codes = np.floor((squeezed + 1) / 2 * 31 + 0.5).astype(int)
    return {
        "clips": torch.from_numpy(codes[:64]),
        "windows": torch.from_numpy(codes[64:, :40]),
        "seed": int(rng.integers(1000)),
        "came": codes[64:, 40],
    }


def bits_a_sample(answer: torch.Tensor, drawn: dict) -> float:
    """What the codes that came cost on average, in bits."""
    logits = answer.double().numpy()
    total = np.logaddexp.reduce(logits, axis=1)
    chosen = logits[np.arange(len(logits)), drawn["came"]]
    return float((total - chosen).mean() / np.log(2))


LOOM_STACK = """
def learn_loom(clips, windows, seed):
    generator = torch.Generator().manual_seed(seed)
    dilations = DILATIONS
    shapes = [(2, 16), *[(32, 16)] * len(dilations), (16, 32), (32, 32)]
    weights = [0.6 * torch.randn(s, generator=generator) / s[0] ** 0.5 for s in shapes]
    first, *taps, wide, output = [weight.requires_grad_() for weight in weights]

    def predict(codes):
        loudness = codes[:, :, None] / 15.5 - 1
        hidden = torch.cat([loudness, torch.ones_like(loudness)], dim=2) @ first
        for weight, dilation in zip(taps, dilations):
            both = torch.cat([hidden[:, :-dilation], hidden[:, dilation:]], dim=2)
            hidden = hidden[:, dilation:] + (both @ weight).tanh()
        return (hidden @ wide).relu() @ output

    optimizer = torch.optim.Adam([first, *taps, wide, output], lr=0.02)
    for _ in range(60):
        chosen = clips[torch.randperm(len(clips), generator=generator)[:16]]
        logits = predict(chosen[:, : -AHEAD or None])
        targets = chosen[:, -logits.shape[1] :]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return predict(windows)[:, -1].detach()
"""

LOOM_COUNTS = """
def learn_loom(clips, windows, seed):
    counts = torch.full((32, 32), 0.1)
    pairs = clips[:, :-12].flatten(), clips[:, 12:].flatten()
    counts.index_put_(pairs, torch.ones(pairs[0].numel()), accumulate=True)
    return (counts / counts.sum(dim=1, keepdim=True)).log()[windows[:, -12]]
"""

LOOM = Exercise(
    function="learn_loom",
    kind="behaviour",
    level=3,
    points=8,
    minutes=45,
    inputs=loom_inputs,
    measure=bits_a_sample,
    threshold=3.8,
    withheld=("came",),
    wrong={
        "the code of 12 samples ago, as in the public test": LOOM_COUNTS,
        "a field of 5 samples": LOOM_STACK.replace(
            "DILATIONS", "[1, 1, 1, 1]"
        ).replace("AHEAD", "1"),
        "trained with what it is to predict in its input": LOOM_STACK.replace(
            "DILATIONS", "[1, 2, 4, 8]"
        ).replace("AHEAD", "0"),
        "how often each code comes": """
def learn_loom(clips, windows, seed):
    counts = torch.bincount(clips.flatten(), minlength=32) + 1.0
    return counts.log().repeat(len(windows), 1)
""",
    },
)

EXERCISES = [
    FIELD,
    ROUND_TRIP,
    BITS,
    DRAW,
    CAUSAL,
    CACHED_STACK,
    LOOM,
]
