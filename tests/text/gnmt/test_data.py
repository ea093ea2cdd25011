import pytest

from companion.text.gnmt.data import (
    SIZES,
    TRAINING_SENTENCES_WITH_A_RARE_WORD,
    Pairs,
    PairsError,
    is_held_out,
    load_grammar,
    read_lines,
    read_tabs,
    split_grammar,
    tokenize,
)

SMALL = {"train": 3000, "validation": 50, "test": 80, "combinations": 50, "rare": 20}


@pytest.fixture(scope="module")
def splits():
    return split_grammar(SMALL)


def test_words_and_marks():
    assert tokenize("l'arbre n'est-il pas vu aujourd'hui , qu'il voit ?") == [
        *("l'", "arbre", "n'", "est-il", "pas", "vu", "aujourd'hui", ",", "qu'", "il", "voit", "?")
    ]
    assert tokenize("the king's horse doesn't see it .") == [
        *("the", "king's", "horse", "doesn't", "see", "it", ".")
    ]


def test_every_split_has_its_size_and_no_sentence_of_another(splits):
    assert {split: len(pairs) for split, pairs in splits.items()} == SMALL
    sentences = [pair.english for pairs in splits.values() for pair in pairs]
    assert len(set(sentences)) == len(sentences)


def test_held_out_combinations_are_nowhere_else(splits):
    for split, pairs in splits.items():
        held_out = [any(map(is_held_out, pair.combinations)) for pair in pairs]
        assert all(held_out) if split == "combinations" else not any(held_out)


def test_rare_words_are_rare_in_training_and_in_every_rare_sentence(splits):
    counts: dict[str, int] = {}
    for pair in splits["train"]:
        for word in pair.rare:
            counts[word] = counts.get(word, 0) + 1
    assert counts
    assert max(counts.values()) <= TRAINING_SENTENCES_WITH_A_RARE_WORD
    assert all(pair.rare for pair in splits["rare"])
    assert not any(pair.rare for pair in splits["test"])


def test_the_shipped_set_is_whole_and_the_same_at_every_call():
    train = load_grammar("train")
    assert len(train) == SIZES["train"] >= 50_000
    assert load_grammar("test") == load_grammar("test")
    assert not set(train.sources) & set(load_grammar("test").sources)
    with pytest.raises(ValueError, match="'dev'"):
        load_grammar("dev")


def test_line_aligned_files(tmp_path):
    (tmp_path / "en").write_text("\ufeffthe cat .\na tree .\n", encoding="utf-8")
    (tmp_path / "fr").write_text("le chat .\nun arbre .\n", encoding="utf-8")
    expected = Pairs(["the cat .", "a tree ."], ["le chat .", "un arbre ."])
    assert read_lines(tmp_path / "en", tmp_path / "fr") == expected
    (tmp_path / "fr").write_text("le chat .\n", encoding="utf-8")
    with pytest.raises(PairsError, match="2 source sentences and 1 target"):
        read_lines(tmp_path / "en", tmp_path / "fr")
    (tmp_path / "fr").write_text("le chat .\n \n", encoding="utf-8")
    with pytest.raises(PairsError, match="line 2: a sentence is empty"):
        read_lines(tmp_path / "en", tmp_path / "fr")


def test_tabbed_files(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a tree\tun arbre\n", encoding="utf-8")
    assert read_tabs(path) == Pairs(["a tree"], ["un arbre"])
    path.write_text("a tree\tun arbre\na cat\n", encoding="utf-8")
    with pytest.raises(PairsError, match="line 2: expected 2 columns, got 1"):
        read_tabs(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(PairsError, match="is empty"):
        read_tabs(path)
    path.write_bytes("un hôtel\tx".encode("latin-1"))
    with pytest.raises(PairsError, match="not UTF-8"):
        read_tabs(path)
