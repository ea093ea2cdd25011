"""The exported halves against the model, on weights rounded to half; the shipped model and files.

What the mechanism is tested on is a small network, whose first weights are as good as any.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from companion.checkpoint import CheckpointError, load_weights
from companion.live import round_weights
from companion.text.gnmt import live
from companion.text.gnmt.batches import MOST_PIECES, make_sources
from companion.text.gnmt.beam import Search, search
from companion.text.gnmt.data import load_grammar, tokenize
from companion.text.gnmt.model import Architecture, Memory, State, Translator, new_model
from companion.text.gnmt.rivals import nearest_neighbour
from companion.text.gnmt.translate import bleu
from companion.text.gnmt.wordpieces import BEGIN, END, PADDING, SIGNS, Wordpieces, learn_wordpieces

FOLDER = Path(__file__).parents[3] / "book/live/text/gnmt"
PIECES = learn_wordpieces(load_grammar("validation").sources, 300)
# Every size is another one, so that none can stand in for another; three layers have a residual.
SMALL = Architecture(PIECES.size, 12, 16, 20, num_layers=3, dropout=0.2)
LONGEST = 16  # pieces of the small graphs' sources; PyTorch exports an LSTM step by step


def small_model(seed: int = 0) -> Translator:
    return round_weights(new_model(SMALL, seed, weight_range=0.5, embedding_range=1.5)).eval()


@pytest.fixture(scope="module")
def small() -> Translator:
    return small_model()


@pytest.fixture(scope="module")
def small_graphs(small, tmp_path_factory) -> dict[str, onnxruntime.InferenceSession]:
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "MOST_PIECES", LONGEST)
        live.export_reader(small, folder / "read.onnx")
        live.export_writer(small, folder / "write.onnx")
    return open_graphs(folder)


def open_graphs(folder: Path) -> dict[str, onnxruntime.InferenceSession]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return {
        name: onnxruntime.InferenceSession(folder / f"{name}.onnx", options)
        for name in ("read", "write")
    }


def as_float(numbers: torch.Tensor) -> np.ndarray:
    return numbers.numpy().astype(np.float32)


def longest_of(graphs) -> int:
    """How many pieces a source of these graphs has, padding included."""
    return graphs["read"].get_inputs()[0].shape[1]


def padded(graphs, sources: torch.Tensor, padding: int = PADDING) -> np.ndarray:
    """Sources as the page hands them over."""
    missing = longest_of(graphs) - sources.shape[1]
    return as_float(torch.nn.functional.pad(sources, (0, missing), value=padding))


def some_sources(graphs, vocabulary, sentences: int):
    """The first test sentences that these graphs can read, with their lengths."""
    encoded = [vocabulary.encode(source) for source in load_grammar("test").sources[:200]]
    return make_sources([row for row in encoded if len(row) < longest_of(graphs)][:sentences])


def check_reading(graphs, model, vocabulary, sentences):
    sources, lengths = some_sources(graphs, vocabulary, sentences)
    feeds = {"sources": padded(graphs, sources), "length": as_float(lengths[:, None])}
    found = graphs["read"].run(live.READ_OUTPUTS, feeds)
    with torch.no_grad():
        memory = model.encode(sources, lengths)
    for values, expected in zip(found, (memory.encodings, memory.keys), strict=True):
        for row, length in enumerate(lengths.tolist()):
            np.testing.assert_allclose(
                values[row, :length], expected[row, :length], atol=1e-4, rtol=0
            )


def check_writing(graphs, model, vocabulary, sentences, steps=8):
    """Each step starts from what the graph gave, so that its state is checked as well."""
    sources, lengths = some_sources(graphs, vocabulary, sentences)
    feeds = {"sources": padded(graphs, sources), "length": as_float(lengths[:, None])}
    encodings, keys = graphs["read"].run(live.READ_OUTPUTS, feeds)
    with torch.no_grad():
        memory = model.encode(sources, lengths)
    stream = torch.Generator().manual_seed(0)
    pieces = torch.full((sentences,), BEGIN)
    state = model.start(sentences, memory.encodings)
    h, c = state.h.numpy(), state.c.numpy()
    for _ in range(steps):
        feeds = {"piece": as_float(pieces[:, None]), "h": h, "c": c, "encodings": encodings}
        feeds |= {"keys": keys, "length": as_float(lengths[:, None])}
        scores, weights, h, c = graphs["write"].run(live.WRITE_OUTPUTS, feeds)
        with torch.no_grad():
            expected, attention, state = model.step(pieces, memory, state)
        np.testing.assert_allclose(scores, expected, atol=1e-4, rtol=0)
        longest = sources.shape[1]
        np.testing.assert_allclose(weights[:, :longest], attention, atol=1e-4, rtol=0)
        assert not weights[:, longest:].any(), "padding got attention"
        np.testing.assert_allclose(h, state.h, atol=1e-4, rtol=0)
        np.testing.assert_allclose(c, state.c, atol=1e-4, rtol=0)
        pieces = torch.randint(len(SIGNS), vocabulary.size, (sentences,), generator=stream)


# ---------------------------------------------------------------- the mechanism


@pytest.mark.parametrize("batch", [1, 5])
def test_the_reading_graph_gives_the_networks_encodings_and_keys(small, small_graphs, batch):
    check_reading(small_graphs, small, PIECES, batch)


@pytest.mark.parametrize("batch", [1, 5])
def test_stepping_the_writing_graph_gives_the_networks_steps(small, small_graphs, batch):
    check_writing(small_graphs, small, PIECES, batch)


def test_what_stands_in_the_padding_changes_no_piece(small_graphs):
    sources, lengths = some_sources(small_graphs, PIECES, 1)
    both = [
        small_graphs["read"].run(
            ["encodings"],
            {
                "sources": padded(small_graphs, sources, padding),
                "length": as_float(lengths[:, None]),
            },
        )[0][0, : lengths[0]]
        for padding in (PADDING, 77)
    ]
    np.testing.assert_array_equal(*both)


def test_a_source_of_the_greatest_length_can_be_read(small, small_graphs):
    numbers = torch.arange(LONGEST)[None] + len(SIGNS)
    numbers[0, -1] = END
    lengths = torch.tensor([LONGEST])
    feeds = {"sources": as_float(numbers), "length": as_float(lengths[:, None])}
    found = small_graphs["read"].run(["encodings"], feeds)[0]
    with torch.no_grad():
        expected = small.encode(numbers, lengths).encodings
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


def test_the_graphs_name_what_they_take_and_give_in_single_precision(small_graphs):
    names = {name: [one.name for one in graph.get_inputs()] for name, graph in small_graphs.items()}
    assert names["read"] == ["sources", "length"]
    assert names["write"] == ["piece", "h", "c", "encodings", "keys", "length"]
    for name, outputs in (("read", live.READ_OUTPUTS), ("write", live.WRITE_OUTPUTS)):
        graph = small_graphs[name]
        assert [one.name for one in graph.get_outputs()] == outputs
        assert {one.type for one in graph.get_inputs()} == {"tensor(float)"}
        assert {one.type for one in graph.get_outputs()} == {"tensor(float)"}


class Graphs:
    """The two graphs with the two methods of a `Translator` that `search` calls."""

    def __init__(self, graphs, architecture):
        self.graphs, self.architecture = graphs, architecture

    def encode(self, sources, lengths):
        feeds = {
            "sources": sources.numpy().astype(np.float32),
            "length": as_float(lengths[:, None]),
        }
        encodings, keys = self.graphs["read"].run(live.READ_OUTPUTS, feeds)
        mask = torch.arange(sources.shape[1]) < lengths[:, None]
        return Memory(torch.from_numpy(encodings), torch.from_numpy(keys), mask)

    start = Translator.start

    def step(self, pieces, memory, state):
        feeds = {"piece": as_float(pieces[:, None]), "h": state.h.numpy(), "c": state.c.numpy()}
        feeds |= {"encodings": memory.encodings.numpy(), "keys": memory.keys.numpy()}
        feeds["length"] = as_float(memory.mask.sum(dim=1, keepdim=True))
        outputs = self.graphs["write"].run(live.WRITE_OUTPUTS, feeds)
        scores, weights, h, c = (torch.from_numpy(output) for output in outputs)
        return scores, weights, State(h, c)


def check_search(graphs, model, vocabulary, sentences):
    sources, lengths = some_sources(graphs, vocabulary, sentences)
    expected = search(model, sources, lengths, Search())
    for row, (length, hypotheses) in enumerate(zip(lengths.tolist(), expected, strict=True)):
        one = torch.from_numpy(padded(graphs, sources[row : row + 1])).long()
        found = search(Graphs(graphs, model.architecture), one, lengths[row : row + 1], Search())[0]
        assert found[0].pieces == hypotheses[0].pieces
        assert found[0].score == pytest.approx(hypotheses[0].score, abs=1e-4)
        np.testing.assert_allclose(
            found[0].attention[:, :length], hypotheses[0].attention, atol=1e-4, rtol=0
        )


def test_searching_with_the_graphs_finds_the_networks_translations(small, small_graphs):
    check_search(small_graphs, small, PIECES, 4)


def test_a_network_without_attention_is_refused():
    blind = new_model(dataclasses.replace(SMALL, attention=False), 0)
    with pytest.raises(ValueError, match="expected a network with attention"):
        live.Reader(blind)


def test_saving_rounds_records_the_score_and_loading_gives_it_back(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "held_out_bleu", lambda model, vocabulary: 71.25)
    path = tmp_path / "weights.safetensors"
    model = new_model(SMALL, 3)
    live.save_shipped(model, PIECES, path)
    state, recorded = load_weights(path)
    assert {weight.dtype for weight in state.values()} == {torch.float16}
    assert recorded["test BLEU"] == "71.25"
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    back, vocabulary = live.load_shipped(path)
    assert vocabulary.pieces == PIECES.pieces
    assert back.architecture == SMALL
    assert not back.training
    for one, other in zip(model.parameters(), back.parameters(), strict=True):
        assert torch.equal(one, other)


def test_damaged_weights_are_refused_by_name(tmp_path):
    damaged = tmp_path / "weights.safetensors"
    damaged.write_bytes(b"\x10" * 5000)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        live.load_shipped(damaged)


def test_the_score_is_of_every_fifth_test_sentence_with_its_own_reference(monkeypatch):
    pairs, chosen = load_grammar("test"), live.held_out()
    assert chosen.sources == pairs.sources[::5]
    answers = dict(zip(pairs.sources, pairs.targets, strict=True))
    monkeypatch.setattr(
        live, "translate", lambda model, vocabulary, sentences: [answers[s] for s in sentences]
    )
    assert live.held_out_bleu(small_model(), PIECES) == pytest.approx(100)


# ---------------------------------------------------------------- what the page is told


@pytest.fixture(scope="module")
def described(small) -> dict:
    return json.loads(json.dumps(live.describe(small, PIECES)))


def test_the_page_is_told_the_networks_shape_and_its_pieces(described):
    assert (described["layers"], described["hidden"], described["attention"]) == (3, 16, 20)
    assert described["most_pieces"] == MOST_PIECES
    signs = described["signs"]
    assert [
        described["pieces"][signs[name]] for name in ("padding", "begin", "end", "unknown")
    ] == [*SIGNS]
    again = Wordpieces(described["pieces"])
    sentence = load_grammar("test").sources[0]
    assert again.encode(sentence) == PIECES.encode(sentence)


def test_the_page_is_told_how_the_chapter_searches(described):
    told, default = described["search"], Search()
    assert [told[name] for name in ("width", "alpha", "beta")] == [
        default.width,
        default.alpha,
        default.beta,
    ]
    for length in (1, 17, 100):
        longest = told["longest_factor"] * length + told["longest_extra"]
        assert longest == default.longest(torch.tensor(length))


def test_words_are_those_of_some_sentences_and_followers_stood_after_them():
    words, followers = live.describe_words(
        ["the cat sees the dog .", "the dog sleeps .", "a dog ."]
    )
    assert words == [".", "dog", "the", "a", "cat", "sees", "sleeps"]
    named = {word: [words[index] for index in row] for word, row in followers.items()}
    assert named == {
        "": ["the", "a"],
        "the": ["dog", "cat"],
        "dog": [".", "sleeps"],
        "cat": ["sees"],
        "sees": ["the"],
        "sleeps": ["."],
        "a": ["dog"],
    }


def test_the_page_offers_the_grammars_words_and_few_at_a_time(described):
    assert len(set(described["words"])) == len(described["words"])
    assert {"the", "cat", "didn't", ".", "?"} <= set(described["words"])
    assert max(map(len, described["followers"].values())) == live.FOLLOWERS


def test_examples_are_new_sentences_and_only_the_last_has_new_words(described):
    trained, known = set(load_grammar("train").sources), set(described["words"])
    assert not trained & set(live.EXAMPLES)
    new = [[word for word in tokenize(example) if word not in known] for example in live.EXAMPLES]
    assert not any(new[:-1])
    assert len(new[-1]) >= 2


# ---------------------------------------------------------------- what is shipped


@pytest.mark.weights
def test_shipped_weights_score_what_was_recorded_and_beat_the_nearest_neighbour():
    _, recorded = load_weights(live.WEIGHTS)
    found = live.held_out_bleu(*live.load_shipped())
    assert found == pytest.approx(float(recorded["test BLEU"]), abs=0.5)
    pairs = live.held_out()
    trivial = bleu(nearest_neighbour(load_grammar("train"), pairs.sources), pairs.targets)
    assert found > trivial + 10


def test_the_shipped_graphs_read_write_and_translate_as_the_shipped_model():
    model, vocabulary = live.load_shipped()
    graphs = open_graphs(FOLDER)
    check_reading(graphs, model, vocabulary, 3)
    check_writing(graphs, model, vocabulary, 3)
    check_search(graphs, model, vocabulary, 5)


def test_the_shipped_description_is_that_of_the_shipped_model_and_all_is_light():
    described = json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))
    assert described == json.loads(json.dumps(live.describe(*live.load_shipped())))
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4e6
