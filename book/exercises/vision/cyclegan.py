# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: CycleGAN
#
# Eight exercises on translation without pairs: what a generator's layers add and take away, how two kinds of
# discriminator pull, what a cycle cannot see, the whole objective, a pool of past pictures and two mistakes in it, and
# two clouds of colours that only the right weights bring together. Together they are worth 28 points and take a little
# under two and a half hours. They need NumPy and PyTorch and nothing else: no pictures to download, no GPU.
#
# Work from top to bottom. For each exercise, replace `raise NotImplementedError()` by your code, run the cell, then run
# the tests below it. When a test fails, read its message: it says what to look at. The tests you see are examples; a
# teacher checks your function on other inputs as well, so follow the statement where the tests are silent. No exercise
# needs your answer to another.
#
# The words are the same in all exercises. There are two **domains**, A and B. One **generator**, $G$, makes pictures of
# B from pictures of A; the other, $F$, goes back. A **fake** is what a generator made. Each domain has a
# **discriminator**, which gives a picture, or each patch of it, a **score**: towards 1 for real ones, 0 for fakes.

# %%
import itertools
import math

import numpy as np
import torch

# %% [markdown]
# ## 1. Beyond the edge
#
# *A piece to write: 2 points, 10 minutes, level 1.*
#
# A convolution at the edge of a picture reaches beyond it. With zeros out there it sees a grey frame around every
# picture (0 is grey where pixels go from -1 to 1), and draws its edges by it. The generator's layers pad by
# **reflection** instead: the picture goes on as if a mirror stood on its outermost row of pixels. That row is not
# repeated. A row `1 2 3`, padded by 2, becomes `3 2 1 2 3 2 1`.
#
# **Write `reflected(picture, border)`**, which returns an array with `border` more pixels on each of the four sides, of
# the same values, without `np.pad` or PyTorch's padding. Deep inside a network a picture may be smaller than its
# border: then it is reflected between two mirrors, again and again. `1 2 3`, padded by 4, becomes
# `1 2 3 2 1 2 3 2 1 2 3`. In a picture of one pixel there is only that pixel to see.
#
# A hint: work out for each row of the result which row of the picture it shows; columns are the same.


# %% nbgrader={"grade": false, "grade_id": "reflected-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reflected(picture: np.ndarray, border: int) -> np.ndarray:
    """(rows, columns) to (rows + 2 border, columns + 2 border)."""

    ### BEGIN SOLUTION
    def shown(size: int) -> np.ndarray:
        if size == 1:  # no way to go before the mirrors meet
            return np.zeros(1 + 2 * border, int)
        period = 2 * (size - 1)
        places = np.arange(-border, size + border) % period
        return np.minimum(places, period - places)

    rows, columns = picture.shape
    return picture[np.ix_(shown(rows), shown(columns))]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reflected-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
picture = np.arange(12.0).reshape(3, 4)
before = picture.copy()
found = reflected(picture, 1)
assert isinstance(found, np.ndarray) and found.shape == (5, 6), (
    "3 x 4 pixels with a border of 1 become an array of shape (5, 6), not "
    f"{np.shape(found)}"
)
assert np.array_equal(found[1:-1, 1:-1], before), (
    f"inside the border stands the picture itself; yours holds\n{found}"
)
assert not (found[0] == 0).all(), (
    "beyond the edge you have zeros: they are the grey frame that reflection "
    "is there to avoid"
)
assert not np.array_equal(found[0, 1:-1], before[0]), (
    "your first row repeats the outermost one. The mirror stands on that row: "
    "what comes next is the row after it"
)
assert np.array_equal(found[0, 1:-1], before[1]), (
    f"above the first row stands the second, {before[1]}, not {found[0, 1:-1]}"
)
assert found[0, 0] == before[1, 1] and found[-1, -1] == before[1, 2], (
    "the corners are reflected both ways: the one above on the left shows "
    f"row 1 of column 1, {before[1, 1]}, not {found[0, 0]}"
)
found = reflected(np.array([[1.0, 2, 3]] * 3), 2)
assert np.array_equal(found[0], [3, 2, 1, 2, 3, 2, 1]), (
    f"1 2 3 padded by 2 is 3 2 1 2 3 2 1, not {found[0]}"
)

# %% [markdown]
# ## 2. What normalisation takes away
#
# *A number to compute: 2 points, 10 minutes, level 1.*
#
# After a convolution the networks of CycleGAN use **instance normalisation**: from a channel of one picture its mean is
# subtracted, and the rest is divided by the root of its variance plus $\epsilon$,
#
# $$\frac{x - m}{\sqrt{s^2 + \epsilon}},$$
#
# where $m$ and $s^2$ are the mean and the variance over all pixels of this channel ($s^2$ divides by their number).
#
# A channel is `ground` in most pixels and `figure` in a `share` of them, between 0 and 1. **What are the two values
# after the normalisation?** Return a tuple of two Python floats: what the ground becomes, then the figure. The
# variance follows from the share and the two values. These may be alike; and both may be millions of times as large as
# their difference, as in a bright picture with little contrast.
#
# Try it before you write it: a fifth of the pixels is 1 and the others are 0. And if the fifth is 100? Or $-1$?


# %% nbgrader={"grade": false, "grade_id": "after_normalisation-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def after_normalisation(
    share: float, ground: float, figure: float, epsilon: float
) -> tuple[float, float]:
    """What becomes of the ground and of the figure."""
    ### BEGIN SOLUTION
    # By the difference alone: the brightness drops out before it can round.
    contrast = figure - ground
    scale = math.sqrt(share * (1 - share) * contrast**2 + epsilon)
    return -share * contrast / scale, (1 - share) * contrast / scale
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "after_normalisation-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = after_normalisation(0.2, 0.0, 1.0, 1e-12)
assert type(found) is tuple and [type(part) for part in found] == [float] * 2, (
    f"return a tuple of two Python floats, ground and figure, not {found!r}"
)
assert np.allclose(found, (-0.5, 2.0)), (
    "a fifth of 1 and the rest 0: the mean is 0.2, the variance 0.2 * 0.8 = "
    "0.16, so the values become -0.5 and 2. You say "
    f"{found[0]:.4f} and {found[1]:.4f}"
)
for ground, figure, what in (
    (0.0, 100.0, "a hundred times the contrast"),
    (7.0, 8.0, "a brighter picture"),
):
    found = after_normalisation(0.2, ground, figure, 1e-12)
    print(f"{what}: {found[0]:.4f} and {found[1]:.4f}")
    assert np.allclose(found, (-0.5, 2.0)), (
        f"{what} leaves -0.5 and 2 behind, as before: brightness and contrast "
        f"are what is taken away. You say {found[0]:.4f} and {found[1]:.4f}"
    )
found = after_normalisation(0.2, 0.0, -1.0, 1e-12)
assert np.allclose(found, (0.5, -2.0)), (
    "a figure darker than its ground stays darker, 0.5 and -2: normalisation "
    f"does not undo an inversion. You say {found[0]:.4f} and {found[1]:.4f}"
)
found = after_normalisation(0.5, 0.0, 1.0, 1e-12)
assert np.allclose(found, (-1.0, 1.0)), (
    "how much of the picture the figure takes does survive: half and half "
    f"become -1 and 1, not {found[0]:.4f} and {found[1]:.4f}"
)
found = after_normalisation(0.5, 0.0, 0.2, 0.03)
assert np.allclose(found, (-0.5, 0.5)), (
    "a variance of 0.01 and an epsilon of 0.03 make the root of 0.04: -0.5 and "
    f"0.5, not {found[0]:.4f} and {found[1]:.4f}. Epsilon stands under the root"
)

# %% [markdown]
# ## 3. How the sure discriminator pulls
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# Fakes of one generator have the scores $s_1 \ldots s_n$, one a patch. Three losses are in use, each the **mean** over
# the patches of
#
# 1. $\ln(1 - \sigma(s))$, the first GAN: $\sigma(s) = 1/(1 + e^{-s})$ is the probability "real", and the generator
#    wants it to be high;
# 2. $-\ln \sigma(s)$, what is minimised in its place, also in pix2pix;
# 3. $(s - 1)^2$, least squares, in CycleGAN. Here the score itself should be 1 for real, and there is no $\sigma$.
#
# The generator learns through $\partial L / \partial s_i$ alone. **Write `generator_pulls(scores)`**, which returns
# these derivatives: an array of shape `(3, n)`, a row for each loss in this order, by hand and without autograd.
# Scores may be thousands, of either sign, and nothing may overflow.
#
# Before you run it, guess which loss pulls a fake with the score $-10$, and which a fake with $+10$, already on the
# real side.


# %% nbgrader={"grade": false, "grade_id": "generator_pulls-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generator_pulls(scores: np.ndarray) -> np.ndarray:
    """(n,) to (3, n): the first loss, the second, least squares."""

    ### BEGIN SOLUTION
    def sigmoid(x: np.ndarray) -> np.ndarray:
        # exp of something negative only: it cannot overflow.
        small = np.exp(-np.abs(x))
        return np.where(x >= 0, 1.0, small) / (1 + small)

    pulls = [-sigmoid(scores), -sigmoid(-scores), 2 * (scores - 1)]
    return np.stack(pulls) / len(scores)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "generator_pulls-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = generator_pulls(np.array([0.0]))
assert isinstance(found, np.ndarray) and found.shape == (3, 1), (
    f"three losses of one patch: an array of shape (3, 1), not {found!r}"
)
assert np.allclose(found.ravel(), [-0.5, -0.5, -2]), (
    "at a score of 0 the losses pull with -0.5, -0.5 and -2, all towards a "
    f"higher score; yours with {found.ravel()}"
)
unsure, sure = generator_pulls(np.array([-10.0])).ravel()[:2]
assert abs(unsure) < 1e-4, (
    "the first loss hardly pulls a fake that is seen through: its derivative "
    f"is -sigmoid(-10) = -0.000045, not {unsure:.4g}"
)
assert math.isclose(sure, -1, abs_tol=1e-4), (
    "the second pulls the same fake with -(1 - sigmoid(-10)) = -0.99995, not "
    f"{sure:.4g}"
)
far = generator_pulls(np.array([10.0])).ravel()
assert abs(far[1]) < 1e-4 and math.isclose(far[2], 18), (
    "a fake with the score 10 passes for real. The second loss lets it be; "
    "least squares, which wants 1, pulls it back with 18. Yours are "
    f"{far[1]:.4g} and {far[2]:.4g}"
)
scores = np.array([-3.0, -0.5, 0.2, 1.5])
leaf = torch.tensor(scores, requires_grad=True)
says = torch.sigmoid(leaf)
losses = [(1 - says).log().mean(), -says.log().mean(), ((leaf - 1) ** 2).mean()]
expected = np.stack(
    [torch.autograd.grad(loss, leaf, retain_graph=True)[0] for loss in losses]
)
found = generator_pulls(scores)
assert found.shape == (3, 4), f"four patches: (3, 4), not {found.shape}"
assert not np.allclose(found, 4 * expected), (
    "each of your pulls is four times that of autograd on four patches: the "
    "loss is their mean"
)
assert np.allclose(found, expected), (
    f"autograd says\n{expected.round(4)}\nand you say\n{found.round(4)}"
)

# %% [markdown]
# ## 4. What the cycle cannot see
#
# *A number to compute: 3 points, 15 minutes, level 2.*
#
# An identity mapping has no cycle loss at all, and it translates nothing. How many others are there? Let A hold `a`
# different pictures and B hold `b`. A **mapping** $G$ gives each picture of A one of B, and $F$ gives each of B one of
# A; several may be given the same. `shared` of the pictures stand in both domains, as a picture without a horse might.
#
# **Of how many pairs $(G, F)$ is the loss exactly 0?** Return a tuple of three Python `int`s, however large:
#
# 1. the **forward** cycle alone: $F(G(x)) = x$ for every $x$ in A;
# 2. **both** cycles: $G(F(y)) = y$ for every $y$ in B as well;
# 3. both cycles and the **identity** loss: of the shared pictures, each of which $G$ and $F$ must leave as it is.
#
# If nothing can satisfy them, the answer is 0. `a` and `b` are at least 1, and either may be the larger.
#
# Example: A holds 2 pictures and B holds 3, none shared. The forward cycle has 12 pairs without loss, both cycles none.
# With 3 pictures each, the cycles leave 6: any permutation goes through, among them all that swap two pictures.


# %% nbgrader={"grade": false, "grade_id": "pairs_without_loss-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pairs_without_loss(a: int, b: int, shared: int) -> tuple[int, int, int]:
    """Pairs of mappings: forward cycle, both cycles, and identity."""
    ### BEGIN SOLUTION
    # G may give no picture of B twice. F is free where G never arrives.
    forward = math.perm(b, a) * a ** (b - a) if a <= b else 0
    if a != b:
        return forward, 0, 0
    return forward, math.factorial(a), math.factorial(a - shared)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "pairs_without_loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = pairs_without_loss(3, 3, 0)
assert type(found) is tuple and [type(part) for part in found] == [int] * 3, (
    f"return a tuple of three ints, not {found!r}"
)
assert found[1] == 6, (
    f"three pictures each: both cycles leave 3! = 6 pairs, not {found[1]}"
)
found = pairs_without_loss(2, 3, 0)
assert found[0] != 6, (
    "2 pictures to 3: G has 6 ways to give two different pictures. But F is "
    "fixed only where G arrives: what does it do with the third?"
)
assert found == (12, 0, 0), (
    "2 pictures to 3: 6 ways for G times 2 for F, and no way for both cycles; "
    f"you say {found}"
)


def counted(a: int, b: int, shared: int) -> tuple[int, int, int]:
    """The same by trying all: the shared are the first of each domain."""
    counts = [0, 0, 0]
    for g in itertools.product(range(b), repeat=a):
        for f in itertools.product(range(a), repeat=b):
            forward = all(f[g[x]] == x for x in range(a))
            both = forward and all(g[f[y]] == y for y in range(b))
            same = all(g[x] == x == f[x] for x in range(shared))
            counts[0] += forward
            counts[1] += both
            counts[2] += both and same
    return tuple(counts)


for sizes in ((1, 1, 1), (2, 4, 1), (3, 4, 0), (3, 2, 1), (4, 4, 1), (4, 4, 3)):
    found, expected = pairs_without_loss(*sizes), counted(*sizes)
    assert found == expected, (
        f"A holds {sizes[0]}, B {sizes[1]}, {sizes[2]} are shared: trying all "
        f"mappings finds {expected}, you say {found}"
    )
print(f"ten pictures each, seven shared: {pairs_without_loss(10, 10, 7)}")

# %% [markdown]
# ## 5. The whole objective
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# Everything below comes as a tuple of two arrays, first of domain A and then of B:
#
# | argument | holds |
# | --- | --- |
# | `real` | the batch's real pictures, $x$ and $y$ |
# | `cycled` | there and back, $F(G(x))$ and $G(F(y))$ |
# | `same` | a generator on what is in its domain already, $F(x)$ and $G(y)$ |
# | `real_scores` | what the discriminators say of the real pictures |
# | `fake_scores` | what they say of this step's fakes |
# | `pool_scores` | what they say of the fakes that the pool has given |
#
# **The generators'** loss has three parts, added over both domains: least squares $(s - 1)^2$ on the fakes' scores; the
# cycles, $\lambda$ times the mean absolute difference from the real pictures; and the identity loss, the mean absolute
# difference of `same` from the real pictures, of weight $\lambda$ times `identity`. The paper has $\lambda = 10$ and,
# where it uses that loss, `identity` = 0.5.
#
# **The discriminators'** loss, added over both: $(s - 1)^2$ on real pictures plus $s^2$ on those from the pool, the sum
# **halved**.
#
# **Write `objectives`**, which returns the two losses as a tuple of Python floats. A mean is one over all pictures,
# pixels or patches of **one** domain; the two domains' batches may differ in number, and so may their pictures' sizes.


# %% nbgrader={"grade": false, "grade_id": "objectives-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def objectives(
    real: tuple[np.ndarray, np.ndarray],  # (pictures, rows, columns) each
    cycled: tuple[np.ndarray, np.ndarray],
    same: tuple[np.ndarray, np.ndarray],
    real_scores: tuple[np.ndarray, np.ndarray],  # (pictures, patches) each
    fake_scores: tuple[np.ndarray, np.ndarray],
    pool_scores: tuple[np.ndarray, np.ndarray],
    cycle: float,  # lambda
    identity: float,  # in parts of lambda
) -> tuple[float, float]:
    """The generators' loss, and the discriminators'."""
    ### BEGIN SOLUTION
    generators = discriminators = 0.0
    for domain in (0, 1):
        generators += ((fake_scores[domain] - 1) ** 2).mean()
        there_and_back = np.abs(cycled[domain] - real[domain]).mean()
        left_alone = np.abs(same[domain] - real[domain]).mean()
        generators += cycle * (there_and_back + identity * left_alone)
        mistaken = ((real_scores[domain] - 1) ** 2).mean()
        discriminators += (mistaken + (pool_scores[domain] ** 2).mean()) / 2
    return float(generators), float(discriminators)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "objectives-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
zeros, ones = np.zeros((2, 4, 4)), np.ones((2, 9))
perfect = {
    "real": (zeros, zeros),
    "cycled": (zeros, zeros),
    "same": (zeros, zeros),
    "real_scores": (ones, ones),
    "fake_scores": (ones, ones),
    "pool_scores": (0 * ones, 0 * ones),
    "cycle": 10.0,
    "identity": 0.5,
}
found = objectives(**perfect)
assert type(found) is tuple and [type(part) for part in found] == [float] * 2, (
    f"return a tuple of two Python floats, not {found!r}"
)
assert np.allclose(found, (0, 0)), (
    "fakes with a score of 1, perfect cycles, real pictures with 1 and pooled "
    f"ones with 0: both losses are 0, yours are {found}"
)
for part, changed, expected, why in (
    ("fake_scores", (0 * ones, ones), (1, 0), "fakes of A seen through"),
    ("fake_scores", (ones, 3 * ones), (4, 0), "fakes of B with a score of 3"),
    ("cycled", (zeros + 0.2, zeros), (2, 0), "A comes back 0.2 too bright"),
    ("cycled", (zeros, zeros - 0.3), (3, 0), "B comes back 0.3 too dark"),
    ("same", (zeros + 0.2, zeros), (1, 0), "F adds 0.2 to pictures of A"),
    ("same", (zeros, zeros - 0.4), (2, 0), "G takes 0.4 from pictures of B"),
    ("real_scores", (0 * ones, ones), (0, 0.5), "real ones of A not believed"),
    (
        "pool_scores",
        (0 * ones, 2 * ones),
        (0, 2),
        "pool of B with a score of 2",
    ),
):
    found = objectives(**perfect | {part: changed})
    assert np.allclose(found, expected), (
        f"{why}, all else perfect: the losses are {expected[0]} and "
        f"{expected[1]}, yours {found[0]:.4g} and {found[1]:.4g}"
    )
rough = zeros + 0.2 * np.eye(4)
found = objectives(**perfect | {"cycled": (rough, zeros)})
assert np.allclose(found, (0.5, 0)), (
    "a quarter of A's pixels comes back 0.2 too bright: 10 * 0.05 = 0.5, not "
    f"{found[0]:.4g}. It is the absolute difference that is averaged"
)
found = objectives(**perfect | {"same": (zeros + 0.2, zeros), "cycle": 4.0})
assert np.allclose(found, (0.4, 0)), (
    "with lambda = 4 the identity loss weighs 2, so that 0.2 costs 0.4, not "
    f"{found[0]:.4g}"
)

# %% [markdown]
# ## 6. How old is what the discriminator sees?
#
# *A number to compute: 3 points, 15 minutes, level 2.*
#
# A **pool** holds `capacity` past fakes. Once it is full, each new fake either goes to the discriminator as it is, or,
# with the probability `chance`, takes the place of one drawn at random from the pool, which goes to the discriminator
# instead. The paper's pool holds 50, and the usual chance is 1/2.
#
# Batches have one picture, so that one fake is made, and one shown, in each step. A picture's **age** is the number of
# steps since it was made: 0 for a new one, at least 1 for one from the pool. The pool has been full for so long that
# how it was filled no longer matters.
#
# **What is the probability that the picture shown is an old one? How old is a picture shown, on average over new and
# old ones? And with what probability is it older than `age`?** Return a tuple of three Python floats. `chance` is above
# 0 and below 1, or 1 where the pool has two places or more; `age` is a whole number, 0 or more. A pool of capacity 0
# gives back what it gets.
#
# A hint: what is the probability that a picture in the pool loses its place in a given step? It does not matter how
# long it has been there. Then compare the average with the capacity: would you have guessed it?


# %% nbgrader={"grade": false, "grade_id": "pool_statistics-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pool_statistics(
    capacity: int, chance: float, age: int
) -> tuple[float, float, float]:
    """P(old), the mean age of all that is shown, P(older than `age`)."""
    ### BEGIN SOLUTION
    if capacity == 0:
        return 0.0, 0.0, 0.0
    # A place changes hands with this chance, so an old picture has waited
    # capacity / chance steps on average, and one is shown that often.
    leaves = chance / capacity
    return chance, chance / leaves, chance * (1 - leaves) ** age
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "pool_statistics-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = pool_statistics(50, 0.5, 0)
assert type(found) is tuple and [type(part) for part in found] == [float] * 3, (
    f"return a tuple of three Python floats, not {found!r}"
)
assert math.isclose(found[0], 0.5), (
    f"one in two pictures shown comes from the pool, not {found[0]:.4f}: every "
    "picture in the pool is from an earlier step"
)
assert not math.isclose(found[1], 100), (
    "100 steps is how long an old picture has waited; half of what is shown is "
    "new"
)
assert math.isclose(found[1], 50), (
    f"the average age over all that is shown is 50 steps, not {found[1]:.4g}. "
    "A picture in the pool is drawn with the chance 0.5 / 50 in each step, so "
    "how long does it stay?"
)
assert math.isclose(found[2], 0.5), (
    f"older than 0 are exactly those from the pool, 0.5, not {found[2]:.4f}"
)
found = pool_statistics(50, 0.5, 100)[2]
assert math.isclose(found, 0.5 * 0.99**100), (
    "older than 100 is a picture that comes from the pool and has kept its "
    f"place 100 times: 0.5 * 0.99^100 = 0.183, not {found:.4f}"
)
rng = np.random.default_rng(6)
made, ages = [0, 0, 0], []
for step in range(20_000):
    place = rng.integers(3)
    if rng.random() < 0.25:
        ages.append(step - made[place])
        made[place] = step
    else:
        ages.append(0)
ages = np.array(ages)
counted = (ages > 0).mean(), ages.mean(), (ages > 6).mean()
found = pool_statistics(3, 0.25, 6)
print("three places, chance 0.25, counted over 20,000 steps:")
print(f"  old {counted[0]:.2f}, age {counted[1]:.2f}, over 6 {counted[2]:.2f}")
print(f"  you {found[0]:.2f}, age {found[1]:.2f}, over 6 {found[2]:.2f}")
assert np.allclose(found, counted, rtol=0.1, atol=0.02), (
    "a pool of three places and a chance of 0.25, played for 20,000 steps, "
    "differs from your numbers by more than chance explains: see above. Does "
    "your answer use `chance` wherever the text does?"
)

# %% [markdown]
# ## 7. A pool that does nothing, a generator that helps the other side
#
# *A silent bug to find: 5 points, 25 minutes, level 3.*
#
# Here is the smallest GAN with a pool. A fake is a point of the plane: noise plus a learned `shift`. The discriminator
# scores a point $x$ with $w_1 x_1 + w_2 x_2 + w_3$; the three numbers are `judge`. Both learn by gradient descent on
# least squares, first the discriminator, then the generator with the discriminator as it now is. The discriminator
# is shown what the pool gives; the generator's loss is on its own new fakes.
#
# The function below runs without a complaint, and **two** things in it are wrong. One is in the pool; the other
# lets a gradient go where it does not belong. The lines after it print what can be seen from outside: the results are
# the same whatever the pool's capacity, and the generator, with a discriminator that is not allowed to learn, makes
# another step than its own loss asks for.


# %%
def scores_of(points: torch.Tensor, judge: torch.Tensor) -> torch.Tensor:
    """(batch, 2) to (batch,): the discriminator. Nothing is wrong here."""
    return points @ judge[:2] + judge[2]


def train_as_found(
    shift: torch.Tensor,  # (2,)
    judge: torch.Tensor,  # (3,)
    noise: torch.Tensor,  # (steps, batch, 2)
    real: torch.Tensor,  # (steps, batch, 2)
    coins: torch.Tensor,  # (steps, batch): 0 to 1
    places: torch.Tensor,  # (steps, batch): 0 to capacity - 1
    capacity: int,
    generator_rate: float,
    judge_rate: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift and judge after all steps. Two things are wrong here."""
    shift = shift.detach().clone().requires_grad_()
    judge = judge.detach().clone().requires_grad_()
    pool: list[torch.Tensor] = []
    for step in range(len(noise)):
        fakes = noise[step] + shift
        shown = []
        for fake, coin, place in zip(
            fakes, coins[step], places[step], strict=True
        ):
            if len(pool) < capacity:
                pool.append(fake)
                shown.append(fake)
            elif coin < 0.5:
                pool[place] = fake
                shown.append(pool[place])
            else:
                shown.append(fake)

        on_real = ((scores_of(real[step], judge) - 1) ** 2).mean()
        on_shown = (scores_of(torch.stack(shown), judge) ** 2).mean()
        ((on_real + on_shown) / 2).backward()
        with torch.no_grad():
            judge -= judge_rate * judge.grad

        ((scores_of(fakes, judge) - 1) ** 2).mean().backward()
        with torch.no_grad():
            shift -= generator_rate * shift.grad
        shift.grad = judge.grad = None
    return shift.detach(), judge.detach()


generator = torch.Generator().manual_seed(7)
film = {
    "shift": torch.tensor([-1.0, 0.5]).double(),
    "judge": torch.tensor([0.3, -0.2, 0.1]).double(),
    "noise": torch.randn(12, 4, 2, generator=generator).double(),
    "real": torch.randn(12, 4, 2, generator=generator).double() + 2,
    "coins": torch.rand(12, 4, generator=generator).double(),
    "places": torch.randint(4, (12, 4), generator=generator),
}
for capacity in (4, 1000):
    shift, judge = train_as_found(
        **film, capacity=capacity, generator_rate=0.1, judge_rate=0.1
    )
    print(f"capacity {capacity}: shift {shift.numpy()}, judge {judge.numpy()}")
first = {
    name: part[:1] if part.ndim > 1 else part for name, part in film.items()
}
shift, _ = train_as_found(**first, capacity=4, generator_rate=0.1, judge_rate=0)
fakes = film["noise"][0] + film["shift"]
short = 1 - scores_of(fakes, film["judge"]).mean()
print(
    f"first step: {(shift - film['shift']).numpy()}, "
    f"by its own loss {(0.2 * short * film['judge'][:2]).numpy()}"
)

# %% [markdown]
# **Write `train`**: the same function, repaired. The pool works as in exercise 6: while it is not full, a fake is kept
# and shown; after that, where the coin is **below** 0.5, the fake takes the given place, and the picture that stood
# there is shown. A batch's fakes come one after another, so that the pool may become full within a batch, and a fake
# may be shown to the discriminator in the place of a later one of the same batch. No picture in the pool, and none that
# is shown to the discriminator, carries a gradient to the generator; the generator's own loss needs the one that its
# new fakes carry. The capacity is at least 1.


# %% nbgrader={"grade": false, "grade_id": "train-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train(
    shift: torch.Tensor,  # (2,)
    judge: torch.Tensor,  # (3,)
    noise: torch.Tensor,  # (steps, batch, 2)
    real: torch.Tensor,  # (steps, batch, 2)
    coins: torch.Tensor,  # (steps, batch): 0 to 1
    places: torch.Tensor,  # (steps, batch): 0 to capacity - 1
    capacity: int,
    generator_rate: float,
    judge_rate: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift (2,) and judge (3,) after all steps."""
    ### BEGIN SOLUTION
    shift = shift.detach().clone().requires_grad_()
    judge = judge.detach().clone().requires_grad_()
    pool: list[torch.Tensor] = []
    for step in range(len(noise)):
        fakes = noise[step] + shift
        shown = []
        # Detached: otherwise the discriminator's loss, which wants low scores
        # for fakes, would leave its gradient in the shift as well.
        for fake, coin, place in zip(
            fakes.detach(), coins[step], places[step], strict=True
        ):
            if len(pool) < capacity:
                pool.append(fake)
                shown.append(fake)
            elif coin < 0.5:
                shown.append(pool[place])  # before its place is taken
                pool[place] = fake
            else:
                shown.append(fake)

        on_real = ((scores_of(real[step], judge) - 1) ** 2).mean()
        on_shown = (scores_of(torch.stack(shown), judge) ** 2).mean()
        ((on_real + on_shown) / 2).backward()
        with torch.no_grad():
            judge -= judge_rate * judge.grad

        ((scores_of(fakes, judge) - 1) ** 2).mean().backward()
        with torch.no_grad():
            shift -= generator_rate * shift.grad
        shift.grad = judge.grad = None
    return shift.detach(), judge.detach()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "train-tests", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
start = {name: part.clone() for name, part in film.items()}
found = train(**first, capacity=4, generator_rate=0.1, judge_rate=0.0)
assert type(found) is tuple and len(found) == 2, (
    f"return a tuple of two, shift and judge, not {found!r}"
)
assert not any(part.requires_grad for part in found), (
    "return tensors that no longer carry a gradient: detach() them"
)
assert all(torch.equal(film[name], part) for name, part in start.items()), (
    "a tensor you were given has changed: work on a copy"
)
moved = found[0] - film["shift"]
expected = 0.2 * short * film["judge"][:2]
as_found = train_as_found(**first, capacity=4, generator_rate=0.1, judge_rate=0)
assert not torch.allclose(found[0], as_found[0]), (
    "the generator still makes the step of the function as found. Its gradient "
    "is added to one that is there already: which backward() left it?"
)
assert torch.allclose(moved, expected), (
    "with a discriminator that does not learn, the first step of the "
    f"generator's own loss is {expected.numpy()}; yours is {moved.numpy()}"
)
still = {**film, "capacity": 4, "generator_rate": 0.0, "judge_rate": 0.1}
places = [int(place) for place in film["places"].flatten()]
coins = film["coins"].flatten()
fakes = (film["noise"] + film["shift"]).flatten(0, 1)
pool, shown = [0, 1, 2, 3], [0, 1, 2, 3]  # the first four fill it
for number in range(4, len(fakes)):
    swapped = coins[number] < 0.5
    shown.append(pool[places[number]] if swapped else number)
    pool[places[number]] = number if swapped else pool[places[number]]
judge = film["judge"].clone()
for step in range(12):
    points = torch.cat(
        [film["real"][step], fakes[shown[4 * step : 4 * step + 4]]]
    )
    points = torch.cat([points, torch.ones(8, 1)], dim=1)
    wanted = torch.tensor([1.0] * 4 + [0.0] * 4)
    judge -= 0.1 * points.T @ (points @ judge - wanted) / 4
found = train(**still)
assert torch.allclose(found[0], film["shift"]), (
    f"with a rate of 0 the shift stays where it was, not {found[0].numpy()}"
)
assert not torch.allclose(found[1], train_as_found(**still)[1]), (
    "the discriminator still learns as in the function as found, where the "
    "pool changes nothing. Print what is appended to `shown` when a fake takes "
    "a place: is it an old picture?"
)
assert torch.allclose(found[1], judge), (
    f"with a pool of 4 the discriminator ends at {judge.numpy()}, yours at "
    f"{found[1].numpy()}. Which fakes were shown, and when?"
)
large = {**still, "capacity": 1000}
assert torch.allclose(train(**large)[1], train_as_found(**large)[1]), (
    "a pool that never becomes full gives back what it gets, and there the "
    "discriminator of the function as found is right"
)

# %% [markdown]
# ## 8. Two clouds of colours
#
# *A behaviour to reach: 6 points, 30 minutes, level 3.*
#
# A picture here is one colour, three numbers that are independent of each other and spread evenly around 0. In domain B
# each of the three is stretched by a factor of its own: $y = (k_1 x_1, k_2 x_2, k_3 x_3)$. You have 64 colours of each
# domain, of which no two are partners. Both generators are matrices of 3 by 3 and start at random.
#
# In the place of a trained discriminator stands one that is always right, but sees **one number at a time**, as a patch
# discriminator sees only a patch: it sorts the first numbers of all fakes and of all real colours and compares them,
# then the second and the third. So $G$ can please it with one number of $x$ used three times, or with numbers swapped,
# or with any sign turned: 216 solutions for GAN alone. The cycles forbid to lose a number, and leave the 48 that swap
# and invert. Only the identity loss knows that red is red; but with it at a fixed weight the stretching is too timid.
#
# **Write `weights(steps)`**, which returns an array of shape `(steps, 2)`: the weights of the cycles and of the
# identity loss in each step, 0 or more. That of the adversarial loss is always 1. **What to reach**: on new colours the
# mean difference of $G(x)$ from the true partner, averaged over all starts, must be at most **0.15**. (GAN alone has
# about 0.7, no translation at all about 0.27.) The test below tries 6 starts on one pair of clouds with 250 steps;
# others will be tried, drawn in the same way (only such where some weak cycles and some constant weights fail), with
# 230 to 300 steps.
#
# A hint: vary both weights by factors of three first, keeping them constant. Then think of what each is needed for, and
# when: a weight need not be the same at the end as at the beginning, and when the identity loss is strong, the cycles
# must not be weak. The paper's 10 and 5 belong to another adversarial loss. Try several clouds and starts.


# %%
def two_clouds(
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Colours of A and of B, (64, 3) each, no partners; the factors (3,)."""
    rng = np.random.default_rng(seed)
    small, large = rng.uniform(0.4, 0.5), rng.uniform(1.8, 2.1)
    factors = rng.permutation([small, rng.uniform(0.8, 1.2), large])
    a = rng.uniform(-1, 1, (64, 3))
    b = rng.uniform(-1, 1, (64, 3)) * factors
    return tuple(torch.from_numpy(part) for part in (a, b, factors))


def trained(
    a: torch.Tensor,  # (64, 3)
    b: torch.Tensor,  # (64, 3)
    starts: torch.Tensor,  # (2, starts, 3, 3): G and F of each start
    weights: np.ndarray,  # (steps, 2): cycles, identity
) -> torch.Tensor:
    """All generators after these steps of Adam, (2, starts, 3, 3)."""
    both = starts.clone().requires_grad_()
    optimizer = torch.optim.Adam([both], lr=0.03, betas=(0.5, 0.999))
    real = a.sort(dim=0).values, b.sort(dim=0).values

    def apart(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return (found - wanted).abs().mean(dim=(1, 2)).sum()

    for cycle, identity in weights.tolist():
        g, f = both
        fake_b, fake_a = a @ g, b @ f  # (starts, 64, 3)
        loss = 0.0
        for fake, wanted in ((fake_a, real[0]), (fake_b, real[1])):
            gap = fake.sort(dim=1).values - wanted
            loss = loss + gap.square().mean(dim=(1, 2)).sum()
        if cycle:
            loss = loss + cycle * (apart(fake_b @ f, a) + apart(fake_a @ g, b))
        if identity:
            loss = loss + identity * (apart(b @ g, b) + apart(a @ f, a))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return both.detach()


def error_of(both: torch.Tensor, factors: torch.Tensor, seed: int) -> float:
    """Mean difference of G(x) from its true partner, on new colours."""
    x = np.random.default_rng(seed).uniform(-1, 1, (200, 3))
    x = torch.from_numpy(x)
    return (x @ both[0] - x * factors).abs().mean().item()


def random_starts(seed: int) -> torch.Tensor:
    """Six pairs of generators before training, (2, 6, 3, 3)."""
    drawn = np.random.default_rng(seed).normal(0, 0.5, (2, 6, 3, 3))
    return torch.from_numpy(drawn)


# %% [markdown]
# Example: GAN alone is `np.zeros((steps, 2))`, and `np.tile([1.0, 0.1], (steps, 1))` has constant weights. A training
# takes about half a second.


# %% nbgrader={"grade": false, "grade_id": "weights-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def weights(steps: int) -> np.ndarray:
    """Of the cycles and the identity loss in each step, (steps, 2)."""
    ### BEGIN SOLUTION
    # The identity loss chooses among the solutions, and is gone when the
    # stretching is learned; the cycles keep what was chosen.
    left = np.maximum(1 - 2 * np.arange(steps) / steps, 0)
    return np.stack([np.full(steps, 3.0), 10 * left], axis=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "weights-tests", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
chosen = weights(250)
assert isinstance(chosen, np.ndarray) and chosen.shape == (250, 2), (
    "return an array with two weights for each of the 250 steps: (250, 2), not "
    f"{np.shape(chosen)}"
)
assert chosen.dtype.kind == "f" and np.isfinite(chosen).all(), (
    "the weights are floats, and finite"
)
assert (chosen >= 0).all(), "no weight is below 0"
a, b, factors = two_clouds(9)
both = trained(a, b, random_starts(9), chosen)
reached = error_of(both, factors, 9)
print(f"error {reached:.3f}; the factors are {factors.numpy().round(2)}")
print(f"G of the first start:\n{both[0, 0].numpy().round(2)}")
assert reached <= 0.15, (
    f"the error is {reached:.3f}, at most 0.15 is allowed. See G above: are "
    "the large numbers off the diagonal, or below 0? Then a wrong solution was "
    "chosen: the identity loss was too weak at the beginning, or the cycles "
    "did not keep what it chose. Are they in the right places, but nearer to 1 "
    "than the factors? Then it is too strong at the end. Is a row nearly "
    "empty? Then the cycles are too weak"
)
