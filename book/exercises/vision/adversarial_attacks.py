# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: adversarial attacks
#
# Eight exercises on changes too small to matter that make a network wrong: the one model whose worst case is known
# exactly, one gradient step and many, several tries, two ways to fool oneself, a sticker that must work from
# everywhere, and a network that hides its gradient. Together they are worth 30 points and take a little over two and a
# half hours. They need NumPy and PyTorch and nothing else: no images to download, no GPU.
#
# Work from top to bottom. For each exercise, replace `raise NotImplementedError()` by your code, run
# the cell, then run the tests below it. When a test fails, read its message: it says what to look at. The
# tests you see are examples; a teacher checks your function on other inputs as well, so follow the
# statement where the tests are silent. No exercise needs your answer to another.
#
# In all exercises a pixel is a number from 0 (black) to 1 (white), and $\epsilon$ is the most by which an attacker may
# change each pixel, up or down. The small network in the next cell is the victim of exercises 4, 6, 7 and 8, and
# `input_gradient` is given: what you would get from it by autograd.

# %%
import math

import numpy as np
import torch


def network(
    inputs: torch.Tensor,  # (batch, pixels)
    first: torch.Tensor,  # (pixels, hidden)
    second: torch.Tensor,  # (hidden, classes)
) -> torch.Tensor:
    """The logits of a small network, (batch, classes)."""
    return torch.tanh(inputs @ first) @ second


def input_gradient(
    inputs: torch.Tensor,  # (batch, pixels)
    labels: torch.Tensor,  # (batch,): classes, integers
    first: torch.Tensor,
    second: torch.Tensor,
) -> torch.Tensor:
    """The gradient of each input's own cross-entropy, (batch, pixels)."""
    inputs = inputs.detach().requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        network(inputs, first, second), labels, reduction="sum"
    )
    return torch.autograd.grad(loss, inputs)[0]


# %% [markdown]
# ## 1. The worst case, exactly
#
# *A number to compute: 2 points, 10 minutes, level 1.*
#
# A logistic model gives an image $x$ with pixels $x_i$ the score
#
# $$z = \sum_i w_i x_i + b$$
#
# and answers with its sign. For an image of the class $y$, which is $-1$ or $+1$, its loss is
#
# $$\log\left(1 + e^{-y z}\right)$$
#
# An attacker moves each pixel by at most $\epsilon$, up or down as it suits. Here the moved pixels **may leave** the range
# from 0 to 1. For most networks nobody can tell what the worst such image is; for this model one line can.
#
# **A model has the weights 0.5, -1.5 and 1.0 and the bias 0.5. What is the largest loss that an attacker with
# $\epsilon = 0.1$ can cause on the image (0.2, 0.4, 0.6) of the class $y = +1$?** Write the function so that it answers
# for any model, image, class and $\epsilon$. It returns a Python `float`, and it must not overflow: a large loss is about
# $-yz$, an ordinary number.
#
# Example: one pixel of 0.5, the weight 2, no bias, $y = +1$ and $\epsilon = 0.1$. The score is 1, the attacker can push it down
# to 0.8 and no further, and the loss becomes $\log(1 + e^{-0.8}) = 0.3711$.


# %% nbgrader={"grade": false, "grade_id": "worst_case_loss-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def worst_case_loss(
    weights: np.ndarray,  # (pixels,)
    bias: float,
    image: np.ndarray,  # (pixels,)
    label: int,  # -1 or +1
    epsilon: float,
) -> float:
    """The largest loss within epsilon of the image."""
    ### BEGIN SOLUTION
    margin = label * (weights @ image + bias)
    # Every pixel moves by epsilon against its weight: |w_i| each.
    worst = margin - epsilon * np.abs(weights).sum()
    return float(np.logaddexp(0, -worst))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "worst_case_loss-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
one, three = np.array([0.5]), np.array([0.2, 0.4, 0.6])
found = worst_case_loss(np.array([2.0]), 0.0, one, 1, 0.1)
assert isinstance(found, float), f"return a float, not {found!r}"
clean = worst_case_loss(np.array([2.0]), 0.0, one, 1, 0.0)
assert math.isclose(clean, math.log1p(math.exp(-1)), rel_tol=1e-6), (
    "at epsilon = 0 nothing moves and the loss is log(1 + e^-1) = 0.3133, not "
    f"{clean:.4f}"
)
assert math.isclose(found, math.log1p(math.exp(-0.8)), rel_tol=1e-6), (
    f"the example in the text gives 0.3711, not {found:.4f}: for y = +1 the "
    "attacker pushes the score down"
)
found = worst_case_loss(np.array([2.0]), 0.0, one, -1, 0.1)
assert math.isclose(found, math.log1p(math.exp(1.2)), rel_tol=1e-6), (
    "for y = -1 the attacker pushes the score up, from 1 to 1.2, and the loss "
    f"is log(1 + e^1.2) = 1.4633, not {found:.4f}. Whatever y is, the loss "
    "must grow with epsilon"
)
found = worst_case_loss(np.array([0.5, -1.5, 1.0]), 0.5, three, 1, 0.1)
print(f"the largest loss is {found:.3f}")
assert math.isclose(found, math.log1p(math.exp(-0.3)), rel_tol=1e-6), (
    f"the question's model scores the image 0.6; you say {found:.4f}. How far "
    "does the score fall when each pixel moves by 0.1 in the direction that is "
    "worst for it? A negative weight asks for the other direction"
)
# The next score is 1,200, and e^1200 is too large for a float.
found = worst_case_loss(np.array([2000.0]), 0.0, one, -1, 0.1)
assert math.isclose(found, 1200, rel_tol=1e-6), (
    "a score of 1,200 for the class -1 costs 1,200, not "
    f"{found}. np.logaddexp(0, t) is log(1 + e^t) for any t"
)

# %% [markdown]
# ## 2. The attack that does nothing and succeeds
#
# *A silent bug to find: 2 points, 10 minutes, level 1.*
#
# How good is an attack? The usual answer is its success rate. Someone counts it with the function below, and reports that
# an attack which changes **no pixel at all** succeeds on 3 images in 10.


# %%
def success_rate_as_found(
    clean_logits: torch.Tensor,  # (images, classes): before the attack
    attacked_logits: torch.Tensor,  # (images, classes): after it
    labels: torch.Tensor,  # (images,)
) -> float:
    """The attack's success rate. Something is wrong here."""
    fooled = attacked_logits.argmax(dim=1) != labels
    return fooled.double().mean().item()


labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
answers = torch.tensor([0, 1, 2, 0, 1, 2, 0, 2, 0, 1])
logits = torch.nn.functional.one_hot(answers, 3).double()
print(
    "an attack that changes nothing succeeds on "
    f"{success_rate_as_found(logits, logits, labels):.0%} of the images"
)

# %% [markdown]
# **Write `success_rate`**: of the images that the model had right before the attack, the share that it has wrong after it. The
# model's answer is the class with the largest logit. It returns a Python `float` between 0 and 1, and 0.0 if no image was right
# before, since there was nothing to fool.


# %% nbgrader={"grade": false, "grade_id": "success_rate-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def success_rate(
    clean_logits: torch.Tensor,  # (images, classes): before the attack
    attacked_logits: torch.Tensor,  # (images, classes): after it
    labels: torch.Tensor,  # (images,)
) -> float:
    """The share of the right answers that the attack turns wrong."""
    ### BEGIN SOLUTION
    right_before = clean_logits.argmax(dim=1) == labels
    wrong_after = attacked_logits.argmax(dim=1) != labels
    if not right_before.any():
        return 0.0
    return wrong_after[right_before].double().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "success_rate-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
before = torch.eye(2)[[0, 0, 0, 1, 1, 1, 0, 1]]
labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])  # the last two are wrong
found = success_rate(before, before, labels)
assert isinstance(found, float), f"return a float, not {found!r}"
assert found == 0, (
    f"an attack that changes nothing has fooled nobody; you count {found:.2f}. "
    "Which images were wrong before it came?"
)
found = success_rate(before, torch.eye(2)[[1, 1, 1, 0, 0, 0, 0, 1]], labels)
assert math.isclose(found, 1, rel_tol=1e-5), (
    "here the attack turns all 6 right answers wrong, which is a full success, "
    f"1.0, not {found:.4f}. Images that were wrong before it count neither "
    "above nor below the line"
)
found = success_rate(before, torch.eye(2)[[1, 1, 0, 1, 1, 1, 0, 1]], labels)
assert math.isclose(found, 2 / 6, rel_tol=1e-5), (
    f"here the attack turns 2 of 6 right answers wrong: 0.3333, not {found:.4f}"
)
found = success_rate(before, before, 1 - before.argmax(dim=1))
assert isinstance(found, float) and found == 0, (
    f"if no image was right before, the rate is 0.0, not {found!r}"
)

# %% [markdown]
# ## 3. The fast gradient sign, by hand
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# The fast gradient sign method moves every pixel by $\epsilon$ in the direction in which the loss $J$ grows:
#
# $$x' = x + \epsilon\,\mathrm{sign}(\nabla_x J)$$
#
# Aimed at a class (the **targeted** attack) it works the other way round: $J$ is then the loss of the class aimed at, and each
# pixel moves in the direction in which that loss falls. Afterwards the pixels are cut to the range from 0 to 1.
#
# The model is softmax regression, with the weights $W$ of shape `(pixels, classes)`:
#
# $$z = W^{\top} x + b$$
#
# $$p = \mathrm{softmax}(z)$$
#
# $$J = -\log p_y$$
#
# **Write `softmax_fgsm`** with NumPy alone, which cannot differentiate: work out $\nabla_x J$ on paper. (Start with the derivative of $J$
# with respect to each $z_k$.) It returns an array of shape `(images, pixels)`. `labels` holds the true classes, or those aimed
# at if `targeted` is true. Scores may be large: no step may overflow.
#
# Example: two pixels and two classes, $W$ twice the identity matrix, no bias: pixel 0 speaks for class 0 and pixel 1 for
# class 1. With $\epsilon = 0.1$, the image (0.5, 0.95) of class 0 becomes (0.4, 1).


# %% nbgrader={"grade": false, "grade_id": "softmax_fgsm-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def softmax_fgsm(
    images: np.ndarray,  # (images, pixels)
    labels: np.ndarray,  # (images,): classes, integers
    weights: np.ndarray,  # (pixels, classes)
    biases: np.ndarray,  # (classes,)
    epsilon: float,
    targeted: bool,
) -> np.ndarray:
    """The attacked images, (images, pixels)."""
    ### BEGIN SOLUTION
    logits = images @ weights + biases  # (images, classes)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    slopes = odds / odds.sum(axis=1, keepdims=True)
    slopes[np.arange(len(labels)), labels] -= 1  # dJ/dz = p - one-hot(y)
    gradient = slopes @ weights.T  # (images, pixels)
    step = -epsilon if targeted else epsilon
    return np.clip(images + step * np.sign(gradient), 0, 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "softmax_fgsm-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
two = {"weights": 2 * np.eye(2), "biases": np.zeros(2), "epsilon": 0.1}
image = np.array([[0.5, 0.95]])
found = softmax_fgsm(image, np.array([0]), targeted=False, **two)
assert isinstance(found, np.ndarray), (
    f"return a NumPy array, not {type(found).__name__}"
)
assert found.shape == (1, 2), (
    f"one image of two pixels: the shape is (1, 2), not {found.shape}"
)
assert found.max() <= 1 and found.min() >= 0, (
    f"pixels stay between 0 and 1; yours are {found[0]}"
)
assert np.allclose(found, [[0.4, 1.0]]), (
    f"the example in the text gives (0.4, 1), not {found[0]}: what speaks for "
    "the true class gets darker, what speaks against it lighter, each by 0.1"
)
found = softmax_fgsm(image, np.array([0]), targeted=True, **two)
assert np.allclose(found, [[0.6, 0.85]]), (
    "aimed at class 0, the same image becomes (0.6, 0.85): each pixel moves so "
    f"that the loss of class 0 falls. Yours: {found[0]}"
)
three = two | {"weights": np.array([[3.0, 2.0, -2.0]])}
three["biases"] = np.array([0.0, -1.0, 2.0])
found = softmax_fgsm(np.array([[0.5]]), np.array([1]), targeted=True, **three)
assert np.allclose(found, 0.6), (
    "one pixel with the weights 3, 2, -2 for three classes, whose logits are "
    "1.5, 0, 1: p = (0.55, 0.12, 0.33). Lighter, it lowers the loss of class "
    f"1, since 2 is more than the mean weight under p, 1.22. Yours: {found}"
)
both = softmax_fgsm(
    np.array([[0.5, 0.95], [0.95, 0.5]]),
    np.array([0, 1]),
    targeted=False,
    **two,
)
assert np.allclose(both, [[0.4, 1.0], [1.0, 0.4]]), (
    "in a batch each image has its own label and its own gradient; for two "
    f"mirrored images you return\n{both}"
)
large = two | {"weights": 2000 * np.eye(2)}
found = softmax_fgsm(
    np.array([[0.1, 0.9]]), np.array([0]), targeted=False, **large
)
assert not np.isnan(found).any() and np.allclose(found, [[0.0, 1.0]]), (
    "with logits of 200 and 1,800 you return "
    f"{found[0]}: e^1800 overflows. Subtract an image's largest logit from "
    "all of its logits first; the softmax stays the same"
)

# %% [markdown]
# ## 4. Many small steps, and a way back
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# One step trusts the gradient over the whole distance $\epsilon$. Projected gradient descent (PGD) takes many small ones:
#
# 1. Start at a random point: `images + epsilon * noise`. The noise lies between -1 and 1 and is given.
# 2. Project: bring every pixel back to at most $\epsilon$ from the **original** image, and into the range from 0 to 1.
# 3. Move every pixel by `step_size` times the sign of `input_gradient` at the point that is reached, and project again. Do this
#    `steps` times.
#
# **Write `pgd`.** It returns a tensor of the images' shape, and leaves its arguments as they were.
#
# Two checks that catch many wrong implementations: no pixel is ever further than $\epsilon$ from its original; and at
# $\epsilon = 0$ the images come back **exactly**, bit for bit, whatever the step size.


# %% nbgrader={"grade": false, "grade_id": "pgd-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pgd(
    images: torch.Tensor,  # (batch, pixels)
    labels: torch.Tensor,  # (batch,): classes, integers
    noise: torch.Tensor,  # (batch, pixels): between -1 and 1
    epsilon: float,
    step_size: float,
    steps: int,
    first: torch.Tensor,  # (pixels, hidden)
    second: torch.Tensor,  # (hidden, classes)
) -> torch.Tensor:
    """Images within epsilon that have a high loss, (batch, pixels)."""
    ### BEGIN SOLUTION
    # Both projections are one: the nearest point between two bounds.
    low = (images - epsilon).clamp(min=0)
    high = (images + epsilon).clamp(max=1)
    current = (images + epsilon * noise).clamp(low, high)
    for _ in range(steps):
        direction = input_gradient(current, labels, first, second).sign()
        current = (current + step_size * direction).clamp(low, high)
    return current
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "pgd-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
generator = torch.Generator().manual_seed(4)
pair = {
    # Lighter pixels speak for class 0, so an attack on it darkens them all.
    "first": torch.tensor([[1.0], [2.0], [0.5]]),
    "second": torch.tensor([[1.0, -1.0]]),
    "images": torch.tensor([[0.5, 0.6, 0.05], [0.3, 0.4, 0.7]]),
    "labels": torch.tensor([0, 0]),
    "noise": torch.zeros(2, 3),
    "step_size": 0.03,
}
before = pair["images"].clone()
found = pgd(**pair, epsilon=0.1, steps=10)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (2, 3), (
    f"the shape of the images, (2, 3), not {tuple(found.shape)}"
)
assert torch.equal(pair["images"], before), (
    "the images you were given have changed: work on a copy, and beware of "
    "operations that end in an underscore and of +="
)
assert found.min() >= 0, (
    f"a pixel has become {found.min():.3f}: project into the range from 0 to 1 "
    "as well"
)
change = (found - before).abs().max().item()
assert change <= 0.1 + 1e-6, (
    f"a pixel has moved by {change:.3f} although epsilon is 0.1: project "
    "around the original image, not around the last point"
)
assert torch.allclose(found, (before - 0.1).clamp(min=0)), (
    "ten steps of 0.03 take every pixel down by all of epsilon = 0.1, or to 0: "
    f"{(before - 0.1).clamp(min=0)}, not {found}. Each step goes up the loss, by "
    "step_size times the sign of the gradient"
)
found = pgd(**pair | {"noise": torch.full((2, 3), 0.5)}, epsilon=0.2, steps=1)
expected = (before + 0.1 - 0.03).clamp(0, 1)
assert torch.allclose(found, expected), (
    "noise of 0.5 at epsilon = 0.2 means a start 0.1 above each pixel; one "
    f"step of 0.03 down from there leads to\n{expected}, not\n{found}"
)
images = torch.rand(50, 3, generator=generator)
noise = 2 * torch.rand(50, 3, generator=generator) - 1
found = pgd(
    **pair
    | {
        "images": images,
        "labels": torch.zeros(50, dtype=torch.long),
        "noise": noise,
    },
    epsilon=0.0,
    steps=5,
)
assert torch.equal(found, images), (
    "at epsilon = 0 the images must come back exactly; yours differ by up to "
    f"{(found - images).abs().max():.2g}"
)

# %% [markdown]
# ## 5. Several tries, the strongest kept
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# PGD finds another image from another start, so it is run several times, and one success is enough. What counts is each image's
# **margin**, the logit of its class less the largest of the other logits: the model is right while it is above 0.
#
# $$m = z_y - \max_{k \neq y} z_k$$
#
# (The loss would not do: with logits (2, 2.1, 0, 0) for class 0 the model is wrong, with (2, 1.9, 1.9, 1.9) it is right and its
# loss is higher.)
#
# **Write `keep_strongest(candidates, logits, labels)`.** `candidates` holds what each restart found for each image, and `logits` what the
# model says to it. It returns a tuple of two tensors of floats:
#
# - the images kept, `(images, pixels)`: of each image's candidates the one with the lowest margin;
# - the accuracies, `(restarts,)`: entry $r$ is the share of images with a margin above 0 in **each** of the restarts up to and
#   including $r$. So it can only fall with every restart that is added.
#
# Example: two images and two restarts, with the margins (1, -1) in the first and (-2, 1) in the second: the accuracies are 0.5
# and 0. The first image is kept from the second restart, the second image from the first.


# %% nbgrader={"grade": false, "grade_id": "keep_strongest-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def keep_strongest(
    candidates: torch.Tensor,  # (restarts, images, pixels)
    logits: torch.Tensor,  # (restarts, images, classes)
    labels: torch.Tensor,  # (images,)
) -> tuple[torch.Tensor, torch.Tensor]:
    """The strongest candidates, and the accuracy after each restart."""
    ### BEGIN SOLUTION
    classes = torch.arange(logits.shape[2])
    is_label = classes == labels[:, None]  # (images, classes)
    own = logits.masked_fill(~is_label, -math.inf).amax(dim=2)
    others = logits.masked_fill(is_label, -math.inf).amax(dim=2)
    margins = own - others  # (restarts, images)
    kept = candidates[margins.argmin(dim=0), torch.arange(len(labels))]
    least = margins.cummin(dim=0).values  # after each restart
    return kept, (least > 0).double().mean(dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "keep_strongest-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
candidates = torch.tensor([[[0.1, 0.1], [0.2, 0.2]], [[0.3, 0.3], [0.4, 0.4]]])
logits = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]]])
found = keep_strongest(candidates, logits, torch.tensor([0, 1]))
assert type(found) is tuple and len(found) == 2, (
    "return a tuple of two: the images kept, the accuracies"
)
kept, accuracies = found
assert all(isinstance(part, torch.Tensor) for part in found), (
    "both are tensors; yours are of the types "
    f"{[type(part).__name__ for part in found]}"
)
assert kept.shape == (2, 2) and accuracies.shape == (2,), (
    "two images of two pixels and two restarts: the shapes are (2, 2) and "
    f"(2,), not {tuple(kept.shape)} and {tuple(accuracies.shape)}"
)
assert torch.equal(kept, torch.tensor([[0.3, 0.3], [0.2, 0.2]])), (
    "in the example in the text the first image is kept from the second "
    "restart, (0.3, 0.3), and the second from the first, (0.2, 0.2). Yours:\n"
    f"{kept}\nIs the choice made for each image?"
)
assert torch.allclose(accuracies.double(), torch.tensor([0.5, 0.0]).double()), (
    "in the example in the text half of the images survive the first restart "
    f"and none survives both: 0.5 and 0, not {accuracies.tolist()}. An image "
    "that was fooled once stays fooled"
)
logits = torch.tensor([[[3.0, -9.0, 2.0]], [[3.0, 2.5, 1.0]]])
kept, accuracies = keep_strongest(
    torch.tensor([[[0.1]], [[0.2]]]), logits, torch.tensor([0])
)
assert torch.allclose(kept, torch.tensor([[0.2]])), (
    "logits of (3, -9, 2) leave class 0 a margin of 1, logits of (3, 2.5, 1) "
    f"one of 0.5, so the second candidate, 0.2, is kept, not {kept.item():.1f}"
)
assert accuracies.tolist() == [1, 1], (
    "an image whose own logit is the largest in both restarts is right in "
    f"both: 1 and 1, not {accuracies.tolist()}"
)

# %% [markdown]
# ## 6. Safer than it should be
#
# *A silent bug to find: 3 points, 15 minutes, level 2.*
#
# Most networks for photographs want normalised inputs: of each channel's pixels its mean is subtracted, and the rest is divided by
# its standard deviation. Someone attacked such a network with the function below. It runs, every image stays a picture, and the
# network seems to withstand an $\epsilon$ about four times as large as a colleague says. The lines after the function print what
# the attack does to pixels.


# %%
def normalised_fgsm_as_found(
    images: torch.Tensor,  # (batch, channels, height, width), pixels
    labels: torch.Tensor,  # (batch,)
    mean: torch.Tensor,  # (channels,)
    std: torch.Tensor,  # (channels,)
    epsilon: float,  # in pixels, as everywhere
    first: torch.Tensor,  # (channels * height * width, hidden)
    second: torch.Tensor,  # (hidden, classes)
) -> torch.Tensor:
    """FGSM on a network for normalised inputs. Something is wrong here."""
    mean, std = mean[:, None, None], std[:, None, None]
    inputs = (images - mean) / std
    gradient = input_gradient(inputs.flatten(1), labels, first, second)
    attacked = inputs + epsilon * gradient.sign().view_as(inputs)
    return (attacked * std + mean).clamp(0, 1)


generator = torch.Generator().manual_seed(6)
images = torch.rand(8, 3, 4, 4, generator=generator)
attacked = normalised_fgsm_as_found(
    images,
    torch.zeros(8, dtype=torch.long),
    mean=torch.tensor([0.485, 0.456, 0.406]),
    std=torch.tensor([0.229, 0.224, 0.225]),
    epsilon=0.1,
    first=torch.randn(48, 10, generator=generator) / 7,
    second=torch.randn(10, 3, generator=generator),
)
change = (attacked - images).abs().amax(dim=(0, 2, 3))
for colour, most in zip(("red", "green", "blue"), change, strict=True):
    print(f"epsilon 0.1: pixels of {colour} changed by at most {most:.3f}")

# %% [markdown]
# **Write `normalised_fgsm`**: the same function, repaired. It takes and returns **pixels**, from 0 to 1; $\epsilon$ limits the change of
# a pixel; and the network is still given normalised inputs, since it was trained on these.


# %% nbgrader={"grade": false, "grade_id": "normalised_fgsm-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def normalised_fgsm(
    images: torch.Tensor,  # (batch, channels, height, width), pixels
    labels: torch.Tensor,  # (batch,)
    mean: torch.Tensor,  # (channels,)
    std: torch.Tensor,  # (channels,)
    epsilon: float,  # in pixels, as everywhere
    first: torch.Tensor,  # (channels * height * width, hidden)
    second: torch.Tensor,  # (hidden, classes)
) -> torch.Tensor:
    """Attacked pixels, (batch, channels, height, width)."""
    ### BEGIN SOLUTION
    inputs = (images - mean[:, None, None]) / std[:, None, None]
    gradient = input_gradient(inputs.flatten(1), labels, first, second)
    # A deviation is positive, so a pixel's gradient has the sign of its
    # normalised value's; the step itself is one in pixels.
    attacked = images + epsilon * gradient.sign().view_as(images)
    return attacked.clamp(0, 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "normalised_fgsm-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
photograph = {
    "images": torch.tensor([[[[0.5, 0.6]], [[0.4, 0.95]]]]),  # (1, 2, 1, 2)
    "mean": torch.tensor([0.5, 0.4]),
    "std": torch.tensor([0.25, 0.2]),
    # Red pixels speak for class 0, green ones against it.
    "first": torch.tensor([[1.0], [1.0], [-1.0], [-1.0]]),
    "second": torch.tensor([[1.0, -1.0]]),
    "labels": torch.tensor([0]),
}
found = normalised_fgsm(**photograph, epsilon=0.1)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (1, 2, 1, 2), (
    f"the shape of the images, (1, 2, 1, 2), not {tuple(found.shape)}"
)
assert found.min() >= 0 and found.max() <= 1, (
    "return pixels from 0 to 1, not normalised values; yours go from "
    f"{found.min():.2f} to {found.max():.2f}"
)
change = (found - photograph["images"]).flatten()
assert change[0] < 0 < change[2], (
    "to harm class 0, red must get darker and green lighter; yours change by "
    f"{change[0]:.2f} and {change[2]:.2f}"
)
assert torch.allclose(change[:3], torch.tensor([-0.1, -0.1, 0.1]), atol=1e-6), (
    "pixels change by epsilon = 0.1, in every channel alike. Yours change by "
    f"{change[0]:.3f}, {change[1]:.3f} (red, deviation 0.25) and "
    f"{change[2]:.3f} (green, deviation 0.2): in which unit is the step taken?"
)
assert math.isclose(found[0, 1, 0, 1], 1, rel_tol=1e-6), (
    f"a pixel of 0.95 stops at 1, not at {found[0, 1, 0, 1]:.3f}"
)
found = normalised_fgsm(**photograph, epsilon=0.0)
assert torch.allclose(found, photograph["images"], atol=1e-6), (
    "at epsilon = 0 the images come back; yours differ by up to "
    f"{(found - photograph['images']).abs().max():.3f}"
)

# %% [markdown]
# ## 7. A sticker that works from everywhere
#
# *A piece to write: 5 points, 25 minutes, level 3.*
#
# A sticker on a road sign must mislead the camera from wherever it looks and in any light. So the attacker minimises the **mean
# loss over many photographs** (expectation over transformations). With $s$ the sticker, $T_1, \ldots, T_n$ the ways to take
# the photograph and $J$ the cross-entropy of the class aimed at, `target`, this is
#
# $$L(s) = \frac{1}{n} \sum_{j=1}^{n} J\left(T_j(s)\right)$$
#
# A photograph is taken in two steps. First the sticker is put on: where `mask` is true the thing shows the sticker, elsewhere
# the sign. Then `photograph`, which is given, shifts the thing by whole pixels and dims it; what leaves the picture on one side
# enters on the other. Photograph $j$ has the shift `shifts[j]` and the light `lights[j]`; flattened, it goes to the `network`.
#
# **Write `expected_gradient`**, which returns $\partial L / \partial s$, a tensor of shape `(height, width)`. Outside the mask it is 0. Use autograd
# through `photograph`, or undo each photograph yourself.


# %%
def photograph(
    thing: torch.Tensor, shift: tuple[int, int], light: float
) -> torch.Tensor:
    """A picture of it: `shift` pixels down and right, dimmed by `light`."""
    return light * torch.roll(thing, shift, dims=(0, 1))


# %% [markdown]
# Example: shifted by (0, 1) a sign's pixel (0, 0) is seen at (0, 1). So its gradient is what the photograph's pixel (0, 1) has, times
# the light.


# %% nbgrader={"grade": false, "grade_id": "expected_gradient-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_gradient(
    sticker: torch.Tensor,  # (height, width)
    mask: torch.Tensor,  # (height, width): bools, true under the sticker
    sign: torch.Tensor,  # (height, width)
    target: int,  # the class aimed at
    shifts: list[tuple[int, int]],  # one for each photograph
    lights: list[float],  # one for each photograph
    first: torch.Tensor,  # (height * width, hidden)
    second: torch.Tensor,  # (hidden, classes)
) -> torch.Tensor:
    """The gradient of the mean loss over photographs, (height, width)."""
    ### BEGIN SOLUTION
    sticker = sticker.detach().requires_grad_()
    thing = torch.where(mask, sticker, sign)
    pictures = torch.stack(
        [
            photograph(thing, shift, light).flatten()
            for shift, light in zip(shifts, lights, strict=True)
        ]
    )  # (photographs, height * width)
    targets = torch.full((len(pictures),), target)
    loss = torch.nn.functional.cross_entropy(
        network(pictures, first, second), targets
    )
    return torch.autograd.grad(loss, sticker)[0]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "expected_gradient-tests", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# A black sign has equal logits, and each photograph the gradient -`weights`.
weights = torch.tensor([[1.0, 2.0, 4.0], [0.5, 3.0, -1.0]])
black = {
    "sticker": torch.zeros(2, 3),
    "mask": torch.ones(2, 3, dtype=torch.bool),
    "sign": torch.zeros(2, 3),
    "target": 0,
    "shifts": [(0, 0)],
    "lights": [1.0],
    "first": weights.reshape(6, 1),
    "second": torch.tensor([[1.0, -1.0]]),
}
found = expected_gradient(**black)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (2, 3), (
    f"the sticker's shape, (2, 3), not {tuple(found.shape)}"
)
assert torch.allclose(found, -weights), (
    "one photograph from the front, in full light, of a black sign: the "
    f"gradient is\n{-weights}, not\n{found}"
)
found = expected_gradient(**black | {"lights": [0.5]})
assert torch.allclose(found, -weights / 2), (
    "in half the light a sticker's pixel counts half, and so does its "
    f"gradient:\n{-weights / 2}, not\n{found}"
)
found = expected_gradient(**black | {"shifts": [(0, 1)]})
assert torch.allclose(found, -weights.roll(-1, dims=1)), (
    "shifted by (0, 1), pixel (0, 0) of the sticker is seen at (0, 1), where "
    f"the photograph's gradient is {-weights[0, 1]:.0f}; yours is "
    f"{found[0, 0]:.0f}. The gradient goes back the way the photograph came"
)
half = torch.tensor([[True, False, False], [False, True, True]])
found = expected_gradient(**black | {"mask": half})
assert torch.allclose(found, -weights * half), (
    "outside the mask nothing of the sticker is seen, so its gradient there is "
    f"0; yours is\n{found}"
)
found = expected_gradient(**black | {"mask": half, "shifts": [(1, 0)]})
assert torch.allclose(found, -weights.roll(-1, dims=0) * half), (
    "the sticker is put on before the photograph is taken, so mask and sticker "
    "are shifted together. Shifted by (1, 0) it has the gradient\n"
    f"{-weights.roll(-1, dims=0) * half}, not\n{found}"
)
shaded = {
    "sticker": torch.full((2, 3), 0.2).double(),
    "sign": torch.linspace(0, 1, 6).double().reshape(2, 3),
    "mask": half,
    "target": 0,
    "shifts": [(1, 1)],
    "lights": [0.5],
    "first": weights.reshape(6, 1).double(),
    "second": torch.tensor([[1.0, -1.0]]).double(),
}
seen = torch.where(half, shaded["sticker"], shaded["sign"])
seen = 0.5 * seen.roll((1, 1), dims=(0, 1))
seen = input_gradient(
    seen.reshape(1, 6), torch.tensor([0]), shaded["first"], shaded["second"]
).reshape(2, 3)
found = expected_gradient(**shaded)
expected = 0.5 * seen.roll((-1, -1), dims=(0, 1)) * half
assert torch.allclose(found, expected), (
    "a grey sticker on a shaded sign, shifted by (1, 1), in half the light: "
    f"the gradient is\n{expected}, not\n{found}\nDoes the camera shift and dim "
    "the sign together with the sticker?"
)
found = expected_gradient(
    **black | {"shifts": [(0, 0), (0, 1)], "lights": [1.0, 0.5]}
)
expected = -(weights + 0.5 * weights.roll(-1, dims=1)) / 2
assert torch.allclose(found, expected), (
    "two photographs: the gradient is the mean of their gradients,\n"
    f"{expected}, not\n{found}"
)

# %% [markdown]
# ## 8. A network that hides
#
# *A behaviour to reach: 7 points, 40 minutes, level 3.*
#
# A company says that its network is hard to fool: against the fast gradient sign method, and against PGD too, seven in ten of
# its images stay right. That is so. The network is the one at the top of this page, its weights are in the test below, and
# nothing about them is special but that `second` is large.
#
# **Write `fool(images, labels, first, second, epsilon, seed)`.** All images are right at first: each label is the network's own answer.
# Return changed images, a tensor of shape `(images, pixels)`, with every pixel at most $\epsilon$ from where it was and between 0 and 1
# (rounding errors up to $10^{-6}$ are forgiven). Any method is allowed; `seed` is for whatever you draw at random.
#
# **What to reach**: at most **5 in 100 images still right**. The test below tries one network. Others will be tried, with
# other numbers of pixels (300 to 600), hidden units and classes (3 to 6), another $\epsilon$ (0.03 to 0.05), and a `second` that
# may be a thousand times larger than in the test, or not large at all. Each of their images can be fooled, though many of
# them not by one step. Your function has 1.5 seconds on one core.
#
# A hint: count the entries of the gradient that are exactly 0, and print the probabilities that the network gives to the other
# classes. The sign of 0 is 0. What else, besides the cross-entropy, tells how near an image is to being wrong?


# %% nbgrader={"grade": false, "grade_id": "fool-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def fool(
    images: torch.Tensor,  # (images, pixels)
    labels: torch.Tensor,  # (images,)
    first: torch.Tensor,  # (pixels, hidden)
    second: torch.Tensor,  # (hidden, classes)
    epsilon: float,
    seed: int,
) -> torch.Tensor:
    """Images within epsilon that the network has wrong."""

    ### BEGIN SOLUTION
    def margins(pixels: torch.Tensor) -> torch.Tensor:
        # A difference of logits: no softmax, so nothing that saturates.
        logits = network(pixels, first, second)
        own = logits.gather(1, labels[:, None])[:, 0]
        others = logits.scatter(1, labels[:, None], -math.inf)
        return own - others.max(dim=1).values

    generator = torch.Generator().manual_seed(seed)
    low = (images - epsilon).clamp(min=0)
    high = (images + epsilon).clamp(max=1)
    strongest, least = images, margins(images)
    for _ in range(5):
        noise = torch.rand(images.shape, generator=generator)
        current = low + (high - low) * noise
        for _ in range(40):
            current.requires_grad_()
            (gradient,) = torch.autograd.grad(margins(current).sum(), current)
            step = epsilon / 4 * gradient.sign()
            current = (current.detach() - step).clamp(low, high)
        found = margins(current)
        better = found < least
        strongest = torch.where(better[:, None], current, strongest)
        least = torch.where(better, found, least)
    return strongest
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "fool-tests", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
generator = torch.Generator().manual_seed(0)
first = torch.randn(400, 24, generator=generator)
first -= first.mean(dim=0)
second = 100 * torch.randn(24, 4, generator=generator)
images = torch.rand(60, 400, generator=generator)
labels = network(images, first, second).argmax(dim=1)
before = images.clone()
found = fool(images, labels, first, second, epsilon=0.04, seed=0)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (60, 400), (
    f"60 images of 400 pixels: the shape is (60, 400), not {tuple(found.shape)}"
)
assert torch.equal(images, before), (
    "the images you were given have changed: work on a copy"
)
change = (found - before).abs().max().item()
assert change <= 0.04 + 1e-6, (
    f"a pixel has moved by {change:.3f}; epsilon is 0.04"
)
assert found.min() >= -1e-6 and found.max() <= 1 + 1e-6, (
    f"pixels lie between 0 and 1; yours go from {found.min():.3f} to "
    f"{found.max():.3f}"
)
answers = network(found.detach(), first, second)
right = (answers.argmax(dim=1) == labels).double().mean().item()
print(f"{right:.0%} of the images are still right")
assert right <= 0.05, (
    f"{right:.0%} of the images are still right, at most 5% are allowed. If "
    "most are, look at your gradient: a loss whose slope is 0 leads nowhere. "
    "If only some are, take more and smaller steps, or start from several "
    "points"
)
