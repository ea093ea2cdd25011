"""Pieces equal to sentencepiece's, text that comes back whole, and what no vocabulary knows."""

from collections import Counter
from io import BytesIO

import pytest
import sentencepiece

from companion.text.gnmt.data import Pairs, load_grammar
from companion.text.gnmt.wordpieces import (
    SIGNS,
    UNKNOWN,
    WORD_START,
    VocabularyError,
    Wordpieces,
    WordVocabulary,
    clean,
    join,
    learn_merges,
    learn_wordpieces,
    learn_words,
)

SIZE = 400


@pytest.fixture(scope="module")
def sentences():
    pairs = load_grammar("train")
    return [*pairs.sources[:1000], *pairs.targets[:1000]]


@pytest.fixture(scope="module")
def wordpieces(sentences):
    return learn_wordpieces(sentences, SIZE)


def _sentencepiece(sentences, size):
    written = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        model_type="bpe",
        vocab_size=size,
        character_coverage=1.0,
        normalization_rule_name="identity",
        split_by_unicode_script=False,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


def test_merges_by_hand_equal_sentencepieces():
    sentences = load_grammar("train").sources[:200]
    counts = Counter(word for sentence in sentences for word in sentence.split())
    merges = learn_merges(counts, 150)
    library = learn_wordpieces(sentences, 150 + len(SIGNS) + len({*"".join(counts)}) + 1)
    joined = ["".join(pair) for pair in merges]
    assert list(library.pieces[len(SIGNS) : len(SIGNS) + 150]) == joined


def test_of_equal_pairs_the_shorter_then_the_first_is_merged():
    assert learn_merges({"no": 3}, 10) == [("n", "o"), (WORD_START, "no")]
    assert learn_merges({"zz": 1, "ab": 1}, 1) == [("a", "b")]


def test_a_pair_is_joined_from_left_to_right():
    assert join(["a", "a", "a"], ("a", "a")) == ["aa", "a"]
    assert join(["a", "a", "a", "a"], ("a", "a")) == ["aa", "aa"]


def test_spelling_equals_sentencepieces(sentences, wordpieces):
    library = _sentencepiece(sentences, SIZE - 1)  # which has no padding sign
    unseen = load_grammar("test")
    for sentence in [*unseen.sources[:300], *unseen.targets[:300]]:
        expected = library.encode(sentence, out_type=str)
        assert [wordpieces.pieces[number] for number in wordpieces.encode(sentence)] == expected


def test_sentences_come_back_whole(wordpieces):
    pairs = load_grammar("test")
    for sentence in [*pairs.sources[:300], *pairs.targets[:300]]:
        assert wordpieces.decode(wordpieces.encode(sentence)) == sentence


def test_the_vocabulary_is_its_list_of_pieces(sentences, wordpieces):
    assert wordpieces.size == SIZE
    assert learn_wordpieces(sentences, SIZE).pieces == wordpieces.pieces
    again = Wordpieces(list(wordpieces.pieces))
    assert again.encode("the old clock .") == wordpieces.encode("the old clock .")


def test_nothing_follows_the_end_sign_and_other_signs_are_silent(wordpieces):
    numbers = wordpieces.encode("the cat")
    assert wordpieces.decode([1, *numbers, 2, *numbers, 0]) == "the cat"


def test_a_character_that_training_never_showed_is_unknown(wordpieces):
    assert set(wordpieces.encode("猫犬")) == {UNKNOWN, *wordpieces.encode(WORD_START)[:1]}
    assert wordpieces.encode("") == []


def test_pieces_spell_a_word_that_words_do_not_know(sentences, wordpieces):
    words = learn_words(sentences, 200)
    assert words.size == 200
    assert words.encode("the unclebook .").count(UNKNOWN) == 1
    assert words.decode(words.encode("the man .")) == "the man ."
    assert wordpieces.decode(wordpieces.encode("the unclebook .")) == "the unclebook ."


def test_words_keep_elisions_together():
    words = WordVocabulary([*SIGNS, "l'", "arbre", "."])
    assert words.decode(words.encode("l'arbre .")) == "l'arbre ."
    assert words.decode(words.encode("l'homme .")) == "l'<unk> ."


def test_what_a_reader_writes_is_brought_to_the_grammars_form():
    assert clean("I don\u2019t see it!") == "i don't see it !"
    assert clean("L'arbre, cafe\u0301.") == "l'arbre , café ."
    pairs: Pairs = load_grammar("validation")
    for sentence in [*pairs.sources[:200], *pairs.targets[:200]]:
        assert clean(sentence) == sentence


@pytest.mark.parametrize(
    ("pieces", "message"),
    [(["a", "b"], "starts with"), ([*SIGNS, "a", "a"], "'a' stands in the vocabulary")],
)
def test_a_list_that_is_no_vocabulary(pieces, message):
    with pytest.raises(VocabularyError, match=message):
        Wordpieces(pieces)


def test_too_few_sentences_for_so_many_pieces():
    with pytest.raises(VocabularyError, match="no 500 wordpieces"):
        learn_wordpieces(["a b c"], 500)
