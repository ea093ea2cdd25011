"""Strokes: round trips, invariances, the split, the loaders' refusals."""

import itertools

import numpy as np
import pytest
import torch

from companion.vision.sketch_rnn import data

SQUARE = [
    np.array([[0, 0], [10, 0], [10, 10]], dtype=float),
    np.array([[0, 0], [0, 10], [10, 10]], dtype=float),
]


def test_known_stroke3():
    assert data.to_stroke3(SQUARE).tolist() == [
        [10, 0, 0],
        [0, 10, 1],
        [-10, -10, 0],
        [0, 10, 0],
        [10, 0, 1],
    ]


def test_polylines_come_back():
    back = data.to_polylines(data.to_stroke3(SQUARE), start=(0, 0))
    assert len(back) == 2
    for stroke, expected in zip(back, SQUARE, strict=True):
        np.testing.assert_allclose(stroke, expected)


def test_a_drawing_cut_before_its_last_lift_keeps_its_open_stroke():
    stroke3 = data.to_stroke3(SQUARE)[:-1]
    assert [len(stroke) for stroke in data.to_polylines(stroke3)] == [3, 2]


def test_stroke5_marks_the_end_and_round_trips():
    stroke3 = data.to_stroke3(SQUARE)
    stroke5 = data.to_stroke5(stroke3, 8)
    assert (stroke5[:, 2:].sum(axis=1) == 1).all()
    assert stroke5[5:].tolist() == [[0, 0, 0, 0, 1]] * 3
    np.testing.assert_array_equal(data.from_stroke5(stroke5), stroke3)
    with pytest.raises(data.DrawingError, match="5 steps"):
        data.to_stroke5(stroke3, 5)


def test_simplify_keeps_within_its_tolerance_and_drops_what_it_may():
    angle = np.linspace(0, np.pi, 200)
    arc = 50 * np.column_stack([np.cos(angle), np.sin(angle)])
    few = data.simplify(arc, 1.0)
    assert len(few) < 20
    np.testing.assert_array_equal(few[[0, -1]], arc[[0, -1]])
    segments = list(itertools.pairwise(few))

    def distance(point, a, b):
        along = np.clip((point - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        return np.linalg.norm(point - a - along * (b - a))

    assert max(min(distance(p, a, b) for a, b in segments) for p in arc) <= 1.0 + 1e-9


def test_curves_are_sampled_on_the_curve():
    points = data.sample_path("M0,0 C0,10 10,10 10,0", points_per_curve=2)
    np.testing.assert_allclose(points, [[0, 0], [5, 7.5], [10, 0]])


@pytest.mark.parametrize("commands", ["", "M0,0", "nonsense", "M0,0 L1,1 M2,2 L3,3"])
def test_a_malformed_path_is_refused(commands):
    with pytest.raises(data.DrawingError):
        data.sample_path(commands)


@pytest.mark.parametrize("text", ["<svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_a_malformed_or_empty_svg_is_refused_by_name(tmp_path, text):
    path = tmp_path / "04e00.svg"
    path.write_text(text)
    with pytest.raises(data.DrawingError, match=r"04e00\.svg"):
        data.read_character(path)


@pytest.mark.parametrize(
    "drawing", [[], [np.zeros((1, 2))], [np.zeros((0, 2))], [np.array([[0, 0], [np.nan, 1]])]]
)
def test_an_empty_or_broken_drawing_is_refused(drawing):
    with pytest.raises(data.DrawingError):
        data.to_stroke3(drawing)


def test_a_missing_wheel_names_the_package(monkeypatch):
    def missing(name):
        raise data.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(data.importlib.metadata, "distribution", missing)
    with pytest.raises(ModuleNotFoundError, match="pip install kanjivg"):
        data.kanjivg_folder()


def test_splits_share_no_character_and_one_scale():
    splits = {name: data.load_kanji(name) for name in data.SPLITS}
    names = [name for split in splits.values() for name in split.names]
    assert len(names) == len(set(names)) > 6000
    assert len({split.scale for split in splits.values()}) == 1
    offsets = np.concatenate([stroke[:, :2] for stroke in splits["train"].strokes])
    assert offsets.std() == pytest.approx(1, abs=1e-4)
    assert offsets.dtype == np.float32


def test_known_character():
    """The wheel's file for the numeral three: three strokes, none of them with a left part."""
    for split in data.SPLITS:
        drawings = data.load_kanji(split)
        if "三" in drawings.names:
            index = drawings.index("三")
            assert drawings.strokes[index][:, 2].sum() == 3
            assert drawings.left_parts[index] == ""
            return
    raise AssertionError("三 is in no split")


def test_left_parts_are_the_files_labels():
    labels = {}
    for split in data.SPLITS:
        drawings = data.load_kanji(split)
        labels |= dict(zip(drawings.names, drawings.left_parts, strict=True))
    assert labels["池"] == "氵"
    assert labels["村"] == "木"
    assert labels["花"] == ""


def test_unknown_split_is_named():
    with pytest.raises(ValueError, match="'dev'"):
        data.load_kanji("dev")


# --- augmentation and batches


def test_dropped_points_leave_the_rest_in_place():
    stroke3 = data.to_stroke3(SQUARE)
    dropped = data.drop_points(stroke3, np.zeros(len(stroke3), dtype=bool))
    back = data.to_polylines(dropped)
    np.testing.assert_allclose(back[0], [[0, 0], [10, 10]])
    np.testing.assert_allclose(back[1], [[0, 0], [10, 10]])


def test_augmentation_stretches_each_axis_within_its_limits():
    drawings = data.load_kanji("validation").strokes[:50]
    generator = torch.Generator().manual_seed(0)
    stretched = data.augment(drawings, generator, drop_probability=0.0)
    ratios = [new[0, :2] / old[0, :2] for new, old in zip(stretched, drawings, strict=True)]
    ratios = np.array([ratio for ratio in ratios if np.isfinite(ratio).all()])
    assert ratios.min() >= 0.85 - 1e-6
    assert ratios.max() <= 1.15 + 1e-6
    assert ratios.std(axis=0).min() > 0.05
    assert abs(np.corrcoef(ratios.T)[0, 1]) < 0.5


def test_augmentation_depends_on_its_generator_alone():
    drawings = data.load_kanji("validation").strokes[:8]
    first, again = (data.augment(drawings, torch.Generator().manual_seed(3)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_is_trimmed_to_its_longest_drawing_and_begins_with_the_start():
    short, long = data.to_stroke3(SQUARE[:1]), data.to_stroke3(SQUARE)
    batch = data.make_batch([short, long])
    assert batch.strokes.shape == (2, 1 + 5 + 1, 5)
    assert batch.strokes[:, 0].tolist() == [[0, 0, 1, 0, 0]] * 2
    assert batch.lengths.tolist() == [2, 5]
    assert batch.strokes[0, 3:, 4].tolist() == [1] * 4
    assert data.make_batch([short], length=64).strokes.shape == (1, 65, 5)


def test_every_training_drawing_is_seen_about_equally_often():
    drawings = data.load_kanji("validation")
    batches = data.training_batches(drawings, 20, torch.Generator().manual_seed(0))
    lengths = [next(batches).lengths for _ in range(2 * len(drawings) // 20)]
    seen = sum(int(length.sum()) for length in lengths)
    mean = np.mean([len(stroke3) for stroke3 in drawings.strokes])
    # Dropped points shorten drawings a little; dropping the longest drawings would show here.
    assert 0.85 < seen / (mean * 20 * len(lengths)) <= 1


def test_evaluation_covers_every_drawing_once():
    drawings = data.load_kanji("validation")
    assert sum(len(batch.lengths) for batch in data.evaluation_batches(drawings)) == len(drawings)


# --- Quick, Draw! files


@pytest.fixture
def quickdraw_file(tmp_path):
    """A small file in the published format: object arrays of int16 stroke-3."""
    generator = np.random.default_rng(0)

    def drawings(count):
        arrays = np.empty(count, dtype=object)
        for index in range(count):
            steps = generator.integers(-50, 50, (generator.integers(4, 12), 2))
            lift = np.zeros((len(steps), 1), dtype=int)
            lift[-1] = 1
            arrays[index] = np.hstack([steps, lift]).astype(np.int16)
        return arrays

    path = tmp_path / "cat.npz"
    np.savez(path, train=drawings(20), valid=drawings(4), test=drawings(5))
    return path


def test_object_arrays_are_refused_unless_trusted(quickdraw_file):
    with pytest.raises(data.DrawingError, match="run any code"):
        data.load_quickdraw(quickdraw_file, "train")


def test_quickdraw_is_scaled_by_its_training_split(quickdraw_file):
    train = data.load_quickdraw(quickdraw_file, "train", allow_pickle=True)
    test = data.load_quickdraw(quickdraw_file, "test", allow_pickle=True)
    assert (len(train), len(test)) == (20, 5)
    assert np.concatenate([s[:, :2] for s in train.strokes]).std() == pytest.approx(1, abs=1e-5)
    assert test.scale == train.scale
    with np.load(quickdraw_file, allow_pickle=True) as raw:
        np.testing.assert_allclose(
            test.strokes[0][:, :2] * test.scale, raw["test"][0][:, :2], rtol=1e-5, atol=1e-4
        )


def test_quickdraw_drops_drawings_that_are_too_long(quickdraw_file):
    short = data.load_quickdraw(quickdraw_file, "train", max_length=8, allow_pickle=True)
    assert 0 < len(short) < 20
    assert all(len(stroke3) < 8 for stroke3 in short.strokes)


def test_a_damaged_or_foreign_file_is_refused_by_name(tmp_path, quickdraw_file):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(quickdraw_file.read_bytes()[:200])
    with pytest.raises(data.DrawingError, match=r"broken\.npz"):
        data.load_quickdraw(broken, "train", allow_pickle=True)
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, images=np.zeros((3, 3)))
    with pytest.raises(data.DrawingError, match="'train'"):
        data.load_quickdraw(foreign, "train")
    odd = tmp_path / "odd.npz"
    np.savez(odd, train=np.full((2, 5, 3), 7), valid=np.zeros((1, 2, 3)), test=np.zeros((1, 2, 3)))
    with pytest.raises(data.DrawingError, match="pen lift"):
        data.load_quickdraw(odd, "train")
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        data.load_quickdraw(tmp_path / "none.npz", "train")
