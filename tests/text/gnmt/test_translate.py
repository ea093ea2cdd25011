"""Sentences in and out, sentences that are refused, and a file that knows its own vocabulary."""

import pytest
import torch

from companion.checkpoint import CheckpointError, save_weights
from companion.text.gnmt.batches import SentenceError
from companion.text.gnmt.beam import Search
from companion.text.gnmt.data import load_grammar
from companion.text.gnmt.model import Architecture, new_model
from companion.text.gnmt.translate import bleu, load_translator, save_translator, translate
from companion.text.gnmt.wordpieces import SIGNS, WordVocabulary, learn_wordpieces

VOCABULARY = learn_wordpieces(load_grammar("validation").sources, 300)
MODEL = new_model(Architecture(VOCABULARY.size, 8, 8, 8, 2, dropout=0.0), 0, weight_range=0.5)
FEW = Search(width=2)


def test_translations_come_back_in_the_order_of_their_sentences():
    sentences = load_grammar("validation").sources[:7]
    together = translate(MODEL, VOCABULARY, sentences, FEW)
    assert together == [translate(MODEL, VOCABULARY, [one], FEW)[0] for one in sentences]
    assert translate(MODEL, VOCABULARY, [], FEW) == []


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("", "sentence 1 is empty"),
        ("the cat " * 60, "Split it"),
        ("猫 が いる", "no script or words"),
    ],
)
def test_sentences_that_are_refused(sentence, message):
    with pytest.raises(SentenceError, match=message):
        translate(MODEL, VOCABULARY, ["the cat .", sentence], FEW)


def test_words_that_are_all_unknown_are_refused():
    words = WordVocabulary([*SIGNS, "the", "cat"])
    model = new_model(Architecture(words.size, 8, 8, 8, 2), 0)
    assert len(translate(model, words, ["the dog"], FEW)) == 1
    with pytest.raises(SentenceError, match="'a dog'"):
        translate(model, words, ["a dog"], FEW)


def test_a_sentence_with_a_character_of_another_script_is_translated():
    assert len(translate(MODEL, VOCABULARY, ["the 猫 ."], FEW)) == 1


def test_a_vocabulary_of_another_size_is_refused(tmp_path):
    words = WordVocabulary([*SIGNS, "the"])
    with pytest.raises(CheckpointError, match="5 entries and the model was built for 300"):
        translate(MODEL, words, ["the"], FEW)
    with pytest.raises(CheckpointError, match="5 entries"):
        save_translator(tmp_path / "model.safetensors", MODEL, words, {})


def test_a_saved_model_translates_as_before(tmp_path):
    path = tmp_path / "model.safetensors"
    save_translator(path, MODEL, VOCABULARY, {"test BLEU": "1.0"})
    model, vocabulary, metadata = load_translator(path)
    sentences = load_grammar("validation").sources[:3]
    expected = translate(MODEL, VOCABULARY, sentences, FEW)
    assert translate(model, vocabulary, sentences, FEW) == expected
    assert metadata == {"test BLEU": "1.0"}


def test_a_file_that_holds_no_translator(tmp_path):
    save_weights(tmp_path / "other.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="holds no translator"):
        load_translator(tmp_path / "other.safetensors")


def test_bleu():
    references = load_grammar("validation").targets[:50]
    assert bleu(references, references) == pytest.approx(100)
    # An elided word counts as a word: six of seven are right, not five of six.
    one_wrong = bleu(["je vois donc l'arbre vert ."], ["je vois donc l'arbre noir ."])
    assert one_wrong == pytest.approx(100 * (6 / 7 * 4 / 6 * 3 / 5 * 2 / 4) ** 0.25)
    worse = [" ".join(reversed(reference.split())) for reference in references]
    assert bleu(worse, references) < 20
    with pytest.raises(ValueError, match="1 translations and 2 references"):
        bleu(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="at least one"):
        bleu([], [])
