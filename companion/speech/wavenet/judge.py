"""Chapter 2.1, the judges: who speaks, and which word, as two small classifiers hear it.

They are trained on the speech set itself, apart from the networks they judge, and hear real clips
only. ``python -m companion.speech.wavenet.judge`` trains the two that are shipped.
"""

from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from companion.checkpoint import load_weights, save_weights
from companion.datasets.speech import DIGITS, PHRASES, VOICES
from companion.seeds import generator
from companion.speech.wavenet.data import SILENT_CODE, Clips, load_clips, mu_law_decode

# Letters are left out: "b" and "d" by an 8 kHz formant synthesiser are hard for anybody.
WORDS = DIGITS + PHRASES
CLASSES = {"speaker": VOICES, "word": WORDS}
JUDGES = Path(__file__).with_name("judges.safetensors")
WINDOW, HOP = 256, 80  # samples: 32 ms, every 10 ms
_LONGEST = 8_000  # samples; no clip of the words is longer
_FLOOR = 1e-4  # power below which a frequency counts as silent


class Judge(nn.Module):
    """A classifier of codes: spectrogram, two convolutions over time, the maximum, one layer."""

    def __init__(self, classes: tuple[str, ...], channels: int = 64):
        super().__init__()
        self.classes = classes
        bands = WINDOW // 2 + 1
        self.layers = nn.Sequential(
            nn.Conv1d(bands, channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 5, padding=2, stride=2),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 5, padding=2, stride=2),
            nn.ReLU(),
        )
        self.output = nn.Linear(2 * channels, len(classes))

    def forward(self, samples: Float[Tensor, "batch time"]) -> Float[Tensor, "batch classes"]:
        """Logits from samples in [-1, 1]; silence at the end changes little."""
        features = self.layers(spectrogram(samples))  # (batch, channels, time)
        pooled = torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
        return self.output(pooled)

    @torch.no_grad()
    def classify(self, codes: list[Int64[Tensor, " time"]]) -> list[str]:
        """The class the judge hears in each clip."""
        self.eval()
        return [self.classes[index] for index in self(padded(codes)).argmax(dim=1).tolist()]


def spectrogram(samples: Float[Tensor, "batch time"]) -> Float[Tensor, "batch bands frames"]:
    """The logarithm of the power in each of 129 bands of 31 Hz, a frame every 10 ms."""
    window = torch.hann_window(WINDOW, device=samples.device)
    transform = torch.stft(samples, WINDOW, HOP, window=window, return_complex=True)
    return torch.log10(transform.abs().square() + _FLOOR)


def padded(codes: list[Int64[Tensor, " time"]]) -> Float[Tensor, "clips time"]:
    """Clips as samples of one length, with silence after their end.

    Raises ``ValueError`` for a clip of more than a second.
    """
    longest = max(map(len, codes))
    if longest > _LONGEST:
        raise ValueError(f"a judge hears at most {_LONGEST} samples; a clip has {longest}")
    rows = torch.full((len(codes), _LONGEST), SILENT_CODE)
    for row, clip in zip(rows, codes, strict=True):
        row[: len(clip)] = clip
    return mu_law_decode(rows)


def labels(clips: Clips, kind: str) -> Int64[Tensor, " clips"]:
    """The class of every clip; -1 for a text that is none of `WORDS`."""
    if kind == "speaker":
        return clips.speakers
    return torch.tensor([WORDS.index(text) if text in WORDS else -1 for text in clips.texts])


def train_judge(clips: Clips, kind: str, seed: int = 0, steps: int = 400) -> Judge:
    """A judge of ``kind`` "speaker" or "word", trained on clips with noise of many strengths.

    The noise is there because generated speech is never clean: a judge that had heard none would
    be misled by hiss alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge(CLASSES[kind])
    truth = labels(clips, kind)
    known = torch.nonzero(truth >= 0)[:, 0]
    samples = padded([clips.codes[index] for index in known.tolist()])
    truth = truth[known]
    optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=steps)
    random = generator(seed, "judge")
    for _ in range(steps):
        chosen = torch.randint(len(known), (32,), generator=random)
        loss = nn.functional.cross_entropy(judge(disturbed(samples[chosen], random)), truth[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


def disturbed(
    samples: Float[Tensor, "batch time"], random: torch.Generator
) -> Float[Tensor, "batch time"]:
    """Each row louder or softer, later by up to 50 ms, and in noise of -60 to -20 dB."""
    rows = len(samples)
    gain = 0.5 + 0.5 * torch.rand(rows, 1, generator=random)
    noise = 10 ** (-3 + 2 * torch.rand(rows, 1, generator=random))
    delay = int(torch.randint(400, (1,), generator=random))
    moved = nn.functional.pad(samples[:, : samples.shape[1] - delay], (delay, 0))
    return gain * moved + noise * torch.randn(samples.shape, generator=random)


def accuracy(judge: Judge, clips: Clips, kind: str) -> float:
    """Share of the clips that the judge names rightly, of those that have a class."""
    truth = labels(clips, kind)
    known = torch.nonzero(truth >= 0)[:, 0].tolist()
    heard = judge.classify([clips.codes[index] for index in known])
    return sum(
        name == judge.classes[truth[index]] for name, index in zip(heard, known, strict=True)
    ) / len(known)


def train_judges() -> None:
    """Train both judges on the training clips and write `JUDGES`, with their held-out accuracy."""
    clips, state, metadata = load_clips("train"), {}, {}
    for kind in CLASSES:
        judge = train_judge(clips, kind)
        state |= {f"{kind}.{key}": value.half() for key, value in judge.state_dict().items()}
        for split in ("test", "unseen"):
            metadata[f"{kind} {split}"] = f"{accuracy(judge, load_clips(split), kind):.4f}"
    save_weights(JUDGES, state, metadata)


def load_judge(kind: str) -> Judge:
    """The shipped judge of ``kind`` "speaker" or "word", the same for every network it judges."""
    state, _ = load_weights(JUDGES)
    judge = Judge(CLASSES[kind])
    mine = {key: value.float() for key, value in state.items() if key.startswith(f"{kind}.")}
    judge.load_state_dict({key.removeprefix(f"{kind}."): value for key, value in mine.items()})
    return judge.eval()


if __name__ == "__main__":
    train_judges()
