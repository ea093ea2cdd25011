import dataclasses

import pytest
import torch

from companion.speech.wavenet.data import NUM_CODES
from companion.speech.wavenet.generate import (
    CachedNetwork,
    draw,
    generate_cached,
    generate_naive,
)
from companion.speech.wavenet.model import Architecture, new_model, shift

SMALL = Architecture(
    num_blocks=2,
    layers_per_block=4,
    residual_channels=8,
    skip_channels=12,
    num_speakers=3,
    num_phonemes=5,
)
TIME = 50
VARIANTS = {
    "the paper's": SMALL,
    "undilated": dataclasses.replace(SMALL, dilated=False),
    "ReLU": dataclasses.replace(SMALL, gated=False),
    "no speakers": dataclasses.replace(SMALL, num_speakers=0),
    "no phonemes": dataclasses.replace(SMALL, num_phonemes=0),
    "no conditions": dataclasses.replace(SMALL, num_speakers=0, num_phonemes=0),
}


def material(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Speakers, phonemes and noise."""
    stream = torch.Generator().manual_seed(0)
    phonemes = torch.randint(5, (batch, TIME), generator=stream)
    noise = torch.rand(batch, TIME, generator=stream)
    return torch.arange(batch) % 3, phonemes, noise


@pytest.mark.parametrize("name", VARIANTS)
def test_a_cached_step_gives_the_naive_logits(name):
    model = new_model(VARIANTS[name], 0)
    speakers, phonemes, _ = material()
    codes = torch.randint(NUM_CODES, (3, TIME), generator=torch.Generator().manual_seed(1))
    previous = shift(codes)
    with torch.inference_mode():
        expected = model(previous, speakers, phonemes)
        network = CachedNetwork(model, speakers)
        steps = [network.step(previous[:, time], phonemes[:, time]) for time in range(TIME)]
    torch.testing.assert_close(torch.stack(steps, dim=2), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", VARIANTS)
def test_naive_cached_and_batched_generation_draw_the_same(name):
    model = new_model(VARIANTS[name], 0)
    speakers, phonemes, noise = material()
    naive = generate_naive(model, speakers, phonemes, noise)
    batched = generate_cached(model, speakers, phonemes, noise)
    single = [
        generate_cached(model, speakers[i : i + 1], phonemes[i : i + 1], noise[i : i + 1])
        for i in range(3)
    ]
    assert torch.equal(naive, batched)
    assert torch.equal(naive, torch.cat(single))
    assert len(naive.unique()) > 20


def test_generation_leaves_the_model_as_it_was():
    model = new_model(SMALL, 0)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    generate_cached(model, *material())
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_draws_follow_the_probabilities():
    logits = torch.tensor([0.1, 0.6, 0.3]).log().expand(10_000, 3)
    noise = (torch.arange(10_000) + 0.5) / 10_000
    counts = torch.bincount(draw(logits, noise, 1.0), minlength=3)
    assert counts.tolist() == pytest.approx([1000, 6000, 3000], abs=2)
    squared = torch.bincount(draw(logits, noise, 0.5), minlength=3) / 10_000
    expected = torch.tensor([0.01, 0.36, 0.09]) / 0.46
    torch.testing.assert_close(squared, expected, atol=1e-3, rtol=0)


def test_a_low_temperature_takes_the_likeliest_and_the_edges_stay_inside():
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    assert draw(logits, torch.tensor([0.5]), 0.01).item() == 1
    assert draw(logits, torch.tensor([0.0]), 1.0).item() == 0
    assert draw(torch.randn(1, 256), torch.tensor([1 - 2**-24]), 1.0).item() <= 255


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("generate", [generate_naive, generate_cached])
def test_a_temperature_that_is_not_positive_is_refused(generate, temperature):
    with pytest.raises(ValueError, match="temperature must be positive"):
        generate(new_model(SMALL, 0), *material(), temperature)


def test_unfit_noise_and_unknown_names_are_refused():
    model = new_model(SMALL, 0)
    speakers, phonemes, noise = material()
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        generate_cached(model, speakers, phonemes, noise + 1)
    with pytest.raises(ValueError, match=r"shape \(3, 50\)"):
        generate_cached(model, speakers, phonemes, noise[:, 1:])
    with pytest.raises(ValueError, match="speaker 7"):
        generate_cached(model, speakers + 7, phonemes, noise)
    with pytest.raises(ValueError, match="phoneme 5"):
        generate_cached(model, speakers, torch.full_like(phonemes, 5), noise)
