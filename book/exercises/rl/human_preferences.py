# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: learning from human preferences
#
# Nine exercises on rewards that nobody wrote down: what an answer is worth and how it pulls on a reward, what choices
# leave open, what an ensemble is for, when to ask, a mistake that only shows when clips differ in length, how a policy
# is told that an episode was cut, and a labeller who answers twenty questions. Together they are worth 28 points and
# take a little under two and a half hours. They need NumPy and PyTorch and nothing else: no simulator, no GPU.
#
# Work from top to bottom. For each exercise, replace `raise NotImplementedError()` by your code, run the cell, then run
# the tests below it. When a test fails, read its message: it says what to look at. The tests you see are examples; a
# teacher checks your function on other inputs as well, so follow the statement where the tests are silent. No exercise
# needs your answer to another.
#
# The words are the same in all exercises. A **clip** is a short piece of behaviour, and a **reward** $r$ gives each of
# its steps a number. A clip is worth the **sum** of the rewards of its steps. A **labeller** sees two clips and says
# which is better; the **preference** $\mu$ is 1 if it is the first, 0 if it is the second and 0.5 if they are equally
# good.

# %%
import math

import numpy as np
import torch

# %% [markdown]
# ## 1. However clear it is
#
# *A number to compute: 2 points, 10 minutes, level 1.*
#
# Let $\Delta$ be the sum of the first clip's rewards minus that of the second's. Bradley and Terry say that a labeller
# prefers the first with the probability
#
# $$P = \frac{1}{1 + e^{-\Delta}}$$
#
# People slip, though, and not only where it is close. The paper assumes that a share $\varepsilon$ of all answers, 10
# percent, is given **without looking**: first or second, each with probability one half. The other answers follow
# Bradley and Terry.
#
# An answer costs the model $-\ln$ of the probability that the model gave to this answer, in nats.
#
# **One clip is infinitely better than the other. With what probability is it preferred? And what does it cost the model
# when the labeller prefers the other?** Write the function so that it answers for any $\Delta$ and any $\varepsilon$
# above 0, up to 1. It returns a tuple of two Python floats: the probability that the **first** clip is preferred, and
# the cost of the answer "the **second** is better". $\Delta$ may be thousands, of either sign, or infinite.
#
# Example: with $\Delta = 0$ the probability is 0.5 whatever $\varepsilon$ is, and either answer costs $\ln 2 = 0.693$.


# %% nbgrader={"grade": false, "grade_id": "chance_and_cost-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def chance_and_cost(difference: float, error: float) -> tuple[float, float]:
    """P(first is preferred), and the cost of "the second is better"."""
    ### BEGIN SOLUTION
    # The same as 1 / (1 + e^-x), but nothing in it can overflow.
    looking = (1 + math.tanh(difference / 2)) / 2
    first = (1 - error) * looking + error / 2
    return first, -math.log(1 - first)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "chance_and_cost-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = chance_and_cost(0.0, 0.1)
assert type(found) is tuple and len(found) == 2, (
    f"return a tuple of two, a probability and a cost, not {found!r}"
)
assert all(type(part) is float for part in found), (
    f"both are Python floats; you returned {found!r}"
)
assert np.allclose(found, (0.5, math.log(2))), (
    "two clips that are worth the same are preferred alike: 0.5, and either "
    f"answer costs 0.693. You say {found[0]:.4f} and {found[1]:.4f}"
)
chance, cost = chance_and_cost(2.0, 1.0)
assert math.isclose(chance, 0.5), (
    f"a labeller who never looks prefers either with 0.5, not {chance:.4f}"
)
chance, cost = chance_and_cost(2.0, 0.1)
assert math.isclose(chance, 0.9 / (1 + math.exp(-2)) + 0.05), (
    "at a difference of 2 a labeller who looks prefers the first with 0.8808; "
    "nine in ten look, and of the others half say first: 0.8427, not "
    f"{chance:.4f}"
)
assert math.isclose(cost, -math.log(0.95 - 0.9 / (1 + math.exp(-2)))), (
    "at a difference of 2 'the second is better' had the probability 0.1573 "
    f"and costs 1.8497, not {cost:.4f}"
)
chance, cost = chance_and_cost(math.inf, 0.1)
print(f"preferred with {chance:.2f}; the other answer costs {cost:.3f} nats")
assert math.isclose(chance, 0.95), (
    f"0.9 by looking and half of 0.1 by chance are 0.95, not {chance:.4f}: who "
    "does not look is right half of the time"
)
assert math.isclose(cost, -math.log(0.05), rel_tol=1e-6), (
    "the most surprising answer has the probability 0.05 and costs 2.996, not "
    f"{cost:.4f}. Without the error it would cost infinitely much"
)
chance, cost = chance_and_cost(-math.inf, 0.1)
assert math.isclose(chance, 0.05) and math.isclose(cost, -math.log(0.95)), (
    "a first clip that is infinitely worse is preferred with 0.05, and 'the "
    f"second is better' costs 0.051; you say {chance:.4f} and {cost:.4f}"
)

# %% [markdown]
# ## 2. How an answer pulls
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# The reward is learned by gradient descent on the cost of the answers. Of comparison $i$ we know the sums of reward
# $a_i$ and $b_i$ that the model gives to the first and to the second clip. As in exercise 1, the model says that the
# first is preferred with the probability
#
# $$Q_i = (1 - \varepsilon)\, \frac{1}{1 + e^{-(a_i - b_i)}} + \frac{\varepsilon}{2}$$
#
# and the loss is the **mean** over the $n$ comparisons:
#
# $$L = -\frac{1}{n} \sum_{i=1}^{n} \Big( \mu_i \ln Q_i + (1 - \mu_i) \ln (1 - Q_i) \Big)$$
#
# **Write `loss_gradient`**, which returns $\partial L / \partial a_i$ for all $i$, an array of shape `(comparisons,)`:
# by hand, with NumPy and without autograd. The second clip gets the opposite, so that it need not be returned.
# $\varepsilon$ is at least 0 and less than 1. $\mu_i$ may be **any** number from 0 to 1, since the answers of several
# people may have been averaged.
#
# A check: without errors, for a single comparison, it is $P - \mu$ with the $P$ of Bradley and Terry.


# %% nbgrader={"grade": false, "grade_id": "loss_gradient-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def loss_gradient(
    first: np.ndarray,  # (comparisons,): sums of reward
    second: np.ndarray,  # (comparisons,)
    preferences: np.ndarray,  # (comparisons,): 0 to 1
    error: float,
) -> np.ndarray:
    """The loss's derivative by each first clip's sum, (comparisons,)."""
    ### BEGIN SOLUTION
    looking = (1 + np.tanh((first - second) / 2)) / 2  # P
    chance = (1 - error) * looking + error / 2  # Q
    by_chance = -preferences / chance + (1 - preferences) / (1 - chance)
    slope = (1 - error) * looking * (1 - looking)  # dQ / da
    return by_chance * slope / len(preferences)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "loss_gradient-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
one = np.ones(1)
found = loss_gradient(0 * one, 0 * one, one, 0.0)
assert isinstance(found, np.ndarray) and found.shape == (1,), (
    f"return an array of shape (1,) for a single comparison, not {found!r}"
)
assert math.isclose(found[0], -0.5), (
    "two equal sums, the first preferred, no errors: P - 1 = -0.5, not "
    f"{found[0]:.4f}. To lower the loss the first sum must grow, so its "
    "gradient is negative. And how fast does Q change with it?"
)
found = loss_gradient(0 * one, 0 * one, one, 0.1)[0]
assert math.isclose(found, -0.45), (
    "the same with a tenth of the answers given without looking: Q is still "
    f"0.5, but changes 0.9 times as fast: -0.45, not {found:.4f}"
)
found = loss_gradient(0 * one, 0 * one, 0.5 * one, 0.1)[0]
assert abs(found) < 1e-12, (
    f"a tie between equal sums is what the model says: 0, not {found:.4f}"
)
found = loss_gradient(one, 0 * one, 0.5 * one, 0.0)[0]
assert math.isclose(found, 1 / (1 + math.exp(-1)) - 0.5), (
    "'equally good' when the model puts the first ahead by 1: P - 0.5 = "
    f"0.2311, not {found:.4f}. A tie pulls two sums together"
)
gap = np.array([20.0])
without, with_error = (
    loss_gradient(0 * gap, gap, one, error)[0] for error in (0.0, 0.1)
)
assert math.isclose(without, -1, rel_tol=1e-6), (
    "the first is preferred although the model puts it 20 behind. Without "
    f"errors such an answer pulls with -1, however wrong it is; you say "
    f"{without:.4f}"
)
assert abs(with_error) < 1e-6, (
    "the same answer with errors: the model takes it for a slip and hardly "
    f"moves, by less than a millionth; you say {with_error:.4g}. Q has a slope "
    "of its own: dQ/da = (1 - error) P (1 - P)"
)
rng = np.random.default_rng(2)
sums = rng.normal(0, 2, (2, 6))
answers = np.array([1.0, 0.0, 0.5, 0.0, 1.0, 0.5])


def loss_by_definition(first: np.ndarray) -> float:
    """The formula in the text, with a tenth of errors."""
    chances = 0.9 / (1 + np.exp(sums[1] - first)) + 0.05
    costs = answers * np.log(chances) + (1 - answers) * np.log(1 - chances)
    return -costs.mean()


steps = 1e-5 * np.eye(6)
expected = np.array(
    [
        (loss_by_definition(sums[0] + h) - loss_by_definition(sums[0] - h))
        / 2e-5
        for h in steps
    ]
)
found = loss_gradient(*sums, answers, 0.1)
assert found.shape == (6,), f"six comparisons, not a shape of {found.shape}"
assert not np.allclose(found, 6 * expected, atol=1e-7), (
    "your gradient is six times that of the loss of six comparisons: the loss "
    "is their mean"
)
assert np.allclose(found, expected, atol=1e-7), (
    "moving each first sum by a hundred-thousandth up and down changes the "
    f"loss as if its gradient were\n{expected.round(4)}; yours is\n"
    f"{found.round(4)}"
)

# %% [markdown]
# ## 3. What choices cannot tell
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# A reward that is learned from choices is one of many, since others explain the same choices. Which changes of a reward
# go unnoticed? Some episodes are given, each with a reward for each of its steps, before a change and after it. A
# **clip** is any `steps` **consecutive** steps of one episode, wherever it starts, and any two clips can be compared,
# of the same episode or of two.
#
# **Write `what_survives(rewards, changed, steps)`**, which returns a tuple of three Python bools:
#
# 1. Does a labeller of Bradley and Terry's kind answer **every** comparison with the same probability as before?
# 2. Does a labeller who never errs give the same answer to **every** comparison? They say which sum is larger, or that
#    the two are equal.
# 3. Is the best episode still the best? It is the one with the largest sum over **all its steps**, and the only one.
#
# Sums that differ by less than $10^{-9}$ are equal: the rest is rounding.
#
# Example: let all rewards be doubled. Then the probabilities change, the better clips and the best episode do not:
# `(False, True, True)`. Two more that you may work out first: add 1 to every step; let every episode begin with a
# reward that is larger by 5 and end with one that is smaller by 5.


# %% nbgrader={"grade": false, "grade_id": "what_survives-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def what_survives(
    rewards: list[np.ndarray],  # of each episode (its steps,)
    changed: list[np.ndarray],  # the same shapes
    steps: int,  # of a clip; no episode is shorter
) -> tuple[bool, bool, bool]:
    """Are all probabilities, all better clips, the best episode the same?"""

    ### BEGIN SOLUTION
    def sums(episodes: list[np.ndarray]) -> np.ndarray:
        ones = np.ones(steps)
        return np.concatenate(
            [np.convolve(episode, ones, "valid") for episode in episodes]
        )  # (clips,)

    def differences(episodes: list[np.ndarray]) -> np.ndarray:
        worth = sums(episodes)
        found = worth[:, None] - worth  # (clips, clips)
        return np.where(np.abs(found) < 1e-9, 0, found)

    def best(episodes: list[np.ndarray]) -> int:
        return int(np.argmax([episode.sum() for episode in episodes]))

    before, after = differences(rewards), differences(changed)
    return (
        bool(np.allclose(before, after, rtol=0, atol=1e-9)),
        bool((np.sign(before) == np.sign(after)).all()),
        best(rewards) == best(changed),
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "what_survives-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
rng = np.random.default_rng(3)
equal = [rng.normal(size=12) for _ in range(4)]
found = what_survives(equal, equal, 5)
assert type(found) is tuple and [type(part) for part in found] == [bool] * 3, (
    f"return a tuple of three Python bools, not {found!r}"
)
assert found == (True, True, True), (
    f"where nothing has changed everything survives; you say {found}"
)
found = what_survives(equal, [2 * episode for episode in equal], 5)
assert found == (False, True, True), (
    "doubled rewards double all differences: other probabilities, the same "
    f"order. Expected (False, True, True), not {found}"
)
found = what_survives(equal, [episode + 1 for episode in equal], 5)
assert found == (True, True, True), (
    "1 more in every step adds 5 to every clip and 12 to every episode, and "
    f"leaves all differences as they were, up to rounding; you say {found}"
)
found = what_survives(equal, [-episode for episode in equal], 5)
assert found == (False, False, False), (
    "with all signs turned the better clip is the worse, and so is the best "
    f"episode; you say {found}"
)
shaping = np.zeros(12)
shaping[[0, -1]] = 5.0, -5.0
found = what_survives(equal, [episode + shaping for episode in equal], 5)
assert found == (False, False, True), (
    "5 more in the first step and 5 less in the last leave every whole episode "
    "as it was, but clips at the beginning look better than they did. "
    f"Expected (False, False, True), not {found}"
)
short, long = np.array([3.0, 3.0, 3.0]), np.ones(8)
unequal = [short, long]
found = what_survives(unequal, [episode + 1 for episode in unequal], 3)
assert found == (True, True, False), (
    "1 more in every step: clips of equal length notice nothing. But the short "
    "episode, 9 against 8, gains 3, and the long one gains 8. Expected (True, "
    f"True, False), not {found}. This is why the chapter's episodes all have "
    "the same length"
)

# %% [markdown]
# ## 4. What an ensemble is for
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# The paper trains several rewards, the **members**, each on its own sample of the answers, and uses them twice.
#
# **The reward of a step**, for the policy, is the mean over the members. But as exercise 3 shows, answers leave open
# which constant a member adds, and its scale tells how sure the member is more than what it likes; so each member is
# first **normalised** by itself: shifted and scaled so that its rewards have the mean 0 and the (population) standard
# deviation 1 over all steps of all clips.
#
# **The questions to ask next** are those on which the members disagree. For each pair of clips every member says, from
# **its own rewards, not normalised**, with which probability the first is preferred (Bradley and Terry on the **sums**,
# exercise 1 with $\varepsilon = 0$). Asked are the `count` pairs for which the **variance of these probabilities** over
# the members is largest.
#
# **Write `reward_and_questions(rewards, pairs, count)`**, which returns a tuple of two arrays: the rewards of the
# steps, of shape `(clips, steps)`, and the numbers of the pairs to ask, of shape `(count,)`, the most disputed first.
#
# Example: two members give the two steps of a clip the rewards (0, 2) and (10, 30). Normalised, both say (-1, 1), and
# so does their mean; without that it would be (5, 16), nearly all of it from the second.


# %% nbgrader={"grade": false, "grade_id": "reward_and_questions-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reward_and_questions(
    rewards: np.ndarray,  # (members, clips, steps)
    pairs: np.ndarray,  # (pairs, 2): numbers of the first and second clip
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The rewards for the policy; the pairs to ask, most disputed first."""
    ### BEGIN SOLUTION
    mean = rewards.mean(axis=(1, 2), keepdims=True)
    std = rewards.std(axis=(1, 2), keepdims=True)
    reward = ((rewards - mean) / std).mean(axis=0)

    worth = rewards.sum(axis=2)  # (members, clips)
    difference = worth[:, pairs[:, 0]] - worth[:, pairs[:, 1]]
    chances = (1 + np.tanh(difference / 2)) / 2  # (members, pairs)
    # A share of errors would scale all variances alike.
    disputed = np.argsort(-chances.var(axis=0))
    return reward, disputed[:count]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reward_and_questions-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
two = np.array([[[0.0, 2.0]], [[10.0, 30.0]]])
found = reward_and_questions(two, np.array([[0, 0]]), 1)
assert type(found) is tuple and len(found) == 2, (
    "return a tuple of two: the rewards, the pairs to ask"
)
reward, asked = found
assert isinstance(reward, np.ndarray) and reward.shape == (1, 2), (
    "one clip of two steps: rewards of the shape (1, 2), whatever the number "
    "of members"
)
assert isinstance(asked, np.ndarray) and asked.dtype.kind == "i", (
    "the pairs to ask are an array of whole numbers"
)
assert asked.tolist() == [0], (
    "the only pair has the number 0; return numbers of pairs, an array of shape "
    f"(count,), not {asked.tolist()}"
)
assert np.allclose(reward, [[-1, 1]]), (
    "in the example both members agree once each is normalised: (-1, 1), not "
    f"{reward.ravel().round(3)}. Normalise each member before averaging, with "
    "NumPy's own standard deviation"
)
# Member 0 has no opinion of clip 2; member 1 has one that is ten times larger.
three = np.array(
    [[[0.0, 0.0], [2.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 0.0], [10.0, 20]]]
)
reward, _ = reward_and_questions(three, np.array([[0, 1]]), 1)
means = three.mean(axis=(1, 2)).tolist()
assert abs(reward.mean()) < 1e-9, (
    "the mean over all steps of all clips is 0 for each member, so it is 0 for "
    f"their mean; yours is {reward.mean():.3f}"
)
expected = sum((m - m.mean()) / m.std() for m in three) / 2
assert np.allclose(reward, expected), (
    f"with the members' means {means} the rewards are\n{expected.round(3)}\n"
    f"not\n{reward.round(3)}\nOne mean and one deviation a member, over all "
    "steps of all clips"
)
# Sums of the clips: member 0 says 0, 4, 1, 9, 0.2 and member 1 says 0, 4, -1,
# 14, -0.2.
five = np.zeros((2, 5, 2))
five[0, :, 0] = [0.0, 4.0, 1.0, 9.0, 0.2]
five[1, :, 0] = [0.0, 4.0, -1.0, 14.0, -0.2]
options = np.array([[0, 4], [1, 0], [2, 0], [3, 0]])
_, asked = reward_and_questions(five, options, 4)
assert asked[0] != 3, (
    "sums of 9 and of 14 are far apart, but both members are sure of the same "
    "answer: it need not be asked. Compare the probabilities"
)
assert asked[0] == 2, (
    "on pair 2 one member says 0.73 and the other 0.27, on no other pair do "
    f"they differ as much; you ask {asked[0]} first"
)
assert asked.tolist() == [2, 0, 3, 1], (
    "the variances of the four pairs are 0.0025, 0, 0.053 and 3.7e-9, so that "
    f"they are asked in the order 2, 0, 3, 1, not {asked.tolist()}"
)
_, asked = reward_and_questions(five, options, 2)
assert asked.tolist() == [2, 0], (
    f"of these, two questions are the first two, not {asked.tolist()}"
)

# %% [markdown]
# ## 5. When to ask
#
# *A number to compute: 2 points, 10 minutes, level 1.*
#
# People answer slowly, so a run has a fixed number of labels $N$, and it matters when they are spent. In the paper a
# quarter of them is spent before the first step, on clips of the untrained policy. The others are spread over the run,
# of $S$ steps in all, such that at step $T$ they are asked at a rate proportional to
#
# $$\frac{D}{T + D} \qquad \text{with } D = 2{,}000{,}000,$$
#
# and the last of them at step $S$. After that no more are asked.
#
# **With 700 labels and a run of 10 million steps, how many have been asked at step 2,000,000? And at which step have
# half of them been asked?** Write the function so that it answers for any such run and any $D$. It returns a tuple of
# two Python floats, neither rounded: the labels asked up to step `step`, which may also lie beyond the end of the run,
# and the step at which half of all labels have been asked.
#
# Example: with 100 labels, $D = 1$ and a run of 3 steps, 25 are asked at the beginning. The rate $1 / (T + 1)$ adds up
# to $\ln(T + 1)$, which is $\ln 4$ at the end, so that at step 1 there are $25 + 75 \ln 2 / \ln 4 = 62.5$.


# %% nbgrader={"grade": false, "grade_id": "labels_asked-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def labels_asked(
    step: float, run_steps: float, labels: int, decay: float
) -> tuple[float, float]:
    """Labels asked up to `step`; the step with half of them asked."""
    ### BEGIN SOLUTION
    # The integral of D / (T + D) is D ln(1 + T / D); D cancels.
    whole = math.log1p(run_steps / decay)
    share = min(1.0, math.log1p(step / decay) / whole)
    # A half is a quarter and a third of the other three quarters.
    half = decay * math.expm1(whole / 3)
    return labels * (0.25 + 0.75 * share), half
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "labels_asked-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
found = labels_asked(1, 3, 100, 1)
assert type(found) is tuple and [type(part) for part in found] == [float] * 2, (
    f"return a tuple of two Python floats, not {found!r}"
)
asked = labels_asked(0, 3, 100, 1)[0]
assert math.isclose(asked, 25), (
    f"a quarter of 100 labels is asked before the first step, not {asked:.2f}"
)
asked = labels_asked(3, 3, 100, 1)[0]
assert math.isclose(asked, 100), (
    f"at the end of the run all 100 have been asked, not {asked:.2f}: the rate "
    "is only proportional to D / (T + D). What makes the other 75 come out?"
)
assert math.isclose(found[0], 62.5), (
    f"at step 1 of the example, with D = 1, it is 62.5, not {found[0]:.2f}. The labels up "
    "to a step are the rate's integral"
)
assert math.isclose(found[1], 4 ** (1 / 3) - 1), (
    "half of 100 are the 25 of the beginning and 25 of the other 75, so at the "
    "step where ln(T + 1) is a third of ln 4: 0.5874, not "
    f"{found[1]:.4f}"
)
asked, half = labels_asked(2e6, 1e7, 700, 2e6)
print(f"{asked:.1f} labels at step 2,000,000; half at step {half:,.0f}")
assert math.isclose(asked, 175 + 525 * math.log(2) / math.log(6)), (
    f"175 + 525 ln 2 / ln 6 = 378.1 labels, not {asked:.1f}"
)
assert math.isclose(half, 2e6 * (6 ** (1 / 3) - 1)), (
    f"half of the labels are asked at step 1,634,241, not {half:,.0f}"
)

# %% [markdown]
# ## 6. Who lives longer
#
# *A silent bug to find: 3 points, 15 minutes, level 2.*
#
# A walker's episode ends when it falls. Someone shows whole episodes to labellers, short ones beside long ones, and the
# labellers like walkers that stay up: each step on two legs is worth something, and an episode is worth the **sum**.
# The shorter ones are **padded** to one length so that they fit into an array; what the reward model says of the
# padding means nothing.
#
# The loss below is the mean cost of the answers, as in exercise 2. It falls, and most of the answers are predicted. Yet
# the reward it teaches is blind to what the labellers like best. The lines after the function show it: one of the three
# features is 1 in every step, and the true reward gives it 0.3.


# %%
def preference_loss_as_found(
    first: torch.Tensor,  # (comparisons, steps): the model's rewards
    first_lengths: torch.Tensor,  # (comparisons,): steps before the padding
    second: torch.Tensor,  # (comparisons, steps)
    second_lengths: torch.Tensor,  # (comparisons,)
    preferences: torch.Tensor,  # (comparisons,)
    error: float,
) -> torch.Tensor:
    """The mean cost of the answers. Something is wrong here."""
    steps = torch.arange(first.shape[1])
    worth = []
    for rewards, lengths in ((first, first_lengths), (second, second_lengths)):
        padded = steps >= lengths[:, None]
        worth.append(rewards.masked_fill(padded, 0).sum(dim=1) / lengths)
    looking = torch.sigmoid(worth[0] - worth[1])
    chances = (1 - error) * looking + error / 2
    costs = preferences * chances.log() + (1 - preferences) * (-chances).log1p()
    return -costs.mean()


def learned_weights(loss_function) -> torch.Tensor:
    """The weights of the three features, learned from 200 comparisons."""
    generator = torch.Generator().manual_seed(6)
    features = torch.randn(2, 200, 12, 3, generator=generator)
    features[..., 0] = 1.0
    lengths = torch.randint(3, 13, (2, 200), generator=generator)
    padded = torch.arange(12) >= lengths[..., None]
    features = features.masked_fill(padded[..., None], 0)
    worth = (features @ torch.tensor([0.3, 0.5, -0.5])).sum(dim=2)
    preferences = (worth[0] > worth[1]).float()
    weights = torch.zeros(3, requires_grad=True)
    for _ in range(60):
        first, second = features @ weights
        loss = loss_function(
            first, lengths[0], second, lengths[1], preferences, 0.1
        )
        (gradient,) = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            weights -= 0.5 * gradient
    return weights.detach()


weights = learned_weights(preference_loss_as_found)
print(
    f"true weights 0.30, 0.50, -0.50, up to a factor; learned {weights[0]:z.2f}, "
    f"{weights[1]:.2f}, {weights[2]:.2f}"
)

# %% [markdown]
# **Write `preference_loss`**: the same function, repaired. Where all clips have the same length it is the loss of
# exercise 2, computed from the sums. (The chapter does not get into this trouble: it compares clips of one length only,
# and refuses others.)


# %% nbgrader={"grade": false, "grade_id": "preference_loss-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def preference_loss(
    first: torch.Tensor,  # (comparisons, steps): the model's rewards
    first_lengths: torch.Tensor,  # (comparisons,): steps before the padding
    second: torch.Tensor,  # (comparisons, steps)
    second_lengths: torch.Tensor,  # (comparisons,)
    preferences: torch.Tensor,  # (comparisons,)
    error: float,
) -> torch.Tensor:
    """The mean cost of the answers, a tensor of shape ()."""
    ### BEGIN SOLUTION
    steps = torch.arange(first.shape[1])
    worth = []
    for rewards, lengths in ((first, first_lengths), (second, second_lengths)):
        padded = steps >= lengths[:, None]
        # The sum. In a mean whatever is the same in every step cancels, and
        # with it all that speaks for living longer.
        worth.append(rewards.masked_fill(padded, 0).sum(dim=1))
    looking = torch.sigmoid(worth[0] - worth[1])
    chances = (1 - error) * looking + error / 2
    costs = preferences * chances.log() + (1 - preferences) * (-chances).log1p()
    return -costs.mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "preference_loss-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
single = {
    "first": torch.tensor([[0.5, 0.5, 0.5, 0.5]]),
    "first_lengths": torch.tensor([4]),
    "second": torch.tensor([[0.5, 0.0, 0.0, 0.0]]),
    "second_lengths": torch.tensor([4]),
    "preferences": torch.tensor([1.0]),
    "error": 0.1,
}
found = preference_loss(**single)
assert isinstance(found, torch.Tensor) and found.shape == (), (
    "return a tensor without dimensions, the mean over the comparisons"
)
expected = -math.log(0.9 / (1 + math.exp(-1.5)) + 0.05)
assert math.isclose(found.item(), expected, rel_tol=1e-5), (
    "two clips of four steps with the sums 2.0 and 0.5, the first preferred: "
    f"the loss is {expected:.4f}, not {found.item():.4f}. With the means it "
    "would be 0.5389, without the errors 0.2014"
)
found = preference_loss(**single | {"second_lengths": torch.tensor([1])})
assert math.isclose(found.item(), expected, rel_tol=1e-5), (
    "the second clip ends after its first step, with the same sum, 0.5: the "
    f"loss is still {expected:.4f}, not {found.item():.4f}. Its mean is that "
    "of the first clip, but the first is worth four times as much"
)
three = {
    "first": torch.tensor([[1.0, 1.0], [0.2, 0.0], [0.3, 0.3]]),
    "first_lengths": torch.tensor([2, 1, 2]),
    "second": torch.tensor([[1.0, 0.0], [0.2, 0.2], [0.6, 0.0]]),
    "second_lengths": torch.tensor([1, 2, 1]),
    "preferences": torch.tensor([1.0, 0.0, 0.5]),
    "error": 0.0,
}
found = preference_loss(**three)
expected = math.log1p(math.exp(-1)) + math.log1p(math.exp(-0.2)) + math.log(2)
assert math.isclose(found.item(), expected / 3, rel_tol=1e-5), (
    "three comparisons whose sums differ by 1, -0.2 and 0 have the mean loss "
    f"{expected / 3:.4f}, not {found.item():.4f}"
)
weights = learned_weights(preference_loss)
ratio = (weights[0] / weights[1]).item()
print(f"learned {weights[0]:.2f}, {weights[1]:.2f}, {weights[2]:.2f}")
assert abs(ratio - 0.6) < 0.1, (
    "the labellers give being up 0.6 times the weight of the next feature; "
    f"your loss teaches {ratio:.2f}"
)

# %% [markdown]
# ## 7. The end, or only the end of the film
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# Whatever the reward is, what a value function is to predict are **returns**: the discounted sums of what came from a
# step on. In a rollout of several worlds, which all go on after the end of an episode with the next one, there are two
# kinds of ends. An episode is **terminated** when something in the world ended it, such as a fall: nothing comes after.
# It is **truncated** when only a clock ended it: what would have come is estimated by the value $V$ of the **last
# observation of that episode**, `final_values`. The rollout itself stops somewhere too, and what would have come then
# is estimated by `next_values`, the values of the observations on which it stopped.
#
# $$G_t = r_t + \gamma \cdot \begin{cases} 0 & \text{terminated at } t \\ \text{final value} & \text{truncated at } t \\ G_{t+1} & \text{else, with } G_n = \text{next value} \end{cases}$$
#
# Where an episode is terminated and truncated in the same step, the fall counts.
#
# **Write `returns`**, an array of shape `(steps, worlds)`. `final_values` is `nan` wherever no episode was truncated,
# and 0 times `nan` is `nan`.
#
# Example: one world, the rewards 1, 1, 1, $\gamma = 0.5$ and the next value 8. Without an end the returns are 2.75, 3.5
# and 5. If the second step is terminated, they are 1.5, 1 and 5; if it is truncated with the final value 4, they are
# 2.5, 3 and 5.


# %% nbgrader={"grade": false, "grade_id": "returns-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def returns(
    rewards: np.ndarray,  # (steps, worlds)
    terminated: np.ndarray,  # (steps, worlds): bools
    truncated: np.ndarray,  # (steps, worlds): bools
    final_values: np.ndarray,  # (steps, worlds): V where truncated, or nan
    next_values: np.ndarray,  # (worlds,): V where the rollout stops
    gamma: float,
) -> np.ndarray:
    """The discounted returns, (steps, worlds)."""
    ### BEGIN SOLUTION
    found = np.empty_like(rewards)
    later = next_values
    for step in reversed(range(len(rewards))):
        later = np.where(truncated[step], final_values[step], later)
        later = np.where(terminated[step], 0.0, later)
        later = rewards[step] + gamma * later
        found[step] = later
    return found
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "returns-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
never = np.zeros((3, 1), bool)
second = np.array([[False], [True], [False]])
film = {
    "rewards": np.ones((3, 1)),
    "terminated": never,
    "truncated": never,
    "final_values": np.full((3, 1), np.nan),
    "next_values": np.array([8.0]),
    "gamma": 0.5,
}
found = returns(**film)
assert isinstance(found, np.ndarray) and found.shape == (3, 1), (
    "three steps of one world: return an array of shape (3, 1)"
)
assert not np.isnan(found).any(), (
    "nan has come in from final_values where no episode was truncated: choose "
    "with np.where instead of multiplying by 0"
)
assert np.allclose(found.ravel(), [2.75, 3.5, 5]), (
    "without an end the example gives 2.75, 3.5 and 5, not "
    f"{found.ravel()}. The last return is 1 + 0.5 * 8"
)
found = returns(**film | {"terminated": second})
assert np.allclose(found.ravel(), [1.5, 1, 5]), (
    "after a terminated step comes nothing, and the third step belongs to the "
    f"next episode: 1.5, 1 and 5, not {found.ravel()}"
)
cut = {"truncated": second, "final_values": np.where(second, 4.0, np.nan)}
found = returns(**film | cut)
assert not np.allclose(found.ravel(), [1.5, 1, 5]), (
    "you treat an episode that was cut as one that came to its end: nothing "
    "bad has happened in its last step, and its final value stands for what "
    "would have come"
)
assert np.allclose(found.ravel(), [2.5, 3, 5]), (
    "an episode cut after the second step, with a final value of 4, gives 2.5, "
    f"3 and 5, not {found.ravel()}. The second return is 1 + 0.5 * 4, and the "
    "third step, in the next episode, is not seen from it"
)
last = np.array([[False], [False], [True]])
cut = {"truncated": last, "final_values": np.where(last, 4.0, np.nan)}
found = returns(**film | cut)
assert np.allclose(found.ravel(), [2.25, 2.5, 3]), (
    "an episode cut in the last step has its own final value, 4; the next "
    "value, 8, is that of the next episode's first observation. Expected 2.25, "
    f"2.5 and 3, not {found.ravel()}"
)

# %% [markdown]
# ## 8. Advantages
#
# *A piece to write: 3 points, 15 minutes, level 2.*
#
# PPO does not use returns as they are, but **generalised advantages**: sums of the one-step surprises
#
# $$\delta_t = r_t + \gamma V_{t+1} - V_t, \qquad A_t = \delta_t + \gamma \lambda A_{t+1},$$
#
# where $A$ is 0 after the last step of the rollout. At an end the two terms that look ahead change, as in exercise 7:
#
# - in $\delta_t$, instead of $V_{t+1}$ stands 0 if step $t$ is terminated, and the final value if it is truncated (a
#   fall counts more than the clock);
# - $A_{t+1}$ belongs to another episode, whichever of the two it was, and counts 0.
#
# **Write `advantages`**, an array of shape `(steps, worlds)`. `values` has a row more than there are steps: the last is
# the value where the rollout stops. The worlds end their episodes at different steps. `final_values` is `nan` where no
# episode was truncated.
#
# Example: the rewards 1 and 1, the values 2, 4 and 8, $\gamma = 0.5$ and $\lambda = 0.5$. The surprises are
# $1 + 2 - 2 = 1$ and $1 + 4 - 4 = 1$, the advantages $1 + 0.25 \cdot 1 = 1.25$ and 1.


# %% nbgrader={"grade": false, "grade_id": "advantages-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def advantages(
    rewards: np.ndarray,  # (steps, worlds)
    values: np.ndarray,  # (steps + 1, worlds)
    terminated: np.ndarray,  # (steps, worlds): bools
    truncated: np.ndarray,  # (steps, worlds): bools
    final_values: np.ndarray,  # (steps, worlds): V where truncated, or nan
    gamma: float,
    gae_lambda: float,
) -> np.ndarray:
    """Generalised advantages, (steps, worlds)."""
    ### BEGIN SOLUTION
    ahead = np.where(truncated, final_values, values[1:])
    ahead = np.where(terminated, 0.0, ahead)
    surprises = rewards + gamma * ahead - values[:-1]
    goes_on = ~(terminated | truncated)
    found = np.empty_like(rewards)
    later = np.zeros(rewards.shape[1])
    for step in reversed(range(len(rewards))):
        later = surprises[step] + gamma * gae_lambda * goes_on[step] * later
        found[step] = later
    return found
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "advantages-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
never = np.zeros((2, 1), bool)
short = {
    "rewards": np.ones((2, 1)),
    "values": np.array([[2.0], [4.0], [8.0]]),
    "terminated": never,
    "truncated": never,
    "final_values": np.full((2, 1), np.nan),
    "gamma": 0.5,
    "gae_lambda": 0.5,
}
found = advantages(**short)
assert isinstance(found, np.ndarray) and found.shape == (2, 1), (
    "two steps of one world: return an array of shape (2, 1)"
)
assert not np.isnan(found).any(), (
    "nan has come in from final_values where no episode was truncated: choose "
    "with np.where instead of multiplying by 0"
)
assert np.allclose(found.ravel(), [1.25, 1]), (
    f"the example in the text gives 1.25 and 1, not {found.ravel()}"
)
found = advantages(**short | {"gae_lambda": 1.0})
assert np.allclose(found.ravel(), [3.5 - 2, 5 - 4]), (
    "with lambda = 1 the advantage is the return less the value: 3.5 - 2 and "
    f"5 - 4, not {found.ravel()}"
)
first = np.array([[True], [False]])
found = advantages(**short | {"terminated": first})
assert np.allclose(found.ravel(), [-1, 1]), (
    "after a fall in the first step comes nothing: its advantage is 1 - 2 = "
    f"-1, and the second stays 1; yours are {found.ravel()}"
)
cut = {"truncated": first, "final_values": np.array([[6.0], [np.nan]])}
found = advantages(**short | cut)
assert not np.isclose(found[0, 0], -1), (
    "you treat an episode that was cut as one that came to its end: its final "
    "value, 6, stands for what would have come"
)
assert not np.isclose(found[0, 0], 2.25), (
    "an episode cut after the first step: what the next episode brings, 1, "
    "must not be carried back into it"
)
assert np.allclose(found.ravel(), [2, 1]), (
    "an episode cut after the first step, with the final value 6, has the "
    f"advantage 1 + 3 - 2 = 2; you say {found[0, 0]:.4g}. values[1] is that of "
    "the next episode's first observation"
)
pair = {
    name: np.repeat(part, 2, axis=1)
    for name, part in short.items()
    if isinstance(part, np.ndarray)
}
found = advantages(**pair, gamma=0.5, gae_lambda=0.5)
assert found.shape == (2, 2) and np.allclose(found, [[1.25] * 2, [1.0] * 2]), (
    f"two worlds that are alike have the same advantages; yours are\n{found}"
)

# %% [markdown]
# ## 9. Twenty questions
#
# *A behaviour to reach: 6 points, 30 minutes, level 3.*
#
# A labeller has a reward in mind: a clip is worth $w \cdot x$, where $x$ holds the sums of its five features. You have
# 300 pairs of clips, of which you know the **differences** of these sums, first minus second, and you may ask about
# twenty. The labeller never errs. But if the two clips are worth nearly the same to them, by 0.1 or less, they say
# "equally good", and then you have learned little.
#
# As in a real run, most pairs are of that kind, since the policy does the same all the time. And three of the features
# hardly vary, though they matter to the labeller as much as the others do.
#
# **Write `choose_questions(differences, hidden, seed)`**, where `hidden` is the labeller's $w$. You must use it in one
# way only, and the line is there already: it makes the `Labeller`, whose `ask(question)` returns the preference for the
# pair of this number. After **twenty** questions they go home. What you return, in the last line, is which pairs were
# asked. `seed` is for whatever you draw at random.
#
# **What to reach**: from your twenty answers `learned` computes a reward. Its correlation with the hidden one, over
# clips in which all five features vary alike, must be at least **0.9**. The test below tries one bank of clips with
# one labeller; others will be tried, made in the same way (only such where questions chosen without a look at the
# answers fail). Questions drawn at random reach 0.7 on average, all 300 answers together more than 0.99. Your function
# has 1.5 seconds.
#
# A hint: ask where your members disagree, as in exercise 4. They need not be networks: `learned`, on answers drawn
# again with replacement, is one. Ten are better than three. Before the first answers nobody disagrees: begin with pairs
# that are easy to tell apart. Print the answers: if many of them are 0.5, you ask what nobody could tell.


# %%
def bank_of_clips(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Differences of features, (300, 5), and a labeller's weights, (5,)."""
    rng = np.random.default_rng(seed)
    varies = np.array([5.0, 5.0, 1.5, 1.5, 1.5])
    alike = np.where(rng.random(300) < 0.7, 0.01, 1.0)
    differences = alike[:, None] * varies * rng.normal(size=(300, 5))
    hidden = rng.normal(size=5)
    return differences, hidden / np.linalg.norm(hidden)


class Labeller:
    """Answers twenty questions, and keeps which they were."""

    def __init__(self, differences: np.ndarray, hidden: np.ndarray):
        self._worth = differences @ hidden
        self.asked: list[int] = []
        self.answers: list[float] = []

    def ask(self, question: int) -> float:
        """1 if the first clip of the pair is better, 0 the second, 0.5 none."""
        if len(self.asked) == 20:
            raise RuntimeError("twenty questions have been asked")
        difference = self._worth[question]
        answer = 0.5 if abs(difference) <= 0.1 else float(difference > 0)
        self.asked.append(int(question))
        self.answers.append(answer)
        return answer


def learned(differences: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Weights that explain the answers, (5,): Bradley and Terry, by Newton.

    A small penalty on large weights keeps them finite.
    """
    weights = np.zeros(differences.shape[1])
    for _ in range(12):
        chances = (1 + np.tanh(differences @ weights / 2)) / 2
        gradient = differences.T @ (chances - answers) + 0.1 * weights
        spread = differences.T * (chances * (1 - chances))
        curvature = spread @ differences + 0.1 * np.eye(len(weights))
        weights = weights - np.linalg.solve(curvature, gradient)
    return weights


def correlation(weights: np.ndarray, hidden: np.ndarray) -> float:
    """Of two rewards, where all features vary alike; 0 without a reward."""
    length = np.linalg.norm(weights) * np.linalg.norm(hidden)
    return float(weights @ hidden / length) if length > 0 else 0.0


# %% [markdown]
# Example: with `for question in range(20): labeller.ask(question)` in the place of `raise NotImplementedError()` the
# function runs, and asks about the first twenty pairs.


# %% nbgrader={"grade": false, "grade_id": "choose_questions-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def choose_questions(
    differences: np.ndarray,  # (pairs, features)
    hidden: np.ndarray,  # (features,): for the labeller only
    seed: int,
) -> np.ndarray:
    """The twenty pairs that were asked, in order."""
    labeller = Labeller(differences, hidden)
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    # Without answers nobody disagrees: begin with what is easy to tell.
    for question in np.argsort(-np.linalg.norm(differences, axis=1))[:3]:
        labeller.ask(question)
    while len(labeller.asked) < 20:
        asked, answers = np.array(labeller.asked), np.array(labeller.answers)
        chances = []
        for _ in range(10):
            drawn = rng.integers(0, len(asked), len(asked))
            weights = learned(differences[asked[drawn]], answers[drawn])
            chances.append((1 + np.tanh(differences @ weights / 2)) / 2)
        disputed = np.var(chances, axis=0)
        disputed[asked] = -1  # never twice
        labeller.ask(disputed.argmax())
    ### END SOLUTION
    return np.array(labeller.asked)


# %% nbgrader={"grade": true, "grade_id": "choose_questions-tests", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
differences, hidden = bank_of_clips(54)
before = differences.copy()
asked = choose_questions(differences, hidden, seed=0)
assert isinstance(asked, np.ndarray) and asked.dtype.kind == "i", (
    "return the numbers of the pairs, an array of whole numbers"
)
assert asked.shape == (20,), (
    f"ask exactly twenty questions, not {asked.size}: {asked}"
)
assert np.array_equal(differences, before), (
    "the differences you were given have changed: work on a copy"
)
assert len(set(asked.tolist())) == 20, (
    "some pair was asked more than once, and this labeller always says the "
    "same: leave out what has been asked"
)
labeller = Labeller(differences, hidden)
answers = np.array([labeller.ask(question) for question in asked])
reached = correlation(learned(differences[asked], answers), hidden)
ties = int((answers == 0.5).sum())
print(f"correlation {reached:.3f}; {ties} of 20 were equally good")
assert reached >= 0.9, (
    f"the reward learned from your questions has the correlation {reached:.3f} "
    f"with the labeller's, at least 0.9 is needed. {ties} of your 20 pairs "
    "were equally good to them. If that is more than five, do you ask what is "
    "closest to 50:50 instead of what your members disagree about? If it is "
    "few, how large are the three small features in the pairs you ask?"
)
