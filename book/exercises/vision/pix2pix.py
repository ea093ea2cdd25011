# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: pix2pix
#
# Eight exercises on drawing pictures from maps: the two losses, why a distance alone must blur, what goes over a
# U-Net's skips, what a patch discriminator sees, a mistake that nobody notices, images that are normalised one by one,
# three scores, and a small generator that must be near the truth and sharp as well. Together they are worth 28 points
# and take a little under two and a half hours. They need NumPy and PyTorch and nothing else: no images to download, no
# GPU.
#
# Work from top to bottom. For each exercise, replace `raise NotImplementedError()` by your code, run the cell, then run
# the tests below it. When a test fails, read its message: it says what to look at. The tests you see are examples; a
# teacher checks your function on other inputs as well, so follow the statement where the tests are silent. No exercise
# needs your answer to another.
#
# The words are the same in all exercises. The **generator** reads an **input** $x$ and draws a **picture**, which
# should look like the **target** $y$. The **discriminator** sees an input together with a target or a picture, and
# gives every patch of it a **logit** $\ell$: positive where it takes what it sees for a target. The probability it
# gives to that is $D = 1 / (1 + e^{-\ell})$.

# %%
import math

import numpy as np
import torch

# %% [markdown]
# ## 1. Two losses, one game
#
# *A piece to write: 3 points, 15 minutes, level 1.*
#
# The discriminator minimises the mean cost of telling targets from pictures:
#
# $$\begin{aligned}
# L_D = \tfrac{1}{2} \Big( & \operatorname{mean}\big(-\ln D\big)_{\text{patches of targets}} \\
# & + \operatorname{mean}\big(-\ln (1 - D)\big)_{\text{patches of pictures}} \Big)
# \end{aligned}$$
#
# The paper halves it, so that the discriminator learns more slowly than the generator. The two means are each over
# their own patches, and there may be more of one kind than of the other.
#
# The generator could maximise the second mean. But where the discriminator is sure of itself this has hardly any
# gradient. So it minimises another cost, and the distance from the target with it:
#
# $$L_G = \operatorname{mean}\big(-\ln D\big)_{\text{patches of pictures}} + \lambda \operatorname{mean} |y - \text{picture}|$$
#
# **Write `both_losses`**, which returns a tuple of two Python floats, $L_D$ and $L_G$. The logits may be **thousands**,
# of either sign, and the losses must still be right.
#
# Example: with logits of 0 everywhere $D$ is one half. So $L_D = \ln 2 = 0.693$, and so is $L_G$ where picture and
# target agree.


# %% nbgrader={"grade": false, "grade_id": "both_losses-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def both_losses(
    real_logits: np.ndarray,  # any shape: a logit for each patch of targets
    fake_logits: np.ndarray,  # any shape: a logit for each patch of pictures
    pictures: np.ndarray,  # (images, channels, height, width)
    targets: np.ndarray,  # the same shape
    l1_weight: float,  # lambda
) -> tuple[float, float]:
    """The discriminator's loss and the generator's."""
    ### BEGIN SOLUTION
    # -ln D = ln(1 + e^-l), and -ln(1 - D) = ln(1 + e^l): without D itself,
    # which would be rounded to 0 or 1.
    taken_for_real = np.logaddexp(0, -fake_logits).mean()
    real, fake = np.logaddexp(0, -real_logits), np.logaddexp(0, fake_logits)
    distance = np.abs(targets - pictures).mean()
    return (
        float((real.mean() + fake.mean()) / 2),
        float(taken_for_real + l1_weight * distance),
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "both_losses-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
black = np.zeros((1, 3, 4, 4))
undecided = np.zeros((1, 2, 2))
found = both_losses(undecided, undecided, black, black, 100.0)
assert type(found) is tuple and [type(part) for part in found] == [float] * 2, (
    f"return a tuple of two Python floats, not {found!r}"
)
assert not math.isclose(found[0], 2 * math.log(2)), (
    "the discriminator's loss is halved: without any opinion it is ln 2 = "
    "0.693, not 1.386"
)
assert math.isclose(found[0], math.log(2)), (
    "without any opinion the discriminator's loss is ln 2 = 0.693, not "
    f"{found[0]:.4f}. Means over patches, not sums"
)
assert math.isclose(found[1], math.log(2)), (
    "a perfect picture that the discriminator has no opinion of costs the "
    f"generator ln 2 = 0.693, not {found[1]:.4f}. Its loss is not halved"
)
real, fake = np.array([[[2.0, 0.0]]]), np.array([[[-1.0, -3.0]]])
found = both_losses(real, fake, black, black, 100.0)
assert found[0] < math.log(2), (
    "positive logits for the target and negative ones for the picture are "
    f"right, so that the loss is below ln 2 = 0.693; yours is {found[0]:.4f}. "
    "Which sign belongs to which?"
)
assert math.isclose(
    found[0],
    (math.log1p(math.exp(-2)) + math.log(2)) / 4
    + (math.log1p(math.exp(-1)) + math.log1p(math.exp(-3))) / 4,
), (
    "logits of 2 and 0 for a target cost 0.1269 and 0.6931, logits of -1 and "
    "-3 for a picture 0.3133 and 0.0486. The means are 0.4100 and 0.1809, half "
    f"of their sum is 0.2955, not {found[0]:.4f}"
)
assert found[1] > 0, (
    "the generator's loss is a cost, above 0, and the larger the surer the "
    f"discriminator is; yours is {found[1]:.4f}. Do you minimise ln(1 - D)?"
)
assert math.isclose(
    found[1], (math.log1p(math.exp(1)) + math.log1p(math.exp(3))) / 2
), (
    "logits of -1 and -3 for a picture cost its generator 1.3133 and 3.0486, "
    f"2.1809 in the mean, not {found[1]:.4f}"
)
grey = black + 0.5
found = both_losses(real, fake, grey, black, 10.0)[1] - found[1]
assert math.isclose(found, 5.0), (
    "a picture that is off by 0.5 everywhere adds 10 times 0.5 to the "
    f"generator's loss if lambda is 10; yours grows by {found:.4f}. The "
    "distance is the mean of absolute differences"
)
sure = np.array([[[1000.0]]])
with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
    found = both_losses(sure, -sure, black, black, 100.0)
print(f"the discriminator is sure: {found[0]:.1f} for it, {found[1]:.0f} nats")
assert math.isclose(found[0], 0.0, abs_tol=1e-9), (
    "a discriminator that is right with logits of 1000 and -1000 loses "
    f"nothing: 0, not {found[0]}"
)
assert math.isclose(found[1], 1000.0), (
    "a picture with the logit -1000 costs its generator 1000 nats, not "
    f"{found[1]}. 1 + e^1000 is too large for a float, and D is rounded to 0: "
    "look for a function of the logit that needs neither"
)

# %% [markdown]
# ## 2. The picture that never was
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# A map says "wall" and leaves open whether it is red or white. So one input has several possible targets, `targets[i]`
# with the probability `probabilities[i]`, and the generator, which knows the input alone, must draw one picture for all
# of them. Which picture is best depends on what is minimised, on average over the targets:
#
# 1. the **squared distance**, summed over the pixels;
# 2. the **absolute distance** (L1), summed over the pixels;
# 3. the adversarial cost $-\ln D$ against a discriminator that knows how probable a picture $s$ is as a target, $p(s)$,
#    and has seen all pictures equally often from generators, with some probability $q > 0$. Such a discriminator says
#
# $$D(s) = \frac{p(s)}{p(s) + q}$$
#
# **Write `three_pictures(targets, probabilities)`**, which returns a tuple of the three best pictures, in this order,
# arrays of shape `(pixels,)`. The same picture may stand in several rows of `targets`; it is then as probable as these
# rows together. There is always one best picture: no two are equally probable, and at no pixel do the targets up to
# some value have a probability of exactly one half.
#
# Example: a pixel that is black (0) with probability 0.4 and white (1) with 0.6 is best drawn as 0.6 by the first
# measure, and as 1 by both others.


# %% nbgrader={"grade": false, "grade_id": "three_pictures-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def three_pictures(
    targets: np.ndarray,  # (targets, pixels)
    probabilities: np.ndarray,  # (targets,): above 0, with the sum 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What L2, L1 and the discriminator like best, each (pixels,)."""
    ### BEGIN SOLUTION
    mean = probabilities @ targets

    # The median: the first value with half of the probability up to it.
    order = np.argsort(targets, axis=0)
    values = np.take_along_axis(targets, order, axis=0)
    up_to = np.cumsum(probabilities[order], axis=0)
    median = values[(up_to > 0.5).argmax(axis=0), np.arange(targets.shape[1])]

    # D grows with p, whatever q is.
    pictures, rows = np.unique(targets, axis=0, return_inverse=True)
    chances = np.bincount(rows.ravel(), weights=probabilities)
    return mean, median, pictures[chances.argmax()]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "three_pictures-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = three_pictures(np.array([[0.0], [1.0]]), np.array([0.4, 0.6]))
assert type(found) is tuple and len(found) == 3, (
    "return a tuple of three pictures"
)
assert all(
    isinstance(part, np.ndarray) and part.shape == (1,) for part in found
), "with a single pixel each picture is an array of shape (1,)"
assert np.allclose(np.concatenate(found), [0.6, 1, 1]), (
    "the example in the text gives 0.6, 1 and 1, not "
    f"{np.concatenate(found).round(3)}"
)
# Three walls: four dark pixels; two stripes; two other stripes.
walls = np.array(
    [[0.1, 0.1, 0.1, 0.1], [0.2, 0.9, 0.2, 0.9], [0.8, 0.3, 0.8, 0.3]]
)
mean, median, likely = three_pictures(walls, np.array([0.3, 0.4, 0.3]))
assert np.allclose(mean, [0.35, 0.48, 0.35, 0.48]), (
    "the squared distance is least for the mean, each target weighted by its "
    f"probability: 0.35, 0.48, 0.35 and 0.48, not {mean.round(3)}"
)
assert not np.allclose(median, walls[1]), (
    "L1 takes each pixel for itself: its picture need not be any of the "
    "targets, and here it is none"
)
assert np.allclose(median, [0.2, 0.3, 0.2, 0.3]), (
    "the absolute distance is least for the median: half of the probability "
    "lies on either side of 0.2, 0.3, 0.2 and 0.3; you say "
    f"{median.round(3)}. Of what was striped hardly a stripe is left"
)
assert np.allclose(likely, walls[1]), (
    "the discriminator likes the most probable picture best, the second: "
    f"{walls[1]}, not {likely.round(3)}. A mixture never occurs: p = 0 there, "
    "and the cost is infinite"
)
weights = np.array([0.7, 0.2, 0.1])
mean, median, likely = three_pictures(walls, weights)
assert np.allclose(median, walls[0]), (
    "a wall with the probability 0.7 is more than half of all that happens, so "
    f"it is the median of every pixel: {walls[0]}, not {median.round(3)}. Do "
    "probabilities count in your median?"
)
assert np.allclose(likely, walls[0]), (
    f"with 0.7 the first wall is the most probable, not {likely.round(3)}"
)

# %% [markdown]
# ## 3. Over the skips
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# A U-Net halves an image until few pixels are left, and doubles it back. `halve` and `double` below do one step of
# each. The rest is wiring, and this is the paper's:
#
# - **Down.** The first step halves the image. Each further one halves what the step before gave, after a leaky ReLU
#   with the slope 0.2.
# - **Up.** The first step doubles what the last step down gave, after a ReLU. Each further one is shown **two** things,
#   one after the other along the channels: what the step before gave, and what the step down gave that ended at the
#   same size. The ReLU acts on both.
# - **Noise** is dropout, and is kept when the network is used. `kept` holds an array of zeros and ones for each of the
#   first steps **up**, for as many as it is long: what such a step gives is multiplied by it, and divided by 0.5, the
#   share that is kept. What comes over a skip is never dropped.
# - The **picture** is the hyperbolic tangent of what the last step up gave.
#
# **Write `unet(image, down, up, kept)`**, which returns the picture, an array of shape `(channels, height, width)`.
#
# Example: with a single step down and up nothing is shown twice, since the smallest size is already where the way up
# begins. With two steps, the last step up reads what the first step up gave and what the first step down gave.


# %%
def leaky_relu(hidden: np.ndarray) -> np.ndarray:
    """Values above 0 as they are, a fifth of the others."""
    return np.where(hidden > 0, hidden, 0.2 * hidden)


def halve(hidden: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A convolution of 2x2 with stride 2: (in, 2h, 2w) to (out, h, w).

    The weights have the shape (out, in, 2, 2).
    """
    channels, height, width = hidden.shape
    blocks = hidden.reshape(channels, height // 2, 2, width // 2, 2)
    return np.einsum("oiab,ihawb->ohw", weights, blocks)


def double(hidden: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Its transpose: (in, h, w) to (out, 2h, 2w), weights (in, out, 2, 2)."""
    blocks = np.einsum("ihw,ioab->ohawb", hidden, weights)
    return blocks.reshape(
        weights.shape[1], 2 * hidden.shape[1], 2 * hidden.shape[2]
    )


# %% [markdown]
# The lists `down` and `up` are equally long and hold the weights of the steps in the order in which they are made.


# %% nbgrader={"grade": false, "grade_id": "unet-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def unet(
    image: np.ndarray,  # (channels, height, width)
    down: list[np.ndarray],  # each (out, in, 2, 2)
    up: list[np.ndarray],  # each (in, out, 2, 2)
    kept: list[np.ndarray],  # zeros and ones, as large as what the steps give
) -> np.ndarray:
    """The picture, (channels, height, width), between -1 and 1."""
    ### BEGIN SOLUTION
    hidden, twins = image, []
    for level, weights in enumerate(down):
        hidden = halve(leaky_relu(hidden) if level > 0 else hidden, weights)
        twins.append(hidden)
    twins.pop()  # the innermost is no skip, but where the way up begins
    for step, weights in enumerate(up):
        if step > 0:
            hidden = np.concatenate([hidden, twins.pop()])
        hidden = double(np.maximum(hidden, 0), weights)
        if step < len(kept):
            hidden = hidden * kept[step] / 0.5
    return np.tanh(hidden)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "unet-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
quarter, whole = np.full((1, 1, 2, 2), 0.25), np.ones((1, 1, 2, 2))
found = unet(np.full((1, 2, 2), 0.5), [quarter], [whole], [])
assert isinstance(found, np.ndarray) and found.shape == (1, 2, 2), (
    "one step down and one up: the picture is as large as the image, (1, 2, 2)"
)
assert np.allclose(found, math.tanh(0.5)), (
    "the mean of four pixels of 0.5, handed back to four pixels: tanh(0.5) = "
    f"0.4621 everywhere, not\n{found[0].round(4)}"
)
found = unet(np.full((1, 2, 2), -0.5), [quarter], [whole], [])
assert not np.allclose(found, math.tanh(-0.1)), (
    "on the way up the ReLU is not leaky: what is below 0 becomes 0"
)
assert np.allclose(found, 0), (
    "a mean of -0.5 is 0 after a ReLU, and the picture too, not\n"
    f"{found[0].round(4)}"
)
# Two steps. The last step up reads two channels: from below, and over the skip.
shades = np.kron(np.array([[0.2, 0.4], [0.6, -0.8]]), np.ones((2, 2)))[None]
from_below, skip = np.zeros((2, 1, 2, 2)), np.zeros((2, 1, 2, 2))
from_below[0], skip[1] = 1.0, 1.0
found = unet(shades, [quarter, quarter], [whole, from_below], [])
assert found.shape == (1, 4, 4), (
    f"the picture is as large as the image, (1, 4, 4), not {found.shape}"
)
bottom = (0.2 + 0.4 + 0.6 - 0.2 * 0.8) / 4
assert not np.allclose(found, np.tanh(np.maximum(shades, 0))), (
    "first what comes from below, then what comes over the skip: you have them "
    "the other way round"
)
assert not np.allclose(found, math.tanh(0.1)), (
    "the means of the four blocks are 0.2, 0.4, 0.6 and -0.8. Between the two "
    "steps down there is a leaky ReLU"
)
assert np.allclose(found, math.tanh(bottom)), (
    "a network that does not read its skip knows the mean of everything: 0.2, "
    "0.4, 0.6 and -0.16 (leaky!) have the mean 0.26, so the picture is 0.2543 "
    f"everywhere, not\n{found[0].round(4)}"
)
found = unet(shades, [quarter, quarter], [whole, skip], [])
assert found.min() >= 0, (
    "what comes over the skip passes the ReLU as well: the block of -0.8 is "
    f"drawn as 0, not as {found.min():.4f}"
)
assert np.allclose(found, np.tanh(np.maximum(shades, 0))), (
    "a network that reads its skip alone draws the four blocks of the image, "
    f"0 where they are negative; you draw\n{found[0].round(4)}"
)
none = [np.zeros((1, 2, 2))]
found = unet(shades, [quarter, quarter], [whole, skip], none)
assert np.allclose(found, np.tanh(np.maximum(shades, 0))), (
    "everything the first step up gave has been dropped, but the skip was not: "
    f"the four blocks must still be there; you draw\n{found[0].round(4)}"
)
some = [np.array([[[1.0, 0.0], [0.0, 1.0]]])]
found = unet(shades, [quarter, quarter], [whole, from_below], some)
assert not np.isclose(found[0, 0, 0], math.tanh(bottom)), (
    "what is kept is divided by 0.5, so that the mean stays what it was"
)
expected = np.tanh(np.kron(2 * bottom * some[0][0], np.ones((2, 2))))
assert np.allclose(found[0], expected), (
    "two of the four values that the first step up gave are dropped, and the "
    f"other two are twice as large:\n{expected.round(4)}\nnot\n{found[0].round(4)}"
)

# %% [markdown]
# ## 4. What one patch sees
#
# *A number to compute: 3 points, 15 minutes, level 2.*
#
# The patch discriminator is a stack of convolutions, all of 4x4 pixels and padded by one pixel on each side: first
# `strided` of them with stride 2, then two with stride 1. The first gives `width` channels, and each further one twice
# as many as the one before, but never more than $8 \cdot$ `width`. The last gives a single channel, the logits. After
# every convolution but the first and the last the channels are **normalised**, with a learned scale and a learned shift
# for each channel. A convolution has one bias for each channel it gives, unless it is followed by a normalisation.
#
# Three numbers describe such a network: the side in pixels of what **one logit sees** (its receptive field, as if the
# image were infinitely large), the side of the **square of logits** that an image gives, and the number of learned
# **parameters**.
#
# **The paper's discriminator has `strided=3` and a width of 64, and sees images of 256x256 pixels with six channels,
# input and picture together. What are its three numbers?** Write the function so that it answers for any such network;
# it returns a tuple of three `int`. The image is never too small, but its side need not be even: a convolution of
# stride 2 leaves out a last row that has no partner.
#
# Example: one convolution of 4x4 sees four pixels. With another of stride 1 on top, a logit sees seven: four values
# side by side, each of which sees four pixels, one further on each.


# %% nbgrader={"grade": false, "grade_id": "patch_numbers-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def patch_numbers(
    size: int, in_channels: int, width: int, strided: int
) -> tuple[int, int, int]:
    """The receptive field, the side of the logits, and the parameters."""
    ### BEGIN SOLUTION
    strides = [2] * strided + [1, 1]
    field = 1
    for stride in reversed(strides):  # from the logit back to the image
        field = (field - 1) * stride + 4
    side = size
    for stride in strides:
        side = (side + 2 - 4) // stride + 1
    channels = [in_channels]
    channels += [width * min(2**index, 8) for index in range(strided + 1)]
    channels += [1]
    parameters = 0
    last = len(strides) - 1
    for index in range(len(strides)):
        parameters += 16 * channels[index] * channels[index + 1]
        # A bias, or the scale and the shift of a normalisation.
        parameters += channels[index + 1] * (1 if index in (0, last) else 2)
    return field, side, parameters
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "patch_numbers-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = patch_numbers(256, 6, 64, 3)
assert type(found) is tuple and [type(part) for part in found] == [int] * 3, (
    f"return a tuple of three int, not {found!r}"
)
for strided, expected in ((1, 16), (2, 34), (3, 70), (5, 286)):
    field = patch_numbers(256, 6, 64, strided)[0]
    assert field == expected, (
        f"with strided={strided} a logit sees {expected} "
        f"pixels a side, not {field}. Go back from the logit: n values side "
        "by side see (n - 1) * stride + 4 of the layer before"
    )
side = patch_numbers(64, 6, 64, 1)[1]
assert side == 30, (
    "64 pixels, halved once to 32, then twice one less: a convolution of 4x4 "
    f"with stride 1 and one pixel of padding gives 31, then 30, not {side}"
)
parameters = patch_numbers(64, 1, 1, 1)[2]
assert parameters != 17 + 34 + 33, (
    "a convolution that is followed by a normalisation has no bias, but the "
    "normalisation has a scale and a shift: two for each channel"
)
assert parameters == 17 + 36 + 33, (
    "one channel in, width 1, one stride of 2: 16 weights and a bias; 32 "
    "weights, two scales and two shifts; 32 weights and a bias. That makes 86, "
    f"not {parameters}"
)
field, side, parameters = patch_numbers(256, 6, 64, 3)
print(f"sees {field}x{field}, gives {side}x{side}, {parameters:,} parameters")
assert side == 30, f"256, 128, 64, 32, 31, 30: 30 logits a side, not {side}"
assert parameters == 2_768_705, (
    f"the paper's discriminator has 2,768,705 parameters, not {parameters:,}. "
    "From 6 channels to 64, 128, 256, 512 and 1"
)

# %% [markdown]
# ## 5. PyTorch said so
#
# *A silent bug to find: 3 points, 15 minutes, level 2.*
#
# The two networks learn in turns. First the discriminator makes a step that lowers $L_D$ of exercise 1. Then the
# generator makes one that lowers $L_G$, judged by the discriminator as it is **after** its step. In its turn a network
# moves by its **own** loss alone, and the other stays where it is.
#
# The author of the script below saw an error: "Trying to backward through the graph a second time", and further on
# "Specify retain_graph=True". That was quickly done. The script runs, and the losses look like those of any such pair.
# But the lines after the function show that the generator does not go where its own loss would send it.


# %%
def draw(generator: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Pictures from inputs, both (batch, pixels): a network of one layer."""
    return torch.tanh(inputs @ generator)


def logits_of(
    discriminator: list[torch.Tensor],
    inputs: torch.Tensor,
    pictures: torch.Tensor,
) -> torch.Tensor:
    """One logit for each pair of an input and a picture, (batch,)."""
    seen = torch.cat([inputs, pictures], dim=1)
    hidden = torch.nn.functional.leaky_relu(seen @ discriminator[0], 0.2)
    return (hidden @ discriminator[1])[:, 0]


def train_as_found(
    generator: torch.Tensor,  # (pixels, pixels)
    discriminator: list[torch.Tensor],  # (2 pixels, hidden), (hidden, 1)
    inputs: torch.Tensor,  # (steps, batch, pixels)
    targets: torch.Tensor,  # (steps, batch, pixels)
    rate: float,
    l1_weight: float,
) -> list[torch.Tensor]:
    """The generator and the discriminator's layers, trained. Wrong somewhere."""
    softplus = torch.nn.functional.softplus
    generator = generator.clone().requires_grad_()
    discriminator = [layer.clone().requires_grad_() for layer in discriminator]
    for x, y in zip(inputs, targets, strict=True):
        for weights in (generator, *discriminator):
            weights.grad = None
        pictures = draw(generator, x)

        real = logits_of(discriminator, x, y)
        fake = logits_of(discriminator, x, pictures)
        loss = (softplus(-real).mean() + softplus(fake).mean()) / 2
        loss.backward(retain_graph=True)
        with torch.no_grad():
            for layer in discriminator:
                layer -= rate * layer.grad

        loss = softplus(-logits_of(discriminator, x, pictures)).mean()
        loss = loss + l1_weight * (y - pictures).abs().mean()
        loss.backward()
        with torch.no_grad():
            generator -= rate * generator.grad
    return [weights.detach() for weights in (generator, *discriminator)]


def small_networks(seed: int, steps: int) -> dict:
    """Two networks and batches for them: what the functions are called with."""
    random = torch.Generator().manual_seed(seed)
    return {
        "generator": 0.3 * torch.randn(3, 3, generator=random).double(),
        "discriminator": [
            0.7 * torch.randn(6, 8, generator=random).double(),
            0.7 * torch.randn(8, 1, generator=random).double(),
        ],
        "inputs": torch.randn(steps, 16, 3, generator=random).double(),
        "targets": torch.rand(steps, 16, 3, generator=random).double(),
        "rate": 0.1,
    }


def own_loss_sends(found: list[torch.Tensor], start: dict) -> torch.Tensor:
    """The generator's first step by its own loss alone, without any L1."""
    generator = start["generator"].clone().requires_grad_()
    pictures = draw(generator, start["inputs"][0])
    logits = logits_of(found[1:], start["inputs"][0], pictures)
    loss = torch.nn.functional.softplus(-logits).mean()
    return -start["rate"] * torch.autograd.grad(loss, generator)[0]


start = small_networks(5, steps=1)
found = train_as_found(**start, l1_weight=0.0)
print("the generator moved by")
print((found[0] - start["generator"]).numpy().round(4))
print("its own loss would send it by")
print(own_loss_sends(found, start).numpy().round(4))

# %% [markdown]
# **Write `train`**: the same function, repaired. The discriminator's steps stay what they are.


# %% nbgrader={"grade": false, "grade_id": "train-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train(
    generator: torch.Tensor,  # (pixels, pixels)
    discriminator: list[torch.Tensor],  # (2 pixels, hidden), (hidden, 1)
    inputs: torch.Tensor,  # (steps, batch, pixels)
    targets: torch.Tensor,  # (steps, batch, pixels)
    rate: float,
    l1_weight: float,
) -> list[torch.Tensor]:
    """The generator and the two layers of the discriminator, trained."""
    ### BEGIN SOLUTION
    softplus = torch.nn.functional.softplus
    generator = generator.clone().requires_grad_()
    discriminator = [layer.clone().requires_grad_() for layer in discriminator]
    for x, y in zip(inputs, targets, strict=True):
        for weights in (generator, *discriminator):
            weights.grad = None
        pictures = draw(generator, x)

        real = logits_of(discriminator, x, y)
        # Detached: this loss must not reach the generator, whose gradient it
        # would leave something in. Nothing needs the graph twice, then.
        fake = logits_of(discriminator, x, pictures.detach())
        loss = (softplus(-real).mean() + softplus(fake).mean()) / 2
        loss.backward()
        with torch.no_grad():
            for layer in discriminator:
                layer -= rate * layer.grad

        # Not detached: here the discriminator passes on what is wrong.
        loss = softplus(-logits_of(discriminator, x, pictures)).mean()
        loss = loss + l1_weight * (y - pictures).abs().mean()
        loss.backward()
        with torch.no_grad():
            generator -= rate * generator.grad
    return [weights.detach() for weights in (generator, *discriminator)]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "train-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
start = small_networks(5, steps=1)
before = [start["generator"].clone(), *map(torch.clone, start["discriminator"])]
found = train(**start, l1_weight=0.0)
assert type(found) is list and len(found) == 3, (
    "return a list of three: the generator and the discriminator's two layers"
)
assert not any(weights.requires_grad for weights in found), (
    "return the weights detached, as the script does"
)
assert torch.equal(before[0], start["generator"]) and all(
    map(torch.equal, before[1:], start["discriminator"])
), "the networks you were given have changed: work on copies"
as_found = train_as_found(**start, l1_weight=0.0)
assert all(map(torch.allclose, found[1:], as_found[1:])), (
    "the discriminator's first step is right as the script makes it, by half "
    "the sum of two means; yours goes elsewhere. Does it stay where it is in "
    "the generator's turn?"
)
moved, sent = found[0] - before[0], own_loss_sends(found, start)
assert not torch.equal(found[0], before[0]), (
    "the generator has not moved at all, though without L1 the discriminator "
    "still says what is wrong: its pictures may be detached in one turn only"
)
assert torch.allclose(moved, sent), (
    f"the generator moved by\n{moved.numpy().round(4)}\nits own loss, judged "
    f"by the discriminator after its step, sends it by\n{sent.numpy().round(4)}\n"
    "What else has left something in the generator's gradient?"
)
found = train(**start, l1_weight=2.0)
generator = before[0].clone().requires_grad_()
pictures = draw(generator, start["inputs"][0])
loss = 2.0 * (start["targets"][0] - pictures).abs().mean()
sent = sent - 0.1 * torch.autograd.grad(loss, generator)[0]
assert torch.allclose(found[0] - before[0], sent), (
    "with a lambda of 2 the distance pulls as well: the generator moves by\n"
    f"{sent.numpy().round(4)}\nnot by\n{(found[0] - before[0]).numpy().round(4)}"
)

# %% [markdown]
# ## 6. Each image by itself
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# Batch normalisation gives every channel the mean 0 and the variance 1. Which mean and which variance it takes away
# depends on its mode.
#
# - In **training mode** they are those of the batch at hand. The paper trains with batches of a single image, so that
#   each channel of each image is normalised by its own pixels $v$:
#
# $$\frac{v - \operatorname{mean}}{\sqrt{\operatorname{var} + \epsilon}}$$
#
# - On the side the layer keeps **running averages** of what it sees, for each channel one of the means and one of the
#   variances. They begin with 0 and 1, and after each batch
#
# $$\text{running} \leftarrow (1 - m) \cdot \text{running} + m \cdot \text{new}$$
#
#   with the **momentum** $m$. The new variance that enters here is divided by the number of pixels **less 1**; the one
#   above is divided by the number of pixels.
# - In **evaluation mode** the running averages take the place of the mean and the variance in the formula.
#
# The paper stays in training mode when the network is used. This exercise is about what would happen otherwise.
#
# **Write `two_modes(images, momentum, epsilon)`** with NumPy. The layer sees the images one at a time in training mode,
# in order; then it is switched to evaluation mode and sees them again. Return a tuple of two arrays of the shape of
# `images`: what it gave the first time, and what it gives the second. It has no learned scale or shift. An image has at
# least two pixels.
#
# Example: an image of two pixels, 1 and 3, has the mean 2 and the variance 1, and becomes -1 and 1. With $m = 0.5$ the
# running averages after it are 1 and 1.5, since the variance that enters is 2. Evaluation mode gives 0 and 1.633.


# %% nbgrader={"grade": false, "grade_id": "two_modes-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def two_modes(
    images: np.ndarray,  # (images, channels, height, width)
    momentum: float,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray]:
    """What training mode gives, image by image; and evaluation mode after it."""
    ### BEGIN SOLUTION
    means = images.mean(axis=(2, 3), keepdims=True)
    variances = images.var(axis=(2, 3), keepdims=True)
    pixels = images.shape[2] * images.shape[3]
    running_mean, running_variance = 0.0, 1.0
    for mean, variance in zip(means, variances, strict=True):
        unbiased = variance * pixels / (pixels - 1)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_variance = (
            1 - momentum
        ) * running_variance + momentum * unbiased
    return (
        (images - means) / np.sqrt(variances + epsilon),
        (images - running_mean) / np.sqrt(running_variance + epsilon),
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "two_modes-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
pair = np.array([[[[1.0, 3.0]]]])
found = two_modes(pair, 0.5, 0.0)
assert type(found) is tuple and len(found) == 2, (
    "return a tuple of two arrays: training mode, evaluation mode"
)
assert all(part.shape == pair.shape for part in found), (
    "both have the shape of the images, (1, 1, 1, 2), not "
    f"{found[0].shape} and {found[1].shape}"
)
assert np.allclose(found[0].ravel(), [-1, 1]), (
    "1 and 3 have the mean 2 and the variance 1, so training mode gives -1 and "
    f"1, not {found[0].ravel().round(4)}"
)
assert not np.allclose(found[1].ravel(), [0, 2 / math.sqrt(1.0)]), (
    "the variance that enters the running average is 2 here: divided by the "
    "number of pixels less 1"
)
assert np.allclose(found[1].ravel(), [0, 2 / math.sqrt(1.5)]), (
    "evaluation mode takes the mean 0.5 * 0 + 0.5 * 2 = 1 and the variance 0.5 "
    "* 1 + 0.5 * 2 = 1.5 and gives 0 and 1.633, not "
    f"{found[1].ravel().round(4)}"
)
# A dark image and a bright one with the same pattern, two channels.
rng = np.random.default_rng(6)
pattern = rng.normal(0, 0.5, (1, 2, 4, 4))
night_and_day = np.concatenate([pattern - 2, pattern + 2])
trained, evaluated = two_modes(night_and_day, 0.1, 1e-5)
assert np.allclose(trained[0], trained[1]), (
    "the two images have the same pattern, one in the dark and one in bright "
    "light. Each normalised by itself, they become the same"
)
assert np.allclose(trained.mean(axis=(2, 3)), 0), (
    "each channel of each image has the mean 0 after training mode; yours have\n"
    f"{trained.mean(axis=(2, 3)).round(4)}"
)
gap = evaluated[1].mean() - evaluated[0].mean()
print(f"evaluation mode leaves {gap:.2f} between night and day")
assert gap > 1, (
    "evaluation mode takes the same mean from both, so that they stay apart; "
    f"yours are {gap:.4f} apart"
)
layer = torch.nn.BatchNorm2d(2, eps=1e-5, momentum=0.1, affine=False)
with torch.no_grad():
    shown = torch.from_numpy(night_and_day).float()
    expected = [
        torch.cat([layer(image[None]) for image in shown]).numpy(),
        layer.eval()(shown).numpy(),
    ]
assert np.allclose(trained, expected[0], atol=1e-4), (
    "PyTorch's layer in training mode gives other values, for instance "
    f"{expected[0][0, 0, 0, 0]:.4f} for the first pixel where you have "
    f"{trained[0, 0, 0, 0]:.4f}. Divide by the root of the variance over the "
    "pixels of one channel"
)
assert np.allclose(evaluated, expected[1], atol=1e-4), (
    "PyTorch's layer in evaluation mode gives other values, for instance "
    f"{expected[1][0, 0, 0, 0]:.4f} for the first pixel where you have "
    f"{evaluated[0, 0, 0, 0]:.4f}. Begin with 0 and 1, and let the images in "
    "one after the other: the momentum is the weight of what is new"
)

# %% [markdown]
# ## 7. Three scores
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# Is a picture good that was drawn from a map of labels? A network that was trained on photographs reads the labels in
# it, and the paper counts how well they agree with the map. With $n_{ij}$ the number of pixels of label $i$ that are
# read as $j$, and $t_i = \sum_j n_{ij}$ the number of pixels of label $i$, the three scores are
#
# $$\begin{aligned}
# \text{pixel accuracy} &= \frac{\sum_i n_{ii}}{\sum_i t_i} \qquad
# \text{class accuracy} = \operatorname{mean}_i \frac{n_{ii}}{t_i} \\
# \text{mean IoU} &= \operatorname{mean}_i \frac{n_{ii}}{t_i + \sum_j n_{ji} - n_{ii}}
# \end{aligned}$$
#
# The $n_{ij}$ are counted over the pixels of **all** images together. A label whose fraction would be $0/0$ is left out
# of that mean, and of that mean only: a label that no map has, but that is read somewhere, has no class accuracy; its
# IoU is 0 and counts.
#
# **Write `fcn_scores(labels, read, num_labels)`**, which returns a tuple of three Python floats, in this order.
#
# Example: an image with the labels 0, 0, 0, 1 is read as 0, 0, 1, 1. Three of four pixels are right: 0.75. Of label 0
# two thirds are found, of label 1 everything: 0.8333. The IoUs are 2/3 and 1/2, their mean 0.5833.


# %% nbgrader={"grade": false, "grade_id": "fcn_scores-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fcn_scores(
    labels: np.ndarray,  # (images, height, width): 0 to num_labels - 1
    read: np.ndarray,  # the same shape
    num_labels: int,
) -> tuple[float, float, float]:
    """Pixel accuracy, class accuracy and mean IoU."""
    ### BEGIN SOLUTION
    pairs = num_labels * labels.ravel() + read.ravel()
    counts = np.bincount(pairs, minlength=num_labels**2)
    counts = counts.reshape(num_labels, num_labels)  # (true, read)
    right, true = counts.diagonal(), counts.sum(axis=1)
    union = true + counts.sum(axis=0) - right
    return (
        float(right.sum() / counts.sum()),
        float((right[true > 0] / true[true > 0]).mean()),
        float((right[union > 0] / union[union > 0]).mean()),
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "fcn_scores-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
labels, read = np.array([[[0, 0, 0, 1]]]), np.array([[[0, 0, 1, 1]]])
found = fcn_scores(labels, read, 2)
assert type(found) is tuple and [type(part) for part in found] == [float] * 3, (
    f"return a tuple of three Python floats, not {found!r}"
)
pixel, by_class, iou = found
assert math.isclose(pixel, 0.75), f"3 of 4 pixels are right, not {pixel:.4f}"
assert not math.isclose(by_class, (1 + 1 / 2) / 2), (
    "class accuracy divides by how often a label is true, not by how often it "
    "is read: rows and columns are exchanged"
)
assert math.isclose(by_class, (2 / 3 + 1) / 2), (
    f"2 of 3 pixels of label 0 and the only one of label 1: 0.8333, not "
    f"{by_class:.4f}"
)
assert math.isclose(iou, (2 / 3 + 1 / 2) / 2), (
    "label 0 is true or read at 3 pixels and both at 2, label 1 at 2 and 1: "
    f"(2/3 + 1/2) / 2 = 0.5833, not {iou:.4f}. A pixel that is both counts "
    "once in the union"
)
found = fcn_scores(labels, read, 5)
assert not any(math.isnan(part) for part in found), (
    f"labels 2, 3 and 4 are neither true nor read: leave 0/0 out; you say {found}"
)
assert np.allclose(found, (pixel, by_class, iou)), (
    "with three more labels that are neither true nor read nothing changes; "
    f"you say {found[0]:.4f}, {found[1]:.4f} and {found[2]:.4f}"
)
both = np.array([[[0, 0, 0, 1]], [[1, 1, 1, 1]]])
found = fcn_scores(both, np.array([[[0, 0, 1, 1]], [[1, 1, 1, 1]]]), 2)
assert not math.isclose(found[2], ((2 / 3 + 1 / 2) / 2 + 1) / 2), (
    "count the pixels of all images first, then divide once: you average the "
    "scores of the images"
)
assert np.allclose(found, (7 / 8, (2 / 3 + 1) / 2, (2 / 3 + 5 / 6) / 2)), (
    "a second image with four right pixels of label 1: 0.875, 0.8333 and "
    f"0.75, not {found[0]:.4f}, {found[1]:.4f} and {found[2]:.4f}"
)

# %% [markdown]
# ## 8. Near and sharp
#
# *A behaviour to reach: 6 points, 30 minutes, level 3.*
#
# A wall is lit from one side, so that its brightness grows or falls along it. At each place $x$, from -1 to 1, there
# stands a brick, and every brick is either a light one or a dark one, by chance. A target is the brightness of such a
# brick. By L2 the best answer is a grey wall, and by L1 a grey wall is as good as one of light bricks only. You are to
# draw both kinds, half and half, each at the right brightness for its place.
#
# **Write `draw_wall(inputs, targets, shown, seed)`**, which learns from 2,000 bricks and then draws a brick at each
# place in `shown`, twenty times over, with other noise each time. It returns a tensor of shape `(20, places)`. Train a
# generator and a **conditional** discriminator in turns, with the losses of exercise 1. The generator reads a place and
# a normally distributed number, the noise; the discriminator reads a place and a brightness. `network`, `run` and
# `Adam` are all you need for both. Everything drawn at random depends on `seed`. What you return must come from your
# generator, not from a copy of the targets.
#
# **What to reach**: `unlike` below cuts the wall into ten parts and compares the bricks you drew in each with those
# that belong there, in sorted order. Its mean difference, as a share of the **gap** between a light brick and a dark
# one, must be at most **0.25**. A grey wall or one of light bricks only has 0.5. The test below tries one wall; others
# will be tried, lit from either side and with targets in **other units**, such as grey values from 0 to 255. Your
# function has 1.5 seconds.
#
# A hint: 400 steps with batches of 128 take half a second, or one on a busy machine. A rate of 0.005 does well for both
# networks, the same for the first half of the steps and then falling in a straight line towards 0. What remains for you
# is $\lambda$, which is not the paper's 100, and what a change of units would do to it.


# %%
def network(random: torch.Generator) -> list[torch.Tensor]:
    """Weights and biases of three layers: from two numbers to one."""
    weights = []
    for before, after in ((2, 32), (32, 32), (32, 1)):
        layer = torch.randn(before, after, generator=random)
        weights.append((layer * (2 / before) ** 0.5).requires_grad_())
        weights.append(torch.zeros(after, requires_grad=True))
    return weights


def run(
    weights: list[torch.Tensor], first: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    """What the network makes of each pair of numbers: all are (batch,)."""
    hidden = torch.stack([first, second], dim=1)
    for layer, bias in zip(weights[0:4:2], weights[1:4:2], strict=True):
        hidden = torch.nn.functional.leaky_relu(hidden @ layer + bias, 0.2)
    return (hidden @ weights[4] + weights[5])[:, 0]


class Adam:
    """Moves one network against the gradient of a loss, with Adam's steps."""

    def __init__(self, weights: list[torch.Tensor]):
        self.weights, self.steps = weights, 0
        self.means = [torch.zeros_like(layer) for layer in weights]
        self.squares = [torch.zeros_like(layer) for layer in weights]

    def step(self, loss: torch.Tensor, rate: float) -> None:
        """One step. No other network's gradients are touched."""
        gradients = torch.autograd.grad(loss, self.weights)
        self.steps += 1
        rate *= (1 - 0.99**self.steps) ** 0.5 / (1 - 0.5**self.steps)
        with torch.no_grad():
            for layer, gradient, mean, square in zip(
                self.weights, gradients, self.means, self.squares, strict=True
            ):
                mean.lerp_(gradient, 0.5)
                square.lerp_(gradient**2, 0.01)
                layer.addcdiv_(mean, square.sqrt() + 1e-8, value=-rate)


def wall(seed: int, slope: float) -> tuple[torch.Tensor, torch.Tensor]:
    """2,000 bricks of a wall: places and brightness, both (bricks,)."""
    random = torch.Generator().manual_seed(seed)
    places = 2 * torch.rand(2000, generator=random) - 1
    light = torch.rand(2000, generator=random) < 0.5
    return places, slope * places + torch.where(light, 0.3, -0.3)


def unlike(drawn: torch.Tensor, middle: torch.Tensor, gap: float) -> float:
    """How unlike the true bricks the drawn ones are, as a share of the gap.

    `middle` is the brightness half-way between the two kinds, (places,).
    """
    parts = ((drawn - middle) / gap).split(drawn.shape[1] // 10, dim=1)
    differences = []
    for part in parts:
        bricks = part.flatten().sort().values
        light = torch.arange(len(bricks)) >= len(bricks) // 2
        true = torch.where(light, 0.5, -0.5)
        differences.append((bricks - true).abs().mean())
    return torch.stack(differences).mean().item()


# %% [markdown]
# Example: with `return shown.repeat(20, 1)` in the place of `raise NotImplementedError()` the function runs, and draws
# a wall without bricks.


# %% nbgrader={"grade": false, "grade_id": "draw_wall-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def draw_wall(
    inputs: torch.Tensor,  # (bricks,): places, from -1 to 1
    targets: torch.Tensor,  # (bricks,): brightness, in any unit
    shown: torch.Tensor,  # (places,)
    seed: int,
) -> torch.Tensor:
    """Twenty bricks for each place in `shown`, (20, places)."""
    ### BEGIN SOLUTION
    steps, batch, rate, l1_weight = 400, 128, 5e-3, 0.3
    # In a unit of their own, so that rates and lambda fit all walls alike.
    mean, spread = targets.mean(), targets.std()
    targets = (targets - mean) / (2 * spread)
    softplus = torch.nn.functional.softplus
    sign = torch.tensor([-1.0, 1.0]).repeat_interleave(batch)
    random = torch.Generator().manual_seed(seed)
    generator, discriminator = network(random), network(random)
    drawing, judging = Adam(generator), Adam(discriminator)
    for step in range(steps):
        falling = rate * min(1.0, 2 * (1 - step / steps))
        rows = torch.randint(len(inputs), (batch,), generator=random)
        x, y = inputs[rows], targets[rows]
        drawn = run(generator, x, torch.randn(batch, generator=random))

        # One call for both is faster. As many of one kind as of the other, so
        # that the mean over all is half the sum of the two means.
        bricks = torch.cat([y, drawn.detach()])
        loss = softplus(sign * run(discriminator, x.repeat(2), bricks)).mean()
        judging.step(loss, falling)

        loss = softplus(-run(discriminator, x, drawn)).mean()
        loss = loss + l1_weight * (y - drawn).abs().mean()
        drawing.step(loss, falling)
    with torch.no_grad():
        noise = torch.randn(20, len(shown), generator=random)
        places = shown.expand(20, -1)
        drawn = run(generator, places.flatten(), noise.flatten())
    return drawn.reshape(20, -1) * 2 * spread + mean
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "draw_wall-tests", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
places, brightness = wall(8, slope=0.6)
shown = torch.linspace(-1, 1, 200)
before = brightness.clone()
drawn = draw_wall(places, brightness, shown, seed=0)
assert isinstance(drawn, torch.Tensor) and drawn.shape == (20, 200), (
    "twenty bricks for each of 200 places: return a tensor of shape (20, 200)"
)
assert not drawn.requires_grad and torch.isfinite(drawn).all(), (
    "draw the bricks under torch.no_grad(); all must be finite numbers"
)
assert torch.equal(brightness, before), (
    "the targets you were given have changed: work on a copy"
)
reached = unlike(drawn, 0.6 * shown, 0.6)
light = (drawn > 0.6 * shown).float().mean().item()
off = ((drawn - 0.6 * shown).abs() - 0.3).abs().mean().item()
print(f"unlike {reached:.3f}; {light:.0%} light; {off:.3f} off a true brick")
assert reached <= 0.25, (
    f"your bricks are unlike the true ones by {reached:.3f} of the gap, at most "
    f"0.25 is allowed. {light:.0%} of them are on the light side, and they are "
    f"{off:.3f} off the nearest true brick. If they are nearly all light or all "
    "dark, or all the same at a place, the distance weighs too much, or your "
    "noise is lost; if they are off by more than 0.1 everywhere, does the "
    "discriminator see the place?"
)
