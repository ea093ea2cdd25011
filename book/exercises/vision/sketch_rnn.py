# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: Sketch-RNN
#
# Eight exercises on the pieces that make Sketch-RNN draw: the pen format, the losses, the temperature, and
# the mixture of Gaussians that says where the pen goes next. Together they are worth 30 points and take
# about two and a half hours. They need NumPy and PyTorch and nothing else: no training data, no GPU.
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
# ## 1. How much the KL term weighs
#
# *A number to compute: 2 points, 5 minutes, level 1.*
#
# Sketch-RNN minimises $L_R + w_{KL}\,\eta_t \max(L_{KL}, KL_{min})$. Early in training the KL term hardly
# counts, so that the encoder can learn to say something useful; then it grows towards its full weight:
#
# $$\eta_t = 1 - (1 - \eta_{min})\,R^t$$
#
# Here $t$ is the number of training steps done. The paper sets $\eta_{min} = 0.01$ and $R = 0.99995$.
#
# **What is the weight of the KL term, $w_{KL}\,\eta_t$, at step 10,000 with $w_{KL} = 0.5$?** Write the function
# so that it answers for any step and any setting. It returns a Python `float`.
#
# Example: at step 0 with $w_{KL} = 0.5$ the weight is $0.5 \cdot 0.01 = 0.005$.


# %% nbgrader={"grade": false, "grade_id": "kl_weight-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_weight(
    step: int, weight: float = 0.5, eta_min: float = 0.01, rate: float = 0.99995
) -> float:
    """The weight of the KL term after `step` training steps."""
    ### BEGIN SOLUTION
    return weight * (1 - (1 - eta_min) * rate**step)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "kl_weight-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = kl_weight(10_000)
assert isinstance(found, float), f"return a float, not {found!r}"
assert math.isclose(kl_weight(0), 0.005), (
    "before the first step R**0 = 1, so only eta_min is left: 0.5 * 0.01 = "
    f"0.005, not {kl_weight(0):.4g}"
)
assert math.isclose(kl_weight(10_000_000), 0.5), (
    "after very many steps R**t is 0 and the weight is the full 0.5, not "
    f"{kl_weight(10_000_000):.4g}"
)
assert 0.005 < found < 0.5, (
    f"the weight grows from 0.005 to 0.5, so {found} cannot be right"
)
print(f"at step 10,000 the KL term weighs {found:.3f}")

# %% [markdown]
# ## 2. From strokes to the network's format
#
# *A piece to write: 3 points, 15 minutes, level 1.*
#
# A stored drawing is **stroke-3**: an array of shape (points, 3) whose rows are `(dx, dy, lift)`. The pen
# moves by `(dx, dy)`, and `lift` is 1 if the pen is lifted after this point, else 0.
#
# The network reads **stroke-5**: an array of shape (length, 5) whose rows are `(dx, dy, p1, p2, p3)`.
# Exactly one of the last three is 1: `p1` if the pen stays on the paper after this point, `p2` if it is
# lifted, `p3` if the drawing is over. All drawings of a batch have the same `length`, so **every** row
# after the last point is `(0, 0, 0, 0, 1)`. A drawing that has exactly `length` points has no such row.
#
# **Write `to_stroke5(stroke3, length)`.** It returns a NumPy array of floats of shape `(length, 5)`.
# You may assume that the drawing has at most `length` points. Do not add a start point.
#
# Example: `to_stroke5(np.array([[3, 4, 0], [1, 0, 1]]), 3)` is
#
# ```
# [[3, 4, 1, 0, 0],
#  [1, 0, 0, 1, 0],
#  [0, 0, 0, 0, 1]]
# ```


# %% nbgrader={"grade": false, "grade_id": "to_stroke5-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_stroke5(stroke3: np.ndarray, length: int) -> np.ndarray:
    """Rows (dx, dy, lift) -> `length` rows (dx, dy, p1, p2, p3)."""
    ### BEGIN SOLUTION
    points = len(stroke3)
    stroke5 = np.zeros((length, 5))
    stroke5[:points, :2] = stroke3[:, :2]
    stroke5[:points, 2] = 1 - stroke3[:, 2]
    stroke5[:points, 3] = stroke3[:, 2]
    stroke5[points:, 4] = 1
    return stroke5
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "to_stroke5-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = to_stroke5(np.array([[3.0, 4.0, 0.0], [1.0, 0.0, 1.0]]), 3)
assert isinstance(found, np.ndarray), (
    f"return a NumPy array, not {type(found).__name__}"
)
assert found.dtype.kind == "f", f"return floats; your array holds {found.dtype}"
assert found.shape == (3, 5), (
    f"2 points and length 3 give the shape (3, 5), not {found.shape}"
)
assert (found[:2, :2] == [[3, 4], [1, 0]]).all(), (
    "the first two rows keep dx and dy, [3 4] and [1 0], and no start point "
    "stands before them; "
    f"yours are\n{found[:2, :2]}"
)
assert (found[:, 2:].sum(axis=1) == 1).all(), (
    f"in every row exactly one of p1, p2, p3 is 1; yours are\n{found[:, 2:]}"
)
assert (found[0, 2:] == [1, 0, 0]).all(), (
    "the first point has lift 0: the pen stays down, which is p1, not "
    f"{found[0, 2:]}"
)
assert (found[1, 2:] == [0, 1, 0]).all(), (
    "the second point has lift 1: the pen is lifted, which is p2, not "
    f"{found[1, 2:]}"
)
assert (found[2] == [0, 0, 0, 0, 1]).all(), (
    f"after the last point the row is (0, 0, 0, 0, 1), not {found[2]}"
)

# %% [markdown]
# ## 3. And back
#
# *A piece to write: 2 points, 10 minutes, level 1.*
#
# What the network draws comes out as stroke-5. The drawing ends **before the first row whose `p3` is 1**;
# that row and whatever stands after it do not belong to the drawing. A network that has ended
# its drawing is not asked to be tidy, so rows after the end can hold anything. If no row has `p3 = 1`, the
# drawing fills all rows.
#
# **Write `to_stroke3(stroke5)`.** It returns a NumPy array of floats of shape `(points, 3)` with rows
# `(dx, dy, lift)`.


# %% nbgrader={"grade": false, "grade_id": "to_stroke3-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_stroke3(stroke5: np.ndarray) -> np.ndarray:
    """Rows (dx, dy, p1, p2, p3) -> rows (dx, dy, lift), up to the end."""
    ### BEGIN SOLUTION
    ends = np.flatnonzero(stroke5[:, 4] == 1)
    points = ends[0] if len(ends) else len(stroke5)
    return stroke5[:points, [0, 1, 3]]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "to_stroke3-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
padded = np.array(
    [[3.0, 4, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]
)
found = to_stroke3(padded)
assert isinstance(found, np.ndarray), (
    f"return a NumPy array, not {type(found).__name__}"
)
assert found.ndim == 2 and found.shape[1] == 3, (
    f"rows are (dx, dy, lift): expected the shape (2, 3), not {found.shape}"
)
assert len(found) == 2, (
    f"two points come before the first row with p3 = 1; you kept {len(found)}"
)
assert (found == [[3, 4, 0], [1, 0, 1]]).all(), (
    f"lift is p2; expected [3 4 0] and [1 0 1], not\n{found}"
)
assert len(to_stroke3(padded[:2])) == 2, (
    "no row here has p3 = 1, so both points belong to the drawing; you kept "
    f"{len(to_stroke3(padded[:2]))} "
    "(argmax of an array of zeros is 0)"
)

# %% [markdown]
# ## 4. The KL loss and its floor
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# For each drawing the encoder gives, for each of the $N_z$ latent dimensions, a mean $\mu$ and a log variance
# $\hat\sigma$. How far that Gaussian lies from the standard one is
#
# $$L_{KL} = -\frac{1}{2 N_z} \sum_{j=1}^{N_z} \left(1 + \hat\sigma_j - \mu_j^2 - e^{\hat\sigma_j}\right)$$
#
# averaged over the drawings of the batch. Sketch-RNN then optimises $\max(L_{KL}, KL_{min})$: once the loss
# of the **whole batch** has reached the floor, nothing is gained by pushing it lower.
#
# **Write `kl_loss(means, log_variances, floor)`.** Both tensors have the shape `(batch, latent)`. It returns
# a tensor of shape `()`, so that gradients flow through it.
#
# Example: one drawing, one dimension, mean 2, log variance 0: $-\tfrac12 (1 + 0 - 4 - 1) = 2$.


# %% nbgrader={"grade": false, "grade_id": "kl_loss-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_loss(
    means: torch.Tensor, log_variances: torch.Tensor, floor: float
) -> torch.Tensor:
    """max(L_KL, floor) of a batch: (batch, latent) twice -> ()."""
    ### BEGIN SOLUTION
    # (batch, latent)
    divergences = -0.5 * (1 + log_variances - means**2 - log_variances.exp())
    return divergences.mean().clamp(min=floor)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "kl_loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = kl_loss(torch.tensor([[2.0]]), torch.tensor([[0.0]]), floor=0.2)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (), (
    f"one number for the whole batch: the shape is (), not {tuple(found.shape)}"
)
assert math.isclose(found.item(), 2.0, rel_tol=1e-5), (
    f"the example in the text gives 2, not {found:.4f}: check the sign, and "
    "that the floor of 0.2 "
    "only replaces a loss that is lower"
)
found = kl_loss(torch.zeros(1, 1), torch.tensor([[math.log(4.0)]]), floor=0.0)
assert math.isclose(
    found.item(), 0.5 * (4 - 1 - math.log(4.0)), rel_tol=1e-5
), (
    "for mean 0 and variance 4 the loss is (4 - 1 - log 4) / 2 = 0.807, not "
    f"{found:.4f}: "
    "is what you exponentiate the log of the variance?"
)
found = kl_loss(torch.full((3, 5), 2.0), torch.zeros(3, 5), floor=0.2)
assert math.isclose(found.item(), 2.0, rel_tol=1e-5), (
    f"15 equal terms of 2 have the mean 2, not {found:.4f}: average over "
    "drawings and dimensions"
)
found = kl_loss(torch.zeros(3, 5), torch.zeros(3, 5), floor=0.2)
assert isinstance(found, torch.Tensor), (
    "at the floor, too, return a tensor: Python's max gives back the float, "
    "clamp(min=...) does not"
)
assert math.isclose(found.item(), 0.2, rel_tol=1e-5), (
    "a standard Gaussian has KL 0, so the floor of 0.2 holds; you returned "
    f"{found:.4f}"
)

# %% [markdown]
# ## 5. How likely is the next pen move?
#
# *A piece to write: 5 points, 25 minutes, level 3.*
#
# The decoder says where the pen goes next as a mixture of $M$ bivariate Gaussians. With
# $z_x = (\Delta x - \mu_x)/\sigma_x$ and $z_y = (\Delta y - \mu_y)/\sigma_y$, one component has the density
#
# $$\mathcal N = \frac{1}{2\pi\,\sigma_x\sigma_y\sqrt{1-\rho^2}}
# \exp\!\left(-\frac{z_x^2 + z_y^2 - 2\rho\,z_x z_y}{2(1-\rho^2)}\right)$$
#
# and the mixture has $p(\Delta x, \Delta y) = \sum_{m=1}^{M} \Pi_m \mathcal N_m$ with
# $\Pi = \mathrm{softmax}(\text{logits})$.
#
# **Write `mixture_log_likelihood`**, which returns $\log p$ for each offset of a batch: a tensor of shape
# `(batch,)`. It must stay finite for an offset a hundred deviations away from every mean, where the
# density itself is too small for a float. That is no rare case: an untrained network meets it at its first step.
#
# Example: one component with mean (0, 0), deviations (1, 1) and correlation 0 gives at (0, 0)
# $-\log 2\pi = -1.8379$.


# %% nbgrader={"grade": false, "grade_id": "mixture_log_likelihood-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mixture_log_likelihood(
    logits: torch.Tensor,  # (batch, M)
    means: torch.Tensor,  # (batch, M, 2)
    deviations: torch.Tensor,  # (batch, M, 2), above 0
    correlations: torch.Tensor,  # (batch, M), between -1 and 1
    offsets: torch.Tensor,  # (batch, 2)
) -> torch.Tensor:
    """The log density of each offset under its mixture, shape (batch,)."""
    ### BEGIN SOLUTION
    z = (offsets[:, None] - means) / deviations  # (batch, M, 2)
    z_x, z_y = z.unbind(dim=2)
    uncorrelated = 1 - correlations**2
    exponent = -(z_x**2 + z_y**2 - 2 * correlations * z_x * z_y) / (
        2 * uncorrelated
    )
    log_scale = (
        math.log(2 * math.pi)
        + deviations.log().sum(dim=2)
        + 0.5 * uncorrelated.log()
    )
    return torch.logsumexp(
        logits.log_softmax(dim=1) + exponent - log_scale, dim=1
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mixture_log_likelihood-tests", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
one = {
    "logits": torch.zeros(1, 1),
    "means": torch.zeros(1, 1, 2),
    "deviations": torch.ones(1, 1, 2),
    "correlations": torch.zeros(1, 1),
    "offsets": torch.zeros(1, 2),
}
found = mixture_log_likelihood(**one)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (1,), (
    f"one number for each offset: the shape is (1,), not {tuple(found.shape)}"
)
assert math.isclose(found.item(), -math.log(2 * math.pi), rel_tol=1e-5), (
    f"the example in the text gives -1.8379, not {found.item():.4f}"
)
found = mixture_log_likelihood(
    **one | {"deviations": torch.tensor([[[2.0, 3.0]]])}
)
assert math.isclose(found.item(), -math.log(2 * math.pi * 6), rel_tol=1e-5), (
    "deviations 2 and 3 divide the density at the mean by 6: -log(12 pi) = "
    f"-3.6297, not {found.item():.4f}"
)
found = mixture_log_likelihood(**one | {"correlations": torch.tensor([[0.8]])})
assert math.isclose(found.item(), -math.log(2 * math.pi * 0.6), rel_tol=1e-5), (
    "a correlation of 0.8 divides the density at the mean by sqrt(1 - 0.64) = "
    "0.6: "
    f"-log(1.2 pi) = -1.3271, not {found.item():.4f}"
)
found = mixture_log_likelihood(
    **one | {"offsets": torch.tensor([[100.0, 0.0]])}
)
assert math.isclose(
    found.item(), -5000 - math.log(2 * math.pi), rel_tol=1e-5
), (
    "100 deviations away the log density is -5,001.84, not "
    f"{found.item():.2f}: exp(-5000) is 0 in a "
    "float, so add the logarithms first and sum over components with "
    "torch.logsumexp"
)
found = mixture_log_likelihood(
    logits=torch.zeros(3, 2),
    means=torch.tensor([[[0.0, 0.0], [10.0, 0.0]]]).repeat(3, 1, 1),
    deviations=torch.ones(3, 2, 2),
    correlations=torch.zeros(3, 2),
    offsets=torch.zeros(3, 2),
)
assert found.shape == (3,), (
    "three offsets, two components: the shape is (3,), not "
    f"{tuple(found.shape)}"
)
assert math.isclose(found[0].item(), -math.log(4 * math.pi), rel_tol=1e-5), (
    "one component here, an equal one 10 deviations away: the density is half "
    "of one component's, "
    f"so log p = -log(4 pi) = -2.5310, not {found[0].item():.4f}. Do the "
    "weights add up to 1? Are "
    "densities summed, not their logarithms?"
)

# %% [markdown]
# ## 6. Too timid when cool
#
# *A silent bug to find: 3 points, 15 minutes, level 2.*
#
# When Sketch-RNN draws, a temperature $\tau$ sets how daring it is. The paper divides the logits of the
# mixture and of the pen by $\tau$ and multiplies the **variances** by $\tau$; means and correlations stay as
# they are. Someone wrote the function below. It runs, and at $\tau = 1$ its drawings are perfect. At lower
# temperatures they are more timid than the paper's: run the cell and compare the spreads.


# %%
def heated_as_found(
    mixture_logits: torch.Tensor,  # (batch, M)
    deviations: torch.Tensor,  # (batch, M, 2)
    pen_logits: torch.Tensor,  # (batch, 3)
    temperature: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The three at the given temperature. Something is wrong here."""
    return (
        mixture_logits / temperature,
        deviations * temperature,
        pen_logits / temperature,
    )


noise = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
for temperature, wanted in ((1.0, 1.0), (0.49, 0.7), (0.25, 0.5), (0.09, 0.3)):
    deviation = heated_as_found(
        torch.zeros(1, 1), torch.ones(1, 1, 2), torch.zeros(1, 3), temperature
    )[1]
    spread = (noise * deviation[0, 0, 0]).std()
    print(
        f"temperature {temperature:4}: spread of the pen moves {spread:.2f}, "
        f"the paper's {wanted:.2f}"
    )

# %% [markdown]
# **Write `heated`**: the same function, repaired. It returns the same tuple of three tensors: mixture logits,
# deviations, pen logits.


# %% nbgrader={"grade": false, "grade_id": "heated-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def heated(
    mixture_logits: torch.Tensor,  # (batch, M)
    deviations: torch.Tensor,  # (batch, M, 2)
    pen_logits: torch.Tensor,  # (batch, 3)
    temperature: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The three at the given temperature, as the paper does it."""
    ### BEGIN SOLUTION
    # A variance is a squared deviation: tau times the one is sqrt(tau)
    # times the other.
    return (
        mixture_logits / temperature,
        deviations * temperature**0.5,
        pen_logits / temperature,
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "heated-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = heated(
    torch.tensor([[1.0, 3.0]]),
    torch.ones(1, 2, 2),
    torch.tensor([[1.0, 2.0, 4.0]]),
    1.0,
)
assert type(found) is tuple and len(found) == 3, (
    "return a tuple of three: mixture logits, deviations, pen logits"
)
assert torch.equal(found[1], torch.ones(1, 2, 2)), (
    "at temperature 1 nothing changes"
)
logits, deviations, _ = heated(
    torch.tensor([[1.0, 3.0]]), torch.ones(1, 2, 2), torch.zeros(1, 3), 0.25
)
assert torch.allclose(logits, torch.tensor([[4.0, 12.0]])), (
    "logits are divided by the temperature: 1 and 3 become 4 and 12, not "
    f"{logits.tolist()}"
)
variance = deviations[0, 0, 0].item() ** 2
assert math.isclose(variance, 0.25, rel_tol=1e-5), (
    "at temperature 0.25 a variance of 1 becomes 0.25; from your deviation it "
    f"is {variance:.4f}"
)

# %% [markdown]
# ## 7. The drawing that never ends
#
# *A silent bug to find: 4 points, 20 minutes, level 2.*
#
# The reconstruction loss has two parts. With $N_s$ the number of points of a drawing and $N_{max}$ the number
# of rows it is padded to,
#
# $$L_s = -\frac{1}{N_{max}} \sum_{i=1}^{N_s} \log p(\Delta x_i, \Delta y_i) \qquad
# L_p = -\frac{1}{N_{max}} \sum_{i=1}^{N_{max}} \sum_{k=1}^{3} p_{k,i} \log q_{k,i}$$
#
# where $q$ is the softmax of the pen logits. $L_R = L_s + L_p$, averaged over the batch. Note where
# each sum stops.
#
# The function in the cell under these lines is a loss someone trained with. It fell smoothly, and lower
# than expected. The strokes look right, but **no drawing ever ends**: each runs on to the last row. The lines
# after the function print the gradient that the loss sends to the pen logits of the rows after the end.
# Remember what a training step does with a logit whose gradient is 0.


# %%
def reconstruction_loss_as_found(
    log_likelihoods: torch.Tensor,  # (batch, length): log p of targets
    pen_logits: torch.Tensor,  # (batch, length, 3)
    targets: torch.Tensor,  # (batch, length, 5): stroke-5
) -> torch.Tensor:
    """L_R of the batch, shape (). Something is wrong here."""
    length = targets.shape[1]
    in_drawing = 1 - targets[:, :, 4]  # (batch, length)
    pen_log_likelihoods = (
        targets[:, :, 2:] * pen_logits.log_softmax(dim=2)
    ).sum(dim=2)  # (batch, length)
    total = (in_drawing * (log_likelihoods + pen_log_likelihoods)).sum(
        dim=1
    ) / length  # (batch,)
    return -total.mean()


targets = torch.tensor(
    [[[1.0, 0, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]]
)
pen_logits = torch.zeros(1, 4, 3, requires_grad=True)
reconstruction_loss_as_found(torch.zeros(1, 4), pen_logits, targets).backward()
for row, gradient in enumerate(pen_logits.grad[0].tolist()):
    print(
        f"row {row}: gradient of (p1, p2, p3) =",
        [round(g, 3) for g in gradient],
    )

# %% [markdown]
# **Write `reconstruction_loss`**: the same function, repaired. It returns a tensor of shape `()`.


# %% nbgrader={"grade": false, "grade_id": "reconstruction_loss-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reconstruction_loss(
    log_likelihoods: torch.Tensor,  # (batch, length): log p of targets
    pen_logits: torch.Tensor,  # (batch, length, 3)
    targets: torch.Tensor,  # (batch, length, 5): stroke-5
) -> torch.Tensor:
    """L_R = L_s + L_p of the batch, shape ()."""
    ### BEGIN SOLUTION
    length = targets.shape[1]
    in_drawing = 1 - targets[:, :, 4]  # (batch, length)
    pen_log_likelihoods = (
        targets[:, :, 2:] * pen_logits.log_softmax(dim=2)
    ).sum(dim=2)  # (batch, length)
    # Only the offsets stop at the end; the pen is taught on every row, the
    # end rows most of all.
    total = (in_drawing * log_likelihoods + pen_log_likelihoods).sum(
        dim=1
    ) / length  # (batch,)
    return -total.mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reconstruction_loss-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
targets = torch.tensor([[[1.0, 0, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 1]]])
found = reconstruction_loss(torch.zeros(1, 3), torch.zeros(1, 3, 3), targets)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (), (
    f"one number for the whole batch: the shape is (), not {tuple(found.shape)}"
)
assert math.isclose(found.item(), math.log(3), rel_tol=1e-5), (
    "with equal pen logits each of the 3 rows costs log 3, the end row like "
    "the others, so "
    f"L_p = (3 log 3) / 3 = 1.0986, not {found.item():.4f}. Which of the two "
    "sums runs over all rows?"
)
found = reconstruction_loss(
    torch.tensor([[-2.0, -4.0, 0.0]]), torch.zeros(1, 3, 3), targets
)
assert math.isclose(found.item(), 2 + math.log(3), rel_tol=1e-5), (
    "log likelihoods of -2 and -4 give L_s = (2 + 4) / 3 = 2, so L_R = 2 + log "
    "3 = 3.0986, "
    f"not {found.item():.4f}"
)
found = reconstruction_loss(
    torch.zeros(2, 3), torch.zeros(2, 3, 3), targets.repeat(2, 1, 1)
)
assert math.isclose(found.item(), math.log(3), rel_tol=1e-5), (
    "a batch of two equal drawings has the loss of one, 1.0986, not "
    f"{found.item():.4f}: average over it"
)

# %% [markdown]
# ## 8. Fit the mixture
#
# *A behaviour to reach: 8 points, 45 minutes, level 3.*
#
# In Sketch-RNN a network computes the mixture's parameters afresh at every point. Take the network away, and what
# is left is one mixture, fitted to a cloud of pen moves. Fitting it well has the same traps.
#
# **Write `fit_mixture(offsets, components, seed)`.** `offsets` is a tensor of shape `(points, 2)`. Return a
# tuple of four tensors of floats: logits `(components,)`, means `(components, 2)`, deviations
# `(components, 2)`, all above 0, and correlations `(components,)`, all strictly between -1 and 1. Any method is
# allowed; `seed` is for whatever you draw at random.
#
# **What to reach**: the cloud was drawn from a mixture that you do not know. On points you have not seen, your
# density may cost at most **0.10 nats a point more** than the true one. The test below does this once. Others
# will be tried: another number of points (600 or more), other clusters (always fewer than `components`), another
# unit of length, so that a cloud may be hundredths of a unit or hundreds of units wide. Your function has 1.5
# seconds on one core.
#
# `log_density` below is given: you may train with it, since gradients flow through it.


# %%
def log_density(
    logits: torch.Tensor,  # (M,)
    means: torch.Tensor,  # (M, 2)
    deviations: torch.Tensor,  # (M, 2)
    correlations: torch.Tensor,  # (M,)
    offsets: torch.Tensor,  # (points, 2)
) -> torch.Tensor:
    """The mixture's log density at each point, shape (points,)."""
    rest = (1 - correlations**2).sqrt()
    slant = torch.stack([correlations, rest], dim=1)  # (M, 2)
    nothing = torch.zeros_like(correlations)
    first_row = torch.stack([deviations[:, 0], nothing], dim=1)  # (M, 2)
    second_row = deviations[:, 1:] * slant  # (M, 2)
    triangle = torch.stack([first_row, second_row], dim=1)  # (M, 2, 2)
    components = torch.distributions.MultivariateNormal(
        means, scale_tril=triangle, validate_args=False
    )
    weights = torch.distributions.Categorical(
        logits=logits, validate_args=False
    )
    mixture = torch.distributions.MixtureSameFamily(
        weights, components, validate_args=False
    )
    return mixture.log_prob(offsets)


# %% [markdown]
# A hint: print the mean of `log_density` as you train. If it stands still, look at where the components
# are and how wide they are compared with the cloud. If it is `nan`, look at the deviations and the correlations.


# %% nbgrader={"grade": false, "grade_id": "fit_mixture-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def fit_mixture(
    offsets: torch.Tensor, components: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, means, deviations, correlations fitted to (points, 2)."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    centre, unit = offsets.mean(dim=0), offsets.std(dim=0)
    # In units of its own spread, so that one learning rate suits every cloud.
    cloud = (offsets - centre) / unit

    # Start far apart: each point is drawn with a chance that grows with its
    # distance from those drawn before.
    starts = [int(torch.randint(len(cloud), (1,), generator=generator))]
    while len(starts) < components:
        distances = torch.cdist(cloud, cloud[starts]).amin(dim=1)  # (points,)
        chosen = torch.multinomial(distances**2, 1, generator=generator)
        starts.append(int(chosen))

    means = cloud[starts].clone().requires_grad_()
    logits = torch.zeros_like(means[:, 0]).requires_grad_()
    log_deviations = torch.full_like(means, -0.5).requires_grad_()
    slants = torch.zeros_like(logits).requires_grad_()
    optimizer = torch.optim.Adam(
        [means, logits, log_deviations, slants], lr=0.1
    )
    for _ in range(100):
        correlations = 0.99 * slants.tanh()
        loss = -log_density(
            logits, means, log_deviations.exp(), correlations, cloud
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    deviations = log_deviations.exp() * unit
    fitted = (logits, means * unit + centre, deviations, 0.99 * slants.tanh())
    return tuple(parameter.detach() for parameter in fitted)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "fit_mixture-tests", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
generator = torch.Generator().manual_seed(8)
truth = {
    "logits": torch.tensor([0.4, 0.3, 0.3]).log(),
    "means": torch.tensor([[-2.0, 0.0], [1.0, 2.0], [2.0, -2.0]]),
    "deviations": torch.tensor([[1.0, 0.4], [0.5, 0.5], [0.4, 0.8]]),
    "correlations": torch.tensor([0.7, -0.8, 0.5]),
}
chosen = torch.multinomial(
    truth["logits"].exp(), 2800, replacement=True, generator=generator
)
x, y = torch.randn(2, 2800, generator=generator)
slant = truth["correlations"][chosen]
cloud = torch.stack([x, slant * x + (1 - slant**2).sqrt() * y], dim=1)
cloud = truth["means"][chosen] + truth["deviations"][chosen] * cloud

found = fit_mixture(cloud[:800], components=6, seed=0)
assert type(found) is tuple and len(found) == 4, (
    "return a tuple of four: logits, means, deviations, correlations"
)
shapes = [tuple(parameter.shape) for parameter in found]
assert shapes == [(6,), (6, 2), (6, 2), (6,)], (
    f"for 6 components the shapes are (6,), (6, 2), (6, 2), (6,), not {shapes}"
)
assert all(parameter.isfinite().all() for parameter in found), (
    "there is a nan or an infinity among the parameters: a deviation has "
    "probably shrunk to 0"
)
assert (found[2] > 0).all(), (
    "deviations are above 0: train their logarithms, for instance"
)
assert (found[3].abs() < 1).all(), (
    "correlations lie strictly between -1 and 1: train their atanh, for "
    "instance"
)
found = [parameter.detach() for parameter in found]
here = (
    log_density(**truth, offsets=cloud[:800]).mean()
    - log_density(*found, cloud[:800]).mean()
).item()
unseen = (
    log_density(**truth, offsets=cloud[800:]).mean()
    - log_density(*found, cloud[800:]).mean()
).item()
print(
    f"nats a point more than the true density: {here:.3f} on the cloud, "
    f"{unseen:.3f} on unseen points"
)
assert unseen <= 0.10, (
    f"unseen points cost {unseen:.2f} nats more than the true density, at most "
    "0.10 are allowed. "
    + (
        "On the cloud itself you are close: the components cling to single "
        "points."
        if here <= 0.05
        else "The cloud itself is not fitted yet: train longer, or start the "
        "components apart."
    )
)
