import dataclasses
import math

import pytest
import torch

from companion.speech.wavenet import train
from companion.speech.wavenet.data import NUM_CODES, Clips, make_batch
from companion.speech.wavenet.model import Architecture

SMALL = Architecture(
    num_blocks=1,
    layers_per_block=3,
    residual_channels=8,
    skip_channels=16,
    num_speakers=2,
    num_phonemes=3,
)
SETTINGS = train.Settings(
    architecture=SMALL, steps=6, minutes=0, batch_size=2, length=50, learning_rate=1e-2
)


@pytest.fixture
def clips() -> Clips:
    stream = torch.Generator().manual_seed(0)
    codes = [torch.randint(NUM_CODES, (length,), generator=stream) for length in (60, 75, 90)]
    return Clips(
        codes=codes,
        phonemes=[torch.randint(3, codes_.shape, generator=stream) for codes_ in codes],
        speakers=torch.tensor([0, 1, 1]),
        texts=["", "", ""],
        names=["a", "b", "c"],
        voices=("one", "two"),
    )


def test_bits_of_known_logits():
    codes = torch.tensor([[3, 200]])
    everything = torch.ones_like(codes, dtype=torch.bool)
    assert train.bits_per_sample(torch.zeros(1, 256, 2), codes, everything).item() == pytest.approx(
        8
    )
    logits = torch.full((1, 256, 2), -math.inf)
    logits[0, [3, 4], 0] = 0  # one bit
    logits[0, [200, 201, 202, 203], 1] = 0  # two bits
    assert train.bits_per_sample(logits, codes, everything).item() == pytest.approx(1.5)
    first = torch.tensor([[True, False]])
    assert train.bits_per_sample(logits, codes, first).item() == pytest.approx(1)


def test_evaluation_is_the_mean_over_samples_whatever_the_padding(clips):
    model = train.new_model(SMALL, 0).eval()
    total, samples = 0.0, 0
    for index, codes in enumerate(clips.codes):
        alone = make_batch(clips, [(index, 0)], len(codes))
        with torch.no_grad():
            total += train.batch_bits(model, alone).item() * len(codes)
        samples += len(codes)
    assert train.evaluate(model, clips) == pytest.approx(total / samples, rel=1e-5)


def test_training_learns_what_always_follows(clips):
    ramp = torch.arange(300) % 16 * 16
    ramps = dataclasses.replace(clips, codes=[ramp] * 3, phonemes=[torch.zeros_like(ramp)] * 3)
    settings = dataclasses.replace(SETTINGS, steps=150)
    model, history = train.train(ramps, settings, 0)
    assert history["bits"][0] > 7
    assert train.evaluate(model, ramps) < 1


def test_an_interrupted_run_gives_the_same_weights(clips, tmp_path, monkeypatch):
    whole, curve = train.train(clips, SETTINGS, 0)
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    path = tmp_path / "checkpoint.safetensors"
    calls = 0
    plain = train.batch_bits

    def broken(*arguments):
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(train, "batch_bits", broken)
    with pytest.raises(KeyboardInterrupt):
        train.train(clips, SETTINGS, 0, path)
    monkeypatch.setattr(train, "batch_bits", plain)
    resumed, again = train.train(clips, SETTINGS, 0, path)
    assert again == curve
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_loss_that_is_not_finite_stops_the_run_and_says_so(clips, monkeypatch):
    monkeypatch.setattr(train, "batch_bits", lambda *arguments: torch.tensor(math.nan))
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train.train(clips, SETTINGS, 0)


def test_the_learning_rate_falls_to_a_tenth():
    assert train.learning_rate_at(0, SETTINGS) == 1e-2
    assert train.learning_rate_at(6, SETTINGS) == pytest.approx(1e-3)
