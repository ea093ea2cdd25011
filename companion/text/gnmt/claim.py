"""Chapter 1.1, the claim: does looking back at the source make better translations?"""

import dataclasses
import time
from collections import Counter
from functools import cache

from companion.claims import Claim, Metrics, PaperFigure, Study
from companion.text.gnmt import libreoffice, rivals
from companion.text.gnmt.batches import encode_pairs
from companion.text.gnmt.beam import Search
from companion.text.gnmt.data import (
    TRAINING_SENTENCES_WITH_A_RARE_WORD,
    Pairs,
    load_grammar,
    tokenize,
)
from companion.text.gnmt.libreoffice import load_libreoffice
from companion.text.gnmt.model import Translator
from companion.text.gnmt.quantise import quantise
from companion.text.gnmt.reinforce import Settings as Refinement
from companion.text.gnmt.reinforce import gleu, refine
from companion.text.gnmt.train import SETTINGS, Settings, train
from companion.text.gnmt.translate import bleu, translate
from companion.text.gnmt.wordpieces import Vocabulary, learn_wordpieces, learn_words

PAPER = "Wu et al. 2016"
# Adam's and plain gradient descent's.
STEPS = {"smoke": (3, 2), "laptop": (720, 80), "gpu": (60_000, 2_000_000)}
REFINEMENT_STEPS = {"smoke": 1, "laptop": 200, "gpu": 10_000}
# Eight layers of full width would take an hour.
NARROW = {"embedding_size": 64, "hidden_size": 64, "attention_size": 64}
# What an arm changes in the architecture.
CHANGES = {
    "attention": {},
    "no attention": {"attention": False},
    "4 layers, residual": {**NARROW, "num_layers": 4},
    "4 layers, plain": {**NARROW, "num_layers": 4, "residual": False},
    "8 layers, residual": {**NARROW, "num_layers": 8},
    "8 layers, plain": {**NARROW, "num_layers": 8, "residual": False},
    "words": {},
    "refined": {},
    "help, attention": {},
    "help, no attention": {"attention": False},
}
LENGTHS = {"short": (1, 7), "medium": (8, 13), "long": (14, 100)}  # words of the source
GREEDY = Search(width=1, alpha=0, beta=0)
SEARCHES = {
    "width 4, log P": Search(alpha=0, beta=0),
    "alpha": Search(beta=0),
    "beta": Search(alpha=0),
    "both": Search(),
}
SEARCHED_EVERY = 4  # test sentences: the widest searches would take minutes on all of them


def settings_for(arm: str, size: str, learning_rate: float) -> Settings:
    """The settings of one arm; all arms take the same steps on batches of as many pieces."""
    settings = SETTINGS[size]
    adam_steps, sgd_steps = STEPS[size]
    return dataclasses.replace(
        settings,
        architecture=dataclasses.replace(settings.architecture, **CHANGES[arm]),
        adam_steps=adam_steps,
        sgd_steps=sgd_steps,
        adam_learning_rate=learning_rate,
    )


def experiment(arm: str, seed: int, size: str, learning_rate: float) -> Metrics:
    """Train one arm and let it translate; every translation is greedy but those of `SEARCHES`."""
    settings = settings_for(arm, size, learning_rate)
    load = load_libreoffice if arm.startswith("help") else load_grammar
    few = size == "smoke"
    training = thin_out(load("train"), 30 if few else 1)
    learn = learn_words if arm == "words" else learn_wordpieces
    vocabulary = learn(
        [*training.sources, *training.targets], settings.architecture.vocabulary_size
    )
    pairs = encode_pairs(training, vocabulary)
    model, _ = train(pairs, settings, seed, label=f"{arm}, seed {seed}")
    if arm == "refined":
        refine(model, pairs, Refinement(steps=REFINEMENT_STEPS[size]), seed)
    model.eval()

    validation, test = (thin_out(load(split), 50 if few else 1) for split in ("validation", "test"))
    said = translate(model, vocabulary, test.sources, GREEDY)
    metrics = {
        "validation": bleu(
            translate(model, vocabulary, validation.sources, GREEDY), validation.targets
        ),
        "bleu": bleu(said, test.targets),
        "gleu": mean_gleu(said, test.targets),
        "weights": float(sum(weight.numel() for weight in model.parameters())),
    }
    if load is load_grammar:
        metrics |= bleu_by_length(said, test)
        metrics |= rare_words(model, vocabulary, thin_out(load_grammar("rare"), 50 if few else 1))
    if arm == "attention":
        metrics |= search_terms(model, vocabulary, thin_out(test, SEARCHED_EVERY))
    return metrics


def thin_out(pairs: Pairs, interval: int) -> Pairs:
    """Every ``interval``-th pair."""
    return Pairs(pairs.sources[::interval], pairs.targets[::interval])


def mean_gleu(translations: list[str], references: list[str]) -> float:
    """Of single sentences by words, 0 to 100."""
    both = zip(translations, references, strict=True)
    values = [gleu(tokenize(translation), tokenize(reference)) for translation, reference in both]
    return 100 * sum(values) / len(values)


def bleu_by_length(translations: list[str], pairs: Pairs) -> Metrics:
    """BLEU within each of `LENGTHS`; a range that no source falls into is left out."""
    lengths = [len(tokenize(source)) for source in pairs.sources]
    metrics = {}
    for name, (least, most) in LENGTHS.items():
        chosen = [index for index, length in enumerate(lengths) if least <= length <= most]
        if chosen:
            sides = (translations, pairs.targets)
            metrics[name] = bleu(*([side[index] for index in chosen] for side in sides))
    return metrics


def rare_words(model: Translator, vocabulary: Vocabulary, pairs: Pairs) -> Metrics:
    """``rare``: BLEU of sentences with a rare word; ``found``: the share of such words found.

    Counted are the references' words that training shows, at most as often as a rare word.
    """
    said = translate(model, vocabulary, pairs.sources, GREEDY)
    counts = Counter(
        word for reference in load_grammar("train").targets for word in tokenize(reference)
    )
    found = [
        word in tokenize(translation)
        for translation, reference in zip(said, pairs.targets, strict=True)
        for word in tokenize(reference)
        if counts[word] <= TRAINING_SENTENCES_WITH_A_RARE_WORD
    ]
    return {"rare": bleu(said, pairs.targets), "found": sum(found) / max(1, len(found))}


def search_terms(model: Translator, vocabulary: Vocabulary, pairs: Pairs) -> Metrics:
    """BLEU of the same sentences by each of `SEARCHES`, and in 8 bits; sentences a second."""
    metrics = {"greedy": bleu(translate(model, vocabulary, pairs.sources, GREEDY), pairs.targets)}
    for name, search in SEARCHES.items():
        metrics[name] = bleu(translate(model, vocabulary, pairs.sources, search), pairs.targets)
    for name, network in (("float", model), ("int8", quantise(model))):
        began = time.process_time()
        metrics[name] = bleu(translate(network, vocabulary, pairs.sources), pairs.targets)
        metrics[f"{name} speed"] = len(pairs) / (time.process_time() - began)
    return metrics


@cache
def references(size: str) -> Metrics:
    """BLEU of the two rivals, who know all training sentences."""
    del size  # the data are the same at every size
    training, test = load_grammar("train"), load_grammar("test")
    return {
        "word for word": bleu(rivals.word_for_word(training, test.sources), test.targets),
        "the most similar training sentence": bleu(
            rivals.nearest_neighbour(training, test.sources), test.targets
        ),
        "the grammar itself": 100.0,
    }


def has_help() -> bool:
    """Whether LibreOffice's help is on this machine."""
    return libreoffice.FOLDER.is_dir()


CLAIM = Claim(
    chapter="text/gnmt",
    title="GNMT",
    statement=(
        "A recurrent network translates held-out sentences better when its decoder attends to all "
        "encodings than when it gets the encoding of the last piece alone."
    ),
    kind="recovered",
    metric="bleu",
    unit="BLEU",
    direction="higher",
    method="attention",
    baseline="no attention",
    learning_rates=(4e-3, 8e-3),
    experiment=experiment,
    references=references,
    paper=(
        PaperFigure(
            arm="attention",
            text=(
                "direction only: attention is taken from Bahdanau et al. 2014, and no network "
                "without it is reported"
            ),
            source=f"{PAPER}, section 3",
        ),
    ),
    tolerance=3.0,
    studies=(
        Study(
            name="length",
            title="By the length of the sentence",
            question=(
                "Is what attention is worth greater for long sentences? The same runs, with their "
                "test sentences in three groups by words and marks of the source."
            ),
            arms=("attention", "no attention"),
            metrics={
                "short": "BLEU, up to 7 words",
                "medium": "8 to 13 words",
                "long": "14 words or more",
                "weights": "weights",
            },
        ),
        Study(
            name="depth",
            title="Residual against plain stacks",
            question=(
                "What do residual connections bring to stacks of 4 and of 8 layers a side, with "
                "the same steps for all?"
            ),
            arms=(
                "4 layers, residual",
                "4 layers, plain",
                "8 layers, residual",
                "8 layers, plain",
            ),
            metrics={"bleu": "BLEU"},
            paper=(
                "direction only: plain stacks work well to 4 layers, barely with 6, and very "
                "poorly beyond 8"
            ),
        ),
        Study(
            name="pieces",
            title="Wordpieces against words",
            question=(
                "A vocabulary of wordpieces and one of as many whole words: how well are rare "
                "words translated, in sentences that hold one?"
            ),
            arms=("attention", "words"),
            metrics={
                "bleu": "BLEU",
                "rare": "BLEU, sentences with rare words",
                "found": "rare words found",
            },
            paper="BLEU, English to French: wordpieces 38.95, words 37.90",
        ),
        Study(
            name="score",
            title="The terms of the score",
            question=(
                "A quarter of the test sentences, searched greedily, with a beam of 4 by log P "
                "alone, and with each penalty of the score at 0.2."
            ),
            arms=("attention",),
            metrics={
                "greedy": "BLEU, greedy",
                "width 4, log P": "log P",
                "alpha": "with length",
                "beta": "with coverage",
                "both": "with both",
            },
        ),
        Study(
            name="int8",
            title="Eight bits",
            question=(
                "The same sentences translated by the same networks in floats and in 8 bits, with "
                "a beam of 4 on one core."
            ),
            arms=("attention",),
            metrics={
                "float": "BLEU, floats",
                "int8": "BLEU, 8 bits",
                "float speed": "sentences/s, floats",
                "int8 speed": "sentences/s, 8 bits",
            },
            paper=("the same BLEU; a test set in 1,322 s on a CPU, in 384 s with 8 bits on a TPU"),
        ),
        Study(
            name="refinement",
            title="Training on the measure",
            question=(
                "The same networks after 200 steps on expected GLEU: do both measures of their "
                "greedy translations rise?"
            ),
            arms=("attention", "refined"),
            metrics={"gleu": "GLEU", "bleu": "BLEU"},
            paper=(
                "BLEU, English to French: 38.95 to 39.92; English to German: 24.67 to 24.60; "
                "people's marks did not rise"
            ),
        ),
        Study(
            name="real",
            title="Sentences that people wrote",
            question=(
                "LibreOffice's help, 18,205 training pairs of at most 15 words, held out by page: "
                "how far do the same networks come?"
            ),
            arms=("help, attention", "help, no attention"),
            metrics={"bleu": "BLEU", "gleu": "GLEU"},
            available=has_help,
            command="apt install libreoffice-help-en-us libreoffice-help-fr",
        ),
    ),
)
