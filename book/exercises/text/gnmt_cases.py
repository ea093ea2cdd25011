"""Cases of the GNMT exercises: inputs drawn from a seed, tolerances, wrong answers."""

import numpy as np
import torch

from companion.exercises import Exercise


def length_score_inputs(rng: np.random.Generator) -> list[dict]:
    """Translations of several lengths, with alpha strictly between 0 and 1."""
    return [
        {
            "log_probability": float(-rng.uniform(2, 30)),
            "length": int(rng.integers(3, 40)),
            "alpha": float(rng.uniform(0.15, 0.85)),
        }
        for _ in range(4)
    ]


LENGTH_SCORE = Exercise(
    function="length_score",
    kind="number",
    level=1,
    points=2,
    minutes=5,
    inputs=length_score_inputs,
    wrong={
        "a straight line in alpha instead of a power": """
def length_score(log_probability, length, alpha):
    return log_probability / (1 + alpha * (length - 1) / 6)
""",
        "divided by a power of the length alone": """
def length_score(log_probability, length, alpha):
    return log_probability / length**alpha
""",
        "the 6 outside the power": """
def length_score(log_probability, length, alpha):
    return log_probability / ((5 + length) ** alpha / 6)
""",
        "multiplied instead of divided": """
def length_score(log_probability, length, alpha):
    return log_probability * ((5 + length) / 6) ** alpha
""",
    },
)


def rerank_inputs(rng: np.random.Generator) -> list[dict]:
    """Twenty translations whose scores lie close together, two of them with equal scores."""
    lists = []
    for alpha in (0.0, float(rng.uniform(0.2, 0.9)), 1.0):
        lengths = rng.integers(1, 30, 20)
        penalty = ((5 + lengths) / 6) ** alpha
        log_probabilities = -penalty * rng.uniform(1.0, 1.6, 20)
        lengths[13], log_probabilities[13] = lengths[4], log_probabilities[4]
        letters = rng.integers(1, 9, (20, 30))
        translations = [
            " ".join("abcdefghij"[:n] for n in row[:length])
            for row, length in zip(letters, lengths, strict=True)
        ]
        lists.append(
            {
                "translations": translations,
                "log_probabilities": log_probabilities.tolist(),
                "alpha": alpha,
            }
        )
    return lists


RERANK = Exercise(
    function="rerank",
    kind="write",
    level=1,
    points=3,
    minutes=15,
    inputs=rerank_inputs,
    wrong={
        "divided by a power of the length alone": """
def rerank(translations, log_probabilities, alpha):
    scores = [p / len(t.split()) ** alpha for t, p in zip(translations, log_probabilities)]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [translations[i] for i in order]
""",
        "the mean log probability whatever alpha is, unless it is 0": """
def rerank(translations, log_probabilities, alpha):
    lengths = [len(t.split()) if alpha else 1 for t in translations]
    scores = [p / n for p, n in zip(log_probabilities, lengths)]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [translations[i] for i in order]
""",
        "length in letters": """
def rerank(translations, log_probabilities, alpha):
    scores = [p / ((5 + len(t)) / 6) ** alpha for t, p in zip(translations, log_probabilities)]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [translations[i] for i in order]
""",
        "worst first": """
def rerank(translations, log_probabilities, alpha):
    scores = [p / ((5 + len(t.split())) / 6) ** alpha for t, p in zip(translations, log_probabilities)]
    return [translations[i] for i in sorted(range(len(scores)), key=lambda i: scores[i])]
""",
    },
)


def hypothesis_scores_inputs(rng: np.random.Generator) -> dict:
    """A batch padded on both sides: zeros after the source, leftovers after the translation."""
    batch, target, source = 6, 9, 7
    target_lengths = rng.integers(3, target, batch)
    source_lengths = rng.integers(3, source, batch)
    target_lengths[0], source_lengths[1] = target, source
    attention = rng.gamma(0.4, 1.0, (batch, target, source)) + 1e-3
    words = np.arange(source) < source_lengths[:, None]  # (batch, source)
    attention *= words[:, None]
    attention /= attention.sum(axis=2, keepdims=True)
    return {
        "log_probabilities": torch.from_numpy(-rng.uniform(2, 20, batch)),
        "attention": torch.from_numpy(attention),
        "target_lengths": torch.from_numpy(target_lengths),
        "source_lengths": torch.from_numpy(source_lengths),
        "alpha": float(rng.uniform(0.2, 1.0)),
        "beta": float(rng.uniform(0.2, 1.0)),
    }


SCORES_START = """
def hypothesis_scores(log_probabilities, attention, target_lengths, source_lengths, alpha, beta):
    _, target, source = attention.shape
    written = torch.arange(target) < target_lengths[:, None]
    words = torch.arange(source) < source_lengths[:, None]
    lp = ((5 + target_lengths) / 6) ** alpha
"""

HYPOTHESIS_SCORES = Exercise(
    function="hypothesis_scores",
    kind="write",
    level=3,
    points=5,
    minutes=25,
    inputs=hypothesis_scores_inputs,
    wrong={
        "the coverage divided by the length penalty": SCORES_START
        + """
    covered = (attention * written[:, :, None]).sum(dim=1).clamp(max=1).masked_fill(~words, 1)
    return (log_probabilities + beta * covered.log().sum(dim=1)) / lp
""",
        "the mean over source words": SCORES_START
        + """
    covered = (attention * written[:, :, None]).sum(dim=1).clamp(max=1).masked_fill(~words, 1)
    return log_probabilities / lp + beta * covered.log().sum(dim=1) / source_lengths
""",
        "coverage over padding": SCORES_START
        + """
    covered = (attention * written[:, :, None]).sum(dim=1).clamp(max=1)
    return log_probabilities / lp + beta * covered.log().sum(dim=1)
""",
        "no clamp at 1": SCORES_START
        + """
    covered = (attention * written[:, :, None]).sum(dim=1).masked_fill(~words, 1)
    return log_probabilities / lp + beta * covered.log().sum(dim=1)
""",
        "rows after the end counted": SCORES_START
        + """
    covered = attention.sum(dim=1).clamp(max=1).masked_fill(~words, 1)
    return log_probabilities / lp + beta * covered.log().sum(dim=1)
""",
    },
)


def gleu_inputs(rng: np.random.Generator) -> list[dict]:
    """Sentences over few words, so that n-grams repeat; outputs both too long and too short."""
    pairs = []
    for change in (-4, -1, 0, 3):
        words = rng.choice(
            ["the", "cat", "and", "dog"], int(rng.integers(9, 14))
        )
        output = words[: len(words) + change] if change < 0 else words
        output = np.concatenate([output, words[: max(change, 0)]])
        swapped = rng.permutation(len(output))[:2]
        output[swapped] = output[swapped[::-1]]
        output[int(rng.integers(len(output)))] = "bird"
        pairs.append({"output": " ".join(output), "reference": " ".join(words)})
    return pairs


NGRAMS = """
def gleu(output, reference):
    def ngrams(sentence):
        words = sentence.split()
        return [tuple(words[i : i + n]) for n in (1, 2, 3, 4) for i in range(len(words) - n + 1)]

    found, wanted = ngrams(output), ngrams(reference)
    if not found:
        return 0.0
"""

GLEU = Exercise(
    function="gleu",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=gleu_inputs,
    wrong={
        "each n-gram counted once": NGRAMS
        + """
    found, wanted = set(found), set(wanted)
    return len(found & wanted) / max(len(found), len(wanted))
""",
        "matches not limited by the reference": NGRAMS
        + """
    matches = sum(ngram in wanted for ngram in found)
    return matches / max(len(found), len(wanted))
""",
        "precision alone": NGRAMS
        + """
    return (Counter(found) & Counter(wanted)).total() / len(found)
""",
        "the mean over n-gram lengths": NGRAMS
        + """
    scores = []
    for n in (1, 2, 3, 4):
        one, other = [g for g in found if len(g) == n], [g for g in wanted if len(g) == n]
        if one or other:
            scores.append((Counter(one) & Counter(other)).total() / max(len(one), len(other)))
    return sum(scores) / len(scores)
""",
    },
)


def learn_merges_inputs(rng: np.random.Generator) -> list[dict]:
    """Words over three letters, so that pairs repeat, overlap, tie and end inside longer symbols."""
    tables = []
    for number in (6, 15, 200):
        words = sorted(
            {
                "".join(rng.choice(list("abn"), int(rng.integers(2, 8))))
                for _ in range(14)
            }
            | {"aaaaa"}
        )
        words = [words[i] for i in rng.permutation(len(words))]
        tables.append(
            {
                "words": words,
                "counts": [int(c) for c in rng.integers(1, 9, len(words))],
                "number": number,
            }
        )
    return tables


MERGES = """
def learn_merges(words, counts, number):
    spelled = [["▁", *word] for word in words]
    merges = []
    while len(merges) < number:
        frequency = Counter()
        for symbols, count in zip(spelled, counts):
            for pair in zip(symbols, symbols[1:]):
                frequency[pair] += COUNT
        if not frequency:
            break
        best = BEST
        merges.append(best)
        for row, symbols in enumerate(spelled):
            joined = []
            for symbol in symbols:
                if joined and (joined[-1], symbol) == best:
                    joined[-1] += symbol
                else:
                    joined.append(symbol)
            spelled[row] = joined
    return merges
"""
FIRST = "min(frequency, key=lambda pair: (-frequency[pair], pair))"

LEARN_MERGES = Exercise(
    function="learn_merges",
    kind="write",
    level=2,
    points=4,
    minutes=25,
    inputs=learn_merges_inputs,
    wrong={
        "text replaced, also inside longer symbols": """
def learn_merges(words, counts, number):
    spelled = [" ".join(["▁", *word]) for word in words]
    merges = []
    while len(merges) < number:
        frequency = Counter()
        for word, count in zip(spelled, counts):
            symbols = word.split()
            for pair in zip(symbols, symbols[1:]):
                frequency[pair] += count
        if not frequency:
            break
        best = min(frequency, key=lambda pair: (-frequency[pair], pair))
        merges.append(best)
        spelled = [word.replace(" ".join(best), "".join(best)) for word in spelled]
    return merges
""",
        "each word counted once": MERGES.replace("COUNT", "1").replace(
            "BEST", FIRST
        ),
        "equal counts: the pair seen first": MERGES.replace(
            "COUNT", "count"
        ).replace("BEST", "max(frequency, key=frequency.get)"),
        "pairs counted at the start only": """
def learn_merges(words, counts, number):
    frequency = Counter()
    for word, count in zip(words, counts):
        symbols = ["▁", *word]
        for pair in zip(symbols, symbols[1:]):
            frequency[pair] += count
    return sorted(frequency, key=lambda pair: (-frequency[pair], pair))[:number]
""",
    },
)


def attend_inputs(rng: np.random.Generator) -> list[dict]:
    """A gentle batch, and one whose scores lie hundreds below 0; padding holds large values."""
    batches = []
    for steep in (False, True):
        encodings = rng.normal(0, 1, (4, 6, 3))
        lengths = rng.permutation([2, 3, 5, 6])
        padding = np.arange(6) >= lengths[:, None]
        key_weight, vector = rng.normal(0, 1, (3, 5)), rng.normal(0, 1, 5)
        if steep:
            encodings, key_weight = np.abs(encodings), np.abs(key_weight)
            vector = -200 * (0.5 + np.abs(vector))
        encodings[padding] *= 4
        batches.append(
            {
                "queries": torch.from_numpy(rng.normal(0, 1, (4, 2))),
                "encodings": torch.from_numpy(encodings),
                "lengths": torch.from_numpy(lengths),
                "query_weight": torch.from_numpy(
                    rng.normal(0, 0.3 if steep else 1, (2, 5))
                ),
                "key_weight": torch.from_numpy(key_weight),
                "vector": torch.from_numpy(vector),
            }
        )
    return batches


ATTEND_START = """
def attend(queries, encodings, lengths, query_weight, key_weight, vector):
    hidden = torch.tanh((queries @ query_weight)[:, None] + encodings @ key_weight)
    scores = hidden @ vector
    words = torch.arange(scores.shape[1]) < lengths[:, None]
"""
ATTEND_END = """
    return (weights[:, :, None] * encodings).sum(dim=1), weights
"""

ATTEND = Exercise(
    function="attend",
    kind="write",
    level=2,
    points=4,
    minutes=20,
    inputs=attend_inputs,
    wrong={
        "a score of -100 for padding": ATTEND_START
        + "    weights = scores.masked_fill(~words, -100.0).softmax(dim=1)"
        + ATTEND_END,
        "the mask after the softmax": ATTEND_START
        + "    weights = scores.softmax(dim=1) * words"
        + ATTEND_END,
        "scores of padding set to 0": ATTEND_START
        + "    weights = (scores * words).softmax(dim=1)"
        + ATTEND_END,
        "softmax over the batch": ATTEND_START
        + "    weights = scores.masked_fill(~words, -math.inf).softmax(dim=0)"
        + ATTEND_END,
        "the query outside the tanh": ATTEND_START.replace(
            "torch.tanh((queries @ query_weight)[:, None] + encodings @ key_weight)",
            "(queries @ query_weight)[:, None] + torch.tanh(encodings @ key_weight)",
        )
        + "    weights = scores.masked_fill(~words, -math.inf).softmax(dim=1)"
        + ATTEND_END,
    },
)


def decoder_batch_inputs(rng: np.random.Generator) -> list[dict]:
    """References of different lengths, an empty one among them, and signs that differ each time."""
    batches = []
    for rows in (3, 5):
        begin, end, padding = (int(sign) for sign in rng.permutation(5)[:3])
        references = [
            [int(piece) for piece in rng.integers(5, 50, int(length))]
            for length in rng.permutation(9)[:rows]
        ]
        references.append([])
        batches.append(
            {
                "references": references,
                "begin": begin,
                "end": end,
                "padding": padding,
            }
        )
    return batches


DECODER_BATCH = Exercise(
    function="decoder_batch",
    kind="bug",
    level=2,
    points=3,
    minutes=15,
    inputs=decoder_batch_inputs,
    wrong={
        "as found": """
decoder_batch = decoder_batch_as_found
""",
        "short rows read their own end sign": """
def decoder_batch(references, begin, end, padding):
    length = max(len(reference) for reference in references) + 2
    pieces = torch.full((len(references), length), padding)
    for row, reference in enumerate(references):
        pieces[row, : len(reference) + 2] = torch.tensor([begin, *reference, end])
    return pieces[:, :-1], pieces[:, 1:]
""",
        "shifted the wrong way round": """
def decoder_batch(references, begin, end, padding):
    length = max(len(reference) for reference in references) + 2
    pieces = torch.full((len(references), length), padding)
    for row, reference in enumerate(references):
        pieces[row, : len(reference) + 2] = torch.tensor([begin, *reference, end])
    return pieces[:, 1:], pieces[:, :-1]
""",
    },
)


def learn_language_inputs(rng: np.random.Generator) -> dict:
    """A language with an order that moves at least one word and is not backwards.

    Withheld: the references of the unseen sentences, which hold no mistakes.
    """
    length = int(rng.integers(4, 9))
    vocabulary = int(rng.integers(8, 17))
    pairs = int(rng.integers(300, 500))
    forwards = np.arange(length)
    order = forwards
    while (order == forwards).mean() > 0.5 or (
        order == forwards[::-1]
    ).mean() > 0.5:
        order = rng.permutation(length)
    dictionary = rng.permutation(vocabulary)
    sources = rng.integers(0, vocabulary, (pairs + 300, length))
    targets = dictionary[sources[:, order]]
    careless = rng.random((pairs, length)) < 1 / 12
    taught = np.where(
        careless, rng.integers(0, vocabulary, careless.shape), targets[:pairs]
    )
    return {
        "sources": torch.from_numpy(sources[:pairs]),
        "targets": torch.from_numpy(taught),
        "unseen": torch.from_numpy(sources[pairs:]),
        "seed": int(rng.integers(1000)),
        "references": targets[pairs:],
    }


def words_wrong(answer: torch.Tensor, drawn: dict) -> float:
    """The share of words of the unseen sentences that are translated wrongly."""
    return float((answer.numpy() != drawn["references"]).mean())


FIXED_ORDER = """
def learn_language(sources, targets, unseen, seed):
    vocabulary = int(max(t.max() for t in (sources, targets, unseen))) + 1
    aligned, ordered = ALIGNED
    counts = torch.zeros(vocabulary, vocabulary)
    counts.index_put_(
        (aligned.flatten(), targets.flatten()), torch.ones(targets.numel()), accumulate=True
    )
    return counts.argmax(dim=1)[ordered]
"""

LEARN_LANGUAGE = Exercise(
    function="learn_language",
    kind="behaviour",
    level=3,
    points=8,
    minutes=45,
    inputs=learn_language_inputs,
    measure=words_wrong,
    threshold=0.03,
    withheld=("references",),
    assigned=True,
    wrong={
        "a dictionary read backwards, as in the public test": FIXED_ORDER.replace(
            "ALIGNED", "sources.flip(1), unseen.flip(1)"
        ),
        "a dictionary word for word": FIXED_ORDER.replace(
            "ALIGNED", "sources, unseen"
        ),
        "a bag of words": """
def learn_language(sources, targets, unseen, seed):
    vocabulary = int(max(t.max() for t in (sources, targets, unseen))) + 1
    one = torch.nn.functional.one_hot(sources, vocabulary).sum(dim=1).float()
    other = torch.nn.functional.one_hot(targets, vocabulary).float()
    counts = torch.einsum("nv,njw->jvw", one - one.mean(dim=0), other)
    bags = torch.nn.functional.one_hot(unseen, vocabulary).sum(dim=1).float()
    return torch.einsum("nv,jvw->njw", bags, counts).argmax(dim=2)
""",
        "the nearest sentence in memory": """
def learn_language(sources, targets, unseen, seed):
    agreement = (unseen[:, None] == sources[None]).sum(dim=2)
    return targets[agreement.argmax(dim=1)]
""",
    },
)

EXERCISES = [
    LENGTH_SCORE,
    RERANK,
    HYPOTHESIS_SCORES,
    GLEU,
    LEARN_MERGES,
    ATTEND,
    DECODER_BATCH,
    LEARN_LANGUAGE,
]
