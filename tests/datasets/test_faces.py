"""The drawn faces: each parameter does its own work and no other's, and the landmarks are true."""

import dataclasses
import itertools

import pytest
import torch

from companion.datasets import face_geometry, faces
from companion.seeds import generator

SIZE = 64


def some_faces(count, purpose="faces"):
    people = faces.identities(generator(0, purpose, "people"), count)
    return people, faces.situations(generator(0, purpose, "pictures"), count)


def change(parameters, **values):
    """All faces with these parameters set to one value."""
    full = {
        name: torch.full_like(getattr(parameters, name), value) for name, value in values.items()
    }
    return dataclasses.replace(parameters, **full)


def changed(before, after):
    """Which pixels differ, (faces, size, size)."""
    return ((before - after).abs() > 1e-4).any(dim=1)


def busy_faces(count):
    """Faces in which every parameter has something to show."""
    people, pictures = some_faces(count, "busy")
    people = change(people, age=45, freckles=0.8, beard=0.3, moustache=0.6, hairline=0.5)
    people = change(people, hair_style=faces.HAIR_STYLES.index("cropped"))
    pictures = change(pictures, mouth_opening=0.8, teeth=0.5, tongue=0.5, glasses=1, background=2)
    return people, change(pictures, smile=0.4, eye_opening=0.8, yaw=8, light_strength=0.5)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_other_people():
    first, second = faces.draw(*some_faces(6), SIZE), faces.draw(*some_faces(6), SIZE)
    assert torch.equal(first, second)
    assert first.dtype == torch.float32
    assert first.shape == (6, 3, SIZE, SIZE)
    assert first.min() >= 0 and first.max() <= 1
    assert (first - faces.draw(*some_faces(6, "others"), SIZE)).abs().mean() > 0.05


def test_a_face_does_not_depend_on_who_is_drawn_beside_it():
    people, pictures = some_faces(40)
    together = faces.draw(people, pictures, 32)
    alone = faces.draw(people[35:36], pictures[35:36], 32)
    torch.testing.assert_close(together[35:36], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [faces.Identity, faces.Situation])
def test_every_parameter_changes_the_picture(kind):
    person, picture = busy_faces(1)
    parameters = person if kind is faces.Identity else picture
    fields = dataclasses.fields(kind)
    rows = torch.zeros(len(fields), dtype=torch.long)
    repeated = dataclasses.replace(parameters[rows])
    for row, field in enumerate(fields):
        values = getattr(repeated, field.name)
        if "choices" in field.metadata:
            values[row] = (values[row] + 1) % len(field.metadata["choices"])
        else:
            low, high = field.metadata["low"], field.metadata["high"]
            values[row] = high if values[row] < (low + high) / 2 else low
    people, pictures = person[rows], picture[rows]
    before = faces.draw(people, pictures, SIZE)
    if kind is faces.Identity:
        after = faces.draw(repeated, pictures, SIZE)
    else:
        after = faces.draw(people, repeated, SIZE)
    seen = changed(before, after).flatten(1).any(dim=1)
    assert [field.name for field, one in zip(fields, seen, strict=True) if not one] == []


def test_a_change_stays_where_it_belongs():
    people, pictures = busy_faces(12)
    before = faces.draw(people, pictures, SIZE)
    marks = faces.landmarks(people, pictures, SIZE)
    rows = (torch.arange(SIZE) + 0.5).view(1, SIZE, 1).expand(12, SIZE, SIZE)
    columns = rows.transpose(1, 2)

    def near(point, radius):
        distance = (columns - point[:, 0, None, None]) ** 2 + (rows - point[:, 1, None, None]) ** 2
        return distance < radius**2

    def difference(people, pictures):
        return changed(before, faces.draw(people, pictures, SIZE))

    eyes = near(marks.left_eye, 7) | near(marks.right_eye, 7)
    mouth = near((marks.left_mouth + marks.right_mouth) / 2, 11)
    eye_level = torch.minimum(marks.left_eye[:, 1], marks.right_eye[:, 1])
    above_the_eyes = rows < eye_level[:, None, None] - 3
    assert not (difference(change(people, eye_colour=0.9), pictures) & ~eyes).any()
    for name in ("teeth", "tongue"):
        assert not (difference(people, change(pictures, **{name: 1})) & ~mouth).any()
    without = difference(change(people, beard=0, moustache=0), pictures)
    assert without.any() and not (without & above_the_eyes).any()
    corners = torch.zeros(12, SIZE, SIZE, dtype=torch.bool)
    corners[:, :4] = True
    for other in ({"light_azimuth": -60}, {"light_warmth": 1}, {"smile": -1}):
        assert not (difference(people, change(pictures, **other)) & corners).any()
    assert not (difference(change(people, age=80, skin=0.9), pictures) & corners).any()
    scenery = difference(people, change(pictures, background=1, background_colour=0.1))
    assert scenery[:, :4].all()
    assert not (scenery & near(marks.nose, 5)).any()


def test_the_landmarks_lie_where_the_eyes_and_the_mouth_are_drawn():
    people, pictures = some_faces(24)
    pictures = change(pictures, mouth_opening=0.9, teeth=0, eye_opening=1, gaze=0, glasses=0)
    marks = faces.landmarks(people, pictures, SIZE)
    before = faces.draw(people, pictures, SIZE)
    other = 1 - people.eye_colour
    other = torch.where((other - people.eye_colour).abs() < 0.2, torch.tensor(0.95), other)
    recoloured = faces.draw(dataclasses.replace(people, eye_colour=other), pictures, SIZE)
    middle = _centre(before, recoloured)
    torch.testing.assert_close(middle, (marks.left_eye + marks.right_eye) / 2, atol=1.6, rtol=0)
    biting = faces.draw(people, change(pictures, tongue=1), SIZE)
    without = faces.draw(people, change(pictures, tongue=0), SIZE)
    bottom = _centre(biting, without)[:, 1]
    assert (bottom > marks.upper_lip[:, 1]).all()
    assert (bottom < marks.lower_lip[:, 1] + 0.5).all()


def _centre(before, after):
    """The middle of the pixels that differ, (faces, 2), in pixels right and down."""
    weight = (before - after).abs().sum(dim=1)
    steps = torch.arange(SIZE) + 0.5
    x = (weight.sum(dim=1) * steps).sum(dim=1)
    y = (weight.sum(dim=2) * steps).sum(dim=1)
    return torch.stack([x, y], dim=1) / weight.sum(dim=(1, 2))[:, None]


def test_places_of_the_head_go_to_the_picture_and_back():
    _, pictures = some_faces(8)
    points = torch.rand(8, 5, 2, generator=generator(0, "points")) - 0.5
    u, v = face_geometry.plane_coordinates(pictures, 0.3, SIZE)
    there = face_geometry.to_picture(pictures, points, 0.3, SIZE)
    grid = 2 * there / SIZE - 1
    for values, wanted in ((u, points[..., 0]), (v, points[..., 1])):
        back = torch.nn.functional.grid_sample(
            values[:, None], grid[:, :, None], align_corners=False
        )
        torch.testing.assert_close(back[:, 0, :, 0], wanted, atol=1e-4, rtol=0)


def test_the_head_turns_the_way_its_angles_say():
    people, pictures = some_faces(4)
    straight = change(pictures, yaw=0, pitch=0, roll=0)
    still = faces.landmarks(people, straight, SIZE)
    right = faces.landmarks(people, change(straight, yaw=20), SIZE)
    up = faces.landmarks(people, change(straight, pitch=15), SIZE)
    clockwise = faces.landmarks(people, change(straight, roll=20), SIZE)
    assert (right.nose - right.chin)[:, 0].min() > 2
    assert ((up.nose - up.chin)[:, 1] < (still.nose - still.chin)[:, 1] - 1).all()
    assert (clockwise.right_eye - clockwise.left_eye)[:, 1].min() > 2


def test_the_mouth_opens_by_degrees_and_its_lips_meet_when_closed():
    people, pictures = some_faces(4)
    closed = faces.landmarks(people, change(pictures, mouth_opening=0), SIZE)
    torch.testing.assert_close(closed.upper_lip, closed.lower_lip)
    steps = [
        faces.draw(people, change(pictures, mouth_opening=opening / 50), SIZE)
        for opening in range(20, 25)
    ]
    for before, after in itertools.pairwise(steps):
        assert 0 < (before - after).abs().max() < 0.25
    rounded = faces.landmarks(people, change(pictures, mouth_rounding=1), SIZE)
    flat = faces.landmarks(people, change(pictures, mouth_rounding=0), SIZE)
    widths = [(marks.right_mouth - marks.left_mouth).norm(dim=1) for marks in (rounded, flat)]
    assert (widths[0] < 0.7 * widths[1]).all()


def test_age_turns_hair_grey_and_a_child_has_no_beard_and_large_eyes_low_in_its_face():
    people, pictures = some_faces(6)
    people = change(people, hair_style=faces.HAIR_STYLES.index("bob"), hair_colour=0.6)
    pictures = change(pictures, yaw=0, pitch=0, roll=0)
    crown = face_geometry.to_picture(
        pictures, torch.tensor([[[0.0, -0.55]]]).expand(6, 1, 2), face_geometry.FRONT_HAIR, SIZE
    )[:, 0].long()
    saturation = {}
    for age in (20, 80):
        drawn = faces.draw(change(people, age=age), pictures, SIZE)
        hair = drawn[torch.arange(6), :, crown[:, 1], crown[:, 0]]
        saturation[age] = 1 - hair.amin(dim=1) / hair.amax(dim=1)
    assert (saturation[80] < 0.5 * saturation[20]).all()
    child = change(people, age=8)
    bearded = faces.draw(change(child, beard=1, moustache=1), pictures, SIZE)
    assert torch.equal(bearded, faces.draw(change(child, beard=0, moustache=0), pictures, SIZE))
    shapes = {age: face_geometry.proportions(change(people, age=age), pictures) for age in (3, 30)}
    assert (shapes[3].eye_half_width > 1.15 * shapes[30].eye_half_width).all()
    assert (shapes[3].eye_y > shapes[30].eye_y).all()


def test_people_have_the_ages_asked_for():
    ages = faces.identities(generator(0, "ages"), 500, ages=(30, 40)).age
    assert ages.min() >= 30 and ages.max() <= 40
    assert ages.max() - ages.min() > 9


def test_what_no_face_can_have_is_refused_in_words():
    people, pictures = some_faces(3)
    with pytest.raises(faces.FaceError, match=r"Identity\.age.*0 and 100.*130"):
        change(people, age=130)
    with pytest.raises(faces.FaceError, match=r"Situation\.yaw.*nan"):
        change(pictures, yaw=float("nan"))
    with pytest.raises(faces.FaceError, match=r"skin must be a tensor of shape \(3,\)"):
        dataclasses.replace(people, skin=torch.zeros(2))
    with pytest.raises(faces.FaceError, match="hair_style is an index"):
        dataclasses.replace(people, hair_style=torch.zeros(3))
    with pytest.raises(faces.FaceError, match=r"3 people .* 2 situations"):
        faces.draw(people, pictures[:2], SIZE)
    with pytest.raises(faces.FaceError, match="size is 8 pixels"):
        faces.draw(people, pictures, 8)
