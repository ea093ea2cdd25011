import dataclasses

import pytest

from companion.text.gnmt import claim
from companion.text.gnmt.beam import Search
from companion.text.gnmt.data import Pairs, load_grammar, tokenize
from companion.text.gnmt.model import new_model


def weights(arm: str) -> int:
    model = new_model(claim.settings_for(arm, "laptop", 1e-3).architecture, 0)
    return sum(weight.numel() for weight in model.parameters())


def test_attention_is_paid_with_few_weights_and_residuals_with_none():
    assert weights("no attention") == pytest.approx(weights("attention"), rel=0.05)
    for layers in (4, 8):
        assert weights(f"{layers} layers, residual") == weights(f"{layers} layers, plain")


def test_arms_differ_in_the_architecture_alone():
    plain = claim.settings_for("attention", "laptop", 1e-3)
    for arm in claim.CHANGES:
        settings = claim.settings_for(arm, "laptop", 1e-3)
        assert dataclasses.replace(settings, architecture=plain.architecture) == plain


def test_every_arm_of_the_claim_has_settings():
    named = {arm for study in claim.CLAIM.studies for arm in study.arms} | {*claim.CLAIM.arms}
    assert named == claim.CHANGES.keys()


def test_every_length_belongs_to_one_group():
    for length in range(1, 41):
        groups = [name for name, (least, most) in claim.LENGTHS.items() if least <= length <= most]
        assert len(groups) == 1


def test_bleu_by_length_puts_each_sentence_into_its_own_group():
    pairs = claim.thin_out(load_grammar("test"), 10)
    spoiled = [
        "rien" if len(tokenize(source)) >= claim.LENGTHS["long"][0] else target
        for source, target in zip(pairs.sources, pairs.targets, strict=True)
    ]
    scores = claim.bleu_by_length(spoiled, pairs)
    assert scores["short"] == scores["medium"] == pytest.approx(100)
    assert scores["long"] < 1


def test_rare_words_are_those_that_training_hardly_shows(monkeypatch):
    training = Pairs(["a"] * 5, ["le chat ."] * 4 + ["le harfang ."])
    rare = Pairs(["x", "y"], ["le harfang .", "le chat voit le harfang ."])
    monkeypatch.setattr(claim, "load_grammar", lambda split: training)

    def found(*said: str) -> float:
        monkeypatch.setattr(claim, "translate", lambda *_: list(said))
        return claim.rare_words(None, None, rare)["found"]

    assert found(*rare.targets) == 1
    assert found("le chat .", "le chat voit le chat .") == pytest.approx(1 / 3)  # "voit"
    assert found("le chat .", "le chat mange .") == 0


def test_searches_differ_in_the_terms_they_are_named_for():
    expected = {
        "width 4, log P": Search(4, 0, 0),
        "alpha": Search(4, 0.2, 0),
        "beta": Search(4, 0, 0.2),
        "both": Search(4, 0.2, 0.2),
    }
    assert expected == claim.SEARCHES
    assert claim.GREEDY.width == 1


def test_gleu_of_a_set_is_the_mean_of_its_sentences():
    said, right = ["le chat .", "le chien dort ."], ["le chat .", "la vache mange ici !"]
    assert claim.mean_gleu(right, right) == 100
    assert claim.mean_gleu(said, right) == pytest.approx(50)


def test_the_refined_arm_starts_from_the_attention_arms_network(monkeypatch):
    """Without a step of refinement both arms are the same run."""
    monkeypatch.setattr(claim, "refine", lambda *_: None)
    monkeypatch.setattr(claim, "search_terms", lambda *_: {})
    runs = [claim.experiment(arm, 3, "smoke", 4e-3) for arm in ("attention", "refined")]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("arm", "name"),
    [("words", "learn_words"), ("attention", "learn_wordpieces"), ("help, attention", "thin_out")],
)
def test_an_arm_reads_and_spells_what_it_is_named_for(monkeypatch, arm, name):
    class Reached(Exception):
        pass

    def reached(*arguments):
        raise Reached(arguments)

    monkeypatch.setattr(claim, "load_libreoffice", lambda split: f"help, {split}")
    monkeypatch.setattr(claim, name, reached)
    with pytest.raises(Reached) as found:
        claim.experiment(arm, 0, "smoke", 4e-3)
    if name == "thin_out":
        assert found.value.args[0][0] == "help, train"
