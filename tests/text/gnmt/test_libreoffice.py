"""Pages of the help in its own format, made up here."""

import pytest

from companion.text.gnmt.data import PairsError
from companion.text.gnmt.libreoffice import SPLITS, load_libreoffice, page_pairs


def _page(*paragraphs: str) -> str:
    return "<html><body>" + "".join(f"<p>{text}</p>\n" for text in paragraphs) + "</body></html>"


def test_a_page_is_cut_into_sentences():
    english = "<h1>Save a <em>Document</em></h1><p>Click the button. Choose\n a file&#33;</p>"
    french = "<h1>Enregistrer un document</h1><p>Cliquez sur l'icône. Choisissez un fichier !</p>"
    assert page_pairs(english, french) == [
        ("save a document", "enregistrer un document"),
        ("click the button .", "cliquez sur l'icône ."),
        ("choose a file !", "choisissez un fichier !"),
    ]


def test_paragraphs_with_other_numbers_of_sentences_are_left_out():
    assert page_pairs(_page("One two three. Four."), _page("Un deux trois et quatre.")) == []
    assert page_pairs(_page("One two three."), _page("Un deux trois.", "Quatre.")) == []


def test_only_sentences_of_three_to_fifteen_words():
    long = "a b c d e f g h i j k l m n o p"
    assert page_pairs(
        _page("Save", "One two three", long), _page("Oui", "Un deux trois", long)
    ) == [("one two three", "un deux trois")]


def test_labels_and_what_was_left_in_english_are_no_translations():
    english = _page("Title is: Save a file", "Returns true or false.", "One two three")
    french = _page("Title is: Enregistrer un fichier", "Returns true or false.", "Un deux trois")
    assert page_pairs(english, french) == [("one two three", "un deux trois")]


@pytest.fixture
def folder(tmp_path):
    for number in range(100):
        for language, text in (("en-US", "this is page"), ("fr", "voici la page")):
            path = tmp_path / language / "text" / f"{number}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_page(f"{text} {number}", f"{text} one two"), encoding="utf-8")
    return tmp_path


def test_pages_are_held_out_whole_and_nothing_of_training_is_tested(folder):
    splits = {split: load_libreoffice(split, folder) for split in SPLITS}
    sentences = [source for pairs in splits.values() for source in pairs.sources]
    assert len(set(sentences)) == len(sentences) == 101
    assert "this is page one two" in splits["train"].sources
    assert len(splits["test"]) and len(splits["validation"])
    for source, target in zip(splits["test"].sources, splits["test"].targets, strict=True):
        assert source.split()[-1] == target.split()[-1]


def test_what_is_missing(folder, tmp_path):
    with pytest.raises(PairsError, match="libreoffice-help-fr"):
        load_libreoffice("train", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="'dev'"):
        load_libreoffice("dev", folder)
