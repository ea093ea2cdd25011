from companion.text.gnmt.data import Pairs
from companion.text.gnmt.rivals import nearest_neighbour, word_for_word

TOY = Pairs(
    ["red house", "blue house", "red book", "blue book", "small red house"],
    ["maison rouge", "maison bleue", "livre rouge", "livre bleue", "petite maison rouge"],
)


def test_the_dictionary_knows_words_and_keeps_their_order():
    assert word_for_word(TOY, ["red book", "blue lamp"]) == ["rouge livre", "bleue lamp"]


def test_the_memory_answers_with_the_nearest_sentence_it_has():
    assert nearest_neighbour(TOY, ["small red book house", "blue book"]) == [
        "petite maison rouge",
        "livre bleue",
    ]
    assert nearest_neighbour(TOY, ["unheard of"])[0] in TOY.targets
