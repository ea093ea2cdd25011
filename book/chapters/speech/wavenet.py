# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # WaveNet: raw audio, one sample at a time
#
# You will build a network that speaks in six voices by choosing one sample after another, eight thousand a second, and
# then make it some hundred times faster without changing a single sample.
#
# | | |
# |---|---|
# | Your time | 90 minutes, and 155 for the exercises |
# | Machine time | 21 minutes, 15 of them the main training, on one core of a busy machine |
# | Level | 2 of 3 |
# | You need | tensors, modules and a training loop ([the page to read first](../../guide/pytorch)); what a convolution is |
# | Paper | van den Oord et al., *WaveNet: A Generative Model for Raw Audio* {cite}`oord2016` |
#
# To run it yourself, open this notebook in JupyterLab with `make lab`; [the guide](../../guide/run) has the other
# ways, Colab among them. The first cell checks that the course's package is there.

# %%
import importlib.util

for package, remedy in (
    ("companion", "pip install -e ."),
    ("espeakng_loader", "pip install -e '.[speech]'"),
):
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(
            f"This chapter needs {package}: run `{remedy}` in the course's "
            "folder, then restart the kernel."
        )

# %%
import copy
import math
import time

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from torch import nn

# %%
from companion import claims
from companion.datasets import speech
from companion.figures import PALETTE, show, use_style
from companion.players import audio_player
from companion.seeds import generator
from companion.size import current_size, device
from companion.speech.wavenet import (
    claim,
    data,
    generate,
    judge,
    live,
    model,
    recordings,
    train,
)

# %%
use_style()
# A second thread gains next to nothing at these sizes, and changes the last
# digits: with one you get the ledger's numbers.
torch.set_num_threads(1)
SIZE = current_size()
SETTINGS = train.SETTINGS[SIZE]
print(f"size {SIZE}: {SETTINGS.steps:,} training steps on {device()},")
print(f"about {SETTINGS.minutes:g} minutes")
for name, value in vars(SETTINGS.architecture).items():
    print(f"  {name} = {value}")

# %% [markdown]
# ## Why 2017 cared
#
# Before WaveNet a computer spoke in one of two ways. *Concatenative* systems glued together snippets of one person's
# recordings; they sounded human until a join was heard. *Parametric* systems computed pitch and spectrum and left the
# sound to a vocoder; they could say anything in any voice, and buzzed. Nobody modelled the wave itself: at 16,000
# samples a second, what a syllable needs to know lies thousands of steps back.
#
# The survey {cite}`tyantov2017` tells what the paper did: a fully convolutional network that predicts each sample from
# all samples before it, trained on data with tens of thousands of samples a second. Listeners found it clearly more
# natural than the best systems of either kind, in English and in Mandarin. In the paper's table, on a scale of five,
# English speech by WaveNet scored 4.21, the best concatenative system 3.86 and an LSTM parametric one 3.67. One network
# holds many speakers and switches between them; trained on music, it plays.
#
# The survey also names the price: speech is generated one sample after the other, and "one to two minutes" of computing
# go into one second of sound. We will find out what that number is made of, and how much of it is necessary.
#
# Two ideas carry the chapter. **Dilation**: convolutions that skip, so that twelve layers see four thousand samples
# instead of thirteen. It is the idea whose worth we measure. And **caching**: what generation does a second time, it
# need not do.

# %% [markdown]
# ## The data
#
# The paper trained on many hours of recorded speech. This chapter must run without a download, and its claims about
# words and voices need to know which sound stands where. So a *synthesiser* speaks: eSpeak NG, a library that computes
# formants, as text-to-speech did before recordings took over. Six voices say ten digits, the names of 26 letters and
# eight short phrases, five times each at different speed and pitch. The voices are artificial, and sound it; the
# task is real all the same: to learn what a wave does next. A human voice comes further down, where the claim is measured.
#
# eSpeak NG is free software under the GPL and is installed as a package; nothing of it is part of this book's code.
# Sound made with it carries no claim of its authors that we know of. [The data page](../../data) has the details.

# %%
clips = data.load_clips("train")
validation = data.load_clips("validation")
test = data.load_clips("test")
unseen = data.load_clips("unseen")
for name, split in (
    ("to train on", clips),
    ("to choose by", validation),
    ("to test on", test),
    ("pairs of voice and text kept from training", unseen),
):
    print(f"{len(split):4} clips, {split.seconds:5.1f} s {name}")

# %%
RATE = speech.SAMPLE_RATE


def find(split, text, voice):
    """Index of the first clip of a text by a voice."""
    speaker = split.speaker(voice)
    return next(
        i
        for i, said in enumerate(split.texts)
        if said == text and split.speakers[i] == speaker
    )


for voice in clips.voices:
    index = find(test, "seven", voice)
    sound = data.mu_law_decode(test.codes[index])
    display(audio_player(sound.numpy(), RATE, f"“seven”: {live.NAMES[voice]}"))

# %% [markdown]
# Look at one of them. At full length you see loudness, and the phonemes that the synthesiser says it is making. In
# fifty milliseconds you see what a model of sound has to know: the wave repeats, about a hundred times a second for a
# low voice. One period is some 80 samples at our 8,000 samples a second. A model that sees only the last ten samples
# can tell which way the wave is going, but not where in its period it is.

# %%
index = find(test, "seven", "en-us")
sound = data.mu_law_decode(test.codes[index])
figure, axes = plt.subplots(2, 1, figsize=(7.2, 4.2))
seconds = torch.arange(len(sound)) / RATE
axes[0].plot(seconds, sound, linewidth=0.5)
track = test.phonemes[index]
starts = [0, *(torch.nonzero(track.diff())[:, 0] + 1).tolist()]
for start in starts:
    axes[0].axvline(start / RATE, color="#777777", linewidth=0.5)
    label = data.PHONEMES[track[start]]
    axes[0].text(start / RATE + 0.003, 0.8, label)
middle = slice(1500, 1900)
axes[1].plot(1000 * seconds[middle], sound[middle], marker=".", markersize=3)
axes[0].set(xlabel="seconds", ylim=(-1, 1))
axes[1].set(xlabel="milliseconds")
show(
    figure,
    "Above, the wave of the word seven, cut into its phonemes. Below, 50 "
    "milliseconds of a vowel: a shape that repeats every ten milliseconds.",
    "“Seven”: phonemes last a thousand samples, periods some eighty, and "
    "the wiggle inside a period five to twenty.",
)

# %% [markdown]
# ### 256 values instead of 65,536
#
# A sample on a CD is one of 65,536 values. A network that predicts by softmax would need as many outputs. Telephone
# engineers met the problem long before: a **mu-law** coder spends its values where the ear needs them, finely near zero
# and coarsely at the peaks. It squeezes a sample $x$ in $[-1, 1]$ by
#
# $$f(x) = \operatorname{sign}(x)\,\frac{\ln(1 + \mu\,|x|)}{\ln(1 + \mu)}, \qquad \mu = 255,$$
#
# and stores $f$ as the nearest of 256 evenly spaced values. *Nearest* is where a public version goes wrong: rounding
# down instead shifts every sample and doubles the largest error.


# %%
def mu_law_encode(samples, mu=255):
    """Samples in [-1, 1] -> codes 0 to 255."""
    samples = samples.double()
    squeezed = torch.log1p(mu * samples.abs()) / math.log1p(mu)
    squeezed = samples.sign() * squeezed
    return torch.floor((squeezed + 1) / 2 * mu + 0.5).long()


def mu_law_decode(codes, mu=255):
    """Codes -> the samples they stand for."""
    squeezed = 2 * codes.double() / mu - 1
    size = torch.expm1(squeezed.abs() * math.log1p(mu)) / mu
    return (squeezed.sign() * size).float()


line = torch.linspace(-1, 1, 10_001)
assert torch.equal(mu_law_encode(line), data.mu_law_encode(line))
everything = torch.arange(256)
assert torch.equal(mu_law_encode(mu_law_decode(everything)), everything)

# %% [markdown]
# How much noise does that add? We measure the **signal-to-noise ratio** in decibels, $10 \log_{10}$ of the signal's
# power over the error's. The same word at falling loudness, coded by mu-law, by mu-law rounding down, and by 256 evenly
# spaced values:


# %%
def noise_ratio(signal, coded):
    """Signal-to-noise ratio in decibels."""
    error = (signal - coded).double().square().mean()
    return float(10 * torch.log10(signal.double().square().mean() / error))


original = torch.cat(
    [
        torch.from_numpy(one.samples)
        for one in speech.load_speech()
        if one.text == "seven"
    ]
)
levels = np.arange(0, -45, -5)
ratios = {"mu-law": [], "mu-law, rounded down": [], "evenly spaced": []}
for level in levels:
    quiet = original * 10 ** (level / 20)
    squeezed = torch.log1p(255 * quiet.abs()) / math.log(256) * quiet.sign()
    lower = torch.floor((squeezed + 1) / 2 * 255).long()
    even = torch.round(quiet * 127.5 - 0.5) / 127.5 + 1 / 255
    coders = mu_law_decode(mu_law_encode(quiet)), mu_law_decode(lower), even
    for values, coded in zip(ratios.values(), coders, strict=True):
        values.append(noise_ratio(quiet, coded))

# %%
figure, axis = plt.subplots(figsize=(6.4, 3))
for style, (name, values) in zip("-:-", ratios.items(), strict=False):
    axis.plot(levels, values, style, marker="o", markersize=3, label=name)
axis.set(xlabel="level of the word (dB)", ylabel="signal to noise (dB)")
axis.invert_xaxis()
axis.legend()
show(
    figure,
    "Signal-to-noise ratio against level: mu-law falls slowly, evenly spaced "
    "values fall one decibel for every decibel, rounding down is lower.",
    "Evenly spaced values win for loud sounds; mu-law hardly cares how loud "
    "a sound is, and most of speech is quiet.",
)

# %% [markdown]
# ## The trivial baseline
#
# Sound is now a text of 256 letters, and we can ask how well a model guesses the next letter: the mean of
# $-\log_2 p(\text{code})$ over held-out samples, in **bits a sample**. Guessing blindly costs 8 bits. Two rivals that only
# count: how often each code comes, and how often each code follows the one before it.

# %%
counts = torch.bincount(torch.cat(clips.codes), minlength=256).double() + 1
bits = -torch.log2(counts / counts.sum())
unigram = float(bits[torch.cat(test.codes)].mean())
assert math.isclose(unigram, data.unigram_bits(clips, test))
bigram = data.bigram_bits(clips, test)
print("guessing blindly                     8.00 bits a sample")
print(f"how often each code comes            {unigram:.2f}")
print(f"how often each code follows another  {bigram:.2f}")

# %% [markdown]
# The second rival knows one sample of the past and saves more than a bit. The network will know 511.
#
# ## Build it
#
# ### A product of predictions
#
# Any probability of a whole wave is a product of predictions, each sample's given all before it (equation 1 of the
# paper):
#
# $$p(x) = \prod_{t=1}^{T} p(x_t \mid x_1, \ldots, x_{t-1})$$
#
# So one network suffices that at every $t$ reads the past and gives 256 probabilities. In training all $T$ predictions
# are made at once, since the whole past is known. That is only honest if the prediction at $t$ cannot see $x_t$. First
# the input is moved by one:

# %%
codes = test.codes[index][None]  # (batch, time)
previous = torch.cat([torch.full((1, 1), 128), codes[:, :-1]], dim=1)
assert torch.equal(previous, model.shift(codes))
print("predict     ", codes[0, 1500:1508].tolist())
print("from, at last", previous[0, 1500:1508].tolist())

# %% [markdown]
# Then every layer must be **causal**: its output at $t$ may use inputs up to $t$ and none after. A convolution whose
# kernel covers two samples is causal when all its padding stands on the left.


# %%
def causal_convolution(inputs, weight, bias, dilation):
    """(batch, channels, time) -> (batch, width, time); kernel of 2."""
    past = nn.functional.pad(inputs, (dilation, 0))
    return nn.functional.conv1d(past, weight, bias, dilation=dilation)


random = generator(0, "causality")
weight, bias = torch.randn(4, 3, 2, generator=random), torch.zeros(4)
inputs = torch.randn(1, 3, 40, generator=random)
changed = inputs.clone()
changed[:, :, 20] += 1
for dilation in (1, 8):
    pair = [
        causal_convolution(x, weight, bias, dilation) for x in (inputs, changed)
    ]
    moved = (pair[0] != pair[1]).any(dim=1)[0].nonzero()[:, 0].tolist()
    print(f"dilation {dilation}: input 20 changed, outputs {moved} did")

# %% [markdown]
# ### Dilation
#
# The kernel's two taps need not be neighbours. With **dilation** $d$ the layer looks at $t$ and at $t - d$. Stack layers
# with $d = 1, 2, 4, \ldots$ and each doubles what the one below it saw. The **receptive field** of a stack with kernel
# size $k$ is
#
# $$1 + (k - 1) \sum_i d_i .$$

# %%
print("layers  dilated  undilated   (samples seen)")
for layers in (1, 2, 4, 8, 12):
    fields = (
        model.receptive_field(tuple(2**i for i in range(layers))),
        model.receptive_field((1,) * layers),
    )
    print(f"{layers:6} {fields[0]:8,} {fields[1]:10}")
ours = model.receptive_field(SETTINGS.architecture.dilations)
print(f"this chapter: {SETTINGS.architecture.dilations}")
print(f"{ours} samples, {1000 * ours / RATE:.0f} ms")

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.8), sharey=True)
for axis, dilations in zip(axes, ((1, 1, 1, 1), (1, 2, 4, 8)), strict=True):
    needed = {0}
    for level, dilation in zip((4, 3, 2, 1), reversed(dilations), strict=True):
        below = set()
        for time_ in needed:
            for source in (time_, time_ - dilation):
                axis.plot([time_, source], [level, level - 1], color=PALETTE[0])
                below.add(source)
        needed = below
    for level in range(5):
        axis.plot(range(-16, 1), [level] * 17, "o", color="#999999", ms=3)
    axis.set(title=f"dilations {dilations}", xlabel="time", yticks=[])
    axis.set_xticks(range(-16, 1, 4))
show(
    figure,
    "Two trees of connections from one output down to its inputs. Undilated "
    "it reaches 5 inputs, dilated 16.",
    "Four layers either way, as many weights either way: 5 samples seen, or 16.",
)

# %% [markdown]
# ### The gated unit
#
# Each layer computes two convolutions and multiplies them: $z = \tanh(W_f * x) \odot \sigma(W_g * x)$ (equation 2). The
# second decides, between 0 and 1, how much of the first passes. One convolution of twice the width does both.
#
# ### Who speaks, and what
#
# What the network should say enters inside the gate (section 2.5). The speaker is the same at every sample: a vector
# that is added everywhere, **global** conditioning. What is said changes with time: the phoneme that sounds at $t$ adds
# its vector at $t$, **local** conditioning. In one line: $z = \tanh(W_f * x + V_f h + V'_f h_t) \odot \sigma(\ldots)$.
#
# ### Residual and skip
#
# From $z$ go two 1x1 convolutions. One is added to the layer's input and feeds the next layer, a **residual** as in deep
# image networks. The other is this layer's **skip**: the skips of all layers are summed, and the sum alone decides.


# %%
def plain_layer(layer, inputs, speakers, phonemes):
    """One layer: its residual output and its skip."""
    weight, bias = layer.convolution.weight, layer.convolution.bias
    filtered = causal_convolution(inputs, weight, bias, layer.dilation)
    filtered = filtered + layer.speaker.weight[speakers][:, :, None]
    filtered = filtered + layer.phoneme.weight[phonemes].transpose(1, 2)
    signal, gate = filtered.chunk(2, dim=1)  # (batch, channels, time) each
    gated = signal.tanh() * gate.sigmoid()
    return inputs + one_by_one(layer.residual, gated), one_by_one(
        layer.skip, gated
    )


def one_by_one(convolution, inputs):
    """The same matrix at every sample."""
    weight, bias = convolution.weight[:, :, 0], convolution.bias
    return torch.einsum("oc,bct->bot", weight, inputs) + bias[:, None]


# %% [markdown]
# The whole network: an embedding of the code (the paper's one-hot vector and a convolution, in one step), the layers,
# and from the summed skips two 1x1 convolutions to 256 logits.


# %%
def plain_logits(network, previous, speakers, phonemes):
    """Logits of each sample's code: (batch, 256, time)."""
    hidden = network.embedding.weight[previous].transpose(1, 2)
    total = 0
    for layer in network.layers:
        hidden, skip = plain_layer(layer, hidden, speakers, phonemes)
        total = total + skip  # (batch, skip channels, time)
    top = one_by_one(network.hidden, total.relu())
    return one_by_one(network.output, top.relu())


network = model.new_model(SETTINGS.architecture, seed=0)
finished = copy.deepcopy(network)
batch = data.make_batch(clips, [(3, 0), (400, 900)], 1200)
logits = plain_logits(
    network, model.shift(batch.codes), batch.speakers, batch.phonemes
)
print("logits:", tuple(logits.shape))
print(f"{sum(w.numel() for w in network.parameters()):,} weights")

# %% [markdown]
# ### The loss
#
# Cross-entropy, in bits, over the samples that belong to a clip. Then the check that the plain network is `companion`'s:
# same loss, same gradients.

# %%
nats = nn.functional.cross_entropy(logits, batch.codes, reduction="none")
loss = (nats[batch.mask] / math.log(2)).mean()
loss.backward()
finished_loss = train.batch_bits(finished, batch)
finished_loss.backward()
torch.testing.assert_close(loss, finished_loss)
weights = zip(network.parameters(), finished.parameters(), strict=True)
for weight, other in weights:
    torch.testing.assert_close(weight.grad, other.grad, rtol=1e-3, atol=1e-6)
print(f"both losses are {loss.item():.4f} bits, and all gradients agree")

# %% [markdown]
# Is the whole network causal? Change one input, and look at which predictions change.

# %%
changed = batch.codes.clone()
changed[:, 600] = 255 - changed[:, 600]
with torch.no_grad():
    pair = [
        plain_logits(network, model.shift(x), batch.speakers, batch.phonemes)
        for x in (batch.codes, changed)
    ]
moved = (pair[0] != pair[1]).any(dim=1)[0].nonzero()[:, 0]
print(f"sample 600 changed; predictions {moved.min()} to {moved.max()} did")
assert moved.min() == 601
assert moved.max() <= 600 + network.receptive_field

# %% [markdown]
# ### Generation, slow and fast
#
# To generate is to draw a code from the prediction, append it, and predict again. A draw from 256 probabilities needs one
# uniform random number $u$: the first code at which the running sum of probabilities exceeds $u$. We hand the numbers
# in, so that two ways of generating can be compared sample by sample. A **temperature** divides the logits: below 1 the
# likely becomes likelier. Taking always the likeliest code is no option: the likeliest next sample of a quiet room is
# silence, and after it silence again.


# %%
def draw(logits, noise, temperature=1.0):
    """(batch, 256), (batch,) -> (batch,) codes."""
    running = (logits / temperature).softmax(-1).cumsum(-1)
    return (running <= noise[:, None]).sum(-1).clamp(max=255)


@torch.no_grad()
def generate_naive(network, speakers, phonemes, noise):
    """Run the whole network for every sample."""
    previous = torch.full((len(speakers), 1), 128)
    codes = []
    for step in range(phonemes.shape[1]):
        first = max(0, step + 1 - network.receptive_field)
        window = slice(first, step + 1)
        logits = plain_logits(
            network, previous[:, window], speakers, phonemes[:, window]
        )
        codes.append(draw(logits[:, :, -1], noise[:, step]))
        previous = torch.cat([previous, codes[-1][:, None]], dim=1)
    return torch.stack(codes, dim=1)


# %% [markdown]
# Each new sample recomputes, in every layer, what the sample before it had computed already. What does a layer need to
# make *one* new output? Its input now, and its input $d$ steps ago. So let each layer keep a **queue** of its last $d$
# inputs: take the oldest out, put the newest in {cite}`paine2016`. A sample then costs one small step a layer, however
# far the field reaches.


# %%
@torch.no_grad()
def generate_with_queues(network, speakers, phonemes, noise):
    """Keep each layer's last inputs; one small step a layer."""
    channels = network.architecture.residual_channels
    empty = torch.zeros(len(speakers), channels)
    queues = [[empty] * layer.dilation for layer in network.layers]
    previous = torch.full_like(speakers, 128)
    codes = []
    for step in range(phonemes.shape[1]):
        hidden, total = network.embedding.weight[previous], 0
        for layer, queue in zip(network.layers, queues, strict=True):
            older, newer = queue.pop(0), hidden
            queue.append(newer)
            hidden, skip = step_layer(
                layer, older, newer, speakers, phonemes[:, step]
            )
            total = total + skip
        top = network.hidden.weight[:, :, 0] @ total.relu().T
        top = (top.T + network.hidden.bias).relu()
        logits = top @ network.output.weight[:, :, 0].T + network.output.bias
        previous = draw(logits, noise[:, step])
        codes.append(previous)
    return torch.stack(codes, dim=1)


# %%
def step_layer(layer, older, newer, speakers, phonemes):
    """`plain_layer` for one sample; all inputs (batch, channels)."""
    weight = layer.convolution.weight  # (width, channels, 2)
    filtered = older @ weight[:, :, 0].T + newer @ weight[:, :, 1].T
    filtered = filtered + layer.convolution.bias
    filtered = filtered + layer.speaker.weight[speakers]
    filtered = filtered + layer.phoneme.weight[phonemes]
    signal, gate = filtered.chunk(2, dim=-1)
    gated = signal.tanh() * gate.sigmoid()
    residual, skip = layer.residual, layer.skip
    return (
        newer + gated @ residual.weight[:, :, 0].T + residual.bias,
        gated @ skip.weight[:, :, 0].T + skip.bias,
    )


# %% [markdown]
# Do they say the same? `companion`'s finished version makes the same steps with fewer and larger operations, since at
# these sizes calling an operation costs more than its arithmetic. All three, from the same random numbers:

# %%
span = 40 if SIZE == "smoke" else 200
speakers, phonemes = batch.speakers, batch.phonemes[:, 300 : 300 + span]
noise = torch.rand(phonemes.shape, generator=generator(0, "generation"))
arguments = (network, speakers, phonemes, noise)
said = {}
for way in (generate_naive, generate_with_queues, generate.generate_cached):
    start = time.perf_counter()
    said[way.__name__] = way(*arguments)
    rate = phonemes.numel() / (time.perf_counter() - start)
    print(f"{way.__name__:22} {rate:8,.0f} samples a second")
first, second, third = said.values()
assert torch.equal(first, second)
assert torch.equal(first, third)
print("and every sample is the same")

# %% [markdown]
# Two voices at once, as you see: generation in batch costs little more than one. Now let the field grow while the number
# of layers stays at 24:

# %%
fields, costs = [], {"naive": [], "cached": []}
for num_blocks, layers_per_block in claim.COST_STACKS:
    stack = model.new_model(
        claim.cost_architecture(num_blocks, layers_per_block, SIZE), 0
    ).eval()
    fields.append(stack.receptive_field)
    for way, values in costs.items():
        values.append(claim.milliseconds_a_sample(way, stack))
figure, axis = plt.subplots(figsize=(6.4, 3))
for way, values in costs.items():
    axis.loglog(fields, values, marker="o", label=way)
    growth = np.polyfit(np.log(fields), np.log(values), 1)[0]
    print(f"{way:6} grows with the field to the power {growth:.2f}:", end=" ")
    print(", ".join(f"{value:.2f}" for value in values), "ms")
axis.set(xlabel="receptive field (samples)", ylabel="ms a sample")
axis.legend()
show(
    figure,
    "Milliseconds a sample against the receptive field: the naive curve "
    "rises, the cached one is flat.",
    "24 layers throughout: what the field costs, naively and cached.",
)

# %% [markdown]
# The naive cost follows the field; the cached one does not know it. With depth both grow in proportion to the layers.
#
# What of the survey's one to two minutes for a second of sound? The paper names no speed. The nearest figure in print is
# in its sequel, which calls itself a thousand times faster than the original WaveNet and more than twenty times faster
# than real time {cite}`oord2018`; divide, and the original took about fifty seconds for one second of speech, in a
# network far wider than ours. Here is what a second of 8 kHz sound takes on this machine, one core, in a stack with 20
# layers and a field of 2,047 samples:

# %%
stack = model.new_model(claim.cost_architecture(2, 10, SIZE), 0).eval()
for way in ("naive", "cached"):
    cost = claim.milliseconds_a_sample(way, stack) / 1000 * RATE
    print(f"{way:7} {cost:7.1f} s for one second of sound")

# %% [markdown]
# ## Train it
#
# The loop in `companion/speech/wavenet/train.py` is a screen long: a batch of four crops of 1,000 samples, the bits, the
# gradient's norm clipped at 1, Adam, a learning rate that falls to a tenth. A crop begins as if there had been silence
# before it. The loop saves itself as it goes, and an interrupted run continues from there to the same result.

# %%
start = time.perf_counter()
trained, history = train.train(
    clips, SETTINGS, seed=0, device=device(), label="training"
)
minutes = (time.perf_counter() - start) / 60
print(f"{minutes:.1f} minutes")
if SIZE == "smoke":
    print("smoke: a few steps only; the rest uses the shipped weights")
    trained = live.load_shipped()
trained = trained.to("cpu").eval()

# %%
window = max(1, len(history["bits"]) // 40)
smooth = np.convolve(history["bits"], np.ones(window) / window, mode="valid")
figure, axis = plt.subplots(figsize=(6.4, 3))
axis.plot(history["bits"], color="#cccccc", linewidth=0.5)
axis.plot(np.arange(len(smooth)) + window / 2, smooth)
axis.axhline(bigram, color="#777777", linestyle=":")
axis.text(0, bigram + 0.05, "each code by the one before")
axis.set(xlabel="step", ylabel="bits a sample", ylim=(4, 8.2))
show(
    figure,
    "Bits a sample against training steps: a steep fall in the first "
    "hundred steps, then a slow one; single batches scatter widely.",
    "A healthy run. Single batches differ by how loud and how noisy their crops are.",
)

# %% [markdown]
# A healthy run falls below the counting rival within some hundred steps and then ever more slowly. Single batches scatter
# by a third of a bit, because an "s" is noise that nobody can predict and silence costs nearly nothing. Three ways it goes wrong:
#
# | You see | It is | Do |
# |---|---|---|
# | bits fall far below all numbers of this chapter, and generated speech is noise | a leak: the network sees the sample it predicts | change one input, as above; look for padding on both sides, or a missing shift |
# | training is fine, cached speech is noise, naive speech is not | a queue of the wrong length, or one not emptied between clips | compare the two, sample by sample |
# | bits stay near 7.7 | the network has learned how often codes come, and nothing else | a higher learning rate; check that input and target belong together |

# %%
kept = data.thin_out(test, 40) if SIZE == "smoke" else test
measured = train.evaluate(trained, kept)
new_pairs = data.thin_out(unseen, 40) if SIZE == "smoke" else unseen
print("held-out bits a sample")
for name, value in (
    ("network, test clips", measured),
    (
        "network, voice and text never paired",
        train.evaluate(trained, new_pairs),
    ),
    ("each code by the one before", bigram),
    ("each code by itself", unigram),
):
    print(f"  {name:38} {value:.2f}")

# %% [markdown]
# ## Look inside
#
# ### What it expects
#
# Here is the network's prediction for every sample of 16 milliseconds, 256 probabilities from bottom to top, and on it
# the sample that came.

# %%
index = find(test, "seven", "en-us")
single = data.make_batch(test, [(index, 0)], len(test.codes[index]))
with torch.no_grad():
    logits = trained(
        model.shift(single.codes), single.speakers, single.phonemes
    )[0]
expected = logits.softmax(0)  # (256, time)
surprise = -torch.log2(expected.gather(0, single.codes))[0]
figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.2), sharey=True)
for axis, first in zip(axes, (380, 1600), strict=True):
    stretch = slice(first, first + 128)
    shades = expected[:, stretch].sqrt()
    axis.imshow(shades, origin="lower", aspect="auto", cmap="Greys")
    axis.plot(single.codes[0, stretch], ".", color=PALETTE[1], markersize=3)
    phoneme = data.PHONEMES[single.phonemes[0, first + 64]]
    cost = surprise[stretch].mean()
    axis.set(title=f"[{phoneme}]: {cost:.1f} bits", xlabel="sample")
axes[0].set_ylabel("code")
show(
    figure,
    "Predicted probabilities over time for two phonemes, with the true "
    "samples. In the fricative the band is wide, in the vowel narrow.",
    "In “s” the network knows how loud the noise is and no more; in a vowel it follows the wave.",
)

# %% [markdown]
# ### Listen
#
# Now let it speak. It gets a voice and the phonemes of a held-out clip with their times, and draws every sample itself.


# %%
def say(requests, seed, temperature=1.0, split=test):
    """Let the network say clips, all at once; codes of each."""
    longest = max(len(split.codes[i]) for i in requests)
    if SIZE == "smoke":
        longest = 200
    rows = data.make_batch(split, [(i, 0) for i in requests], longest)
    noise = torch.rand(rows.codes.shape, generator=generator(seed, "say"))
    codes = generate.generate_cached(
        trained, rows.speakers, rows.phonemes, noise, temperature
    )
    lengths = [len(split.codes[i]) for i in requests]
    return [row[:n] for row, n in zip(codes, lengths, strict=True)]


def play(codes, caption):
    """Show a player for one clip of codes."""
    sound = data.mu_law_decode(codes).numpy()
    display(audio_player(sound, RATE, caption))


requests = [find(test, "seven", voice) for voice in clips.voices]
for voice, codes in zip(clips.voices, say(requests, seed=1), strict=True):
    play(codes, f"“seven” by the network: {live.NAMES[voice]}")

# %%
texts = ("good morning", "thank you", "well done")
requests = [find(test, text, "en-us+f2") for text in texts]
for text, codes in zip(texts, say(requests, seed=2), strict=True):
    play(codes, f"“{text}” by the network: {live.NAMES['en-us+f2']}")

# %% [markdown]
# And a pair that training never had: this voice saying this text.

# %%
i = 0
voice, text = unseen.voices[unseen.speakers[i]], unseen.texts[i]
play(
    unseen.codes[i], f"“{text}” as the synthesiser says it: {live.NAMES[voice]}"
)
play(
    say([i], seed=3, split=unseen)[0],
    f"“{text}” by the network, which never heard this voice say it",
)

# %% [markdown]
# To see the difference rather than hear it, look at the frequencies over time.

# %%
i = find(test, "seven", "en-us+f2")
pictures = {
    "synthesiser": test.codes[i],
    "network, temperature 1": say([i], 4)[0],
    "network, temperature 0.7": say([i], 4, 0.7)[0],
}
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True)
for axis, (name, codes) in zip(axes, pictures.items(), strict=True):
    shown = judge.spectrogram(data.mu_law_decode(codes)[None])[0]
    extent = (0, len(codes) / RATE, 0, RATE / 2)
    axis.imshow(
        shown, origin="lower", aspect="auto", extent=extent, cmap="Greys"
    )
    axis.set(title=name, xlabel="seconds")
axes[0].set_ylabel("hertz")
show(
    figure,
    "Spectrograms of the word seven from the synthesiser and from the "
    "network at two temperatures.",
    "The network puts energy at about the right times and heights, and blurs "
    "the harmonics into noise. Cooler, it falls silent now and then.",
)

# %% [markdown]
# Move the slider to hear the same request at another temperature. In the static page you see one still.

# %%
output = ipywidgets.HTML()
slider = ipywidgets.FloatSlider(
    0.8, min=0.3, max=1.2, step=0.1, description="temperature"
)


def speak(change=None):
    """Say one word at the slider's temperature."""
    codes = say([find(test, "nine", "en-us")], 5, slider.value)[0]
    sound = data.mu_law_decode(codes).numpy()
    caption = f"“nine” at temperature {slider.value:g}"
    output.value = audio_player(sound, RATE, caption).data


slider.observe(speak, "value")
speak()
display(ipywidgets.VBox([slider, output]))

# %% [markdown]
# ### Two judges
#
# Is it the right voice, and the right word? You have ears, but a claim needs a judge who does not know what was asked
# for. Two small classifiers were trained on the synthesiser's clips alone, one to tell the six voices apart, one the
# digits and phrases. Letters they are spared: "b" and "d" through a telephone are hard for anybody.

# %%
judges = {kind: judge.load_judge(kind) for kind in judge.CLASSES}
for kind, one in judges.items():
    share = judge.accuracy(one, test, kind)
    chance = 1 / len(one.classes)
    print(f"{kind:8} {share:.0%} of the synthesiser's clips right", end=", ")
    print(f"{chance:.0%} by chance")
scores = claim.judge_speech(trained, test, 0, SIZE)
print("and of the network's own clips:")
for kind, share in scores.items():
    print(f"{kind:8} {share:.0%} heard as asked for")

# %% [markdown]
# ### Failures
#
# The clips the word's judge did not recognise, by what was asked for and what was heard. In smoke runs there may be
# none.

# %%
requests = [i for i, text in enumerate(test.texts) if text in judge.WORDS]
requests = requests[:4] if SIZE == "smoke" else requests[::3]
spoken = say(requests, seed=6)
wrong = []
for i, codes, word in zip(
    requests, spoken, judges["word"].classify(spoken), strict=True
):
    if word != test.texts[i]:
        wrong.append((i, codes, word))
print(f"{len(wrong)} of {len(requests)} not recognised")
for i, codes, word in wrong[:3]:
    voice = live.NAMES[test.voices[test.speakers[i]]]
    play(codes, f"meant “{test.texts[i]}”, heard “{word}”: {voice}")

# %% [markdown]
# ## The claim, measured
#
# *With as many layers and as many weights, dilation predicts held-out speech in fewer bits.* Both arms have sixteen
# layers, of half this chapter's width so that all seeds fit into an hour; both take the same steps on the same batches
# and choose between the same two learning rates on validation clips. Only the dilations differ. Here is one seed of
# each; the table below has all of them, made by the same function, `claim.experiment`.

# %%
recorded = claims.load(claims.PACKAGE / "speech/wavenet/claim.json")
for arm in ("dilated", "undilated"):
    rate = recorded["arms"][arm]["learning_rate"]
    result = claim.experiment(arm, 0, SIZE, rate)
    print(f"{arm:10} seed 0: {result['bits']:.3f} bits a sample", end=", ")
    print(f"voice heard {result['speaker']:.0%}", end=", ")
    print(f"word heard {result['word']:.0%}")

# %%
display(HTML(claims.table_html(recorded)))

# %% [markdown]
# **Holds.** On all five seeds the dilated stack needs fewer bits, by 0.09 on average, with an interval from 0.05 to 0.14.
# That is less than you may have expected of a field of 511 samples against one of 17. Most of what can be known about the
# next sample stands in the last few: the bigram's single one saves 1.2 bits of 7.7, seventeen of them save another 0.75.
# What dilation adds is the period and what came before it, and 700 steps are a short time to learn it in.
#
# A human voice, from recordings that the network in this page has never heard, says the same: 4.65 bits against 4.74, on
# each of three seeds. There a bigram needs 5.58.
#
# The study of the parts holds three surprises. The gate: on average it saves 0.2 bits against a ReLU, but one ReLU seed of
# three is as good as the gated ones; the learning rate was chosen for the gated network, and two of the ReLU's runs may
# have disliked it. The speaker: *without* it the network needs fewer bits, 5.65 against 5.69. A few samples of a voice
# give it away, and the condition has to be learned besides. But who asks for a voice wants to get it: without the condition
# the judge hears the right one in 16% of the clips, which is chance, with it in 36%. The phonemes save 0.09 bits;
# without them the right word is heard in 8%, chance being 6, with them in 19%. These shares are from a narrow
# network after 700 steps; the one above has twice the width and had 4,000.
#
# The cost of a sample: from a field of 91 samples to one of 8,191 the cached network's stays near half a millisecond,
# with an exponent of 0.03; the naive one's grows from 10 to 270. Its exponent of 0.74 would be near 1 for large fields alone: a
# short window costs the calling of operations, which has no part in the field.

# %%
if claim.has_recordings():
    person = recordings.load_asterisk("test", words_only=True)
    play(person.codes[0], f"A human voice: “{person.texts[0]}”")
    print(f"{len(person)} of its test clips are single words")
else:
    print("Asterisk's prompts are not on this machine; to get them:")
    print("  apt install asterisk-core-sounds-en-wav")

# %% [markdown]
# ## Touch it
#
# Pick a voice, type a word, and the network says it, sample by sample in your browser, with weights trained by the code
# above and the queues you have just written. In a notebook this place shows only its name: build the book with
# `make book` and open this page there.
#
# ```{live} speech/wavenet
# ```

# %% [markdown]
# ## What we shrank, and what it cost
#
# | | Paper | This chapter | Cost |
# |---|---|---|---|
# | Sound | recorded speech at 16 kHz | a synthesiser at 8 kHz | telephone quality; no breath, no room, no intonation to learn |
# | Speakers | 109 people | 6 artificial voices, plus one person in a study | says little about how well people are told apart |
# | Amount | 44 hours for many speakers | 4.7 minutes | texts outside the 44 are out of reach |
# | Receptive field | about 300 ms for many speakers, 240 ms for text-to-speech | 64 ms | no memory beyond half a phoneme; intonation comes from nowhere |
# | What to say | linguistic features and pitch from a separate model | phonemes with their times, no pitch | pitch is made up anew in every clip, and may wander |
# | Judged by | people's opinion scores | bits, and two classifiers | we do not know how natural it sounds; listen |
# | Training | not in the paper | a quarter of an hour on one core | audible noise |
#
# The `gpu` size has three blocks of ten layers, 128 residual and 256 skip channels; the paper's own widths are not
# published. Real speech is read by path: `recordings.load_folder` takes any folder with one folder of wav files a
# speaker, the layout of the corpus VCTK that the paper used for many speakers. It knows no phonemes, so leave that
# condition out.

# %%
with torch.device("meta"):
    large = model.WaveNet(train.SETTINGS["gpu"].architecture)
count = sum(weight.numel() for weight in large.parameters())
ours = sum(weight.numel() for weight in trained.parameters())
print(f"the gpu size has {count:,} weights and sees", end=" ")
print(f"{large.receptive_field:,} samples;")
print(f"this chapter's {ours:,} and {trained.receptive_field}")

# %% [markdown]
# ## Since then
#
# The one-at-a-time loop was attacked from both ends. Parallel WaveNet trains a second network to make all samples at
# once, with a trained WaveNet as its teacher {cite}`oord2018`; that is what went into products. WaveRNN kept the loop and
# made each step tiny, one recurrent layer with pruned weights, quick enough for a phone's processor
# {cite}`kalchbrenner2018`. Then GANs took over the last stage: HiFi-GAN turns spectrograms into sound far faster than
# real time, with discriminators that look at periods {cite}`kong2020`, and diffusion came as an alternative
# {cite}`kong2021`. The autoregressive idea did not go away but moved up: today's speech models predict *tokens* of a
# learned audio codec instead of samples, with a Transformer instead of convolutions, and the last decoder makes
# the wave. What has lasted of WaveNet is the dilated stack with its gates, which you find inside
# DiffWave and many others, and the discovery that a network can be trusted with the raw wave at all.

# %% [markdown]
# ## Recall
#
# Answer before you unfold.
#
# 1. Why does training make all predictions at once, and generation only one at a time?
#
# <details><summary>Answer</summary>In training the whole past of every sample is known. In generation a sample's past has
# to be drawn first.</details>
#
# 2. Ten layers with kernel 2 and dilations 1, 2, 4, ..., 512: how many samples does a prediction depend on? And two such
# blocks?
#
# <details><summary>Answer</summary>1 + 1,023 = 1,024, and 1 + 2 · 1,023 = 2,047.</details>
#
# 3. How long must a layer's queue be, and why is it not the receptive field?
#
# <details><summary>Answer</summary>As long as its dilation: the layer needs its own input of that many steps ago. What lies
# further back is already contained in the inputs that the layers below handed up.</details>
#
# 4. Why is the speaker added inside the gate at every layer, and not once at the input?
#
# <details><summary>Answer</summary>So that each layer can let pass different things for different speakers. At the input the
# network would have to carry the speaker through every layer by itself.</details>
#
# 5. What does mu-law do to the error of a loud and of a quiet sample?
#
# <details><summary>Answer</summary>It makes errors proportional to size: loud samples are coded more coarsely than by even
# steps, quiet ones more finely, so that the signal-to-noise ratio hardly depends on level.</details>

# %% [markdown]
# ## Exercises
#
# [Seven exercises](../../exercises/speech/wavenet), 30 points, about 155 minutes: how far back a stack hears, mu-law and
# its signal-to-noise ratio, bits a sample, a draw, a network that heard tomorrow, a queue for each layer, and a loop that
# only dilation can learn. They check themselves; they need no recordings.
