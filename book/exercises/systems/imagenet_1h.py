# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: ImageNet in one hour
#
# Eight exercises on training with very large batches on many workers: the learning rate and its schedule, mistakes
# that the paper warns of and that nobody notices, what it costs to add up gradients over a network, and a run that
# only a warm-up saves. Together they are worth 28 points and take a little under two and a half hours. They need
# NumPy and PyTorch and nothing else: no images to download, no GPU, no second process.
#
# Work from top to bottom. For each exercise, replace `raise NotImplementedError()` by your code, run
# the cell, then run the tests below it. When a test fails, read its message: it says what to look at. The
# tests you see are examples; a teacher checks your function on other inputs as well, so follow the
# statement where the tests are silent. No exercise needs your answer to another.
#
# The words are the same in all exercises. There are $k$ **workers**. In each step every worker takes its **share** of
# the batch, $n$ images if nothing else is said, so that the whole batch has $kn$. Each computes a gradient on its
# share, the gradients are put together, and all workers make the same step with the **rate** $\eta$.

# %%
import math

import numpy as np
import torch

# %% [markdown]
# ## 1. An hour, on paper
#
# *A number to compute: 2 points, 10 minutes, level 1.*
#
# The paper's reference recipe trains with the rate 0.1 on batches of 256 images. Its **linear scaling rule** says
# what to do with others: a batch $c$ times as large gets a rate $c$ times as large.
#
# An **epoch** takes every image once. If the batch does not divide the number of images, the last batch of each epoch is a
# partial one, with the images that are left over. It counts as a step like any other, however small it is. Batches
# never reach from one epoch into the next, since each epoch has an order of its own.
#
# **ImageNet has 1,281,167 training images. With 256 workers and 32 images each, what is the rate, how many batches
# fit into an epoch (not rounded), and how many steps do 90 epochs take?** Write the function so that it answers for
# any such plan. It returns a tuple: the rate and the batches per epoch as Python floats, the number of steps as an
# `int`.
#
# Example: 1,000 images on 4 workers with 64 images each are 3.90625 batches per epoch at the rate 0.1. An epoch takes
# 4 steps, the last of them with 232 images, so two epochs take 8.


# %% nbgrader={"grade": false, "grade_id": "training_plan-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_plan(
    images: int, share: int, workers: int, epochs: int
) -> tuple[float, float, int]:
    """The rate, the batches per epoch, and the steps of the whole training."""
    ### BEGIN SOLUTION
    batch = share * workers
    rate = 0.1 * batch / 256
    # Rounded up in each epoch, not once at the end.
    return rate, images / batch, epochs * math.ceil(images / batch)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "training_plan-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = training_plan(1000, 64, 4, 2)
assert type(found) is tuple and len(found) == 3, (
    "return a tuple of three: rate, batches per epoch, steps"
)
assert [type(part) for part in found] == [float, float, int], (
    "the rate and the batches per epoch are floats, not rounded; the number of "
    f"steps is an int. You returned {found!r}"
)
rate, batches, steps = found
assert math.isclose(rate, 0.1), (
    f"4 workers with 64 images make the reference batch of 256: 0.1, not {rate}"
)
assert math.isclose(batches, 3.90625), (
    f"1,000 images in batches of 256 are 3.90625 batches, not {batches}"
)
assert steps == 8, (
    f"three full batches and a partial one, twice: 8 steps, not {steps}"
)
steps = training_plan(1000, 64, 4, 50)[2]
assert steps == 200, (
    "50 epochs of four steps are 200 steps, not "
    f"{steps}: each epoch ends with a partial batch of its own"
)
rate, batches, steps = training_plan(1_281_167, 32, 256, 90)
print(f"rate {rate:.1f}, {batches:.1f} batches per epoch, {steps:,} steps")
assert math.isclose(rate, 3.2), (
    "8,192 images are 32 times the reference batch, so the rate is 3.2, not "
    f"{rate}: the rule asks for the whole batch, not for one worker's share"
)
assert math.isclose(batches, 1_281_167 / 8192), (
    f"1,281,167 / 8,192 is 156.4; you say {batches}"
)
assert steps == 14_130, (
    f"90 epochs of 157 steps are 14,130 steps, not {steps:,}"
)

# %% [markdown]
# ## 2. The rate at any moment
#
# *A piece to write: 3 points, 15 minutes, level 1.*
#
# A rate that is right in the middle of training can be too large at its beginning, when weights change fast. The
# paper's **gradual warm-up** starts at the reference rate, 0.1, and grows by the same amount in every step, until at
# the end of the warm-up it reaches the rate that the linear rule gives, $0.1 \cdot kn / 256$. From then on the rate
# stays, but at certain epochs it drops to a tenth of what it was.
#
# **Write `learning_rate_at(epoch, batch, warmup, drops)`**, which returns a Python `float`. `epoch` is the time since
# the start of training, in epochs; it need not be whole. `warmup` is the length of the warm-up in epochs; 0 means
# that there is none. `drops` lists the epochs at which the rate drops; from that moment on, the moment itself
# included, the lower rate holds. No drop comes before the end of the warm-up, and no batch is smaller than 256.
#
# Example: the paper's schedule for a batch of 8,192 has a warm-up of 5 epochs and the drops 30, 60 and 80. It starts
# at 0.1, is at 1.65 after 2.5 epochs, at 3.2 after 5 and at 0.32 after 40.


# %% nbgrader={"grade": false, "grade_id": "learning_rate_at-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def learning_rate_at(
    epoch: float, batch: int, warmup: float, drops: list[float]
) -> float:
    """The rate `epoch` epochs after the start of training."""
    ### BEGIN SOLUTION
    start, target = 0.1, 0.1 * batch / 256
    if epoch < warmup:
        return start + (target - start) * epoch / warmup
    return target / 10 ** sum(epoch >= drop for drop in drops)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "learning_rate_at-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
paper = {"batch": 8192, "warmup": 5.0, "drops": [30.0, 60.0, 80.0]}
found = learning_rate_at(10.0, **paper)
assert type(found) is float, f"return a float, not {found!r}"
assert math.isclose(found, 3.2), (
    f"between the warm-up and the first drop the linear rule gives 3.2, not {found}"
)
found = learning_rate_at(0.0, **paper)
assert math.isclose(found, 0.1), (
    f"the warm-up starts at the reference rate, 0.1, not at {found}"
)
found = learning_rate_at(2.5, **paper)
assert math.isclose(found, 1.65), (
    "half-way through the warm-up the rate lies half-way between 0.1 and 3.2, "
    f"at 1.65, not at {found:.4g}"
)
found = learning_rate_at(2.6, **paper)
assert math.isclose(found, 1.712), (
    "after 2.6 epochs the rate has grown to 1.712, not "
    f"{found:.4g}: it grows in every step, not once in an epoch"
)
found = learning_rate_at(5.0, **paper)
assert math.isclose(found, 3.2), (
    f"at the end of the warm-up the rate reaches 3.2, not {found:.4g}"
)
for epoch, expected in (
    (29.99, 3.2),
    (30.01, 0.32),
    (70.0, 0.032),
    (89.9, 0.0032),
):
    found = learning_rate_at(epoch, **paper)
    assert math.isclose(found, expected), (
        f"after {epoch} epochs the rate is {expected}, not {found:.4g}: each "
        "drop that has passed divides it by 10"
    )
found = learning_rate_at(11.0, batch=1024, warmup=2.0, drops=[10.0, 20.0])
assert math.isclose(found, 0.04), (
    "a batch of 1,024 has the rate 0.4, and 0.04 after a drop at epoch 10; you "
    f"say {found:.4g} at epoch 11. Are the drops those you were given?"
)
# No warm-up: nothing can be divided by its length.
found = learning_rate_at(0.0, **paper | {"warmup": 0.0})
assert math.isclose(found, 3.2), (
    f"without a warm-up the rate is 3.2 from the start, not {found:.4g}"
)

# %% [markdown]
# ## 3. Momentum that remembers an old rate
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# Stochastic gradient descent with the momentum $m$ is written in two ways. With $g_t$ the gradient of step $t$ and
# $\eta_t$ its rate, PyTorch keeps the rate out of what it accumulates:
#
# $$u_t = m\,u_{t-1} + g_t$$
#
# $$w_t = w_{t-1} - \eta_t\,u_t$$
#
# Others, and many formulas in papers, accumulate whole steps:
#
# $$v_t = m\,v_{t-1} + \eta_t\,g_t$$
#
# $$w_t = w_{t-1} - v_t$$
#
# While the rate stays the same the two agree, with $v_t = \eta_t u_t$. When it changes they do not: $v_{t-1}$ was
# accumulated with old rates, and the second form keeps them. In a warm-up its momentum lags behind; after a drop it
# is ten times too large. The paper's second remark is to correct the momentum: multiply $v_{t-1}$ by a factor, so
# that the two forms agree again whatever the rate does.
#
# **Write `corrected_momentum`**: the second form, corrected. It returns a tuple of two arrays of shape `(steps,
# weights)`: row $t$ holds $w_t$ and $v_t$, after the step. At the start $v$ is 0. A rate may be 0, when a warm-up
# starts from nothing: that step moves no weight and leaves $v_t = 0$, but as in PyTorch its gradient still counts in
# the steps after it.
#
# Example: $m = 0.5$, a gradient of 1 in two steps, and the rates 1 and 0.1. PyTorch has $u = 1$, then $1.5$, and
# moves the weight by $-1$, then by $-0.15$. Without a correction the second step would be $-0.6$.


# %% nbgrader={"grade": false, "grade_id": "corrected_momentum-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def corrected_momentum(
    weights: np.ndarray,  # (weights,): before the first step
    gradients: np.ndarray,  # (steps, weights)
    rates: np.ndarray,  # (steps,): none is negative
    momentum: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and velocities after each step, both (steps, weights)."""
    ### BEGIN SOLUTION
    path, velocities = np.zeros_like(gradients), np.zeros_like(gradients)
    # v / rate, kept apart: v forgets its past when the rate is 0. So the
    # factor rate / (last rate) comes in without a division.
    accumulated = np.zeros_like(weights)
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
        accumulated = momentum * accumulated + gradient
        velocities[step] = rate * accumulated
        weights = weights - velocities[step]
        path[step] = weights
    return path, velocities
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "corrected_momentum-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
one = {"weights": np.array([0.0]), "momentum": 0.5}
found = corrected_momentum(
    **one, gradients=np.array([[1.0], [1.0]]), rates=np.array([1.0, 0.1])
)
assert type(found) is tuple and len(found) == 2, (
    "return a tuple of two: weights, velocities"
)
path, velocities = found
assert path.shape == velocities.shape == (2, 1), (
    "two steps of one weight: both have the shape (2, 1), not "
    f"{path.shape} and {velocities.shape}"
)
assert math.isclose(path[0, 0], -1.0), (
    f"the first step of the example goes from 0 to -1, not to {path[0, 0]:.4g}"
)
assert not math.isclose(path[1, 0], -1.6), (
    "the second step of the example is -0.6: its velocity still holds the old "
    "rate, 1, although the rate is now 0.1"
)
assert math.isclose(path[1, 0], -1.15), (
    "the second step of the example is -0.15 and ends at -1.15; yours ends at "
    f"{path[1, 0]:.4g}. The old velocity is 1. It would be 0.1 if the rate had "
    "been 0.1 from the start, and only the old part needs a factor"
)
assert np.allclose(velocities, [[1.0], [0.15]]), (
    "the velocities of the example are what is taken from the weight, 1 and "
    f"0.15; yours are {velocities.ravel()}"
)
rng = np.random.default_rng(3)
start, gradients = rng.normal(size=4), rng.normal(size=(12, 4))
rates = np.concatenate([np.linspace(0.1, 3.2, 6), [3.2] * 3, [0.32] * 3])
weight, accumulated, expected = start, np.zeros(4), []
for gradient, rate in zip(gradients, rates, strict=True):
    # The first form, as torch.optim.SGD has it.
    accumulated = 0.9 * accumulated + gradient
    weight = weight - rate * accumulated
    expected.append(weight)
before = start.copy()
path, velocities = corrected_momentum(start, gradients, rates, 0.9)
assert np.array_equal(start, before), (
    "the weights you were given have changed: work on a copy, and beware of -="
)
wrong = [
    step
    for step in range(12)
    if not np.allclose(path[step], expected[step], atol=1e-6)
]
assert not wrong, (
    "through a warm-up of six steps and a drop before the tenth you must stay "
    f"on PyTorch's path; you leave it in step {wrong[0] + 1}"
)

# %% [markdown]
# ## 4. Unequal shares
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# Workers agree on a gradient by adding theirs up, and the paper's third remark is about what to divide by: the loss
# of each image must be divided by the size of the **whole** batch, not by that of its worker's share. PyTorch's
# `DistributedDataParallel` does not add up. It hands each worker the plain mean of the workers' gradients $G_i$:
#
# $$G = \frac{1}{k} \sum_{i=1}^{k} G_i$$
#
# If all shares are equally large, each worker may take the mean over its share and all is well. But the last batch of
# an epoch may leave one worker with fewer images than the others, or with none.
#
# **Write `share_gradients(inputs, labels, weights)`.** Each worker computes $G_i$ from its own share alone, knowing
# besides it the number of workers and the sizes of all shares. Their plain mean must be the gradient of the **mean
# loss over all images of the batch**, whatever the sizes. The model is softmax regression: logits `inputs[i] @
# weights`, and an image's loss is the cross-entropy. Return a tensor of shape `(workers, features, classes)`; a
# worker without images contributes zeros.
#
# A check: one worker that has the whole batch, and two workers with any shares of it, lead to the same mean.


# %% nbgrader={"grade": false, "grade_id": "share_gradients-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def share_gradients(
    inputs: list[torch.Tensor],  # for each worker (its images, features)
    labels: list[torch.Tensor],  # for each worker (its images,)
    weights: torch.Tensor,  # (features, classes)
) -> torch.Tensor:
    """What each worker hands over, (workers, features, classes)."""
    ### BEGIN SOLUTION
    workers, total = len(labels), sum(len(share) for share in labels)
    gradients = []
    for images, answers in zip(inputs, labels, strict=True):
        weights = weights.detach().requires_grad_()
        loss = torch.nn.functional.cross_entropy(
            images @ weights, answers, reduction="sum"
        )
        # Divided by the whole batch; times k, since DDP will divide by k.
        scaled = loss * workers / total
        gradients.append(torch.autograd.grad(scaled, weights)[0])
    return torch.stack(gradients)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "share_gradients-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
generator = torch.Generator().manual_seed(4)
images = torch.randn(12, 3, generator=generator).double()
answers = torch.arange(12) % 2
model = torch.randn(3, 2, generator=generator).double().requires_grad_()
whole = torch.nn.functional.cross_entropy(images @ model, answers)
(big_step,) = torch.autograd.grad(whole, model)
model = model.detach()
found = share_gradients([images], [answers], model)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (1, 3, 2), (
    "one worker, three features, two classes: the shape is (1, 3, 2), not "
    f"{tuple(found.shape)}"
)
assert torch.allclose(found[0], big_step), (
    "one worker with the whole batch hands over the gradient of the mean "
    f"loss,\n{big_step}, not\n{found[0]}"
)
found = share_gradients(images.split(4), answers.split(4), model)
assert not torch.allclose(found.sum(dim=0), big_step), (
    "three workers with 4 images each: the sum of your gradients is that of "
    "the big step, but DDP takes their mean, which is three times too small"
)
assert torch.allclose(found.mean(dim=0), big_step), (
    "three workers with 4 images each: the mean of what they hand over is the "
    f"big step's gradient,\n{big_step}, not\n{found.mean(dim=0)}"
)
sizes = [8, 3, 1]
found = share_gradients(images.split(sizes), answers.split(sizes), model)
assert torch.allclose(found.mean(dim=0), big_step), (
    "shares of 8, 3 and 1 images: the mean of what the workers hand over must "
    f"still be the big step's gradient,\n{big_step}, not\n"
    f"{found.mean(dim=0)}\nHow much does the worker with a single image weigh?"
)
other = share_gradients(
    [images[:8], 2 * images[8:11], 2 * images[11:]], answers.split(sizes), model
)
assert torch.allclose(other[0], found[0]), (
    "the first worker's gradient has changed although only the images of the "
    "others are different: a worker sees its own share alone"
)

# %% [markdown]
# ## 5. It trains, but not as it should
#
# *A silent bug to find: 3 points, 15 minutes, level 2.*
#
# Workers must add up their gradients, thought the author of the script below, and added them up. But its library
# works as `DistributedDataParallel` does: after the backward pass **every worker holds the mean** of the workers'
# gradients. Here `averaged_gradients` stands for that library, and its list has an entry for each worker. The script
# runs, and the loss falls, on this easy task even faster than it should. But a recipe that was chosen on one worker
# is another recipe on eight; the lines after the function show it.


# %%
def averaged_gradients(
    weights: torch.Tensor,  # (features, classes)
    inputs: torch.Tensor,  # (workers, share, features)
    labels: torch.Tensor,  # (workers, share)
) -> list[torch.Tensor]:
    """What each worker holds after the backward pass. Nothing is wrong here."""
    weights = weights.detach().requires_grad_()
    losses = torch.stack(
        [
            torch.nn.functional.cross_entropy(images @ weights, answers)
            for images, answers in zip(inputs, labels, strict=True)
        ]
    )
    (mean,) = torch.autograd.grad(losses.mean(), weights)
    return [mean.clone() for _ in inputs]


def train_as_found(
    weights: torch.Tensor,  # (features, classes)
    inputs: torch.Tensor,  # (steps, workers, share, features)
    labels: torch.Tensor,  # (steps, workers, share)
    rate: float,
    momentum: float,
    decay: float,
) -> torch.Tensor:
    """The weights after all steps. Something is wrong here."""
    velocity = torch.zeros_like(weights)
    for images, answers in zip(inputs, labels, strict=True):
        gradients = averaged_gradients(weights, images, answers)
        gradient = torch.stack(gradients).sum(dim=0) + decay * weights
        velocity = momentum * velocity + gradient
        weights = weights - rate * velocity
    return weights


generator = torch.Generator().manual_seed(5)
features = torch.randn(20, 32, 6, generator=generator).double()
classes = features[..., :3].argmax(dim=-1)
for workers in (1, 2, 8):
    shares = 20, workers, 32 // workers
    ended = train_as_found(
        torch.zeros(6, 3).double(),
        features.reshape(*shares, 6),
        classes.reshape(shares),
        rate=0.05,
        momentum=0.9,
        decay=0.0001,
    )
    loss = torch.nn.functional.cross_entropy(
        features.flatten(0, 1) @ ended, classes.flatten()
    )
    print(
        f"{workers} workers, 32 images a step: loss {loss:.3f}, "
        f"norm of the weights {ended.norm():.2f}"
    )

# %% [markdown]
# **Write `train_on_workers`**: the same function, repaired. It takes the same arguments and uses `averaged_gradients`
# as it is. $k$ workers with $n$ images each must end with exactly the weights (up to rounding) that one worker with
# all $kn$ images ends with, whatever the rate, the momentum and the weight decay are.


# %% nbgrader={"grade": false, "grade_id": "train_on_workers-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_on_workers(
    weights: torch.Tensor,  # (features, classes)
    inputs: torch.Tensor,  # (steps, workers, share, features)
    labels: torch.Tensor,  # (steps, workers, share)
    rate: float,
    momentum: float,
    decay: float,
) -> torch.Tensor:
    """The weights after all steps, (features, classes)."""
    ### BEGIN SOLUTION
    velocity = torch.zeros_like(weights)
    for images, answers in zip(inputs, labels, strict=True):
        # All entries are the same mean, so each worker uses its own. (A rate
        # divided by k would hide the bug and weaken the weight decay.)
        gradient = averaged_gradients(weights, images, answers)[0]
        velocity = momentum * velocity + gradient + decay * weights
        weights = weights - rate * velocity
    return weights
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "train_on_workers-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
start = torch.ones(6, 3).double()
plain = {"rate": 0.05, "momentum": 0.0, "decay": 0.0}
alone = features[:, None], classes[:, None]
found = train_on_workers(start, *alone, **plain)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert torch.equal(start, torch.ones(6, 3).double()), (
    "the weights you were given have changed: work on a copy"
)
expected = train_as_found(start, *alone, **plain)
assert torch.allclose(found, expected), (
    "with one worker the function as found is right, and yours does something "
    "else"
)
for workers in (2, 8):
    shares = 20, workers, 32 // workers
    split = features.reshape(*shares, 6), classes.reshape(shares)
    found = train_on_workers(start, *split, **plain)
    moved = ((found - start).norm() / (expected - start).norm()).item()
    assert torch.allclose(found, expected), (
        f"{workers} workers with {32 // workers} images each must end where one "
        f"worker with 32 ends; your weights have moved {moved:.2f} times as "
        "far. What does each entry of averaged_gradients hold already?"
    )
expected = train_as_found(start, *alone, rate=0.05, momentum=0.9, decay=0.0)
found = train_on_workers(start, *split, rate=0.05, momentum=0.9, decay=0.0)
assert torch.allclose(found, expected), (
    "8 workers end where one does without momentum, but not with a momentum of "
    "0.9: leave what the velocity keeps of the past as it was"
)

# %% [markdown]
# ## 6. What adding up costs
#
# *A number to compute: 2 points, 10 minutes, level 1.*
#
# An **all-reduce** leaves each of $p$ servers with the sum of all their messages of $b$ bytes. There are two classic ways.
#
# - **Ring.** The message is cut into $p$ equal pieces. In each round every server sends one piece to its neighbour. After
#   $p - 1$ rounds each server holds the full sum of one piece; as many rounds again hand these sums around.
# - **Recursive halving and doubling**, for $p$ a power of two. In the first round every server sends half of the message to a partner
#   and receives the other half; in the next a quarter goes to another partner, and so on, until each server holds the full
#   sum of one $p$-th. Then the same rounds are played backwards, with the same sizes.
#
# A round takes the latency, whatever is sent, plus the bytes that **one** server sends in it divided by the
# bandwidth; all servers send at the same time. The arithmetic is free. Pieces have $b/p$ bytes even if that is not a
# whole number. One server alone sends nothing.
#
# **The gradients of a ResNet-50 are 25.6 million numbers of 4 bytes. On 32 servers with a latency of 50 µs and a
# bandwidth of 6.25 GB/s, how long do the two ways take? And for a message of 4,000 bytes?** Write the function so
# that it answers for any case. It returns a tuple of three Python floats: the bytes that each server sends in all
# (the same for both ways), the seconds of the ring, the seconds of halving and doubling.
#
# Example: two servers and 100 bytes, 1 second of latency, 10 bytes per second. Both ways need two rounds of 50 bytes:
# 100 bytes and 12 seconds.


# %% nbgrader={"grade": false, "grade_id": "allreduce_costs-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def allreduce_costs(
    servers: int, message: int, latency: float, bandwidth: float
) -> tuple[float, float, float]:
    """Bytes sent per server; seconds of a ring, of halving and doubling."""
    ### BEGIN SOLUTION
    # Halving sends 1/2 + 1/4 + ... + 1/p of the message, which is (p - 1)/p.
    sent = 2 * (servers - 1) * message / servers
    ring_rounds, halving_rounds = 2 * (servers - 1), 2 * math.log2(servers)
    transfer = sent / bandwidth
    return (
        float(sent),
        ring_rounds * latency + transfer,
        halving_rounds * latency + transfer,
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "allreduce_costs-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = allreduce_costs(2, 100, 1.0, 10.0)
assert type(found) is tuple and len(found) == 3, (
    "return a tuple of three: bytes, seconds of the ring, seconds of halving "
    "and doubling"
)
assert all(type(part) is float for part in found), (
    f"all three are floats; you returned {found!r}"
)
assert np.allclose(found, (100, 12, 12)), (
    "the example in the text, one round to add up and one to hand around, "
    f"gives 100 bytes, 12 s and 12 s, not {found}. A round costs the latency "
    "once, and what one server sends in it"
)
sent, ring, halving = allreduce_costs(8, 800, 0.0, 1.0)
assert math.isclose(sent, 1400), (
    "8 servers and 800 bytes: 14 rounds of 100 bytes are 1,400 bytes that each "
    f"server sends in a ring, not {sent:g}"
)
assert math.isclose(ring, 1400) and math.isclose(halving, 1400), (
    "without latency the two ways take as long as each other: 400 + 200 + 100 "
    "bytes and the way back are 1,400 bytes too. At 1 byte per second you say "
    f"{ring:g} s and {halving:g} s"
)
sent, ring, halving = allreduce_costs(8, 0, 1.0, 1.0)
assert math.isclose(ring, 14) and math.isclose(halving, 6), (
    "with an empty message and a latency of 1 s the time is the number of "
    "rounds. For 8 servers it is 7 and 7 for the ring, 3 and 3 for halving and "
    f"doubling; you say {ring:g} and {halving:g}"
)
for message in (102_400_000, 4000):
    sent, ring, halving = allreduce_costs(32, message, 50e-6, 6.25e9)
    print(
        f"{message:>11,} bytes on 32 servers: ring {1000 * ring:.2f} ms, "
        f"halving and doubling {1000 * halving:.2f} ms"
    )
assert math.isclose(ring, 62 * 50e-6 + 7750 / 6.25e9), (
    "4,000 bytes on 32 servers take 62 rounds of 50 µs and 7,750 bytes, 3.10 "
    f"ms, not {1000 * ring:.2f} ms"
)

# %% [markdown]
# ## 7. A ring, round by round
#
# *A piece to write: 5 points, 25 minutes, level 3.*
#
# Now the ring itself, simulated. The ranks $0, \ldots, p - 1$ stand in a circle, and each has a buffer of numbers.
# Each cuts its buffer into $p$ pieces, numbered from 0, as `np.array_split` does: if the length is not a multiple of
# $p$ the first pieces are longer by one, and if it is less than $p$ the last pieces are empty.
#
# There are $2(p - 1)$ rounds, numbered from 0. In round $r$ rank $i$ sends its piece
#
# $$(i - r) \bmod p$$
#
# to rank $(i + 1) \bmod p$, all ranks at the same time. In the first $p - 1$ rounds (reduce-scatter) the receiver
# **adds** what it gets to its own piece of that number. In the others (all-gather) it **replaces** its own by what it
# gets.
#
# **Write `ring_state(buffers, rounds)`**: what all ranks hold after the first `rounds` rounds, an array of the shape
# of `buffers`. The array that you are given stays as it was.
#
# Example: three ranks hold (1, 2, 3), (10, 20, 30) and (100, 200, 300). In round 0 the pieces 0, 1 and 2 are sent by
# the ranks 0, 1 and 2. After it the ranks hold (1, 2, 303), (11, 20, 30) and (100, 220, 300).


# %% nbgrader={"grade": false, "grade_id": "ring_state-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ring_state(
    buffers: np.ndarray,  # (ranks, length): a row for each rank
    rounds: int,  # from 0 to 2 (ranks - 1)
) -> np.ndarray:
    """What the ranks hold after so many rounds, (ranks, length)."""
    ### BEGIN SOLUTION
    ranks, length = buffers.shape
    pieces = np.array_split(np.arange(length), ranks)
    state = buffers.copy()
    for number in range(rounds):
        sent = state.copy()  # what everybody held when the round began
        for rank in range(ranks):
            piece = pieces[(rank - number) % ranks]
            receiver = (rank + 1) % ranks
            if number < ranks - 1:
                state[receiver, piece] += sent[rank, piece]
            else:
                state[receiver, piece] = sent[rank, piece]
    return state
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ring_state-tests", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
three = np.array([[1.0, 2, 3], [10, 20, 30], [100, 200, 300]])
before = three.copy()
found = ring_state(three, 0)
assert isinstance(found, np.ndarray) and found.shape == (3, 3), (
    "return an array of the shape of the buffers, (3, 3)"
)
assert np.array_equal(found, before), "before the first round nothing has moved"
found = ring_state(three, 1)
assert np.array_equal(three, before), (
    "the buffers you were given have changed: work on a copy"
)
assert np.allclose(found, [[1, 2, 303], [11, 20, 30], [100, 220, 300]]), (
    "after one round the ranks of the example hold (1, 2, 303), (11, 20, 30) "
    f"and (100, 220, 300), not\n{found}"
)
found = ring_state(three, 2)
assert np.allclose(found, [[1, 222, 303], [11, 20, 333], [111, 220, 300]]), (
    "in round 1 rank 0 sends its piece (0 - 1) mod 3 = 2, rank 1 its piece 0, "
    "rank 2 its piece 1, each with what was added before. After it, one piece "
    f"of each rank is complete:\n[[1, 222, 303], [11, 20, 333], "
    f"[111, 220, 300]], not\n{found}"
)
found = ring_state(three, 3)
assert np.allclose(found, [[111, 222, 303], [11, 222, 333], [111, 220, 333]]), (
    "round 2 is the first of the all-gather: rank 0 sends its complete piece "
    "1, 222, and rank 1 puts it in the place of its own 20. After it they "
    "hold\n[[111, 222, 303], [11, 222, 333], [111, 220, 333]], not\n"
    f"{found}"
)
found = ring_state(three, 4)
assert np.allclose(found, three.sum(axis=0)), (
    "after 2 (p - 1) = 4 rounds every rank holds the sum, (111, 222, 333); "
    f"yours hold\n{found}"
)
rng = np.random.default_rng(7)
# Pieces of unequal length, and empty ones.
for ranks, length in ((4, 8), (5, 13), (4, 2), (2, 7), (1, 3)):
    buffers = rng.normal(size=(ranks, length))
    found = ring_state(buffers, 2 * (ranks - 1))
    assert found.shape == buffers.shape and np.allclose(
        found, buffers.sum(axis=0)
    ), (
        f"{ranks} ranks with {length} numbers each do not all hold the sum "
        "after the last round. Does every number belong to a piece?"
    )

# %% [markdown]
# ## 8. A run that needs a warm-up
#
# *A behaviour to reach: 6 points, 30 minutes, level 3.*
#
# A small network with one hidden layer learns four classes from inputs that nobody has centred, as raw pixels are
# not. Its recipe is made for one worker, which sees 32 images a step; you have many. The linear rule says: with $k$
# workers, $k$ times the rate and a $k$-th of the steps. Tried as it stands, it fails. The first large steps push many
# hidden units, half of them in the test below, to where they answer 0 to every image. A unit that does so has no
# gradient, and hardly ever comes back. With a rate small enough to be safe from the start, the few steps do not
# suffice.
#
# **Write `schedule(steps, workers, base_rate)`.** `base_rate` is the rate of the recipe for one worker. Return the
# rates of the steps, an array of shape `(steps,)`, with which $k$ workers reach what one worker reaches in $k$ times
# as many steps. You see neither the network nor the images.
#
# **What to reach**: the loss on the training images is at most **twice** that of one worker with the recipe. The test
# below tries one network; others will be tried, drawn in the same way (only such on which the rule alone fails), with
# 12 to 20 workers and 100 to 140 steps. `small_network`, `trained` and `loss_of` are given for experiments: a
# training takes a tenth of a second. Your function itself need not train anything.
#
# A hint: the paper's warm-up is 5 epochs out of 90, but these are 785 steps, more than you have in all. Try several
# networks, that is, several seeds: what works on one by luck fails on the next.


# %%
def small_network(seed: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Both layers as they start; images (4096, 12); labels (4096,)."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (24, 12))
    cluster = rng.integers(0, 24, 4096)
    images = 1 + centres[cluster] + rng.normal(0, 0.3, (4096, 12))
    layers = [
        rng.normal(0, math.sqrt(2 / 12), (12, 24)),
        rng.normal(0, math.sqrt(2 / 24), (24, 4)),
    ]
    return layers, images, cluster % 4


def probabilities(
    layers: list[np.ndarray], images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The hidden units (images, 24); what the network says (images, 4)."""
    hidden = np.maximum(images @ layers[0], 0)
    logits = hidden @ layers[1]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return hidden, odds / odds.sum(axis=1, keepdims=True)


def trained(
    layers: list[np.ndarray],
    images: np.ndarray,
    labels: np.ndarray,
    rates: np.ndarray,
    batch: int,
) -> list[np.ndarray]:
    """The layers after a step with each rate, momentum 0.9."""
    velocities = [np.zeros_like(layer) for layer in layers]
    for step, rate in enumerate(rates):
        taken = np.arange(step * batch, (step + 1) * batch) % len(images)
        hidden, slopes = probabilities(layers, images[taken])
        slopes[np.arange(batch), labels[taken]] -= 1
        slopes /= batch
        back = slopes @ layers[1].T * (hidden > 0)
        gradients = [images[taken].T @ back, hidden.T @ slopes]
        velocities = [
            0.9 * velocity + gradient
            for velocity, gradient in zip(velocities, gradients, strict=True)
        ]
        layers = [
            layer - rate * velocity
            for layer, velocity in zip(layers, velocities, strict=True)
        ]
    return layers


def loss_of(
    layers: list[np.ndarray], images: np.ndarray, labels: np.ndarray
) -> float:
    """The mean cross-entropy; infinity if the network has overflowed."""
    says = probabilities(layers, images)[1]
    right = says[np.arange(len(labels)), labels]
    loss = -np.log(np.maximum(right, 1e-300)).mean()
    return float(loss) if np.isfinite(loss) else math.inf


# %% [markdown]
# Example: without any warm-up the linear rule is `np.full(steps, workers * base_rate)`.


# %% nbgrader={"grade": false, "grade_id": "schedule-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def schedule(steps: int, workers: int, base_rate: float) -> np.ndarray:
    """The rate of each step, (steps,)."""
    ### BEGIN SOLUTION
    # The gradual warm-up, over half of a training as short as this.
    progress = np.minimum(np.arange(steps) / (0.5 * steps), 1)
    return base_rate * (1 + (workers - 1) * progress)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "schedule-tests", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
rates = schedule(120, 16, 0.0525)
assert isinstance(rates, np.ndarray) and rates.shape == (120,), (
    "return a NumPy array with one rate for each of the 120 steps"
)
assert rates.dtype.kind == "f" and np.isfinite(rates).all(), (
    "the rates are floats, and finite"
)
layers, images, labels = small_network(12)
small = trained(layers, images, labels, np.full(1920, 0.0525), batch=32)
large = trained(layers, images, labels, rates, batch=512)
alone = trained(layers, images, labels, np.full(120, 16 * 0.0525), batch=512)
target, reached, rule = (
    loss_of(network, images, labels) for network in (small, large, alone)
)
silent = (probabilities(large, images)[0] == 0).all(axis=0).sum()
print(
    f"one worker {target:.4f}, the rule alone {rule:.4f}, yours {reached:.4f}"
)
assert reached <= 2 * target, (
    f"your loss is {reached:.4f}; one worker reaches {target:.4f}, and at most "
    f"{2 * target:.4f} is allowed. {silent} of 24 hidden units answer 0 to "
    "every image. If they are more than five, your first steps are too large; "
    "if they are fewer, print the loss after 30, 60 and 90 steps and see "
    "whether it is still falling for want of larger ones"
)
