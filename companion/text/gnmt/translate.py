"""Chapter 1.1, use: sentences in, sentences out; how good they are; and a trained model's file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from companion.checkpoint import CheckpointError, load_weights, save_weights
from companion.text.gnmt.batches import SentenceError, encode_sentences, make_sources
from companion.text.gnmt.beam import Search, search
from companion.text.gnmt.data import tokenize
from companion.text.gnmt.model import Architecture, Translator
from companion.text.gnmt.wordpieces import UNKNOWN, Vocabulary, Wordpieces

SENTENCES_AT_ONCE = 100


def translate(
    model: Translator,
    vocabulary: Vocabulary,
    sentences: Sequence[str],
    settings: Search = Search(),  # noqa: B008 - it cannot be changed
) -> list[str]:
    """The best translation of each sentence, which is in the form that `clean` gives.

    Raises `SentenceError` naming a sentence that is empty, too long, or of which the vocabulary
    knows nothing, and `CheckpointError` for a vocabulary of another size than the model's.
    """
    _refuse_other_size(vocabulary, model.architecture)
    encoded = encode_sentences(sentences, vocabulary)
    for number, numbers in enumerate(encoded):
        # A lone word start is spelled before a character that is unknown.
        if all(piece == UNKNOWN or not vocabulary.decode([piece]) for piece in numbers):
            raise SentenceError(
                f"sentence {number} is in no script or words that the model knows: "
                f"{sentences[number]!r}"
            )
    device = next(model.parameters()).device
    # Neighbours of about one length waste little on padding.
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
    translations = [""] * len(encoded)
    for start in range(0, len(order), SENTENCES_AT_ONCE):
        indices = order[start : start + SENTENCES_AT_ONCE]
        sources, lengths = make_sources([encoded[index] for index in indices])
        found = search(model, sources.to(device), lengths.to(device), settings)
        for index, hypotheses in zip(indices, found, strict=True):
            translations[index] = vocabulary.decode(hypotheses[0].pieces)
    return translations


def bleu(translations: Sequence[str], references: Sequence[str]) -> float:
    """BLEU of a whole test set, 0 to 100, by sacrebleu on the words of `tokenize`.

    Raises ``ValueError`` when there are not as many translations as references, or none.
    """
    import sacrebleu

    if len(translations) != len(references) or not references:
        raise ValueError(
            f"{len(translations)} translations and {len(references)} references: BLEU needs one "
            "reference for each translation, and at least one"
        )
    spaced = [[" ".join(tokenize(text)) for text in side] for side in (translations, references)]
    return sacrebleu.corpus_bleu(spaced[0], [spaced[1]], tokenize="none", force=True).score


# --- a trained model's file --------------------------------------------------------------------


def save_translator(
    path: Path, model: Translator, vocabulary: Wordpieces, metadata: Mapping[str, str]
) -> None:
    """Weights, architecture and pieces in one file, with texts of the caller's beside them."""
    _refuse_other_size(vocabulary, model.architecture)
    own = {
        "architecture": json.dumps(asdict(model.architecture)),
        "pieces": json.dumps(vocabulary.pieces, ensure_ascii=False),
    }
    save_weights(path, model.state_dict(), {**metadata, **own})


def load_translator(path: Path) -> tuple[Translator, Wordpieces, dict[str, str]]:
    """The model, its vocabulary, and the texts saved with it.

    Raises `CheckpointError` when the file is missing, damaged or holds no translator.
    """
    state, metadata = load_weights(path)
    try:
        architecture = Architecture(**json.loads(metadata.pop("architecture")))
        vocabulary = Wordpieces(json.loads(metadata.pop("pieces")))
    except KeyError as error:
        raise CheckpointError(
            f"{path} holds no translator: {error} is missing. Load a file that save_translator "
            "wrote"
        ) from error
    _refuse_other_size(vocabulary, architecture)
    model = Translator(architecture)
    model.load_state_dict(state)
    return model, vocabulary, metadata


def _refuse_other_size(vocabulary: Vocabulary, architecture: Architecture) -> None:
    if vocabulary.size != architecture.vocabulary_size:
        raise CheckpointError(
            f"the vocabulary has {vocabulary.size} entries and the model was built for "
            f"{architecture.vocabulary_size}: use the vocabulary it was trained with"
        )
