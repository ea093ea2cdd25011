# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises: Google's neural machine translation
#
# Eight exercises on the pieces that turn a sentence into its translation: the score that a beam search
# ranks by, the measure that judges the result, wordpieces, attention, and the way a decoder is taught.
# Together they are worth 33 points and take a little under three hours. They need NumPy and PyTorch and
# nothing else: no training data, no GPU.
#
# Work from top to bottom. For each exercise, replace `raise NotImplementedError()` by your code, run
# the cell, then run the tests below it. When a test fails, read its message: it says what to look at. The
# tests you see are examples; a teacher checks your function on other inputs as well, so follow the
# statement where the tests are silent. No exercise needs your answer to another.

# %%
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import torch

# %% [markdown]
# ## 1. A fair score for long sentences
#
# *A number to compute: 2 points, 5 minutes, level 1.*
#
# The log probability of a translation $Y$ is a sum with one negative term for each of its pieces, so a search that
# ranks by it prefers short translations. GNMT divides it by a length penalty:
#
# $$s(Y) = \frac{\log P(Y)}{lp(Y)}$$
#
# $$lp(Y) = \left(\frac{5 + |Y|}{6}\right)^{\alpha}$$
#
# **Two translations are left: one of 8 pieces with $\log P = -6.0$, one of 11 pieces with $\log P = -6.6$. What are
# their scores at $\alpha = 0.6$?** Write the function so that it answers for any translation and any $\alpha$.
# It returns a Python `float`.
#
# Example: at $\alpha = 1$ a translation of 7 pieces has the length penalty 2, so $\log P = -3$ becomes $-1.5$.


# %% nbgrader={"grade": false, "grade_id": "length_score-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def length_score(log_probability: float, length: int, alpha: float) -> float:
    """log P divided by the length penalty of a translation of `length`."""
    ### BEGIN SOLUTION
    return log_probability / ((5 + length) / 6) ** alpha
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "length_score-tests", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
short, long = length_score(-6.0, 8, 0.6), length_score(-6.6, 11, 0.6)
assert isinstance(short, float), f"return a float, not {short!r}"
assert math.isclose(length_score(-6.0, 8, 0.0), -6.0), (
    "at alpha = 0 every length penalty is 1 and the score is log P itself, "
    f"-6, not {length_score(-6.0, 8, 0.0):.4g}"
)
assert math.isclose(length_score(-2.0, 1, 0.6), -2.0), (
    "a single piece has (5 + 1) / 6 = 1, so nothing changes at any alpha: -2, "
    f"not {length_score(-2.0, 1, 0.6):.4g}"
)
assert math.isclose(length_score(-3.0, 7, 1.0), -1.5), (
    "the example in the text gives -1.5, not "
    f"{length_score(-3.0, 7, 1.0):.4g}: is log P divided by the penalty?"
)
assert short < long, (
    "at alpha = 0.6 the longer translation wins; yours score "
    f"{short:.4f} (8 pieces) and {long:.4f} (11 pieces)"
)
print(f"8 pieces score {short:.2f}, 11 pieces score {long:.2f}")

# %% [markdown]
# ## 2. The list in a new order
#
# *A piece to write: 3 points, 15 minutes, level 1.*
#
# A beam search hands over its finished translations with their log probabilities. Which one is best depends
# on $\alpha$, so the list can be sorted again without translating again.
#
# **Write `rerank(translations, log_probabilities, alpha)`.** It returns the list of translations, the one with the
# highest $\log P(Y) / lp(Y)$ first, with $lp$ as in exercise 1. Here $|Y|$ is the number of words of a translation, which
# are separated by single spaces. Translations with equal scores keep the order in which they came.
#
# Example: at $\alpha = 0$, `rerank(["un chat noir", "un chat"], [-2.0, -1.0], 0.0)` is
# `["un chat", "un chat noir"]`.


# %% nbgrader={"grade": false, "grade_id": "rerank-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rerank(
    translations: list[str], log_probabilities: list[float], alpha: float
) -> list[str]:
    """The translations, best score first."""
    ### BEGIN SOLUTION
    scores = [
        log_probability / ((5 + len(translation.split())) / 6) ** alpha
        for translation, log_probability in zip(
            translations, log_probabilities, strict=True
        )
    ]
    # Sorting is stable, also with a key: equal scores keep their order.
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [translations[i] for i in order]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "rerank-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = rerank(["un chat noir", "un chat"], [-2.0, -1.0], 0.0)
assert type(found) is list, f"return a list, not {type(found).__name__}"
assert all(type(item) is str for item in found), (
    "the list holds the translations alone, without their scores"
)
assert found == ["un chat", "un chat noir"], (
    "at alpha = 0 the higher log probability wins, and -1 is higher than -2; "
    f"you returned {found}"
)
short, long = "a b c d e f g h", "a b c d e f g h i j k"
found = rerank([short, long], [-6.0, -6.6], 0.6)
assert found == [long, short], (
    "8 words with log P = -6.0 against 11 words with -6.6: at alpha = 0.6 the "
    f"longer one comes first, not {found[0]!r}"
)
found = rerank(["une maison", "la maison", "un an"], [-3.0, -3.0, -3.0], 0.6)
assert found == ["une maison", "la maison", "un an"], (
    "three equal scores keep the order in which they came; you returned "
    f"{found}. Is the length counted in words, not in letters?"
)

# %% [markdown]
# ## 3. The whole score
#
# *A piece to write: 5 points, 25 minutes, level 3.*
#
# A decoder may translate one word twice and leave another out. Its attention tells: with $p_{i,j}$ the weight on source
# word $j$ while output $i$ was written, the weights on a word that was translated add up to about 1 over the outputs, those
# on a word left out to much less. GNMT adds a coverage penalty to the score:
#
# $$s(Y) = \frac{\log P(Y)}{lp(Y)} + cp$$
#
# $$cp = \beta \sum_{j=1}^{|X|} \log \min\Big(\sum_{i=1}^{|Y|} p_{i,j},\ 1\Big)$$
#
# A search scores many translations at once, and a batch is padded on both sides. Only the first $|X|$ columns of `attention`
# belong to source words; the weights in the columns after them are 0, and $\log 0 = -\infty$. Only the first $|Y|$ rows belong
# to the translation; the rows after them hold whatever was left there.
#
# **Write `hypothesis_scores`**, which returns a tensor of shape `(batch,)`.
#
# Example: two source words, two outputs with the weights (0.9, 0.1) and (0.6, 0.4): the sums are 1.5 and 0.5, so
# $cp = \beta\,(\log 1 + \log 0.5)$.


# %% nbgrader={"grade": false, "grade_id": "hypothesis_scores-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def hypothesis_scores(
    log_probabilities: torch.Tensor,  # (batch,)
    attention: torch.Tensor,  # (batch, target, source)
    target_lengths: torch.Tensor,  # (batch,): |Y|, integers
    source_lengths: torch.Tensor,  # (batch,): |X|, integers
    alpha: float,
    beta: float,
) -> torch.Tensor:
    """log P / lp + cp of each translation, shape (batch,)."""
    ### BEGIN SOLUTION
    _, target, source = attention.shape
    written = torch.arange(target) < target_lengths[:, None]  # (batch, target)
    words = torch.arange(source) < source_lengths[:, None]  # (batch, source)
    coverage = (attention * written[:, :, None]).sum(dim=1)  # (batch, source)
    # Padding counts as covered, since log 1 = 0.
    covered = coverage.clamp(max=1).masked_fill(~words, 1)
    penalty = beta * covered.log().sum(dim=1)  # (batch,)
    return log_probabilities / ((5 + target_lengths) / 6) ** alpha + penalty
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "hypothesis_scores-tests", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
example = {
    "log_probabilities": torch.tensor([-3.0]),
    "attention": torch.tensor([[[0.9, 0.1], [0.6, 0.4]]]),
    "target_lengths": torch.tensor([2]),
    "source_lengths": torch.tensor([2]),
    "alpha": 0.0,
    "beta": 0.5,
}
found = hypothesis_scores(**example)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert found.shape == (1,), (
    f"one score for each translation: the shape is (1,), not {found.shape}"
)
assert math.isclose(
    hypothesis_scores(**example | {"beta": 0.0}).item(), -3.0, rel_tol=1e-5
), "with alpha = beta = 0 the score is log P itself, -3"
assert math.isclose(found.item(), -3 + 0.5 * math.log(0.5), rel_tol=1e-5), (
    "the example in the text, with log P = -3, alpha = 0 and beta = 0.5, gives "
    f"-3 + 0.5 log 0.5 = -3.3466, not {found.item():.4f}: a word that is "
    "attended to more than once counts as 1, not more"
)
found = hypothesis_scores(
    **example
    | {"attention": torch.tensor([[[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]]])}
)
assert found.isfinite().all(), (
    "here the third column is padding, whose weights are 0; you took its "
    "logarithm. Leave the columns after |X| out of the sum"
)
assert math.isclose(found.item(), -3 + 0.5 * math.log(0.5), rel_tol=1e-5), (
    f"a column of padding must not change the score; yours is {found.item()}"
)
found = hypothesis_scores(
    **example
    | {"attention": torch.tensor([[[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]]])}
)
assert math.isclose(found.item(), -3 + 0.5 * math.log(0.5), rel_tol=1e-5), (
    "here the third row comes after the end of the translation (|Y| = 2) and "
    f"must not change the score; yours is {found.item():.4f}"
)
found = hypothesis_scores(**example | {"alpha": 1.0, "beta": 0.0})
assert math.isclose(found.item(), -3 / (7 / 6), rel_tol=1e-5), (
    "with alpha = 1 and two outputs the length penalty is 7 / 6, so -3 becomes "
    f"-2.5714, not {found.item():.4f}"
)

# %% [markdown]
# ## 4. GLEU, a measure for one sentence
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# BLEU is meant for a whole test set: of a single sentence it often says 0. To train on the measure itself GNMT uses GLEU.
# Take all sequences of 1, 2, 3 and 4 neighbouring words (n-grams) of the output, and all those of the reference. With one
# count for all four lengths together,
#
# $$\text{precision} = \frac{\text{matches}}{\text{n-grams of the output}}$$
#
# $$\text{recall} = \frac{\text{matches}}{\text{n-grams of the reference}}$$
#
# $$\text{GLEU} = \min(\text{precision}, \text{recall})$$
#
# An n-gram counts as often as it occurs. If it occurs $a$ times in the output and $b$ times in the reference, it
# matches $\min(a, b)$ times.
#
# **Write `gleu(output, reference)`.** Words are separated by spaces. It returns a Python `float`; an empty output
# has the GLEU 0.0. You may assume that the reference is not empty.
#
# Example: `"the cat sat"` has 3 + 2 + 1 = 6 n-grams, `"the cat"` has 3, and 3 match. So GLEU is
# $\min(3/6, 3/3) = 0.5$, whichever of the two is the output.


# %% nbgrader={"grade": false, "grade_id": "gleu-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gleu(output: str, reference: str) -> float:
    """GLEU of one sentence, between 0 and 1."""

    ### BEGIN SOLUTION
    def ngrams(sentence: str) -> Counter:
        words = sentence.split()
        return Counter(
            tuple(words[start : start + n])
            for n in (1, 2, 3, 4)
            for start in range(len(words) - n + 1)
        )

    found, wanted = ngrams(output), ngrams(reference)
    matches = (found & wanted).total()  # & keeps the lower of two counts
    # min(m / a, m / b) is m / max(a, b), which is safe for an empty output.
    return matches / max(found.total(), wanted.total())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gleu-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
found = gleu("the cat sat", "the cat")
assert isinstance(found, float), f"return a float, not {found!r}"
assert math.isclose(found, 0.5), (
    f"the example in the text gives 0.5, not {found:.4f}: count 1-grams to "
    "4-grams together, then divide once"
)
found = gleu("the cat", "the cat sat")
assert math.isclose(found, 0.5), (
    "an output that is too short has a precision of 1 but a recall of 0.5, and "
    f"GLEU is the lower one, 0.5, not {found:.4f}"
)
found = gleu("it sat on a mat", "it sat on a mat")
assert math.isclose(found, 1.0), f"a perfect output has 1.0, not {found:.4f}"
found = gleu("a b c d e f", "f e d c b a")
assert math.isclose(found, 6 / 18), (
    "six words have 6 + 5 + 4 + 3 = 18 n-grams; in the wrong order only the "
    f"single words match: 6 / 18 = 0.3333, not {found:.4f}. n-grams of more "
    "than 4 words do not count"
)
found = gleu("", "the cat")
assert isinstance(found, float) and found == 0.0, (
    f"an empty output has the GLEU 0.0, not {found!r}"
)

# %% [markdown]
# ## 5. Wordpieces, learned by merging
#
# *A piece to write: 4 points, 25 minutes, level 2.*
#
# A vocabulary of pieces lets a model spell words that it has never seen. It can be learned from a table of words and
# their counts by **byte-pair merges**. At the start each word is a list of symbols: the mark `"▁"`, which says that a word begins
# here, then its letters. Then, again and again:
#
# 1. Count every pair of neighbouring symbols. A pair counts once for each place where it stands, times the count of the word.
# 2. Choose the pair with the highest count; among equal counts the pair that Python sorts first
#    (`("a", "z") < ("b", "a")`).
# 3. In every word make one symbol of each occurrence of the pair, from left to right: `a a a` becomes `aa a`.
#
# **Write `learn_merges(words, counts, number)`.** It returns a list of the first `number` chosen pairs, each a tuple
# of two strings, in the order in which they were chosen. If no pair is left, the list is shorter.
#
# Example: in `["low", "lot"]` with the counts `[5, 2]`, the pairs `("l", "o")` and `("▁", "l")` both count 7, and `"l"` sorts before
# `"▁"`, so `("l", "o")` is merged first. Then `("▁", "lo")` counts 7, and after that `("▁lo", "w")` counts 5.


# %% nbgrader={"grade": false, "grade_id": "learn_merges-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def learn_merges(
    words: list[str], counts: list[int], number: int
) -> list[tuple[str, str]]:
    """The first `number` byte-pair merges, in order."""

    ### BEGIN SOLUTION
    def merged(symbols: list[str], pair: tuple[str, str]) -> list[str]:
        joined, position = [], 0
        while position < len(symbols):
            if tuple(symbols[position : position + 2]) == pair:
                joined.append(pair[0] + pair[1])
                position += 2
            else:
                joined.append(symbols[position])
                position += 1
        return joined

    spelled = [["▁", *word] for word in words]
    merges = []
    while len(merges) < number:
        frequency = Counter()
        for symbols, count in zip(spelled, counts, strict=True):
            for pair in pairwise(symbols):
                frequency[pair] += count
        if not frequency:
            break
        best = min(frequency, key=lambda pair: (-frequency[pair], pair))
        merges.append(best)
        spelled = [merged(symbols, best) for symbols in spelled]
    return merges
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "learn_merges-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
found = learn_merges(["low", "lot"], [5, 2], 3)
assert type(found) is list and all(type(pair) is tuple for pair in found), (
    f"return a list of tuples, not {found!r}"
)
assert len(found) == 3, f"three merges were asked for; you learned {len(found)}"
assert found[0] == ("l", "o"), (
    "('l', 'o') and ('▁', 'l') both count 7, and 'l' sorts before '▁'; you "
    f"merged {found[0]} first"
)
assert found[1] == ("▁", "lo"), (
    "after the first merge 'lo' is one symbol, so ('▁', 'lo') counts 7; you "
    f"merged {found[1]}"
)
assert found[2] == ("▁lo", "w"), (
    "'low' counts 5 and 'lot' 2, so ('▁lo', 'w') comes before ('▁lo', 't'); "
    f"you merged {found[2]}. Does a pair count as often as its word?"
)
found = learn_merges(["no"], [3], 10)
assert found == [("n", "o"), ("▁", "no")], (
    "one word of two letters allows two merges, after which no pair is left; "
    f"you returned {found}"
)
found = learn_merges(["aaaa"], [1], 2)
assert found[0] == ("a", "a"), (
    "in 'aaaa' the pair ('a', 'a') stands at three places and is merged first; "
    f"you merged {found[0]}"
)
assert found[1] == ("aa", "aa"), (
    "'▁ a a a a' becomes '▁ aa aa', where ('aa', 'aa') and ('▁', 'aa') count "
    f"1; the first sorts first. You merged {found[1]}"
)

# %% [markdown]
# ## 6. One step of attention
#
# *A piece to write: 4 points, 20 minutes, level 2.*
#
# At each step the decoder asks, with its state $q$, which source words matter now. Each source word has an encoding
# $k_j$, and a small network with one hidden layer gives each of them a score:
#
# $$e_j = v^{\top} \tanh(W_q^{\top} q + W_k^{\top} k_j)$$
#
# $$a = \mathrm{softmax}(e) \qquad c = \sum_j a_j k_j$$
#
# The softmax runs over the words of the sentence. In a batch, shorter sentences are padded; a position after the end of its
# sentence has the weight 0, whatever its encoding holds, and the weights of each sentence add up to 1.
#
# **Write `attend`.** It returns a tuple of two tensors: the contexts $c$, of shape `(batch, encoding)`, and the weights $a$, of
# shape `(batch, source)`.


# %% nbgrader={"grade": false, "grade_id": "attend-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attend(
    queries: torch.Tensor,  # (batch, state): q
    encodings: torch.Tensor,  # (batch, source, encoding): k
    lengths: torch.Tensor,  # (batch,): words of each sentence, integers
    query_weight: torch.Tensor,  # (state, hidden): W_q
    key_weight: torch.Tensor,  # (encoding, hidden): W_k
    vector: torch.Tensor,  # (hidden,): v
) -> tuple[torch.Tensor, torch.Tensor]:
    """Contexts (batch, encoding) and attention weights (batch, source)."""
    ### BEGIN SOLUTION
    hidden = torch.tanh(
        (queries @ query_weight)[:, None] + encodings @ key_weight
    )  # (batch, source, hidden)
    scores = hidden @ vector  # (batch, source)
    words = torch.arange(scores.shape[1]) < lengths[:, None]
    weights = scores.masked_fill(~words, -math.inf).softmax(dim=1)
    contexts = (weights[:, :, None] * encodings).sum(dim=1)
    return contexts, weights
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "attend-tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
batch = {
    "queries": torch.tensor([[0.0], [0.0]]),
    "encodings": torch.tensor(
        [[[0.0, 2.0], [0.0, 4.0], [7.0, 7.0]], [[1.0, 0.0]] * 3]
    ),
    "lengths": torch.tensor([2, 3]),
    "query_weight": torch.tensor([[1.0]]),
    "key_weight": torch.tensor([[1.0], [0.0]]),
    "vector": torch.tensor([1.0]),
}
found = attend(**batch)
assert type(found) is tuple and len(found) == 2, (
    "return a tuple of two: contexts, weights"
)
contexts, weights = found
assert weights.shape == (2, 3), (
    "two sentences, three positions: the weights have the shape (2, 3), not "
    f"{tuple(weights.shape)}"
)
assert contexts.shape == (2, 2), (
    "two sentences, encodings of size 2: the contexts have the shape (2, 2), "
    f"not {tuple(contexts.shape)}"
)
assert torch.allclose(weights.sum(dim=1), torch.ones(2)), (
    "the weights of each sentence add up to 1; yours add up to "
    f"{weights.sum(dim=1).tolist()}. A mask after the softmax takes weight away"
)
assert torch.allclose(weights[0], torch.tensor([0.5, 0.5, 0.0]), atol=1e-6), (
    "the first sentence has two words with equal scores, then padding: its "
    f"weights are 0.5, 0.5, 0, not {weights[0].tolist()}"
)
assert torch.allclose(contexts[0], torch.tensor([0.0, 3.0]), atol=1e-6), (
    f"half of (0, 2) and half of (0, 4) is (0, 3), not {contexts[0].tolist()}"
)
asked = batch | {
    "queries": torch.tensor([[1.0], [-1.0]]),
    "encodings": torch.tensor([[[0.0, 0], [2, 0]], [[0.0, 0], [2, 0]]]),
    "lengths": torch.tensor([2, 2]),
}
weights = attend(**asked)[1]
assert not torch.allclose(weights[0], weights[1]), (
    "two sentences that are equal but for the query get the same weights from "
    "you. Add the query inside the tanh: outside it moves all scores alike"
)
odds = (weights[0, 1] / weights[0, 0]).item()
assert math.isclose(
    odds, math.exp(math.tanh(3) - math.tanh(1)), rel_tol=1e-4
), (
    "with q = 1 the scores are tanh(1 + 0) and tanh(1 + 2), so the second "
    f"weight is 1.264 times the first, not {odds:.3f} times"
)

# %% [markdown]
# ## 7. The decoder that knew the answer
#
# *A silent bug to find: 3 points, 15 minutes, level 2.*
#
# In training, a decoder is given the reference translation and predicts each of its pieces from those before it. So the
# reference is needed twice: as the decoder's input and as the label that it is to predict. The end sign is a label too, since a
# decoder must learn to stop; and the decoder's first input is a begin sign, since nothing stands before the first piece.
#
# Someone trained with the function below. The loss fell to almost nothing within a few steps; the translations are
# the begin sign repeated for ever. The lines after the function ask a "decoder" that has learned nothing but to repeat its input.


# %%
def decoder_batch_as_found(
    references: list[list[int]], begin: int, end: int, padding: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and labels, (batch, length). Something is wrong here."""
    length = max(len(reference) for reference in references) + 2
    pieces = torch.full((len(references), length), padding)
    for row, reference in enumerate(references):
        sentence = [begin, *reference, end]
        pieces[row, : len(sentence)] = torch.tensor(sentence)
    inputs = pieces[:, :-1]
    labels = pieces[:, :-1]
    return inputs, labels


inputs, labels = decoder_batch_as_found([[7, 8, 9], [5]], 1, 2, 0)
right = (inputs == labels)[labels != 0].float().mean()
print(f"a decoder that repeats its input is right in {right:.0%} of the labels")

# %% [markdown]
# **Write `decoder_batch`**: the same function, repaired. It returns a tuple of two tensors of integers, inputs and labels,
# both of shape `(batch, length)`, where `length` is that of the longest reference plus 1. A row of inputs holds the begin
# sign, then the reference; a row of labels holds the reference, then the end sign. Whatever follows is padding, in both.
# The end sign is never an input.


# %% nbgrader={"grade": false, "grade_id": "decoder_batch-solution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decoder_batch(
    references: list[list[int]], begin: int, end: int, padding: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the decoder reads and what it is to say, (batch, length)."""
    ### BEGIN SOLUTION
    length = max(len(reference) for reference in references) + 1
    inputs = torch.full((len(references), length), padding)
    labels = torch.full((len(references), length), padding)
    for row, reference in enumerate(references):
        inputs[row, : len(reference) + 1] = torch.tensor([begin, *reference])
        labels[row, : len(reference) + 1] = torch.tensor([*reference, end])
    return inputs, labels
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "decoder_batch-tests", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
found = decoder_batch([[7, 8, 9], [5, 4, 6]], begin=1, end=2, padding=0)
assert type(found) is tuple and len(found) == 2, (
    "return a tuple of two: inputs, labels"
)
inputs, labels = found
assert inputs.shape == labels.shape == (2, 4), (
    "three pieces and one sign: both have the shape (2, 4), not "
    f"{tuple(inputs.shape)} and {tuple(labels.shape)}"
)
assert inputs[0, 0] == 1, (
    "before the first piece the decoder reads the begin sign 1, not "
    f"{inputs[0, 0]}"
)
assert labels[0, 0] == 7, (
    f"the first thing to predict is the first piece, 7, not {labels[0, 0]}"
)
assert not (inputs == labels).any(), (
    "in this batch no label may stand at the place of an equal input: the "
    f"decoder would read what it is to predict. Yours:\n{inputs}\n{labels}"
)
assert labels[:, -1].tolist() == [2, 2], (
    "the last label of a full row is the end sign 2, or the decoder never "
    f"learns to stop; yours are {labels[:, -1].tolist()}"
)
_, labels = decoder_batch([[7, 8, 9], [5]], begin=1, end=2, padding=0)
assert labels[1].tolist() == [5, 2, 0, 0], (
    "a short reference ends with the end sign, then padding: [5, 2, 0, 0], not "
    f"{labels[1].tolist()}"
)

# %% [markdown]
# ## 8. Learn a language from its translations
#
# *A behaviour to reach: 8 points, 45 minutes, level 3.*
#
# What attention finds out during training is which word of the source belongs to which word of the translation; nobody
# tells it. Here is a language small enough to see that happen. Every sentence has the same number of words. Word $j$ of
# the translation is always the translation of source word $\pi(j)$, with an order $\pi$ you do not know, by a dictionary you
# do not know, in which no two words have the same translation. About one word in twelve of the training translations is
# wrong: the translator was careless.
#
# **Write `learn_language(sources, targets, unseen, seed)`.** `sources` and `targets` are tensors of integers of shape
# `(pairs, length)`, numbered from 0 upwards. Return the translations of the sentences in `unseen`, a tensor of integers of shape
# `(sentences, length)`. Any method is allowed; `seed` is for whatever you draw at random.
#
# **What to reach**: at most **3 in 100 words wrong** on sentences you have not seen, whose references hold no mistakes. The test
# below tries one language, which says everything backwards. Others will be tried: another order, another length (4 to 8),
# another vocabulary (8 to 16 words), 300 pairs or more. Your function has 1.5 seconds on one core.
#
# A hint: one matrix of scores `(length, length)` holds, after a softmax over its rows, how much each output position
# attends to each source position. A second one `(vocabulary, vocabulary)` holds, after a softmax over its rows, the
# dictionary. The probability of a target word is then a sum over source positions, and both matrices can be trained at once.


# %% nbgrader={"grade": false, "grade_id": "learn_language-solution", "locked": false, "schema_version": 3, "solution": true, "task": false} tags=["assigned"]
def learn_language(
    sources: torch.Tensor,  # (pairs, length)
    targets: torch.Tensor,  # (pairs, length)
    unseen: torch.Tensor,  # (sentences, length)
    seed: int,
) -> torch.Tensor:
    """Translations of the unseen sentences, (sentences, length)."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed)
    length = sources.shape[1]
    vocabulary = int(max(t.max() for t in (sources, targets, unseen))) + 1
    # Small and random, so that no two positions start out alike.
    order = 0.01 * torch.randn(length, length, generator=generator)
    dictionary = 0.01 * torch.randn(vocabulary, vocabulary, generator=generator)
    order.requires_grad_()
    dictionary.requires_grad_()

    def probabilities(sentences: torch.Tensor) -> torch.Tensor:
        words = dictionary.softmax(dim=1)[sentences]  # (n, source, vocabulary)
        return order.softmax(dim=1) @ words  # (n, target, vocabulary)

    optimizer = torch.optim.Adam([order, dictionary], lr=0.2)
    for _ in range(150):
        chosen = probabilities(sources).gather(2, targets[:, :, None])
        loss = -chosen.log().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return probabilities(unseen).argmax(dim=2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "learn_language-tests", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
rng = np.random.default_rng(8)
dictionary = rng.permutation(12)
sources = rng.integers(0, 12, (700, 6))
targets = dictionary[sources[:, ::-1]]
careless = rng.random((400, 6)) < 1 / 12
taught = np.where(careless, rng.integers(0, 12, (400, 6)), targets[:400])
unseen = torch.from_numpy(sources[400:])
found = learn_language(
    torch.from_numpy(sources[:400]), torch.from_numpy(taught), unseen, seed=0
)
assert isinstance(found, torch.Tensor), (
    f"return a tensor, not {type(found).__name__}"
)
assert not found.is_floating_point(), (
    f"return the words' numbers, integers; yours are {found.dtype}"
)
assert found.shape == (300, 6), (
    "300 unseen sentences of 6 words: the shape is (300, 6), not "
    f"{tuple(found.shape)}"
)
wrong = (found != torch.from_numpy(targets[400:])).float().mean().item()
by_position = [
    round(
        (found[:, j] != torch.from_numpy(targets[400:, j]))
        .float()
        .mean()
        .item(),
        2,
    )
    for j in range(6)
]
print(f"{wrong:.1%} of the unseen words are wrong")
assert wrong <= 0.03, (
    f"{wrong:.0%} of the unseen words are wrong, at most 3% are allowed; by "
    f"position of the translation: {by_position}. If all positions are bad, "
    "the dictionary is not learned yet; if some are good, those that are not "
    "attend to the wrong word"
)
