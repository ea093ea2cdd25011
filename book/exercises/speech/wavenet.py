# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: WaveNet
#
# Seven exercises on the pieces that let a network write sound one sample at a time: how far back it hears, how a
# sample becomes one of 256 codes, how a prediction is scored and drawn from, what must stay hidden from it, and how it
# avoids doing the same work again for every sample. Together they are worth 30 points and take a little over two and a
# half hours. They need NumPy and PyTorch and nothing else: no recordings, no GPU.
#
# Work from top to bottom. For each exercise, replace `raise NotImplementedError()` by your code, run
# the cell, then run the tests below it. When a test fails, read its message: it says what to look at. The
# tests you see are examples; a teacher checks your function on other inputs as well, so follow the
# statement where the tests are silent. No exercise needs your answer to another.

# %%
import math

import numpy as np
import torch

# %% [markdown]
# ## 1. How far back does it hear?
#
# *A number to compute: 2 points, 5 minutes, level 1.*
#
# A causal convolution with kernel size $k$ and dilation $d$ reads its input at $k$ places: now, and $d$, $2d$, …, $(k-1)\,d$
# samples ago. Put layers on top of each other, and each one reaches further back through the one below it. The
# **receptive field** is the number of samples that the output depends on, from the oldest to the newest, both counted.
#
# WaveNet's layers have $k = 2$ and come in blocks of ten, with the dilations 1, 2, 4, …, 512. At 16,000 samples a second,
# **how many milliseconds does a network of three such blocks hear?** A vowel takes about 100. Write the function so that it
# answers for any dilations, in any order, any kernel size and any sample rate. It returns a Python `float`.
#
# Example: two layers with $k = 2$ and the dilations 1 and 2 reach $1 + 2 = 3$ samples back. Their field is 4 samples,
# which at 1,000 samples a second is 4 ms.


# %% nbgrader={"grade": false, "grade_id": "field_milliseconds-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def field_milliseconds(
    dilations: list[int], kernel_size: int, sample_rate: int
) -> float:
    """The receptive field of a stack of causal convolutions, in ms."""
    ### BEGIN SOLUTION
    samples = 1 + (kernel_size - 1) * sum(dilations)
    return 1000 * samples / sample_rate
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "field_milliseconds-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
block = [2**layer for layer in range(10)]
found = field_milliseconds(3 * block, 2, 16_000)
assert isinstance(found, float), f"return a float, not {found!r}"
assert math.isclose(field_milliseconds([1, 2], 2, 1000), 4.0), (
    "the example in the text gives 4 ms, not "
    f"{field_milliseconds([1, 2], 2, 1000):.4g}: the newest sample counts too"
)
assert math.isclose(field_milliseconds([5], 2, 1000), 6.0), (
    "one layer of dilation 5 reads the sample of now and that of 5 ago; from "
    "the one to the other, both counted, there are 6, not "
    f"{field_milliseconds([5], 2, 1000):.4g}"
)
assert math.isclose(field_milliseconds(block, 2, 1000), 1024.0), (
    "one block has a field of 1,024 samples, 1,024 ms at 1,000 samples a "
    f"second, not {field_milliseconds(block, 2, 1000):.4g}"
)
one, three = (field_milliseconds(n * block, 2, 16_000) for n in (1, 3))
assert one < three < 3 * one, (
    "three blocks reach back three times as far as one, but the newest sample "
    f"is counted once: a little less than {3 * one:.2f} ms, not {three:.2f}"
)
print(f"three blocks hear {found:.1f} ms")

# %% [markdown]
# ## 2. There and back in 256 steps
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# A softmax over all 65,536 values of a 16-bit sample would be a wide one. WaveNet keeps 256, and spends them where ears
# are sharp: many for quiet samples, few for loud ones. A sample $x$ in $[-1, 1]$ is squeezed by the mu-law,
#
# $$f(x) = \mathrm{sign}(x)\,\frac{\ln(1 + \mu |x|)}{\ln(1 + \mu)}$$
#
# which again lies in $[-1, 1]$. The codes 0, 1, …, $\mu$ stand for $\mu + 1$ evenly spaced values of $f$, the first for $-1$, the
# last for $1$. A sample gets the code whose value is **nearest** to its $f(x)$; halfway between two codes it gets the
# higher one. To decode, take the value that a code stands for and undo $f$:
#
# $$f^{-1}(y) = \mathrm{sign}(y)\,\frac{(1 + \mu)^{|y|} - 1}{\mu}$$
#
# What the trip costs is told by the signal-to-noise ratio in decibels: with $\hat x$ the decoded samples,
#
# $$\mathrm{SNR} = 10 \log_{10} \frac{\sum_t x_t^2}{\sum_t (x_t - \hat x_t)^2}$$
#
# **Write `mu_law_round_trip(samples, mu)`.** It returns a tuple of three: the codes, an array of integers; the decoded samples,
# an array of floats; and the SNR, a Python `float`. WaveNet has $\mu = 255$; other values will be tried.
#
# Example: with $\mu = 255$ the samples $-1$, $0$ and $1$ get the codes 0, 128 and 255. No code stands for silence: it lies
# halfway between 127 and 128.


# %% nbgrader={"grade": false, "grade_id": "mu_law_round_trip-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mu_law_round_trip(
    samples: np.ndarray, mu: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Codes, decoded samples, both (time,), and the SNR in dB."""
    ### BEGIN SOLUTION
    squeezed = np.sign(samples) * np.log1p(mu * abs(samples)) / np.log1p(mu)
    # Rounding to the nearest is adding a half and taking the next lower.
    codes = np.floor((squeezed + 1) / 2 * mu + 0.5).astype(int)
    values = 2 * codes / mu - 1
    decoded = np.sign(values) * ((1 + mu) ** abs(values) - 1) / mu
    noise = samples - decoded
    ratio = (samples**2).sum() / (noise**2).sum()
    return codes, decoded, float(10 * np.log10(ratio))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mu_law_round_trip-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
hiss = np.random.default_rng(2).normal(0, 0.1, 20_000)
found = mu_law_round_trip(hiss, 255)
assert type(found) is tuple and len(found) == 3, (
    "return a tuple of three: codes, decoded samples, SNR"
)
codes, decoded, snr = found
assert codes.dtype.kind == "i", (
    f"codes are integers; your array holds {codes.dtype}"
)
assert codes.shape == decoded.shape == hiss.shape, (
    f"a code and a decoded sample for each sample, {hiss.shape}, not "
    f"{codes.shape} and {decoded.shape}"
)
assert isinstance(snr, float), f"the SNR is a float, not {snr!r}"
ends = mu_law_round_trip(np.array([-1.0, 0.0, 1.0]), 255)[0].tolist()
assert ends == [0, 128, 255], (
    f"-1, 0 and 1 have the codes 0, 128 and 255, not {ends}: 256 codes have "
    "255 steps between them, and from halfway on it is the higher code"
)
quiet = mu_law_round_trip(np.array([-0.001, -0.0001, 0.0001]), 255)[0].tolist()
assert quiet == [122, 127, 128], (
    "-0.001 lies at 122.28, -0.0001 at 126.92 and 0.0001 at 128.08: the "
    f"nearest codes are 122, 127 and 128, not {quiet}"
)
assert np.isclose(decoded[codes == 128], 0.0000862, atol=1e-6).all(), (
    "code 128 stands for f = 2 * 128 / 255 - 1 = 0.0039, which is the sample "
    f"0.000086, not {decoded[codes == 128][0]:.6f}"
)
bias = (decoded - hiss).mean()
assert abs(bias) < 1e-4, (
    f"on average your decoded samples lie {bias:+.5f} off: a code that is "
    "always the next lower one pushes the whole signal down"
)
assert abs(snr - 37.8) < 0.3, (
    "hiss with a deviation of 0.1 comes back with about 37.8 dB, not "
    f"{snr:.1f}: is each code the nearest? Are the squares summed before the "
    "logarithm?"
)
print(f"the hiss comes back with {snr:.1f} dB")

# %% [markdown]
# ## 3. How surprised, in bits
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# How good is a network that says which of 256 codes comes next? Listen to it, or ask what the truth costs: if it gave the code
# that came the probability $p$, the sample costs $-\log_2 p$ **bits**. Knowing nothing costs 8 bits a sample, knowing
# everything 0. A tenth of a bit sounds like little, but a second has 16,000 samples.
#
# Clips of different lengths share a batch by being filled up at the end, and what was filled in must not count. `mask` is
# `True` where a sample belongs to its clip. Every sample counts the same, whether its clip is long or short.
#
# **Write `bits_per_sample(logits, codes, mask)`.** The logits have the shape `(batch, codes, time)`: their softmax over
# dimension 1 gives the probabilities. It returns a tensor of shape `()`, so that a network can be trained with it.
#
# Example: one sample, two codes, equal logits: $-\log_2 \tfrac12 = 1$ bit.


# %% nbgrader={"grade": false, "grade_id": "bits_per_sample-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bits_per_sample(
    logits: torch.Tensor,  # (batch, codes, time)
    codes: torch.Tensor,  # (batch, time): the codes that came, integers
    mask: torch.Tensor,  # (batch, time): True where the sample counts
) -> torch.Tensor:
    """Mean of -log2 p over the samples that count, shape ()."""
    ### BEGIN SOLUTION
    nats = torch.nn.functional.cross_entropy(logits, codes, reduction="none")
    return nats[mask].mean() / math.log(2)  # nats has the shape (batch, time)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bits_per_sample-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = bits_per_sample(
    torch.zeros(1, 2, 3),
    torch.zeros(1, 3, dtype=torch.long),
    torch.ones(1, 3, dtype=torch.bool),
)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (), (
    f"one number for the whole batch: the shape is (), not {tuple(found.shape)}"
)
assert math.isclose(found.item(), 1.0, rel_tol=1e-5), (
    "two codes with equal logits cost 1 bit for each sample that comes, not "
    f"{found.item():.4f}. 0.6931 would be nats, from the natural logarithm; "
    "1.5850 a softmax over time instead of dimension 1"
)
logits = torch.zeros(2, 256, 3)
logits[0, 7] = 100.0  # the first clip's network is sure of code 7
codes = torch.tensor([[7, 7, 7], [9, 9, 9]])
found = bits_per_sample(logits, codes, torch.ones(2, 3, dtype=torch.bool))
assert math.isclose(found.item(), 4.0, rel_tol=1e-5), (
    "half of the samples cost 0 bits and half 8, on average 4, not "
    f"{found.item():.4f}"
)
codes = torch.tensor([[7, 9, 9], [9, 9, 9]])
mask = torch.tensor([[True, False, False], [True, False, False]])
found = bits_per_sample(logits, codes, mask)
assert math.isclose(found.item(), 4.0, rel_tol=1e-5), (
    "here only the first sample of each clip counts, one of 0 bits and one of "
    f"8: 4 bits, not {found.item():.4f}. What was filled in must neither add "
    "to the sum nor be counted"
)

# %% [markdown]
# ## 4. Draw the next sample
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# A network that always says its likeliest code does not speak: in a pause the likeliest sample is silence, and after
# silence it is silence again. WaveNet **draws** each code from its probabilities. With the codes in a row, each as wide
# as its probability, they fill the line from 0 to 1, and a number $u$, uniform in $[0, 1)$, points at one of them:
#
# $$p = \mathrm{softmax}(\text{logits} / \tau) \qquad c = \min \{\, c : p_0 + p_1 + \dots + p_c > u \,\}$$
#
# The temperature $\tau$ makes it bolder above 1 and more careful below. Since the noise comes from outside, the same
# noise gives the same sound, and two programs can be compared sample by sample.
#
# **Write `draw_codes(logits, noise, temperature)`.** It returns a tensor of integers of shape `(batch,)`. Logits may
# be in the tens, above and below 0, and the temperature may be any number above 0, a hundredth too. Should rounding leave
# no sum above $u$, the last code is drawn.
#
# Example: with the probabilities 0.5, 0.25, 0.25 the noise 0.6 draws code 1, since $0.5 \le 0.6 < 0.75$.


# %% nbgrader={"grade": false, "grade_id": "draw_codes-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def draw_codes(
    logits: torch.Tensor,  # (batch, codes)
    noise: torch.Tensor,  # (batch,): uniform in [0, 1)
    temperature: float,
) -> torch.Tensor:
    """The code that each noise points at, shape (batch,)."""
    ### BEGIN SOLUTION
    running = (logits / temperature).softmax(dim=1).cumsum(dim=1)
    # As many codes are skipped as have a running sum not above the noise.
    codes = (running <= noise[:, None]).sum(dim=1)
    return codes.clamp(max=logits.shape[1] - 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "draw_codes-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
noise = torch.tensor([0.0, 0.4, 0.6, 0.7, 0.8, 0.99])
logits = torch.tensor([0.5, 0.25, 0.25]).log().repeat(6, 1)
found = draw_codes(logits, noise, 1.0)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert not found.is_floating_point(), (
    f"codes are integers; yours are {found.dtype}"
)
assert found.shape == (6,), (
    f"one code for each row: the shape is (6,), not {tuple(found.shape)}"
)
assert found.tolist() == [0, 0, 1, 1, 2, 2], (
    "the codes 0, 1, 2 fill the line up to 0.5, 0.75 and 1: the noises "
    f"{[round(u, 2) for u in noise.tolist()]} point at 0, 0, 1, 1, 2, 2, not "
    f"{found.tolist()}"
)
found = draw_codes(logits, noise, 0.5)
assert found.tolist() == [0, 0, 0, 1, 1, 2], (
    "at temperature 0.5 the probabilities are squared and scaled to 2/3, 1/6, "
    f"1/6: the noises point at 0, 0, 0, 1, 1, 2, not {found.tolist()}. Are the "
    "logits divided before the softmax?"
)
found = draw_codes(torch.tensor([[-math.inf, 0.0]]), torch.zeros(1), 1.0)
assert found.tolist() == [1], (
    "code 0 has the probability 0 here, so even a noise of 0 does not draw it: "
    "the sum must be greater than the noise"
)

# %% [markdown]
# ## 5. The network that heard tomorrow
#
# *A silent bug to find: 4 points, 20 minutes, level 2.*
#
# In training WaveNet sees whole clips at once and predicts all their samples side by side. That only works if
# nothing flows backwards in time: **the logits at $t$ are those of the code at $t$, and may depend on the codes at
# $t-1$, $t-2$, …, and on nothing later**. So a network that finds $t$ itself, or worse, $t+1$, in its input need not learn
# to predict. It copies.
#
# Someone trained the stack below. Within a minute its loss was close to 0 bits, and what it generated was noise. All shapes
# are right. The lines after the function change one code of a random clip and print whose logits notice. Look for
# everything that lets a code through too early.


# %%
def causal_logits_as_found(
    codes: torch.Tensor,  # (batch, time): integers
    embedding: torch.Tensor,  # (codes, channels)
    filters: torch.Tensor,  # (layers, channels, channels, 2): older, newer tap
    dilations: list[int],  # one for each layer
    output: torch.Tensor,  # (channels, codes)
    silence: int,  # the code of silence
) -> torch.Tensor:
    """Logits (batch, codes, time). Something is wrong here."""
    hidden = embedding[codes].transpose(1, 2)  # (batch, channels, time)
    for taps, dilation in zip(filters, dilations, strict=True):
        left = dilation // 2
        padded = torch.nn.functional.pad(hidden, (left, dilation - left))
        filtered = torch.nn.functional.conv1d(padded, taps, dilation=dilation)
        hidden = hidden + filtered.tanh()
    return output.T @ hidden


def random_stack(
    dilations: list[int], number: int, seed: int
) -> dict[str, torch.Tensor | list[int] | int]:
    """Arguments of a stack with 4 channels, all but the codes."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "embedding": torch.randn(number, 4, generator=generator),
        "filters": torch.randn(len(dilations), 4, 4, 2, generator=generator),
        "dilations": dilations,
        "output": torch.randn(4, number, generator=generator),
        "silence": number // 2,
    }


stack = random_stack([1, 2, 4], number=8, seed=5)
clip = torch.randint(8, (1, 30), generator=torch.Generator().manual_seed(5))
changed = clip.clone()
changed[0, 15] = (clip[0, 15] + 1) % 8
notice = (
    causal_logits_as_found(clip, **stack)
    != causal_logits_as_found(changed, **stack)
).any(dim=1)[0]
print(
    "code 15 was changed; the logits notice at", notice.nonzero()[:, 0].tolist()
)

# %% [markdown]
# **Write `causal_logits`**: the same function, repaired. It returns a tensor of the shape `(batch, codes, time)`. Before the
# first sample of a clip there was silence, so the network reads the code `silence` where it predicts that sample. Each
# layer finds zeros before the first of its inputs.


# %% nbgrader={"grade": false, "grade_id": "causal_logits-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def causal_logits(
    codes: torch.Tensor,  # (batch, time): integers
    embedding: torch.Tensor,  # (codes, channels)
    filters: torch.Tensor,  # (layers, channels, channels, 2): older, newer tap
    dilations: list[int],  # one for each layer
    output: torch.Tensor,  # (channels, codes)
    silence: int,  # the code of silence
) -> torch.Tensor:
    """Logits of each code from those before it, (batch, codes, time)."""
    ### BEGIN SOLUTION
    # The first leak: the code at t stood in the input at t.
    previous = torch.nn.functional.pad(codes[:, :-1], (1, 0), value=silence)
    hidden = embedding[previous].transpose(1, 2)  # (batch, channels, time)
    for taps, dilation in zip(filters, dilations, strict=True):
        # The second: padding on the right moves the output to the left.
        padded = torch.nn.functional.pad(hidden, (dilation, 0))
        filtered = torch.nn.functional.conv1d(padded, taps, dilation=dilation)
        hidden = hidden + filtered.tanh()
    return output.T @ hidden
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "causal_logits-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
stack = random_stack([1, 2, 4], number=8, seed=6)
generator = torch.Generator().manual_seed(6)
clip = torch.randint(8, (1, 30), generator=generator)
found = causal_logits(clip, **stack)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (1, 8, 30), (
    "one clip, 8 codes, 30 samples: the shape is (1, 8, 30), not "
    f"{tuple(found.shape)}"
)
changed = clip.clone()
changed[0, 15] = (clip[0, 15] + 1) % 8
notice = (causal_logits(changed, **stack) - found).abs().amax(dim=1)[0] > 1e-6
first, last = notice.nonzero()[0].item(), notice.nonzero()[-1].item()
assert first >= 15, (
    f"code 15 was changed, and the logits at {first} notice: they look into "
    "the future. On which side does each layer pad?"
)
assert first > 15, (
    "code 15 was changed, and its own logits notice: the network reads what it "
    "is to predict. Which code should stand in the input at 15?"
)
assert first == 16, (
    "the code right before is the best hint there is, and your logits do not "
    f"see it: code 15 was changed and nothing notices before {first}"
)
assert last == 16 + 1 + 2 + 4, (
    "the dilations 1, 2 and 4 reach 7 samples further back, so a change of "
    f"code 15 is noticed until 23, not until {last}"
)

# %% [markdown]
# ## 6. A queue for each layer
#
# *A piece to write: 6 points, 35 minutes, level 3.*
#
# To generate, WaveNet draws a sample, appends it, and asks again. Done plainly, each question runs over the whole
# receptive field, thousands of samples, of which all but one are the same as before. Nearly everything was computed a moment
# ago. What a layer with dilation $d$ needs of the past is one input, that of $d$ samples ago; so it keeps its last $d$ inputs
# in a **queue**, takes the oldest out, and puts the newest in. Then a sample costs one small step a layer, however far
# the network hears.
#
# Each layer of the stack here computes, from its input $h_t$,
#
# $$h'_t = h_t + \tanh\left(h_{t-d}\, W_{old} + h_t\, W_{new} + b\right)$$
#
# and hands $h'_t$ to the next layer as its input. Before the first sample every input was 0. `plain_stack` below computes
# this for a whole signal at once.


# %%
def plain_stack(
    samples: torch.Tensor,  # (time, channels)
    older: torch.Tensor,  # (layers, channels, channels): W_old
    newer: torch.Tensor,  # (layers, channels, channels): W_new
    biases: torch.Tensor,  # (layers, channels): b
    dilations: list[int],  # one for each layer
) -> torch.Tensor:
    """The outputs (time, channels) for a whole signal at once."""
    hidden = samples
    for layer, dilation in enumerate(dilations):
        past = torch.nn.functional.pad(hidden, (0, 0, dilation, 0))
        hidden = hidden + torch.tanh(
            past[: len(hidden)] @ older[layer]
            + hidden @ newer[layer]
            + biases[layer]
        )
    return hidden


# %% [markdown]
# **Write `cached_stack(samples, older, newer, biases, dilations, queues)`**, which takes the next piece of a signal. It returns a tuple
# of two: the outputs of the last layer, `(time, channels)`, and a list of queues, one for each layer, to be passed in with the piece
# that follows. A queue is a tensor of shape `(dilation, channels)`: the last `dilation` inputs of its layer, **oldest
# first**. For the first piece `queues` is `None`. A piece may be as short as one sample, which is how it is
# used for generation, or longer than every queue. The queues passed in stay as they are. However the signal is cut into pieces, the
# outputs together are those of `plain_stack`.


# %% nbgrader={"grade": false, "grade_id": "cached_stack-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def cached_stack(
    samples: torch.Tensor,  # (time, channels): the next piece
    older: torch.Tensor,  # (layers, channels, channels): W_old
    newer: torch.Tensor,  # (layers, channels, channels): W_new
    biases: torch.Tensor,  # (layers, channels): b
    dilations: list[int],  # one for each layer
    queues: list[torch.Tensor] | None,  # each (dilation, channels)
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Outputs (time, channels) of the piece, and the queues after it."""
    ### BEGIN SOLUTION
    if queues is None:
        queues = [samples.new_zeros(d, samples.shape[1]) for d in dilations]
    hidden, after = samples, []
    for layer, queue in enumerate(queues):
        known = torch.cat([queue, hidden])  # (dilation + time, channels)
        # The input at t has the place t + dilation; that of dilation samples
        # before it, the place t. What comes after the piece is needed later.
        past, kept = known.split([len(hidden), len(queue)])
        after.append(kept)
        hidden = hidden + torch.tanh(
            past @ older[layer] + hidden @ newer[layer] + biases[layer]
        )
    return hidden, after
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "cached_stack-tests", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
generator = torch.Generator().manual_seed(7)
signal = torch.randn(20, 3, generator=generator)
stack = {
    "older": torch.randn(3, 3, 3, generator=generator),
    "newer": torch.randn(3, 3, 3, generator=generator),
    "biases": torch.randn(3, 3, generator=generator),
    "dilations": [1, 2, 4],
}
wanted = plain_stack(signal, **stack)
found = cached_stack(signal, **stack, queues=None)
assert type(found) is tuple and len(found) == 2, (
    "return a tuple of two: outputs, queues"
)
outputs, queues = found
assert type(queues) is list and len(queues) == 3, (
    "three layers have three queues, in a list"
)
assert [tuple(queue.shape) for queue in queues] == [(1, 3), (2, 3), (4, 3)], (
    "a layer needs as many inputs as its dilation: the queues have the shapes "
    f"(1, 3), (2, 3) and (4, 3), not {[tuple(q.shape) for q in queues]}"
)
wrong = (outputs - wanted).abs().amax(dim=1) > 1e-5
assert not wrong.any(), (
    "a whole signal as a single piece must give what plain_stack gives; yours "
    f"is first wrong at sample {wrong.int().argmax()}. At sample 0 each layer "
    "still reads a zero as its older input"
)
queues, singly = None, []
for sample in signal.split(1):
    output, queues = cached_stack(sample, **stack, queues=queues)
    singly.append(output)
wrong = (torch.cat(singly) - wanted).abs().amax(dim=1) > 1e-5
assert not wrong.any(), (
    "one sample at a time must give the same outputs; yours are wrong from "
    f"sample {wrong.int().argmax()} on. Does each layer take the oldest out "
    "before the newest goes in? Is what goes in the layer's input?"
)
before = [queue.clone() for queue in queues]
again = [cached_stack(signal[:3], **stack, queues=queues)[0] for _ in "ab"]
assert torch.equal(*again), (
    "the same piece with the same queues gave two different outputs"
)
assert all(torch.equal(*pair) for pair in zip(before, queues, strict=True)), (
    "the queues passed in were changed: return new ones"
)

# %% [markdown]
# ## 7. Predict the loom
#
# *A behaviour to reach: 8 points, 45 minutes, level 3.*
#
# A power loom clatters in a loop: after $P$ samples the same noises come again, as loud as before, with a little fresh
# hiss over them. You have recordings of many looms. Each clatters a loop of its own, but all run at the same speed, so $P$ is the
# same everywhere. Within a loop no sample says anything about the next one. Whoever hears less than a loop can only guess.
#
# **Write `learn_loom(clips, windows, seed)`.** `clips` is a tensor of shape `(64, 96)` of mu-law codes from 0 to 31, one row a
# loom. `windows` is a tensor of shape `(400, 40)` of codes from other looms. Return a tensor of floats of shape `(400, 32)`: for each
# window the logits of **the code that comes after it**. Any method is allowed; `seed` is for whatever you draw at random.
#
# **What to reach**: at most **3.8 bits a sample**, on average over the windows. Equal logits cost 5 bits, and how often each
# code comes in the clips costs about 4.7. The test below tries one speed. Others will be tried, with $P$ from 9 to 15. Your function
# has 1.5 seconds on one core.
#
# A hint: a stack like that of exercise 6, with 16 channels, is enough. Count how far back it hears before you train it. Where all
# taps fall inside the clip no padding is needed: `hidden[:, dilation:]` and `hidden[:, :-dilation]` are the two that a
# layer reads. And print the training loss in bits: if it is far lower than what the test finds, something leaks.


# %% nbgrader={"grade": false, "grade_id": "learn_loom-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def learn_loom(
    clips: torch.Tensor,  # (clips, time): codes 0 to 31
    windows: torch.Tensor,  # (windows, context): codes 0 to 31
    seed: int,
) -> torch.Tensor:
    """Logits of the code after each window, (windows, 32)."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    channels, dilations = 16, [1, 2, 4, 8]  # a field of 16 samples

    def matrix(rows: int, columns: int) -> torch.Tensor:
        drawn = torch.randn(rows, columns, generator=generator)
        return (0.6 * drawn / rows**0.5).requires_grad_()

    first = matrix(2, channels)
    taps = [matrix(2 * channels, channels) for _ in dilations]
    wide, output = matrix(channels, 32), matrix(32, 32)

    def predict(codes: torch.Tensor) -> torch.Tensor:
        loudness = codes[:, :, None] / 15.5 - 1  # (batch, time, 1)
        inputs = torch.cat([loudness, torch.ones_like(loudness)], dim=2)
        hidden = inputs @ first
        for weight, dilation in zip(taps, dilations, strict=True):
            newer = hidden[:, dilation:]
            both = torch.cat([hidden[:, :-dilation], newer], dim=2)
            hidden = newer + (both @ weight).tanh()
        return (hidden @ wide).relu() @ output  # (batch, time - 15, 32)

    optimizer = torch.optim.Adam([first, *taps, wide, output], lr=0.02)
    for _ in range(60):
        chosen = torch.randperm(len(clips), generator=generator)[:16]
        logits = predict(clips[chosen, :-1])
        targets = clips[chosen, -logits.shape[1] :]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return predict(windows)[:, -1].detach()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "learn_loom-tests", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
rng = np.random.default_rng(9)
loops = rng.normal(0, 0.3, (464, 12)).clip(-0.9, 0.9)
heard = np.tile(loops, 8) + rng.normal(0, 0.03, (464, 96))
squeezed = np.sign(heard) * np.log1p(31 * abs(heard)) / np.log(32)
looms = torch.from_numpy(((squeezed + 1) / 2 * 31).round().astype(int))
windows, came = looms[64:, :40], looms[64:, 40]
found = learn_loom(looms[:64], windows, seed=0)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.is_floating_point(), f"logits are floats; yours are {found.dtype}"
assert found.shape == (400, 32), (
    "400 windows, 32 codes: the shape is (400, 32), not "
    f"{tuple(found.shape)}. Keep the logits after the last sample only"
)
assert found.isfinite().all(), "some of your logits are infinite or nan"
nats = torch.nn.functional.cross_entropy(found, came).item()
bits = nats / math.log(2)
print(f"{bits:.2f} bits a sample")
assert bits <= 3.8, (
    f"your logits cost {bits:.2f} bits a sample, at most 3.8 are allowed. From "
    "4.5 to 5 nothing of the loop is learned: does the stack hear as far as 15 "
    "back? Far above 5 they are confident and wrong: do they belong to the "
    "sample after the window, and did training see only what comes before?"
)
