"""Chapter 1.1, two cheap rivals that show how far the task goes beyond words and memory."""

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

from companion.text.gnmt.data import Pairs, tokenize, untokenize


def word_for_word(training: Pairs, sources: list[str], rounds: int = 5) -> list[str]:
    """Each word by its likeliest translation, in the order of the source.

    The dictionary t(target | source) is IBM model 1's, by expectation-maximisation (Brown et al.
    1993). A word that training does not know stays as it is.
    """
    sides = [
        (tokenize(source), tokenize(target))
        for source, target in zip(training.sources, training.targets, strict=True)
    ]
    dictionary: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(lambda: 1.0))
    for _ in range(rounds):
        counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for words, translation in sides:
            for target in translation:
                weights = [dictionary[word][target] for word in words]
                total = sum(weights)
                for word, weight in zip(words, weights, strict=True):
                    counts[word][target] += weight / total
        dictionary = {
            word: {target: weight / sum(row.values()) for target, weight in row.items()}
            for word, row in counts.items()
        }
    best = {word: max(row, key=row.get) for word, row in dictionary.items()}
    return [untokenize([best.get(word, word) for word in tokenize(source)]) for source in sources]


def nearest_neighbour(training: Pairs, sources: list[str]) -> list[str]:
    """The translation of the training sentence that shares most words and word pairs.

    Likeness is the cosine of counts of words and of neighbouring words, each weighted by the
    logarithm of how few training sentences hold it.
    """
    from scipy.sparse import csr_matrix

    known = [_features(source) for source in training.sources]
    frequency = Counter(feature for features in known for feature in features)
    columns = {feature: index for index, feature in enumerate(frequency)}
    weights = np.log(len(known) / np.array([frequency[feature] for feature in columns]))

    def matrix(rows: list[Counter]) -> csr_matrix:
        """One row of unit length a sentence; features that training lacks are left out."""
        entries = [
            (index, columns[feature], number * weights[columns[feature]])
            for index, row in enumerate(rows)
            for feature, number in row.items()
            if feature in columns
        ]
        across, down, values = zip(*entries, strict=True) if entries else ((), (), ())
        counts = csr_matrix((values, (across, down)), shape=(len(rows), len(columns)))
        lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1))[:, 0])
        return csr_matrix(counts.multiply(1 / np.maximum(lengths, 1e-9)[:, None]))

    memory = matrix(known).T.tocsr()
    asked = matrix([_features(source) for source in sources])
    nearest = [int(np.argmax((row @ memory).toarray())) for row in asked]
    return [training.targets[index] for index in nearest]


def _features(sentence: str) -> Counter:
    words = tokenize(sentence)
    return Counter([*words, *pairwise(words)])
