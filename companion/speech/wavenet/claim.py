"""Chapter 2.1, the claim: does dilation pay for itself in bits of held-out speech?"""

import dataclasses
import time

import torch

from companion.claims import Claim, Metrics, PaperFigure, Study
from companion.seeds import generator
from companion.speech.wavenet.data import Clips, bigram_bits, load_clips, thin_out, unigram_bits
from companion.speech.wavenet.generate import CachedNetwork, generate_cached
from companion.speech.wavenet.judge import WORDS, load_judge
from companion.speech.wavenet.model import Architecture, WaveNet, new_model
from companion.speech.wavenet.recordings import asterisk_folder, load_asterisk
from companion.speech.wavenet.train import SETTINGS, Settings, evaluate, train

PAPER = "van den Oord et al. 2016"
STEPS = {"smoke": 3, "laptop": 700, "gpu": 100_000}
TEMPERATURE = 1.0
# Half the shipped model's width: all runs together must fit into an hour.
WIDTHS = {"residual_channels": 16, "skip_channels": 32}
# What an arm changes. A ReLU needs half the filters of a gated unit; 22 channels instead of 16 give
# the network about as many weights again.
CHANGES = {
    "dilated": {},
    "undilated": {"dilated": False},
    "ReLU": {"gated": False, "residual_channels": 22},
    "no speaker": {"num_speakers": 0},
    "no phonemes": {"num_phonemes": 0},
    "recorded, dilated": {"num_speakers": 0, "num_phonemes": 0},
    "recorded, undilated": {"num_speakers": 0, "num_phonemes": 0, "dilated": False},
}
# 24 layers each: (blocks, layers a block), from a field of 91 samples to one of 8,191.
COST_STACKS = ((6, 4), (4, 6), (3, 8), (2, 12))


def settings_for(arm: str, size: str, learning_rate: float) -> Settings:
    """The settings of one trained arm; all arms have the same steps and batches."""
    settings = SETTINGS[size]
    return dataclasses.replace(
        settings,
        architecture=dataclasses.replace(settings.architecture, **(WIDTHS | CHANGES[arm])),
        steps=STEPS[size],
        learning_rate=learning_rate,
    )


def experiment(arm: str, seed: int, size: str, learning_rate: float) -> Metrics:
    """Train one arm and measure it; or, for "naive" and "cached", time generation."""
    if arm in ("naive", "cached"):
        return measure_cost(arm, seed, size)
    settings = settings_for(arm, size, learning_rate)
    spoken = not arm.startswith("recorded")
    load = load_clips if spoken else load_asterisk
    model, _ = train(load("train"), settings, seed, label=f"{arm}, seed {seed}")

    def bits(split: str, interval: int) -> float:
        return evaluate(model, thin_out(load(split), 40 if size == "smoke" else interval))

    metrics = {
        "validation": bits("validation", 5),  # enough to choose a learning rate by
        "bits": bits("test", 1),
        "weights": float(sum(weight.numel() for weight in model.parameters())),
    }
    if spoken:
        metrics["unseen"] = bits("unseen", 1)
        metrics |= judge_speech(model, load_clips("test"), seed, size)
    return metrics


def judge_speech(model: WaveNet, clips: Clips, seed: int, size: str) -> Metrics:
    """Let the network say the words of ``clips`` by their voices, and ask the judges.

    Shares of the generated clips in which the speaker's judge hears the voice that was asked for
    (``speaker``) and the word's judge the word (``word``). The network gets the speaker and the
    phonemes of each clip; of its samples it gets none.
    """
    chosen = [index for index, text in enumerate(clips.texts) if text in WORDS]
    if size == "smoke":
        chosen = chosen[:2]
    lengths = [len(clips.codes[index]) for index in chosen]
    longest = 200 if size == "smoke" else max(lengths)
    phonemes = torch.zeros(len(chosen), longest, dtype=torch.int64)
    for row, index in zip(phonemes, chosen, strict=True):
        track = clips.phonemes[index][:longest]
        row[: len(track)] = track
    noise = torch.rand(phonemes.shape, generator=generator(seed, "speech"))
    codes = generate_cached(model, clips.speakers[chosen], phonemes, noise, TEMPERATURE)
    spoken = [row[:length] for row, length in zip(codes, lengths, strict=True)]
    heard = {kind: load_judge(kind).classify(spoken) for kind in ("speaker", "word")}
    speakers = [clips.voices[clips.speakers[index]] for index in chosen]
    words = [clips.texts[index] for index in chosen]
    return {
        "speaker": _share_equal(heard["speaker"], speakers),
        "word": _share_equal(heard["word"], words),
    }


def _share_equal(first: list[str], second: list[str]) -> float:
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


# --- the cost of a sample ----------------------------------------------------------------------


def measure_cost(way: str, seed: int, size: str) -> Metrics:
    """Milliseconds of one core a sample by `COST_STACKS`, and how they grow with the field.

    ``exponent`` is the slope of log milliseconds against log receptive field: 0 where the field
    costs nothing, 1 where twice the field takes twice the time.
    """
    fields, costs = [], []
    for num_blocks, layers_per_block in COST_STACKS:
        model = new_model(cost_architecture(num_blocks, layers_per_block, size), seed).eval()
        fields.append(model.receptive_field)
        costs.append(milliseconds_a_sample(way, model))
    slope = _slope(torch.tensor(fields).log(), torch.tensor(costs).log())
    return {"exponent": slope, "short": costs[0], "long": costs[-1]}


def cost_architecture(num_blocks: int, layers_per_block: int, size: str) -> Architecture:
    """The size's widths in another stack of layers."""
    return dataclasses.replace(
        SETTINGS[size].architecture, num_blocks=num_blocks, layers_per_block=layers_per_block
    )


@torch.inference_mode()
def milliseconds_a_sample(way: str, model: WaveNet) -> float:
    """The least of several timings of one more sample, by processor time of one utterance."""
    speakers, phonemes = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    if way == "cached":
        network, samples = CachedNetwork(model, speakers), 100

        def take() -> None:
            for _ in range(samples):
                network.step(speakers, phonemes)
    else:
        window, samples = torch.zeros(1, model.receptive_field, dtype=torch.int64), 1

        def take() -> None:
            model(window, speakers, window)

    take()
    timings = []
    for _ in range(7):
        start = time.process_time()
        take()
        timings.append(time.process_time() - start)
    return 1000 * min(timings) / samples


def _slope(x: torch.Tensor, y: torch.Tensor) -> float:
    """Of the least-squares line."""
    x, y = x - x.mean(), y - y.mean()
    return float((x @ y) / (x @ x))


# --- the references ----------------------------------------------------------------------------


def references(size: str) -> Metrics:
    """Bits a sample of two rivals that count codes."""
    del size  # the data are the same at every size
    training, test = load_clips("train"), load_clips("test")
    return {
        "how often each code comes": unigram_bits(training, test),
        "how often each code follows another": bigram_bits(training, test),
    }


def has_recordings() -> bool:
    """Whether Asterisk's prompts are on this machine."""
    return asterisk_folder().is_dir()


CLAIM = Claim(
    chapter="speech/wavenet",
    title="WaveNet",
    statement=(
        "Causal convolutions whose dilation doubles from layer to layer predict held-out speech in "
        "fewer bits a sample than as many undilated ones with as many weights."
    ),
    kind="recovered",
    metric="bits",
    unit="bits a sample",
    direction="lower",
    method="dilated",
    baseline="undilated",
    learning_rates=(8e-3, 16e-3),
    experiment=experiment,
    references=references,
    paper=(
        PaperFigure(
            arm="dilated",
            text=(
                "direction only: dilation is there because it grows the receptive field by orders "
                "of magnitude at little cost; no comparison without it is reported"
            ),
            source=f"{PAPER}, section 2.1",
        ),
    ),
    tolerance=0.1,
    studies=(
        Study(
            name="parts",
            title="What the gate and the two conditions are worth",
            question=(
                "Without one part, how many bits more, and do the judges still hear the right "
                "voice and the right word in what the network says?"
            ),
            arms=("dilated", "ReLU", "no speaker", "no phonemes"),
            metrics={
                "bits": "bits a sample",
                "unseen": "bits, unseen pairs of voice and text",
                "speaker": "right voice heard",
                "word": "right word heard",
                "weights": "weights",
            },
            paper="direction only: gated units worked better than rectified linear ones",
        ),
        Study(
            name="recorded",
            title="A human voice",
            question=(
                "Asterisk's recorded prompts, one speaker, without conditions: does dilation help "
                "there too?"
            ),
            arms=("recorded, dilated", "recorded, undilated"),
            metrics={"bits": "bits a sample"},
            available=has_recordings,
            command="apt install asterisk-core-sounds-en-wav",
        ),
        Study(
            name="cost",
            title="The cost of one more sample",
            question=(
                "24 layers whose receptive field grows from 91 to 8,191 samples: how do "
                "milliseconds of one core a sample grow, naively and with cached layers?"
            ),
            arms=("naive", "cached"),
            metrics={
                "exponent": "exponent",
                "short": "ms at 91 samples",
                "long": "ms at 8,191 samples",
            },
            paper=(
                "direction only, Paine et al. 2016: time for a sample grows with the layers "
                "instead of exponentially in them"
            ),
        ),
    ),
)
